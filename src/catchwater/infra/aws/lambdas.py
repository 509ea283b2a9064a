"""The stack workflow/lambda: a function per step, what wakes it, and the URL and queues of deliveries."""

from collections.abc import Iterator
from math import ceil

from catchwater.infra.aws import environment, places, policies, wakes
from catchwater.infra.hcl import Raw, Value
from catchwater.infra.names import label
from catchwater.infra.package import HANDLER, PYTHON
from catchwater.infra.roots import Call, Root, Variable
from catchwater.plan.network import private
from catchwater.plan.plan import Plan, Step

PURPOSE = "The steps that run as functions: each with its role and its queue, and what wakes it."
RECEIVERS = 5  # instances of what checks deliveries: the throttle of a public URL


def steps(plan: Plan) -> list[Step]:
    return [step for step in plan.steps if step.place == "aws" and step.compute == "lambda"]


def root(plan: Plan) -> Root | None:
    wanted = steps(plan)
    if not wanted:
        return None
    calls = [_archive(plan)]
    outputs = {}
    for step in wanted:
        calls += [_function(plan, step), *wakes.calls(plan, step), *_deliveries(plan, step), *_access(plan, step)]
        outputs[f"{places.called(step)}_arn"] = Raw(f"module.{places.called(step)}.arn")
        if receives(step):
            outputs["webhook_url"] = Raw("module.webhook.url")
    return Root("aws", "workflow/lambda", tuple(calls), tuple(_variables(plan)), outputs, purpose=PURPOSE)


def receives(step: Step) -> bool:
    """Whether the step is what takes signed deliveries: on AWS the API does nothing else."""
    return step.stage == "serve"


def _archive(plan: Plan) -> Call:
    arguments: dict[str, Value] = {
        "bucket": places.bucket(plan, places.ARTIFACTS),
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
        "archive": {
            "bucket": Raw("module.archive.bucket"),
            "key": Raw("module.archive.key"),
            "hash": Raw("module.archive.hash"),
        },
        "runtime": f"python{PYTHON}",
        "handler": HANDLER,
        "memory": step.memory,
        "timeout": ceil(step.timeout),
        "environment": environment.of(plan, step),
        "statements": [policies.as_value(one) for one in policies.role_statements(plan, step)],
    }
    declared, rules = places.network(plan), wakes.rule_arns(plan, step)
    if rules:
        arguments["rule_arns"] = rules
    if receives(step):
        arguments["concurrency"] = RECEIVERS
    if declared and private(plan, step):
        arguments["network"] = places.joined(plan, declared)
    return Call("function", places.called(step), arguments, wakes.said(plan, step))


def _deliveries(plan: Plan, step: Step) -> Iterator[Call]:
    name = Raw(f"module.{places.called(step)}.name")
    if receives(step):
        yield Call("webhook", "webhook", {"function": name}, "Where signed deliveries come to")
        return
    for source in environment.listened(plan, step):
        arguments: dict[str, Value] = {
            "name": places.queue(plan, source),
            "function": name,
            "timeout": ceil(step.timeout),
            "dead_letter_arn": Raw(f"module.{places.called(step)}.dead_letter.arn"),
        }
        yield Call("queue", label("queue", source), arguments, f"What came for {source}, until it is in the log")


def _access(plan: Plan, step: Step) -> Iterator[Call]:
    """The right to log in by IAM; the database's id is a variable, since only AWS knows it."""
    if step.stage != "ingest" or plan.source(step.source).declared.get("auth") != "rds_iam":
        return
    arguments: dict[str, Value] = {
        "role": Raw(f"module.{places.called(step)}.role"),
        "user": str(plan.source(step.source).declared.get("user", "")),
        "resource_id": Raw(f"var.{places.resource_id(step.source)}"),
        "region": places.region(plan),
        "account": places.account(plan),
    }
    yield Call("rds_access", label("access", step.source), arguments, f"{step.source} is opened by a token")


def _variables(plan: Plan) -> Iterator[Variable]:
    said = "Path of the functions' archive, as catchwater package makes it."
    yield Variable("archive", said, default="../../../artifacts/catchwater-lambda.zip", required=False)
    yield from environment.variables(plan, steps(plan))
    for step in steps(plan):
        if any(_access(plan, step)):
            host = plan.source(step.source).declared.get("host", step.source)
            yield Variable(places.resource_id(step.source), f"DbiResourceId of {host}, as RDS names it: db-….")
