"""The stacks workflow/functions, workflow/services and workflow/dataflow: the steps, and what wakes them."""

import json
from collections.abc import Iterator
from math import ceil

from catchwater.errors import UseError
from catchwater.infra.function_source import ENTRY_POINT
from catchwater.infra.google import access, places, policies
from catchwater.infra.google.clock import cron
from catchwater.infra.hcl import Raw, Value
from catchwater.infra.names import label, name
from catchwater.infra.roots import Call, Root, Variable
from catchwater.plan.plan import Plan, Step, Trigger
from catchwater.project.names import seconds

PURPOSES = {
    "functions": "The steps that run as functions, and what wakes them.",
    "services": "The steps that run as services, which take longer than a function may, and what wakes them.",
    "dataflow": "The steps that run on Dataflow, launched by the clock.",
}
ARCHIVE = "catchwater-function.zip"
MACHINE = "e2-standard-2"
WARM = 60.0  # seconds: who promises less waits for no cold start
DATAFLOW_IMAGE = Variable("dataflow_image", "The image of Dataflow's jobs: …/REPOSITORY/catchwater-dataflow:TAG.")
IMAGE = Variable("image", "The container image: REGION-docker.pkg.dev/PROJECT/REPOSITORY/catchwater:TAG.")


def roots(plan: Plan) -> tuple[Root, ...]:
    unknown = [s for s in places.steps(plan) if s.compute not in ("function", "service", "dataflow")]
    if unknown:
        raise UseError(
            f"Google Cloud runs no step as {unknown[0].compute} here",
            where=unknown[0].name,
            next_step="compute: function, service or dataflow",
        )
    found = (_functions(plan), _services(plan), _dataflow(plan))
    return tuple(root for root in found if root is not None)


def called(step: Step) -> str:
    """The label of a step's module."""
    return label(*step.name.split(":"))


def environment(plan: Plan, step: Step) -> dict[str, Value]:
    """What `runtimes/deployed.py` reads, and the project's variables that hold no login."""
    found: dict[str, Value] = {
        "CATCHWATER_STEP": step.name,
        "CATCHWATER_INGESTION": places.zone_url(plan, "ingestion"),
        "CATCHWATER_PROCESSED": places.zone_url(plan, "processed"),
        "CATCHWATER_SECRETS": "secret_manager",
        "GOOGLE_CLOUD_PROJECT": places.project(plan),
    }
    if not places.keeps_lake(plan):
        found["CATCHWATER_CONFIG"] = f"gs://{places.bucket(plan, places.config_zone(plan))}"
    queues = _queues(plan, step)
    if queues:
        found |= {"CATCHWATER_TOPICS": "pubsub", "CATCHWATER_QUEUES": json.dumps(queues, sort_keys=True)}
    return found | {name: Raw(f"var.{name.lower()}") for name in places.plain_variables(plan, step)}


def _queues(plan: Plan, step: Step) -> dict[str, str]:
    if step.stage == "ingest":
        if not _listens(plan, step):
            return {}
        source = step.source
        return {source: places.subscription_path(plan, source), f"{source}/dead": places.dead_path(plan, source)}
    published = [g.resource.removeprefix("topic/") for g in plan.granted(step.name) if g.action == "publish"]
    return {source: places.topic_path(plan, source) for source in published}


def _listens(plan: Plan, step: Step) -> bool:
    return any(grant.action == "consume" for grant in plan.granted(step.name))


def _functions(plan: Plan) -> Root | None:
    wanted = places.steps(plan, "function")
    if not wanted:
        return None
    calls = [_archive(plan)]
    for step in wanted:
        calls += [_function(plan, step), *_wakes(plan, step, path="/")]
    said = "Path of the functions' archive, as `catchwater package` writes it."
    archive = Variable("archive", said, default=f"../../../artifacts/{ARCHIVE}", required=False)
    return _root("functions", calls, (archive, *_plain(plan, wanted)), wanted)


