"""`catchwater up`: the scheduler, the topics and the API's wishes in one loop, until it is told to stop."""

import fcntl
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from catchwater.errors import AlreadyRunning, CatchwaterError
from catchwater.runtimes.local import Runtime
from catchwater.runtimes.report import RunReport
from catchwater.runtimes.schedule import due
from catchwater.runtimes.status import freshness
from catchwater.runtimes.sweep import Daily

TICK = 0.1
LOOK_EVERY = 1.0
FRESHNESS_EVERY = 10.0
RETRY_FIRST, RETRY_LAST = 5.0, 300.0
logger = logging.getLogger("catchwater")


@contextmanager
def only_one(state: Path) -> Iterator[None]:
    """Hold the project's `up`; raises AlreadyRunning with the other's process id. Ends with the process."""
    state.mkdir(parents=True, exist_ok=True)
    path = state / "up.lock"
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            pid = lock.read().strip() or "unknown"
            raise AlreadyRunning(
                f"catchwater up already runs this project (process {pid})",
                where=str(state.parent),
                next_step="use that one, or stop it: kill " + pid,
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


class Loop:
    """One worker: what is due, what was published and what was asked for, in that order, again and again."""

    def __init__(self, runtime: Runtime, tell: Callable[[RunReport], None]) -> None:
        self.runtime, self._tell = runtime, tell
        self.stopping = threading.Event()
        self.asked: queue.Queue[tuple[int, str]] = queue.Queue()
        self._last: dict[str, datetime] = {}
        self._seen: dict[str, Any] = {}
        self._retries: dict[str, tuple[int, datetime]] = {}
        self._version: int | None = None
        self._looked = 0.0
        self._checked = datetime.now(UTC)
        self.sweeps = Daily(runtime)

    def stop(self) -> None:
        """Finish the step at hand, then return."""
        self.stopping.set()
        self.runtime.stopping.set()

    def run(self) -> None:
        """Catch up with everything once, then wait for triggers. Returns after stop()."""
        self._survive(self._first)
        while not self.stopping.wait(TICK):
            self._survive(self.turn)

    def _survive(self, act: Callable[[], None]) -> None:
        try:
            act()
        except CatchwaterError as error:
            logger.error("%s", error)
        except Exception:
            logger.exception("a fault in Catchwater itself; the loop goes on")

    def _first(self) -> None:
        self._watch()
        try:
            self._note(self.runtime.run("deployment" if self.runtime.changed else "start"))
        finally:
            now = datetime.now(UTC)
            for trigger in self.runtime.plan.triggers:
                if trigger.kind == "schedule":
                    self._last[trigger.step] = now

    def turn(self) -> None:
        """One look at everything that may wake a step."""
        if not self.asked.empty():
            number = self.asked.get()
            self._note(self.runtime.run("request", number))
        woken = (self._watch(), "message"), (self._due(), "schedule"), (self._failed(), "retry")
        for wanted, trigger in woken:
            if wanted:
                self._note(self.runtime.wake(wanted, trigger))
        if time.monotonic() - self._looked >= LOOK_EVERY:
            self._looked = time.monotonic()
            self._release()
            self.sweeps.look(datetime.now(UTC))
        now = datetime.now(UTC)
        if (now - self._checked).total_seconds() >= FRESHNESS_EVERY:
            self._checked = now
            self.runtime.alerts.freshness(freshness(self.runtime.plan, self.runtime.records))

    def _release(self) -> None:
        """Let go of a version that another process replaced, or its next load but one would wait for us."""
        warehouse = self.runtime.wiring.warehouse()
        with suppress(CatchwaterError):  # a warehouse that can't be read is told by the next load
            version = warehouse.version()
            if version is not None and version.number != self._version:
                with warehouse.read() as reading:
                    self._version = reading.version.number

    def _note(self, report: RunReport) -> None:
        for outcome in report.outcomes:
            if outcome.failed:
                tries = self._retries.get(outcome.step, (0, None))[0] + 1
                self._retries[outcome.step] = tries, datetime.now(UTC) + _wait(tries)
            else:
                self._retries.pop(outcome.step, None)
        if report.moved or report.state != "done":
            self._tell(report)

    def _due(self) -> set[str]:
        now = datetime.now(UTC)
        wanted = set()
        for trigger in self.runtime.plan.triggers:
            if trigger.kind != "schedule":
                continue
            if due(trigger.detail, self._last.get(trigger.step), now) <= now:
                wanted.add(trigger.step)
                self._last[trigger.step] = now
        return wanted

    def _failed(self) -> set[str]:
        """The steps that failed and whose wait is over; each failure doubles the wait."""
        now = datetime.now(UTC)
        due = {step: tries for step, (tries, at) in self._retries.items() if at <= now}
        for step, tries in due.items():
            self._retries[step] = tries, now + _wait(tries + 1)  # a step that isn't run, since it waits, waits on
        return due.keys() & {step.name for step in self.runtime.plan.steps}

    def _watch(self) -> set[str]:
        """The ingest steps whose topic another process, or our own API, published to."""
        wanted = set()
        for trigger in self.runtime.plan.triggers:
            if trigger.kind not in ("message", "request"):
                continue
            source = trigger.step.split(":", 1)[1]
            newest = self.runtime.wiring.topic(source).newest()
            if newest != self._seen.get(source):
                self._seen[source] = newest
                wanted.add(trigger.step)
        return wanted


def _wait(tries: int) -> timedelta:
    """How long after the n-th failure in a row; 2**32 s would be over in any case."""
    return timedelta(seconds=min(RETRY_FIRST * 2 ** min(tries - 1, 32), RETRY_LAST))
