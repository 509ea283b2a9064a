"""Reading again: a source led back to what it has delivered, rows of its quarantine tried once more. What is the same
as held is never written again; what is committed here is a batch like any other."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from catchwater import __version__
from catchwater.errors import LostRace, UseError
from catchwater.lake import quarantine
from catchwater.lake.checkpoint import NONE
from catchwater.lake.log import Log, stamp
from catchwater.lake.manifest import Draft, Manifest, Ref, TableBatch
from catchwater.ports import Aside, Clock, Extraction, Replaying, Rewinding
from catchwater.stages.ingest import ATTEMPTS, held, tables_after

REPLAYED = "replayed"
_T = TypeVar("_T")


@dataclass(frozen=True)
class Tried:
    """One file of quarantine tried again: `taken` of its `rows` are in the lake now; `batch` is None when none is."""

    path: str
    rows: int
    taken: int
    batch: Ref | None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Back:
    """How far a source is led back: these tables, whole or since a moment; `replayed` are the files of quarantine whose
    rows are read again with them."""

    tables: tuple[str, ...]
    since: datetime | None = None
    replayed: tuple[str, ...] = ()


def rewind(log: Log, source: Rewinding, back: Back, clock: Clock) -> Manifest:
    """Commit the position from which the next captures read again.

    Raises UseError for tables that aren't held or a moment that the source knows nothing of."""
    return _retried(lambda: _rewind(log, source, back, clock))


def _retried(attempt: Callable[[], _T]) -> _T:
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt()
        except LostRace:
            continue
    return attempt()


def rewound(log: Log, source: Rewinding, back: Back) -> tuple[Manifest, dict[str, Any]]:
    """The log's head, and the position that `rewind` would commit after it. Raises as it does."""
    head = log.head()
    if head is None:
        raise UseError("nothing was captured yet", where=log.folder, next_step="catchwater run")
    unknown = [table for table in back.tables if table not in head.tables]
    if unknown:
        known = ", ".join(sorted(head.tables))
        raise UseError(f"{', '.join(unknown)} wasn't captured yet", where=log.folder, next_step=f"there are: {known}")
    position = source.rewound(back.tables, held(log, head, log.store), back.since)
    if back.replayed:
        position |= {REPLAYED: list(back.replayed)}
    return head, position


def _rewind(log: Log, source: Rewinding, back: Back, clock: Clock) -> Manifest:
    head, position = rewound(log, source, back)
    return _commit(log, head, Extraction(position, {}, complete=head.complete), clock)


def replay(log: Log, source: Replaying, batch: Manifest, clock: Clock) -> Tried:
    """Try the rows that a batch set aside again; committed only where some of them can be taken now."""
    return _retried(lambda: _replay(log, source, batch, clock))


def _replay(log: Log, source: Replaying, batch: Manifest, clock: Clock) -> Tried:
    aside, head = batch.quarantine, log.head()
    assert aside is not None  # noqa: S101 (the caller looked for it)
    assert head is not None  # noqa: S101 (it is the batch, or a later one)
    refused = tuple(quarantine.read(log.store, aside))
    raw = tuple(log.store.fetch(file.path) for file in batch.raw)
    kept = Aside(refused, raw, datetime.fromisoformat(batch.committed))
    with tempfile.TemporaryDirectory(prefix="catchwater-") as work:
        found = source.replay(kept, held(log, head, log.store), Path(work))
        again = len(found.refused)
        reasons = tuple(dict.fromkeys(f"{row.where}: {row.reason}" for row in found.refused))
        if again == len(refused):
            return Tried(aside.path, aside.rows, 0, None, reasons)
        made = _commit(log, head, replace(found, position={**head.position, REPLAYED: [aside.path]}), clock)
    return Tried(aside.path, aside.rows, aside.rows - again, made.ref, reasons)


def waiting(log: Log) -> list[Manifest]:
    """The batches whose quarantine wasn't replayed yet, in order."""
    batches = log.batches(None)
    done = {path for batch in batches for path in batch.position.get(REPLAYED, ())}
    return [batch for batch in batches if batch.quarantine and batch.quarantine.path not in done]


def without_checkpoint(log: Log, clock: Clock) -> Manifest | None:
    """Commit that no checkpoint holds, so that readers take the batches themselves; None where none held."""
    return _retried(lambda: _without_checkpoint(log, clock))


def _without_checkpoint(log: Log, clock: Clock) -> Manifest | None:
    head = log.head()
    if head is None or head.checkpoint is None or not head.checkpoint.seq:
        return None
    kept = {field.name: getattr(head, field.name) for field in fields(Draft)}
    same = {"tables": as_they_were(head), "raw": (), "quarantine": None, "timings": {}}
    position = {name: part for name, part in head.position.items() if name != "reset"}
    now = stamp(clock.now())
    draft = Draft(**{**kept, **same, "version": __version__, "started": now, "position": position, "checkpoint": NONE})
    return log.commit(draft, head)


def as_they_were(head: Manifest) -> dict[str, TableBatch]:
    return {name: replace(table, rows=0, files=(), revised=0) for name, table in head.tables.items()}


def _commit(log: Log, head: Manifest, extraction: Extraction, clock: Clock) -> Manifest:
    draft = Draft(
        stage="ingest",
        version=__version__,
        run="",
        started=stamp(clock.now()),
        position=extraction.position,
        tables=tables_after(log, head, extraction),
        raw=tuple(log.stage(path, 0, 0, folder="raw") for path in extraction.raw),
        quarantine=quarantine.write(log, extraction.refused),
        complete=extraction.complete,
    )
    return log.commit(draft, head)
