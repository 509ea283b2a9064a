"""Who hears of what: a failure once, its recovery once, staleness once; an alert that isn't taken fails nothing."""

from pathlib import Path

import pytest

from catchwater.errors import AlertFailed
from catchwater.lake.manifest import Ref
from catchwater.plan.plan import AlertRule, Plan
from catchwater.ports import Notice
from catchwater.runtimes.alerts import Alerts
from catchwater.runtimes.records import Records
from catchwater.stages.outcome import Failure, Outcome

ALL = ("failure", "recovery", "stale", "success")


class Inbox:
    """Keeps what it is sent; refuses while `down`."""

    def __init__(self) -> None:
        self.notices: list[tuple[str, Notice]] = []
        self.down = False

    def send(self, to: str, notice: Notice) -> None:
        if self.down:
            raise AlertFailed("the server refused")
        self.notices.append((to, notice))

    @property
    def subjects(self) -> list[str]:
        return [notice.subject for _, notice in self.notices]


def plan(*rules: AlertRule) -> Plan:
    return Plan("shop", "local", (), (), (), (), (), rules, {}, {}, {}, {})


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def alerts(tmp_path: Path, inbox: Inbox) -> Alerts:
    rule = AlertRule("email", "data@example.org", ALL)
    return Alerts(plan(rule), Records(tmp_path), lambda kind: inbox)


def outcome(step: str = "load:duckdb", message: str = "", quarantined: int = 0) -> Outcome:
    failures = (Failure("load", "WarehouseBusy", message),) if message else ()
    batches = () if message else (Ref("processed/a", 1, "h"),)
    return Outcome(step, "load", batches=batches, failures=failures, quarantined=quarantined)


def review(alerts: Alerts, run: int, outcomes: list[Outcome], moved: bool) -> None:
    for each in outcomes:
        alerts.step(run, each)
    alerts.end(run, outcomes, moved)


def test_a_failure_is_told_once_and_its_end_once(alerts: Alerts, inbox: Inbox) -> None:
    for run in (1, 2, 3):
        review(alerts, run, [outcome(message="held by process 7")], False)
    review(alerts, 4, [outcome()], False)
    review(alerts, 5, [outcome()], False)
    assert inbox.subjects == ["[shop] load:duckdb failed", "[shop] load:duckdb recovered"]
    to, first = inbox.notices[0]
    assert (to, first.event, first.run, first.step) == ("data@example.org", "failure", "1", "load:duckdb")
    assert "held by process 7" in first.body
    assert "3 times" in inbox.notices[1][1].body


def test_two_steps_are_two_conversations(alerts: Alerts, inbox: Inbox) -> None:
    review(alerts, 1, [outcome("a", "x"), outcome("b", "y")], False)
    assert inbox.subjects == ["[shop] a failed", "[shop] b failed"]


def test_quarantined_rows_and_success(alerts: Alerts, inbox: Inbox) -> None:
    review(alerts, 9, [outcome(quarantined=2)], True)
    assert inbox.subjects == ["[shop] 2 rows quarantined", "[shop] run 9 done"]
    assert "catchwater runs 9 --quarantine" in inbox.notices[0][1].body


def test_nothing_moved_is_no_success(alerts: Alerts, inbox: Inbox) -> None:
    review(alerts, 1, [outcome()], False)
    assert inbox.subjects == []


def test_staleness_is_told_once_and_its_end_once(alerts: Alerts, inbox: Inbox) -> None:
    old = {"name": "db", "freshness_seconds": 4000.0, "stale": True}
    for _ in range(3):
        alerts.freshness([old])
    fresh = {"name": "db", "freshness_seconds": 1.0, "stale": False}
    for _ in range(3):
        alerts.freshness([fresh])
    assert inbox.subjects == ["[shop] db is stale", "[shop] db is fresh again"]


def test_only_the_events_asked_for(tmp_path: Path, inbox: Inbox) -> None:
    rules = (AlertRule("email", "a@example.org", ("success",)), AlertRule("webhook", "b", ("failure",)))
    alerts = Alerts(plan(*rules), Records(tmp_path), lambda kind: inbox)
    review(alerts, 1, [outcome(message="x")], False)
    review(alerts, 2, [outcome()], True)
    assert [to for to, _ in inbox.notices] == ["b", "a@example.org"]


def test_an_alert_that_isn_t_taken_is_recorded(alerts: Alerts, inbox: Inbox, tmp_path: Path) -> None:
    inbox.down = True
    review(alerts, 1, [outcome(message="x")], False)
    found = Records(tmp_path).alerts()
    assert [(a["event"], a["error"]) for a in found] == [("failure", "the server refused")]
    assert "wasn't sent" in Records(tmp_path).logs(1, 10)[0]["message"]


def test_a_failure_that_nobody_heard_of_is_told_again(alerts: Alerts, inbox: Inbox) -> None:
    inbox.down = True
    review(alerts, 1, [outcome(message="x")], False)
    inbox.down = False
    review(alerts, 2, [outcome(message="x")], False)
    review(alerts, 3, [outcome(message="x")], False)
    assert inbox.subjects == ["[shop] load:duckdb failed"]


def test_a_test_goes_to_every_receiver_and_says_who_refused(alerts: Alerts, inbox: Inbox) -> None:
    assert alerts.test() == []
    inbox.down = True
    assert [str(error) for error in alerts.test()] == ["the server refused"]
    assert inbox.subjects == ["[shop] a test"]
