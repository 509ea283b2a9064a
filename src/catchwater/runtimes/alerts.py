"""Who hears of what: failure, recovery, stale, success; repeated failures are one conversation, not a flood."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from catchwater.errors import CatchwaterError
from catchwater.plan.plan import AlertRule, Plan
from catchwater.ports import Notice, Notifier
from catchwater.runtimes.records import Records, utc
from catchwater.stages.outcome import Outcome


class Alerts:
    """Sends notices by the plan's rules; one that isn't accepted is recorded and never fails a run."""

    def __init__(self, plan: Plan, records: Records, notifier: Callable[[str], Notifier]) -> None:
        self._plan, self._records, self._notifier = plan, records, notifier

    def step(self, run: int, outcome: Outcome) -> None:
        """Note how a step went; tell of a failure that is new, and of the end of one."""
        if outcome.failed:
            self._failure(run, outcome)
        else:
            self._recovery(run, outcome)

    def end(self, run: int, outcomes: Sequence[Outcome], moved: bool) -> None:
        """Tell of quarantined rows and of warnings, and of a success if all went well."""
        held = sum(outcome.quarantined for outcome in outcomes)
        if held:
            body = f"{held} rows were set aside with their reasons; the others went through.\n"
            body += f"  next: catchwater runs {run} --quarantine"
            self.send("failure", "quarantine", f"{held} rows quarantined", body, run)
        for outcome in outcomes:
            if outcome.warnings:
                body = "\n".join(outcome.warnings) + "\n"
                self.send("failure", outcome.step, f"{outcome.step}: {len(outcome.warnings)} warnings", body, run)
        if moved and not any(outcome.failed for outcome in outcomes):
            self.send("success", "run", f"run {run} done", _summary(outcomes), run)

    def _failure(self, run: int, outcome: Outcome) -> None:
        message = "\n\n".join(failure.message for failure in outcome.failures)
        self._records.failed(outcome.step, message, "", run)
        told = f"told:{outcome.step}"
        if not self._records.mark(told, utc()):
            return
        if self.send("failure", outcome.step, f"{outcome.step} failed", message, run):
            self._records.mark(told, None)  # somebody didn't get it: the next failure tells again

    def _recovery(self, run: int, outcome: Outcome) -> None:
        before = self._records.succeeded(outcome.step)
        self._records.mark(f"told:{outcome.step}", None)
        if before:
            body = f"failing since {before['failing_since']}, {before['failures']} times; well again now"
            self.send("recovery", outcome.step, f"{outcome.step} recovered", body, run)

    def freshness(self, sources: Iterable[Mapping[str, Any]]) -> None:
        """Tell once when a source's age passes the promise, and once when it is fresh again."""
        for source in sources:
            name, age = source["name"], source["freshness_seconds"]
            if source["stale"] and self._records.mark(f"stale:{name}", utc()):
                self.send("stale", f"ingest:{name}", f"{name} is stale", f"{name} is {age:.0f} s old", 0)
            elif not source["stale"] and self._records.mark(f"stale:{name}", None):
                self.send("recovery", f"ingest:{name}", f"{name} is fresh again", f"{age or 0:.0f} s old", 0)

    def send(self, event: str, step: str, subject: str, body: str, run: int) -> list[CatchwaterError]:
        """Send to every rule that wants this event; what was refused."""
        wanted = [rule for rule in self._plan.alerts if event in rule.events]
        return self._all(wanted, self._notice(event, step, subject, body, run), run)

    def test(self) -> list[CatchwaterError]:
        """Send one to every receiver whatever its events; what was refused."""
        notice = self._notice("test", "alerts", "a test", "Catchwater can reach you here.", 0)
        return self._all(self._plan.alerts, notice, 0)

    def _all(self, rules: Iterable[AlertRule], notice: Notice, run: int) -> list[CatchwaterError]:
        return [refused for rule in rules if (refused := self._to(rule, notice, run))]

    def _notice(self, event: str, step: str, subject: str, body: str, run: int) -> Notice:
        plan = self._plan
        return Notice(event, plan.project, plan.environment, step, f"[{plan.project}] {subject}", body, str(run or ""))

    def _to(self, rule: AlertRule, notice: Notice, run: int) -> CatchwaterError | None:
        refused: CatchwaterError | None = None
        try:
            self._notifier(rule.notify).send(rule.to, notice)
        except CatchwaterError as error:
            refused = error
            self._records.log(run, "warning", notice.step, f"an alert wasn't sent: {error}", {})
        sent = str(refused) if refused else None
        self._records.alerted(notice.event, notice.step, notice.subject, rule.notify, sent)
        return refused


def _summary(outcomes: Sequence[Outcome]) -> str:
    return "\n".join(
        f"{outcome.step}: {outcome.rows_in} rows in, {outcome.rows_out} out, {outcome.seconds:.1f} s"
        for outcome in outcomes
        if outcome.moved
    )
