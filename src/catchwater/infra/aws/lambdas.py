"""The stack workflow/lambda: a function per step, and what wakes it."""

import json
from collections.abc import Iterator, Mapping
from math import ceil

from catchwater.errors import UseError
from catchwater.infra.aws import places, policies
from catchwater.infra.hcl import Raw, Value
from catchwater.infra.names import label
from catchwater.infra.package import HANDLER, PYTHON
from catchwater.infra.roots import Call, Root, Variable
from catchwater.plan.network import private
from catchwater.plan.plan import Plan, Step, Trigger
from catchwater.project.names import seconds
from catchwater.project.variables import references

PURPOSE = "The steps that run as functions: each with its role and its queue, and what wakes it."
PATTERN = 1700  # characters of logs in the pattern of one rule, of the 2,048 that a pattern may have


def steps(plan: Plan) -> list[Step]:
    return [step for step in plan.steps if step.place == "aws" and step.compute == "lambda"]


def root(plan: Plan) -> Root | None:
    wanted = steps(plan)
    if not wanted:
        return None
    calls = [_archive(plan)]
    for step in wanted:
        calls += [_function(plan, step), *_triggers(plan, step)]
    return Root(
        cloud="aws",
        stack="workflow/lambda",
        calls=tuple(calls),
        variables=tuple(_variables(plan)),
        outputs={f"{called(step)}_arn": Raw(f"module.{called(step)}.arn") for step in wanted},
        purpose=PURPOSE,
    )


def called(step: Step) -> str:
    """The label of a step's module."""
    return label(*step.name.split(":"))


def _archive(plan: Plan) -> Call:
    arguments: dict[str, Value] = {
        "bucket": places.bucket(plan, "artifacts"),
        "key": places.ARCHIVE,
        "file": Raw("var.archive"),
        "content_type": "application/zip",
    }
    return Call("object", "archive", arguments, "What every function runs; its environment says which step it is")


def _function(plan: Plan, step: Step) -> Call:
    arguments: dict[str, Value] = {
        "name": places.function(plan, step),
        "description": f"{step.name} of {plan.project} in {plan.environment}",
        "dead_letter": places.dead_letter(plan, step),
        "rule_arns": [places.rule_arn(plan, step, number) for number, _ in enumerate(rules(plan, step))],
        "archive": {
            "bucket": Raw("module.archive.bucket"),
            "key": Raw("module.archive.key"),
            "hash": Raw("module.archive.hash"),
        },
        "runtime": f"python{PYTHON}",
        "handler": HANDLER,
        "memory": step.memory,
        "timeout": ceil(step.timeout),
        "environment": environment(plan, step),
        "statements": [statement(one) for one in policies.role_statements(plan, step)],
        **_network(plan, step),
    }
    return Call("function", called(step), arguments, _why(plan, step))


def _why(plan: Plan, step: Step) -> str:
    woken = [f"{trigger.kind} {trigger.detail}".strip() for trigger in plan.triggers if trigger.step == step.name]
    more = f", and {len(woken) - 3} more" if len(woken) > 3 else ""
    return f"{step.name}, woken by {', '.join(woken[:3])}{more}" if woken else step.name


def statement(one: policies.Statement) -> Mapping[str, Value]:
    """A statement as the modules take it."""
    found: dict[str, Value] = {"sid": one.sid, "actions": list(one.actions), "resources": list(one.resources)}
    if one.conditions:
        found["conditions"] = {
            test: {key: list(values) for key, values in keys.items()} for test, keys in one.conditions.items()
        }
    return {**found, "because": one.because}


def environment(plan: Plan, step: Step) -> dict[str, Value]:
    """What `runtimes/deployed.py` reads, and the project's variables that hold no login."""
    found: dict[str, Value] = {
        "CATCHWATER_STEP": step.name,
        "CATCHWATER_INGESTION": f"s3://{places.bucket(plan, 'ingestion')}",
        "CATCHWATER_PROCESSED": f"s3://{places.bucket(plan, 'processed')}",
        "CATCHWATER_SECRETS": "secrets_manager",
    }
    queues = {source: places.queue_url(plan, source) for source in listened(plan, step)}
    if queues:
        found |= {"CATCHWATER_TOPICS": "sqs", "CATCHWATER_QUEUES": json.dumps(queues, sort_keys=True)}
    return found | {name: Raw(f"var.{name.lower()}") for name in plain_variables(plan, step)}


