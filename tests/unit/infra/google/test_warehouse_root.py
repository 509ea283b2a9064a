"""The tables that Terraform makes are those that the load expects, and the load takes them for its own."""

from dataclasses import replace
from typing import Any

import pytest
from google.cloud.bigquery import SchemaField, Table

from catchwater.adapters.warehouses import bigquery_ddl as ddl
from catchwater.errors import WarehouseError
from catchwater.infra.google.warehouse import tables
from catchwater.plan.plan import Model, Plan
from catchwater.project.tables import Column
from tests.support.examples import plan_of

PATH = ("ev-dev", "events")


def fields(plan: Plan, table: str) -> dict[str, Any]:
    found: Any = tables(plan)[table]
    return {one["name"]: one for one in found["columns"]}


def test_columns_have_their_types_and_order() -> None:
    found: Any = tables(plan_of("events", "dev"))
    assert sorted(found) == ["events", "events_by_minute", "sessions"]
    assert found["events"]["description"] == "Every event once, however often it was sent."
    shown = [(one["name"], one["type"]) for one in found["events"]["columns"]]
    assert shown[:5] == [
        ("event_id", "STRING"), ("type", "STRING"), ("occurred_at", "TIMESTAMP"), ("session_id", "STRING"),
        ("user_id", "INTEGER"),
    ]  # fmt: skip


def test_a_history_has_two_tables_with_its_marks() -> None:
    plan = plan_of("open_data", "dev")
    assert list(fields(plan, "station_changes"))[-2:] == ["_op", "_at"]
    assert fields(plan, "station_changes_current").keys() == fields(plan, "station_changes").keys()
    assert fields(plan, "station_changes")["latitude"]["type"] == "FLOAT"


def test_a_table_without_a_key_is_hidden_behind_the_view_of_the_load() -> None:
    found = tables(plan_of("shop", "prod"))
    assert "page_views" not in found
    assert list(fields(plan_of("shop", "prod"), "_catchwater_rows_page_views"))[-2:] == ["_version", "_occurrence"]


def one_of(kind: str) -> Plan:
    plan = plan_of("events", "dev")
    return replace(plan, models=(replace(plan.model("events"), columns=(Column("n", kind),), key=("n",)),))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("DECIMAL(18,2)", {"type": "NUMERIC", "precision": "18", "scale": "2"}),
        ("DECIMAL(38,20)", {"type": "BIGNUMERIC", "precision": "38", "scale": "20"}),
        ("DECIMAL(9,0)", {"type": "NUMERIC", "precision": "9"}),
        ("HUGEINT", {"type": "BIGNUMERIC"}),
        ("TIMESTAMP", {"type": "DATETIME"}),
        ("BOOLEAN", {"type": "BOOLEAN"}),
        ("BLOB", {"type": "BYTES"}),
    ],
)
def test_exact_types(kind: str, expected: dict[str, str]) -> None:
    found = fields(one_of(kind), "events")["n"]
    assert {key: value for key, value in found.items() if key not in ("name", "description")} == expected


def test_a_type_that_bigquery_has_not_is_refused_by_column() -> None:
    with pytest.raises(WarehouseError, match="column n"):
        tables(one_of("INTERVAL"))


def test_a_view_is_left_to_the_load() -> None:
    plan = plan_of("events", "dev")
    models = tuple(replace(model, materialized="view") if model.name == "sessions" else model for model in plan.models)
    assert "sessions" not in tables(replace(plan, models=models))


def described(plan: Plan, name: str, labels: dict[str, str]) -> Any:
    """The table as BigQuery's client describes it, made of what Terraform is given."""
    found: Any = tables(plan)[name]
    schema = [
        SchemaField(one["name"], one["type"], precision=one.get("precision"), scale=one.get("scale"))
        for one in found["columns"]
    ]
    table = Table(".".join((*PATH, name)), schema=schema)
    table._properties["type"] = "TABLE"
    table.labels = labels
    return table


def prepared(plan: Plan, model: Model, labels: dict[str, str]) -> ddl.Preparation:
    work = ddl.Preparation(
        PATH, {model.name}, lambda name: ddl.there(described(plan, name, labels)), known={}, standing=()
    )
    work.add([model], lambda _: "")
    return work


def test_the_load_adopts_what_terraform_made_without_changing_it() -> None:
    plan = plan_of("events", "dev")
    model = plan.model("events")
    work = prepared(plan, model, {"managed-by": "catchwater"})
    assert work.ours == {"events"}, "it may be emptied and filled anew"
    (marker,) = work.statements
    assert "_catchwater_marker_events" in marker


def test_a_table_of_somebody_else_stays_theirs() -> None:
    plan = plan_of("events", "dev")
    assert prepared(plan, plan.model("events"), {}).ours == set()
    assert prepared(plan, plan.model("events"), {"managed-by": "somebody"}).ours == set()
