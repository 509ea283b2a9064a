"""The rows held of each source against the source as it is now; nothing is captured or committed here."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from catchwater.errors import CatchwaterError, SourceBusy, SourceUnreachable
from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest
from catchwater.plan.plan import Plan
from catchwater.ports import Comparable, Compared, Held
from catchwater.runtimes.findings import Finding, Verdict, rows
from catchwater.stages.ingest import held
from catchwater.wiring import Wiring

AREA = "source"
ATTEMPTS, WAIT = 3, 1.0
MEANING = {
    "lost": "in the source and not in the lake",
    "stale": "held with other values than the source has",
    "ghosts": "in the lake and not in the source, where nothing was deleted since",
}


def verify_source(plan: Plan, wiring: Wiring, name: str, verdict: Verdict) -> None:
    """Each table of one source, into `verdict`; a source that can't be asked again is said by name."""
    try:
        source = wiring.source(name)
        if not isinstance(source, Comparable):
            verdict.skipped(AREA, name, f"nothing to compare with: {_never(plan.source(name).kind)}")
            return
        store = wiring.store("ingestion")
        log = Log(store, f"ingestion/{name}")
        head = log.head()
        if head is None:
            verdict.skipped(AREA, name, "nothing was captured yet")
        elif not head.complete:
            verdict.skipped(AREA, name, "a first load or a backfill isn't finished: catchwater run goes on with it")
        else:
            _compare(source, log, head, (plan, wiring), verdict)
    except CatchwaterError as error:
        verdict.failed(AREA, name, error)


def _never(kind: str) -> str:
    words = {"topic": "messages are gone from the queue once the lake holds them"}
    return words.get(kind, f"a source of kind {kind} can't be asked for what it once delivered")


def _compare(source: Comparable, log: Log, head: Manifest, project: tuple[Plan, Wiring], verdict: Verdict) -> None:
    plan, wiring = project
    name = log.folder
    known = held(log, head, log.store)
    planned = [table.name for table in plan.source(name).tables]
    half = [table for table in planned if table in known.tables and "reading" in known.tables[table].state]
    wanted = [table for table in planned if table in known.tables and table not in half]
    for table in planned:
        if table not in wanted:
            said = (
                "its first load isn't finished: catchwater run goes on with it" if table in half else "not captured yet"
            )
            verdict.skipped(AREA, f"{name}.{table}", said)
    if not wanted:
        return
    wiring.state.mkdir(parents=True, exist_ok=True)
    for table in wanted:
        try:
            _say(f"{name}.{table}", _table(source, table, known, wiring.state), verdict)
        except SourceUnreachable:
            raise  # it is that for every table
        except CatchwaterError as error:
            verdict.failed(AREA, f"{name}.{table}", error)


def _table(source: Comparable, table: str, known: Held, state: Path) -> Compared:
    """Each table in a transaction of its own, so that none stands in the way for long; a lock that wasn't granted is
    asked for again."""
    for left in reversed(range(ATTEMPTS)):
        try:
            with tempfile.TemporaryDirectory(prefix="verify-", dir=state) as work:
                return source.compare([table], known, Path(work))[table]
        except SourceBusy:
            if not left:
                raise
            time.sleep(WAIT)
    raise AssertionError("the last attempt returns or raises")


def _say(name: str, found: Compared, verdict: Verdict) -> None:
    numbers = {part: getattr(found, part) for part in ("equal", "pending", "lost", "stale", "ghosts")}
    if found.wrong:
        parts = [f"{rows(numbers[kind])} {words}" for kind, words in MEANING.items() if numbers[kind]]
        shown = _shown(found.keys, found.wrong)
        message = f"{'; '.join(parts)}{shown}"
        verdict.wrong(Finding(AREA, name, message, f"catchwater backfill {name}"), name, **numbers)
    elif found.note and not found.equal and not found.pending:
        verdict.skipped(AREA, name, found.note)
    elif found.pending:
        note = f" ({found.note})" if found.note else ""
        verdict.pending(
            AREA,
            name,
            f"{rows(found.equal)} equal; {found.pending:,} changed there since the last run{note}",
            **numbers,
        )
    else:
        verdict.equal(AREA, name, f"{rows(found.equal)} equal", **numbers)


def _shown(keys: Sequence[str], wrong: int) -> str:
    if not keys:
        return ""
    more = f"\n    … and {wrong - len(keys):,} more" if wrong > len(keys) else ""
    return "".join(f"\n    {key}" for key in keys) + more
