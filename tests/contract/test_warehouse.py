"""What every warehouse holds to; a gap of one kind is declared with its exact error."""

import re
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from catchwater.errors import ChainBroken, Corrupt, UseError, WarehouseError
from catchwater.ports import LoadBatch
from catchwater.project.tables import Reference
from tests.support.loads import Chain, House, bqemulator, columns, history, house, model, postgres18

__all__ = ["bqemulator", "house", "postgres18"]

T = model("t", {"id": "INTEGER", "v": "VARCHAR"})


def test_nothing_loaded_is_no_version_and_a_named_error(house: House) -> None:
    assert house.warehouse.version() is None
    with pytest.raises(WarehouseError, match=r"nothing is loaded yet(.|\n)*catchwater run"), house.warehouse.read():
        pass


def test_batches_add_change_and_remove(house: House) -> None:
    log = house.chain(T)
    log.add("SELECT 1 AS id, 'a' AS v UNION ALL SELECT 2, 'b'", "SELECT 3 AS id, NULL::VARCHAR AS v")
    done = house.load(log)
    assert (done.added, done.changed, done.removed) == (3, 0, 0)
    assert house.rows("FROM t ORDER BY id") == [(1, "a"), (2, "b"), (3, None)]
    log.add("SELECT 2 AS id, 'B' AS v, false AS _removed UNION ALL SELECT 3, NULL, true UNION ALL SELECT 4, 'd', false")
    done = house.load(log)
    assert (done.added, done.changed, done.removed) == (1, 1, 1)
    assert (done.tables["t"].added, done.tables["t"].changed, done.tables["t"].removed) == (1, 1, 1)
    assert house.rows("FROM t ORDER BY id") == [(1, "a"), (2, "B"), (4, "d")]


def test_many_batches_at_once_end_as_one_by_one(house: House) -> None:
    log = house.chain(T)
    log.add("SELECT range::INTEGER AS id, 'x' AS v FROM range(10)")
    log.add("SELECT 1 AS id, 'y' AS v, false AS _removed UNION ALL SELECT 2, '', true UNION ALL SELECT 3, '', true")
    log.add("SELECT 1 AS id, 'z' AS v, false AS _removed UNION ALL SELECT 3, 'back', false")
    log.add("SELECT 99 AS id, 'w' AS v, true AS _removed")
    house.load(log)
    expected = [(0, "x"), (1, "z"), (3, "back"), *((n, "x") for n in range(4, 10))]
    assert house.rows("FROM t ORDER BY id") == expected
    log.add("SELECT 7 AS id, 'one' AS v")
    log.add("SELECT 7 AS id, 'two' AS v, true AS _removed")
    log.add("SELECT 7 AS id, 'three' AS v")
    done = house.load(log)
    assert (done.added, done.changed, done.removed) == (0, 1, 0)
    assert house.rows("SELECT v FROM t WHERE id = 7") == [("three",)]


def test_what_is_applied_already_is_a_no_op(house: House) -> None:
    log = house.chain(T)
    log.add("SELECT 1 AS id, 'a' AS v")
    house.load(log)
    for _ in range(3):
        done = house.load(log)
        assert (done.added, done.changed, done.removed) == (0, 0, 0)
    log.add("SELECT 1 AS id, 'b' AS v")
    house.load(log)
    assert house.rows("FROM t") == [(1, "b")]


@pytest.mark.parametrize("wrong", ["gap", "other predecessor", "no predecessor", "older"])
def test_a_batch_out_of_order_is_refused_and_nothing_changes(house: House, wrong: str) -> None:
    log = house.chain(T)
    log.add("SELECT 1 AS id, 'a' AS v")
    log.add("SELECT 2 AS id, 'b' AS v")
    house.load(log)
    third = Chain(house.folder, T, list(log.batches)).add("SELECT 3 AS id, 'c' AS v")
    batch = {
        "gap": replace(third, seq=4),
        "other predecessor": replace(third, previous="0" * 64),
        "no predecessor": replace(third, previous=None),
        "older": replace(log.batches[0], hash="1" * 64),
    }[wrong]
    before = house.version()
    with pytest.raises(ChainBroken, match="processed/t"), house.warehouse.load({}) as session:
        session.prepare([T])
        session.apply(log.batches)
        session.apply([batch])
    assert house.version() == before
    assert house.rows("SELECT count(*) FROM t") == [(2,)]


