"""Load: from the models' logs to the warehouse, group by group to one cut; how a table is written isn't known here."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from catchwater.errors import CatchwaterError, ChainBroken, GrantMissing
from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest, Ref
from catchwater.plan.plan import Model, Plan, Step
from catchwater.ports import Beside, LoadBatch, Loaded, Ports, Store, Version, Warehouse, WarehouseSession
from catchwater.stages.outcome import Failure, Outcome, TableOutcome
from catchwater.stages.prepared import files_of, prepared

Offsets = dict[str, tuple[int, int]]  # ingestion log → lowest and highest number that went into a batch
Cut = dict[str, tuple[int, str]]


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


@dataclass(frozen=True)
class Group:
    """Models that are seen together, and the batch up to which each is to be loaded."""

    name: str
    models: tuple[Model, ...]
    cut: Cut

    @property
    def tables(self) -> list[Model]:
        return [model for model in self.models if model.materialized != "view"]


class Logs:
    """The logs of the models, read as little as possible."""

    def __init__(self, store: Store, models: Sequence[Model]) -> None:
        self.store = store
        self._models = {model.name: model for model in models}
        self._logs: dict[str, Log] = {}
        self._heads: dict[str, Manifest | None] = {}
        self._offsets: dict[Ref, Offsets] = {}

    def anew(self) -> "Logs":
        """The same logs with nothing remembered."""
        return Logs(self.store, tuple(self._models.values()))

    def log(self, name: str) -> Log:
        if name not in self._logs:
            self._logs[name] = Log(self.store, name)
        return self._logs[name]

    def head(self, name: str, hint: int = 0) -> Manifest | None:
        if name not in self._heads:
            self._heads[name] = self.log(name).head(hint)
        return self._heads[name]

    def offsets(self, manifest: Manifest) -> Offsets:
        """The ingestion offsets that a batch was made from, through the models that it read too."""
        if manifest.ref not in self._offsets:
            found: Offsets = {}
            for ref in manifest.inputs:
                for log, (low, high) in self._of(ref).items():
                    before = found.get(log, (low, high))
                    found[log] = (min(before[0], low), max(before[1], high))
            self._offsets[manifest.ref] = found
        return self._offsets[manifest.ref]

    def sources(self, model: Model) -> set[str]:
        """The ingestion logs that a model is made from."""
        found: set[str] = set()
        seen = {model.name}
        waiting = [model]
        while waiting:
            for read in waiting.pop().reads:
                name = read.log.partition("/")[2]
                if read.log.startswith("ingestion/"):
                    found.add(read.log)
                elif name in self._models and name not in seen:
                    seen.add(name)
                    waiting.append(self._models[name])
        return found

    def _of(self, ref: Ref) -> Offsets:
        if ref.log.startswith("ingestion/"):
            return {ref.log: (ref.seq, ref.seq)}
        return self.offsets(self.log(ref.log).read(ref.seq))


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


def _name(model: Model) -> str:
    return f"processed/{model.name}"


def groups_of(logs: Logs, models: Sequence[Model], front: Version | None) -> tuple[list[Group], tuple[Failure, ...]]:
    """The groups with their cuts; one whose logs can't be read is a failure and stays as it is."""
    held = front.cut if front else {}
    groups, failures = [], []
    for name in dict.fromkeys(model.group for model in models):
        members = tuple(model for model in models if model.group == name)
        tables = [model for model in members if model.materialized != "view"]
        try:
            cut = _cut(logs, tables, held)
        except GrantMissing:
            raise
        except CatchwaterError as error:
            failures.append(_failure(name, error))
            cut = {_name(model): held[_name(model)] for model in tables if _name(model) in held}
        groups.append(Group(name, members, cut))
    return groups, tuple(failures)


def _cut(logs: Logs, tables: Sequence[Model], held: Mapping[str, tuple[int, str]]) -> Cut:
    """Per model the newest batch of those that were made from the same offsets as the others' chosen ones.

    Overlapping runs may leave one model without the batch at the lowest offset; then all go further back."""
    chosen = {model.name: logs.head(_name(model), held.get(_name(model), (0, ""))[0]) for model in tables}
    while True:
        limits = _limits(logs, tables, chosen)
        before = chosen
        chosen = {m.name: _last(logs, before[m.name], limits, held.get(_name(m))) for m in tables}
        if chosen == before:
            break
    return {f"processed/{name}": (last.seq, last.hash) for name, last in chosen.items() if last}


def _limits(logs: Logs, tables: Sequence[Model], chosen: Mapping[str, Manifest | None]) -> dict[str, int]:
    """Per ingestion log the lowest offset of these batches."""
    limits: dict[str, int] = {}
    for model in tables:
        batch = chosen[model.name]
        reached = logs.offsets(batch) if batch else {}
        for source in logs.sources(model) | set(reached):
            low = reached.get(source, (0, 0))[0]
            limits[source] = min(limits.get(source, low), low)
    return limits


def _last(
    logs: Logs, head: Manifest | None, limits: Mapping[str, int], held: tuple[int, str] | None
) -> Manifest | None:
    """The newest complete batch within the limits, but never one before that which readers have already."""
    manifest = head
    while manifest is not None:
        within = all(high <= limits.get(log, high) for log, (_, high) in logs.offsets(manifest).items())
        if (within and manifest.complete) or (manifest.seq, manifest.hash) == held:
            return manifest
        manifest = logs.log(manifest.log).read(manifest.seq - 1) if manifest.seq > 1 else None
    return None


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
    seen = {_name(model): held[_name(model)] for model in group.tables if _name(model) in held}
    uncounted = replace(wake, applied=[], rows={})
    try:
        session.prepare(group.models)
        _catch_up(uncounted, session, [m for m in group.tables if not _begins_anew(wake, group, m)], seen)
        return _apply(wake, session, group.tables, group.cut), None
    except GrantMissing:
        raise
    except CatchwaterError as error:
        failure = _failure(group.name, error)
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
    held, upto = (wake.front.cut if wake.front else {}).get(_name(model)), group.cut.get(_name(model))
    if not held or not upto:
        return False
    log = wake.logs.log(_name(model))
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
        if _name(model) in cut and markers.get(_name(model)) != cut[_name(model)]
        for batch in _missing(wake, session, model, markers.get(_name(model)), cut[_name(model)])
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
    log = wake.logs.log(_name(model))
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


def _failure(group: str, error: CatchwaterError) -> Failure:
    return Failure(group, type(error).__name__, str(error))
