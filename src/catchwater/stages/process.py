"""Process: the models of one group, from the logs they read to their own; what a row means is the model's alone."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from catchwater.errors import CatchwaterError, GrantMissing, LostRace
from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest, Ref
from catchwater.plan.plan import Model, Plan, Read, Step
from catchwater.ports import Ports
from catchwater.stages.checks import Broken
from catchwater.stages.compute import compute
from catchwater.stages.inputs import asks_the_time, table_reads, upstream, varies
from catchwater.stages.outcome import Failure, Outcome, TableOutcome
from catchwater.stages.work import Computed, Work


def process(ports: Ports, plan: Plan, step: Step, run: str) -> Outcome:
    """Bring every model of the step's group to the same offsets of the ingestion logs.

    A model that fails is a failure of the outcome and holds back what reads it; nothing of it is committed. When
    nothing moved, nothing is committed. Raises GrantMissing.
    """
    began = time.monotonic()
    group = _Group(ports, plan, step, run)
    for number, model in enumerate(group.models):
        if number and ports.enough():
            group.outcome = replace(group.outcome, more=True)
            break
        group.bring(model)
    return replace(group.outcome, seconds=time.monotonic() - began, rows_in=group.rows_in())


def rebuild(ports: Ports, plan: Plan, step: Step, model: str, run: str) -> Outcome:
    """Commit one model of the step anew: all its rows, computed in full from what it reads, in a batch at which its
    readers begin (`position.reset`); the rows held before play no part, and may be unreadable.

    A model that reads others is made from their logs: rebuild those first. Fails and raises as `process`."""
    began = time.monotonic()
    group = _Group(ports, plan, step, run, anew=model)
    group.bring(plan.model(model))
    return replace(group.outcome, seconds=time.monotonic() - began, rows_in=group.rows_in())


@dataclass
class _Group:
    """One wake of a group: heads and offsets are looked up once, so that all models see the same. `anew` is a model
    whose rows are to be committed anew."""

    ports: Ports
    plan: Plan
    step: Step
    run: str
    anew: str = ""
    outcome: Outcome = field(init=False)
    models: list[Model] = field(init=False)
    logs: dict[str, Log] = field(default_factory=dict)
    heads: dict[str, Manifest | None] = field(default_factory=dict)
    upto: dict[str, Manifest | None] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    new_rows: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.outcome = Outcome(self.step.name, "process")
        self.models = ordered(self.plan, self.step)
        for model in self.models:
            self.heads[model.name] = self.log(f"processed/{model.name}").head()
        needed = {read.log for model in self.models for read in table_reads(self.plan, model)}
        for name in sorted(log for log in needed if log.startswith("ingestion/")):
            self.upto[name] = self._readable(name)

    def log(self, name: str) -> Log:
        if name not in self.logs:
            self.logs[name] = Log(self.ports.stores[name.partition("/")[0]], name, self.ports.clock)
        return self.logs[name]

    def _readable(self, name: str) -> Manifest | None:
        """The newest batch that completes its series: a first load is read when its last part is there."""
        log = self.log(name)
        head = log.head()
        while head is not None and not head.complete:
            head = log.read(head.seq - 1) if head.seq > 1 else None
        return head

    def bring(self, model: Model) -> None:
        """One model to the offsets of this wake."""
        reads = table_reads(self.plan, model)
        above = {read.table for read in reads if read.log.startswith("processed/")}
        if above & self.stopped:
            self._stop(model, skipped=True)
            return
        waiting = sorted(read.log for read in reads if self._end(read.log) is None)
        head = self.heads[model.name]
        lost = [ref for ref in (head.inputs if head else ()) if ref.log in waiting]
        if waiting and not lost:
            self.stopped.add(model.name)
            self._note(f"{model.name} waits for the first batch of {', '.join(dict.fromkeys(waiting))}")
            return
        half = [read.table for read in reads if self._half_read(read)]
        if half:
            self.stopped.add(model.name)
            self._note(f"{model.name} waits until {', '.join(dict.fromkeys(half))} is read whole")
            return
        began = time.monotonic()
        try:
            for ref in lost:
                self.log(ref.log).batches(ref)  # ChainBroken: what was read once isn't there any more
            done = self._bring(model, reads)
        except GrantMissing:
            raise
        except LostRace as error:
            self._stop(model)
            self._note(f"{model.name}: {error.message}")
            self.outcome = replace(self.outcome, more=True)
        except CatchwaterError as error:
            self._stop(model)
            self._fail(model, error)
        else:
            self._add(model, done, time.monotonic() - began)

    def _half_read(self, read: Read) -> bool:
        """Whether parts of a table are still to come: it wasn't among the source's tables when the batch was made."""
        end = self._end(read.log)
        return end is not None and "reading" in end.position.get("tables", {}).get(read.table, {})

    def _end(self, log: str) -> Manifest | None:
        zone, _, name = log.partition("/")
        return self.upto[log] if zone == "ingestion" else self._model_head(name)

    def _model_head(self, name: str) -> Manifest | None:
        if name not in self.heads:
            self.heads[name] = self.log(f"processed/{name}").head()
        return self.heads[name]

    def _bring(self, model: Model, reads: tuple[Read, ...]) -> "Computed | None":
        head = self.heads[model.name]
        inputs = self._inputs(reads)
        anew = model.name == self.anew
        fresh = anew or head is None or head.position.get("digest") != model.digest or not head.complete
        if head is not None and not fresh and inputs == tuple(sorted(head.inputs)) and not self._due(model, head):
            return None
        news = self._news(head, inputs)
        work = Work(
            ports=self.ports,
            plan=self.plan,
            model=model,
            head=head,
            inputs=inputs,
            news=news,
            whole=self._whole,
            fresh=fresh,
            still=not fresh and not any(_touched(read, news) for read in reads) and not varies(model),
            run=self.run,
            anew=anew,
        )
        with tempfile.TemporaryDirectory(prefix="catchwater-") as folder:
            computed = compute(work, self.log(f"processed/{model.name}"), Path(folder))
        self.heads[model.name] = computed.batches[-1]
        return computed

    def _due(self, model: Model, head: Manifest) -> bool:
        """A model that asks the time is computed again on the first wake of a day (UTC), even if no input moved."""
        today = self.ports.clock.now().astimezone(UTC).date()
        return asks_the_time(model) and datetime.fromisoformat(head.committed).date() != today

    def _inputs(self, reads: tuple[Read, ...]) -> tuple[Ref, ...]:
        """What is read, and the ingestion offsets behind the models that are."""
        found: dict[str, Ref] = {}
        for read in reads:
            end = self._end(read.log)
            if end is None:
                continue
            found[read.log] = end.ref
            for ref in end.inputs if read.log.startswith("processed/") else ():
                if ref.log.startswith("ingestion/"):
                    found.setdefault(ref.log, ref)
        return tuple(sorted(found.values()))

    def _news(self, head: Manifest | None, inputs: tuple[Ref, ...]) -> dict[str, list[Manifest]]:
        """Per log the batches after the recorded one; ChainBroken when that isn't in its log, LostRace when this
        wake has seen less than another that committed meanwhile."""
        news = {}
        for ref in inputs:
            before = head.input(ref.log) if head else None
            if before and before.seq > ref.seq:
                self.log(ref.log).batches(before)
                raise LostRace("another run has processed more than this one saw", where=before.log)
            news[ref.log] = self.log(ref.log).batches(before, ref.seq)
        return news

    def _whole(self, log: str) -> Sequence[Manifest]:
        end = self._end(log)
        return self.log(log).span(end.seq) if end else []

    def _stop(self, model: Model, *, skipped: bool = False) -> None:
        self.stopped.add(model.name)
        if skipped:
            self.outcome = replace(self.outcome, skipped=(*self.outcome.skipped, model.name))

    def _note(self, text: str) -> None:
        self.outcome = replace(self.outcome, notes=(*self.outcome.notes, text))

    def _fail(self, model: Model, error: CatchwaterError) -> None:
        failures = [Failure(model.name, type(error).__name__, str(error))]
        if isinstance(error, Broken):
            found = [(broken, broken.finding) for broken in (error, *error.others)]
            failures = [
                Failure(model.name, "CheckFailed", str(broken), finding.check.name, finding.count, finding.sample)
                for broken, finding in found
            ]
        self.outcome = replace(self.outcome, failures=(*self.outcome.failures, *failures))

    def _add(self, model: Model, done: "Computed | None", seconds: float) -> None:
        if done is None:
            return
        for log, batches in done.news.items():
            for batch in batches:
                for name, held in batch.tables.items():
                    if any(read.log == log and read.table == name for read in table_reads(self.plan, model)):
                        self.new_rows[(f"{log}:{batch.seq}", name)] = held.rows
        counts = done.counts
        table = TableOutcome(
            rows=done.rows,
            added=counts.added,
            changed=counts.changed,
            removed=counts.removed,
            quarantined=done.quarantined,
            seconds=seconds,
        )
        self.outcome = replace(
            self.outcome,
            batches=self.outcome.batches + tuple(batch.ref for batch in done.batches),
            rows_out=self.outcome.rows_out + done.rows,
            added=self.outcome.added + counts.added,
            changed=self.outcome.changed + counts.changed,
            removed=self.outcome.removed + counts.removed,
            quarantined=self.outcome.quarantined + done.quarantined,
            tables={**self.outcome.tables, model.name: table},
            notes=self.outcome.notes + done.notes,
        )

    def rows_in(self) -> int:
        """Versions of sources' tables that this wake took in, each counted once."""
        return sum(rows for (log, _), rows in self.new_rows.items() if log.startswith("ingestion/"))


