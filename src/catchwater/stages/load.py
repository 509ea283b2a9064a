"""Load: from the models' logs to the warehouse, group by group to one cut; how a table is written isn't known here."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from catchwater.errors import CatchwaterError, ChainBroken, GrantMissing
from catchwater.lake.manifest import Manifest, Ref
from catchwater.plan.plan import Model, Plan, Step
from catchwater.ports import Beside, LoadBatch, Loaded, Ports, Version, Warehouse, WarehouseSession
from catchwater.stages.cut import Cut, Group, Logs, failed_group, groups_of, log_of
from catchwater.stages.outcome import Failure, Outcome, TableOutcome
from catchwater.stages.prepared import files_of, prepared


def load(ports: Ports, plan: Plan, step: Step, run: str) -> Outcome:
    """Bring the warehouse to the cut of every group, as one new version; nothing is opened when it is there already.

    A group that can't be loaded keeps the rows that it has, and is a failure of the outcome; the others go on.
    Raises WarehouseBusy and WarehouseError when the warehouse as a whole can't be loaded.
    """
    began = time.monotonic()
    warehouse = ports.warehouse
    assert warehouse is not None  # noqa: S101 (a load step is opened with its warehouse)
    models = [plan.model(name) for name in step.models]
    logs = Logs(ports.stores["processed"], plan.models)
    front = warehouse.version()
    groups, failures = groups_of(logs, models, front)
    outcome = Outcome(step.name, "load", failures=failures)
    if not _stands(front, groups, models):
        outcome = _publish(_Wake(ports, logs, models, front), warehouse, groups, outcome)
    return replace(outcome, seconds=time.monotonic() - began)


@dataclass
class _Wake:
    """What the steps of one load share."""

    ports: Ports
    logs: Logs
    models: list[Model]
    front: Version | None
    applied: list[Ref] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def _stands(front: Version | None, groups: Iterable[Group], models: Sequence[Model]) -> bool:
    """Whether readers have all of it already."""
    if front is None:
        return False
    wanted = {log: marker for group in groups for log, marker in group.cut.items()}
    return dict(front.cut) == wanted and dict(front.models) == {model.name: model.shape for model in models}


def _publish(wake: _Wake, warehouse: Warehouse, groups: Sequence[Group], outcome: Outcome) -> Outcome:
    cut = {log: marker for group in groups for log, marker in group.cut.items()}
    failures = list(outcome.failures)
    tables: dict[str, TableOutcome] = {}
    with warehouse.load(cut) as session:
        if isinstance(session, Beside) and session.front != wake.front:
            wake, groups, unread = _looked_again(wake, session.front)
            failures = [*unread]
        session.retire({model.name for model in wake.models})
        for group in groups:
            began = time.monotonic()
            loaded, failure = _group(wake, session, group)
            failures += [failure] if failure else []
            tables |= _tables(wake, loaded, time.monotonic() - began)
            wake.notes += loaded.notes
    return replace(
        outcome,
        batches=tuple(wake.applied),
        rows_in=sum(wake.rows.values()),
        rows_out=sum(table.rows for table in tables.values()),
        added=sum(table.added for table in tables.values()),
        changed=sum(table.changed for table in tables.values()),
        removed=sum(table.removed for table in tables.values()),
        tables=tables,
        notes=tuple(wake.notes),
        failures=tuple(failures),
    )


def _looked_again(wake: _Wake, front: Version | None) -> tuple[_Wake, Sequence[Group], Sequence[Failure]]:
    """Another load ended between the look at the version and the lock: readers may never be led back from it."""
    logs = wake.logs.anew()
    groups, failures = groups_of(logs, wake.models, front)
    return _Wake(wake.ports, logs, wake.models, front), groups, failures


def _group(wake: _Wake, session: WarehouseSession, group: Group) -> tuple[Loaded, Failure | None]:
    """Load one group: first what readers have of it already, for the file that is written may be a version behind;
    then what is new, and only that is counted. Without the first, nothing may be published."""
    held = wake.front.cut if wake.front else {}
    seen = {log_of(model): held[log_of(model)] for model in group.tables if log_of(model) in held}
    uncounted = replace(wake, applied=[], rows={})
    try:
        session.prepare(group.models)
        _catch_up(uncounted, session, [m for m in group.tables if not _begins_anew(wake, group, m)], seen)
        return _apply(wake, session, group.tables, group.cut), None
    except GrantMissing:
        raise
    except CatchwaterError as error:
        failure = failed_group(group.name, error)
    _keep(uncounted, session, group, seen)
    return Loaded(), failure


def _keep(wake: _Wake, session: WarehouseSession, group: Group, seen: Cut) -> None:
    """What readers have of a group that can't be loaded, in tables that may be those that failed to be made."""
    markers = session.markers()
    if any(markers.get(log) != marker for log, marker in seen.items()):
        session.prepare(group.models)
        _apply(wake, session, group.tables, seen)


