"""A deployed step: from the environment of a handler to the plan in the bucket, the step's ports and one wake of it.

Every cloud runtime ends here; what woke it is its own affair, since the logs decide what there is to do.
"""

import hashlib
import json
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from catchwater.errors import AlreadyExists, CatchwaterError, NotFound, UseError
from catchwater.plan.plan import Plan, Step, from_bytes
from catchwater.ports import Measured, Metrics, Store
from catchwater.project.loaded import Loaded
from catchwater.project.schema import Project
from catchwater.project.variables import resolver
from catchwater.runtimes.records import utc
from catchwater.runtimes.report import RunReport, as_dict, failed, state_of
from catchwater.stages.ingest import ingest
from catchwater.stages.load import load
from catchwater.stages.outcome import Outcome
from catchwater.stages.process import process
from catchwater.wiring import Places, Wiring, adapter

STAGES = {"ingest": ingest, "process": process, "load": load}
QUIET = 60.0  # seconds in which the same failure of one process is recorded once
MARGIN = 0.25  # of the time that a wake may last: what a batch may still take once it is begun


@dataclass
class Deployed:
    """One step of a plan that was applied, and the parts that it runs on."""

    plan: Plan
    step: Step
    wiring: Wiring
    metrics: Metrics
    digest: str = ""
    failures: dict[str, float] = field(default_factory=dict)  # message → when this process recorded it


def places(environ: Mapping[str, str], state: Path) -> Places:
    """What the compiled roots put into a handler's environment: CATCHWATER_INGESTION, _PROCESSED (s3:// or gs://),
    _SECRETS (secrets_manager | secret_manager), _TOPICS (sqs | pubsub), _QUEUES (JSON, source → queue)."""
    try:
        return Places(
            zones={"ingestion": environ["CATCHWATER_INGESTION"], "processed": environ["CATCHWATER_PROCESSED"]},
            secrets=environ["CATCHWATER_SECRETS"],
            state=state,
            topics=environ.get("CATCHWATER_TOPICS", ""),
            queues=json.loads(environ.get("CATCHWATER_QUEUES", "{}")),
        )
    except KeyError as error:
        raise UseError(f"the handler's environment lacks {error.args[0]}", next_step="catchwater build") from error


def open_deployed(environ: Mapping[str, str] | None = None) -> Deployed:
    """The step that CATCHWATER_STEP names, from the plan in `_config/plan.json` of CATCHWATER_CONFIG (a zone's URL;
    by default the ingestion zone). Files of the project that its sources need are fetched beside it.

    Raises UseError for an environment or a plan that doesn't hold the step, NotFound when no plan was applied.
    """
    environ = dict(os.environ if environ is None else environ)
    return _opened(environ, _config(environ))


def current(held: Deployed | None, environ: Mapping[str, str] | None = None) -> Deployed:
    """`held` as long as what it was opened from is still what is applied, else the step opened anew; logins are read
    again from the secret store, which remembers them for a moment."""
    environ = dict(os.environ if environ is None else environ)
    config = _config(environ)
    if held is None or (held.digest, held.step.name) != (config.digest, environ.get("CATCHWATER_STEP")):
        return _opened(environ, config)
    held.wiring.loaded.variables.update(_held(held))
    return held


@dataclass(frozen=True)
class Config:
    """What was applied: the plan's bytes and the project's files that its sources need."""

    plan: Plan
    files: Mapping[str, bytes]
    digest: str


def _config(environ: Mapping[str, str]) -> Config:
    """Read whole at each wake: one small object, and a handler never runs on a plan that was replaced."""
    where = places(environ, _folder())
    zone = _zone(environ.get("CATCHWATER_CONFIG") or where.zones["ingestion"], environ, _folder())
    try:
        body = zone.read("_config/plan.json")
    except NotFound as error:
        raise NotFound("no plan was applied", where="_config/plan.json", next_step="apply the storage root") from error
    plan = _parsed(body, hashlib.sha256(body).hexdigest())
    wanted = plan.schema_files if environ.get("CATCHWATER_STEP", "").startswith(("ingest:", "serve:")) else ()
    files = {name: zone.read(f"_config/files/{name}") for name in wanted}
    whole = hashlib.sha256(b"".join([body, *(name.encode() + files[name] for name in sorted(files))]))
    return Config(plan, files, whole.hexdigest())


@lru_cache(maxsize=1)
def _folder() -> Path:
    """This process's own folder, for as long as it lives."""
    return Path(tempfile.mkdtemp(prefix="catchwater-"))


_plans: dict[str, Plan] = {}


def _parsed(body: bytes, digest: str) -> Plan:
    """The plan, read once for the same bytes."""
    if digest not in _plans:
        try:
            plan = from_bytes(body)
        except ValueError as error:
            step = "apply the storage root of the version that the functions have"
            raise UseError("the plan isn't one of this version", where="_config/plan.json", next_step=step) from error
        _plans.clear()
        _plans[digest] = plan
    return _plans[digest]


