"""What is tried of a standing environment: rows flow, a failure is told by mail, a promise is kept, a grant is cut."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from catchwater.infra.aws import lambdas, places
from catchwater.infra.aws.policies import Statement, statements
from catchwater.infra.twin import rows
from catchwater.infra.twin.emulator import free_port
from catchwater.infra.twin.grants import Denial, Judged, Permission, denials, judge
from catchwater.infra.twin.receipt import Fresh
from catchwater.infra.twin.relay import Relay
from catchwater.infra.twin.standing import Job, Standing, warehouse_secrets
from catchwater.plan.freshness import period
from catchwater.plan.plan import Plan
from catchwater.project.names import seconds
from catchwater.project.variables import resolver
from catchwater.wiring import Places, Wiring

PLAN = "_config/plan.json"
PATIENCE = 180.0  # seconds that a chain of wakes may take here
FAILING = "DeadLetter"  # the statement that only a failing step needs
GRACE = 3.0  # seconds after a refusal in which others of the same chain come to light


@dataclass
class Trial:
    """One standing environment, and what has been seen of it."""

    standing: Standing
    wiring: Wiring
    relay: Relay
    progress: rows.Progress
    began: int = 0  # decisions made before the first wake
    again: int = 0  # decisions made when the first rows had arrived
    changes: int = 1
    more: list[Permission] = field(default_factory=list)

    @property
    def plan(self) -> Plan:
        return self.standing.plan

    @property
    def job(self) -> Job:
        return self.standing.job

    def change(self) -> None:
        """New activity in the source, where somebody makes it."""
        self.changes += 1
        if self.job.beside.change:
            self.job.beside.change(self.changes)

    def wake(self) -> None:
        """Every schedule is due now."""
        for held in self.standing.emulator.client("scheduler").list_schedules()["Schedules"]:
            self.standing.emulator.fire(held["Name"])

    def settled(self) -> bool:
        """Whether all that was captured is processed and loaded, by the logs alone."""
        wanted = self.progress.processed()
        version = self.wiring.warehouse().version() if wanted else None
        return version is not None and all(version.cut.get(log) == batch for log, batch in (wanted or {}).items())

    def until(self, done: Callable[[], bool], what: str, since: int | None = None, patience: float = PATIENCE) -> bool:
        """Whether it came true; with `since` a refusal of a role after that decision ends the wait, and an event that
        no function could handle."""
        lost = self.lost() if since is not None else 0
        deadline, over = time.monotonic() + patience, False
        while time.monotonic() < deadline:
            if done():
                return True
            if since is not None and not over and (self.denied(since) or self.lost() > lost):
                deadline, over = time.monotonic() + GRACE, True
            time.sleep(0.25)
        self.job.say(f"waited for {what} in vain")
        return False

    def decisions(self, since: int = 0) -> int:
        return len(self.standing.emulator.decisions(since))

    def denied(self, since: int) -> tuple[Denial, ...]:
        return denials(self.standing.permissions(), self.standing.emulator.decisions(since))

    def flow(self) -> float | None:
        """Seconds from a change in the source to the warehouse; None when it doesn't arrive."""
        since = self.decisions()
        self.change()
        head = self.progress.captured()
        began = time.monotonic()
        self.wake()
        moved = self.until(lambda: self.progress.captured() > head, "the ingest", since=since)
        if not moved or not self.until(self.settled, "the warehouse", since=since):
            return None
        return time.monotonic() - began

    def compare(self) -> list[rows.Compared]:
        """Source against lake, warehouse against the models computed anew."""
        store, found = self.wiring.store("ingestion"), []
        for source in self.plan.sources:
            found += rows.captured(self.plan, source.name, self.source_url(source.name), store)
        url = self.wiring.secrets().read(warehouse_secrets(self.plan)[0])
        schema = str(self.plan.warehouse.get("schema") or "public")
        with rows.computed(self.plan, self.wiring, store) as oracle:
            return found + rows.loaded(self.plan, url, schema, oracle)

    def source_url(self, name: str) -> str:
        held = replace(self.job.loaded, variables=dict(self.job.beside.variables))
        declared = str(self.plan.source(name).declared.get("url") or "")
        return resolver(held, lambda _: "")(declared)

    @contextmanager
    def source_gone(self) -> Iterator[None]:
        """The sources' addresses lead nowhere for as long as the block lasts."""
        client, emulator = self.standing.emulator.client("secretsmanager"), self.standing.emulator
        held: dict[str, str] = {}
        for called, value in self.job.beside.variables.items():
            name = places.secret(self.plan, called)
            if value.startswith(("postgres://", "postgresql://")) and name in self._secrets():
                held[name] = value
                client.put_secret_value(SecretId=name, SecretString=_nowhere(value))
        emulator.cold()
        try:
            yield
        finally:
            for name, value in held.items():
                client.put_secret_value(SecretId=name, SecretString=value)
            emulator.cold()

    @contextmanager
    def plan_gone(self) -> Iterator[None]:
        """No step can read its plan for as long as the block lasts, so that every event ends as a dead letter."""
        client, bucket = self.standing.emulator.client("s3"), places.bucket(self.plan, "ingestion")
        held = client.get_object(Bucket=bucket, Key=PLAN)
        body = held["Body"].read()
        client.put_object(Bucket=bucket, Key=PLAN, Body=b"", ContentType=held["ContentType"])
        try:
            yield
        finally:
            client.put_object(Bucket=bucket, Key=PLAN, Body=body, ContentType=held["ContentType"])
            self.standing.emulator.cold()

    def wake_all(self) -> None:
        """Every function is called as an event calls it."""
        for step in lambdas.steps(self.plan):
            self.standing.emulator.client("lambda").invoke(
                FunctionName=places.function(self.plan, step), InvocationType="Event", Payload=b"{}"
            )

    def dead_letters(self) -> list[int]:
        """How many events each step's queue has that its function could not handle."""
        sqs, wanted = self.standing.emulator.client("sqs"), "ApproximateNumberOfMessages"
        found = []
        for step in lambdas.steps(self.plan):
            url = sqs.get_queue_url(QueueName=places.dead_letter(self.plan, step))["QueueUrl"]
            held = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[wanted])["Attributes"]
            found.append(int(held[wanted]))
        return found

    def lost(self) -> int:
        return sum(self.dead_letters())

    def _secrets(self) -> set[str]:
        listed = self.standing.emulator.client("secretsmanager").list_secrets()["SecretList"]
        return {one["Name"] for one in listed}

    def alarms(self) -> dict[str, bool]:
        """For each event that somebody wants to hear of, whether the mail came."""
        wanted = {event for alert in self.plan.alerts for event in alert.events}
        seen = {"failure": False, "recovery": False, "stale": False}
        with self.source_gone():
            self.wake()
            seen["failure"] = self.until(lambda: self.told("failures", "ALARM"), "the failure's mail")
        with self.plan_gone():
            self.wake_all()
            self.until(lambda: all(self.dead_letters()), "every step's dead letter")
        self.standing.emulator.later(61)
        self.wake()
        seen["recovery"] = self.until(lambda: self.told("failures", "OK"), "the recovery's mail")
        self.until(self.settled, "the warehouse")
        for alarm in self._alarms("successes"):
            self.standing.emulator.later(alarm["Period"] * alarm["EvaluationPeriods"] + 1)
            seen["stale"] = self.until(lambda: self.told("successes", "ALARM"), "the mail about silence")
        return {event: there for event, there in seen.items() if event in wanted}

    def _alarms(self, metric: str) -> list[dict[str, Any]]:
        held = self.standing.emulator.client("cloudwatch").describe_alarms()["MetricAlarms"]
        return [alarm for alarm in held if alarm["MetricName"] == metric and _ingests(alarm)]

    def told(self, metric: str, state: str) -> bool:
        """Whether the mail of an alarm on an ingest's metric is in the mailbox."""
        names = {alarm["AlarmName"] for alarm in self._alarms(metric)}
        sent = [mail for mail in self.relay.sent if mail.alarm in names and mail.state == state]
        mails = self.job.beside.mails()
        return any(mail.alarm in text and f"Subject: {state}" in text for mail in sent for text in mails)

    def judged(self) -> Judged:
        held = [*self.standing.permissions(), *self.more]
        return judge(held, self.standing.emulator.decisions(self.began))

    @contextmanager
    def with_more(self, step: str, statement: Statement) -> Iterator[None]:
        """A step's role may do one thing more than is derived, for as long as the block lasts."""
        more = Permission(step, places.function(self.plan, self.plan.step(step)), statement)
        with self.changed(step, [*statements(self.plan, self.plan.step(step)), statement]):
            self.more.append(more)
            try:
                yield
            finally:
                self.more.remove(more)

    def fresh(self, measured: float) -> Fresh:
        every = [period(one.detail) for one in self.plan.triggers if one.kind == "schedule"]
        return Fresh(measured, max(every, default=0.0), seconds(str(self.plan.promise.get("freshness") or "")))

    def without(self, permission: Permission) -> tuple[Denial, ...]:
        """What is refused when a step's role lacks one permission; afterwards it has it again."""
        kept = [one for one in statements(self.plan, self.plan.step(permission.step)) if one != permission.statement]
        with self.changed(permission.step, kept), ExitStack() as stack:
            since, head = self.decisions(), self.progress.captured()
            if permission.statement.sid == FAILING:
                stack.enter_context(self.plan_gone())
                self.wake_all()
            else:
                self.change()
                self.wake()

            def named() -> bool:
                return any(one.name == permission.name for one in self.denied(since))

            def ended() -> bool:
                return named() or (self.progress.captured() > head and self.settled())

            if self.until(ended, "an end", patience=PATIENCE / 3) and not named():
                self.until(named, "a refusal", patience=GRACE)  # what a step does last it does after its commit
            return self.denied(since)

    @contextmanager
    def changed(self, step: str, found: list[Statement]) -> Iterator[None]:
        """The functions' root applied again with these permissions of one step, and then as it was."""
        standing = self.standing
        standing.apply(standing.with_statements(step, found))
        standing.emulator.cold()
        try:
            yield
        finally:
            standing.apply(standing.with_statements(step, list(statements(self.plan, self.plan.step(step)))))
            standing.emulator.cold()


