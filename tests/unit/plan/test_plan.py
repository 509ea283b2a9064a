"""From a resolved project to its plan: steps, triggers, grants, what differs; pure data in, pure data out."""

from dataclasses import replace
from typing import Any

import pytest

from catchwater.errors import ProjectError
from catchwater.plan import explain
from catchwater.plan.graph import make
from catchwater.plan.plan import Check, Model, Plan, Read, from_bytes
from catchwater.project.schema import Project
from catchwater.project.tables import Column, TableSchema

ORDERS = TableSchema("orders", (Column("id", "INTEGER", nullable=False), Column("at", "TIMESTAMP")), ("id",))
PINGS = TableSchema("pings", (Column("id", "VARCHAR"),), ())
TABLES = {"shop": [ORDERS], "pings": [PINGS]}


def model(name: str, log: str, table: str, **more: Any) -> Model:
    return Model(
        name,
        f"models/{name}.sql",
        f"SELECT * FROM {table}",
        (Read(log, table, table),),
        (Column("id", "INTEGER"),),
        more.pop("materialized", "full"),
        "because",
        group=more.pop("group", name),
        digest=more.pop("digest", "d"),
        **more,
    )


MODELS = (
    model("fact", "ingestion/shop", "orders", group="fact", history=True, key=("id",)),
    model("rollup", "processed/fact", "fact", group="fact"),
    model("seen", "ingestion/pings", "pings"),
    model("glance", "processed/seen", "seen", materialized="view", group="seen"),
)


def project(**more: Any) -> Project:
    sources = {
        "shop": {"kind": "postgres", "url": "${SHOP_URL}", "password": "${secret:shop-password}", "every": "5 m"},
        "pings": {"kind": "topic", "schema": "schemas/ping.json"},
    }
    return Project.model_validate({"project": "demo", "sources": sources, **more})


def plan(models: tuple[Model, ...] = MODELS, **more: Any) -> Plan:
    return make(project(**more), "local", TABLES, models)


def wakes(made: Plan) -> set[tuple[str, str, str]]:
    return {(trigger.step, trigger.kind, trigger.detail) for trigger in made.triggers}


def granted(made: Plan, step: str) -> set[tuple[str, str]]:
    return {(grant.action, grant.resource) for grant in made.granted(step)}


def test_steps_and_triggers() -> None:
    made = plan(serve={"api": {}})
    assert [step.name for step in made.steps] == [
        "ingest:pings",
        "ingest:shop",
        "process:fact",
        "process:seen",
        "load:duckdb",
        "serve:api",
        "serve:console",
    ]
    assert made.step("process:fact").models == ("fact", "rollup")
    assert wakes(made) == {
        ("ingest:pings", "message", "pings"),
        ("ingest:shop", "schedule", "5 m"),
        ("process:fact", "batch", "ingestion/shop"),
        ("process:seen", "batch", "ingestion/pings"),
        ("load:duckdb", "batch", "processed/fact"),
        ("load:duckdb", "batch", "processed/rollup"),
        ("load:duckdb", "batch", "processed/seen"),
    }


def test_a_schedule_of_its_own_takes_the_batches_place() -> None:
    made = plan(steps={"load": {"every": "1 hour"}, "process": {"every": "0 * * * *", "timeout": "2 m"}})
    assert ("load:duckdb", "schedule", "1 hour") in wakes(made)
    assert {kind for step, kind, _ in wakes(made) if step.startswith(("load", "process"))} == {"schedule"}
    assert made.step("process:fact").timeout == 120
    assert made.step("load:duckdb").timeout == 900


def test_deployment_request_and_default_schedules() -> None:
    sources = {
        "files": {"kind": "http_files", "url": "https://x/y.csv", "after": "deployment"},
        "both": {"kind": "http_files", "url": "https://x/y.csv", "after": "deployment", "every": "1 day"},
        "archive": {"kind": "github", "from": "archive"},
        "live": {"kind": "github", "from": "webhook", "secret": "hook"},
        "db": {"kind": "postgres", "url": "x"},
    }
    tables = {name: [PINGS] for name in sources}
    made = make(Project.model_validate({"project": "p", "sources": sources, "serve": {"api": {}}}), "local", tables, ())
    assert wakes(made) == {
        ("ingest:files", "deployment", ""),
        ("ingest:both", "deployment", ""),
        ("ingest:both", "schedule", "1 day"),
        ("ingest:archive", "schedule", "1 hour"),
        ("ingest:live", "request", "/v1/webhooks/live"),
        ("ingest:db", "schedule", "15 minutes"),
    }
    assert granted(made, "serve:api") >= {("publish", "topic/live"), ("read", "secret/hook")}
    assert ("consume", "live.pings") in granted(made, "ingest:live")
    assert ("read", "files.pings") in granted(made, "ingest:files")


