"""Replay: models made anew from the ingestion zone, and rows that sources set aside tried again, each taken once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from catchwater.errors import UseError
from catchwater.lake import quarantine
from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest
from catchwater.plan.plan import Plan, Step
from catchwater.ports import Replaying, Rewinding, Store
from catchwater.runtimes.findings import rows as counted
from catchwater.stages.again import Back, replay, rewind, waiting
from catchwater.stages.process import rebuild
from catchwater.wiring import SystemClock, Wiring

RUN = "replay"
MENDED = {
    "postgres": "correct the rows there, then catchwater backfill {table}",
    "github": "what isn't an event stays none; when the archive was mended: catchwater backfill {source}",
}


@dataclass
class Replayed:
    """What was done: `sources` and `models` in facts, `logs` that have a new batch, `failures` in words, and how many
    rows are still aside."""

    sources: list[dict[str, Any]] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)
    logs: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    aside: int = 0


def replayed(plan: Plan, wiring: Wiring, names: Sequence[str]) -> Replayed:
    """Replay the sources and models of these names (a name may be both); without names, every source's rows aside.

    Raises UseError for a name that the plan doesn't have, and for a view."""
    sources = {source.name for source in plan.sources}
    models = {model.name: model for model in plan.models}
    for name in names:
        if name not in sources and name not in models:
            known = ", ".join(dict.fromkeys([*sources, *models]))
            raise UseError(f"there is no source or model {name}", next_step=f"use one of: {known}")
        if name in models and models[name].materialized == "view" and name not in sources:
            raise UseError(f"{name} is a view: it has no rows of its own", next_step="replay what it reads")
    done = Replayed()
    for source in plan.sources:
        if not names or source.name in names:
            _source(plan, wiring, source.name, done)
    for model in plan.models:
        if model.name in names and model.materialized != "view":
            _model(plan, wiring, model.name, done)
    return done


def woken(plan: Plan, logs: set[str]) -> set[str]:
    """The steps that have something to do once these logs have new batches."""
    steps = {trigger.step for trigger in plan.triggers if trigger.kind == "batch" and trigger.detail in logs}
    return steps | {step.name for step in plan.steps if step.stage == "load" and logs}


def _model(plan: Plan, wiring: Wiring, name: str, done: Replayed) -> None:
    step = next(step for step in plan.steps if step.stage == "process" and name in step.models)
    outcome = rebuild(wiring.open(plan, step), plan, step, name, RUN)
    done.failures += [f"{failure.what}: {failure.message}" for failure in outcome.failures]
    done.failures += [note for note in outcome.notes if not outcome.moved]
    done.aside += outcome.quarantined
    for ref in outcome.batches:
        done.logs.add(ref.log)
        done.models.append({"model": name, "batch": ref.seq, "rows": outcome.rows_out, "aside": outcome.quarantined})


def _source(plan: Plan, wiring: Wiring, name: str, done: Replayed) -> None:
    log = Log(wiring.store("ingestion"), f"ingestion/{name}")
    batches = waiting(log)
    if not batches:
        done.sources.append({"source": name, "said": "no rows are aside"})
        return
    source = wiring.source(name)
    if isinstance(source, Replaying):
        _messages(log, source, batches, done)
    elif plan.source(name).kind == "http_files" and isinstance(source, Rewinding):
        files = tuple(batch.quarantine.path for batch in batches if batch.quarantine)
        made = rewind(log, source, Back((name,), replayed=files), SystemClock())
        said = f"its file is read again with the columns of now (batch {made.seq})"
        done.sources.append({"source": name, "said": said, "batch": made.seq})
        done.logs.add(log.name)
    else:
        tables = sorted({f"{name}.{row.table}" for row in _aside(log.store, batches)})
        rows = sum(batch.quarantine.rows for batch in batches if batch.quarantine)
        step = MENDED.get(plan.source(name).kind, "").format(source=name, table=" ".join(tables))
        done.sources.append({"source": name, "said": f"{counted(rows)} aside can't be tried from here", "next": step})
        done.aside += rows


def _messages(log: Log, source: Replaying, batches: Sequence[Manifest], done: Replayed) -> None:
    """One file of quarantine after the other: each that gives a row is committed as a batch of its own."""
    for batch in batches:
        tried = replay(log, source, batch, SystemClock())
        left = tried.rows - tried.taken
        said = f"{tried.taken:,} of {tried.rows:,} rows of batch {batch.seq} are taken now"
        if tried.batch:
            done.logs.add(log.name)
            said += f" (batch {tried.batch.seq})"
        done.aside += left
        done.sources.append({
            "source": log.folder, "said": said, "taken": tried.taken, "aside": left,
            "batch": tried.batch.seq if tried.batch else None, "reasons": list(tried.reasons[:5]),
        })  # fmt: skip


def _aside(store: Store, batches: Sequence[Manifest]) -> Iterator[Any]:
    for batch in batches:
        if batch.quarantine:
            yield from quarantine.read(store, batch.quarantine)


def ingests(plan: Plan, logs: set[str]) -> list[Step]:
    """The ingest steps of these logs' sources."""
    return [step for step in plan.steps if step.stage == "ingest" and f"ingestion/{step.source}" in logs]
