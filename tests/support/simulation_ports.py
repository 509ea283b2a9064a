"""A bucket, a warehouse and their faults for simulated processes; the code behind them is the real one."""

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb

from catchwater.adapters.warehouses import files
from catchwater.adapters.warehouses.duckdb import DuckdbWarehouse
from catchwater.adapters.warehouses.house import House
from catchwater.adapters.warehouses.pointer import Staged
from catchwater.errors import AlreadyExists, NotFound, Uncertain
from catchwater.plan.plan import Model
from catchwater.ports import LoadBatch, Loaded, Reading, Settings, Stored, Version, WarehouseSession
from tests.support.simulation import Process, current
from tests.support.simulation_duckdb import instance_of_its_own

_ACTS = ("COMMIT", "INSERT", "DELETE", "UPDATE", "CREATE", "DROP", "ALTER", "USE", "CHECKPOINT")


@dataclass
class Bucket:
    """The objects of one zone, which outlive every process; `overwrites` is broken."""

    folder: Path
    objects: dict[str, bytes] = field(default_factory=dict)
    overwrites: bool = False

    def create(self, key: str, data: bytes) -> None:
        if key in self.objects and not self.overwrites:
            raise AlreadyExists("the object exists", where=key)
        self.objects[key] = data

    def upload(self, key: str, path: Path, *, ours: bool = False) -> None:
        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        self.objects[key] = b""

    def path(self, key: str) -> Path:
        return self.folder / key


class BucketStore:
    """The port of one process to a bucket (ports.Store)."""

    def __init__(self, bucket: Bucket, process: Process) -> None:
        self._bucket, self._process = bucket, process

    def _ask(self, what: str, key: str, act: Callable[[], Any], *, effect: bool = False) -> Any:
        def lost() -> Exception:
            return Uncertain("no answer", where=key)

        return self._process.call("store", f"{what} {key}", act, lost, effect=effect)

    def head(self, key: str) -> int | None:
        return self._ask("head", key, lambda: self._size(key))

    def _size(self, key: str) -> int | None:
        if key not in self._bucket.objects:
            return None
        path = self._bucket.path(key)
        return path.stat().st_size if path.exists() else len(self._bucket.objects[key])

    def read(self, key: str) -> bytes:
        return bytes(self._ask("read", key, lambda: self._read(key)))

    def _read(self, key: str) -> bytes:
        if key not in self._bucket.objects:
            raise NotFound("no such object", where=key)
        path = self._bucket.path(key)
        return path.read_bytes() if path.exists() else self._bucket.objects[key]

    def create(self, key: str, data: bytes) -> None:
        self._ask("create", key, lambda: self._bucket.create(key, data), effect=True)

    def upload(self, key: str, path: Path, *, ours: bool = False) -> None:
        self._ask("upload", key, lambda: self._bucket.upload(key, path), effect=True)

    def fetch(self, key: str) -> Path:
        return Path(self._ask("fetch", key, lambda: self._path(key)))

    def _path(self, key: str) -> Path:
        data = self._read(key)
        path = self._bucket.path(key)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return path

    def list(self, prefix: str) -> Iterator[Stored]:
        keys = self._ask("list", prefix, lambda: sorted(k for k in self._bucket.objects if k.startswith(prefix)))
        for key in keys:
            yield Stored(key, self._size(key) or 0, datetime(2026, 11, 21, tzinfo=UTC))


class _Connection:
    """A DuckDB connection whose statements are calls that can fail; `apart` is broken: markers follow the commit."""

    def __init__(self, con: Any, process: Process, apart: bool = False) -> None:
        self._con, self._process, self._apart = con, process, apart
        self._late: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._con, name)

    def execute(self, sql: str, *parameters: Any) -> Any:
        def run() -> Any:
            return self._con.execute(sql, *parameters)

        text = sql.strip()
        if self._apart and "_markers VALUES" in text:
            self._late.append((sql, *parameters))
            return None
        if self._apart and text == "COMMIT":
            return self._process.call("sql", text, lambda: self._commit_apart(run), effect=True)
        if not text.startswith(_ACTS) or " TEMP " in text or "temp.main" in text[:40]:
            return run()
        failing = None if text.startswith(("COMMIT", "USE")) else _full
        return self._process.call("sql", text[:60], run, failing, effect=True)

    def _commit_apart(self, commit: Callable[[], Any]) -> None:
        commit()
        late, self._late = self._late, []
        for sql, *parameters in late:
            self._process.call("sql", "the marker", lambda s=sql, p=parameters: self._con.execute(s, *p), effect=True)


