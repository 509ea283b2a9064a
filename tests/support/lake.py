"""Stores that fail on purpose, and batches to commit to them."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from catchwater.errors import AlreadyExists, NotFound, Uncertain
from catchwater.lake.log import stamp
from catchwater.lake.manifest import Draft, TableBatch
from catchwater.ports import Store, Stored
from catchwater.project.tables import Column

COLUMNS = (Column("k", "BIGINT"), Column("v", "VARCHAR"))


class FixedClock:
    """Tells the time that it was last given."""

    def __init__(self, moment: datetime | None = None) -> None:
        self.moment = moment or datetime(2026, 11, 21, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def pass_by(self, time: timedelta) -> None:
        self.moment += time


class MemoryStore:
    """A zone in memory, with the law of the port and a count of requests."""

    def __init__(self, folder: Path | None = None) -> None:
        self.objects: dict[str, bytes] = {}
        self.heads = self.reads = 0
        self._folder = folder

    def head(self, key: str) -> int | None:
        self.heads += 1
        return len(self.objects[key]) if key in self.objects else None

    def read(self, key: str) -> bytes:
        self.reads += 1
        if key not in self.objects:
            raise NotFound("no such object", where=key)
        return self.objects[key]

    def create(self, key: str, data: bytes) -> None:
        if key in self.objects:
            raise AlreadyExists("the object exists", where=key)
        self.objects[key] = data

    def upload(self, key: str, path: Path, *, ours: bool = False) -> None:
        self.create(key, path.read_bytes())

    def fetch(self, key: str) -> Path:
        assert self._folder, "give MemoryStore a folder to fetch into"
        target = self._folder / key.replace("/", "_")
        target.write_bytes(self.read(key))
        return target

    def list(self, prefix: str) -> Iterator[Stored]:
        for key in sorted(self.objects):
            if key.startswith(prefix):
                yield Stored(key, len(self.objects[key]), datetime(2026, 11, 21, tzinfo=UTC))


class OverwritingStore(MemoryStore):
    """Broken: create replaces what is there."""

    def create(self, key: str, data: bytes) -> None:
        self.objects[key] = data


class Faulty:
    """Any store, with answers lost: `fault(method)` says "before" (request lost), "after" (answer lost) or "" each
    time that an object is created or read."""

    def __init__(self, store: Store, fault: Callable[[str], str]) -> None:
        self.store, self._fault = store, fault

    def head(self, key: str) -> int | None:
        return self.store.head(key)

    def read(self, key: str) -> bytes:
        if self._fault("read"):
            raise Uncertain("no answer", where=key)
        return self.store.read(key)

    def create(self, key: str, data: bytes) -> None:
        fault = self._fault("create")
        if fault == "before":
            raise Uncertain("no answer", where=key)
        self.store.create(key, data)
        if fault == "after":
            raise Uncertain("no answer", where=key)

    def upload(self, key: str, path: Path, *, ours: bool = False) -> None:
        self.store.upload(key, path, ours=ours)

    def fetch(self, key: str) -> Path:
        return self.store.fetch(key)

    def list(self, prefix: str) -> Iterator[Stored]:
        return self.store.list(prefix)


def script(*faults: str) -> Callable[[str], str]:
    """Faults of creates in this order, then none; reads always answer."""
    left = list(faults)
    return lambda method: left.pop(0) if method == "create" and left else ""


def chance(random: random.Random, rate: float) -> Callable[[str], str]:
    """Each request loses its way there or back with this probability."""
    return lambda _: random.choice(["before", "after"]) if random.random() < rate else ""


def draft(clock: FixedClock | None = None, tables: dict[str, TableBatch] | None = None, note: str = "") -> Draft:
    """A batch that holds `tables` and, as its run, `note`."""
    moment = (clock or FixedClock()).now()
    return Draft(stage="ingest", version="1", run=note, started=stamp(moment), tables=tables or {})


def table(*files: object, key: tuple[str, ...] = ("k",), columns: tuple[Column, ...] = COLUMNS) -> TableBatch:
    return TableBatch(columns, key, sum(file.rows for file in files), files)  # type: ignore[attr-defined,arg-type]
