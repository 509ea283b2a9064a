"""Backfill: sources led back to read again what is there; the captures that follow write only what differs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from catchwater.errors import UseError
from catchwater.lake.log import Log
from catchwater.plan.plan import Plan
from catchwater.ports import Rewinding
from catchwater.stages.again import Back, rewind, rewound
from catchwater.wiring import SystemClock, Wiring


@dataclass(frozen=True)
class Rewound:
    """One source led back: `batch` says so in its log."""

    source: str
    tables: tuple[str, ...]
    batch: int


def wanted(plan: Plan, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Source → the tables of it to read again, from names like `shop` and `shop.orders`; no names: every table of all
    sources that can be read again. Raises UseError for names that the plan doesn't have."""
    known = {source.name: tuple(table.name for table in source.tables) for source in plan.sources}
    if not names:
        return known
    found: dict[str, list[str]] = {}
    wrong: dict[str, str] = {}
    for name in names:
        source, dot, table = name.partition(".")
        if source not in known:
            wrong[f"there is no source {source or name}"] = f"use one of: {', '.join(known)}"
        elif dot and table not in known[source]:
            wrong[f"{source} has no table {table or name}"] = f"of {source}: {', '.join(known[source])}"
        else:
            found.setdefault(source, []).extend([table] if table else known[source])
    if wrong:
        raise UseError("; ".join(wrong), next_step="; ".join(dict.fromkeys(wrong.values())))
    return {source: tuple(dict.fromkeys(tables)) for source, tables in found.items()}


def again(plan: Plan, wiring: Wiring, names: Sequence[str], since: datetime | None) -> list[Rewound]:
    """Commit for each source the position to read again from; nothing is read yet.

    Raises UseError for a source that was named and can't be read again, and where none can."""
    chosen = wanted(plan, names)
    sources = {name: wiring.source(name) for name in chosen}
    unable = [name for name, source in sources.items() if not isinstance(source, Rewinding)]
    if unable and (names or len(unable) == len(sources)):
        raise UseError(
            f"{', '.join(unable)} can't be read again: {_why(plan, unable[0])}",
            next_step="catchwater replay, for messages that were set aside; publish others again",
        )
    able = {name: source for name, source in sources.items() if isinstance(source, Rewinding)}
    logs = {name: Log(wiring.store("ingestion"), f"ingestion/{name}") for name in able}
    for name, source in able.items():
        rewound(logs[name], source, Back(chosen[name], since))  # what is refused is refused before anything is led back
    return [
        Rewound(name, chosen[name], rewind(logs[name], source, Back(chosen[name], since), SystemClock()).seq)
        for name, source in able.items()
    ]


def _why(plan: Plan, name: str) -> str:
    kind = plan.source(name).kind
    return "messages are gone from the queue once the lake holds them" if kind == "topic" else f"it is of kind {kind}"
