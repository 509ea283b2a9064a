"""Moments of a capture: before and after each statement that it sends, at which a test may let something happen."""

import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from catchwater.adapters.sources.postgres.connection import Session
from tests.support.postgres import Database

Statement = str | tuple[str, str]
WAITS = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity"
WAITING = "SELECT EXISTS (SELECT FROM pg_stat_activity"


@dataclass
class Moments:
    """Counts the moments as they pass, and at `chosen` calls `happen`; `passed` says before and after which statement."""

    chosen: int = -1
    happen: Callable[[], None] = lambda: None
    passed: list[str] = field(default_factory=list)

    def pass_by(self, what: str) -> None:
        self.passed.append(what)
        if len(self.passed) - 1 == self.chosen:
            self.happen()


class Watched:
    """A DuckDB connection whose statements to the server are moments."""

    def __init__(self, con: Any, moments: Moments) -> None:
        self._con, self._moments = con, moments

    def __getattr__(self, name: str) -> Any:
        return getattr(self._con, name)

    def execute(self, sql: str, *more: Any) -> Any:
        if "postgres_query" not in sql and "postgres_execute" not in sql and sql != "BEGIN":
            return self._con.execute(sql, *more)
        self._moments.pass_by(f"before {sql[:2000]}")
        done = self._con.execute(sql, *more)
        self._moments.pass_by(f"after {sql[:2000]}")
        return done


@contextmanager
def watched(moments: Moments) -> Iterator[Moments]:
    """Every session that is opened within the block is watched."""
    begin = Session.__init__

    def watch(self: Session, con: Any, *more: Any) -> None:
        begin(self, con, *more)
        self.con = Watched(con, moments)  # type: ignore[assignment]

    with mock.patch.object(Session, "__init__", watch):
        yield moments


class Change(threading.Thread):
    """Statements from another connection: they are let go until they are done or wait for a lock, and not longer."""

    def __init__(self, db: Database, statements: Sequence[Statement]) -> None:
        super().__init__()
        self.db, self.connection, self.watcher = db, db.connect(), db.connect()
        self.statements = list(statements)
        [[self.pid]] = self.connection.run("SELECT pg_backend_pid()")
        self.last = threading.Event()
        self.last.set()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while len(self.statements) > 1:
                self.one(self.statements.pop(0))
            while not self.last.wait(0.005) and not self.others_wait():
                pass
            self.one(self.statements.pop(0))
        except BaseException as error:
            self.failure = error

    def one(self, statement: Statement) -> None:
        """A statement, or COPY with its lines."""
        if isinstance(statement, tuple):
            self.connection.run(statement[0], stream=io.BytesIO(statement[1].encode()))
        else:
            self.connection.run(statement)

    def others_wait(self) -> bool:
        found: list[list[bool]] = self.watcher.run(f"{WAITING} WHERE {self.pid} = ANY(pg_blocking_pids(pid)))")
        return found == [[True]]

    def let_go(self) -> None:
        """Start, and return when it is done or waits."""
        self.start()
        deadline = time.monotonic() + 20
        while self.is_alive() and self.watcher.run(f"{WAITS} WHERE pid = {self.pid}") != [[True]]:
            assert time.monotonic() < deadline, "it neither ends nor waits"
            time.sleep(0.002)

    def hold(self) -> None:
        """Do all but the last statement (COMMIT), which follows when somebody waits for this."""
        while len(self.statements) > 1:
            self.one(self.statements.pop(0))
        self.last.clear()
        self.start()

    def finish(self) -> None:
        self.last.set()
        if self.ident is not None:
            self.join(60)
            assert not self.is_alive(), "it still waits"
        for connection in (self.connection, self.watcher):
            self.db.open.remove(connection)
            connection.close()
        if self.failure is not None:
            raise self.failure