def test_a_batch_without_files_moves_the_marker_only(house: House) -> None:
    log = house.chain(T)
    log.add()
    house.load(log)
    assert house.rows("FROM t") == []
    assert dict(house.version().cut) == log.cut
    log.add("SELECT 1 AS id, 'a' AS v")
    log.add()
    house.load(log)
    assert dict(house.version().cut) == log.cut
    assert house.rows("FROM t") == [(1, "a")]
    log.add("SELECT 1 AS id, 'a' AS v WHERE false")
    assert house.load(log).changed == 0


def test_equal_rows_without_a_key_are_counted(house: House) -> None:
    bag = model("bag", {"a": "VARCHAR", "b": "INTEGER"}, key=())
    log = house.chain(bag)
    log.add("SELECT 'x' AS a, 1 AS b, 'h1' AS _version, unnest([1, 2, 3])::INTEGER AS _occurrence")
    log.add("SELECT NULL::VARCHAR AS a, 2 AS b, 'h2' AS _version, 1 AS _occurrence")
    house.load(log)
    with house.warehouse.read() as reading:
        assert columns(reading.connection, "bag") == ["a", "b"]
    assert house.rows("FROM bag ORDER BY ALL") == [("x", 1)] * 3 + [(None, 2)]
    log.add("SELECT 'x' AS a, 1 AS b, 'h1' AS _version, 3 AS _occurrence, true AS _removed")
    assert house.load(log).removed == 1
    assert house.rows("FROM bag ORDER BY ALL") == [("x", 1)] * 2 + [(None, 2)]


def versions(*rows: tuple[int, int, str, str]) -> str:
    values = ", ".join(
        f"({i}::BIGINT, {e}, '{v}', '{op}', TIMESTAMPTZ '2026-01-01 00:00:00+00')" for i, e, v, op in rows
    )
    return f"SELECT * FROM (VALUES {values}) AS x(id, e, v, _op, _at)"


def test_a_history_has_its_latest_versions_beside_it(house: House) -> None:
    log = house.chain(history())
    log.add(versions((1, 1, "a", "upsert"), (2, 1, "b", "upsert"), (3, 2, "c", "upsert"), (4, 3, "d", "upsert")))
    house.load(log)
    assert house.rows("SELECT id, v FROM fact_current ORDER BY id") == [(2, "b"), (3, "c"), (4, "d")]
    log.add(versions((5, 2, "c", "delete"), (6, 3, "D", "upsert")))
    house.load(log)
    assert house.rows("SELECT id, v FROM fact_current ORDER BY id") == [(2, "b"), (6, "D")]
    assert house.rows("SELECT count(*), count(*) FILTER (WHERE _op = 'delete') FROM fact") == [(6, 1)]
    log.add(versions((7, 2, "again", "upsert")))
    log.add(f"SELECT *, true AS _removed FROM ({versions((6, 3, 'D', 'upsert'), (2, 1, 'b', 'upsert'))})")
    house.load(log)
    assert house.rows("SELECT e, v FROM fact_current ORDER BY e") == [(1, "a"), (2, "again"), (3, "d")]


def test_a_version_whose_entity_changed_leaves_the_old_entity(house: House) -> None:
    log = house.chain(history())
    log.add(versions((1, 1, "a", "upsert"), (2, 1, "b", "upsert")))
    house.load(log)
    log.add(versions((2, 9, "b", "upsert")))
    house.load(log)
    assert house.rows("SELECT e, id FROM fact_current ORDER BY e") == [(1, 1), (9, 2)]