def _root(runtime: str, calls: list[Call], variables: tuple[Variable, ...], wanted: list[Step]) -> Root:
    return Root(
        cloud="google",
        stack=f"workflow/{runtime}",
        calls=tuple(calls),
        variables=variables,
        outputs={} if runtime == "dataflow" else {f"{called(s)}_uri": Raw(f"module.{called(s)}.uri") for s in wanted},
        purpose=PURPOSES[runtime],
    )


def _plain(plan: Plan, wanted: list[Step]) -> tuple[Variable, ...]:
    found = sorted({variable for step in wanted for variable in places.plain_variables(plan, step)})
    return tuple(Variable(one.lower(), f"What ${{{one}}} of catchwater.yml is here.") for one in found)


def _archive(plan: Plan) -> Call:
    arguments: dict[str, Value] = {
        "bucket": places.bucket(plan, places.ARTIFACTS),
        "files": Raw('{ "functions/${filesha256(var.archive)}.zip" = var.archive }'),
    }
    return Call("objects", "archive", arguments, "What every function runs; its environment says which step it is")


def _function(plan: Plan, step: Step) -> Call:
    own = places.account_id(plan, step)
    arguments: dict[str, Value] = {
        "name": places.step_name(plan, step),
        "location": places.region(plan),
        "purpose": _purpose(plan, step),
        "account": places.email(plan, own),
        "build_account": places.account_path(plan, places.build_account(plan)),
        "repository": places.repository_path(plan),
        "source_bucket": places.bucket(plan, places.ARTIFACTS),
        "source_object": Raw("module.archive.keys[0]"),
        "entry_point": ENTRY_POINT,
        "memory": step.memory,
        "timeout": ceil(step.timeout),
        "min": 1 if warm(plan) else 0,
        "environment": environment(plan, step),
        "invokers": {"triggers": places.member(plan, own)},
    }
    return Call("function", called(step), arguments, _why(plan, step))


def warm(plan: Plan) -> bool:
    """Whether the promise leaves no time for a function to start."""
    promised = plan.promise.get("freshness")
    return promised is not None and (seconds(str(promised)) or WARM) < WARM


def _purpose(plan: Plan, step: Step) -> str:
    return f"{step.name} of {plan.project} in {plan.environment}"


def _why(plan: Plan, step: Step) -> str:
    woken = [f"{t.kind} {t.detail}".strip() for t in plan.triggers if t.step == step.name]
    more = f", and {len(woken) - 3} more" if len(woken) > 3 else ""
    return f"{step.name}, woken by {', '.join(woken[:3])}{more}" if woken else step.name


def _services(plan: Plan) -> Root | None:
    wanted = [step for step in places.steps(plan, "service") if step.stage != "serve"]
    if not wanted:
        return None
    calls: list[Call] = []
    for step in wanted:
        calls += [service(plan, step, _step_arguments(plan, step)), *_wakes(plan, step, path="/events")]
    return _root("services", calls, (IMAGE, *_plain(plan, wanted)), wanted)


def _step_arguments(plan: Plan, step: Step) -> dict[str, Value]:
    """One instance: those who call while a step works share its next wake."""
    own = places.member(plan, places.account_id(plan, step))
    return {"min": 0, "max": 1, "concurrency": 80, "public": False, "invokers": {"triggers": own}}


def service(plan: Plan, step: Step, more: dict[str, Value]) -> Call:
    arguments: dict[str, Value] = {
        "name": places.step_name(plan, step),
        "location": places.region(plan),
        "purpose": _purpose(plan, step),
        "account": places.email(plan, places.account_id(plan, step)),
        "image": Raw("var.image"),
        "memory": step.memory,
        "timeout": ceil(step.timeout),
        **more,
        "environment": environment(plan, step),
    }
    return Call("service", called(step), arguments, _why(plan, step))


