"""The two files of a DuckDB warehouse within one process: who reads which, and who may write; no table is known here.

Every handle on the same folder shares one House: a second open-and-close by this process would drop DuckDB's lock.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from catchwater.adapters.warehouses import files, pointer
from catchwater.adapters.warehouses.pointer import Pointer
from catchwater.errors import WarehouseBusy, WarehouseError

if TYPE_CHECKING:
    import duckdb

_PAUSE = 0.02
_HOUSES: dict[Path, "House"] = {}
_OPENING = threading.Lock()


@dataclass
class Front:
    """One published file, open for reading."""

    root: "duckdb.DuckDBPyConnection"
    pointer: Pointer
    readers: int = 0


class House:
    """`holds` is true once this process has loaded: its front stays open between readers. In other processes it
    is closed with the last reader, so that a writer elsewhere isn't kept waiting."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.holds = False
        self._change = threading.Condition()
        self._writing = threading.Lock()
        self._front: Front | None = None
        self._old: list[Front] = []

    def enter(self, memory: str, patience: float) -> Front:
        """The published file with one reader more. Raises WarehouseError when there is none, WarehouseBusy."""
        deadline = time.monotonic() + patience
        while True:
            with self._change:
                front, error = self._published(memory)
                if front is not None:
                    front.readers += 1
                    return front
            if time.monotonic() > deadline:
                raise files.busy(self.folder, error, patience) from error
            time.sleep(_PAUSE)

    def leave(self, front: Front) -> None:
        with self._change:
            front.readers -= 1
            if front is self._front and not self.holds and not front.readers:
                self._retire()
            self._drain()

    def publish(self, new: Pointer, memory: str) -> None:
        """Move the pointer to `new`; from here on readers get it, and those within keep what they have."""
        staged = pointer.stage(self.folder, new)
        root = files.attach(self.folder / new.file, memory, write=False)
        with self._change:
            staged.place()
            self._retire()
            self._front, self.holds = Front(root, new), True
            self._drain()

    def close(self) -> None:
        """Let go of the front, now or with its last reader."""
        with self._change:
            self.holds = False
            self._retire()
            self._drain()

    @contextmanager
    def writer(self, patience: float) -> Iterator[None]:
        """Only one load at a time, in this process and others. Raises WarehouseBusy after `patience` seconds."""
        deadline = time.monotonic() + patience
        if not self._writing.acquire(timeout=max(patience, 0)):
            raise _loading(self.folder, patience)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / "load.lock").open("ab") as lock:
                while not _locked(lock.fileno()):
                    if time.monotonic() > deadline:
                        raise _loading(self.folder, patience)
                    time.sleep(_PAUSE)
                yield
        finally:
            self._writing.release()

    def await_drained(self, file: str, patience: float) -> None:
        """Until no reader of this process is in `file`. Raises WarehouseBusy."""

        def drained() -> bool:
            fronts = [*self._old, *([self._front] if self._front else [])]
            return all(front.pointer.file != file for front in fronts)

        with self._change:
            if self._front and self._front.pointer.file == file:
                self._retire()
            self._drain()
            if not self._change.wait_for(drained, patience):
                raise files.busy(self.folder / file, None, patience)

    def _published(self, memory: str) -> tuple[Front | None, Exception | None]:
        now = pointer.read(self.folder)
        if now is None:
            raise _nothing(self.folder)
        if self._front and self._front.pointer == now:
            return self._front, None
        self._retire()
        self._drain()
        root, error = _opened(self.folder, now, memory)
        if root is not None:
            self._front = Front(root, now)
            return self._front, None
        return None, error

    def _retire(self) -> None:
        if self._front:
            self._old.append(self._front)
            self._front = None

    def _drain(self) -> None:
        for front in [front for front in self._old if not front.readers]:
            self._old.remove(front)
            front.root.close()
        self._change.notify_all()


def house(folder: Path) -> House:
    """The one House of a folder in this process."""
    with _OPENING:
        return _HOUSES.setdefault(folder.resolve(), House(folder.resolve()))


def _opened(folder: Path, now: Pointer, memory: str) -> "tuple[duckdb.DuckDBPyConnection | None, Exception | None]":
    """The pointed file, or why it can't be had at the moment; a file that can't be read at all is set aside."""
    import duckdb

    path = folder / now.file
    try:
        root = files.attach(path, memory, write=False)
        found = root.execute(f"SELECT max(number) FROM {files.ALIAS}._catchwater._catchwater_versions").fetchone()
    except duckdb.Error as error:
        if files.is_held(error) or pointer.read(folder) != now:
            return None, error
        if files.is_outside(error):
            raise files.failed(path, error) from error
        raise WarehouseError(files.set_aside(path), where=str(path), next_step="catchwater run") from error
    if found and found[0] == now.version.number:
        return root, None
    root.close()  # a load began between the look at the pointer and the opening
    return None, None


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _loading(folder: Path, patience: float) -> WarehouseBusy:
    return WarehouseBusy(
        f"another load has run for more than {patience:g} s (this is process {os.getpid()})",
        where=str(folder),
        next_step="wait for it, then catchwater run",
    )


def _nothing(folder: Path) -> WarehouseError:
    return WarehouseError("nothing is loaded yet", where=str(folder), next_step="catchwater run")