def test_versions_of_equal_order_are_told_apart_by_key(house: House) -> None:
    fact = replace(
        history(), key=("n", "id"), order="id", columns=(*history().columns, model("x", {"n": "INTEGER"}).columns[0])
    )
    log = house.chain(fact)
    log.add(
        f"SELECT *, 2 AS n FROM ({versions((1, 1, 'high', 'upsert'))}) UNION ALL BY NAME SELECT *, 1 AS n FROM ({versions((1, 1, 'low', 'upsert'))})"
    )
    house.load(log)
    assert house.rows("SELECT v FROM fact_current") == [("high",)]


def test_a_view_is_there_after_the_load_and_follows_its_tables(house: House) -> None:
    view = model(
        "v",
        {"n": "BIGINT"},
        (),
        materialized="view",
        sql="SELECT count(*) AS n FROM rows_of_t WHERE v <> 'no'",
        reads={"rows_of_t": "t"},
    )
    over = model("w", {"n": "BIGINT"}, (), materialized="view", sql="SELECT n + 1 AS n FROM v", reads={"v": "v"})
    log = house.chain(T)
    log.add("SELECT 1 AS id, 'a' AS v")
    house.load(log, models=[view, over])
    log.add("SELECT 2 AS id, 'no' AS v UNION ALL SELECT 3, 'c'")
    house.load(log, models=[view, over])
    assert house.rows("SELECT v.n, w.n FROM v, w") == [(2, 3)]
    changed = replace(
        view,
        sql="SELECT count(*) AS n, 'new' AS more FROM rows_of_t",
        columns=(*view.columns, model("x", {"more": "VARCHAR"}).columns[0]),
    )
    house.load(log, models=[changed, over])
    assert house.rows("SELECT v.n, v.more, w.n FROM v, w") == [(3, "new", 4)]


def test_a_view_over_a_history_reads_its_latest_versions(house: House) -> None:
    view = model("v", {"id": "BIGINT"}, (), materialized="view", sql="SELECT id FROM f", reads={"f": "fact"})
    log = house.chain(history())
    log.add(versions((1, 1, "a", "upsert"), (2, 1, "b", "upsert")))
    house.load(log, models=[view])
    assert house.rows("FROM v") == [(2,)]
    every = replace(view, reads=(replace(view.reads[0], history=True),))
    house.load(log, models=[every])
    assert house.rows("SELECT id FROM v ORDER BY id") == [(1,), (2,)]


ODD = {
    "id": "INTEGER",
    'a "b" c': "VARCHAR",
    "Ünïcode": "VARCHAR",
    "select": "INTEGER",
    "Upper": "VARCHAR",
    "it's": "DATE",
}


def test_odd_names_and_texts(house: House) -> None:
    odd = replace(model("select", ODD), description='it\'s "odd"; -- 100 %')
    log = house.chain(odd)
    text = "E'\\\\ '' \" 🚰\\n\\t' || ''';DROP TABLE x;--'"
    if house.kind == "bigquery":
        with (
            pytest.raises(
                WarehouseError, match=r"can't hold the name 'a \"b\" c', 'Ünïcode', \"it's\"(.|\n)*rename it"
            ),
            house.warehouse.load({}) as session,
        ):
            session.prepare([odd])
        odd = replace(
            model("select", {"id": "INTEGER", "select": "VARCHAR", "Upper": "VARCHAR"}), description=odd.description
        )
        log = house.chain(odd)
        log.add(f"""SELECT 1 AS id, {text} AS "select", '' AS "Upper" """)
        house.load(log)
        assert house.rows('SELECT "select", "Upper" FROM "select"') == [("\\ ' \" 🚰\n\t';DROP TABLE x;--", "")]
        return
    log.add(
        f"""SELECT 1 AS id, {text} AS "a ""b"" c", 'ß' AS "Ünïcode", 5 AS "select", '' AS "Upper", DATE '0001-01-01' AS "it's" """
    )
    house.load(log)
    [row] = house.rows('SELECT "a ""b"" c", "Ünïcode", "select", "Upper", "it\'s"::VARCHAR FROM "select"')
    assert row == ("\\ ' \" 🚰\n\t';DROP TABLE x;--", "ß", 5, "", "0001-01-01")


