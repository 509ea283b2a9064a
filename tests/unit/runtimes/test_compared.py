"""Two relations held against each other: what is counted, what is named."""

import duckdb
import pytest

from catchwater.errors import ModelFailed
from catchwater.runtimes.compared import Differing, Example, differing

COLUMNS = {"d0": "INTEGER", "kind": "VARCHAR", "o": "DOUBLE", "n": "INTEGER[]"}
ROWS = "(1, 'a', 0.5, [1]), (2, 'b', 'NaN'::DOUBLE, NULL), (3, NULL, NULL, [NULL])"


def compare(old: str, new: str, key: tuple[str, ...] = ("d0",), examples: int = 5) -> Differing:
    with duckdb.connect() as con:
        for name, rows in (("old", old), ("new", new)):
            body = ", ".join(f"{column} {kind}" for column, kind in COLUMNS.items())
            con.execute(f"CREATE TABLE {name} ({body})")
            con.execute(f"INSERT INTO {name} VALUES {rows}")
        return differing(con, ("old", "new"), COLUMNS, key, examples)


@pytest.mark.parametrize("key", [("d0",), ("kind",), ()])
def test_the_same_rows(key: tuple[str, ...]) -> None:
    rows = ROWS.replace("NULL, NULL, [NULL]", "'c', NULL, [NULL]")
    assert compare(rows, rows, key) == Differing(3)


def test_rows_by_key() -> None:
    found = compare(ROWS, "(1, 'a', 0.25, [1]), (3, 'x', 1, [NULL]), (4, 'd', 1, [])")
    assert (found.rows, found.added, found.removed, found.changed, found.total) == (3, 1, 1, 2, 4)
    assert found.columns == {"kind": 1, "o": 2}
    assert found.examples == (
        Example("changed", "d0 = 1", {"o": ("0.5", "0.25")}),
        Example("changed", "d0 = 3", {"kind": (None, "x"), "o": (None, "1.0")}),
        Example("added", "d0 = 4"),
        Example("removed", "d0 = 2"),
    )


def test_a_key_of_several_columns_and_few_examples() -> None:
    found = compare(
        ROWS.replace("NULL, NULL, [NULL]", "'c', 1, []"), "(1, 'a', 0.25, [1]), (2, 'b', 1, NULL)", ("d0", "kind"), 1
    )
    assert (found.changed, found.removed) == (2, 1)
    assert [one.key for one in found.examples] == ["d0 = 1, kind = a", "d0 = 3, kind = c"]
    assert compare(ROWS, "(1, 'b', 1, [])", ("d0",), 0).examples == ()


def test_rows_without_a_key() -> None:
    twice = "(1, 'a', 0.5, [1]), (1, 'a', 0.5, [1])"
    found = compare(
        f"{twice}, (2, 'b', NULL, NULL)", "(1, 'a', 0.5, [1]), (3, NULL, NULL, NULL), (3, NULL, NULL, NULL)", ()
    )
    assert (found.rows, found.added, found.removed, found.changed) == (3, 2, 2, 0)
    assert Example("added", "d0 = 3, kind = NULL, o = NULL, n = NULL") in found.examples


def test_only_key_columns() -> None:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE a AS SELECT 1 AS i; CREATE TABLE b AS SELECT unnest([1, 2]) AS i")
        assert differing(con, ("a", "b"), {"i": "INTEGER"}, ["i"]).added == 1


def test_a_key_that_isnt_one() -> None:
    with pytest.raises(ModelFailed, match="1 stands 2 times"):
        compare("(1, 'a', 1, [])", "(1, 'a', 1, []), (1, 'b', 1, [])")
