"""A Postgres warehouse is somebody's database: what is there is adopted, differences are named, nothing is dropped."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catchwater.adapters.warehouses.postgres import PostgresWarehouse
from catchwater.adapters.warehouses.postgres_place import place
from catchwater.adapters.warehouses.postgres_types import accepts, held
from catchwater.errors import TableDiffers, WarehouseBusy, WarehouseError
from catchwater.ports import Settings
from catchwater.project.schema import PostgresWarehouse as Spec
from catchwater.project.tables import Column
from tests.support.loads import House, history, model, opened, postgres18
from tests.support.postgres import Database

__all__ = ["postgres18"]

T = model("t", {"id": "INTEGER", "v": "VARCHAR"})


@pytest.fixture
def house(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    with opened("postgres", tmp_path, request) as made:
        yield made


def database(house: House) -> Database:
    assert house.db is not None
    return house.db


def one(house: House, of: Any = T, select: str = "SELECT 1 AS id, 'a' AS v") -> None:
    log = house.logs.setdefault(of.name, house.chain(of))
    log.add(select)
    house.load(log)


def test_a_table_that_is_there_is_adopted_with_its_rows_and_extra_columns(house: House) -> None:
    db = database(house)
    db.run(
        "CREATE TABLE t (v varchar NOT NULL, note text, at timestamp DEFAULT now() NOT NULL, id bigint PRIMARY KEY, "
        "n int GENERATED ALWAYS AS IDENTITY)",
        "INSERT INTO t (id, v, note) VALUES (1, 'old', 'kept'), (9, 'theirs', 'kept')",
    )
    one(house)
    assert db.run("SELECT id, v, note FROM t ORDER BY id") == [[1, "a", "kept"], [9, "theirs", "kept"]]
    assert house.rows("SELECT id, v FROM t ORDER BY id") == [(1, "a"), (9, "theirs")]


def test_every_difference_is_named_and_nothing_is_changed(house: House) -> None:
    db = database(house)
    wide = model("wide", {"id": "BIGINT", "amount": "DECIMAL(10,2)", "day": "DATE", "gone": "VARCHAR", "ok": "INTEGER"})
    db.run("CREATE TABLE wide (id integer PRIMARY KEY, amount numeric(8,2), day text, ok bigint, needed int NOT NULL)")
    db.run("CREATE VIEW seen AS SELECT 1 AS id")
    log, view = house.chain(wide), house.chain(model("seen", {"id": "INTEGER"}))
    log.add("SELECT 1 AS id")
    view.add("SELECT 1 AS id")
    with pytest.raises(TableDiffers) as refused:
        house.load(log, view)
    for text in (
        "wide.id: is integer; the model has bigint", "wide.amount: is numeric(8,2); the model has numeric(10,2)",
        "wide.day: is text; the model has date", "wide.gone: missing; the model has text",
        "wide.needed: needs a value; the model has no such column", "seen: is no table",
    ):  # fmt: skip
        assert text in str(refused.value)
    assert "wide.ok" not in str(refused.value)
    assert db.run("SELECT count(*) FROM information_schema.columns WHERE table_name = 'wide'") == [[5]]
    assert house.warehouse.version() is None


def test_a_history_table_gains_the_two_columns_that_it_lacks(house: House) -> None:
    db = database(house)
    db.run("CREATE TABLE fact (id bigint PRIMARY KEY, e integer, v text)", "INSERT INTO fact VALUES (1, 1, 'before')")
    row = "SELECT 2::BIGINT AS id, 1 AS e, 'b' AS v, 'upsert' AS _op, TIMESTAMPTZ '2026-01-01 00:00:00+00' AS _at"
    one(house, history(), row)
    assert db.run("SELECT id, v, _op FROM fact ORDER BY id") == [[1, "before", None], [2, "b", "upsert"]]
    assert db.run("SELECT id FROM fact_current") == [[2]]


def test_rows_without_a_key_need_a_table_of_ours(house: House) -> None:
    db = database(house)
    db.run("CREATE TABLE bag (a text)")
    row = "SELECT 'x' AS a, 'h' AS _version, 1 AS _occurrence"
    with pytest.raises(TableDiffers, match="bag is there already"):
        one(house, model("bag", {"a": "VARCHAR"}, ()), row)
    db.run("DROP TABLE bag")
    db.run("CREATE VIEW bag AS SELECT 'theirs' AS a")
    with pytest.raises(TableDiffers, match="bag is there already"):
        one(house, model("bag", {"a": "VARCHAR"}, ()), row)
    assert db.run("SELECT a FROM bag") == [["theirs"]]


def test_a_column_of_another_type_in_a_table_of_ours_is_refused_too(house: House) -> None:
    one(house)
    house.logs.clear()
    with pytest.raises(TableDiffers, match=r"t\.v: is text; the model has date"):
        one(house, model("t", {"id": "INTEGER", "v": "DATE"}), "SELECT 1 AS id, DATE '2026-01-01' AS v")
    assert house.rows("SELECT v FROM t") == [("a",)]


def test_a_table_that_was_dropped_is_loaded_from_the_beginning(house: House) -> None:
    db = database(house)
    log = house.chain(T)
    log.add("SELECT 1 AS id, 'a' AS v")
    house.load(log)
    db.run("DROP TABLE t")
    log.add("SELECT 2 AS id, 'b' AS v")
    house.load(log)
    assert db.run("SELECT id, v FROM t ORDER BY id") == [[1, "a"], [2, "b"]]


def test_the_warehouses_own_constraint_refuses_a_row_by_name(house: House) -> None:
    db = database(house)
    db.run("CREATE TABLE t (id integer PRIMARY KEY, v varchar(3) CHECK (v <> 'no'))")
    one(house)
    for text, said in (("no", "violates check constraint"), ("long", "value too long")):
        log = house.chain(T)
        log.batches = house.logs["t"].batches[:1]
        log.add(f"SELECT 2 AS id, '{text}' AS v")
        with pytest.raises(WarehouseError, match=said) as refused:
            house.load(log)
        assert " t: " in str(refused.value)
    assert db.run("SELECT v FROM t") == [["a"]]


def test_rights_that_are_missing_are_named(house: House) -> None:
    db = database(house)
    db.run("CREATE ROLE loader LOGIN", "CREATE TABLE t (id integer PRIMARY KEY, v text)")
    theirs = PostgresWarehouse("postgres", Spec(kind="postgres", url=db.url("loader")), house_settings(house))
    try:
        with pytest.raises(WarehouseError, match=r"permission denied for schema public(.|\n)*grant"), theirs.load({}):
            pass
        one(house)
        db.run(
            "GRANT ALL ON _catchwater_markers, _catchwater_models, _catchwater_versions TO loader",
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        )
        log = house.logs["t"]
        log.add("SELECT 2 AS id, 'b' AS v")
        house.warehouse, ours = theirs, house.warehouse
        with pytest.raises(WarehouseError, match=r"permission denied for(.|\n)*grant"):
            house.load(log)
        house.warehouse = ours
        assert house.rows("SELECT count(*) FROM t") == [(1,)]
    finally:
        theirs.close()
        db.run("DROP OWNED BY loader", "DROP ROLE loader")


def house_settings(house: House) -> Settings:
    return Settings(house.folder, house.folder / ".catchwater", "local", lambda text: text)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "postgresql://nobody_here@127.0.0.1:{port}/postgres",
            'role "nobody_here" does not exist(.|\n)*check the user',
        ),
        (
            "postgresql://postgres@127.0.0.1:{port}/no_such",
            'database "no_such" does not exist(.|\n)*check the database',
        ),
        ("postgresql://postgres:s3cret@127.0.0.1:1/postgres", "Connection refused(.|\n)*check host and port"),
        ("host=127.0.0.1 port=1 user=u password=s3cret", "Connection refused(.|\n)*check host and port"),
        ('{{"host": "127.0.0.1", "port": 1, "username": "u", "password": "s3cret"}}', "Connection refused"),
        ("postgresql://u:s3cret@[:1/x", "its address can't be understood"),
        ("mysql s3cret", "its address can't be understood"),
    ],
)
def test_what_cant_be_reached_is_a_named_error_without_secrets(
    house: House, tmp_path: Path, url: str, said: str
) -> None:
    address = url.format(port=database(house).server.port)
    there = PostgresWarehouse("postgres", Spec(kind="postgres", secret="warehouse"), named(tmp_path, address))
    for ask in (there.version, there.load({}).__enter__, there.read().__enter__):
        with pytest.raises(WarehouseError, match=said) as refused:
            ask()
        assert "s3cret" not in str(refused.value)
    there.close()


def named(folder: Path, secret: str) -> Settings:
    return Settings(folder, folder, "local", lambda text: text.replace("${secret:warehouse}", secret))


def test_no_address_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="neither url nor secret"):
        place(Spec(kind="postgres"), named(tmp_path, ""))


def test_an_address_in_parts(tmp_path: Path) -> None:
    url = "postgres://an%40user:p%20w@db.example:6543/na%2Fme?sslmode=require"
    found = place(Spec(kind="postgres", url=url), named(tmp_path, ""))
    assert found.parts == {
        "host": "db.example", "port": "6543", "user": "an@user", "password": "p w", "dbname": "na/me",
    }  # fmt: skip
    assert found.rest["sslmode"] == "require"
    assert "p w" not in repr(found)


def test_the_password_is_nowhere_to_be_read(house: House) -> None:
    db = database(house)
    url = db.url().replace("postgres@", "postgres:s3cret@")
    there = PostgresWarehouse("postgres", Spec(kind="postgres", url=url), house_settings(house))
    one(house)
    with there.read() as reading:
        for query in ("FROM duckdb_views()", "FROM duckdb_tables()", "FROM duckdb_schemas()"):
            assert "s3cret" not in str(reading.connection.execute(query).fetchall())
    there.close()


def test_a_schema_of_its_own_and_odd_names(house: House) -> None:
    db = database(house)
    there = PostgresWarehouse(
        "postgres", Spec(kind="postgres", url=db.url(), schema='The "Schema"'), house_settings(house)
    )
    log = house.chain(replace(T, name="Upper Case"))
    log.add("SELECT 1 AS id, 'a' AS v")
    with there.load({}) as session:
        session.prepare([log.model])
        session.apply(log.batches)
    with there.read() as reading:
        assert reading.connection.execute('FROM "Upper Case"').fetchall() == [(1, "a")]
    assert db.run('SELECT id, v FROM "The ""Schema"""."Upper Case"') == [[1, "a"]]
    there.close()