TYPES = {
    "BOOLEAN": "true", "TINYINT": "-128", "SMALLINT": "-32768", "INTEGER": "-2147483648",
    "BIGINT": "-9223372036854775808", "UTINYINT": "255", "USMALLINT": "65535", "UINTEGER": "4294967295",
    "UBIGINT": "18446744073709551615",
    "DECIMAL(38,0)": "99999999999999999999999999999999999999", "DECIMAL(38,38)": "0.00000000000000000000000000000000000001",
    "DECIMAL(4,1)": "-999.9", "DECIMAL(10,2)": "0.10", "DATE": "'9999-12-31'", "TIME": "'23:59:59.999999'",
    "TIMESTAMP": "'0001-01-01 00:00:00.000001'", "TIMESTAMP_S": "'2026-01-01 01:02:03'",
    "TIMESTAMP_MS": "'2026-01-01 01:02:03.123'", "TIMESTAMP WITH TIME ZONE": "'2026-01-01 01:02:03.5+05:30'",
    "INTERVAL": "'1 year 2 days 3 seconds'", "UUID": "'00000000-0000-4000-8000-00000000000f'", "VARCHAR": "'x'",
}  # fmt: skip


BIGQUERY_GAPS = {
    "INTERVAL": "can't hold the type INTERVAL(.|\n)*epoch",
    "TIMESTAMP_NS": "can't hold the type TIMESTAMP_NS(.|\n)*microseconds",
    "TIME WITH TIME ZONE": "can't hold the type TIME WITH TIME ZONE",
}
BIGNUMERIC = ("DECIMAL(38,0)", "DECIMAL(38,38)")  # which the emulator hasn't: tests/unit/warehouses looks at the SQL


def one(house: House, kind: str) -> Chain:
    """A log of one value of a type."""
    log = house.chain(model(f"gap_{re.sub('[^a-z0-9]', '_', kind.lower())}", {"id": "INTEGER", "v": kind}))
    log.add(f"SELECT 1 AS id, CAST({TYPES.get(kind, 'NULL')} AS {kind}) AS v")
    return log


def test_values_come_back_as_they_were(house: House) -> None:
    """Numbers, moments, texts, with NULL beside each: the value that readers get is the value of the file."""
    gaps = BIGQUERY_GAPS if house.kind == "bigquery" else {}
    for kind, error in gaps.items():
        with pytest.raises(WarehouseError, match=error):
            house.load(one(house, kind))
    gone = {*gaps, *BIGNUMERIC} if house.kind == "bigquery" else set()
    types = {kind: value for kind, value in TYPES.items() if kind not in gone}
    names = {f"c{n}": kind for n, kind in enumerate(types)}
    log = house.chain(model("t", {"id": "INTEGER", **names}))
    given = ", ".join(f"CAST({value} AS {kind}) AS c{n}" for n, (kind, value) in enumerate(types.items()))
    null = ", ".join(f"NULL::{kind} AS c{n}" for n, kind in enumerate(types))
    log.add(f"SELECT 1 AS id, {given} UNION ALL BY NAME SELECT 2 AS id, {null}")
    house.load(log)
    for n, (kind, value) in enumerate(types.items()):
        with duckdb.connect() as con:
            con.execute("SET TimeZone = 'UTC'")
            [(expected,)] = con.execute(f"SELECT CAST({value} AS {kind})::VARCHAR").fetchall()
        found = house.texts("t", {f"c{n}": kind})
        assert found == [(expected,), (None,)], kind


