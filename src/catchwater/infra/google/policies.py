"""From derived grants to roles on Google Cloud, one by one: no role here that no grant, trigger or place needs."""

from collections.abc import Iterator
from dataclasses import dataclass

from catchwater.errors import UseError
from catchwater.infra.google import places
from catchwater.plan.plan import Grant, Plan, Step

VIEWER, CREATOR, USER = "roles/storage.objectViewer", "roles/storage.objectCreator", "roles/storage.objectUser"
OBJECTS = {"read": VIEWER, "list": VIEWER, "create": CREATOR, "change": USER}
ACCESSOR = "roles/secretmanager.secretAccessor"
PUBLISHER, SUBSCRIBER = "roles/pubsub.publisher", "roles/pubsub.subscriber"
JOBS, SESSIONS = "roles/bigquery.jobUser", "roles/bigquery.readSessionUser"
EDITOR, READER = "roles/bigquery.dataEditor", "roles/bigquery.dataViewer"
INVOKER, RECEIVER = "roles/run.invoker", "roles/eventarc.eventReceiver"
IMAGES, PUSHER = "roles/artifactregistry.reader", "roles/artifactregistry.writer"
ZONES = ("ingestion", "processed", places.ARTIFACTS)


@dataclass(frozen=True)
class Objects:
    """What a role on a bucket is about: an action (read, list, create, change) below a prefix."""

    bucket: str
    action: str
    prefix: str

    @property
    def condition(self) -> str:
        """A listing is asked of the bucket, and so is whether a missing object answers 404: where a request has no
        prefix to list, the condition compares the prefix with itself."""
        if self.action == "list":
            asked = f'api.getAttribute("storage.googleapis.com/objectListPrefix", "{self.prefix}")'
            return f'resource.type == "storage.googleapis.com/Bucket" && ({asked}.startsWith("{self.prefix}"))'
        return f'resource.name.startsWith("projects/_/buckets/{self.bucket}/objects/{self.prefix}")'


@dataclass(frozen=True)
class Statement:
    """One role on one resource, for the account of one step: `grant` is the derived grant that it carries out, None
    for what the cloud needs besides."""

    role: str
    resource: str
    condition: str = ""
    grant: Grant | None = None
    because: str = ""
    objects: Objects | None = None


@dataclass(frozen=True)
class Explained:
    """A grant and what it became: statements, or where else it is carried out."""

    grant: Grant
    statements: tuple[Statement, ...]
    elsewhere: str = ""


def statements(plan: Plan, step: Step) -> tuple[Statement, ...]:
    """Everything that the account of a step may do: a statement per grant, and per need of the services it runs on."""
    found = [statement for grant in plan.granted(step.name) for statement in of_grant(plan, step, grant).statements]
    return (*found, *_needs(plan, step))


def explain(plan: Plan) -> tuple[Explained, ...]:
    """Each grant of each step on Google Cloud with its statements."""
    return tuple(of_grant(plan, step, grant) for step in places.steps(plan) for grant in plan.granted(step.name))


def of_grant(plan: Plan, step: Step, grant: Grant) -> Explained:
    """Raises UseError for a grant that Google Cloud has no role for."""
    zone, _, rest = grant.resource.partition("/")
    found: Statement | None = None
    if zone in ZONES and grant.action in ("read", "list", "create"):
        found = objects(_bucket(plan, step, zone), grant.action, rest.removesuffix("*"), grant.because, grant)
    elif zone == "secret" and grant.action == "read":
        found = Statement(ACCESSOR, _path(plan, "secrets", places.secret(plan, rest)), "", grant, grant.because)
    elif zone == "topic" and grant.action == "publish":
        found = Statement(PUBLISHER, places.topic_path(plan, rest), "", grant, grant.because)
    elif grant.action == "consume":
        found = Statement(SUBSCRIBER, places.subscription_path(plan, step.source), "", grant, grant.because)
    elif zone == "warehouse" and grant.action in ("apply", "read"):
        role = EDITOR if grant.action == "apply" else READER
        found = Statement(role, _path(plan, "datasets", places.dataset(plan)), "", grant, grant.because)
    elif step.stage == "ingest" and grant.action == "read":
        return Explained(grant, (), _source(plan, step))
    if found is None:
        raise UseError(f"Google Cloud has no role for: {grant.action} {grant.resource}", where=step.name)
    return Explained(grant, (found,))


