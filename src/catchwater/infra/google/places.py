"""What an environment's parts are called on Google Cloud: one root names what another makes by these alone."""

import json

from catchwater.errors import UseError
from catchwater.infra.names import name
from catchwater.plan.plan import Plan, Step
from catchwater.project import names
from catchwater.project.variables import references

ARTIFACTS = "artifacts"


def project(plan: Plan) -> str:
    return str(plan.clouds["google"]["project"])


def region(plan: Plan) -> str:
    return str(plan.clouds["google"]["region"])


def steps(plan: Plan, *computes: str) -> list[Step]:
    """The steps on Google Cloud, all or those of some computes."""
    return [step for step in plan.steps if step.place == "google" and (not computes or step.compute in computes)]


def keeps_lake(plan: Plan) -> bool:
    """Whether the zones are buckets of Google Cloud: they are where sources are read and models made."""
    found = {step.place for step in plan.steps if step.stage in ("ingest", "process") and step.place}
    if len(found) > 1:
        raise UseError(
            "one lake can't be in two clouds",
            where="catchwater.yml: place",
            next_step="give ingest and process the same cloud",
        )
    return found == {"google"}


def bucket(plan: Plan, zone: str) -> str:
    """The bucket of `ingestion`, `processed` or `artifacts`; all of Cloud Storage shares the names, so the Google
    project is in them."""
    return _allowed(name(plan, "bucket", str(plan.lake[zone]), project(plan)))


def zone_url(plan: Plan, zone: str) -> str:
    """Where a zone is, as handlers are told it."""
    if keeps_lake(plan):
        return f"gs://{bucket(plan, zone)}"
    from catchwater.infra.aws import places as aws

    return f"s3://{aws.bucket(plan, zone)}"


def state_bucket(plan: Plan) -> str:
    return _allowed(name(plan, "bucket", "terraform", project(plan)))


def _allowed(made: str) -> str:
    if made.startswith("goog") or "google" in made:
        raise UseError(
            f"Google lets nobody call a bucket or topic {made}",
            where="catchwater.yml",
            next_step=f"name: {{{made}: another-name}}",
        )
    return made


def step_name(plan: Plan, step: Step) -> str:
    """What a step's function, service or job is called: `ingest:events` is `<project>-<environment>-ingest-events`."""
    return name(plan, "service" if step.compute == "service" else "function", *step.name.split(":"))


def account_id(plan: Plan, step: Step) -> str:
    """A step's account; that of the load is the same whichever cloud it runs on."""
    return name(plan, "account", *(["load"] if step.stage == "load" else step.name.split(":")))


def email(plan: Plan, account: str) -> str:
    return f"{account}@{project(plan)}.iam.gserviceaccount.com"


def member(plan: Plan, account: str) -> str:
    return f"serviceAccount:{email(plan, account)}"


def account_path(plan: Plan, account: str) -> str:
    return f"projects/{project(plan)}/serviceAccounts/{email(plan, account)}"


def build_account(plan: Plan) -> str:
    """The account that functions are built by."""
    return name(plan, "account", "build")


def launch_account(plan: Plan) -> str:
    """The account that launches Dataflow jobs."""
    return name(plan, "account", "launch")


def reader_account(plan: Plan) -> str:
    """The account that Looker reads the warehouse with."""
    return name(plan, "account", "looker")


def bootstrapped(plan: Plan) -> dict[str, str]:
    """Account → purpose, of those that a person makes with the bootstrap: they use images, or come from AWS."""
    found = {build_account(plan): "builds functions"} if steps(plan, "function") else {}
    for step in steps(plan, "dataflow"):
        found |= {account_id(plan, step): step.name, launch_account(plan): "launches Dataflow jobs"}
    loads = [step for step in plan.steps if step.stage == "load" and step.place == "aws"]
    if loads and plan.warehouse["kind"] == "bigquery":
        found[account_id(plan, loads[0])] = f"{loads[0].name} on AWS"
    return found


def ci_account(plan: Plan, purpose: str) -> str:
    """The account of `plan` or `apply`, as the workflows name it."""
    return name(plan, "account", "ci", purpose)


def repository(plan: Plan) -> str:
    return name(plan, "repository")


def repository_path(plan: Plan) -> str:
    return f"projects/{project(plan)}/locations/{region(plan)}/repositories/{repository(plan)}"


def topic(plan: Plan, source: str) -> str:
    return _allowed(name(plan, "topic", source))


def topic_path(plan: Plan, source: str) -> str:
    return f"projects/{project(plan)}/topics/{topic(plan, source)}"


def dead_path(plan: Plan, source: str) -> str:
    return f"{topic_path(plan, source)}-dead"


def builds_path(plan: Plan) -> str:
    """The topic on which Cloud Build tells what becomes of builds: the name is Google's."""
    return f"projects/{project(plan)}/topics/cloud-builds"


def subscription_path(plan: Plan, source: str) -> str:
    made = _allowed(name(plan, "subscription", source))
    return f"projects/{project(plan)}/subscriptions/{made}"


def dataset(plan: Plan) -> str:
    return str(plan.warehouse["dataset"])


def secret(plan: Plan, called: str) -> str:
    return names.secret_id(plan.project, plan.environment, called)


def config_zone(plan: Plan) -> str:
    """The bucket that holds the applied plan for steps here."""
    return "ingestion" if keeps_lake(plan) else ARTIFACTS


def plain_variables(plan: Plan, step: Step) -> tuple[str, ...]:
    """The `${NAME}`s of a step's source that hold no login."""
    if step.stage != "ingest":
        return ()
    hidden = {grant.resource.removeprefix("secret/") for grant in plan.granted(step.name)}
    return tuple(sorted(set(references(json.dumps(plan.source(step.source).declared))[0]) - hidden))
