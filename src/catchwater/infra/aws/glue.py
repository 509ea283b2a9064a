"""The stack workflow/glue: a Spark job per step, started by the batches that its logs commit."""

from math import ceil

from catchwater import __version__
from catchwater.infra.aws import environment, places, policies, wakes
from catchwater.infra.hcl import Raw, Value
from catchwater.infra.roots import Call, Root
from catchwater.plan.plan import Plan, Step

PURPOSE = "The steps that run as Spark jobs: each with its role and its workflow, and what starts it."
SCRIPT = "import sys\n\nfrom catchwater.runtimes.glue import main\n\nsys.exit(main(sys.argv[1:]))\n"
MODULES = (f"catchwater[s3]=={__version__}",)  # Spark and boto3 are Glue's own
WORKER = 16384  # MB of one worker


def steps(plan: Plan) -> list[Step]:
    return [step for step in plan.steps if step.place == "aws" and step.compute == "glue"]


def root(plan: Plan) -> Root | None:
    wanted = steps(plan)
    if not wanted:
        return None
    script: dict[str, Value] = {
        "bucket": places.bucket(plan, places.ARTIFACTS),
        "key": "glue/step.py",
        "file": Raw('"${path.module}/step.py"'),
        "content_type": "text/x-python",
    }
    calls = [Call("object", "script", script, "What every job runs; its arguments say which step it is")]
    for step in wanted:
        calls += [_job(plan, step), *wakes.calls(plan, step)]
    return Root(
        "aws",
        "workflow/glue",
        tuple(calls),
        (),
        {f"{places.called(step)}_job": Raw(f"module.{places.called(step)}.name") for step in wanted},
        {"step.py": SCRIPT.encode()},
        purpose=PURPOSE,
    )


def _job(plan: Plan, step: Step) -> Call:
    arguments: dict[str, Value] = {
        "name": places.step_name(plan, "role", step),
        "description": f"{step.name} of {plan.project} in {plan.environment}",
        "script": Raw('"s3://${module.script.bucket}/${module.script.key}"'),
        "modules": list(MODULES),
        "settings": {**environment.of(plan, step), "AWS_REGION": places.region(plan)},
        "workers": max(2, ceil(step.memory / WORKER)),
        "timeout": ceil(step.timeout / 60),
        "dead_letter": places.dead_letter(plan, step),
        "rule_arns": wakes.rule_arns(plan, step),
        "statements": [policies.as_value(one) for one in policies.role_statements(plan, step)],
    }
    return Call("glue_job", places.called(step), arguments, wakes.said(plan, step))
