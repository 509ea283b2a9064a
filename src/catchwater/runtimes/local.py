"""One machine: from a wake to steps to stages, with a record of each run; what is done is decided by the logs."""

import json
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, replace

from catchwater.errors import AlreadyExists, CatchwaterError, SourceRefused
from catchwater.plan.plan import Plan, Step
from catchwater.ports import Ports
from catchwater.runtimes import planning
from catchwater.runtimes.alerts import Alerts
from catchwater.runtimes.records import Records, utc
from catchwater.runtimes.report import RunReport, as_dict, failed, merge, state_of
from catchwater.stages.ingest import ingest
from catchwater.stages.outcome import Failure, Outcome
from catchwater.wiring import Wiring

PASSES = 10
logger = logging.getLogger("catchwater")


def _process(ports: Ports, plan: Plan, step: Step, run: str) -> Outcome:
    from catchwater.stages.process import process  # loaded while a source is read (runtimes/warm.py)

    return process(ports, plan, step, run)


def _load(ports: Ports, plan: Plan, step: Step, run: str) -> Outcome:
    from catchwater.stages.load import load

    return load(ports, plan, step, run)


STAGES = {"ingest": ingest, "process": _process, "load": _load}


class Progress:
    """Hears of every step as it begins and ends; this one keeps silent."""

    def begun(self, step: Step) -> None:
        """Before the step's ports are opened."""

    def done(self, outcome: Outcome) -> None:
        """After the outcome was noted."""


