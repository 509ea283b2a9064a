"""Spark against DuckDB, value by value: scalars, queries, a project's models through changes, and what is refused."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlglot import exp

from catchwater.adapters.engines.spark import SparkEngine, require_java
from catchwater.adapters.stores.local import LocalStore
from catchwater.errors import ModelFailed, ProjectError, UseError
from catchwater.plan.plan import Plan, Step
from catchwater.ports import Ports, Settings
from catchwater.project import portable, portable_functions, portable_rules
from catchwater.project.portable_casts import as_type, template
from catchwater.project.portable_rules import Scalars
from catchwater.project.tables import Column
from catchwater.runtimes.demo import Demo
from catchwater.runtimes.local import Runtime
from catchwater.runtimes.planning import applied_plan
from catchwater.stages.process import process
from catchwater.wiring import SystemClock
from tests.support.models import Bench, table
from tests.support.spark import SCALARS, Both, needs_java, rows_of_log, stop, values
from tests.support.zones import FolderStore

JSONS = [
    '{"a": "x", "n": {"m": 7, "l": [1, {"z": 2}], "b": true}}', '{"a": null, "n": null}', "{}", "null", "[1]", '"a"',
    '{"a": "1.50", "n": {"m": -0, "l": {}, "b": false}}', '{"a": 12345678901234567890, "n": {"m": "7", "l": null}}',
    r'{"a": "\u00e9\ud83d\ude00 \/ \n \" \\", "n": {"l": "[1,2]"}}', '{"a": "{\\"b\\":1}", "n": {"m": 5, "l": []}}',
    '  {"A": 1, "a" : ""}  ', '{"a": "null"}', '{"a": "[x"}', '{"a": "NaN", "n": {"l": [null, null]}}',
]  # fmt: skip
QUERIES = {
    "all": "SELECT * FROM v",
    "star of one": "SELECT v.*, v.i AS again FROM v WHERE v.i > 0 AND v.y",
    "groups": "SELECT v.t, count(*) AS n, count(v.i) AS c, count(DISTINCT v.j) AS d, sum(v.i) AS s, sum(v.p) AS sp, "
    "min(v.t) AS mt, max(v.d) AS md, min(v.dt) AS mdt, bool_or(v.y) AS bo, bool_and(v.y) AS ba, max(v.tz) AS mz "
    "FROM v GROUP BY v.t",
    "all groups": "SELECT v.i % 3 AS m, v.y, sum(v.b // 1000) AS s, CAST(count(*) AS INTEGER) AS n FROM v GROUP BY ALL",
    "by place": "SELECT year(v.dt) AS y, count(*) AS n FROM v GROUP BY 1 HAVING count(*) > 2",
    "by alias": "SELECT upper('x' || v.i::VARCHAR) AS up, count(*) AS n FROM v GROUP BY up",
    "filter": "SELECT v.y, count(*) FILTER (WHERE v.i > 0) AS n, sum(v.p) FILTER (WHERE v.j > 0) AS s FROM v GROUP BY v.y",
    "over aggregates": "SELECT v.y, sum(v.p) / count(v.p) AS mean, max(v.p) + 0.5 AS h, count(*) * 2 AS n, "
    "CASE WHEN count(*) > 3 THEN max(v.t) END AS m FROM v GROUP BY v.y",
    "no rows": "SELECT sum(v.i) AS s, count(*) AS n, max(v.t) AS m FROM v WHERE false",
    "windows": "SELECT v.k, row_number() OVER (PARTITION BY v.y ORDER BY v.t DESC, v.k) AS r, "
    "rank() OVER (ORDER BY v.i) AS ra, dense_rank() OVER (ORDER BY v.i DESC NULLS FIRST) AS de, "
    "lag(v.t) OVER (ORDER BY v.k) AS la, lead(v.i, 2) OVER (PARTITION BY v.y ORDER BY v.k) AS le, "
    "sum(v.j) OVER (PARTITION BY v.y ORDER BY v.k) AS su, count(*) OVER (PARTITION BY v.t) AS co, "
    "sum(v.j) OVER (ORDER BY v.k ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS fr, "
    "first_value(v.t) OVER (PARTITION BY v.y ORDER BY v.k) AS fi, max(v.p) OVER (PARTITION BY v.y) AS ma FROM v",
    "qualify": "SELECT v.k, v.t FROM v QUALIFY row_number() OVER (PARTITION BY v.t ORDER BY v.k DESC) = 1",
    "joins": "SELECT a.k, b.k AS other, c.t FROM v AS a JOIN v AS b ON a.i = b.j AND a.k < b.k "
    "LEFT JOIN v AS c ON c.k = b.j",
    "full": "SELECT a.k, b.k AS other FROM v AS a FULL JOIN v AS b ON a.k = b.k + 100 AND a.y",
    "semi": "SELECT a.k FROM v AS a SEMI JOIN v AS b ON a.i = b.j",
    "anti": "SELECT a.k FROM v AS a ANTI JOIN v AS b ON a.i = b.j",
    "using": "SELECT k, a.t AS one, b.t AS two FROM v AS a JOIN v AS b USING (k)",
    "cross": "SELECT a.k, b.k AS other FROM v AS a CROSS JOIN v AS b WHERE a.k < 5 AND b.k < 5",
    "with": "WITH few AS (SELECT v.k, v.i AS n FROM v WHERE v.k < 50), fewer AS (SELECT few.n FROM few) "
    "SELECT fewer.n, count(*) AS c FROM fewer GROUP BY fewer.n",
    "union": "SELECT v.i AS n FROM v UNION SELECT v.b FROM v",
    "union all": "SELECT v.p AS n, v.t FROM v UNION ALL SELECT v.i, NULL FROM v UNION ALL SELECT 1.125, 'x'",
    "except": "SELECT v.i AS n FROM v EXCEPT SELECT v.j FROM v",
    "intersect": "SELECT v.t FROM v INTERSECT SELECT v.u FROM v",
    "distinct": "SELECT DISTINCT v.t, v.y FROM v",
    "first": "SELECT v.k, v.t FROM v ORDER BY v.t DESC, v.k LIMIT 7",
    "values": "SELECT x.a, x.b FROM (VALUES (1, 'a'), (2, NULL), (3000000000, 'c')) AS x(a, b)",
    "alias": "SELECT v.i + 1::BIGINT AS n, n * 2 AS twice FROM v WHERE n > 3",
    "nested": "SELECT o.t, o.n FROM (SELECT v.t, count(*) AS n FROM v GROUP BY v.t) AS o WHERE o.n > 2",
}


@pytest.fixture(scope="module")
def session() -> Iterator[None]:
    needs_java()
    yield
    stop()


@pytest.fixture(scope="module")
def both(session: None, tmp_path_factory: pytest.TempPathFactory) -> Both:
    return Both(tmp_path_factory.mktemp("both"), values())


@pytest.fixture(scope="module")
def jsons(session: None, tmp_path_factory: pytest.TempPathFactory) -> Both:
    listed = ", ".join("'" + text.replace("'", "''") + "'" for text in JSONS)
    return Both(
        tmp_path_factory.mktemp("jsons"), f"SELECT k, ([{listed}])[k] AS j FROM range(0, {len(JSONS) + 1}) r(k)"
    )


def spark(folder: Path) -> SparkEngine:
    return SparkEngine("spark", None, Settings(folder, folder / ".catchwater", "local", str))


def test_scalars_are_equal(both: Both) -> None:
    items = ", ".join(f"{one} AS r{number}" for number, one in enumerate(SCALARS))
    assert both.same(f"SELECT v.k, {items} FROM v") == 190


QUICK = ("groups", "filter", "over aggregates", "windows", "qualify", "joins", "with", "union all", "values")
SLOW = [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.proof]) for name in QUERIES]


@pytest.mark.parametrize("name", SLOW)
def test_queries_are_equal(both: Both, name: str) -> None:
    assert both.same(QUERIES[name]) > 0


def test_json_is_equal(jsons: Both) -> None:
    paths = ["j->>'a'", "j->>'$.n.m'", "json_extract_string(j, '$.n.b')", "json_extract_string(j, '$.nothing')"]
    items = [f"{path} AS t{number}" for number, path in enumerate(paths)]
    items += [
        "json_array_length(json_extract(j, '$.n.l')) AS l",
        "coalesce(json_array_length(json_extract(j, '$.x')), 0) AS x",
    ]
    items += ["CAST(j->>'$.n.m' AS INTEGER) AS m", "CAST(j->>'$.n.b' AS BOOLEAN) AS b"]
    assert jsons.same(f"SELECT v.k, {', '.join(items)} FROM v") == len(JSONS) + 1


def test_macros_are_put_in(both: Both) -> None:
    macros = "CREATE MACRO twice(a) AS a * 2; CREATE MACRO four(b) AS twice(twice(b));"
    assert both.same("SELECT v.k, four(v.s::INTEGER + 1) AS n FROM v", macros) == 190


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("json_extract_string('{\"a\": 1.5}' || left_out, '$.a')", "a number with a fraction"),
        ("json_extract_string('{\"a\": {\"b\": 1}}' || left_out, '$.a')", "an object"),
        ("json_extract_string('{\"a\": 1' || left_out, '$.a')", "malformed JSON"),
        ("json_array_length(json_extract('no' || left_out, '$.a'))", "malformed JSON"),
        ("lower('É' || left_out)", "letters outside ASCII"),
        ("CAST(' 42' || left_out AS INTEGER)", "may not read as INTEGER"),
        ("CAST('1e3' || left_out AS DECIMAL(10,2))", "may not read as DECIMAL"),
        ("CAST('maybe' || left_out AS BOOLEAN)", "no BOOLEAN"),
        ("CAST(v.b AS INTEGER)", "overflow"),
        ("(v.b + v.b)", "overflow"),
    ],
    ids=str,
)
def test_what_would_differ_fails_by_name(both: Both, value: str, said: str) -> None:
    sql = f"SELECT v.k, {value.replace('left_out', 'substring(v.t, 1, 0)')} AS r FROM v"
    with pytest.raises(ModelFailed, match=f"(?i){said}"):
        both.spark(sql, (Column("k", "INTEGER"), Column("r", "VARCHAR")))


REFUSED = [
    ("SELECT v.k,\n  avg(v.i) AS a FROM v GROUP BY v.k", 2, 3, "avg", "sum(x) / count(x)"),
    ("SELECT sum(v.d) AS s FROM v", 1, 8, "a sum of DOUBLE", "DECIMAL"),
    ("SELECT v.d, count(*) AS n FROM v GROUP BY v.d", 1, 43, "GROUP BY a DOUBLE", "DECIMAL"),
    ("SELECT regexp_replace(v.t, 'a', 'b') AS r FROM v", 1, 8, "regexp_replace", "docs/engines.md"),
    ("SELECT v.d::VARCHAR AS r FROM v", 1, 8, "casts DOUBLE to VARCHAR", "BIGINT"),
    ("SELECT v.d::DECIMAL(10,2) AS r FROM v", 1, 8, "casts DOUBLE to DECIMAL", "BIGINT"),
    ("SELECT trim(v.t) AS r FROM v", 1, 13, "trim other", "trim(x, ' ')"),
    ("SELECT v.tz AT TIME ZONE 'Europe/London' AS r FROM v", 1, 8, "time zones", "UTC"),
    ("SELECT v.t = v.i AS r FROM v", 1, 8, "VARCHAR and INTEGER are compared", "cast"),
    ("SELECT v.dt > '2020-01-01' AS r FROM v", 1, 8, "DATE and VARCHAR are compared", "cast"),
    ("SELECT try_cast(v.t AS INTEGER) AS r FROM v", 1, 17, "try_cast", "CASE"),
    ("SELECT v.i IN (SELECT v.j FROM v) AS r FROM v", 1, 8, "IN", "docs/engines.md"),
    ("SELECT v.l AS r FROM v", 1, 8, "INTEGER[]", "engine: duckdb"),
    ("SELECT list(v.i) AS r FROM v", 1, 8, "isn't known", "docs/engines.md"),
    ("SELECT v.k FROM v LIMIT 3", 1, 8, "LIMIT without ORDER BY", "ORDER BY"),
    ("SELECT DISTINCT ON (v.t) v.t, v.k FROM v", 1, 21, "DISTINCT ON", "row_number"),
    ("SELECT v.j->>'$.a[0]' AS r FROM (SELECT v.t AS j FROM v) AS v", 1, 8, "path into JSON", "$.name.name"),
    ("SELECT v.t LIKE v.u AS r FROM v", 1, 8, "LIKE", "contains"),
    ("SELECT v.t ILIKE 'a%' AS r FROM v", 1, 8, "ILIKE", "lower(x)"),
    ("SELECT coalesce(v.i, v.t) AS r FROM v", 1, 8, "no type", "cast"),
    ("SELECT round(v.d, 2) AS r FROM v", 1, 8, "DOUBLE is rounded", "DECIMAL"),
    ("SELECT v.p * v.h AS r FROM v", 1, 8, "38 digits", "shorter"),
    ("SELECT unnest([1, 2]) AS r", 1, 8, "", ""),
    ("SELECT strftime(v.ts, '%Y') AS r FROM v", 1, 8, "isn't known", "docs/engines.md"),
    ("SELECT v.ts + INTERVAL (v.i) DAY AS r FROM v", 1, 8, "INTERVAL", "whole number"),
    ("SELECT count(DISTINCT (v.i, v.j)) AS r FROM v", 1, 24, "", ""),
    ("SELECT a.k FROM v AS a ASOF JOIN v AS b ON a.k >= b.k", 1, 34, "ASOF", "ordinary"),
    ("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r", 1, 16, "RECURSIVE",
     "duckdb"),
    ("SELECT v.k FROM v GROUP BY CUBE (v.k)", 1, 34, "CUBE", ""),
    ("SELECT v.t BETWEEN SYMMETRIC 'b' AND 'a' AS r FROM v", 1, 8, "BETWEEN", "docs/engines.md"),
    ("SELECT sum(v.i) OVER (ORDER BY v.k RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) AS r FROM v", 1, 8, "frame", "ROWS"),
]  # fmt: skip
_LISTED = (Column("l", "INTEGER[]"),)
_TYPES = {"k": "INTEGER", "t": "VARCHAR", "u": "VARCHAR", "i": "INTEGER", "j": "INTEGER", "d": "DOUBLE", "b": "BIGINT",
          "p": "DECIMAL(10,2)", "h": "HUGEINT", "dt": "DATE", "ts": "TIMESTAMP",
          "tz": "TIMESTAMP WITH TIME ZONE"}  # fmt: skip


@pytest.mark.parametrize(("sql", "line", "column", "message", "right"), REFUSED, ids=[one[0][:60] for one in REFUSED])
def test_what_cant_be_equal_is_refused(sql: str, line: int, column: int, message: str, right: str) -> None:
    tables = {"v": [*(Column(name, kind) for name, kind in _TYPES.items()), *_LISTED]}
    found = portable.problems(sql, tables)
    assert found
    assert (found[0].line, found[0].column) == (line, column), found[0]
    assert message in found[0].message, found[0]
    assert right in found[0].right, found[0]


def _integer(at: Scalars, node: exp.Expr) -> exp.Expr:
    return template("CAST(:a DIV :b AS DOUBLE)", a=at.of(node.this), b=at.of(node.expression))


def _first(at: Scalars, node: exp.Expr) -> exp.Expr:
    return exp.Ordered(this=at.of(node.this), desc=bool(node.args.get("desc")), nulls_first=True)


def _with_null(at: Scalars, node: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this="CONCAT", expressions=[at.of(part) for part in node.expressions])


def _uncast(at: Scalars, node: exp.Expr) -> exp.Expr:
    return as_type(at.of(node.this), at.type(node))


# Each takes out one thing that makes the engines equal; the comparison must tell.
BROKEN = {
    "division of whole numbers": (portable_rules, "_divide", _integer, "SELECT v.k, v.i / 4 AS r FROM v"),
    "nulls last": (portable_functions, "ordered", _first, "SELECT v.k, rank() OVER (ORDER BY v.t) AS r FROM v"),
    "concat": (portable_functions, "_concat", _with_null, "SELECT v.k, concat(v.t, v.u) AS r FROM v"),
    "a cast that rounds": (portable_rules, "_cast", _uncast, "SELECT v.k, v.p::INTEGER AS r FROM v"),
}


@pytest.mark.parametrize(
    "name", [*list(BROKEN)[:2], *(pytest.param(n, marks=pytest.mark.proof) for n in list(BROKEN)[2:])]
)
def test_a_rule_that_is_left_out_is_told(both: Both, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, rule, broken, sql = BROKEN[name]
    assert both.same(sql)
    monkeypatch.setattr(module, rule, broken)
    with pytest.raises(AssertionError, match="differ"):
        both.same(sql)


SOURCES = {
    "s": [
        table("t", {"k": "INTEGER", "n": "VARCHAR", "p": "DECIMAL(10,2)", "w": "INTEGER", "l": "INTEGER[]"}, ["k"]),
        table("u", {"k": "INTEGER", "label": "VARCHAR"}, ["k"]),
    ]
}
MODELS = {
    "inc": ("SELECT t.k, t.n, t.p * 2 AS d FROM s.t AS t WHERE t.k > 0", "key: [k]\nchecks:\n  - unique: [k]"),
    "total": ("SELECT i.n, count(*) AS c, sum(i.d) AS s FROM inc AS i GROUP BY ALL", "key: [n]"),
    "hist": ("SELECT t._id AS id, t.k, t.p FROM s.t__history AS t", "key: [id]\nentity: [k]"),
    "valid": ("SELECT t._id AS id, t.k, t._valid_from AS f, t._valid_to AS u, t._is_current AS c FROM s.t__history AS t",
              "key: [id]\nentity: [k]"),
    "seen": ("SELECT h.k, h.p FROM hist_current AS h", "key: [k]"),
    "pairs": ("SELECT t.n, u.label FROM s.t AS t LEFT JOIN s.u AS u ON t.k = u.k", ""),
    "few": ("SELECT i.k, i.n FROM inc AS i WHERE i.k < 6", "materialized: view\nkey: [k]"),
    "over": ("SELECT f.n, max(f.k) AS k FROM few AS f GROUP BY f.n", "key: [n]"),
    "kept": ("SELECT t.k, t.p FROM s.t AS t", "key: [k]\nchecks:\n  - check: p < 5\n    severity: quarantine"),
}  # fmt: skip


def bench(folder: Path, engine: bool) -> Bench:
    made = Bench(folder, SOURCES)
    for name, (sql, head) in MODELS.items():
        made.write(name, sql, head)
    if engine:
        made.ports = replace(made.ports, engine=spark(folder))
    return made


def change(made: Bench, number: int) -> None:
    rows = [
        {"t": "SELECT i AS k, 'n' || (i % 3) AS n, i / 4 AS p, i AS w, [i] AS l FROM range(-2, 12) r(i)",
         "u": "SELECT i AS k, 'l' || (i % 2) AS label FROM range(0, 9, 2) r(i)"},
        {"t": "SELECT i AS k, CASE WHEN i < 4 THEN 'y' ELSE 'z' END AS n, i AS p, 1 AS w, NULL AS l, "
              "CASE WHEN i = 5 THEN 'delete' ELSE 'upsert' END AS _op FROM range(3, 8) r(i)"},
        {"u": "SELECT 2 AS k, 'other' AS label"},
    ][number]  # fmt: skip
    made.ingest("s", rows)


def committed(made: Bench) -> dict[str, list[tuple[object, ...]]]:
    plan = made.plan()
    return {m.name: rows_of_log(made.ports.stores["processed"], m) for m in plan.models if m.materialized != "view"}


@pytest.mark.proof
def test_models_are_equal_through_changes(session: None, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = bench(tmp_path / "a", False), bench(tmp_path / "b", True)
    for number in range(3):
        change(one, number)
        change(other, number)
        first, second = one.process(), other.process()
        assert not second.failures
        assert not second.notes
        counts = [(o.added, o.changed, o.removed, o.quarantined) for o in (first, second)]
        assert counts[0] == counts[1]
        assert committed(one) == committed(other)
    again = other.process()
    assert not again.batches


@pytest.mark.proof
def test_an_engine_on_other_machines_reads_and_writes_by_urls(
    session: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = bench(tmp_path / "a", False), bench(tmp_path / "b", True)
    zones = {"ZONES": str(tmp_path / "zones")}
    stores = {zone: FolderStore(f"s3://{zone}", zones, tmp_path) for zone in ("ingestion", "processed")}
    other.ports = replace(other.ports, stores=stores)
    monkeypatch.setattr(SparkEngine, "remote", property(lambda self: True))
    for number in range(2):
        change(one, number)
        change(other, number)
        one.process()
        assert not other.process().failures
        assert committed(one) == committed(other)


def test_a_check_that_fails_commits_nothing(session: None, tmp_path: Path) -> None:
    made = Bench(tmp_path, SOURCES)
    made.write("m", "SELECT t.k, t.p FROM s.t AS t", "key: [k]\nchecks:\n  - p < 1")
    made.ports = replace(made.ports, engine=spark(tmp_path))
    change(made, 0)
    outcome = made.process()
    assert "p < 1" in outcome.failures[0].message
    assert made.log("m") == []


def test_values_that_their_type_couldnt_hold_fail_the_model(session: None, tmp_path: Path) -> None:
    made = Bench(tmp_path, SOURCES)
    made.write("m", "SELECT t.k, t.p FROM s.t AS t", "key: [k]")
    made.ports = replace(made.ports, engine=spark(tmp_path))
    made.ingest("s", {"t": "SELECT 1 AS k, 'a' AS n, NULL AS p, 1 AS w, NULL AS l, MAP {'p': 'NaN'} AS _exact",
                      "u": "SELECT 1 AS k, 'x' AS label"})  # fmt: skip
    assert "p fits its type" in made.process().failures[0].message


def test_older_files_of_another_type_are_read_on_the_driver(session: None, tmp_path: Path) -> None:
    made = Bench(tmp_path, {"s": [table("t", {"k": "INTEGER", "w": "VARCHAR"}, ["k"])]})
    made.write("m", "SELECT t.k, t.w FROM s.t AS t", "key: [k]")
    made.ingest("s", {"t": "SELECT 1 AS k, '7' AS w"})
    made.sources = {"s": [table("t", {"k": "INTEGER", "w": "INTEGER"}, ["k"])]}
    made.ports = replace(made.ports, engine=spark(tmp_path))
    outcome = made.process()
    assert "older files have w as VARCHAR" in outcome.notes[0]
    assert made.rows("m") == [(1, 7)]


def test_check_refuses_by_file_and_line(tmp_path: Path) -> None:
    from catchwater.plan.models import load_models

    made = Bench(tmp_path, SOURCES)
    made.write("m", "SELECT t.k,\n  avg(t.p) AS a\nFROM s.t AS t\nGROUP BY t.k", "key: [k]")
    assert load_models(made.folder, made.sources, made.engine.describe, {})
    with pytest.raises(ProjectError, match=r"models/m.sql:5:3: engine: spark: .*avg.*write sum\(x\) / count\(x\)"):
        load_models(made.folder, made.sources, made.engine.describe, {}, "spark")


class Upto(LocalStore):
    """A zone as it stood when each log had so many batches."""

    def __init__(self, folder: Path, limits: dict[str, int]) -> None:
        super().__init__(folder)
        self.limits = limits

    def head(self, key: str) -> int | None:
        log, _, rest = key.partition("/_log/")
        return None if rest and int(rest[:20]) > self.limits.get(log, 0) else super().head(key)


def test_github_activity_is_equal_through_changes(session: None, tmp_path: Path) -> None:
    with Demo("github_activity", tmp_path / "demo") as demo:
        demo.once(Runtime(demo.wiring))
        demo.wiring.close()
    plan = applied_plan(tmp_path / "demo" / ".catchwater")
    assert plan is not None
    assert len(plan.models) == 5
    raw = tmp_path / "demo" / ".catchwater" / "lake" / "raw_layer"
    made = {name: LocalStore(tmp_path / name) for name in ("duckdb", "spark")}
    for limits in ({"archive": 1}, {"archive": 1, "live": 1}, {"archive": 2, "live": 1}):
        done = {}
        for name, store in made.items():
            folder = tmp_path / name
            engine = spark(folder) if name == "spark" else demo.wiring.engine()
            ports = Ports({"ingestion": Upto(raw, limits), "processed": store}, engine, SystemClock())
            done[name] = all_steps(ports, plan)
        assert done["spark"] == done["duckdb"]
        assert sum(done["spark"]) > 0
        for model in plan.models:
            assert rows_of_log(made["spark"], model) == rows_of_log(made["duckdb"], model), model.name
    engine = spark(tmp_path / "spark")
    assert (
        sum(all_steps(Ports({"ingestion": raw_store(raw), "processed": made["spark"]}, engine, SystemClock()), plan))
        == 0
    )


def raw_store(folder: Path) -> LocalStore:
    return Upto(folder, {"archive": 2, "live": 1})


def all_steps(ports: Ports, plan: Plan) -> list[int]:
    """Rows that each process step committed."""
    steps: list[Step] = [step for step in plan.steps if step.stage == "process"]
    outcomes = [process(ports, plan, step, "run") for step in steps]
    assert not [failure for outcome in outcomes for failure in outcome.failures]
    return [outcome.rows_out for outcome in outcomes]


def test_without_java_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UseError, match="Spark needs Java 17"):
        require_java({})
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").write_text("")
    require_java({"JAVA_HOME": str(tmp_path)})
