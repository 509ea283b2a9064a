"""Hashes of rows: what must have another one, and which rows of two sides are looked at."""

from collections.abc import Iterator

import duckdb
import pytest

from catchwater.lake import hashed
from catchwater.lake.hashed import content_hash, differing

# type → values that aren't bit by bit the same; DuckDB's own hash takes some of them for equal
VALUES = {
    "DECIMAL(38,2)": ["0", "-0.01", "1", "-1.01"],
    "DECIMAL(18,2)": ["0", "-0.01", "1"],
    "HUGEINT": ["0", "-1", "18446744073709551616"],
    "UUID": ["'80000000-0000-0001-0000-000000000002'", "'80000000-0000-0002-0000-000000000001'"],
    "DOUBLE": ["0.0", "'-0.0'", "'NaN'", "'inf'"],
    "FLOAT": ["0.0", "'-0.0'", "'NaN'"],
    "FLOAT[]": ["[0.0]", "['-0.0']", "[]"],
    "DECIMAL(38,2)[]": ["[0]", "[-0.01]"],
    "VARCHAR[]": ["['a, b']", "['a', 'b']", "[NULL]", "['NULL']"],
    "STRUCT(a UUID)": ["{'a': '80000000-0000-0001-0000-000000000002'}", "{'a': '80000000-0000-0002-0000-000000000001'}"],
    "INTERVAL": ["INTERVAL 1 MONTH", "INTERVAL 30 DAYS"],
    "VARCHAR": ["''", "'NULL'", "'a'", "'a '", "'A'"],
    "BLOB": ["''", "'\\x00'"],
    "BIGINT": ["0", "-1", "1"],
    "TIMESTAMP WITH TIME ZONE": ["'2024-01-01 00:00:00+00'", "'2024-01-01 00:00:00.000001+00'"],
    "MAP(VARCHAR, VARCHAR)": ["MAP {'a': 'b'}", "MAP {'a': 'c'}", "MAP {'a': 'b', 'b': 'a'}"],
    "TIME WITH TIME ZONE": ["'10:00:00+00'", "'11:00:00+01'"],
}  # fmt: skip


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        made.execute("SET TimeZone = 'UTC'")
        yield made


@pytest.mark.parametrize("kind", list(VALUES))
def test_other_values_have_other_hashes(con: duckdb.DuckDBPyConnection, kind: str) -> None:
    values = [*VALUES[kind], "NULL"]
    rows = ", ".join(f"(CAST({value} AS {kind}))" for value in values)
    text = content_hash({"x": kind})
    assert con.execute(f"SELECT count(DISTINCT {text}) FROM (VALUES {rows}) AS t(x)").fetchall() == [(len(values),)]


def test_duckdb_s_own_hash_takes_some_for_the_same(con: duckdb.DuckDBPyConnection) -> None:
    """The broken way, as long as it is one."""
    lost = []
    for kind, values in VALUES.items():
        rows = ", ".join(f"(CAST({value} AS {kind}))" for value in values)
        ((found,),) = con.execute(f"SELECT count(DISTINCT hash(x)) FROM (VALUES {rows}) AS t(x)").fetchall()
        lost += [kind] if found < len(values) else []
    assert {"DECIMAL(38,2)", "HUGEINT", "UUID", "DOUBLE", "INTERVAL"} <= set(lost)


def test_where_a_value_stands_counts(con: duckdb.DuckDBPyConnection) -> None:
    text = content_hash({"a": "INTEGER", "b": "INTEGER"})
    rows = "(VALUES (1, 2), (2, 1), (NULL, 1), (1, NULL), (NULL, NULL)) AS t(a, b)"
    assert con.execute(f"SELECT count(DISTINCT {text}) FROM {rows}").fetchall() == [(5,)]
    assert con.execute(f"SELECT {content_hash({})}").fetchall() == [(0,)]


def test_only_groups_in_which_something_differs_are_looked_at(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE a AS SELECT i AS id, 'v' AS v FROM range(10000) AS t(i)")
    con.execute("CREATE TABLE b AS FROM a")
    row = content_hash({"id": "BIGINT", "v": "VARCHAR"})
    assert differing(con, ("a", "b"), "hash(id)", row) is None
    con.execute("UPDATE b SET v = 'w' WHERE id = 7; DELETE FROM b WHERE id = 8; INSERT INTO b VALUES (20000, 'new')")
    among = differing(con, ("a", "b"), "hash(id)", row)
    assert among
    for table, there in (("a", {7, 8}), ("b", {7, 20000})):
        found = {key for (key,) in con.execute(f"SELECT id FROM {table}{among}").fetchall()}
        assert there <= found
        assert len(found) < 10
    con.execute("UPDATE b SET v = 'x'")
    assert differing(con, ("a", "b"), "hash(id)", row) is not None


def test_where_most_groups_differ_all_rows_are(con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashed, "GROUPS", 8)
    con.execute("CREATE TABLE a AS SELECT i AS id FROM range(100) AS t(i)")
    con.execute("CREATE TABLE b AS SELECT id + 50 AS id FROM a")
    assert differing(con, ("a", "b"), "hash(id)", "hash(id)") == ""
