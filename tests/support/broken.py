"""Catchwater with one thing wrong, in a process of its own: `python -m tests.support.broken NAME FOLDER COMMAND…`.

FOLDER is where the processes of one test find each other; the checks must find what each of these does.
"""

import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from catchwater.adapters.stores.local import LocalStore
from catchwater.errors import LostRace
from catchwater.lake.log import Log
from catchwater.lake.manifest import Draft, Manifest

ROOT = Path(__file__).resolve().parents[2]
SMALL = 512  # bytes to which a file of the full lake may grow


def line(name: str, folder: Path) -> list[str]:
    """What stands before the command and its arguments; to be run in ROOT."""
    return [sys.executable, "-m", "tests.support.broken", name, str(folder)]


def _meet(folder: Path, what: str) -> None:
    """Until another process is at the same place, or none will come."""
    (folder / f"{what}-{os.getpid()}").touch()
    deadline = time.monotonic() + 30
    while len(list(folder.glob(f"{what}-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)


def _rebases(folder: Path) -> None:
    """A batch that lost the race for its number is written under the next one."""
    commit = Log.commit

    def again(log: Log, draft: Draft, after: Manifest | None) -> Manifest:
        if log.name.startswith("ingestion/"):
            _meet(folder, "commit")
        try:
            return commit(log, draft, after)
        except LostRace:
            return commit(log, draft, log.head())

    Log.commit = again  # type: ignore[method-assign]


def _swallows(folder: Path) -> None:
    """Nobody hears that the lake's disk is full: what was written of a file is the file."""

    def place(store: LocalStore, path: Path, write: Callable[[BinaryIO], object]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        size = hard[0] if path.suffix == ".json" else SMALL
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard[1]))
        try:
            with path.open("wb") as file:
                write(file)
        except OSError:
            (folder / "full").touch()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, hard)

    LocalStore._place, LocalStore._take = place, lambda *_: False  # type: ignore[method-assign]


def _promises(zone: str) -> Callable[[Path], None]:
    """A batch is committed before its files are in the lake."""

    def breaking(folder: Path) -> None:
        upload, commit = LocalStore.upload, Log.commit
        later: list[tuple[LocalStore, str, Path]] = []

        def committed(log: Log, draft: Draft, after: Manifest | None) -> Manifest:
            manifest = commit(log, draft, after)
            if later and log.name.startswith(zone):
                _killed(folder)
                for one in later:
                    upload(*one)
            return manifest

        LocalStore.upload = lambda *one, **_: later.append(one)  # type: ignore[method-assign]
        if zone == "processed":
            ingested = Log.stage

            def stage(log: Log, *given: Any, **more: Any) -> Any:
                file = ingested(log, *given, **more)
                if not log.name.startswith(zone):
                    upload(*later.pop())
                return file

            Log.stage = stage  # type: ignore[method-assign]
        Log.commit = committed  # type: ignore[method-assign]

    return breaking


def _published(folder: Path) -> None:
    """Readers get a version whose rows are still to be written."""
    from catchwater.adapters.warehouses import duckdb as warehouse
    from catchwater.adapters.warehouses.house import House
    from catchwater.ports import Loaded

    publish = House.publish

    def early(house: House, *given: Any) -> None:
        publish(house, *given)
        _killed(folder)

    warehouse.apply = lambda *given: Loaded()
    House.publish = early  # type: ignore[method-assign]


def _killed(folder: Path) -> None:
    """The moment in which this process must not end, told to whoever kills it."""
    (folder / "between").touch()
    signal.pause()


def _again(folder: Path) -> None:
    """A first load that was stopped begins anew, in parts of as many blocks as `folder` says by its name."""
    from catchwater.adapters.sources.postgres import parts
    from catchwater.adapters.sources.postgres.capture import Capture

    reading, seen = Capture._reading, set[str]()

    def begun(capture: Capture, relation: Any) -> Any:
        found = reading(capture, relation)
        if found is not None and relation.name not in seen:
            found = replace(found, next=0)
        seen.add(relation.name)
        return found

    parts.PART_BLOCKS = int(folder.name)
    Capture._reading = begun  # type: ignore[method-assign]


BROKEN: dict[str, Callable[[Path], None]] = {
    "rebases": _rebases,
    "swallows": _swallows,
    "ingest": _promises("ingestion"),
    "process": _promises("processed"),
    "load": _published,
    "again": _again,
}

if __name__ == "__main__":
    name, folder = sys.argv.pop(1), Path(sys.argv.pop(1))
    BROKEN[name](folder)
    from catchwater.cli import main

    main()
