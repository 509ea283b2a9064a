"""The observability stack of Google Cloud: who is told what, and every promise as a policy."""

from math import ceil

from catchwater.errors import UseError
from catchwater.infra.google import places
from catchwater.infra.hcl import Value
from catchwater.infra.names import label, name
from catchwater.infra.roots import Call, Root
from catchwater.plan.freshness import period
from catchwater.plan.plan import Plan, Step
from catchwater.project.names import seconds

PURPOSE = "Alerts: failures, staleness, and every promise as a policy."
WAITS = 300.0  # seconds that a message may wait where nothing was promised


def root(plan: Plan) -> Root | None:
    steps = [step for step in places.steps(plan) if step.stage != "serve"]
    latency, queries = _latency(plan), _promised(plan, "query_p98")
    if not (plan.alerts and steps) and not (latency or queries or _promised(plan, "freshness")):
        return None
    arguments: dict[str, Value] = {
        "name": name(plan, "trigger"),
        "project_label": plan.project,
        "environment": plan.environment,
        "channels": _channels(plan),
        "steps": {step.name: _step(plan, step) for step in steps},
        "unread_seconds": _unread(plan, steps),
        "request_p95_ms": latency,
        "query_p98_seconds": _number(queries),
    }
    return Root(
        cloud="google",
        stack="observability",
        calls=(Call("alerts", "alerts", arguments),),
        purpose=PURPOSE,
    )


def _promised(plan: Plan, what: str) -> float:
    """Seconds; 0 where nothing was promised."""
    text = plan.promise.get(what)
    return (seconds(str(text)) or 0.0) if text else 0.0


def _number(value: float) -> int | float:
    return int(value) if value == int(value) else value


def _wanted(plan: Plan, event: str) -> bool:
    return any(event in rule.events for rule in plan.alerts)


def _channels(plan: Plan) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for number, rule in enumerate(plan.alerts):
        if rule.notify != "email":
            raise UseError(
                f"Cloud Monitoring tells people by e-mail here, not by {rule.notify}",
                where="catchwater.yml: alerts",
                next_step="override alerts in this environment: [{notify: email, to: …}]",
            )
        found[label("to", str(number + 1))] = {"email": rule.to, "events": list(rule.events)}
    return found


def _step(plan: Plan, step: Step) -> dict[str, Value]:
    job = places.step_name(plan, step) if step.compute == "dataflow" else ""
    return {"job": job, "stale_minutes": _stale(plan, step)}


def _stale(plan: Plan, step: Step) -> int:
    """Minutes without a success: twice its clock; what was promised, for a load of sources that have a clock."""
    promised = _promised(plan, "freshness")
    clocks = [t for t in plan.triggers if t.kind == "schedule"]
    if promised and step.stage == "load" and clocks and not _listening(plan):
        return max(1, ceil(promised / 60))
    own = [period(t.detail) for t in clocks if t.step == step.name]
    return ceil((2 * max(own) + step.seconds) / 60) if own and (_wanted(plan, "stale") or promised) else 0


def _listening(plan: Plan) -> list[str]:
    """The sources whose messages are taken here."""
    mine = {step.name: step.source for step in places.steps(plan)}
    return sorted({mine[grant.step] for grant in plan.grants if grant.action == "consume" and grant.step in mine})


def _unread(plan: Plan, steps: list[Step]) -> dict[str, Value]:
    promised = _promised(plan, "freshness")
    if not promised and not _wanted(plan, "stale"):
        return {}
    return {places.topic(plan, source): _number(promised or WAITS) for source in _listening(plan)}


def _latency(plan: Plan) -> dict[str, Value]:
    promised = _promised(plan, "api_p95")
    if not promised:
        return {}
    served = [step for step in places.steps(plan, "service") if step.stage == "serve"]
    return {places.step_name(plan, step): _number(promised * 1000) for step in served}