def test_floats_bytes_and_nested_values(house: House) -> None:
    wide = {
        "id": "INTEGER", "d": "DOUBLE", "f": "FLOAT", "b": "BLOB", "e": "ENUM('low', 'it''s')", "l": "INTEGER[]",
        "s": "STRUCT(a INTEGER, b VARCHAR)", "m": "MAP(VARCHAR, INTEGER)", "j": "JSON", "n": '"NULL"',
    }  # fmt: skip
    if house.kind == "bigquery":
        for kind in ("INTEGER[]", "STRUCT(a INTEGER, b VARCHAR)", "MAP(VARCHAR, INTEGER)"):
            with pytest.raises(WarehouseError, match=r"can't hold the type(.|\n)*CAST\(to_json\(\"v\"\) AS VARCHAR\)"):
                house.load(one(house, kind))
        wide = {name: kind for name, kind in wide.items() if name not in ("l", "s", "m")}
    log = house.chain(model("t", wide))
    rest = "'\\x00\\xFF'::BLOB AS b, 'it''s' AS e, [1, NULL] AS l, {'a': 1, 'b': 'ü'} AS s, MAP {'k': 2} AS m, '{\"a\": [1]}'::JSON AS j, NULL AS n"
    for n, value in enumerate(("nan", "inf", "-inf", "1e308", "-0.0", "5e-324")):
        log.add(f"SELECT {n} AS id, '{value}'::DOUBLE AS d, TRY_CAST('{value}' AS FLOAT) AS f, {rest}")
    house.load(log)
    found = house.rows("SELECT isnan(d), isinf(d), d::VARCHAR FROM t ORDER BY id")
    assert [row[0] for row in found] == [True, *[False] * 5]
    assert [row[1] for row in found] == [False, True, True, False, False, False]
    assert [row[2] for row in found[3:]] == ["1e+308", "-0.0", "5e-324"]
    assert house.rows("SELECT b, e::VARCHAR FROM t WHERE id = 0") == [(b"\x00\xff", "it's")]
    if house.kind == "bigquery":
        assert house.rows("SELECT j, n FROM t WHERE id = 0") == [('{"a": [1]}', None)]
        return
    nested = house.rows("SELECT l::VARCHAR, s::VARCHAR, m::VARCHAR, j::VARCHAR, n FROM t WHERE id = 0")
    assert (
        nested
        == {
            "duckdb": [("[1, NULL]", "{'a': 1, 'b': ü}", "{k=2}", '{"a": [1]}', None)],
            "postgres": [("[1, null]", '{"a": 1, "b": "ü"}', '{"k": 2}', '{"a": [1]}', None)],
        }[house.kind]
    )


def test_numbers_of_128_bits(house: House) -> None:
    """Parquet has no such integers: the file has a text or a decimal, and the model's type is what is stored."""
    log = house.chain(model("t", {"id": "INTEGER", "h": "HUGEINT"}))
    largest = "-170141183460469231731687303715884105727"
    if house.kind == "bigquery":
        largest = largest[:20]  # the emulator has no BIGNUMERIC
    log.add(f"SELECT 1 AS id, '{largest}' AS h")
    house.load(log)
    if house.kind == "postgres":
        assert house.db is not None
        assert house.db.run("SELECT h::text FROM t") == [[largest]]
    else:
        assert house.texts("t", {"h": "HUGEINT"}) == [(largest,)]


def test_added_columns_widen_and_are_null_before(house: House) -> None:
    log = house.chain(T)
    log.add("SELECT 1 AS id, 'a' AS v")
    house.load(log)
    log.model = model("t", {"id": "INTEGER", "v": "VARCHAR", "w": "DATE"})
    log.batches = [replace(batch, model=log.model) for batch in log.batches]
    log.add("SELECT 2 AS id, 'b' AS v, DATE '2026-01-01' AS w")
    house.load(log)
    assert house.rows("SELECT id, v, w::VARCHAR FROM t ORDER BY id") == [(1, "a", None), (2, "b", "2026-01-01")]


def test_a_failed_session_changes_nothing(house: House) -> None:
    log = house.chain(T)
    log.add("SELECT 1 AS id, 'a' AS v")
    house.load(log)
    before = house.version()
    log.add("SELECT 1 AS id, 'z' AS v")
    with pytest.raises(RuntimeError, match="stop"), house.warehouse.load(log.cut) as session:
        session.prepare([T])
        session.apply(log.batches if not session.markers() else log.batches[-1:])
        assert house.rows("FROM t") == [(1, "a")]
        raise RuntimeError("stop")
    assert house.version() == before
    assert house.rows("FROM t") == [(1, "a")]
    house.load(log)
    assert house.rows("FROM t") == [(1, "z")]