def _ingests(alarm: Mapping[str, Any]) -> bool:
    return any(one["Name"] == "step" and one["Value"].startswith("ingest:") for one in alarm["Dimensions"])


def _nowhere(url: str) -> str:
    """The same URL at a port of this machine where nobody listens."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{free_port()}"))


@contextmanager
def trial(job: Job) -> Iterator[Trial]:
    """The environment stands for as long as the block lasts; raises what Standing.open raises."""
    standing = Standing(job)
    standing.open()
    relay = Relay(standing.emulator, job.beside.smtp)
    wiring = opened(standing)
    try:
        relay.start()
        progress = rows.Progress(standing.plan, wiring.store("ingestion"), wiring.store("processed"))
        yield Trial(standing, wiring, relay, progress, len(standing.emulator.decisions()))
    finally:
        relay.stop()
        wiring.close()
        standing.close()


def opened(standing: Standing) -> Wiring:
    """The project's parts as the account's root sees them, to look at what the steps have done."""
    emulator, plan = standing.emulator, standing.plan
    variables = {
        "AWS_ENDPOINT_URL": emulator.endpoint, "AWS_REGION": emulator.region,
        "AWS_ACCESS_KEY_ID": emulator.root.key, "AWS_SECRET_ACCESS_KEY": emulator.root.secret,
    }  # fmt: skip
    loaded = replace(standing.job.loaded, variables=variables, folder=standing.job.work)
    zones = {zone: f"s3://{places.bucket(plan, zone)}" for zone in ("ingestion", "processed")}
    where = Places(zones, "secrets_manager", standing.job.work / "state")
    where.state.mkdir(parents=True, exist_ok=True)
    return Wiring(loaded, lambda text, read: resolver(loaded, read)(text), where)
