"""From a resolved project, its tables and its models to the plan; pure, and the same input gives the same plan."""

from collections.abc import Mapping, Sequence

from catchwater.errors import Problem, ProjectError
from catchwater.plan.grants import derive
from catchwater.plan.placing import placed
from catchwater.plan.plan import AlertRule, Model, Plan, SourcePlan, Step, Trigger
from catchwater.project import names
from catchwater.project.loaded import listens
from catchwater.project.schema import Project, Source, StepOptions
from catchwater.project.tables import TableSchema

DEFAULT_EVERY = {"postgres": "15 minutes", "http_files": "1 hour", "github": "1 hour"}


def _steps(project: Project, models: Sequence[Model]) -> tuple[Step, ...]:
    def step(name: str, stage: str, options: StepOptions, **kwargs: object) -> Step:
        timeout = names.seconds(options.timeout) if options.timeout else None
        made = Step(name, stage, engine=options.engine, timeout=timeout or 900.0, **kwargs)  # type: ignore[arg-type]
        return placed(made, project, options)

    steps = [step(f"ingest:{name}", "ingest", project.steps.ingest, source=name) for name in sorted(project.sources)]
    for group in sorted({model.group for model in models}):
        members = tuple(model.name for model in models if model.group == group)
        steps.append(step(f"process:{group}", "process", project.steps.process, models=members))
    everything = tuple(model.name for model in models)
    steps.append(step(f"load:{project.warehouse.kind}", "load", project.steps.load, models=everything))
    if project.serve.api or any(listens(source) for source in project.sources.values()):
        steps.append(placed(Step("serve:api", "serve"), project, StepOptions()))
    steps.append(placed(Step("serve:console", "serve"), project, StepOptions()))
    return tuple(steps)


def _ingest_triggers(name: str, source: Source, options: StepOptions) -> list[Trigger]:
    step = f"ingest:{name}"
    if listens(source):
        kind = "message" if source.kind == "topic" else "request"
        return [Trigger(step, kind, name if kind == "message" else f"/v1/webhooks/{name}")]
    after = getattr(source, "after", None) or options.after
    every = getattr(source, "every", None) or options.every
    found = [Trigger(step, "deployment")] if after else []
    if every or not after:
        found.append(Trigger(step, "schedule", every or DEFAULT_EVERY[source.kind]))
    return found


def _triggers(project: Project, models: Sequence[Model]) -> tuple[Trigger, ...]:
    found = []
    for name, source in sorted(project.sources.items()):
        found += _ingest_triggers(name, source, project.steps.ingest)
    for group in sorted({model.group for model in models}):
        step = f"process:{group}"
        members = {model.name for model in models if model.group == group}
        logs = {read.log for model in models if model.name in members for read in model.reads}
        if project.steps.process.every:
            found.append(Trigger(step, "schedule", project.steps.process.every))
        else:
            found += [Trigger(step, "batch", log) for log in sorted(logs - {f"processed/{m}" for m in members})]
    load = f"load:{project.warehouse.kind}"
    if project.steps.load.every:
        found.append(Trigger(load, "schedule", project.steps.load.every))
    else:
        logs = {f"processed/{model.name}" for model in models if model.materialized != "view"}
        found += [Trigger(load, "batch", log) for log in sorted(logs)]
    return tuple(found)


def make(
    project: Project, environment: str, tables: Mapping[str, Sequence[TableSchema]], models: Sequence[Model]
) -> Plan:
    """The plan; raises ProjectError for two warehouse tables of one name."""
    refuse_collisions(models)
    steps = _steps(project, models)
    return Plan(
        project=project.project,
        environment=environment,
        sources=tuple(
            SourcePlan(
                name,
                source.kind,
                source.model_dump(by_alias=True, exclude_defaults=True, mode="json") | {"kind": source.kind},
                tuple(sorted(tables[name], key=lambda table: table.name)),
            )
            for name, source in sorted(project.sources.items())
        ),
        models=tuple(models),
        steps=steps,
        triggers=_triggers(project, models),
        grants=derive(project, steps, tables, models),
        alerts=tuple(AlertRule(alert.notify, alert.to, tuple(alert.events)) for alert in project.alerts),
        warehouse=project.warehouse.model_dump(by_alias=True, mode="json"),
        serve=project.serve.model_dump(by_alias=True, mode="json"),
        promise=project.promise.model_dump(by_alias=True, mode="json"),
        lake=project.lake.model_dump(by_alias=True, mode="json"),
        clouds=_clouds(project),
        ci=project.ci,
        credentials=project.credentials,
        state_lock=project.state_lock,
        names=dict(project.name),
    )


def _clouds(project: Project) -> dict[str, dict[str, object]]:
    declared = {"aws": project.aws, "google": project.google}
    return {name: cloud.model_dump(mode="json") for name, cloud in declared.items() if cloud is not None}


def refuse_collisions(models: Sequence[Model]) -> None:
    owners: dict[str, Model] = {}
    problems = []
    for model in models:
        for table in [model.name, *([f"{model.name}_current"] if model.history else [])]:
            other = owners.setdefault(table, model)
            if other is not model:
                message = f"the warehouse table {table} is already made by {other.file}"
                problems.append(Problem(model.file, 1, 0, message, "rename one of the two"))
    if problems:
        raise ProjectError(problems)
