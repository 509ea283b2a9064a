"""The cut of a load: which batches of which models are seen together; nothing is loaded here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from catchwater.errors import CatchwaterError, GrantMissing
from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest, Ref
from catchwater.plan.plan import Model
from catchwater.ports import Store, Version
from catchwater.stages.outcome import Failure

Offsets = dict[str, tuple[int, int]]  # ingestion log → lowest and highest number that went into a batch
Cut = dict[str, tuple[int, str]]


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
            failures.append(failed_group(name, error))
            cut = {log_of(model): held[log_of(model)] for model in tables if log_of(model) in held}
        groups.append(Group(name, members, cut))
    return groups, tuple(failures)


def _cut(logs: Logs, tables: Sequence[Model], held: Mapping[str, tuple[int, str]]) -> Cut:
    """Per model the newest batch of those that were made from the same offsets as the others' chosen ones.

    Overlapping runs may leave one model without the batch at the lowest offset; then all go further back."""
    chosen = {model.name: logs.head(log_of(model), held.get(log_of(model), (0, ""))[0]) for model in tables}
    while True:
        limits = _limits(logs, tables, chosen)
        before = chosen
        chosen = {m.name: _last(logs, before[m.name], limits, held.get(log_of(m))) for m in tables}
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


def log_of(model: Model) -> str:
    return f"processed/{model.name}"


def failed_group(group: str, error: CatchwaterError) -> Failure:
    return Failure(group, type(error).__name__, str(error))
