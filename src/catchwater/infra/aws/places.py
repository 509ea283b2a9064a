"""What an environment's parts are called on AWS, and their ARNs: one root names what another makes by these alone."""

from typing import Any

from catchwater.infra.names import name
from catchwater.plan.plan import Plan, Step
from catchwater.project import names

ARTIFACTS = "artifacts"
ARCHIVE = "lambda/catchwater-lambda.zip"


def account(plan: Plan) -> str:
    return str(plan.clouds["aws"]["account"])


def region(plan: Plan) -> str:
    return str(plan.clouds["aws"]["region"])


def network(plan: Plan) -> dict[str, Any] | None:
    found: Any = plan.clouds["aws"].get("network")
    return found or None


def arn(plan: Plan, service: str, resource: str) -> str:
    """Of something in the environment's account and region."""
    return f"arn:aws:{service}:{region(plan)}:{account(plan)}:{resource}"


def bucket(plan: Plan, zone: str) -> str:
    """The bucket of `ingestion`, `processed` or `artifacts`; all of AWS shares the names, so the account is in them."""
    return name(plan, "bucket", str(plan.lake[zone]), account(plan))


def bucket_arn(plan: Plan, zone: str) -> str:
    return f"arn:aws:s3:::{bucket(plan, zone)}"


def step_name(plan: Plan, service: str, step: Step, *more: str) -> str:
    """What something of a step is called: `ingest:totesys` becomes `<project>-<environment>-ingest-totesys`."""
    return name(plan, service, *step.name.split(":"), *more)


def function(plan: Plan, step: Step) -> str:
    return step_name(plan, "lambda", step)


def function_arn(plan: Plan, step: Step) -> str:
    return arn(plan, "lambda", f"function:{function(plan, step)}")


def log_group(plan: Plan, step: Step) -> str:
    if step.compute == "glue":
        return f"/aws-glue/jobs/{step_name(plan, 'glue', step)}"
    return f"/aws/lambda/{function(plan, step)}"


def dead_letter(plan: Plan, step: Step) -> str:
    return step_name(plan, "queue", step, "dead")


def queue(plan: Plan, source: str) -> str:
    """The queue of a source that listens."""
    return name(plan, "queue", source)


def queue_url(plan: Plan, source: str) -> str:
    return f"https://sqs.{region(plan)}.amazonaws.com/{account(plan)}/{queue(plan, source)}"


def rule(plan: Plan, step: Step, number: int) -> str:
    """The rule by which batches wake a step; a step that reads many logs has several."""
    return step_name(plan, "rule", step, *([str(number + 1)] if number else []))


def rule_arn(plan: Plan, step: Step, number: int) -> str:
    return arn(plan, "events", f"rule/{rule(plan, step, number)}")


def workflow_arn(plan: Plan, step: Step) -> str:
    return arn(plan, "glue", f"workflow/{step_name(plan, 'glue', step)}")


def security_group(plan: Plan) -> str:
    return name(plan, "role", "steps")


def secret(plan: Plan, called: str) -> str:
    return names.secret_id(plan.project, plan.environment, called)


def secret_arn(plan: Plan, called: str) -> str:
    """Secrets Manager ends each ARN in six characters of its own."""
    return arn(plan, "secretsmanager", f"secret:{secret(plan, called)}-??????")