def _touched(read: Read, news: dict[str, list[Manifest]]) -> bool:
    return any(
        batch.tables[read.table].rows or batch.position.get("reset")
        for batch in news.get(read.log, ())
        if read.table in batch.tables
    )


def ordered(plan: Plan, step: Step) -> list[Model]:
    """The step's models that have a log: after what they read, and where possible after what they reference."""
    members = {name: plan.model(name) for name in step.models}
    order: list[Model] = []
    seen: set[str] = set()

    def visit(model: Model, open_: frozenset[str]) -> None:
        if model.name in seen or model.name in open_:
            return
        for other in _before(plan, model):
            if other in members:
                visit(members[other], open_ | {model.name})
        if model.name not in seen:
            seen.add(model.name)
            order.append(model)

    for model in _by_reads(plan, list(members.values())):
        visit(model, frozenset())
    return _by_reads(plan, [model for model in order if model.materialized != "view"])


def _before(plan: Plan, model: Model) -> Iterator[str]:
    yield from (read.table for read in table_reads(plan, model) if upstream(plan, read))
    yield from (check.table for check in model.checks if check.table)


def _by_reads(plan: Plan, models: list[Model]) -> list[Model]:
    """The same order, but for models that stood before what they read."""
    known = {model.name: model for model in models}
    order: dict[str, Model] = {}

    def visit(model: Model) -> None:
        if model.name in order:
            return
        for read in table_reads(plan, model):
            if upstream(plan, read) and read.table in known:
                visit(known[read.table])
        order[model.name] = model

    for model in models:
        visit(model)
    return list(order.values())
