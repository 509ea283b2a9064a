"""The totesys project as the console would see it on a day when something fails: 11 tables, 11 models."""

from typing import Any

from catchwater.plan.plan import Model, Plan, Read, SourcePlan, Trigger
from catchwater.project.tables import Column, TableSchema
from tests.support.serving import House, plan

TABLES = (
    "address", "counterparty", "currency", "department", "design", "payment", "payment_type", "purchase_order",
    "sales_order", "staff", "transaction",
)  # fmt: skip
READS = {
    "dim_counterparty": ("counterparty", "address"), "dim_currency": ("currency",), "dim_date": (),
    "dim_design": ("design",), "dim_location": ("address",), "dim_payment_type": ("payment_type",),
    "dim_staff": ("staff", "department"), "dim_transaction": ("transaction",), "fact_payment": ("payment",),
    "fact_purchase_order": ("purchase_order",), "fact_sales_order": ("sales_order",),
}  # fmt: skip
ROWS = {
    "fact_sales_order": 10442,
    "fact_payment": 14873,
    "fact_purchase_order": 4431,
    "dim_date": 1826,
    "dim_staff": 20,
}
FACTS = ("fact_payment", "fact_purchase_order", "fact_sales_order")


def house() -> House:
    made = House()
    names = [*READS, *(f"{fact}_current" for fact in FACTS)]
    more = ", DATE '2024-01-01' AS created, i * 1.5::DECIMAL(10,2) AS amount"
    made.publish(**{n: f"SELECT i AS id, 'x' AS label{more} FROM range({ROWS.get(n, 31)}) r(i)" for n in names})
    return made


def project(made: House) -> Plan:
    models = [_model(name, made) for name in READS]
    tables = tuple(TableSchema(name, (Column("id", "BIGINT"),), ("id",)) for name in TABLES)
    triggers = [Trigger("ingest:totesys", "schedule", "10 minutes")]
    triggers += [
        Trigger(f"process:{group}", "batch", "ingestion/totesys") for group in ("payment", "purchase", "sales")
    ]
    triggers += [Trigger("load:duckdb", "batch", "processed/*")]
    return plan(models, sources=(SourcePlan("totesys", "postgres", {}, tables),), triggers=tuple(triggers))


def _model(name: str, made: House) -> Model:
    fact = name in FACTS
    return Model(
        name=name,
        file=f"models/{name}.sql",
        sql="SELECT 1",
        reads=tuple(Read("ingestion/totesys", table, table) for table in READS[name]),
        columns=made.columns(name),
        materialized="incremental" if fact else "full",
        reason="",
        key=("id",),
        entity=("id",) if fact else (),
        history=fact,
        description=f"Every version of every {name[5:].replace('_', ' ')}." if fact else "",
        group="sales",
    )


def status() -> dict[str, Any]:
    failure = (
        "dim_staff: Conversion Error: Could not convert string <b>'n/a'</b> to INT32, column department_id\n"
        "  in models/dim_staff.sql:12:8"
    )
    return {
        "project": "totesys",
        "environment": "local",
        "now": "2026-11-21T10:20:41Z",
        "promise": {"freshness_seconds": 1800.0},
        "running": False,
        "sources": [{
            "name": "totesys", "kind": "postgres", "tables": list(TABLES), "seq": 214,
            "last_commit": "2026-11-21T10:19:55Z", "freshness_seconds": 634.0, "stale": False,
            "next": None, "error": None,
        }],
        "models": [
            {"name": name, "rows": ROWS.get(name, 31), "materialized": "full", "group": "sales", "seq": 12 + i,
             "last_commit": "2026-11-21T10:19:57Z", "failing": failure if name == "dim_staff" else None}
            for i, name in enumerate(READS)
        ],
        "warehouse": {"kind": "duckdb", "version": 187, "loaded_at": "2026-11-21T10:19:58Z", "cut": {}},
        "failures": [{
            "step": "process:staff", "since": "2026-11-21T10:00:02Z", "message": failure, "run": 211, "count": 3,
            "next": "catchwater check, then catchwater run",
        }],
        "quarantine": [
            {"source": "totesys", "table": "sales_order", "rows": 2, "reason": "units_sold > 0", "where": "batch 213"},
        ],
        "quarantined_rows": 2,
        "triggers": [
            {"step": "ingest:totesys", "kind": "schedule", "detail": "10 minutes", "last": "2026-11-21T10:19:53Z"},
            {"step": "process:sales", "kind": "batch", "detail": "ingestion/totesys", "last": "2026-11-21T10:19:55Z"},
            {"step": "process:staff", "kind": "batch", "detail": "ingestion/totesys", "last": "2026-11-21T10:19:56Z"},
            {"step": "load:duckdb", "kind": "batch", "detail": "processed/*", "last": "2026-11-21T10:19:57Z"},
        ],
    }  # fmt: skip


def runs() -> list[dict[str, Any]]:
    return [_run(214 - i, i) for i in range(10)]


def _run(number: int, i: int) -> dict[str, Any]:
    state = "failed" if i in (0, 1, 2) else "partly" if i == 5 else "done"
    ingest, process, load = 0.6 + (i * 7 % 5) / 4, 0.3 + (i * 3 % 4) / 5, 0.12 + i % 3 / 20
    if i == 9:
        ingest, process, load = 1.9, 0.8, 0.2
    steps = [
        {"name": "ingest:totesys", "stage": "ingest", "state": "done", "seconds": ingest, "rows": 312, "error": None},
        {"name": "process:staff", "stage": "process", "state": "failed" if state == "failed" else "done",
         "seconds": process, "rows": 312, "error": None},
        {"name": "load:duckdb", "stage": "load", "state": "done", "seconds": load, "rows": 316, "error": None},
    ]  # fmt: skip
    return {
        "number": number, "id": f"r{number}",
        "started": f"2026-11-21T{10 - (i + 4) // 6:02}:{(19 - 10 * i) % 60:02}:53Z",
        "seconds": ingest + process + load, "state": state, "trigger": "request" if i == 4 else "schedule",
        "quarantined": 2 if i == 5 else 0, "steps": steps, "error": None,
    }  # fmt: skip
