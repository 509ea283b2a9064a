"""The stack workflow/glue: a Spark job per step, started by the batches that its logs commit."""

from math import ceil

from catchwater import __version__
from catchwater.infra.aws import environment, places, policies, wakes
from catchwater.infra.hcl import Raw, Value
from catchwater.infra.roots import Call, Root, Variable
from catchwater.plan.plan import Plan, Step

PURPOSE = "The steps that run as Spark jobs: each with its role and its workflow, and what starts it."
SCRIPT = '''"""What Glue starts: one wake of the step that the arguments name."""

import sys

from catchwater.runtimes.glue import main

main(sys.argv)
'''
WHEEL = f"catchwater-{__version__}-py3-none-any.whl"
MODULES = ("obstore==0.12.1",)  # what the job needs besides the wheel's own requirements and what Glue has
WORKER = 16384  # MB of one worker


def steps(plan: Plan) -> list[Step]:
    return [step for step in plan.steps if step.place == "aws" and step.compute == "glue"]


def root(plan: Plan) -> Root | None:
    wanted = steps(plan)
    if not wanted:
        return None
    bucket = places.bucket(plan, places.ARTIFACTS)
    calls = [
        _upload(bucket, "script", "step.py", Raw('"${path.module}/step.py"'), "What every job runs"),
        _upload(bucket, "wheel", WHEEL, Raw("var.wheel"), "This package, installed before a job starts"),
    ]
    for step in wanted:
        calls += [_job(plan, step), *wakes.calls(plan, step)]
    said = "Path of this package's wheel, as catchwater package makes it."
    return Root(
        "aws",
        "workflow/glue",
        tuple(calls),
        (Variable("wheel", said, default=f"../../../artifacts/{WHEEL}", required=False),),
        {f"{places.called(step)}_job": Raw(f"module.{places.called(step)}.name") for step in wanted},
        {"step.py": SCRIPT.encode()},
        purpose=PURPOSE,
    )


def _upload(bucket: str, label: str, name: str, file: Raw, why: str) -> Call:
    return Call("object", label, {"bucket": bucket, "key": f"glue/{name}", "file": file}, why)


def _job(plan: Plan, step: Step) -> Call:
    arguments: dict[str, Value] = {
        "name": places.step_name(plan, "role", step),
        "description": f"{step.name} of {plan.project} in {plan.environment}",
        "script": Raw('"s3://${module.script.bucket}/${module.script.key}"'),
        "modules": [Raw('"s3://${module.wheel.bucket}/${module.wheel.key}"'), *MODULES],
        "settings": environment.of(plan, step),
        "workers": max(2, ceil(step.memory / WORKER)),
        "timeout": ceil(step.timeout / 60),
        "dead_letter": places.dead_letter(plan, step),
        "rule_arns": wakes.rule_arns(plan, step),
        "statements": [policies.as_value(one) for one in policies.role_statements(plan, step)],
    }
    return Call("glue_job", places.called(step), arguments, wakes.said(plan, step))
