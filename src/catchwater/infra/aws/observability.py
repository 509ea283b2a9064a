"""The observability stack of AWS: who hears of what, and the alarms that tell them."""

from math import ceil

from catchwater.errors import UseError
from catchwater.infra.aws import places
from catchwater.infra.hcl import Value
from catchwater.infra.names import name
from catchwater.infra.roots import Call, Root
from catchwater.plan.freshness import period
from catchwater.plan.plan import AlertRule, Plan, Step
from catchwater.project.names import seconds

PURPOSE = "Alarms on failures, on events that could not be handled and on silence, and the topics that they write to."
EVENTS = ("failure", "recovery", "stale")
MISSED = 3  # wakes in a row without a success before silence is an alarm, where no freshness is promised


def watched(plan: Plan) -> list[Step]:
    return [step for step in plan.steps if step.place == "aws"]


def root(plan: Plan) -> Root | None:
    if not watched(plan):
        return None
    arguments: dict[str, Value] = {
        "project": plan.project,
        "environment": plan.environment,
        "account": places.account(plan),
        "topics": _topics(plan),
        "steps": [_step(plan, step) for step in watched(plan)],
    }
    return Root("aws", "observability", (Call("alerts", "alerts", arguments),), purpose=PURPOSE)


def _topics(plan: Plan) -> dict[str, Value]:
    """One per alert of the project; without any, one that people may subscribe to."""
    wanted = plan.alerts or (AlertRule("email", "", EVENTS),)
    found: dict[str, Value] = {}
    for number, alert in enumerate(wanted):
        if alert.notify != "email":
            raise UseError(
                f"alarms on AWS reach people by e-mail, not by {alert.notify}",
                where=f"alerts[{number}]",
                next_step="write {notify: email, to: …} for this environment",
            )
        key = "alerts" if number == 0 else f"alerts_{number + 1}"
        emails = sorted(address.strip() for address in alert.to.split(",") if address.strip())
        events = [event for event in EVENTS if event in alert.events]
        found[key] = {"name": name(plan, "topic", key), "emails": emails, "events": events}
    return found


def _step(plan: Plan, step: Step) -> dict[str, Value]:
    runs: dict[str, Value] = (
        {"function": places.function(plan, step)}
        if step.compute == "lambda"
        else {
            "job": {"name": places.step_name(plan, "role", step), "rule": places.step_name(plan, "rule", step, "ended")}
        }
    )
    return {
        "name": step.name,
        "alarm": places.step_name(plan, "alarm", step),
        **runs,
        "dead_letter": places.dead_letter(plan, step),
        "stale_minutes": stale_minutes(plan, step),
    }


def stale_minutes(plan: Plan, step: Step) -> int:
    """After how many minutes without a success silence is an alarm: the promise, or three missed wakes.

    Only for steps with a clock: what commits wake is silent as long as nothing is committed.
    """
    periods = [period(t.detail) for t in plan.triggers if t.step == step.name and t.kind == "schedule"]
    if not periods:
        return 0
    promised = seconds(str(plan.promise.get("freshness") or "")) or 0.0
    wanted = promised if promised > max(periods) else MISSED * max(periods)
    return min(ceil(wanted / 60), 10080)
