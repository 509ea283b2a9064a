"""What a difference says, against a model of it in Python, and applied: held plus difference is new."""

from collections import Counter

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catchwater.errors import ModelFailed
from catchwater.lake.difference import Counts, difference, row_hash
from tests.support.parquet import rows


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


def relation(con: duckdb.DuckDBPyConnection, name: str, columns: str, values: list[tuple[object, ...]]) -> None:
    con.execute(f'CREATE OR REPLACE TABLE "{name}" ({columns})')
    if values:
        con.executemany(f'INSERT INTO "{name}" VALUES ({", ".join("?" for _ in values[0])})', values)


VALUES = st.one_of(st.none(), st.sampled_from(["", "NULL", "a", "a,b", "1:a"]))
KEYED = st.dictionaries(st.integers(0, 6), st.tuples(VALUES, VALUES), max_size=6)


@settings(max_examples=60, deadline=None, database=None)
@given(new=KEYED, held=KEYED)
def test_keyed(con: duckdb.DuckDBPyConnection, new: dict, held: dict) -> None:  # type: ignore[type-arg]
    for name, content in (("new", new), ("held", held)):
        relation(con, name, "k BIGINT, a VARCHAR, b VARCHAR", [(k, *v) for k, v in content.items()])
    counts = difference(con, "new", "held", ["k", "a", "b"], ["k"], "d")
    changed = {k for k in new.keys() & held.keys() if new[k] != held[k]}
    assert counts == Counts(len(new.keys() - held.keys()), len(changed), len(held.keys() - new.keys()))
    assert {row[0]: row[1:] for row in rows(con, "d_upserts")} == {
        k: new[k] for k in changed | (new.keys() - held.keys())
    }
    assert {row[0]: row[1:] for row in rows(con, "d_removed")} == {k: held[k] for k in held.keys() - new.keys()}


@settings(max_examples=60, deadline=None, database=None)
@given(states=st.lists(st.lists(st.tuples(VALUES, VALUES), max_size=8), min_size=1, max_size=4))
def test_keyless(con: duckdb.DuckDBPyConnection, states: list[list[tuple[object, ...]]]) -> None:
    relation(con, "held", "a VARCHAR, b VARCHAR, _version VARCHAR, _occurrence INTEGER", [])
    for state in states:
        relation(con, "new", "a VARCHAR, b VARCHAR", state)
        before = Counter(rows(con, "held", "a, b"))
        counts = difference(con, "new", "held", ["a", "b"], [], "d")
        expected = Counter(state) - before, before - Counter(state)
        assert (counts.added, counts.changed, counts.removed) == (expected[0].total(), 0, expected[1].total())
        con.execute("DELETE FROM held USING d_removed AS r WHERE held._version = r._version "
                    "AND held._occurrence = r._occurrence")  # fmt: skip
        con.execute("INSERT INTO held FROM d_upserts")
        assert Counter(rows(con, "held", "a, b")) == Counter(state)
        assert con.execute("SELECT count(*) - count(DISTINCT (_version, _occurrence)) FROM held").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("DOUBLE", "'nan'", "1"),
        ("DOUBLE", "NULL", "'nan'"),
        ("DECIMAL(38,20)", "1.00000000000000000001", "1"),
        ("VARCHAR", "''", "NULL"),
        ("VARCHAR[]", "['a, b']", "['a', 'b']"),
        ("VARCHAR[]", "[NULL]", "['NULL']"),
        ("VARCHAR[]", "[]", "NULL"),
        ("STRUCT(a INTEGER, b VARCHAR)", "{'a': 1, 'b': NULL}", "{'a': 1, 'b': 'NULL'}"),
        ("MAP(VARCHAR, VARCHAR)", "MAP {'a': 'b, c=d'}", "MAP {'a': 'b', 'c': 'd'}"),
        ("BLOB", r"'\x00'::BLOB", r"'\x5Cx00'::BLOB"),
        ("TIMESTAMPTZ", "'2026-03-29 00:30:00+00'", "'2026-03-29 01:30:00+00'"),
        ("TIMESTAMPTZ", "'infinity'", "NULL"),
        ("INTERVAL", "INTERVAL 1 DAY", "INTERVAL 2 DAY"),
        ("UUID", "'00000000-0000-0000-0000-000000000001'", "NULL"),
        ("BOOLEAN", "false", "NULL"),
    ],
)
def test_every_type_equals_itself_and_no_other(con: duckdb.DuckDBPyConnection, kind: str, one: str, other: str) -> None:
    for left, right, expected in ((one, one, 0), (other, other, 0), (one, other, 1)):
        con.execute(f'CREATE OR REPLACE TABLE "new" AS SELECT 1 AS k, ({left})::{kind} AS v')
        con.execute(f'CREATE OR REPLACE TABLE "held" AS SELECT 1 AS k, ({right})::{kind} AS v')
        assert difference(con, "new", "held", ["k", "v"], ["k"], "d") == Counts(0, expected, 0)
        relation(con, "none", f"k INTEGER, v {kind}, _version VARCHAR, _occurrence INTEGER", [])
        difference(con, "held", "none", ["k", "v"], [], "h")
        counts = difference(con, "new", "h_upserts", ["k", "v"], [], "d")
        assert counts == Counts(expected, 0, expected)


