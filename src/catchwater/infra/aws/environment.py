"""What stands in a handler's environment: the settings that `runtimes/deployed.py` reads, and never a secret."""

import json
from collections.abc import Iterator

from catchwater.infra.aws import places
from catchwater.infra.hcl import Raw, Value, expression
from catchwater.infra.names import name
from catchwater.infra.roots import Variable
from catchwater.plan.plan import Plan, Step
from catchwater.project.variables import references

PROJECT_NUMBER = "google_project_number"
# Who the step is, as AWS tells it to whom it asks for a token: the addresses are the same in every account.
_METADATA = "http://169.254.169.254/latest/meta-data"


def of(plan: Plan, step: Step) -> dict[str, Value]:
    """By name; values that only a variable of the root has are expressions."""
    found: dict[str, Value] = {
        "CATCHWATER_STEP": step.name,
        "CATCHWATER_INGESTION": f"s3://{places.bucket(plan, 'ingestion')}",
        "CATCHWATER_PROCESSED": f"s3://{places.bucket(plan, 'processed')}",
        "CATCHWATER_SECRETS": "secrets_manager",
    }
    queues = {source: places.queue_url(plan, source) for source in listened(plan, step)}
    if queues:
        found |= {"CATCHWATER_TOPICS": "sqs", "CATCHWATER_QUEUES": json.dumps(queues, sort_keys=True)}
    if federated(plan, step):
        found["GOOGLE_CLOUD_PROJECT"] = str(plan.clouds["google"]["project"])
        found["CATCHWATER_GOOGLE_FEDERATION"] = federation(plan)
    return found | {name: Raw(f"var.{name.lower()}") for name in plain(plan, step)}


def listened(plan: Plan, step: Step) -> list[str]:
    """The sources whose queue the step publishes to or takes from."""
    if step.stage == "ingest":
        return [step.source] if any(g.action == "consume" for g in plan.granted(step.name)) else []
    return [g.resource.removeprefix("topic/") for g in plan.granted(step.name) if g.action == "publish"]


def plain(plan: Plan, step: Step) -> tuple[str, ...]:
    """The `${NAME}`s of a step's source that aren't kept in the secret store."""
    if step.stage != "ingest":
        return ()
    hidden = {g.resource.removeprefix("secret/") for g in plan.granted(step.name)}
    text = json.dumps(plan.source(step.source).declared)
    return tuple(sorted(set(references(text)[0]) - hidden))


def federated(plan: Plan, step: Step) -> bool:
    """Whether a step on AWS writes BigQuery."""
    return step.stage == "load" and plan.warehouse["kind"] == "bigquery" and "google" in plan.clouds


def federation(plan: Plan) -> Raw:
    """The settings as the JSON text that a handler is given."""
    return Raw(f"jsonencode({expression(external_account(plan), 2)})")


def external_account(plan: Plan) -> dict[str, Value]:
    """How Google's libraries turn the function's role into a token of the service account that loads: no key."""
    pool = f"{name(plan, 'pool', 'aws')}/providers/aws-role"  # as the module google/aws calls it
    account = f"{name(plan, 'account', 'load')}@{plan.clouds['google']['project']}.iam.gserviceaccount.com"
    audience = f"//iam.googleapis.com/projects/${{var.{PROJECT_NUMBER}}}/locations/global/workloadIdentityPools/{pool}"
    return {
        "type": "external_account",
        "audience": Raw(f'"{audience}"'),
        "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
        "token_url": "https://sts.googleapis.com/v1/token",
        "service_account_impersonation_url": (
            f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
        ),
        "credential_source": {
            "environment_id": "aws1",
            "region_url": f"{_METADATA}/placement/availability-zone",
            "url": f"{_METADATA}/iam/security-credentials",
            "regional_cred_verification_url": (
                "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
            ),
        },
    }


def variables(plan: Plan, steps: list[Step]) -> Iterator[Variable]:
    """What the root of these steps must be told."""
    for called in sorted({called for step in steps for called in plain(plan, step)}):
        yield Variable(called.lower(), f"What ${{{called}}} of catchwater.yml is here.")
    if any(federated(plan, step) for step in steps):
        project = plan.clouds["google"]["project"]
        yield Variable(PROJECT_NUMBER, f"Number of the project {project}: gcloud projects describe {project}.")