def _source(plan: Plan, step: Step) -> str:
    if plan.source(step.source).kind == "postgres":
        return "GRANT SELECT in the database, by the login in its secret"
    return "read over HTTPS, which needs no role"


def _bucket(plan: Plan, step: Step, zone: str) -> str:
    if zone != places.ARTIFACTS and not places.keeps_lake(plan):
        raise UseError(
            f"a step on Google Cloud can't read the {zone} zone, which is on AWS",
            where=step.name,
            next_step="give ingest, process and this step the same place",
        )
    return places.bucket(plan, zone)


def objects(bucket: str, action: str, prefix: str, because: str, grant: Grant | None = None) -> Statement:
    about = Objects(bucket, action, prefix)
    return Statement(OBJECTS[action], f"buckets/{bucket}", about.condition, grant, because, about)


def _path(plan: Plan, kind: str, called: str) -> str:
    return f"projects/{places.project(plan)}/{kind}/{called}"


def _needs(plan: Plan, step: Step) -> Iterator[Statement]:
    """What the services that a step runs on and writes to ask for besides, by its stage, triggers and compute."""
    whole = f"projects/{places.project(plan)}"
    if step.stage in ("load", "serve") and plan.warehouse["kind"] == "bigquery":
        yield Statement(JOBS, whole, "", None, "each query and each load is a job of the project")
    if step.stage == "serve" and plan.warehouse["kind"] == "bigquery":
        yield Statement(SESSIONS, whole, "", None, "large answers come through BigQuery's Storage Read API")
    if any(grant.action == "consume" for grant in plan.granted(step.name)):
        dead = places.dead_path(plan, step.source)
        yield Statement(PUBLISHER, dead, "", None, "messages that it can't read go to the dead letter")
    if step.compute == "dataflow":
        yield from _dataflow(plan, step)
    elif step.stage != "serve":
        yield from _woken(plan, step)


def _woken(plan: Plan, step: Step) -> Iterator[Statement]:
    service = f"projects/{places.project(plan)}/locations/{places.region(plan)}/services/{places.step_name(plan, step)}"
    yield Statement(INVOKER, service, "", None, "its own triggers call it under its account")
    if any(t.kind in ("batch", "deployment") for t in plan.triggers if t.step == step.name):
        why = "Eventarc hands events to nobody else; the role has no narrower place"
        yield Statement(RECEIVER, f"projects/{places.project(plan)}", "", None, why)


def _dataflow(plan: Plan, step: Step) -> Iterator[Statement]:
    whole = f"projects/{places.project(plan)}"
    yield Statement("roles/dataflow.worker", whole, "", None, "its machines work under its account")
    yield Statement(IMAGES, places.repository_path(plan), "", None, "its machines start from the image")
    artifacts = places.bucket(plan, places.ARTIFACTS)
    yield objects(artifacts, "change", f"tmp/{places.step_name(plan, step)}/", "its temporary files")


def launcher(plan: Plan, step: Step) -> tuple[Statement, ...]:
    """What the account may do that launches a step on Dataflow: that, and no more."""
    whole = f"projects/{places.project(plan)}"
    worker = places.account_path(plan, places.account_id(plan, step))
    template = f"templates/{places.step_name(plan, step)}"
    artifacts = places.bucket(plan, places.ARTIFACTS)
    return (
        Statement("roles/dataflow.developer", whole, "", None, "it launches the job"),
        Statement("roles/iam.serviceAccountUser", worker, "", None, "the job's machines run under the step's account"),
        objects(artifacts, "read", template, "the job's template"),
    )


def reader(plan: Plan) -> tuple[Statement, ...]:
    """What Looker's account may do."""
    tables = _path(plan, "datasets", places.dataset(plan))
    return (
        Statement(READER, tables, "", None, "Looker reads the warehouse"),
        Statement(JOBS, f"projects/{places.project(plan)}", "", None, "each of its queries is a job of the project"),
    )


def builder(plan: Plan) -> tuple[Statement, ...]:
    """What the account may do that functions are built by."""
    whole = f"projects/{places.project(plan)}"
    sources = 'resource.name.startsWith("projects/_/buckets/gcf-v2-sources-")'
    return (
        Statement(PUSHER, places.repository_path(plan), "", None, "the built images"),
        Statement("roles/logging.logWriter", whole, "", None, "what the build says"),
        Statement(VIEWER, whole, sources, None, "Cloud Functions keeps the archive in a bucket of its own"),
    )