def test_the_hash_of_a_row_does_not_move_with_the_session_or_the_version(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("""CREATE OR REPLACE TABLE "new" AS SELECT 1::BIGINT AS k, TIMESTAMPTZ '2026-11-21 12:00:00+00' AS m,
        'x' AS v, NULL::DATE AS d, [1.5::DOUBLE] AS l""")
    relation(
        con,
        "none",
        "k BIGINT, m TIMESTAMPTZ, v TEXT, d DATE, l DOUBLE[], _version TEXT, _occurrence INTEGER",
        [],
    )
    versions = set()
    for zone in ("Asia/Kathmandu", "UTC"):
        con.execute(f"SET TimeZone = '{zone}'")
        difference(con, "new", "none", ["k", "m", "v", "d", "l"], [], "d")
        assert con.execute("SELECT current_setting('TimeZone')").fetchall() == [(zone,)]
        versions |= {row[0] for row in rows(con, "d_upserts", "_version")}
    assert versions == {"db7ddfbfa26da3c19b3451fe53df7229"}
    assert "sha256" in row_hash(con, "new", ["k"])


def test_a_hash_of_joined_text_would_be_seen(con: duckdb.DuckDBPyConnection) -> None:
    """Broken variant: without lengths, ('a,', 'b') and ('a', ',b') would be one row."""
    relation(con, "new", "a VARCHAR, b VARCHAR", [("a,", "b"), ("a", ",b"), ("", None), (None, "")])
    assert con.execute("SELECT count(DISTINCT sha256(concat(a, b))) FROM new").fetchall() == [(2,)]
    assert con.execute(f"SELECT count(DISTINCT {row_hash(con, 'new', ['a', 'b'])}) FROM new").fetchall() == [(4,)]


def test_odd_names_and_a_table_that_is_all_key(con: duckdb.DuckDBPyConnection) -> None:
    odd = ['a "b', "n", "h", "Ünï", "select"]
    columns = ", ".join('"' + name.replace('"', '""') + '" INTEGER' for name in odd)
    con.execute(f'CREATE OR REPLACE TABLE "new \'x""" ({columns})')
    con.execute(f'CREATE OR REPLACE TABLE "held ü" ({columns})')
    con.execute('INSERT INTO "new \'x""" VALUES (1, 2, 3, 4, 5), (1, 2, 3, 4, 6)')
    con.execute('INSERT INTO "held ü" VALUES (1, 2, 3, 4, 5), (0, 2, 3, 4, 5)')
    assert difference(con, "new 'x\"", "held ü", odd, odd, 'in"to') == Counts(1, 0, 1)
    assert rows(con, 'in"to_upserts') == [(1, 2, 3, 4, 6)]
    assert rows(con, 'in"to_removed') == [(0, 2, 3, 4, 5)]


@pytest.mark.parametrize(
    ("values", "key", "message"),
    [
        ([(1, "x"), (1, "x")], ["k"], "the key k isn't unique: 1 stands 2 times"),
        ([(1, "x"), (1, "x"), (1, "y")], ["k", "v"], r"the key \(k, v\) isn't unique: 1, 'x' stands 2 times"),
        ([(None, "x"), (None, "y")], ["k"], "the key k is NULL in 2 rows"),
        ([(1, None)], ["k", "v"], r"the key \(k, v\) is NULL in 1 row"),
    ],
)
def test_a_key_that_is_none_is_named(
    con: duckdb.DuckDBPyConnection, values: list[tuple[object, ...]], key: list[str], message: str
) -> None:
    relation(con, "new", "k BIGINT, v VARCHAR", values)
    relation(con, "held", "k BIGINT, v VARCHAR", [])
    with pytest.raises(ModelFailed, match=message):
        difference(con, "new", "held", ["k", "v"], key, "d")
