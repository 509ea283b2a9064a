"""Grants, derived from the edges of the graph and never written: one action on one resource, with its reason."""

from collections.abc import Iterable, Mapping, Sequence

from catchwater.plan.plan import Grant, Model, Step
from catchwater.project.loaded import listens
from catchwater.project.schema import Project, Source
from catchwater.project.tables import TableSchema
from catchwater.project.variables import references


def _log(step: str, log: str, because: str, *, own: bool = False) -> Iterable[Grant]:
    yield Grant(step, "read", f"{log}/*", because)
    yield Grant(step, "list", f"{log}/*", "a missing number answers 404 only with the right to list")
    if own:
        yield Grant(step, "create", f"{log}/*", because)


def secrets_of(source: Source) -> tuple[str, ...]:
    """The names in the environment's secret store that a source reads."""
    import re

    dumped = source.model_dump(mode="json")
    named = [dumped["secret"]] if dumped.get("secret") else []
    inline = [
        name
        for value in dumped.values()
        if isinstance(value, str)
        for name in re.findall(r"\$\{secret:([^}]+)\}", value)
    ]
    return tuple(sorted({*named, *inline}))


def hidden_variables(source: Source) -> tuple[str, ...]:
    """The `${NAME}`s of a source that hold a login: a cloud keeps them in its secret store, under their own names."""
    hidden = [getattr(source, name, None) for name in ("url", "password")] if source.kind == "postgres" else []
    return tuple(sorted({name for text in hidden if text for name in references(text)[0]}))


def _ingest(step: Step, source: Source, tables: Sequence[TableSchema]) -> Iterable[Grant]:
    action = "consume" if listens(source) else "read"
    for table in tables:
        yield Grant(step.name, action, f"{step.source}.{table.name}", f"{step.source} has {table.name}")
    for name in (
        () if listens(source) else secrets_of(source)
    ):  # what is listened to is signed for, where it is received
        yield Grant(step.name, "read", f"secret/{name}", f"{step.source} is opened with it")
    yield from _log(step.name, f"ingestion/{step.source}", f"the log of {step.source}", own=True)
    yield Grant(step.name, "create", "ingestion/_runs/*", "every run leaves its record")


def _process(step: Step, models: Sequence[Model]) -> Iterable[Grant]:
    for model in models:
        if model.name not in step.models:
            continue
        for read in model.reads:
            yield from _log(step.name, read.log, f"{model.name} reads {read.table}")
        if model.materialized != "view":
            yield from _log(step.name, f"processed/{model.name}", f"the log of {model.name}", own=True)


def _load(step: Step, project: Project, models: Sequence[Model]) -> Iterable[Grant]:
    for model in models:
        if model.materialized != "view":
            yield from _log(step.name, f"processed/{model.name}", f"{model.name} is loaded")
            if step.compute == "dataflow":
                staged = f"processed/{model.name}/_staged/*"
                yield Grant(step.name, "create", staged, "one machine of Beam prepares files that another loads")
        yield Grant(step.name, "apply", f"warehouse/{model.name}", f"{model.name} is a table of the warehouse")
    yield from _warehouse_secret(step, project)


def _warehouse_secret(step: Step, project: Project) -> Iterable[Grant]:
    secret = getattr(project.warehouse, "secret", None)
    if secret:
        yield Grant(step.name, "read", f"secret/{secret}", "the warehouse is opened with it")


def _serve(step: Step, project: Project) -> Iterable[Grant]:
    if step.compute != "lambda":  # there it only receives
        yield from _warehouse_secret(step, project)
        yield Grant(step.name, "read", "warehouse/*", "it answers from the warehouse")
        if step.place in ("local", project.place.ingest or step.place):
            yield Grant(step.name, "read", "ingestion/_runs/*", "it shows the runs")
            if step.place != "local":
                yield Grant(step.name, "list", "ingestion/_runs/*", "it shows the runs")
        if step.place != "local" and step.name == "serve:api":
            yield Grant(step.name, "read", "secret/api-keys", "it knows its callers by their keys")
    if step.name != "serve:api":
        return
    for name, source in sorted(project.sources.items()):
        if source.kind == "topic":
            yield Grant(step.name, "publish", f"topic/{name}", f"POST /v1/topics/{name}/messages")
        elif source.kind == "github" and source.origin == "webhook":
            yield Grant(step.name, "publish", f"topic/{name}", f"POST /v1/webhooks/{name}")
            for secret in secrets_of(source):
                yield Grant(step.name, "read", f"secret/{secret}", f"checks the signatures of {name}")


def derive(
    project: Project,
    steps: Sequence[Step],
    tables: Mapping[str, Sequence[TableSchema]],
    models: Sequence[Model],
) -> tuple[Grant, ...]:
    """All grants of all steps, one per (step, action, resource), the first reason kept."""
    found: dict[tuple[str, str, str], Grant] = {}
    for step in steps:
        for grant in _of(step, project, tables, models):
            found.setdefault((grant.step, grant.action, grant.resource), grant)
    return tuple(found[key] for key in sorted(found))


def _of(
    step: Step, project: Project, tables: Mapping[str, Sequence[TableSchema]], models: Sequence[Model]
) -> Iterable[Grant]:
    if step.stage == "ingest":
        source = project.sources[step.source]
        return _deployed(step, _ingest(step, source, tables[step.source]), hidden_variables(source))
    if step.stage == "process":
        return _deployed(step, _process(step, models))
    if step.stage == "load":
        return _deployed(step, _load(step, project, models), _warehouse_variables(project))
    away = step.place not in ("local", project.place.ingest or step.place)
    return _deployed(step, _serve(step, project), _warehouse_variables(project), "artifacts" if away else "ingestion")


def _warehouse_variables(project: Project) -> tuple[str, ...]:
    url = getattr(project.warehouse, "url", None)
    return tuple(sorted(references(url)[0])) if url else ()


def _deployed(
    step: Step, grants: Iterable[Grant], variables: Sequence[str] = (), zone: str = "ingestion"
) -> Iterable[Grant]:
    """On one machine just the grants; in a cloud also what a handler needs to know its plan and leave its record."""
    if not step.place:
        return
    yield from grants
    if step.place == "local":
        return
    for name in variables:
        yield Grant(step.name, "read", f"secret/{name}", f"${{{name}}} holds a login, kept in the secret store")
    yield Grant(step.name, "read", f"{zone}/_config/*", "its plan is there")
    if step.stage != "serve":
        yield Grant(step.name, "create", "ingestion/_runs/*", "every run leaves its record")
