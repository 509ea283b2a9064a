"""LookML: what is written is read back, keeps the rules, and says what the models say."""

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lkml
import pytest

from catchwater.errors import MissingExtra, ProjectError
from catchwater.plan.plan import Measure, Model, Plan
from catchwater.project.tables import Column, Reference
from catchwater.serve.lookml import lookml
from catchwater.serve.lookml_rules import problems
from tests.support.examples import EXAMPLES, plan_of

GOLDEN = Path(__file__).parents[1] / "golden" / "lookml"


def plan(*models: Model, warehouse: str = "duckdb", serve: dict[str, object] | None = None) -> Plan:
    return Plan(
        project="p", environment="local", sources=(), models=models, steps=(), triggers=(), grants=(), alerts=(),
        warehouse={"kind": warehouse}, serve=serve or {}, promise={}, lake={},
    )  # fmt: skip


def model(name: str, columns: str = "", **given: Any) -> Model:
    """`columns` is `name type, …`; the first one is the key unless `key` is given."""
    made = tuple(Column(*part.strip().rsplit(" ", 1)) for part in columns.split(",") if part.strip())
    given.setdefault("key", (made[0].name,) if made else ())
    return Model(name, f"models/{name}.sql", "", (), made, "full", "", **given)


def view(files: dict[str, str], name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = lkml.load(files[f"views/{name}.view.lkml"])
    return loaded["views"][0]


def measure(sql: str, columns: str = "id INTEGER, a INTEGER, b INTEGER, t VARCHAR, d DATE", **plan_given: Any) -> Any:
    """The one measure `m` of a table t, and all measures of its view by name."""
    files = lookml(plan(model("x", columns, measures=(Measure("m", sql),)), **plan_given))
    assert problems(files) == []
    made = {one["name"]: one for one in view(files, "x")["measures"]}
    return made["m"], made


@pytest.mark.parametrize("example", ["shop", "totesys"])
def test_examples_as_written_before(example: str, golden: Callable[[Path, str], None]) -> None:
    files = lookml(plan_of(example))
    for path, text in files.items():
        golden(GOLDEN / example / path, text)
    held = {path.relative_to(GOLDEN / example).as_posix() for path in (GOLDEN / example).rglob("*.l*")}
    assert held == set(files)


@pytest.mark.parametrize("example", ["shop", "totesys"])
def test_examples_keep_the_rules_and_are_read_back(example: str) -> None:
    files = lookml(plan_of(example))
    assert problems(files) == []
    assert lookml(plan_of(example)) == files
    for path, text in files.items():
        if path.endswith(".lkml"):
            once = lkml.load(text)
            assert lkml.load(lkml.dump(once)) == once


def test_the_shop_s_committed_files_are_not_stale() -> None:
    files = lookml(plan_of("shop"))
    folder = EXAMPLES / "shop" / "looker"
    held = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.l*")}
    assert held == files, "run: catchwater lookml examples/shop"


def test_a_history_is_measured_on_its_current_rows() -> None:
    files = lookml(plan_of("totesys"))
    current, every = view(files, "fact_sales_order_current"), view(files, "fact_sales_order")
    assert current["dimensions"][0] == {
        "name": "sales_order_id", "primary_key": "yes", "hidden": "yes", "type": "number",
        "sql": "${TABLE}.sales_order_id",
    }  # fmt: skip
    assert every["dimensions"][0]["name"] == "sales_record_id"
    assert "revenue" in {one["name"] for one in current["measures"]}
    assert [one["name"] for one in every["measures"]] == ["versions"]
    assert {"version_operation"} <= {one["name"] for one in every["dimensions"]}


def test_two_references_to_one_table_are_joined_under_two_names() -> None:
    explores = lkml.load(lookml(plan_of("totesys"))["models/totesys.model.lkml"])["explores"]
    sales = next(one for one in explores if one["name"] == "fact_sales_order_current")
    joins = {join["name"]: join for join in sales["joins"]}
    dated = {name for name, join in joins.items() if join.get("from") == "dim_date"}
    assert dated == {"created_date", "last_updated_date", "agreed_payment_date", "agreed_delivery_date"}
    assert joins["created_date"]["sql_on"] == (
        "${fact_sales_order_current.created_date_key} = ${created_date.date_id_key}"
    )
    assert {join["relationship"] for join in sales["joins"]} == {"many_to_one"}
    assert "from" not in joins["dim_staff"]


def test_dates_and_times_are_groups_of_their_own_kind() -> None:
    made = tuple(
        Column(*pair) for pair in
        [("id", "INTEGER"), ("day", "DATE"), ("seen_at", "TIMESTAMP"), ("got", "TIMESTAMP WITH TIME ZONE")]
    )  # fmt: skip
    x = replace(model("x"), columns=made, key=("id",))
    groups = {one["name"]: one for one in view(lookml(plan(x)), "x")["dimension_groups"]}
    assert {name: (one["datatype"], one["convert_tz"]) for name, one in groups.items()} == {
        "day": ("date", "no"), "seen": ("datetime", "no"), "got": ("timestamp", "yes"),
    }  # fmt: skip
    assert "time" not in groups["day"]["timeframes"]
    assert "time" in groups["seen"]["timeframes"]


@pytest.mark.parametrize(
    ("kind", "wanted", "hidden"),
    [
        ("INTEGER", "number", None), ("UBIGINT", "number", None), ("DECIMAL(10,2)", "number", None),
        ("DOUBLE", "number", None), ("BOOLEAN", "yesno", None), ("VARCHAR", "string", None),
        ("UUID", "string", None), ("TIME", "string", None), ("ENUM('a','b')", "string", None),
        ("INTEGER[]", "string", "yes"), ("STRUCT(a INTEGER)", "string", "yes"), ("BLOB", "string", "yes"),
        ("INTERVAL", "string", None),
    ],
)  # fmt: skip
def test_types(kind: str, wanted: str, hidden: str | None) -> None:
    x = replace(model("x"), columns=(Column("id", "INTEGER"), Column("c", kind)), key=("id",))
    field = view(lookml(plan(x)), "x")["dimensions"][1]
    assert (field["type"], field.get("hidden")) == (wanted, hidden)


def test_a_key_of_two_columns_cannot_be_mistaken() -> None:
    """The SQL is run: ('1', '1:1') and ('11', ':1') would meet if the columns were only put together."""
    import duckdb

    sql = view(lookml(plan(model("x", "a VARCHAR, b VARCHAR", key=("a", "b")))), "x")["dimensions"][0]["sql"]
    with duckdb.connect() as con:
        pairs = "(VALUES ('1', '11'), ('11', '1'), ('1', '1:1'), ('1:1', '1'), ('', '111'), ('111', '')) AS t (a, b)"
        found = con.execute(f"SELECT count(DISTINCT {sql.replace('${TABLE}', 't')}) FROM {pairs}").fetchone()
    assert found == (6,)


@pytest.mark.parametrize(
    ("sql", "kind", "body"),
    [
        ("sum(a * b)", "sum", "${a} * ${b}"),
        ("avg(a)", "average", "${a}"),
        ("min(a)", "min", "${a}"),
        ("max(a)", "max", "${a}"),
        ("median(a)", "median", "${a}"),
        ("count(*)", "count", None),
        ("count(1)", "count", None),
        ("count(t)", "sum", "CASE WHEN ${t} IS NULL THEN 0 ELSE 1 END"),
        ("count(DISTINCT t)", "count_distinct", "${t}"),
        ("count(*) FILTER (WHERE t = 'x')", "sum", "CASE WHEN ${t} = 'x' THEN 1 ELSE 0 END"),
        ("sum(a) FILTER (WHERE b > 0)", "sum", "CASE WHEN ${b} > 0 THEN ${a} END"),
        ("max(t)", "number", "MAX(${t})"),
        ("max(d)", "number", "MAX(${d_raw})"),
        ("SUM(A)", "sum", "${a}"),
    ],
)
def test_aggregates_become_looker_s_own(sql: str, kind: str, body: str | None) -> None:
    made, _ = measure(sql)
    assert (made["type"], made.get("sql")) == (kind, body)


@pytest.mark.parametrize(
    "sql",
    [
        "sum(a * b)", "avg(a)", "min(a)", "max(b)", "median(a)", "count(*)", "count(t)", "count(DISTINCT t)",
        "count(*) FILTER (WHERE t = 'x')", "count(t) FILTER (WHERE a > 1)", "sum(a) FILTER (WHERE b > 0)",
        "count(DISTINCT t) FILTER (WHERE a > 1)", "max(t)", "max(d)", "sum(a) / nullif(count(DISTINCT t), 0)",
        "count(*) FILTER (WHERE t = 'x') / count(*)", "round(sum(a) * 1.5 - avg(b), 2)", "stddev(a)",
        "sum(DISTINCT a)", "count(DISTINCT (a, t))", "string_agg(t, ',' ORDER BY id)", "sum(a) + sum(a)",
        "arg_max(t, a)", "quantile_cont(a, 0.5)", "sum(CASE WHEN t IN ('x', 'it''s') THEN 1 ELSE 0 END)",
    ],
)  # fmt: skip
def test_measures_give_what_the_model_s_sql_gives(sql: str) -> None:
    """The LookML is put together as Looker does, and both are run."""
    import duckdb

    made, every = measure(sql)
    groups = {"d_raw": {"type": "string", "sql": "${TABLE}.d"}}
    dims = {name: {"type": "number", "sql": f"${{TABLE}}.{name}"} for name in ("id", "a", "b", "t")}
    text = _looker_sql(made, {**dims, **groups, **every})
    rows = "(1, 2, 3, 'x', DATE '2026-01-01'), (2, NULL, 5, 'x', NULL), (3, 4, NULL, NULL, DATE '2026-03-01'),"
    rows += " (4, 2, -1, 'it''s', DATE '2025-01-01')"
    with duckdb.connect() as con:
        con.execute("CREATE TABLE x (id INTEGER, a INTEGER, b INTEGER, t VARCHAR, d DATE)")
        con.execute(f"INSERT INTO x VALUES {rows}")
        assert con.execute(f"SELECT {text} FROM x").fetchall() == con.execute(f"SELECT {sql} FROM x").fetchall()


def _looker_sql(field: dict[str, Any], every: dict[str, dict[str, Any]]) -> str:
    """A field as Looker writes it into a query of one table."""

    def put(match: re.Match[str]) -> str:
        return "x" if match[1] == "TABLE" else f"({_looker_sql(every[match[1]], every)})"

    body = re.sub(r"\$\{(\w+)\}", put, field.get("sql", ""))
    if "label" not in field and field.get("hidden") != "yes":
        return body
    wrapped = {
        "count": "COUNT(*)", "count_distinct": f"COUNT(DISTINCT {body})", "sum": f"SUM({body})",
        "average": f"AVG({body})", "min": f"MIN({body})", "max": f"MAX({body})", "median": f"MEDIAN({body})",
    }  # fmt: skip
    return wrapped.get(field["type"], body)


def test_a_formula_is_made_of_measures_that_keep_under_joins() -> None:
    made, every = measure("sum(a) / nullif(count(DISTINCT t), 0)")
    assert made["type"] == "number"
    assert made["sql"] == "${m_part} / NULLIF(${m_part_2}, 0)"
    assert (every["m_part"]["type"], every["m_part_2"]["type"]) == ("sum", "count_distinct")
    assert every["m_part"]["hidden"] == "yes"


def test_whole_numbers_are_not_cut_by_postgres() -> None:
    made, _ = measure("sum(a) / nullif(count(*), 0)", warehouse="postgres")
    assert "CAST(${m_part} AS DOUBLE PRECISION)" in made["sql"]


def test_what_looker_has_no_type_for_is_its_own_sql() -> None:
    made, every = measure("stddev(a)")
    assert (made["type"], made["sql"]) == ("number", "STDDEV(${a})")
    made, _ = measure("count(DISTINCT (a, t))")
    assert made["type"] in ("number", "count_distinct")
    assert every["count"]["type"] == "count"


def test_odd_names_are_quoted_and_kept_apart() -> None:
    columns = (
        Column("Order No", "INTEGER"), Column("order_no", "INTEGER"), Column('say "hi"', "VARCHAR"),
        Column("größe", "DOUBLE"), Column("select", "VARCHAR"), Column("2nd", "BOOLEAN"),
    )  # fmt: skip
    x = replace(model("user"), columns=columns, key=("Order No",), measures=(Measure("order_no", "sum(größe)"),))
    files = lookml(plan(x))
    assert problems(files) == []
    made = view(files, "user")
    assert made["sql_table_name"] == '"user"'
    assert [one["sql"] for one in made["dimensions"]] == [
        '${TABLE}."Order No"', "${TABLE}.order_no", '${TABLE}."say ""hi"""', '${TABLE}."größe"',
        "${TABLE}.select", '${TABLE}."2nd"',
    ]  # fmt: skip
    assert len({one["name"] for one in made["dimensions"]}) == 6
    assert made["measures"][0]["name"] == "order_no_measure"
    odd = view(lookml(plan(x, warehouse="bigquery")), "user")
    assert odd["dimensions"][0]["sql"] == "${TABLE}.`Order No`"


def test_a_name_that_lookml_cannot_hold_is_refused() -> None:
    x = replace(model("x"), columns=(Column("a;;b", "INTEGER"),))
    with pytest.raises(ProjectError, match=r"models/x\.sql: LookML can't hold the column name 'a;;b'"):
        lookml(plan(x))


@pytest.mark.parametrize(("sql", "message"), [("sum(nope)", "no column nope"), ("sum(", "isn't an SQL expression")])
def test_a_wrong_measure_is_refused_by_name(sql: str, message: str) -> None:
    with pytest.raises(ProjectError, match=f"measure m: {message}"):
        measure(sql)


def test_text_of_the_model_cannot_break_out() -> None:
    told = 'a "quoted" text\n}} {{ liquid }} back\\'
    x = model(
        "x", "id INTEGER, a INTEGER", description=told, measures=(Measure("m", "sum(a)", told, "gbp", "current", told),)
    )
    files = lookml(plan(x))
    assert problems(files) == []
    made = next(one for one in view(files, "x")["measures"] if one["name"] == "m")
    assert made["label"] == "a 'quoted' text }} { { liquid }} back/"


def test_circles_and_chains_of_references_end() -> None:
    def to(column: str, table: str) -> Reference:
        return Reference((column,), table, ("id",))

    line = model("line", "id INTEGER, shop INTEGER", references=(to("shop", "shop"),))
    shop = model("shop", "id INTEGER, town INTEGER, boss INTEGER", references=(to("town", "town"), to("boss", "boss")))
    town = model("town", "id INTEGER, name VARCHAR")
    boss = model("boss", "id INTEGER, boss INTEGER, shop INTEGER, home INTEGER",
                 references=(to("boss", "boss"), to("shop", "shop"), to("home", "town")))  # fmt: skip
    files = lookml(plan(line, shop, town, boss))
    assert problems(files) == []
    explores = {one["name"]: one for one in lkml.load(files["models/p.model.lkml"])["explores"]}
    joins = {join["name"]: join for join in explores["line"]["joins"]}
    assert list(joins) == ["shop", "shop_town", "boss", "boss_home"]
    assert joins["shop_town"]["sql_on"] == "${shop.town} = ${shop_town.id}"
    assert set(explores) == {"line", "shop", "boss"}


def test_a_reference_to_less_than_the_key_is_not_many_to_one() -> None:
    price = model("price", "item INTEGER, day INTEGER", key=("item", "day"))
    sale = model("sale", "id INTEGER, item INTEGER", references=(Reference(("item",), "price", ("item",)),))
    files = lookml(plan(price, sale))
    join = lkml.load(files["models/p.model.lkml"])["explores"][0]["joins"][0]
    assert join["relationship"] == "many_to_many"


def test_an_empty_project_and_a_table_without_key() -> None:
    files = lookml(plan())
    assert set(files) == {"manifest.lkml", "models/p.model.lkml"}
    assert 'connection: "p"' in files["models/p.model.lkml"]
    files = lookml(plan(model("x", "a INTEGER", key=()), serve={"looker": {"connection": "house"}}))
    assert problems(files) == []
    assert 'connection: "house"' in files["models/p.model.lkml"]


FOREIGN_KEY = "  dimension: product_id {\n"
FIRST_KEY = "  dimension: primary_key {\n"
BROKEN = {
    "two primary keys": (FOREIGN_KEY, f"{FOREIGN_KEY}    primary_key: yes\n", "2 primary keys"),
    "a visible key": ("    primary_key: yes\n    hidden: yes", "    primary_key: yes", "primary key is visible"),
    "a key that isn't first": (FIRST_KEY, f"  dimension: a {{ hidden: yes sql: 1 ;; }}\n{FIRST_KEY}", "isn't first"),
    "no description": ('    description: "Pieces sold."\n', "", "units isn't described"),
    "a reference to nothing": ("${quantity} * ${unit_price}", "${quantity} * ${price}", "uses ${price}"),
    "a name twice": ("measure: units {", "measure: quantity {", "quantity is there twice"),
    "no LookML": ("view: order_lines {", "view: order_lines", "isn't LookML"),
    "not even LookML": ("view: order_lines {", "view: {{ order_lines {", "isn't LookML"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_each_rule_is_missed_when_broken(case: str) -> None:
    old, new, message = BROKEN[case]
    files = lookml(plan_of("shop"))
    path = "views/order_lines.view.lkml"
    assert old in files[path]
    found = problems({**files, path: files[path].replace(old, new, 1)})
    assert any(message in one for one in found), found


@pytest.mark.parametrize(
    ("path", "old", "new", "message"),
    [
        ("models/shop.model.lkml", "${products.product_id}", "${products.sku}", "isn't joined on its whole key"),
        ("models/shop.model.lkml", "${orders.customer_id}", "${nobody.customer_id}", "isn't a field joined before"),
        ("models/shop.model.lkml", "    from: countries\n", "    from: lands\n", "view lands, which isn't there"),
        ("models/shop.model.lkml", "join: products {", "join: orders {", "orders is joined twice"),
        ("models/shop.model.lkml", "sql_on: ${order_lines.product_id} = ${products.product_id}", "sql_on: 1 = 1",
         "joined on no field"),
        ("dashboards/shop.dashboard.lookml", "orders.order_value", "orders.worth", "no field orders.worth"),
        ("dashboards/shop.dashboard.lookml", "explore: orders", "explore: sales", "no explore sales"),
        ("dashboards/shop.dashboard.lookml", "- dashboard: shop", "- [", "isn't YAML"),
    ],
)  # fmt: skip
def test_each_rule_of_explores_and_dashboards(path: str, old: str, new: str, message: str) -> None:
    files = lookml(plan_of("shop"))
    assert old in files[path]
    found = problems({**files, path: files[path].replace(old, new)})
    assert any(message in one for one in found), found


def test_a_view_twice_is_a_problem() -> None:
    files = lookml(plan_of("shop"))
    again = {**files, "views/z.view.lkml": files["views/orders.view.lkml"]}
    assert any("view orders is there twice" in one for one in problems(again))


def test_without_lkml_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lkml", None)
    with pytest.raises(MissingExtra, match=r"catchwater\[looker\]"):
        lookml(plan())
