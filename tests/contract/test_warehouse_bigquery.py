"""A BigQuery dataset of somebody's: adopted or refused by column, errors by name, answers lost, versions never mixed.

The emulator's transactions aren't isolated from each other, so what two loads at the same instant do is not proven
here: only that the one that comes second, however late, finds another predecessor and changes nothing.
"""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from catchwater.adapters.warehouses import bigquery_place, bigquery_session
from catchwater.adapters.warehouses.bigquery import BigqueryWarehouse
from catchwater.adapters.warehouses.bigquery_arrow import batches
from catchwater.cli.rows import write
from catchwater.errors import TableDiffers, UseError, WarehouseBusy, WarehouseError
from catchwater.ports import Extract, Settings
from catchwater.project.schema import BigqueryWarehouse as Spec
from catchwater.project.tables import Column
from tests.support.cutting import Line, line
from tests.support.google import bigquery_client, bigquery_variables, bqemulator
from tests.support.loads import Chain, House, history, model, opened

__all__ = ["bqemulator"]
T = model("t", {"id": "INTEGER", "v": "VARCHAR"})


@pytest.fixture
def house(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    with opened("bigquery", tmp_path, request) as made:
        yield made


@pytest.fixture
def client(bqemulator: Mapping[str, str]) -> Iterator[Any]:
    made = bigquery_client(bqemulator)
    yield made
    made.close()


def run(client: Any, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in client.query(sql).result()]


def one(house: House, of: Any = T) -> Chain:
    log = house.chain(of)
    log.add("SELECT 1 AS id, 'a' AS v")
    return log


def another(house: House, **variables: str) -> BigqueryWarehouse:
    """Another process's handle on the same dataset."""
    given = house.variables | variables
    settings = Settings(house.folder, house.folder / "other", "local", str, variables=given)
    made = BigqueryWarehouse("bigquery", Spec(kind="bigquery", dataset=house.dataset), settings, patience=2.0)
    house.opened.append(made)
    return made


def load(warehouse: Any, log: Chain) -> None:
    with warehouse.load({}) as session:
        session.prepare([log.model])
        session.apply(log.batches)


def rows_of(house: House, client: Any, table: str = "t") -> int:
    return int(run(client, f"SELECT COUNT(*) FROM `{house.dataset}.{table}`")[0][0])


def marker_of(house: House, client: Any, table: str = "t") -> list[tuple[Any, ...]]:
    return run(client, f"SELECT seq, hash FROM `{house.dataset}._catchwater_marker_{table}`")


def test_every_differing_column_is_refused_at_once(house: House, client: Any) -> None:
    own = house.dataset
    run(client, f"CREATE TABLE `{own}.t` (id STRING, v DATE, extra STRING NOT NULL, fine STRING)")
    run(client, f"CREATE TABLE `{own}.wide` (id INT64)")
    run(client, f"CREATE VIEW `{own}.viewed` AS SELECT 1 AS id")
    models = [T, model("wide", {"id": "BIGINT", "new": "DATE"}), model("viewed", {"id": "INTEGER"})]
    with house.warehouse.load({}) as session, pytest.raises(TableDiffers) as refused:
        session.prepare(models)
    for said in (
        "t.id: is STRING; the model has INT64", "t.v: is DATE; the model has STRING", "t.extra: needs a value",
        "wide.new: missing; the model has DATE", "viewed: is no table (VIEW)",
    ):  # fmt: skip
        assert said in str(refused.value), refused.value
    assert "fine" not in str(refused.value)
    assert [column.name for column in client.get_table(f"{own}.wide").schema] == ["id"]


def test_a_table_that_was_there_is_adopted_and_never_emptied(house: House, client: Any) -> None:
    run(client, f"CREATE TABLE `{house.dataset}.t` (v STRING, own STRING, id NUMERIC)")
    log = one(house)
    house.load(log)
    assert run(client, f"SELECT v, own, CAST(id AS INT64) FROM `{house.dataset}.t`") == [("a", None, 1)]
    with house.warehouse.load({}) as session:
        session.prepare([T])
        with pytest.raises(WarehouseError, match=r"isn't emptied for you(.|\n)*_catchwater_marker_t SET seq = 0"):
            session.reset(T)


def test_a_table_that_we_made_is_emptied_and_loaded_anew_in_one_transaction(house: House, client: Any) -> None:
    log = house.chain(history())
    tail = "'upsert' AS _op, NULL::TIMESTAMPTZ AS _at"
    log.add(f"SELECT range AS id, 1 AS e, 'x' AS v, {tail} FROM range(5)")
    house.load(log)
    anew = house.chain(history())
    anew.add(f"SELECT 9::BIGINT AS id, 2 AS e, 'y' AS v, {tail}")
    with house.warehouse.load({}) as session:
        session.prepare([log.model])
        session.reset(log.model)
        done = session.apply(anew.batches)
        assert rows_of(house, client, "fact") == 5
    assert done.added == 1
    assert house.rows("SELECT id, e FROM fact") == house.rows("SELECT id, e FROM fact_current") == [(9, 2)]
    assert marker_of(house, client, "fact") == [(1, anew.batches[0].hash)]


def test_a_dropped_table_is_loaded_from_its_beginning(house: House, client: Any) -> None:
    log = one(house)
    log.add("SELECT 2 AS id, 'b' AS v")
    house.load(log)
    run(client, f"DROP TABLE `{house.dataset}.t`")
    with house.warehouse.load({}) as session:
        session.prepare([T])
        assert session.markers() == {}
        session.apply(log.batches)
    assert house.rows("SELECT id, v FROM t ORDER BY id") == [(1, "a"), (2, "b")]


def test_descriptions_are_written(house: House, client: Any) -> None:
    described = replace(
        T, description='it\'s "odd" \\ `x`\n2', columns=(T.columns[0], Column("v", "VARCHAR", description="what's in"))
    )
    house.load(one(house, described))
    assert client.get_table(f"{house.dataset}.t").description == described.description


def test_staging_tables_are_removed(house: House, client: Any) -> None:
    house.load(one(house), *[log for log in [house.chain(history())] if log.add()])
    assert {table.table_id for table in client.list_tables(house.dataset)} == {
        "t", "fact", "fact_current", "_catchwater_version", "_catchwater_marker_t", "_catchwater_marker_fact",
    }  # fmt: skip


def test_a_view_that_bigquery_has_no_words_for_is_refused_by_name(house: House) -> None:
    view = model(
        "v",
        {"id": "INTEGER"},
        (),
        materialized="view",
        reads={"t": "t"},
        sql="SELECT x FROM t PIVOT (sum(id) FOR v IN ('a'))",
    )
    bad = replace(view, sql="SELECT list_transform([id], lambda x: x + 1) AS id FROM t")
    for wrong in (bad, view):
        with pytest.raises(WarehouseError) as refused:
            house.load(one(house), models=[wrong])
        assert "v" in refused.value.where
    good = replace(view, sql="SELECT id + 1 AS id FROM t WHERE v ILIKE 'A'")
    house.load(one(house), models=[good])
    assert house.rows("FROM v") == [(2,)]


def test_a_missing_dataset_and_a_missing_login_are_named(
    bqemulator: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(**variables: str) -> BigqueryWarehouse:
        settings = Settings(tmp_path, tmp_path, "dev", str, variables=variables)
        return BigqueryWarehouse("bigquery", Spec(kind="bigquery", dataset="nowhere"), settings)

    with pytest.raises(WarehouseError, match=r"there is no dataset nowhere(.|\n)*apply the warehouse root"):
        made(**bigquery_variables(bqemulator)).version()
    with pytest.raises(WarehouseError, match="no login for BigQuery"):
        made(CATCHWATER_GOOGLE_FEDERATION="{", GOOGLE_CLOUD_PROJECT="p").version()
    with pytest.raises(WarehouseError, match="no login for BigQuery"):
        made(CATCHWATER_GOOGLE_FEDERATION=json.dumps({"type": "odd"}), GOOGLE_CLOUD_PROJECT="p").version()
    monkeypatch.setattr(bigquery_place, "PATIENCE", 0.5)
    with pytest.raises(WarehouseError, match="doesn't answer"):
        made(BIGQUERY_EMULATOR_HOST="127.0.0.1:9", GOOGLE_CLOUD_PROJECT="p").version()


def test_federation_is_taken_from_its_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An AWS step has no key: what it is given says where to trade its role for a token."""
    from catchwater.adapters.warehouses.bigquery_place import _client

    pool = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/aws/providers/aws"
    config = {
        "type": "external_account", "audience": pool, "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"environment_id": "aws1", "regional_cred_verification_url": "https://sts.{region}.amazonaws.com"},
    }  # fmt: skip
    made = _client({"CATCHWATER_GOOGLE_FEDERATION": json.dumps(config)}, "shop-prod")
    assert made.project == "shop-prod"
    assert type(made._credentials).__module__ == "google.auth.aws"
    assert made._credentials.scopes == ("https://www.googleapis.com/auth/bigquery",)
    made.close()


def test_the_second_of_two_loads_of_one_batch_changes_nothing(house: House, client: Any) -> None:
    """One after the other, though each began before the other ended: the emulator can't show them at one instant."""
    log = one(house)
    house.load(log)
    log.add("SELECT 2 AS id, 'b' AS v")
    with another(house).load({}) as late:
        late.prepare([T])
        late.apply(log.batches)
        house.load(log)
    assert rows_of(house, client) == 2
    assert marker_of(house, client) == [(2, log.batches[1].hash)]


def test_a_load_that_was_overtaken_by_another_is_refused_whole(house: House, client: Any) -> None:
    log = one(house)
    house.load(log)
    other = Chain(house.folder, T, list(log.batches))
    log.add("SELECT 2 AS id, 'b' AS v")
    other.add("SELECT 3 AS id, 'c' AS v")
    with pytest.raises(WarehouseBusy, match="another load is writing"), another(house).load({}) as late:
        late.prepare([T])
        late.apply(other.batches)
        house.load(log)
    assert house.rows("SELECT id FROM t ORDER BY id") == [(1,), (2,)]
    assert marker_of(house, client) == [(2, log.batches[1].hash)]


def is_script(request: bytes) -> bool:
    return b"BEGIN TRANSACTION" in request


@pytest.fixture
def cut(bqemulator: Mapping[str, str]) -> Iterator[Line]:
    with line(bqemulator["endpoint"]) as made:
        yield made


def test_a_lost_answer_is_neither_a_loss_nor_a_second_time(house: House, client: Any, cut: Line) -> None:
    log = one(house)
    through = another(house, BIGQUERY_EMULATOR_HOST=cut.endpoint)
    load(through, log)
    log.add("SELECT 1 AS id, 'z' AS v UNION ALL SELECT 2, 'b'")
    cut.cut = lambda request: "after" if is_script(request) else ""
    load(through, log)
    assert cut.lost == ["after"]
    assert house.rows("SELECT id, v FROM t ORDER BY id") == [(1, "z"), (2, "b")]
    assert marker_of(house, client) == [(2, log.batches[1].hash)]
    load(through, log)
    assert rows_of(house, client) == 2


def test_a_request_that_never_arrived_is_said_and_done_at_the_next_wake(house: House, client: Any, cut: Line) -> None:
    log = one(house)
    through = another(house, BIGQUERY_EMULATOR_HOST=cut.endpoint)
    through.patience = 0.2
    cut.cut = lambda request: "before" if is_script(request) else ""
    with pytest.raises(WarehouseError, match="doesn't answer"):
        load(through, log)
    assert rows_of(house, client) == 0
    assert through.version() is None
    cut.cut = lambda request: ""
    load(through, log)
    assert rows_of(house, client) == 1


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_load_job_whose_answer_is_lost_is_sent_again(house: House, client: Any, cut: Line, where: str) -> None:
    log = one(house)
    through = another(house, BIGQUERY_EMULATOR_HOST=cut.endpoint)

    def once(request: bytes) -> str:
        return where if request.startswith(b"PUT /") and not cut.lost else ""

    cut.cut = once
    load(through, log)
    assert cut.lost == [where]
    assert rows_of(house, client) == 1


def test_a_marker_outside_of_the_transaction_is_found_out(
    house: House, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken variant: a marker that is written before the rows and apart from them loses what fails in between."""
    log = one(house)
    house.load(log)
    log.add("SELECT 2 AS id, 'b' AS v")

    def power_cut(moves: Any, work: Any, publish: Any) -> str:
        return ";\n".join(["BEGIN TRANSACTION", *work, "SELECT ERROR('power cut')", "COMMIT TRANSACTION"])

    def apart(moves: Any, work: Any, publish: Any) -> str:
        return ";\n".join([*(move.update() for move in moves), power_cut(moves, work, publish)])

    for broken, rows in ((power_cut, 2), (apart, 1)):
        fresh = Chain(house.folder, T, list(log.batches))
        monkeypatch.setattr(bigquery_session, "script", broken)
        with pytest.raises(WarehouseError, match="power cut"):
            load(another(house), fresh)
        monkeypatch.undo()
        load(another(house), fresh)
        assert rows_of(house, client) == rows, broken.__name__
        if rows == 2:
            run(client, f"DELETE FROM `{house.dataset}.t` WHERE id = 2")
            run(
                client,
                f"UPDATE `{house.dataset}._catchwater_marker_t` SET seq = 1, hash = '{log.batches[0].hash}' WHERE TRUE",
            )


def rows(sql: str, *values: Any, **more: Any) -> Extract:
    return Extract(sql, values, T.columns, '"id", "v"', "t", **more)


def test_no_answer_mixes_two_versions(house: House) -> None:
    log = one(house)
    house.load(log)
    with house.warehouse.read() as reading:
        before = reading.version.number
        assert reading.select(rows('SELECT "id", "v" FROM "t"')).fetchall() == [(1, "a")]
        log.add("SELECT 2 AS id, 'b' AS v")
        load(another(house), log)
        for ask in (
            lambda: reading.select(rows('SELECT "id", "v" FROM "t"')),
            lambda: reading.connection.execute("SELECT count(*) FROM t"),
        ):
            with pytest.raises(WarehouseBusy, match=r"a load was published while this was read(.|\n)*ask again"):
                ask()
    with house.warehouse.read() as reading:
        assert reading.version.number > before
        assert reading.select(rows('SELECT "id", "v" FROM "t" WHERE "v" = ?', "b")).fetchall() == [(2, "b")]


def test_rows_are_picked_there_and_shown_here(house: House) -> None:
    log = house.chain(T)
    log.add("SELECT range::INTEGER AS id, 'v' || range AS v FROM range(30000)")
    house.load(log)
    sql = 'SELECT "id", "v" FROM "t" WHERE ("id" > CAST(? AS INTEGER))'
    with house.warehouse.read() as reading:
        page = reading.select(rows(sql, "100", sort='ORDER BY "id" DESC NULLS FIRST', cut="LIMIT 3 OFFSET 1"))
        assert page.fetchall() == [(29998, "v29998"), (29997, "v29997"), (29996, "v29996")]
        whole = reading.select(rows(sql, "-1", sort='ORDER BY "id" ASC NULLS LAST')).to_arrow_reader(4096)
        sizes = [batch.num_rows for batch in whole]
        assert sum(sizes) == 30000
        assert max(sizes) <= 30000
        none = reading.select(rows(sql, "30000"))
        assert none.fetchall() == []
        with pytest.raises(duckdb.CatalogException, match="u does not exist"):
            reading.select(rows('SELECT "id", "v" FROM "u"'))
        with pytest.raises(duckdb.BinderException):
            reading.select(rows('SELECT "id", "w" FROM "t"'))


_UP, _DOWN = ("ASC NULLS LAST",), ("DESC NULLS FIRST",)


def test_floats_sort_and_compare_as_duckdb_has_them(house: House) -> None:
    floats = model("f", {"id": "INTEGER", "d": "DOUBLE"})
    log = house.chain(floats)
    given = ("1.5", "NaN", "-Infinity", "Infinity", None, "-0.0")
    log.add(
        " UNION ALL ".join(
            f"SELECT {n} AS id, {'NULL' if v is None else repr(v)}::DOUBLE AS d" for n, v in enumerate(given)
        )
    )
    house.load(log)
    asked = [
        'WHERE "d" > CAST(? AS DOUBLE)', 'WHERE "d" >= CAST(? AS DOUBLE)', 'WHERE "d" < CAST(? AS DOUBLE)',
        'WHERE "d" <= CAST(? AS DOUBLE)', 'WHERE "d" = CAST(? AS DOUBLE)', 'WHERE "d" <> CAST(? AS DOUBLE)',
        'WHERE NOT ("d" > CAST(? AS DOUBLE))', 'WHERE "d" IS NOT DISTINCT FROM CAST(? AS DOUBLE)',
        'WHERE "d" IN (CAST(? AS DOUBLE))', 'WHERE NOT ("d" IN (CAST(? AS DOUBLE)))',
    ]  # fmt: skip
    with duckdb.connect() as con, house.warehouse.read() as reading:
        con.execute("CREATE TABLE f AS SELECT * FROM read_parquet(?)", [[str(path) for path in log.batches[0].files]])
        for where in asked:
            for value, ways in {"1.5": _UP, "NaN": _DOWN}.items():
                for way in ways:
                    sql, sort = f'SELECT "id", "d" FROM "f" {where}', f'ORDER BY "d" {way}, "id" ASC NULLS LAST'
                    found = reading.select(Extract(sql, (value,), floats.columns, '"id"', "f", sort)).fetchall()
                    assert found == con.execute(f'SELECT "id" FROM ({sql} {sort})', [value]).fetchall(), (
                        where,
                        value,
                        way,
                    )


@pytest.mark.parametrize("form", ["json", "csv", "table"])
def test_catchwater_query_prints_rows_of_bigquery(house: House, form: str) -> None:
    log = house.chain(T)
    log.add("SELECT 1 AS id, 'a' AS v UNION ALL SELECT 2, NULL")
    house.load(log)
    out = io.StringIO()
    with house.warehouse.read() as reading:
        write(reading.connection, "SELECT id, v, 1.5 AS n FROM t ORDER BY id; -- end", form, out)
    with house.warehouse.read() as reading:
        write(reading.connection, "SHOW TABLES", "csv", shown := io.StringIO())
    assert shown.getvalue() == "name\nt\n"
    found = out.getvalue()
    assert (
        found
        == {
            "json": '[\n  {"id":1,"v":"a","n":1.5},\n  {"id":2,"v":null,"n":1.5}\n]\n',
            "csv": "id,v,n\n1,a,1.5\n2,,1.5\n",
            "table": found,
        }[form]
    )
    assert "a" in found


def test_what_has_no_words_in_bigquery_is_refused_never_run_on_nothing(house: House) -> None:
    house.load(one(house))
    with house.warehouse.read() as reading:
        con = reading.connection
        assert con.execute("SELECT 1 + 1").fetchone() == (2,)
        assert con.execute("DESCRIBE t").fetchall()[0][:2] == ("id", "INTEGER")
        assert con.execute("SELECT count(*) FROM t").fetchone() == (1,)
        assert con.execute("WITH x AS (SELECT id FROM t) SELECT max(id) FROM x").fetchone() == (1,)
        for statement in ("SELECT 1; SELECT * FROM t", "EXPLAIN SELECT * FROM t", "DELETE FROM t"):
            with pytest.raises(UseError):
                con.execute(statement)
        with pytest.raises(UseError, match="fewer values"):
            con.execute("SELECT * FROM t WHERE id = ?")
        with pytest.raises(UseError, match="more values"):
            con.execute("SELECT * FROM t WHERE id = ?", [1, 2])
        with pytest.raises(duckdb.CatalogException):
            con.execute("SELECT * FROM nowhere")
        con.interrupt()


@pytest.mark.filterwarnings("ignore:Retrieving Arrow record batches")  # google-cloud-bigquery does it so itself
def test_large_results_come_through_the_storage_api(house: House, bqemulator: Mapping[str, str], client: Any) -> None:
    """The emulator has no such stream for a query's result, so a table is read; the batches take the same way."""
    wide = model("w", {"id": "INTEGER", "n": "DECIMAL(10,2)", "at": "TIMESTAMP WITH TIME ZONE"})
    log = house.chain(wide)
    log.add("SELECT range::INTEGER AS id, 1.25 AS n, TIMESTAMPTZ '2026-01-01 00:00:00+00' AS at FROM range(20000)")
    house.load(log)
    through = another(house, BIGQUERY_STORAGE_EMULATOR_HOST=bqemulator["storage"])
    at = through._place()
    found = batches(at, at.client.list_rows(f"{house.dataset}.w")).read_all()
    with duckdb.connect() as con:
        con.register("rows_there", found)
        assert con.execute("SELECT count(*), sum(id), sum(n) FROM rows_there").fetchone() == (20000, 199990000, 25000)