def test_a_second_load_waits_and_then_says_so(house: House) -> None:
    one(house)
    other = house.open(patience=0.2)
    with house.warehouse.load({}) as session:
        assert session.markers()
        with pytest.raises(WarehouseBusy, match=r"lock timeout(.|\n)*wait for the other"), other.load({}):
            pass


def test_a_connection_that_was_cut_is_made_again(house: House) -> None:
    db = database(house)
    one(house)
    assert house.rows("FROM t") == [(1, "a")]
    db.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'catchwater' AND pid <> pg_backend_pid()"
    )
    assert house.rows("FROM t") == [(1, "a")]


def test_what_another_process_changed_is_seen(house: House) -> None:
    one(house)
    other = house.open()
    with other.read() as reading:
        assert reading.connection.execute("SHOW TABLES").fetchall()
    widened = model("t", {"id": "INTEGER", "v": "VARCHAR", "w": "INTEGER"})
    log = house.logs["t"]
    log.model = widened
    log.batches = [replace(batch, model=widened) for batch in log.batches]
    log.add("SELECT 2 AS id, 'b' AS v, 3 AS w")
    house.load(log)
    with other.read() as reading:
        assert reading.connection.execute("SELECT w FROM t WHERE id = 2").fetchall() == [(3,)]


def test_a_view_that_postgres_cant_have_fails_by_name(house: House) -> None:
    view = model(
        "v", {"n": "BIGINT"}, (), materialized="view", sql="SELECT list_sum([id]) AS n FROM t", reads={"t": "t"}
    )
    log = house.chain(T)
    log.add("SELECT 1 AS id, 'a' AS v")
    with pytest.raises(WarehouseError, match="list_sum"):
        house.load(log, models=[view])


