"""The loop of `up`: what wakes which step, how failures are tried again, and that only one holds a project."""

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from catchwater.errors import AlreadyRunning, CatchwaterError, LakeError
from catchwater.runtimes import local, up
from catchwater.runtimes.local import RunReport
from catchwater.runtimes.up import Loop, only_one
from catchwater.stages.outcome import Failure, Outcome
from tests.support.commands import catchwater
from tests.support.pings import PROJECT, write
from tests.support.runtime import loop, runtime, steps
from tests.support.waiting import until

SCHEDULED = PROJECT + "steps: {load: {every: 1 hour}}\npromise: {freshness: 5 minutes}\n"


@pytest.fixture
def pings(tmp_path: Path) -> Path:
    return write(tmp_path / "pings")


def late(looping: Loop, step: str, **how: float) -> None:
    """Let time have passed since a step's schedule."""
    looping._last[step] -= timedelta(**how)


def test_messages_wake_their_step_once(pings: Path) -> None:
    with runtime(pings) as made:
        looping, told = loop(made)
        made.wiring.topic("pings").publish([b'{"id": 1}'])
        looping._first()
        assert [(report.trigger, report.state) for report in told] == [("deployment", "done")]
        looping.turn()
        made.wiring.topic("pings").publish([b'{"id": 2}'])
        for _ in range(3):
            looping.turn()
        assert [report.trigger for report in told[1:]] == ["message"]
        assert list(steps(told[1])) == ["ingest:pings", "process:pings", "load:duckdb"]


def test_a_schedule_wakes_when_it_is_due(tmp_path: Path) -> None:
    with runtime(write(tmp_path / "pings", SCHEDULED)) as made:
        looping, told = loop(made)
        made.wiring.topic("pings").publish([b'{"id": 1}'])
        looping._first()
        made.wiring.topic("pings").publish([b'{"id": 2}'])
        looping.turn()
        assert list(steps(told[-1])) == ["ingest:pings", "process:pings"]
        late(looping, "load:duckdb", minutes=59)
        looping.turn()
        assert len(told) == 2
        late(looping, "load:duckdb", minutes=2)
        looping.turn()
        assert (told[-1].trigger, list(steps(told[-1]))) == ("schedule", ["load:duckdb"])
        looping.turn()
        assert len(told) == 3


def test_a_run_that_was_asked_for(pings: Path) -> None:
    with runtime(pings) as made:
        looping, _ = loop(made)
        looping._first()
        number, run, _ = made.records.begin("request")
        looping.asked.put((number, run))
        looping.turn()
        found = made.records.run(number)
        assert found is not None
        assert (found["state"], found["trigger"]) == ("done", "request")


def test_failures_are_tried_again_after_growing_waits(pings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with runtime(pings) as made:
        looping, told = loop(made)

        def fail(*given: object) -> Outcome:
            raise LakeError("no room")

        monkeypatch.setitem(local.STAGES, "load", fail)
        looping._first()
        waits = []
        for _ in range(9):
            tries, at = looping._retries["load:duckdb"]
            waits.append(round((at - datetime.now(UTC)).total_seconds()))
            looping._retries["load:duckdb"] = tries, datetime.now(UTC)
            looping.turn()
        assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]
        assert {report.trigger for report in told[1:]} == {"retry"}
        monkeypatch.undo()
        looping._retries["load:duckdb"] = 9, datetime.now(UTC)
        looping.turn()
        assert looping._retries == {}


def test_a_step_of_an_earlier_plan_isn_t_tried_for_ever(pings: Path) -> None:
    with runtime(pings) as made:
        looping, told = loop(made)
        looping._retries["process:gone"] = 1, datetime.now(UTC)
        looping.turn()
        assert looping._retries["process:gone"][1] > datetime.now(UTC)
        assert told == []
        assert up._wait(10_000).total_seconds() == up.RETRY_LAST


def test_a_fault_doesn_t_end_the_loop(
    pings: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with runtime(pings) as made:
        looping, _ = loop(made)
        acts = [CatchwaterError("a named one"), ZeroDivisionError("another")]

        def turn() -> None:
            if not acts:
                return looping.stop()
            raise acts.pop()

        monkeypatch.setattr(looping, "turn", turn)
        monkeypatch.setattr(looping, "_first", turn)
        looping.run()
        assert made.stopping.is_set()
    said = [record.getMessage() for record in caplog.records]
    assert said == ["a fault in Catchwater itself; the loop goes on", "a named one"]


def test_it_tells_of_staleness_and_lets_go_of_old_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "pings", SCHEDULED)
    monkeypatch.setattr(up, "FRESHNESS_EVERY", 0.0)
    monkeypatch.setattr(up, "LOOK_EVERY", 0.0)
    with runtime(folder) as made:
        looping, _ = loop(made)
        looping._first()
        heard: list[object] = []
        monkeypatch.setattr(made.alerts, "freshness", lambda sources: heard.append(sources))
        for number in range(4):  # each load elsewhere needs the file that we read before
            assert catchwater("publish", "pings", "-", folder, "-m", f'{{"id": {number}}}').exit == 0
            assert catchwater("run", folder).exit == 0
            looping._seen["pings"] = made.wiring.topic("pings").newest()
            looping.turn()
            version = made.wiring.warehouse().version()
            assert version is not None
            assert looping._version == version.number
        assert [source["name"] for source in heard[0]] == ["pings"]  # type: ignore[attr-defined]


def test_a_warehouse_that_can_t_be_read_isn_t_the_loop_s_to_tell(pings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with runtime(pings) as made:
        looping, _ = loop(made)

        def fail() -> None:
            raise LakeError("unreachable")

        monkeypatch.setattr(made.wiring.warehouse(), "version", fail)
        looping._release()
        assert looping._version is None


def test_it_runs_until_it_is_told_to_stop(pings: Path) -> None:
    with runtime(pings) as made:
        told: list[RunReport] = []
        looping = Loop(made, told.append)
        thread = threading.Thread(target=looping.run)
        thread.start()
        made.wiring.topic("pings").publish([b'{"id": 1}'])
        until(lambda: any(report.moved for report in told), "the message wasn't taken")
        looping.stop()
        thread.join(30)
        assert not thread.is_alive()


def test_only_one_holds_a_project(tmp_path: Path) -> None:
    with only_one(tmp_path / "state"):
        with (
            pytest.raises(AlreadyRunning, match=rf"already runs this project \(process {os.getpid()}\)"),
            only_one(tmp_path / "state"),
        ):
            pass
        assert (tmp_path / "state" / "up.lock").read_text() == str(os.getpid())
    with only_one(tmp_path / "state"):
        pass


def test_a_failing_step_is_seen_in_the_report(pings: Path) -> None:
    with runtime(pings) as made:
        looping, told = loop(made)
        failed = Outcome("load:duckdb", "load", failures=(Failure("x", "E", "m"),))
        looping._note(RunReport(1, "1", "t", "now", 0.1, "failed", 0, (failed,), False))
        assert looping._retries["load:duckdb"][0] == 1
        assert told[0].exit_code == 1