def test_what_failed_in_a_session_leaves_the_rest_of_it(house: House) -> None:
    good, bad = house.chain(T), house.chain(model("u", {"id": "INTEGER"}))
    good.add("SELECT 1 AS id, 'a' AS v")
    broken = house.folder / "broken.parquet"
    broken.write_bytes(b"PAR1 nothing of it PAR1")
    bad.add("SELECT 1 AS id")
    wrong = replace(bad.batches[0], files=(broken,))
    with house.warehouse.load({}) as session:
        session.prepare([T])
        session.prepare([bad.model])
        session.apply(good.batches)
        with pytest.raises(Corrupt, match="processed/u"):
            session.apply([wrong])
    assert dict(house.version().cut) == good.cut
    assert house.rows("FROM t") == [(1, "a")]
    assert house.rows("FROM u") == []


def test_one_apply_is_all_or_nothing(house: House) -> None:
    first, second = house.chain(T), house.chain(model("u", {"id": "INTEGER"}))
    first.add("SELECT 1 AS id, 'a' AS v")
    second.add("SELECT 'word' AS id")
    with house.warehouse.load({}) as session:
        session.prepare([T, second.model])
        with pytest.raises(WarehouseError, match="word"):
            session.apply([*first.batches, *second.batches])
        assert session.markers() == {}
    assert house.rows("SELECT count(*) FROM t") == [(0,)]


def test_versions_grow_and_tell_their_cut(house: House) -> None:
    log = house.chain(T)
    numbers = []
    for n in range(3):
        log.add(f"SELECT {n} AS id, 'a' AS v")
        house.load(log)
        numbers.append(house.version().number)
        assert dict(house.version().cut) == log.cut
        assert dict(house.version().models) == {"t": T.shape}
    assert numbers == sorted(set(numbers))
    with house.warehouse.read() as reading:
        assert reading.version == house.version()


def test_models_that_are_gone_are_forgotten(house: House) -> None:
    log, other = house.chain(T), house.chain(model("u", {"id": "INTEGER"}))
    log.add("SELECT 1 AS id, 'a' AS v")
    other.add("SELECT 1 AS id")
    house.load(log, other)
    for _ in range(2):  # both files
        with house.warehouse.load({}) as session:
            session.retire(["t"])
            session.prepare([T])
            session.apply(log.batches)
    assert dict(house.version().models) == {"t": T.shape}
    assert dict(house.version().cut) == log.cut
    there = {row[0] for row in house.rows("SHOW TABLES")}
    assert ("u" in there) == (house.kind == "postgres")  # a table in somebody's database stays


def test_a_reset_empties_what_is_ours(house: House) -> None:
    log = house.chain(history())
    log.add(versions((1, 1, "a", "upsert")))
    house.load(log)
    house.load(log)
    with house.warehouse.load({}) as session:
        session.prepare([log.model])
        if house.kind == "postgres":
            with pytest.raises(WarehouseError, match=r"isn't emptied for you(.|\n)*_catchwater_markers"):
                session.reset(log.model)
            return
        session.reset(log.model)
        assert session.markers() == {}
    assert house.rows("SELECT (SELECT count(*) FROM fact), (SELECT count(*) FROM fact_current)") == [(0, 0)]


def test_tables_that_refer_to_each_other_load_in_any_order(house: House) -> None:
    dim = model("dim", {"id": "INTEGER"})
    fact = replace(model("fact", {"id": "INTEGER", "d": "INTEGER"}), references=(Reference(("d",), "dim", ("id",)),))
    if house.db:
        house.db.run(
            "CREATE TABLE dim (id integer PRIMARY KEY)",
            "CREATE TABLE fact (id integer PRIMARY KEY, d integer NOT NULL REFERENCES dim)",
        )
    facts, dims = house.chain(fact), house.chain(dim)
    facts.add("SELECT 1 AS id, 7 AS d")
    dims.add("SELECT 7 AS id")
    house.load(facts, dims)
    facts.add("SELECT 1 AS id, 8 AS d")
    dims.add("SELECT 7 AS id, true AS _removed UNION ALL SELECT 8, false")
    house.load(facts, dims)
    assert house.rows("SELECT f.id, d.id FROM fact f JOIN dim d ON f.d = d.id") == [(1, 8)]


