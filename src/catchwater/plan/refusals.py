"""What an environment's clouds can't keep or don't have, each with file and line and what would be right."""

from collections.abc import Iterator

from catchwater.errors import Problem, ProjectError
from catchwater.plan.freshness import period, spoken, worst
from catchwater.plan.network import missing
from catchwater.plan.plan import Plan, Step
from catchwater.project.loaded import Loaded
from catchwater.project.names import seconds, secret_id

COMPUTES = {"aws": ("lambda", "glue"), "google": ("function", "service", "dataflow")}
ENGINES = {
    "lambda": ("duckdb",),
    "glue": ("spark",),
    "function": ("duckdb",),
    "service": ("duckdb",),
    "dataflow": ("beam",),
}
MEMORY = {"lambda": (128, 10240), "function": (128, 32768), "service": (128, 32768)}  # MB
TIMEOUT = {"lambda": 900, "function": 540, "service": 3600}
NAT = "about $36 a month, and $0.05 a GB, unverified"


def refuse(plan: Plan, loaded: Loaded) -> None:
    """Raises ProjectError with everything at once; on one machine nothing is refused, for there it is measured."""
    if not plan.clouds:
        return
    found = [problem for check in _CHECKS for problem in check(plan, loaded)]
    if found:
        raise ProjectError(sorted(set(found)))


def _at(loaded: Loaded, *trail: str | int) -> tuple[str, int, int]:
    """Where a key stands; that of what holds it when it isn't written."""
    while trail:
        if trail in loaded.lines:
            return loaded.lines[trail]
        trail = trail[:-1]
    return ("catchwater.yml", 0, 0)


def _promise(plan: Plan, loaded: Loaded) -> Iterator[Problem]:
    promised = plan.promise.get("freshness")
    case = worst(plan)
    wanted = seconds(str(promised)) if promised else None
    if wanted is None or case is None or case.seconds <= wanted:
        return
    legs = ", ".join(f"{leg.what} {spoken(leg.seconds)}" for leg in case.legs)
    longest = max(case.legs, key=lambda leg: leg.seconds)
    message = f"`promise.freshness`: {promised} can't be kept: {case.source} takes {spoken(case.seconds)} ({legs})"
    right = f"promise {spoken(case.seconds)}, or shorten what takes longest: {longest.what}"
    yield Problem(*_at(loaded, "promise", "freshness"), message, right)


def _routes(plan: Plan, loaded: Loaded) -> Iterator[Problem]:
    for route in missing(plan):
        message = f"`aws.network`: {route.step} has no route to {route.service} ({route.because})"
        right = f"a NAT gateway for its subnets ({NAT}), then `network: {{nat: true}}`; or place: {{load: google}}"
        yield Problem(*_at(loaded, "aws", "network"), message, right)


def _clouds(plan: Plan, loaded: Loaded) -> Iterator[Problem]:
    kind = plan.warehouse["kind"]
    if kind == "postgres" and "aws" not in plan.clouds:
        right = "warehouse: {kind: bigquery, dataset: …}"
        yield Problem(*_at(loaded, "warehouse"), "`warehouse`: Postgres is compiled for AWS alone", right)
    if plan.ci == "cloud_build" and "google" not in plan.clouds:
        yield Problem(*_at(loaded, "ci"), "`ci`: Cloud Build needs `google:`", "ci: github_actions")
    if loaded.project.steps.fuse:
        message = "`steps.fuse`: a cloud runs each stage on its own in this version"
        yield Problem(*_at(loaded, "steps", "fuse"), message, "fuse: false")
    for number, alert in enumerate(plan.alerts):
        if alert.notify != "email":
            message = f"`alerts.{number}.notify`: in a cloud alerts go by e-mail"
            yield Problem(*_at(loaded, "alerts", number, "notify"), message, "notify: email")


def _steps(plan: Plan, loaded: Loaded) -> Iterator[Problem]:
    for step in plan.steps:
        if step.place in COMPUTES:
            yield from _compute(step, loaded)


def _compute(step: Step, loaded: Loaded) -> Iterator[Problem]:
    at = ("steps", step.stage)
    if step.compute not in COMPUTES[step.place]:
        right = f"one of {', '.join(COMPUTES[step.place])}"
        message = f"`steps.{step.stage}`: {step.place} has no compute `{step.compute}`"
        yield Problem(*_at(loaded, *at, "compute"), message, right)
        return
    if step.engine not in ENGINES[step.compute]:
        right = f"engine: {' or '.join(ENGINES[step.compute])}"
        message = f"`steps.{step.stage}.engine`: {step.engine} doesn't run on {step.compute}"
        yield Problem(*_at(loaded, *at, "engine"), message, right)
    low, high = MEMORY.get(step.compute, (0, step.memory))
    if not low <= step.memory <= high:
        message = f"`steps.{step.stage}.memory`: {step.memory} MB, and {step.compute} takes {low} to {high}"
        yield Problem(*_at(loaded, *at, "memory"), message, f"memory: {min(max(step.memory, low), high)}")
    options = getattr(loaded.project.steps, step.stage, None)
    declared = seconds(options.timeout) if options is not None and options.timeout else None
    limit = TIMEOUT.get(step.compute)
    if declared and limit and declared > limit:
        message = f"`steps.{step.stage}.timeout`: a wake on {step.compute} lasts {limit} s at the most"
        yield Problem(*_at(loaded, *at, "timeout"), message, f"timeout: {limit} seconds")


def _sources(plan: Plan, loaded: Loaded) -> Iterator[Problem]:
    for step in plan.steps:
        if step.stage != "ingest" or step.place not in COMPUTES:
            continue
        source = loaded.project.sources[step.source]
        at = ("sources", step.source)
        if source.kind == "topic" and step.place == "aws":
            yield Problem(*_at(loaded, *at, "kind"), f"`sources.{step.source}`: a topic is compiled for Google alone",
                          "place: {ingest: google}")  # fmt: skip
        if source.kind == "github" and source.origin == "webhook" and step.place == "google":
            yield Problem(*_at(loaded, *at, "from"), f"`sources.{step.source}`: a webhook is compiled for AWS alone",
                          "place: {ingest: aws}")  # fmt: skip
        if getattr(source, "private", False):
            message = f"`sources.{step.source}.private`: there is no loopback in a cloud"
            yield Problem(*_at(loaded, *at, "private"), message, "leave it out")


def _schedules(plan: Plan, loaded: Loaded) -> Iterator[Problem]:
    for trigger in plan.triggers:
        step = plan.step(trigger.step)
        if trigger.kind != "schedule" or step.place not in COMPUTES or period(trigger.detail) >= 60:
            continue
        at = ("sources", step.source, "every") if step.source else ("steps", step.stage, "every")
        message = f"`every`: {trigger.detail} for {step.name}: a cloud's schedules fire once a minute at the most"
        yield Problem(*_at(loaded, *at), message, "every: 1 minute")


def _secrets(plan: Plan, loaded: Loaded) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for grant in plan.grants:
        if not grant.resource.startswith("secret/"):
            continue
        name = grant.resource.removeprefix("secret/")
        called = secret_id(plan.project, plan.environment, name)
        other = owners.setdefault(called, name)
        if other != name:
            message = f"the secrets {other} and {name} would both be called {called} in the cloud"
            yield Problem(*_at(loaded, "sources"), message, "names that differ in letters, digits, - or _")


_CHECKS = (_promise, _routes, _clouds, _steps, _sources, _schedules, _secrets)
