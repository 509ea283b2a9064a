"""The daily sweep of `up`, under a clock that is moved: what goes, when, what is recorded, and that no wake waits."""

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from catchwater.errors import CatchwaterError, Corrupt
from catchwater.runtimes import sweep
from catchwater.runtimes.local import Runtime
from catchwater.runtimes.sweep import Daily
from tests.support.pings import write
from tests.support.runtime import loop, runtime
from tests.support.waiting import DEADLINE

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def pings(tmp_path: Path) -> Path:
    return write(tmp_path / "pings")


def orphan(made: Runtime, name: str, days: float = 8) -> Path:
    """A file in the lake that no batch names, so many days old."""
    path = made.wiring.state / "lake" / "ingestion" / "pings" / "data" / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"left behind")
    then = time.time() - days * 86_400
    os.utime(path, (then, then))
    return path


def worked(made: Runtime) -> None:
    made.wiring.topic("pings").publish([b'{"id": 1}'])
    assert made.run().state == "done"


def look(sweeps: Daily, now: datetime) -> None:
    sweeps.look(now)
    sweeps.wait(DEADLINE)


def test_it_sweeps_once_a_day_what_is_a_week_old_and_nobody_names(pings: Path) -> None:
    with runtime(pings) as made:
        worked(made)
        lake = made.wiring.state / "lake"
        named, sweeps = set(lake.rglob("*.parquet")), Daily(made)
        old, young = orphan(made, "old"), orphan(made, "young", days=6)
        look(sweeps, NOW)
        assert not old.exists()
        assert set(lake.rglob("*.parquet")) == {*named, young}
        kept = orphan(made, "again")
        look(sweeps, NOW + 23 * HOUR)
        assert kept.exists()
        look(sweeps, NOW + 25 * HOUR)
        assert not kept.exists()
        assert [(run["trigger"], run["state"]) for run in made.records.runs(2)] == [("sweep", "done")] * 2
        assert made.records.logs(None, 1)[0]["message"] == "ingestion/pings: 1 files, 11 bytes"


def test_one_that_finds_nothing_is_no_run_and_the_next_process_knows_of_it(pings: Path) -> None:
    with runtime(pings) as made:
        worked(made)
        look(Daily(made), datetime.now(UTC))
        assert [run["trigger"] for run in made.records.runs(10)] == ["command"]
        later, path = Daily(made), orphan(made, "old")
        look(later, datetime.now(UTC) + 23 * HOUR)
        assert path.exists()
        look(later, datetime.now(UTC) + 25 * HOUR)
        assert not path.exists()


def test_a_clock_that_went_back_doesn_t_end_the_sweeps(pings: Path) -> None:
    with runtime(pings) as made:
        worked(made)
        sweeps = Daily(made)
        look(sweeps, NOW + 400 * 24 * HOUR)
        path = orphan(made, "old")
        look(sweeps, NOW)
        assert not path.exists()


def test_a_log_that_can_t_be_trusted_is_told_and_tried_again_the_next_day(pings: Path) -> None:
    with runtime(pings) as made:
        worked(made)
        path, sweeps = orphan(made, "old"), Daily(made)
        page = next((made.wiring.state / "lake" / "ingestion" / "pings" / "_log").rglob("query_log.json"))
        whole = page.read_bytes()
        page.write_bytes(whole.replace(b"format", b"fromat"))
        look(sweeps, NOW)
        assert path.exists()
        [run] = made.records.runs(1)
        assert (run["trigger"], run["state"]) == ("sweep", "failed")
        assert run["steps"][0]["failures"][0]["error"] == Corrupt.__name__
        page.write_bytes(whole)
        look(sweeps, NOW + 25 * HOUR)
        assert not path.exists()
        assert made.records.steps()["sweep"]["failures"] == 0


def test_no_wake_waits_for_it(pings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(*given: object, **more: object) -> list[object]:
        begun.set()
        assert go_on.wait(DEADLINE)
        return []

    monkeypatch.setattr(sweep, "swept", slow)
    with runtime(pings) as made:
        looping, told = loop(made)
        looping._first()
        looping.turn()
        assert begun.wait(DEADLINE)
        made.wiring.topic("pings").publish([b'{"id": 1}'])
        looping.turn()
        assert told[-1].moved
        looping.sweeps.look(datetime.now(UTC) + 48 * HOUR)  # the one before isn't over
        go_on.set()
        looping.sweeps.wait(DEADLINE)


def test_records_that_cant_be_written_are_told_of_without_a_trace(
    pings: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(step: str) -> None:
        raise CatchwaterError(f"the records of runs can't be used: {step}")

    with runtime(pings) as made:
        worked(made)
        monkeypatch.setattr(made.records, "succeeded", full)
        look(Daily(made), NOW)
    told = [(record.getMessage(), record.exc_info) for record in caplog.records if record.levelname == "ERROR"]
    assert told == [("the records of runs can't be used: sweep", None)]