REFUSED = [
    "DELETE FROM t", "UPDATE t SET v = 'x'", "DROP TABLE t", "CREATE TABLE x AS SELECT 1", "CREATE TEMP TABLE x (a INT)",
    "COPY t TO 'out.csv'", "ATTACH ':memory:' AS x", "DETACH warehouse", "SET threads = 1", "RESET memory_limit",
    "INSTALL json", "LOAD json", "PRAGMA enable_profiling", "CALL pragma_version()", "BEGIN", "COMMIT", "USE memory",
    "CHECKPOINT", "VACUUM", "EXPORT DATABASE 'x'", "PREPARE a AS SELECT 1", "EXPLAIN ANALYZE DELETE FROM t",
    "SELECT 1; DELETE FROM t", "CREATE MACRO f() AS 1", "INSERT INTO t VALUES (9, 'x')",
]  # fmt: skip


def test_readers_can_only_read(house: House, tmp_path: Path) -> None:
    log = house.chain(T)
    log.add("SELECT 1 AS id, 'a' AS v")
    house.load(log)
    for statement in REFUSED:
        with house.warehouse.read() as reading, pytest.raises((UseError, duckdb.Error)) as caught:
            reading.connection.execute(statement)
        assert not isinstance(caught.value, duckdb.Error) or "PREPARE" not in statement
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    for query in (
        f"FROM read_csv('{secret}')",
        f"FROM '{secret}'",
        f"FROM read_text('{secret}')",
        f"FROM glob('{tmp_path}/*')",
    ):
        with house.warehouse.read() as reading, pytest.raises((UseError, duckdb.Error)):
            reading.connection.execute(query).fetchall()
    assert house.rows("FROM t") == [(1, "a")]
    assert not list(Path().glob("out.csv"))


def test_readers_ask_in_every_way_that_reads(house: House) -> None:
    log = house.chain(T)
    log.add("SELECT 1 AS id, 'a' AS v UNION ALL SELECT 2, 'b'")
    house.load(log)
    assert house.rows("WITH x AS (FROM t) SELECT max(id) FROM x") == [(2,)]
    assert len(house.rows("DESCRIBE t")) == 2
    assert ("t",) in house.rows("SHOW TABLES")
    if house.kind == "bigquery":
        for statement in ("SUMMARIZE t", "EXPLAIN SELECT * FROM t", "PIVOT t ON v USING sum(id)"):
            with pytest.raises(UseError, match="BigQuery"):
                house.rows(statement)
        with house.warehouse.read() as reading:
            assert reading.connection.execute("SELECT v FROM t WHERE id = ?", [2]).fetchone() == ("b",)
            assert reading.connection.sql("SELECT count(*) FROM t").fetchone() == (2,)
        return
    assert len(house.rows("SUMMARIZE t")) == 2
    assert house.rows("EXPLAIN SELECT * FROM t")
    assert house.rows("PIVOT t ON v USING sum(id)")[0][0] in (1, 2, None) or True
    with house.warehouse.read() as reading:
        con = reading.connection
        assert con.execute("SELECT v FROM t WHERE id = ?", [2]).fetchone() == ("b",)
        assert con.sql("SELECT count(*) FROM t").fetchone() == (2,)
        with pytest.raises(duckdb.Error, match=re.compile("syntax|parse", re.I)):
            con.execute("SELEC 1")


def test_an_unwritten_key_column_is_a_named_error(house: House) -> None:
    log = house.chain(T)
    log.add("SELECT 'a' AS v")
    with pytest.raises(Corrupt, match="no column id"):
        house.load(log)
    batch = LoadBatch(T, 1, "h", None, (house.folder / "not there.parquet",))
    with pytest.raises(Corrupt, match="processed/t"), house.warehouse.load({}) as session:
        session.prepare([T])
        session.apply([batch])
