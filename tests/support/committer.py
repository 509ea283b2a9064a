"""A process that commits to a local log and is meant to be killed: `python -m tests.support.committer MODE FOLDER`."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from catchwater.adapters.stores.local import LocalStore
from catchwater.lake.log import Log
from tests.support.lake import FixedClock, draft, table

CALLS = ("fsync", "link", "open", "mkdir", "unlink")


class InPlace(LocalStore):
    """Broken: writes an object where readers already see it."""

    def _place(self, path: Path, write: Callable[[BinaryIO], object]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            os.fsync(file.fileno())
            write(file)


def commit(store: LocalStore, scratch: Path) -> tuple[int, str]:
    clock = FixedClock()
    log = Log(store, "ingestion/s", clock)
    scratch.write_bytes(os.urandom(5000))
    file = log.stage(scratch, rows=1)
    done = log.commit(draft(clock, tables={"t": table(file)}), log.head())
    return done.seq, done.hash


def loop(folder: Path) -> None:
    while True:
        seq, digest = commit(LocalStore(folder), folder.with_name(f"scratch-{os.getpid()}"))
        sys.stdout.write(f"{seq} {digest}\n")
        sys.stdout.flush()


def points(folder: Path, kind: type[LocalStore]) -> None:
    """One lake per system call of a commit, in which the second commit ends at that call."""
    for number in range(1, 100):
        store = kind(folder / f"{number:03d}")
        commit(store, folder.with_name("scratch"))
        child = os.fork()
        if not child:
            end_at(number)
            commit(store, folder.with_name("scratch"))
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            return


def end_at(number: int) -> None:
    """Leave without any clean-up before the `number`th of the calls that change the disk."""
    count = 0

    def ending(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                os._exit(9)
            return call(*args, **kwargs)

        return wrapped

    for name in CALLS:
        setattr(os, name, ending(getattr(os, name)))


if __name__ == "__main__":
    mode, where = sys.argv[1], Path(sys.argv[2])
    where.parent.mkdir(parents=True, exist_ok=True)
    if mode == "loop":
        loop(where)
    else:
        points(where, LocalStore if mode == "points" else InPlace)
