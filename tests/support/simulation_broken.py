"""Ways to do it that lose rows or double them: each is put in the place of the right one for a block."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from catchwater.adapters.warehouses import duckdb as warehouse
from catchwater.errors import AlreadyExists, LostRace, Uncertain
from catchwater.lake.log import Log
from catchwater.lake.manifest import Draft, Manifest, Ref
from catchwater.stages import cut, load, process

Patches = list[Any]


def _redone() -> Patches:
    """ "No answer" is taken for a failure, and the batch is written again at the next number."""
    real = Log.commit

    def write(log: Log, key: str, data: bytes) -> None:
        try:
            log.store.create(key, data)
        except AlreadyExists as error:
            raise LostRace("another writer was first", where=key) from error

    def commit(log: Log, draft: Draft, after: Manifest | None) -> Manifest:
        try:
            return real(log, draft, after)
        except Uncertain:
            return real(log, draft, log.head())

    return [mock.patch.object(Log, "_write", write), mock.patch.object(Log, "commit", commit)]


def _clock() -> Patches:
    """What is new is told by the time of its commit."""
    real = Log.batches

    def batches(log: Log, after: Ref | None, upto: int | None = None) -> Any:
        if after is None:
            return real(log, None, upto)
        mark = log.read(after.seq).committed
        return [batch for batch in real(log, None, upto) if batch.committed > mark]

    return [mock.patch.object(Log, "batches", batches)]


def _unmarked() -> Patches:
    """A load trusts what readers have, and not the markers in the file that it writes."""

    def markers(session: Any) -> dict[str, Any]:
        return dict(session.front.cut) if session.front else {}

    return [
        mock.patch.object(warehouse.DuckdbSession, "markers", markers),
        mock.patch.object(warehouse, "pending", lambda batches, marker: list(batches)),
    ]


def _stale() -> Patches:
    """A load that waited for another doesn't look again at what readers have."""
    return [mock.patch.object(load, "Beside", type("Nothing", (), {}))]


def _uncut() -> Patches:
    """Each model is loaded up to its own newest batch."""
    return [mock.patch.object(cut, "_limits", return_value={})]


def _halfway() -> Patches:
    """Models read a first load of which parts are missing."""
    return [mock.patch.object(process._Group, "_readable", lambda group, name: group.log(name).head())]


def _hashless() -> Patches:
    """Markers and offsets are numbers without a hash."""
    real = Log.batches

    def batches(log: Log, after: Ref | None, upto: int | None = None) -> Any:
        head = log.head()
        if after is None or head is None or head.seq < after.seq:
            return [] if after else real(log, None, upto)
        return real(log, log.read(after.seq).ref, upto)

    def pending(found: Any, marker: Any) -> Any:
        return [batch for batch in found if not marker or batch.seq > marker[0]]

    return [mock.patch.object(Log, "batches", batches), mock.patch.object(warehouse, "pending", pending)]


BROKEN: dict[str, Callable[[], Patches]] = {
    "overwrite": list,  # a commit that isn't create-if-absent: of the bucket
    "early": list,  # messages are acknowledged before the commit: of the queue
    "apart": list,  # the marker is written after the transaction: of the connection
    "redone": _redone,
    "clock": _clock,
    "unmarked": _unmarked,
    "stale": _stale,
    "uncut": _uncut,
    "halfway": _halfway,
    "hashless": _hashless,
}


@contextmanager
def broken(name: str) -> Iterator[None]:
    with ExitStack() as stack:
        for patch in BROKEN[name]() if name else []:
            stack.enter_context(patch)
        yield