def _full() -> Exception:
    return duckdb.IOException("IO Error: Could not write file: No space left on device")


class _Session:
    def __init__(self, session: WarehouseSession, process: Process) -> None:
        self._session, self._process = session, process

    def _ask(self, what: str, act: Callable[[], Any]) -> Any:
        return self._process.call("warehouse", what, act)

    @property
    def front(self) -> Version | None:
        return self._session.front  # type: ignore[attr-defined]

    def markers(self) -> dict[str, tuple[int, str]]:
        return self._ask("markers", self._session.markers)

    def prepare(self, models: Sequence[Model]) -> None:
        self._ask("prepare", lambda: self._session.prepare(models))

    def retire(self, keep: Collection[str]) -> None:
        self._ask("retire", lambda: self._session.retire(keep))

    def reset(self, model: Model) -> None:
        self._ask("reset", lambda: self._session.reset(model))

    def apply(self, batches: Sequence[LoadBatch]) -> Loaded:
        return self._ask("apply", lambda: self._session.apply(batches))


class SimulatedWarehouse:
    """The real DuckDB warehouse as one process has it; `seen` is called with each file as a load finds it."""

    def __init__(self, folder: Path, process: Process, seen: Callable[[Any, Mapping[str, Any]], None]) -> None:
        settings = Settings(folder, folder, "local", str)
        self.real = DuckdbWarehouse("duckdb", None, settings, patience=0.0, memory="256MB")
        self._process, self._seen = process, seen

    def version(self) -> Version | None:
        return self._process.call("warehouse", "version", self.real.version)

    @contextmanager
    def load(self, cut: Mapping[str, tuple[int, str]]) -> Iterator[WarehouseSession]:
        self._process.rest()
        with self.real.load(cut) as session:
            self._seen(session._con._con, session.markers())  # type: ignore[attr-defined]
            yield _Session(session, self._process)
            self._process.call("warehouse", "finish", lambda: None)

    @contextmanager
    def read(self) -> Iterator[Reading]:
        with self.real.read() as reading:
            yield reading

    def close(self) -> None:
        self.real.close()


def house_of(folder: Path) -> House:
    """A House in each process, as the operating system would have it."""
    process = current()
    memory = process.memory if process else _outside
    return memory.setdefault(folder.resolve(), House(folder.resolve()))


_outside: dict[Any, Any] = {}


def forget_houses(memory: dict[Any, Any] | None = None) -> None:
    """What the end of a process lets go of."""
    held = _outside if memory is None else memory
    for house in held.values():
        house.close()
    held.clear()


@contextmanager
def faulty_warehouse(apart: bool = False) -> Iterator[None]:
    """Statements of a load and the move of the pointer are calls; no two processes share a House."""
    attach, place = files.attach, Staged.place

    def attached(path: Path, memory: str, *, write: bool, **more: Any) -> Any:
        process = current()
        with instance_of_its_own():
            con = attach(path, memory, write=write, **more)
        return _Connection(con, process, apart) if write and process else con

    def placed(staged: Staged) -> None:
        process = current()
        if process:
            process.call("pointer", "place", lambda: place(staged), effect=True)
        else:
            place(staged)

    with (
        mock.patch("catchwater.adapters.warehouses.duckdb.house", house_of),
        mock.patch.object(files, "attach", attached),
        mock.patch.object(Staged, "place", placed),
        mock.patch.object(os, "fsync", return_value=None),
    ):
        yield