def test_every_edge_is_a_grant_and_nothing_else_is() -> None:
    made = plan(serve={"api": {}}, warehouse={"kind": "postgres", "secret": "wh"})
    assert granted(made, "ingest:shop") == {
        ("read", "shop.orders"),
        ("read", "secret/shop-password"),
        ("read", "ingestion/shop/*"),
        ("list", "ingestion/shop/*"),
        ("create", "ingestion/shop/*"),
        ("create", "ingestion/_runs/*"),
    }
    assert granted(made, "process:seen") == {
        *((action, "ingestion/pings/*") for action in ("read", "list")),
        *((action, "processed/seen/*") for action in ("read", "list", "create")),
    }
    load = granted(made, "load:postgres")
    assert {("apply", f"warehouse/{m.name}") for m in MODELS} <= load
    assert ("read", "secret/wh") in load
    assert not [pair for pair in load if pair[0] == "create" or pair[1].startswith("ingestion")]
    assert not [pair for pair in load if "glance" in pair[1] and pair[0] != "apply"]
    assert granted(made, "serve:api") == {
        ("read", "secret/wh"),
        ("read", "warehouse/*"),
        ("read", "ingestion/_runs/*"),
        ("publish", "topic/pings"),
    }
    assert granted(made, "serve:console") == {
        ("read", "secret/wh"),
        ("read", "warehouse/*"),
        ("read", "ingestion/_runs/*"),
    }
    reasons = {grant.because for grant in made.granted("process:fact")}
    assert "fact reads orders" in reasons


def test_a_plan_survives_its_bytes_and_holds_no_value() -> None:
    models = (replace(MODELS[0], checks=(Check("not_null", ("id",)),), lineage={"id": ("shop.orders.id",)}),)
    made = plan(models)
    again = from_bytes(made.to_bytes())
    assert again == made
    assert again.digest == made.digest
    assert b"${SHOP_URL}" in made.to_bytes()
    with pytest.raises(ValueError, match="project: it is missing"):
        from_bytes(b"{}")


def test_two_tables_of_one_name_are_refused() -> None:
    clash = (MODELS[0], model("fact_current", "ingestion/pings", "pings"))
    with pytest.raises(ProjectError, match=r"models/fact_current\.sql:1: the warehouse table fact_current is already"):
        plan(clash)


def test_look_ups_by_name() -> None:
    made = plan()
    assert made.model("seen").name == "seen"
    assert made.source("shop").tables == (ORDERS,)


def test_what_differs() -> None:
    old = plan()
    wider = replace(MODELS[2], columns=(Column("id", "BIGINT"), Column("more", "DATE")), digest="e")
    models = (
        replace(MODELS[0], digest="f"),
        MODELS[1],
        wider,
        model("fresh", "ingestion/pings", "pings", group="seen"),
    )
    new = plan(models, steps={"load": {"every": "1 hour"}})
    found = {(change.area, change.sign, change.what) for change in explain.diff(old, new)}
    assert {
        ("data", "+", "fresh"),
        ("data", "-", "glance"),
        ("data", "~", "fact"),
        ("data", "~", "seen.id"),
        ("data", "+", "seen.more"),
        ("wakes", "~", "load:duckdb"),
        ("grants", "+", "load:duckdb  apply  warehouse/fresh"),
        ("grants", "-", "load:duckdb  apply  warehouse/glance"),
    } <= found
    assert explain.diff(new, new) == []
    assert explain.lines(new, new) == ["nothing differs from the plan that was applied last"]
    assert any("because" in line for line in explain.lines(None, new))
    assert explain.as_dict(old, new)["against"] == old.digest
    assert explain.as_dict(None, new)["against"] is None


def test_a_summary_names_every_source_and_model() -> None:
    text = "\n".join(explain.summary(plan()))
    for word in (
        "shop  postgres, 1 tables, wakes on schedule 5 m",
        "fact    full         because",
        "duckdb  wakes on batch",
    ):
        assert word in text
    assert "wakes on schedule 1 hour" in explain.summary(plan(steps={"load": {"every": "1 hour"}}))[-1]


def test_defaults_are_shown_as_paths() -> None:
    found = explain.defaults({"a": {"b": 1, "c": {}}, "d": [1]})
    assert found == ["a.b = 1", "a.c = {}", "d = [1]"]