def listened(plan: Plan, step: Step) -> list[str]:
    """The sources whose queue the step publishes to or takes from."""
    if step.stage == "ingest":
        return [step.source] if any(g.action == "consume" for g in plan.granted(step.name)) else []
    return [g.resource.removeprefix("topic/") for g in plan.granted(step.name) if g.action == "publish"]


def plain_variables(plan: Plan, step: Step) -> tuple[str, ...]:
    """The `${NAME}`s of a step's source that aren't kept in the secret store."""
    if step.stage != "ingest":
        return ()
    hidden = {g.resource.removeprefix("secret/") for g in plan.granted(step.name)}
    text = json.dumps(plan.source(step.source).declared)
    return tuple(sorted(set(references(text)[0]) - hidden))


def _network(plan: Plan, step: Step) -> dict[str, Value]:
    declared = places.network(plan)
    if not declared or not private(plan, step):
        return {}
    group = declared.get("security_group")
    named = {"security_group_id": group} if group else {"security_group_name": places.security_group(plan)}
    return {"network": {"vpc": declared["vpc"], "subnets": list(declared["subnets"]), **named}}


def _triggers(plan: Plan, step: Step) -> Iterator[Call]:
    mine = [trigger for trigger in plan.triggers if trigger.step == step.name]
    for number, (zone, logs) in enumerate(rules(plan, step)):
        suffix = [str(number + 1)] if number else []
        yield Call(
            "batch_rule",
            label(called(step), "batch", *suffix),
            {
                "name": places.rule(plan, step, number),
                "description": f"Batches committed in the {zone} zone wake {step.name}",
                "bucket": places.bucket(plan, zone),
                "logs": logs,
                "target": {"kind": "function", "arn": Raw(f"module.{called(step)}.arn")},
                "dead_letter_arn": Raw(f"module.{called(step)}.dead_letter.arn"),
            },
        )
    for number, trigger in enumerate(trigger for trigger in mine if trigger.kind == "schedule"):
        suffix = [str(number + 1)] if number else []
        yield Call(
            "schedule",
            label(called(step), "schedule", *suffix),
            {
                "name": places.step_name(plan, "schedule", step, "schedule", *suffix),
                "description": f"Wakes {step.name}: {trigger.detail}",
                "expression": expression(trigger),
                "function_arn": Raw(f"module.{called(step)}.arn"),
                "dead_letter_arn": Raw(f"module.{called(step)}.dead_letter.arn"),
            },
        )


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
    for unit, size in (("day", 1440), ("hour", 60), ("minute", 1)):
        if minutes % size == 0:
            count = int(minutes // size)
            return f"rate({count} {unit}{'' if count == 1 else 's'})"
    raise AssertionError(trigger)


def _cron(trigger: Trigger) -> str:
    """Five fields to EventBridge's six: one of the days is `?`, weekdays count from 1 for Sunday."""
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
    names = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
    parts = []
    for part in text.upper().split(","):
        ends = [names[int(end)] if end.isdigit() and int(end) < 8 else end for end in part.split("-")]
        if any(end not in names for end in ends) or len(ends) > 2:
            raise UseError(
                f"EventBridge has no weekdays like {text!r}", where=trigger.step, next_step="write 1-5, or MON,WED"
            )
        parts.append("-".join(ends))
    return ",".join(parts)


def _variables(plan: Plan) -> Iterator[Variable]:
    up = "/".join([".."] * 3)
    said = "Path of the functions' archive, as catchwater deploy packages it."
    yield Variable("archive", said, default=f"{up}/artifacts/catchwater-lambda.zip", required=False)
    for name in sorted({name for step in steps(plan) for name in plain_variables(plan, step)}):
        yield Variable(name.lower(), f"What ${{{name}}} of catchwater.yml is here.")
