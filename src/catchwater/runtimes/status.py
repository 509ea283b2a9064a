"""How fresh, how many, what fails: one plain dict, read off the logs and the index; it changes nothing."""

from datetime import UTC, datetime
from typing import Any

from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest
from catchwater.plan.plan import Model, Plan
from catchwater.project.names import seconds
from catchwater.runtimes.records import Records, utc
from catchwater.wiring import Wiring


def status(plan: Plan, wiring: Wiring, records: Records) -> dict[str, Any]:
    """The shape that the console, the API and `catchwater status` share (docs/decisions/0006-serve.md)."""
    steps = records.steps()
    heads = _heads(plan, wiring)
    version = wiring.warehouse().version()
    loaded = {log: at[0] for log, at in version.cut.items()} if version else {}
    promised = plan.promise.get("freshness")
    limit = seconds(str(promised)) if promised else None
    return {
        "project": plan.project,
        "environment": plan.environment,
        "now": utc(),
        "promise": {"freshness_seconds": limit},
        "running": any(run["state"] == "running" for run in records.runs(5)),
        "sources": [_source(plan, source.name, heads, steps, limit) for source in plan.sources],
        "models": [_model(model, heads, steps) for model in plan.models],
        "warehouse": {
            "kind": plan.warehouse["kind"],
            "version": version.number if version else None,
            "cut": loaded,
        },
        "failures": _failures(steps),
        "quarantined_rows": sum(head.quarantine.rows for head in heads.values() if head.quarantine),
        "triggers": [
            {"step": t.step, "kind": t.kind, "detail": t.detail, "last": steps.get(t.step, {}).get("last")}
            for t in plan.triggers
        ],
        "alerts": [{"notify": rule.notify, "events": list(rule.events)} for rule in plan.alerts],
    }


def _heads(plan: Plan, wiring: Wiring) -> dict[str, Manifest]:
    logs = [("ingestion", source.name) for source in plan.sources]
    logs += [("processed", model.name) for model in plan.models if model.materialized != "view"]
    found = ((f"{zone}/{name}", Log(wiring.store(zone), f"{zone}/{name}").head()) for zone, name in logs)
    return {name: head for name, head in found if head}


def _age(at: str | None) -> float | None:
    if not at:
        return None
    return (datetime.now(UTC) - datetime.fromisoformat(at.replace("Z", "+00:00"))).total_seconds()


def _source(
    plan: Plan, name: str, heads: dict[str, Manifest], steps: dict[str, dict[str, Any]], limit: float | None
) -> dict[str, Any]:
    """Freshness is the age of the oldest success among the steps from this source to the warehouse."""
    log = f"ingestion/{name}"
    head = heads.get(log)
    source = plan.source(name)
    step = steps.get(f"ingest:{name}", {})
    groups = {model.group for model in plan.models if any(read.log == log for read in model.reads)}
    path = [f"ingest:{name}", *(f"process:{group}" for group in groups), f"load:{plan.warehouse['kind']}"]
    ages = [_age(steps.get(part, {}).get("last_ok")) for part in path]
    scheduled = any(t.step == f"ingest:{name}" and t.kind == "schedule" for t in plan.triggers)
    known = [age for age in ages if age is not None]
    age = max(known) if len(known) == len(ages) and known else None
    return {
        "name": name,
        "kind": source.kind,
        "tables": [table.name for table in source.tables],
        "seq": head.seq if head else None,
        "last_commit": head.committed if head else None,
        "freshness_seconds": age,
        "stale": bool(scheduled and limit is not None and age is not None and age > limit),
        "next": None,
        "error": step.get("message"),
    }


def _model(model: Model, heads: dict[str, Manifest], steps: dict[str, dict[str, Any]]) -> dict[str, Any]:
    head = heads.get(f"processed/{model.name}")
    table = head.tables.get(model.name) if head else None
    step = steps.get(f"process:{model.group}", {})
    message = step.get("message") or ""
    return {
        "name": model.name,
        "rows": table.count if table else None,
        "materialized": model.materialized,
        "group": model.group,
        "seq": head.seq if head else None,
        "last_commit": head.committed if head else None,
        "failing": message if model.name in message else None,
    }


def _failures(steps: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    found = [
        {
            "step": name,
            "since": step["failing_since"],
            "message": step["message"],
            "run": step["run"],
            "count": step["failures"],
            "next": step["next_step"],
        }
        for name, step in steps.items()
        if step["failures"]
    ]
    return sorted(found, key=lambda failure: failure["since"], reverse=True)
