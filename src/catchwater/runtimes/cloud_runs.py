"""The runs of a deployed project, read off its bucket, and what its API may ask; nothing is run or kept here."""

import json
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from catchwater.plan.plan import Plan
from catchwater.ports import Store
from catchwater.runtimes.metrics import exposition
from catchwater.runtimes.operations import Publishing
from catchwater.runtimes.status import status
from catchwater.wiring import Wiring

KEPT = 200
FRESH = 10.0  # seconds that a list of runs is good for
READERS = 8


class Runs:
    """The newest runs of the last two days, at most KEPT, from `_runs/` of the ingestion zone (status.Index); none
    where the zone is another cloud's and no store is given."""

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._held: dict[str, dict[str, Any]] = {}
        self._looked = float("-inf")

    def runs(self, limit: int) -> list[dict[str, Any]]:
        """Newest first. A run's number is made of its time and id, since nobody counts them."""
        with self._lock:
            if time.monotonic() - self._looked > FRESH:
                self._look()
                self._looked = time.monotonic()
            return [self._held[key] for key in sorted(self._held, reverse=True)][:limit]

    def run(self, number: int) -> dict[str, Any] | None:
        return next((run for run in self.runs(KEPT) if run["number"] == number), None)

    def steps(self) -> dict[str, dict[str, Any]]:
        """By step: its last run and success, and the failures in a row that it ended with."""
        found: dict[str, dict[str, Any]] = {}
        for run in reversed(self.runs(KEPT)):
            for step in run["steps"]:
                found[step["name"]] = _after(found.get(step["name"], {}), run, step)
        return found

    def totals(self) -> dict[str, float]:
        """None: counters of a cloud are made from its log lines."""
        return {}

    def _look(self) -> None:
        if self._store is None:
            return
        now = datetime.now(UTC)
        keys: set[str] = set()
        for moment, form in ((now, "%Y%m%dT%H"), (now - timedelta(hours=1), "%Y%m%dT%H"), (now, "%Y%m%d"),
                             (now - timedelta(days=1), "%Y%m%d")):  # fmt: skip
            if len(keys) < KEPT // 4:
                keys |= {each.key for each in self._store.list(f"_runs/{moment:{form}}")}
        wanted = sorted(keys)[-KEPT:]
        with ThreadPoolExecutor(READERS) as pool:
            missing = [key for key in wanted if key not in self._held]
            read = dict(zip(missing, pool.map(self._store.read, missing), strict=True))
        self._held = {key: self._held[key] if key in self._held else _run(read[key]) for key in wanted}


def _run(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(data)
    moment, _, name = str(found["id"]).partition("-")
    digits = "".join(each for each in moment if each.isdigit())
    return found | {"number": int(digits) * 10_000 + int(name[:3], 16)}


def _after(before: Mapping[str, Any], run: Mapping[str, Any], step: Mapping[str, Any]) -> dict[str, Any]:
    ok = {"last": run["started"], "last_ok": run["started"], "failing_since": None, "failures": 0, "message": None,
          "next_step": None, "run": None}  # fmt: skip
    if step["state"] != "failed":
        return ok
    return ok | {
        "last_ok": before.get("last_ok"),
        "failing_since": before.get("failing_since") or run["started"],
        "failures": before.get("failures", 0) + 1,
        "message": step["error"],
        "next_step": "see the step's log",
        "run": run["number"],
    }


class DeployedOperations(Publishing):
    """What the API of a deployed project may ask (ports.Operations): it reads runs, and publishes."""

    def __init__(self, plan: Plan, wiring: Wiring, store: Store | None) -> None:
        super().__init__(lambda: plan, wiring)
        self._runs = Runs(store)

    def start_run(self, idempotency_key: str | None) -> dict[str, Any]:
        raise PermissionError("in a cloud its events and schedules start runs")

    def runs(self, limit: int) -> list[dict[str, Any]]:
        return self._runs.runs(limit)

    def run(self, number: int) -> dict[str, Any] | None:
        return self._runs.run(number)

    def status(self) -> dict[str, Any]:
        return status(self._plan(), self._wiring, self._runs, logs=False)

    def metrics(self) -> str:
        return exposition(self.status(), self._runs.totals())