def _wakes(plan: Plan, step: Step, path: str) -> Iterator[Call]:
    mine = [trigger for trigger in plan.triggers if trigger.step == step.name]
    if _listens(plan, step):
        yield _topic(plan, step, path)
    for zone in sorted({t.detail.partition("/")[0] for t in mine if t.kind == "batch"}):
        yield _trigger(plan, step, path, zone)
    if any(trigger.kind == "deployment" for trigger in mine):
        yield _trigger(plan, step, path, "")
    for number, trigger in enumerate(t for t in mine if t.kind == "schedule"):
        own: dict[str, Value] = {
            "account": places.email(plan, places.account_id(plan, step)),
            "uri": Raw(f"module.{called(step)}.uri"),
            "timeout": min(ceil(step.timeout), 1800),
        }
        yield _schedule(plan, step, trigger, number, own)


def _topic(plan: Plan, step: Step, path: str) -> Call:
    own = places.account_id(plan, step)
    uri = f"${{module.{called(step)}.uri}}{'/push/' + step.source if path != '/' else ''}"
    arguments: dict[str, Value] = {
        "name": places.topic(plan, step.source),
        "push_endpoint": Raw(f'"{uri}"') if path != "/" else Raw(f"module.{called(step)}.uri"),
        "push_account": places.email(plan, own),
        "consumer": places.member(plan, own),
        "publishers": access.members(plan, policies.PUBLISHER, places.topic_path(plan, step.source)),
    }
    return Call("topic", label(step.source, "topic"), arguments, f"The messages of {step.source}")


def _trigger(plan: Plan, step: Step, path: str, zone: str) -> Call:
    """`zone`: whose new objects wake the step; none: the end of a Cloud Build does."""
    arguments: dict[str, Value] = {
        "name": name(plan, "trigger", *step.name.split(":"), zone or "deployed"),
        "location": places.region(plan),
        "account": places.email(plan, places.account_id(plan, step)),
        "service": Raw(f"module.{called(step)}.name"),
        "path": path,
    }
    arguments |= {"bucket": places.bucket(plan, zone)} if zone else {"topic": places.builds_path(plan)}
    why = f"New batches of the {zone} zone wake" if zone else "A deployment, the end of a Cloud Build, wakes"
    return Call("trigger", label(called(step), zone or "deployed"), arguments, f"{why} {step.name}")


def _dataflow(plan: Plan) -> Root | None:
    wanted = places.steps(plan, "dataflow")
    if not wanted:
        return None
    calls = [call for step in wanted for call in _launched(plan, step)]
    return _root("dataflow", calls, (DATAFLOW_IMAGE, *_plain(plan, wanted)), wanted)


def _launched(plan: Plan, step: Step) -> Iterator[Call]:
    schedules = [t for t in plan.triggers if t.step == step.name and t.kind == "schedule"]
    if not schedules:
        raise UseError(
            "a Dataflow job is launched by the clock",
            where=step.name,
            next_step=f"steps: {{{step.stage}: {{every: 1 hour, engine: beam}}}}",
        )
    arguments: dict[str, Value] = {
        "name": places.step_name(plan, step),
        "project": places.project(plan),
        "location": places.region(plan),
        "purpose": _purpose(plan, step),
        "worker": places.email(plan, places.account_id(plan, step)),
        "image": Raw("var.dataflow_image"),
        "bucket": places.bucket(plan, places.ARTIFACTS),
        "parameters": environment(plan, step),
        "machine": MACHINE,
        "max_workers": 1,
    }
    yield Call("launcher", called(step), arguments, f"{step.name} as a template")
    for number, trigger in enumerate(schedules):
        launch: dict[str, Value] = {
            "account": places.email(plan, places.launch_account(plan)),
            "uri": Raw(f"module.{called(step)}.uri"),
            "body": Raw(f"module.{called(step)}.body"),
            "timeout": 180,
        }
        yield _schedule(plan, step, trigger, number, launch)


def _schedule(plan: Plan, step: Step, trigger: Trigger, number: int, more: dict[str, Value]) -> Call:
    suffix = [str(number + 1)] if number else []
    arguments: dict[str, Value] = {
        "name": name(plan, "trigger", *step.name.split(":"), *suffix),
        "location": places.region(plan),
        "purpose": f"Wakes {step.name}: {trigger.detail}",
        "cron": cron(trigger),
        **more,
    }
    return Call("schedule", label(called(step), "schedule", *suffix), arguments)
