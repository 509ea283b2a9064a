"""Sweep: files of the lake that no batch names go once they are a week old; only logs of the plan are looked at."""

import logging
import threading
import time
from datetime import datetime, timedelta
from typing import Any, cast

from catchwater.errors import CatchwaterError, UseError
from catchwater.lake.sweep import Sweeping, Swept, sweep
from catchwater.plan.plan import Plan, Step
from catchwater.runtimes.local import Runtime
from catchwater.runtimes.records import utc
from catchwater.runtimes.report import RunReport, failed, state_of
from catchwater.stages.outcome import Outcome
from catchwater.wiring import SystemClock, Wiring

logger = logging.getLogger("catchwater")
STEP = "sweep"
DAY = timedelta(days=1)


def swept(plan: Plan, wiring: Wiring, dry: bool) -> list[dict[str, Any]]:
    """{log, files, bytes} for each log of the plan; with `dry` nothing is removed. Raises Corrupt and ChainBroken for a
    log that can't be trusted, of which nothing is removed."""
    names = [f"ingestion/{source.name}" for source in plan.sources]
    names += [f"processed/{model.name}" for model in plan.models if model.materialized != "view"]
    now = SystemClock().now()
    found = []
    for name in names:
        store = wiring.store(name.partition("/")[0])
        if not hasattr(store, "delete"):
            raise UseError("this store can't delete", where=name)
        one: Swept = sweep(cast("Sweeping", store), [name], now, dry)
        found.append({"log": name, "files": one.files, "bytes": one.bytes})
    return found


class Daily:
    """Sweeps once a day in a thread of its own, so that no wake waits for it; a process may end in its midst."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._thread: threading.Thread | None = None
        last = runtime.records.steps().get(STEP)
        self._last = datetime.fromisoformat(last["last"]) if last else None

    def look(self, now: datetime) -> None:
        """Begin one when the last is a day ago, or when the clock is before it."""
        recent = self._last is not None and self._last <= now < self._last + DAY
        if recent or (self._thread and self._thread.is_alive()):
            return
        self._last = now
        self._thread = threading.Thread(target=self._sweep, name=STEP, daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Until the one that has begun is over, at most so long."""
        if self._thread:
            self._thread.join(seconds)

    def _sweep(self) -> None:
        try:
            self._record(self._outcome())
        except CatchwaterError as error:  # as of a full disk; the loop has told of it too
            logger.error("%s", error)
        finally:
            self._runtime.records.close()

    def _record(self, outcome: Outcome) -> None:
        runtime = self._runtime
        if not outcome.failed and not outcome.notes:
            runtime.records.succeeded(STEP)
            return
        number, run, _ = runtime.records.begin(STEP)
        for note in outcome.notes:
            runtime.records.log(number, "info", STEP, note, {})
        report = RunReport(
            number, run, STEP, utc(), outcome.seconds, state_of([outcome]), 0, (outcome,), moved=not outcome.failed
        )
        runtime.records.end(number, report.as_dict())
        runtime.alerts.step(number, outcome)

    def _outcome(self) -> Outcome:
        began = time.monotonic()
        try:
            found = swept(self._runtime.plan, self._runtime.wiring, dry=False)
        except Exception as error:
            return failed(Step(STEP, STEP), error, time.monotonic() - began)
        gone = [f"{one['log']}: {one['files']} files, {one['bytes']:,} bytes" for one in found if one["files"]]
        return Outcome(STEP, STEP, seconds=time.monotonic() - began, notes=tuple(gone))