def _begins_anew(wake: _Wake, group: Group, model: Model) -> bool:
    """Whether the new batches don't need those that readers have: these may not even fit the model as it is now."""
    held, upto = (wake.front.cut if wake.front else {}).get(log_of(model)), group.cut.get(log_of(model))
    if not held or not upto:
        return False
    log = wake.logs.log(log_of(model))
    try:
        return any(batch.position.get("reset") for batch in log.batches(Ref(log.name, *held), upto[0]))
    except ChainBroken:
        return False


def _catch_up(wake: _Wake, session: WarehouseSession, models: Sequence[Model], seen: Cut) -> None:
    """What can't be caught up with, since its log or its model was replaced, is loaded from a new beginning."""
    try:
        _apply(wake, session, models, seen)
    except GrantMissing:
        raise
    except CatchwaterError as error:
        wake.notes.append(f"the other file is brought up from the beginning: {error.message}")


def _apply(wake: _Wake, session: WarehouseSession, models: Sequence[Model], cut: Cut) -> Loaded:
    """Bring these models up to `cut`; what is beyond it already stays."""
    markers = session.markers()
    batches = [
        batch
        for model in models
        if log_of(model) in cut and markers.get(log_of(model)) != cut[log_of(model)]
        for batch in _missing(wake, session, model, markers.get(log_of(model)), cut[log_of(model)])
    ]
    if not batches:
        return Loaded()
    with TemporaryDirectory(prefix="catchwater-") as folder:
        loaded = session.apply(prepared(wake.ports.engine, [batch for batch, _ in batches], Path(folder)))
    wake.applied += [manifest.ref for _, manifest in batches]
    for batch, manifest in batches:
        rows = sum(table.rows for table in manifest.tables.values())
        wake.rows[batch.model.name] = wake.rows.get(batch.model.name, 0) + rows
    return loaded


def _missing(
    wake: _Wake, session: WarehouseSession, model: Model, marker: tuple[int, str] | None, upto: tuple[int, str]
) -> Iterator[tuple[LoadBatch, Manifest]]:
    """The batches after the marker, into emptied tables when one of them begins the model anew or when the marker
    isn't in the log."""
    log = wake.logs.log(log_of(model))
    after = Ref(log.name, *marker) if marker else None
    try:
        manifests = log.batches(after, upto[0])
    except ChainBroken as error:
        session.reset(model)
        after = None
        wake.notes.append(f"{model.name} is loaded anew: {error.message}")
        manifests = log.batches(None, upto[0])
    anew = [manifest.seq for manifest in manifests if manifest.position.get("reset")]
    if anew:
        if after:
            session.reset(model)
        manifests = [manifest for manifest in manifests if manifest.seq >= anew[-1]]
    for manifest in manifests:
        files = files_of(wake.logs.store, model, manifest, wake.ports.prepared)
        follows = manifest.previous if manifest.seq not in anew else None
        previous = follows.hash if follows else None
        yield LoadBatch(model, manifest.seq, manifest.hash, previous, files), manifest


def _tables(wake: _Wake, loaded: Loaded, seconds: float) -> dict[str, TableOutcome]:
    return {
        name: TableOutcome(
            rows=table.added + table.changed + table.removed,
            added=table.added,
            changed=table.changed,
            removed=table.removed,
            seconds=seconds,
        )
        for name, table in loaded.tables.items()
    }
