"""Ingest: from a source to its log. What is new is the source's to say; what is committed is decided here."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catchwater import __version__
from catchwater.errors import LostRace, SourceBusy
from catchwater.lake import quarantine
from catchwater.lake.carried import rows_of
from catchwater.lake.checkpoint import roll
from catchwater.lake.log import Log
from catchwater.lake.manifest import Draft, Manifest, TableBatch
from catchwater.lake.read import create_rows
from catchwater.lake.span import Span
from catchwater.plan.plan import Plan, Step
from catchwater.ports import Captured, Extraction, Held, Ports, Store, TableHeld
from catchwater.project.names import quote
from catchwater.project.tables import TableSchema
from catchwater.stages.outcome import Outcome, TableOutcome

if TYPE_CHECKING:
    import duckdb

ATTEMPTS = 8
FIRST_WAIT = 0.25
SKEW = timedelta(hours=2)  # by which the clocks of two writers of one log may differ


def ingest(ports: Ports, plan: Plan, step: Step, run: str) -> Outcome:
    """Commit what the source has that its log hasn't, batch after batch until nothing is new.

    Raises what the source raises once a lock or a lost race was retried ATTEMPTS times.
    """
    began = time.monotonic()
    log = Log(ports.stores["ingestion"], f"ingestion/{step.source}", ports.clock)
    outcome = Outcome(step.name, "ingest")
    more = True
    while more and not ports.enough():
        done, more = _retried(lambda: _batch(log, ports, plan, step, run))
        outcome = outcome.plus(done) if done else outcome
    return replace(outcome, seconds=time.monotonic() - began, more=more)


def _retried(attempt: Callable[[], tuple[Outcome | None, bool]]) -> tuple[Outcome | None, bool]:
    for number in range(ATTEMPTS - 1):
        try:
            return attempt()
        except (LostRace, SourceBusy):
            time.sleep(FIRST_WAIT * min(2**number, 16))
    return attempt()


def _batch(log: Log, ports: Ports, plan: Plan, step: Step, run: str) -> tuple[Outcome | None, bool]:
    started = ports.clock.now()
    head = log.head()
    assert ports.source is not None  # noqa: S101 (an ingest step is opened with its source)
    with tempfile.TemporaryDirectory(prefix="catchwater-") as work:
        tables = [table.name for table in plan.source(step.source).tables]
        began = time.monotonic()
        extraction = ports.source.capture(tables, held(log, head, log.store), Path(work))
        if extraction is None:
            return None, False
        read = time.monotonic()
        checkpoint, notes = roll(log, head, ports.engine)
        draft = Draft(
            stage="ingest",
            version=__version__,
            run=run,
            started=started.isoformat(),
            position=extraction.position,
            tables=tables_after(log, head, extraction),
            raw=tuple(log.stage(path, 0, 0, folder="raw") for path in extraction.raw),
            quarantine=quarantine.write(log, extraction.refused),
            timings={"read": round(read - began, 3), "stage": round(time.monotonic() - read, 3)},
            part=extraction.part,
            complete=extraction.complete,
            checkpoint=checkpoint,
        )
        manifest = log.commit(draft, head)
        if extraction.settle is not None:
            extraction.settle()
    done = _outcome(step, manifest, extraction)
    return replace(done, notes=(*done.notes, *notes)), extraction.more


def tables_after(log: Log, head: Manifest | None, extraction: Extraction) -> dict[str, TableBatch]:
    """Every table the log knows: those captured, and the others as they were, without files."""
    tables = {
        name: replace(table, rows=0, files=(), revised=0) for name, table in (head.tables if head else {}).items()
    }
    return tables | {name: _stage(log, captured) for name, captured in extraction.tables.items()}


def _stage(log: Log, captured: Captured) -> TableBatch:
    files = []
    start = 0
    for path in captured.files:
        rows = rows_of(path)
        files.append(log.stage(path, rows, start))
        start += rows
    schema = captured.schema
    return TableBatch(
        schema.columns, schema.key, start, tuple(files), captured.count, captured.checksum, captured.revised
    )


def held(log: Log, head: Manifest | None, store: Store) -> Held:
    """What the source may know of its own log at `head`."""
    if head is None:
        return Held(None, {}, _no_table)
    states = head.position.get("tables", {})
    tables = {
        name: TableHeld(TableSchema(name, t.schema, t.key), t.count, t.checksum, states.get(name, {}))
        for name, t in head.tables.items()
    }

    @cache
    def span() -> Span:
        return log.span(head.seq)

    def current(con: "duckdb.DuckDBPyConnection", table: str) -> str:
        known = head.tables[table]
        view = f"__current_{table}"
        create_rows(con, view, store, span(), table, known.schema, known.key)
        return quote(view)

    def positions(moment: datetime) -> Iterator[Mapping[str, Any]]:
        manifest = head
        while datetime.fromisoformat(manifest.committed) >= moment - SKEW:
            yield manifest.position
            if manifest.seq == 1:
                return
            manifest = log.read(manifest.seq - 1)

    return Held(head.position, tables, current, positions)


def _no_table(con: "duckdb.DuckDBPyConnection", table: str) -> str:
    raise KeyError(table)


def _outcome(step: Step, manifest: Manifest, extraction: Extraction) -> Outcome:
    refused = len(extraction.refused)
    counts = {name: TableOutcome(rows=table.rows) for name, table in manifest.tables.items()}
    return Outcome(
        step.name,
        "ingest",
        batches=(manifest.ref,),
        rows_in=extraction.rows_read,
        rows_out=sum(table.rows for table in manifest.tables.values()),
        quarantined=refused,
        tables=counts,
        notes=(*extraction.notes, *extraction.warnings),
        warnings=extraction.warnings,
    )
