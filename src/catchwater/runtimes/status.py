"""How fresh, how many, what fails: one plain dict, read off the logs and the index; it changes nothing."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Protocol

from catchwater.errors import CatchwaterError
from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest
from catchwater.plan.plan import Model, Plan, Trigger
from catchwater.ports import Store, Version
from catchwater.project.names import seconds
from catchwater.runtimes.records import utc
from catchwater.runtimes.schedule import due
from catchwater.wiring import Wiring

READERS = 8
RUNS = 50


class Index(Protocol):
    """What is known of past runs (Records, or what a cloud's bucket holds of them)."""

    def steps(self) -> dict[str, dict[str, Any]]: ...
    def runs(self, limit: int) -> list[dict[str, Any]]: ...
    def totals(self) -> dict[str, float]: ...


def status(plan: Plan, wiring: Wiring, records: Index, logs: bool = True) -> dict[str, Any]:
    """The shape that the console, the API and `catchwater status` share (docs/decisions/0006-serve.md).

    A log or a warehouse that can't be read is one of `problems`; the rest is answered all the same. Without `logs`
    their newest batches aren't asked for.
    """
    steps = _steps(plan, records)
    heads, problems = _heads(plan, wiring) if logs else ({}, {})
    version, refused = _version(wiring)
    loaded = {log: at[0] for log, at in version.cut.items()} if version else {}
    limit = _promised(plan)
    ages = {source["name"]: source for source in freshness(plan, records)}
    return {
        "project": plan.project,
        "environment": plan.environment,
        "now": utc(),
        "promise": {"freshness_seconds": limit},
        "running": any(run["state"] == "running" for run in records.runs(5)),
        "sources": [_source(plan, source.name, heads, steps, problems) | ages[source.name] for source in plan.sources],
        "models": [_model(model, heads, steps, problems) for model in plan.models],
        "warehouse": {
            "kind": plan.warehouse["kind"],
            "version": version.number if version else None,
            "cut": loaded,
            "error": refused,
        },
        "problems": [*problems.values(), *([refused] if refused else [])],
        "failures": _failures(steps),
        "quarantine": _quarantine(records),
        "quarantined_rows": int(sum(n for name, n in records.totals().items() if name.endswith("_quarantined"))),
        "triggers": [_trigger(trigger, steps) for trigger in plan.triggers],
        "alerts": [{"notify": rule.notify, "events": list(rule.events)} for rule in plan.alerts],
    }


def _trigger(trigger: Trigger, steps: Mapping[str, Any]) -> dict[str, Any]:
    last = steps.get(trigger.step, {}).get("last")
    return {"step": trigger.step, "kind": trigger.kind, "detail": trigger.detail, "last": last} | {
        "next": _next(trigger, last)
    }


def _next(trigger: Trigger, last: str | None) -> str | None:
    """When a schedule is due; what wakes on an event has no next time."""
    if trigger.kind != "schedule":
        return None
    now = datetime.now(UTC)
    moment = due(trigger.detail, datetime.fromisoformat(last.replace("Z", "+00:00")) if last else None, now)
    return max(moment, now).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _quarantine(records: Index) -> list[dict[str, Any]]:
    """What the newest runs set aside, by step; `catchwater runs N --quarantine` shows the rows."""
    return [
        {
            "source": step["name"].partition(":")[2],
            "rows": step["quarantined"],
            "run": run["number"],
            "at": run["started"],
            "where": f"run {run['number']}",
            "reason": f"catchwater runs {run['number']} --quarantine",
        }
        for run in records.runs(RUNS)
        for step in run["steps"]
        if step["quarantined"]
    ]


def freshness(plan: Plan, records: Index) -> list[dict[str, Any]]:
    """{name, freshness_seconds, stale} of each source, from the records alone.

    The age is that of the oldest success among the steps from the source to the warehouse; None before the first.
    """
    steps, limit = _steps(plan, records), _promised(plan)
    found = []
    for source in plan.sources:
        log = f"ingestion/{source.name}"
        groups = {model.group for model in plan.models if any(read.log == log for read in model.reads)}
        path = [f"ingest:{source.name}", *(f"process:{group}" for group in groups), f"load:{plan.warehouse['kind']}"]
        ages = [_age(steps.get(part, {}).get("last_ok")) for part in path]
        known = [age for age in ages if age is not None]
        age = max(known) if len(known) == len(ages) else None
        scheduled = any(t.step == path[0] and t.kind == "schedule" for t in plan.triggers)
        stale = bool(scheduled and limit is not None and age is not None and age > limit)
        found.append({"name": source.name, "freshness_seconds": age, "stale": stale})
    return found


def _promised(plan: Plan) -> float | None:
    promised = plan.promise.get("freshness")
    return seconds(str(promised)) if promised else None


def _steps(plan: Plan, records: Index) -> dict[str, dict[str, Any]]:
    """What is known of the plan's steps; those of an earlier plan are nobody's concern."""
    known = records.steps()
    return {step.name: known[step.name] for step in plan.steps if step.name in known}


def _heads(plan: Plan, wiring: Wiring) -> tuple[dict[str, Manifest], dict[str, str]]:
    """The newest batch of every log that has one, and what is wrong with the logs that can't be read."""
    names = [f"ingestion/{source.name}" for source in plan.sources]
    names += [f"processed/{model.name}" for model in plan.models if model.materialized != "view"]
    heads: dict[str, Manifest] = {}
    problems: dict[str, str] = {}
    try:
        stores = {zone: wiring.store(zone) for zone in ("ingestion", "processed")}
    except CatchwaterError as error:
        return {}, {"": str(error)}
    with ThreadPoolExecutor(READERS) as pool:
        answers = pool.map(lambda name: _head(stores[name.split("/")[0]], name), names)
        for name, found in zip(names, answers, strict=True):
            if isinstance(found, CatchwaterError):
                problems[name] = f"{name}: {found}"
            elif found is not None:
                heads[name] = found
    return heads, problems


def _head(store: Store, name: str) -> Manifest | CatchwaterError | None:
    try:
        return Log(store, name).head()
    except CatchwaterError as error:
        return error


def _version(wiring: Wiring) -> tuple[Version | None, str | None]:
    try:
        return wiring.warehouse().version(), None
    except CatchwaterError as error:
        return None, str(error)


def _age(at: str | None) -> float | None:
    if not at:
        return None
    return (datetime.now(UTC) - datetime.fromisoformat(at.replace("Z", "+00:00"))).total_seconds()


def _source(
    plan: Plan, name: str, heads: Mapping[str, Manifest], steps: Mapping[str, Any], problems: Mapping[str, str]
) -> dict[str, Any]:
    log = f"ingestion/{name}"
    head = heads.get(log)
    source = plan.source(name)
    return {
        "name": name,
        "kind": source.kind,
        "tables": [table.name for table in source.tables],
        "seq": head.seq if head else None,
        "last_commit": head.committed if head else None,
        "next": next(
            (_next(t, steps.get(t.step, {}).get("last")) for t in plan.triggers if t.step == f"ingest:{name}"), None
        ),
        "position_age_seconds": _age(_waiting(head)),
        "error": steps.get(f"ingest:{name}", {}).get("message") or problems.get(log),
    }


def _waiting(head: Manifest | None) -> str | None:
    """Since when a database's position stands: when what holds it back began, else when it was read."""
    if head is None or head.position.get("kind") != "postgres":
        return None
    pin = head.position.get("pin") or {}
    return str(pin.get("since") or head.position["at"])


def _model(
    model: Model, heads: Mapping[str, Manifest], steps: Mapping[str, Any], problems: Mapping[str, str]
) -> dict[str, Any]:
    log = f"processed/{model.name}"
    head = heads.get(log)
    table = head.tables.get(model.name) if head else None
    message = steps.get(f"process:{model.group}", {}).get("message") or ""
    return {
        "name": model.name,
        "rows": table.count if table else None,
        "materialized": model.materialized,
        "group": model.group,
        "seq": head.seq if head else None,
        "last_commit": head.committed if head else None,
        "failing": message if model.name in message else problems.get(log),
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