def test_an_entity_that_is_null_is_an_entity_too(house: House) -> None:
    row = "SELECT {0}::BIGINT AS id, NULL::INTEGER AS e, 'v{0}' AS v, 'upsert' AS _op, now() AS _at"
    one(house, history(), row.format(1))
    one(house, history(), row.format(2))
    assert house.rows("SELECT id FROM fact_current") == [(2,)]


def test_types_that_postgres_cant_hold_are_refused_with_the_column() -> None:
    with pytest.raises(WarehouseError, match="can't hold the type GEOMETRY of column place"):
        held("t", Column("place", "GEOMETRY"))


@pytest.mark.parametrize(
    ("there", "wanted", "fits"),
    [
        ("bigint", "integer", True), ("integer", "bigint", False), ("numeric", "bigint", True),
        ("numeric(12,4)", "numeric(10,2)", True), ("numeric(12,1)", "numeric(10,2)", False),
        ("numeric(10,4)", "numeric(10,2)", False), ("character varying(20)", "text", True), ("text", "date", False),
        ("json", "jsonb", True), ("double precision", "real", True), ("real", "double precision", False),
        ("timestamp without time zone", "timestamp with time zone", False), ("numeric(20,0)", "integer", False),
    ],
)  # fmt: skip
def test_which_columns_take_which_values(there: str, wanted: str, fits: bool) -> None:
    assert accepts(there, wanted) is fits
