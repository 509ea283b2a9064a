"""What wakes a step on AWS: rules on committed batches and schedules, as calls of their modules."""

from collections.abc import Iterator

from catchwater.errors import UseError
from catchwater.infra.aws import places
from catchwater.infra.hcl import Raw, Value
from catchwater.infra.names import label
from catchwater.infra.roots import Call
from catchwater.plan.plan import Plan, Step, Trigger
from catchwater.project.names import seconds

PATTERN = 1700  # characters of logs in the pattern of one rule, of the 2,048 that a pattern may have
WEEK = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


def said(plan: Plan, step: Step) -> str:
    """The step and what wakes it, in a line."""
    woken = [f"{trigger.kind} {trigger.detail}".strip() for trigger in plan.triggers if trigger.step == step.name]
    more = f", and {len(woken) - 3} more" if len(woken) > 3 else ""
    return f"{step.name}, woken by {', '.join(woken[:3])}{more}" if woken else step.name


def calls(plan: Plan, step: Step) -> Iterator[Call]:
    """Raises UseError for a schedule that EventBridge hasn't, and for a step that only a deployment would wake."""
    if {trigger.kind for trigger in plan.triggers if trigger.step == step.name} == {"deployment"}:
        raise UseError(
            "a deployment wakes no step on AWS",
            where=step.name,
            next_step="give it a schedule as well: `every: 1 hour`",
        )
    for number, (zone, logs) in enumerate(rules(plan, step)):
        yield Call(
            "batch_rule",
            label(places.called(step), "batch", *_suffix(number)),
            {
                "name": places.rule(plan, step, number),
                "description": f"Batches committed in the {zone} zone wake {step.name}",
                "bucket": places.bucket(plan, zone),
                "logs": logs,
                "target": _target(plan, step),
                "dead_letter_arn": Raw(f"module.{places.called(step)}.dead_letter.arn"),
            },
        )
    clocks = [trigger for trigger in plan.triggers if trigger.step == step.name and trigger.kind == "schedule"]
    for number, trigger in enumerate(clocks):
        yield Call(
            "schedule",
            label(places.called(step), "schedule", *_suffix(number)),
            {
                "name": places.step_name(plan, "schedule", step, "schedule", *_suffix(number)),
                "description": f"Wakes {step.name}: {trigger.detail}",
                "expression": expression(trigger),
                **_clocked(step),
            },
        )


def _suffix(number: int) -> list[str]:
    return [str(number + 1)] if number else []


def _target(plan: Plan, step: Step) -> dict[str, Value]:
    if step.compute == "glue":
        return {"kind": "workflow", "arn": places.workflow_arn(plan, step)}
    return {"kind": "function", "arn": Raw(f"module.{places.called(step)}.arn")}


def _clocked(step: Step) -> dict[str, Value]:
    if step.compute != "lambda":
        raise UseError(
            f"a schedule can't start a step on {step.compute} here",
            where=step.name,
            next_step="leave out its `every`: it starts when a batch is committed",
        )
    return {
        "function_arn": Raw(f"module.{places.called(step)}.arn"),
        "dead_letter_arn": Raw(f"module.{places.called(step)}.dead_letter.arn"),
    }


def rule_arns(plan: Plan, step: Step) -> list[Value]:
    return [places.rule_arn(plan, step, number) for number, _ in enumerate(rules(plan, step))]


def rules(plan: Plan, step: Step) -> list[tuple[str, list[str]]]:
    """Zone and logs of each rule that wakes the step: one per zone, or more where a pattern would be too long."""
    found: list[tuple[str, list[str]]] = []
    for trigger in plan.triggers:
        if trigger.step != step.name or trigger.kind != "batch":
            continue
        zone, _, log = trigger.detail.partition("/")
        fitting = [logs for at, logs in found if at == zone and sum(len(x) + 30 for x in [*logs, log]) < PATTERN]
        if fitting:
            fitting[-1].append(log)
        else:
            found.append((zone, [log]))
    return found


def expression(trigger: Trigger) -> str:
    """A duration or cron as EventBridge Scheduler writes it; raises UseError for a clock that it hasn't."""
    every = seconds(trigger.detail)
    if every is None:
        return _cron(trigger)
    minutes = every / 60
    if minutes < 1 or minutes != int(minutes):
        raise UseError(
            f"EventBridge counts whole minutes, not {trigger.detail}",
            where=trigger.step,
            next_step="write `every: 1 minute` or more for this environment",
        )
    unit, size = next(
        (unit, size) for unit, size in (("day", 1440), ("hour", 60), ("minute", 1)) if minutes % size == 0
    )
    count = int(minutes // size)
    return f"rate({count} {unit}{'' if count == 1 else 's'})"


def _cron(trigger: Trigger) -> str:
    """Five fields to EventBridge's six: one of the days is `?`, weekdays go by their names."""
    fields = trigger.detail.split()
    if len(fields) != 5 or (fields[2] != "*" and fields[4] != "*"):
        raise UseError(
            f"EventBridge has no schedule like {trigger.detail!r}",
            where=trigger.step,
            next_step="name minutes, hours, and either days of the month or of the week",
        )
    minute, hour, day, month, weekday = fields
    if weekday == "*":
        return f"cron({minute} {hour} {day} {month} ? *)"
    return f"cron({minute} {hour} ? {month} {_weekdays(trigger, weekday)} *)"


def _weekdays(trigger: Trigger, text: str) -> str:
    parts = []
    for part in text.upper().split(","):
        ends = [WEEK[int(end)] if end.isdigit() and int(end) < len(WEEK) else end for end in part.split("-")]
        if len(ends) > 2 or any(end not in WEEK for end in ends):
            raise UseError(
                f"EventBridge has no weekdays like {text!r}", where=trigger.step, next_step="write 1-5, or MON,WED"
            )
        parts.append("-".join(ends))
    return ",".join(parts)
