"""Sweep: files of the lake that no batch names go once they are a week old; only logs of the plan are looked at."""

from typing import Any, cast

from catchwater.errors import UseError
from catchwater.lake.sweep import Sweeping, Swept, sweep
from catchwater.plan.plan import Plan
from catchwater.wiring import SystemClock, Wiring


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
