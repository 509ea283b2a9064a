"""What a query prints: every digit, every column, valid JSON, and nothing that a terminal would obey."""

import csv
import io
import json
from typing import Any

import duckdb
import pytest

from catchwater.cli import rows, show
from catchwater.errors import UseError

ODD = """SELECT 'nan'::DOUBLE AS n, '-inf'::FLOAT AS i, 1.10::DECIMAL(9, 2) AS d, 9007199254740993 AS large, 7 AS small,
  '\\xAA'::BLOB AS b, [1, NULL] AS l, {'x': 'inf'::DOUBLE} AS s, MAP {[1]: 2} AS m, 'infinity'::DATE AS never,
  INTERVAL 3 MONTHS AS v, TIMESTAMPTZ '2020-01-01 10:00:00+02' AS z, TIMESTAMP_NS '2020-01-01 00:00:00.123456789' AS ns,
  NULL AS nothing, '' AS empty, 'a "b",' || chr(10) || 'c' AS t, true AS y"""


def printed(sql: str, form: str, con: Any = None) -> str:
    out = io.StringIO()
    with duckdb.connect() as made:
        made.execute("SET TimeZone = 'UTC'")
        rows.write(con or made, sql, form, out)
    return out.getvalue()


def test_json_is_json_and_keeps_every_digit() -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    [row] = json.loads(printed(ODD, "json"), parse_constant=refuse)
    assert row == {
        "n": "NaN", "i": "-Infinity", "d": "1.10", "large": "9007199254740993", "small": 7, "b": "qg==",
        "l": [1, None], "s": {"x": "Infinity"}, "m": {"[1]": 2}, "never": "infinity", "v": "3 months",
        "z": "2020-01-01T08:00:00Z", "ns": "2020-01-01T00:00:00.123456789", "nothing": None, "empty": "",
        "t": 'a "b",\nc', "y": True,
    }  # fmt: skip


def test_csv_is_read_back() -> None:
    text = printed(ODD, "csv")
    [row] = csv.DictReader(io.StringIO(text))
    assert (row["n"], row["i"], row["d"], row["large"]) == ("NaN", "-Infinity", "1.10", "9007199254740993")
    assert (row["b"], row["l"], row["never"], row["y"]) == ("qg==", "[1,null]", "infinity", "true")
    assert row["t"] == 'a "b",\nc'
    assert ',,"","a ""b"",' in text


def test_a_table_is_aligned_and_harmless() -> None:
    values = "('名前', 1), (chr(27) || '[31mred', NULL), ('a' || chr(10) || 'b', 2)"
    lines = printed(f"SELECT * FROM (VALUES {values}) t(x, y)", "table").splitlines()
    assert lines[:3] == ["x            y", "───────────  ────", "名前         1"]
    assert lines[3:] == [r"\x1b[31mred  NULL", "a⏎b          2"]
    assert show.cell("\u202eevil") == r"\u202eevil"


@pytest.mark.parametrize(("form", "empty"), [("json", "[]\n"), ("csv", "a,b\n"), ("table", "a  b\n─  ─\n")])
def test_nothing_found(form: str, empty: str) -> None:
    assert printed("SELECT 1 AS a, 2 AS b WHERE false", form) == empty


def test_no_column_is_lost() -> None:
    sql = 'SELECT 1 AS a, 2 AS a, 3 AS "A", 4 AS a_1'
    assert json.loads(printed(sql, "json")) == [{"a": 1, "a_1": 2, "A_2": 3, "a_1_1": 4}]
    assert printed(sql, "csv") == "a,a,A,a_1\n1,2,3,4\n"


def test_more_rows_than_a_piece_in_their_order() -> None:
    many = rows.PIECE * 2 + 1
    sql = f"SELECT range AS n FROM range({many}) ORDER BY n DESC"
    expected = list(range(many - 1, -1, -1))
    assert [row["n"] for row in json.loads(printed(sql, "json"))] == expected
    assert [int(line) for line in printed(sql, "csv").split()[1:]] == expected
    assert [int(line) for line in printed(sql, "table").split()[2:]] == expected


@pytest.mark.parametrize(
    ("sql", "count"),
    [
        ("SHOW TABLES", 1),
        ("DESCRIBE t", 3),
        ("SUMMARIZE t", 3),
        ("FROM t; -- done", 1),
        ("FROM t;", 1),
        ("FROM t -- done", 1),
        ("PIVOT t ON b USING sum(a)", 1),
        ("WITH x AS (VALUES (1), (2)) FROM x", 2),
        ("EXPLAIN FROM t", 1),
    ],
)
def test_every_kind_of_statement_that_has_rows(sql: str, count: int) -> None:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t AS SELECT 1 AS a, 'x' AS b, 2 AS c")
        assert len(json.loads(printed(sql, "json", con))) == count
        assert printed(sql, "table", con)
        assert printed(sql, "csv", con)


def test_an_explanation_is_shown_as_it_is() -> None:
    assert printed("EXPLAIN SELECT 1", "table").startswith("┌─")


@pytest.mark.parametrize("sql", ["", " ; ", "SELECT 1; SELECT 2", "-- nothing"])
def test_one_statement_at_a_time(sql: str) -> None:
    with pytest.raises(UseError, match="one at a time is run"):
        printed(sql, "json")


def test_a_statement_without_rows() -> None:
    with pytest.raises(UseError, match="no rows"):
        printed("SET threads = 1", "json")


def test_a_wrong_statement_is_duckdb_s_to_tell() -> None:
    for sql in ("selec", "SELECT nothing"):
        with pytest.raises(duckdb.Error):
            printed(sql, "json")
