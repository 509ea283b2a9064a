"""Everything that can be wrong in a model, each at the line and column of its own file."""

from pathlib import Path

import pytest

from catchwater.errors import ProjectError
from tests.support.models import Bench, table

SOURCES = {
    "shop": [
        table("orders", {"order_id": "INTEGER", "units": "INTEGER", "price": "DECIMAL(10,2)"}, ["order_id"]),
        table("staff", {"staff_id": "INTEGER", "name": "VARCHAR"}, ["staff_id"]),
        table("notes", {"note": "VARCHAR"}),
    ]
}

# head, SELECT (which begins on line 4), the problem
WRONG = {
    "unknown table": ("", "SELECT *\nFROM shop.ordrs", "5:6: shop.ordrs: no such table; did you mean shop.orders"),
    "unknown model": ("", "SELECT * FROM nowhere", "4:15: nowhere: no such table"),
    "itself": ("", "SELECT * FROM m", "4:15: m: a model can't read itself"),
    "unknown column": ("", "SELECT order_id,\n  unitz FROM shop.orders", "5:3: no column unitz; did you mean units"),
    "after an edit": ("", "SELECT o.x FROM shop.orders AS o", '4:8: Table "o" does not have a column named "x"'),
    "behind a name that was edited": ("", "SELECT 1 AS é FROM shop.staff WHERE é > nix", "4:41: no column nix"),
    "unknown function": ("", "SELECT fooo(order_id) AS a FROM shop.orders", "4:8: Scalar Function with name fooo"),
    "not SQL": ("", "SELECT a b c\nFROM shop.orders", "4:12: isn't SQL here"),
    "ends early": ("", "SELECT order_id FROM", "4:17: isn't SQL here: Expected table name at 'FROM'"),
    "open text": ("", "SELECT 'abc\nFROM shop.orders", "4:8: a quote or comment that isn't closed"),
    "open comment": ("", "SELECT 1 AS a /* abc", "4:15: a quote or comment that isn't closed"),
    "nothing": ("", "", "5:1: no SELECT after the head"),
    "two": ("", "SELECT 1 AS a; SELECT 2 AS b", "4:16: a second statement; a model is one SELECT"),
    "insert": ("", "INSERT INTO x VALUES (1)", "4:1: INSERT isn't a SELECT"),
    "insert inside": ("", "WITH x AS (INSERT INTO a VALUES (1)) SELECT 1 AS a", "4:12: INSERT isn't a SELECT"),
    "copy": ("", "COPY shop.staff TO 'x'", "4:1: COPY isn't a SELECT"),
    "attach": ("", "ATTACH 'x' AS y", "4:1: ATTACH isn't a SELECT"),
    "pragma": ("", "PRAGMA show_tables", "4:1: PRAGMA isn't a SELECT"),
    "set": ("", "SET enable_external_access = true", "4:1: SET isn't a SELECT"),
    "csv": ("", "SELECT * FROM read_csv('/etc/passwd')", "4:15: read_csv can't be used in a model"),
    "csv, quoted": ("", "SELECT * FROM \"read_csv\"('/etc/passwd')", "4:15: read_csv can't be used in a model"),
    "text": ("", "SELECT (SELECT content FROM read_text('/etc/passwd')) AS a", "4:29: read_text can't be used"),
    "parquet": ("", "SELECT * FROM parquet_scan('x')", "4:15: parquet_scan can't be used in a model"),
    "glob": ("", "SELECT * FROM glob('*')", "4:15: glob can't be used in a model"),
    "postgres": ("", "SELECT * FROM postgres_query('a', 'b')", "4:15: postgres_query can't be used in a model"),
    "query": ("", "SELECT * FROM query('SELECT 1')", "4:15: query can't be used in a model"),
    "insides": ("", "SELECT * FROM duckdb_settings()", "4:15: duckdb_settings can't be used in a model"),
    "file": ("", "SELECT * FROM '/etc/passwd.csv'", "4:15: a model can't read the file '/etc/passwd.csv'"),
    "file, quoted": ("", 'SELECT * FROM "a.parquet"', '4:15: a model can\'t read the file "a.parquet"'),
    "twice": ("", "SELECT staff_id, name AS STAFF_ID FROM shop.staff", "4:18: two columns are named STAFF_ID"),
    "our name": ("", "SELECT _id, units FROM shop.orders", "4:8: _id is Catchwater's own column name"),
    "a variable": ("", "SELECT 'a' AS a, ${NOPE} AS b", "4:18: variable NOPE isn't set"),
    "behind a variable": ("", "SELECT '${LONG}' AS x, zz FROM shop.staff", "4:24: no column zz"),
    "history, no id": (
        "",
        "SELECT order_id FROM shop.orders__history",
        "4:22: a model over a history needs _id",
    ),
    "history, no entity": ("", "SELECT _id AS a FROM shop.orders__history", "4:22: which rows are versions of one"),
    "entity": ("entity: [staff_id]", "SELECT staff_id FROM shop.staff", "2:1: entity is for a model over a __history"),
    "key": ("key: [stafid]", "SELECT staff_id FROM shop.staff", "2:1: key: no column stafid; did you mean staff_id"),
    "head's key": ("keys: [a]", "SELECT 1 AS a", "2:1: a model has no key keys; one of name, description"),
    "head's type": ("key: 5", "SELECT 1 AS a", "2:1: key is a list of columns, not 5"),
    "head's YAML": ("key: [a", "SELECT 1 AS a", "3:1: the head isn't YAML"),
    "head twice": ("key: [a]\nkey: [b]", "SELECT 1 AS a, 2 AS b", "3:1: the head isn't YAML: found duplicate key"),
    "head, a list": ("[a]", "SELECT 1 AS a", "1:1: the head is a mapping"),
    "choice": ("materialized: often", "SELECT 1 AS a", "2:1: materialized can't be often; one of full"),
    "name": ("name: A b", "SELECT 1 AS a", "2:1: 'A b' isn't a table name; for example a_b"),
    "reference": ("references: {staff_id: dim}", "SELECT staff_id FROM shop.staff", "2:14: references: no model dim"),
    "reference's column": ("references: {x: m}", "SELECT staff_id FROM shop.staff", "2:14: references: no column x"),
    "measure": ("measures: {a: sum(zz)}", "SELECT 1 AS b", "2:12: measure a: no column zz"),
    "measure, no sum": ("measures: {a: b}", "SELECT 1 AS b", '2:12: measure a: column "b" must appear in the GROUP'),
    "measure's key": ("measures: {a: {sql: round(sum(b), 2)}}", "SELECT 1 AS b", "2:35: measure a has no key 2)"),
    "measure's name": ("measures: {b: count(*)}", "SELECT 1 AS b", "2:12: measure b has the name of a column"),
    "measure's history": (
        "measures: {n: {sql: count(*), over: history}}",
        "SELECT 1 AS b",
        "2:12: measure n: the model has no history",
    ),
    "check's column": ("checks: [{not_null: [z]}]", "SELECT 1 AS b", "2:10: not_null: no column z; there is b"),
    "check's condition": ("checks:\n  - z > 0", "SELECT 1 AS b", "3:5: check z > 0: no column z"),
    "check, a sum": ("checks: [sum(b) > 0]", "SELECT 1 AS b", "2:10: check sum(b) > 0: WHERE clause cannot contain"),
    "check's severity": ("checks: [{unique: [b], severity: loud}]", "SELECT 1 AS b", "2:10: severity can't be loud"),
    "check's kind": ("checks: [{nul: [b]}]", "SELECT 1 AS b", "2:11: a check has no key nul"),
    "check's values": ("checks: [{accepted: {b: 1}}]", "SELECT 1 AS b", "2:10: accepted values of b are a list"),
    "check, two lines": ("checks: ['1 = 1) OR (1 = 1']", "SELECT 1 AS b", ""),
    "view": ("materialized: view", "SELECT * FROM shop.staff", "2:1: a view reads models only"),
}
WRONG.pop("check, two lines")