class Runtime:
    """Executes the steps of a project's plan in this process, one at a time."""

    def __init__(
        self,
        wiring: Wiring,
        progress: Progress | None = None,
        serves: bool = False,
        described: planning.Described | None = None,
    ) -> None:
        """`serves`: nothing is run, so the plan is the one last applied, and none is applied. `described`: what the
        sources were asked right before."""
        self.wiring = wiring
        self.records = Records(wiring.state)
        self._progress = progress or Progress()
        self.plan: Plan
        self.changed = False
        self.stopping = threading.Event()
        self.serving = False  # whether readers of this process make it worth to keep the warehouse open
        self._held: set[str] = set()  # sources whose tables no plan fits, by name
        applied = planning.applied_plan(wiring.state) if serves else None
        if applied is not None:
            self._take(applied)
        elif serves:
            self._take(planning.plan_project(wiring).plan)
        else:
            self.replan(described)

    def replan(self, described: planning.Described | None = None) -> None:
        """Plan again and apply; raises what is wrong, and then the plan stays what it was."""
        planned = planning.plan_project(self.wiring, described=described)
        if not planned.applied:
            made_of, state = (planned.inputs, self.wiring.loaded.digest), self.wiring.state
            self.changed = planning.apply(planned.plan, state, *made_of) or self.changed
        planning.remember(self.wiring)
        self._take(planned.plan)

    def _take(self, plan: Plan) -> None:
        self.plan = plan
        self.alerts = Alerts(self.plan, self.records, self.wiring.notifier)

    def run(self, trigger: str = "command", number: tuple[int, str] | None = None) -> RunReport:
        """Wake every step, whatever its trigger, until a whole pass commits nothing."""
        return self._recorded(trigger, number, self._all, keep=True)

    def wake(self, steps: Iterable[str], trigger: str) -> RunReport:
        """Wake these steps, then those whose triggers their batches are; leaves no record if nothing moved."""
        wanted = set(steps)
        return self._recorded(trigger, None, lambda run: self._chain(wanted, run), keep=False)

    def _recorded(
        self,
        trigger: str,
        number: tuple[int, str] | None,
        work: Callable[[tuple[int, str]], list[Outcome]],
        keep: bool,
    ) -> RunReport:
        if number is None:
            begun, run, _ = self.records.begin(trigger)
            number = begun, run
        started, began = utc(), time.monotonic()
        outcomes = merge(work(number))
        report = RunReport(
            number[0],
            number[1],
            trigger,
            started,
            time.monotonic() - began,
            state_of(outcomes),
            sum(outcome.quarantined for outcome in outcomes),
            tuple(outcomes),
            any(outcome.moved for outcome in outcomes),
        )
        if keep or report.moved or report.state != "done":
            self._keep(report)
        else:
            self.records.forget(report.number)
        self.alerts.end(report.number, outcomes, report.moved)
        return report

    def _keep(self, report: RunReport) -> None:
        data = report.as_dict()
        self.records.end(report.number, data)
        body = json.dumps(data, sort_keys=True, ensure_ascii=False).encode()
        try:
            self.wiring.store("ingestion").create(f"_runs/{report.id}.json", body)
        except AlreadyExists:
            logger.debug("run record %s was there", report.id)
        except CatchwaterError as error:
            self.records.log(report.number, "warning", "", f"the run record wasn't stored: {error}", {})

    def _all(self, run: tuple[int, str]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        rested: set[str] = set()  # steps that failed, and sources that were read to their end
        for _ in range(PASSES):
            moved = False
            waiting = {step.name for step in self.plan.steps} - rested
            while (steps := self._ordered(waiting)) and not self.stopping.is_set():
                step, plan = steps[0], self.plan
                waiting.discard(step.name)
                outcome = self._execute(step, run)
                outcomes.append(outcome)
                moved = moved or outcome.moved
                if outcome.failed or (step.stage == "ingest" and not outcome.more and self.plan is plan):
                    rested.add(step.name)
            if not moved:
                break
        return outcomes

    def _chain(self, wanted: set[str], run: tuple[int, str]) -> list[Outcome]:
        outcomes = []
        while (steps := self._ordered(wanted)) and not self.stopping.is_set():
            step = steps[0]
            wanted.discard(step.name)
            held = step.source in self._held
            if step.stage == "ingest":
                self._look(step)
            outcome = self._execute(step, run)
            outcomes.append(outcome)
            logs = {ref.log for ref in outcome.batches} if step.stage != "load" else set()
            if held and step.source not in self._held:
                logs.add(f"ingestion/{step.source}")
            wanted |= {t.step for t in self.plan.triggers if t.kind == "batch" and t.detail in logs}
        return outcomes

    def _ordered(self, wanted: Iterable[str]) -> list[Step]:
        """Ingests, then groups after those that they read, then the load."""
        names = set(wanted)
        steps = [step for step in self.plan.steps if step.name in names and step.stage in STAGES]
        rank = {"ingest": 0, "process": 1, "load": 2}
        return sorted(steps, key=lambda step: (rank[step.stage], step.name))

    def _execute(self, step: Step, run: tuple[int, str]) -> Outcome:
        if self._waits(step):
            return Outcome(step.name, step.stage, skipped=step.models)
        self._progress.begun(step)
        outcome = self._attempt(step, run)
        if step.stage == "ingest":
            outcome = self._follow(step, outcome)
        elif step.stage == "load" and not self.serving:
            self.wiring.close()  # a version held open between passes would stop another run's load
        self._note(outcome, run[0])
        self.alerts.step(run[0], outcome)
        self._progress.done(outcome)
        return outcome

    def _attempt(self, step: Step, run: tuple[int, str]) -> Outcome:
        began = time.monotonic()
        try:
            return STAGES[step.stage](self.wiring.open(self.plan, step), self.plan, step, run[1])
        except CatchwaterError as error:
            return failed(step, error, time.monotonic() - began)
        except Exception as error:
            fields = {"traceback": traceback.format_exc()}
            self.records.log(run[0], "error", step.name, "a fault in Catchwater itself", fields)
            return failed(step, error, time.monotonic() - began)

    def _waits(self, step: Step) -> bool:
        """Whether a group reads, itself or through others, a source whose tables no plan fits: its rows stay."""
        logs = {f"ingestion/{name}" for name in self._held}
        if not logs or step.stage != "process":
            return False
        for _ in self.plan.models:
            logs |= {f"processed/{m.name}" for m in self.plan.models if any(read.log in logs for read in m.reads)}
        return any(f"processed/{name}" in logs for name in step.models)

    def _look(self, step: Step) -> None:
        """Before a capture: where a source has other tables than the plan's, plan again."""
        try:
            there = self.wiring.source(step.source).describe()
        except CatchwaterError:
            return  # the capture says it
        known = {table.name: table for table in self.plan.source(step.source).tables}
        if {table.name: table for table in there} != known:
            with suppress(CatchwaterError):  # said by _follow, after what can be captured was captured
                self._fit(step.source)

    def _fit(self, source: str) -> None:
        """Plan again for a changed source, which is held for as long as that fails."""
        self._held.add(source)
        self.replan()
        self._held.discard(source)

    def _follow(self, step: Step, outcome: Outcome) -> Outcome:
        """Plan again where the source's tables are no longer those of the plan; without a plan that fits, what reads
        the source waits and the ingest has failed."""
        refused = any(failure.error == SourceRefused.__name__ for failure in outcome.failures)
        try:
            if step.source in self._held or refused or (outcome.moved and self._drifted(step)):
                self._fit(step.source)
        except CatchwaterError as error:
            failure = Failure(step.source, type(error).__name__, str(error))
            return replace(outcome, failures=(*outcome.failures, failure))
        return outcome

    def _drifted(self, step: Step) -> bool:
        """Whether the newest batch has other columns than the plan."""
        from catchwater.lake.log import Log

        head = Log(self.wiring.store("ingestion"), f"ingestion/{step.source}").head()
        if head is None:
            return False
        planned = {
            table.name: [(c.name, c.type) for c in table.columns] for table in self.plan.source(step.source).tables
        }
        return any(
            [(c.name, c.type) for c in head.tables[name].schema] != columns
            for name, columns in planned.items()
            if name in head.tables
        )

    def _note(self, outcome: Outcome, run: int) -> None:
        for note in outcome.notes:
            self.records.log(run, "warning", outcome.step, note, {})
        for failure in outcome.failures:
            self.records.log(run, "error", outcome.step, failure.message, asdict(failure))
        if outcome.moved:
            fields = {k: v for k, v in as_dict(outcome).items() if k not in ("tables", "notes", "failures")}
            self.records.log(run, "info", outcome.step, "committed", fields)
        for name in ("rows_in", "rows_out", "quarantined", "seconds"):
            self.records.add(f"{outcome.stage}_{name}", getattr(outcome, name))
        self.records.add(f"{outcome.stage}_failures", len(outcome.failures))
