"""Where each step of an environment runs, and on what: the cloud that was asked for, the smallest compute that fits."""

from dataclasses import replace

from catchwater.plan.plan import Step
from catchwater.project import names
from catchwater.project.schema import Project, StepOptions

MEMORY = {"lambda": 1024, "function": 1024, "service": 1024, "glue": 16384, "dataflow": 4096}
# Seconds that a wake is assumed to take until a timeout is declared (a function is kept warm): rounded up from runs of
# the examples on one machine, and from what the services say of their starts.
ASSUMED = {
    "process": 1.0,
    "lambda": 30.0,
    "function": 1.0,
    "service": 30.0,
    "glue": 180.0,
    "dataflow": 420.0,
}
LIMIT = {"lambda": 900.0, "function": 540.0, "service": 3600.0}  # seconds a wake may last


def placed(step: Step, project: Project, options: StepOptions) -> Step:
    """The step with its place, compute, memory (MB) and a timeout that the compute allows."""
    clouds = [name for name in ("aws", "google") if getattr(project, name) is not None]
    declared = names.seconds(options.timeout) if options.timeout else None
    if not clouds:
        return replace(step, seconds=declared or ASSUMED["process"])
    wanted: str | None = getattr(project.place, step.stage)
    place = wanted or clouds[0]
    if why := _unplaced(step, project, place):
        return replace(step, place="", compute="", unplaced=why)
    compute = options.compute or _compute(step, project, place)
    timeout = min(step.timeout, LIMIT.get(compute, step.timeout))
    return replace(
        step,
        place=place,
        compute=compute,
        memory=options.memory or MEMORY.get(compute, 0),
        timeout=timeout,
        seconds=min(declared or ASSUMED.get(compute, 0.0), timeout),
    )


def _unplaced(step: Step, project: Project, place: str) -> str:
    if step.stage == "load" and project.warehouse.kind == "duckdb":
        return "a DuckDB warehouse is a file of one machine: the processed zone is what the cloud holds"
    if step.name == "serve:console":
        shown = project.serve.api and place == "google"
        return "the API's service shows the console as well" if shown else "the console is shown by `catchwater up`"
    if step.name == "serve:api" and place == "aws" and not receives(project):
        return "the API runs on Cloud Run or on one machine: declare google and place: {serve: google}"
    return ""


def receives(project: Project) -> bool:
    """Whether a source takes signed deliveries."""
    return any(s.kind == "github" and s.origin == "webhook" for s in project.sources.values())


def _compute(step: Step, project: Project, place: str) -> str:
    if step.engine == "spark":
        return "glue"
    if step.engine == "beam":
        return "dataflow"
    if place == "aws":
        return "lambda"
    if step.stage == "serve":
        return "service"
    if step.stage == "ingest" and project.sources[step.source].kind != "topic":
        return "service"
    return "function"