@pytest.mark.parametrize("case", WRONG)
def test_wrong(case: str, tmp_path: Path) -> None:
    head, sql, expected = WRONG[case]
    bench = Bench(tmp_path, SOURCES)
    bench.variables = {"LONG": "x" * 100}
    bench.write("m", sql, head)
    with pytest.raises(ProjectError) as error:
        bench.models()
    told = [str(problem) for problem in error.value.problems]
    assert any(one.startswith(f"models/m.sql:{_shift(head, expected)}") for one in told), told


def _shift(head: str, expected: str) -> str:
    """Expected lines are those under a head of one line."""
    line, rest = expected.split(":", 1)
    return f"{int(line) + head.count(chr(10)) if int(line) >= 4 else line}:{rest}"


REFUSED = {
    "GROUP BY": "SELECT order_id, count(*) AS n FROM shop.orders GROUP BY order_id",
    "DISTINCT": "SELECT DISTINCT order_id FROM shop.orders",
    "an aggregate": "SELECT max(order_id) AS order_id FROM shop.orders",
    "a window": "SELECT order_id, row_number() OVER (ORDER BY units) AS n FROM shop.orders",
    "QUALIFY": "SELECT order_id FROM shop.orders QUALIFY row_number() OVER () = 1",
    "LIMIT": "SELECT order_id FROM shop.orders LIMIT 5",
    "OFFSET": "SELECT order_id FROM shop.orders OFFSET 5",
    "a set operation": "SELECT order_id FROM shop.orders UNION ALL SELECT staff_id FROM shop.staff",
    "a query inside": "SELECT order_id FROM shop.orders WHERE units > (SELECT count(*) FROM shop.staff)",
    "a query inside the query": "WITH o AS (SELECT * FROM shop.orders) SELECT order_id FROM o",
    "now, which": "SELECT order_id, now() AS t FROM shop.orders",
    "current_date, which": "SELECT order_id, current_date AS t FROM shop.orders",
    "random, which": "SELECT order_id, random() AS t FROM shop.orders",
    "the macro twice": "SELECT order_id, twice(units) AS t FROM shop.orders",
    "a join without a condition": "SELECT order_id FROM shop.orders, shop.staff",
    "its key": "SELECT units FROM shop.orders",
    "the source's table has no key": "SELECT note FROM shop.notes",
    "UNNEST": "SELECT order_id, unnest([1, 2]) AS t FROM shop.orders",
    "a sample": "SELECT order_id FROM shop.orders USING SAMPLE 5",
    "it reads no table": "SELECT range AS order_id FROM range(3)",
    "it reads a model": "SELECT staff_id FROM staff",
    "_valid_to, which": "SELECT _id AS r, order_id, _valid_to AS t FROM shop.orders__history",
    "its key doesn't hold": "SELECT _seq AS s, _op AS o, order_id FROM shop.orders__history",
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refused_as_incremental_and_full_otherwise(reason: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path, SOURCES)
    bench.write("staff", "SELECT staff_id FROM shop.staff")
    (tmp_path / "models" / "_macros.sql").write_text("CREATE MACRO twice(x) AS x * 2;\n")
    key = "key: [order_id]\n" if "_seq AS s" in REFUSED[reason] else ""
    sql = REFUSED[reason].replace("_op AS o, ", "")
    bench.write("m", sql, f"{key}materialized: incremental")
    with pytest.raises(ProjectError) as error:
        bench.models()
    assert [p.file for p in error.value.problems] == ["models/m.sql"]
    assert error.value.problems[0].line >= 4
    assert error.value.problems[0].column >= 1
    assert f"can't be incremental: {reason}" in str(error.value)
    bench.write("m", sql, key.strip())
    found = next(model for model in bench.models() if model.name == "m")
    assert found.materialized == "full"
    assert found.reason.startswith(reason)


def test_all_problems_of_all_files_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SOURCES)
    bench.write("a", "SELECT nix FROM shop.orders", "kee: 1")
    bench.write("b", "SELECT * FROM shop.nix")
    bench.write("c", "SELECT * FROM d")
    bench.write("d", "SELECT 1 AS one\nUNION ALL SELECT * FROM c")
    (tmp_path / "models" / "e.sql").write_text("SELECT 1 AS a\n")
    (tmp_path / "models" / "f.sql").write_bytes(b"/*---\n---*/\nSELECT '\xff' AS a\n")
    (tmp_path / "models" / "g.sql").write_text("/*---\nname: g\nSELECT 1 AS a\n")
    (tmp_path / "models" / "_macros.sql").write_text("CREATE MACRO one() AS 1;\nDROP TABLE x;\n")
    with pytest.raises(ProjectError) as error:
        bench.models()
    told = [str(problem).split(";")[0] for problem in error.value.problems]
    assert told == [
        "models/_macros.sql:2:1: only CREATE MACRO may stand here",
        "models/a.sql:2:1: a model has no key kee",
        "models/a.sql:4:8: no column nix",
        "models/b.sql:4:15: shop.nix: no such table",
        "models/c.sql:4:15: models read each other: c → d → c",
        "models/e.sql:1:1: no head",
        "models/f.sql: can't be read as UTF-8 text: 'utf-8' codec can't decode byte 0xff in position 20: "
        "invalid start byte",
        "models/g.sql:1:1: the head isn't closed",
    ]


def test_names_that_collide(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SOURCES)
    bench.write("f", "SELECT _id AS r, order_id FROM shop.orders__history")
    bench.write("f_current", "SELECT 1 AS a")
    bench.write("g", "SELECT 1 AS a", "name: f_current")
    bench.write("t__history", "SELECT 1 AS a")
    with pytest.raises(ProjectError) as error:
        bench.models()
    told = " ".join(str(problem) for problem in error.value.problems)
    assert "f_current is also the model of models/f_current.sql" in told
    assert "is the table that f is published as beside itself" in told
    assert "the ending __history is for what sources hold" in told