def _opened(environ: Mapping[str, str], config: Config) -> Deployed:
    folder = Path(tempfile.mkdtemp(prefix="project-", dir=_folder()))
    for name, data in config.files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    plan, where = config.plan, places(environ, _folder() / "state")
    step = next((step for step in plan.steps if step.name == environ.get("CATCHWATER_STEP", "")), None)
    if step is None:
        said = f"the plan has no step {environ.get('CATCHWATER_STEP', '')!r}"
        raise UseError(said, where="CATCHWATER_STEP", next_step="catchwater build, then apply the workflow's root")
    loaded = Loaded(
        folder=folder, environment=plan.environment, project=project_of(plan), variables=dict(environ), lines={}
    )
    wiring = Wiring(loaded, lambda text, read: resolver(loaded, read)(text), where)
    kind = "emf" if step.place == "aws" else "cloud_logging"
    deployed = Deployed(plan, step, wiring, adapter("metrics", kind)(), config.digest)
    loaded.variables.update(_held(deployed))
    return deployed


def _zone(url: str, environ: Mapping[str, str], folder: Path) -> Store:
    kind = {"s3": "s3", "gs": "gcs"}[url.partition("://")[0]]
    return adapter("store", kind)(url, environ, folder / ".catchwater" / "cache" / "config")  # type: ignore[no-any-return]


def project_of(plan: Plan) -> Project:
    """The project as it stood when the plan was made; models are the plan's."""
    return Project.model_validate(
        {
            "project": plan.project,
            "sources": {source.name: source.declared for source in plan.sources},
            "warehouse": plan.warehouse,
            "serve": plan.serve,
            "promise": plan.promise,
            "lake": plan.lake,
            **plan.clouds,
        },
        by_alias=True,
        by_name=False,
    )


def _held(deployed: Deployed) -> dict[str, str]:
    """The variables that hold logins, from the secret store, for those that the step has a grant for."""
    named = [
        g.resource.removeprefix("secret/") for g in deployed.plan.granted(deployed.step.name) if g.action == "read"
    ]
    declared = json.dumps([source.declared for source in deployed.plan.sources] + [deployed.plan.warehouse])
    wanted = [name for name in named if f"${{{name}}}" in declared]
    secrets = deployed.wiring.secrets() if wanted else None
    return {name: secrets.read(name) for name in wanted} if secrets else {}


def wake(deployed: Deployed, trigger: str, seconds: float | None = None) -> RunReport:
    """One wake of the step, which stops at a committed batch when `seconds` are nearly over (its outcome then has
    `more`); leaves a run record in the ingestion zone when something moved or failed. Never raises what a stage
    raises: the report says it."""
    began = time.monotonic()
    until = began + seconds * (1 - MARGIN) if seconds is not None else None
    wiring = replace(deployed.wiring, enough=lambda: until is not None and time.monotonic() > until)
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
    started = utc()
    outcome = _attempt(deployed, wiring, run)
    report = RunReport(
        0, run, trigger, started, time.monotonic() - began, state_of([outcome]), outcome.quarantined, (outcome,),
        outcome.moved,
    )  # fmt: skip
    if _worth(deployed, report):
        _keep(deployed, report)
    deployed.metrics.put(measured(deployed, outcome, run))
    return report


def _worth(deployed: Deployed, report: RunReport) -> bool:
    """Whether the run is to be recorded: one that failed just as the last did, redelivered at once, would fill the
    bucket with records; it is in the log."""
    if report.moved or report.state == "done":
        return report.moved
    said = "\n".join(failure.message for outcome in report.outcomes for failure in outcome.failures)
    last, now = deployed.failures.get(said), time.monotonic()
    if last is not None and now - last < QUIET:
        return False
    deployed.failures.clear()
    deployed.failures[said] = now
    return True


def _attempt(deployed: Deployed, wiring: Wiring, run: str) -> Outcome:
    step, began = deployed.step, time.monotonic()
    try:
        return STAGES[step.stage](wiring.open(deployed.plan, step), deployed.plan, step, run)
    except Exception as error:
        return failed(step, error, time.monotonic() - began)
    finally:
        wiring.close()


def _keep(deployed: Deployed, report: RunReport) -> None:
    body = json.dumps(report.as_dict(), sort_keys=True, ensure_ascii=False).encode()
    try:
        deployed.wiring.store("ingestion").create(f"_runs/{report.id}.json", body)
    except AlreadyExists:
        return
    except CatchwaterError as error:
        say("warning", f"the run record wasn't stored: {error}", run=report.id)


def measured(deployed: Deployed, outcome: Outcome, run: str) -> Measured:
    names = ("rows_in", "rows_out", "quarantined", "seconds")
    values = {name: float(getattr(outcome, name)) for name in names}
    values |= {"failures": float(len(outcome.failures)), "successes": float(not outcome.failed)}
    plan, step = deployed.plan, deployed.step
    return Measured(plan.project, plan.environment, step.name, step.stage, run, values)


def say(severity: str, message: str, **fields: Any) -> None:
    """One structured line on standard output, which both clouds keep as a log entry."""
    print(json.dumps({"severity": severity.upper(), "message": message, **fields}, default=str), flush=True)  # noqa: T201


def tell(report: RunReport) -> None:
    """The report's outcome as log lines; failures by their messages."""
    for outcome in report.outcomes:
        for failure in outcome.failures:
            say("error", failure.message, run=report.id, step=outcome.step, error=failure.error)
        say("info", "woken", run=report.id, trigger=report.trigger, **as_dict(outcome))


Again = Callable[[], None]


def answer(deployed: Deployed, trigger: str, seconds: float | None, again: Again) -> RunReport:
    """A wake told in the log; `again` wakes the step anew when there was more to do than time."""
    report = wake(deployed, trigger, seconds)
    tell(report)
    if report.state != "failed" and any(outcome.more for outcome in report.outcomes):
        again()
    return report
