"""What an environment's parts are called on AWS, and their ARNs: one root names what another makes by these alone."""

from typing import Any

from catchwater.infra.hcl import Value
from catchwater.infra.names import label, name
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


def called(step: Step) -> str:
    """The label of a step's module."""
    return label(*step.name.split(":"))


def function(plan: Plan, step: Step) -> str:
    return step_name(plan, "lambda", step)


def function_arn(plan: Plan, step: Step) -> str:
    return arn(plan, "lambda", f"function:{function(plan, step)}")


def log_group(plan: Plan, step: Step) -> str:
    if step.compute == "glue":
        return f"/aws-glue/jobs/{step_name(plan, 'role', step)}"
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
    """A job, its role, workflow and trigger have one name, under the limit of roles."""
    return arn(plan, "glue", f"workflow/{step_name(plan, 'role', step)}")


def security_group(plan: Plan) -> str:
    return name(plan, "role", "steps")


def joined(plan: Plan, declared: dict[str, Any]) -> dict[str, Value]:
    """The declared network as modules take it: its own security group by id, ours by name."""
    group = declared.get("security_group")
    named = {"security_group_id": group} if group else {"security_group_name": security_group(plan)}
    return {"vpc": declared["vpc"], "subnets": list(declared["subnets"]), **named}


def resource_id(source: str) -> str:
    """The variable that says what RDS calls a source's database."""
    return f"{source}_resource_id"


def secret(plan: Plan, called: str) -> str:
    return names.secret_id(plan.project, plan.environment, called)


def secret_arn(plan: Plan, called: str) -> str:
    """Secrets Manager ends each ARN in six characters of its own."""
    return arn(plan, "secretsmanager", f"secret:{secret(plan, called)}-??????")
