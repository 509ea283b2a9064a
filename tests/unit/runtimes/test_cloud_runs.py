"""Runs of a deployed project as its bucket holds them: the newest, numbered, and what they say of each step."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from catchwater.adapters.stores.local import LocalStore
from catchwater.runtimes import cloud_runs
from catchwater.runtimes.cloud_runs import DeployedOperations, Runs
from tests.support.examples import plan_of

NOW = datetime.now(UTC)


def keep(store: LocalStore, ago: float, step: str, state: str, quarantined: int = 0, name: str = "0a1b2c3d") -> str:
    """The record of a run that began so many seconds ago."""
    moment = NOW - timedelta(seconds=ago)
    run = f"{moment:%Y%m%dT%H%M%SZ}-{name}"
    found = {
        "number": 0, "id": run, "trigger": "batch", "started": f"{moment:%Y-%m-%dT%H:%M:%S.000Z}", "seconds": 1.0,
        "state": state, "quarantined": quarantined, "error": "no" if state == "failed" else None,
        "steps": [{"name": step, "state": state, "error": "no" if state == "failed" else None,
                   "quarantined": quarantined}],
    }  # fmt: skip
    store.create(f"_runs/{run}.json", json.dumps(found).encode())
    return run


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def test_runs_are_the_newest_first_with_numbers_of_their_own(store: LocalStore) -> None:
    ids = [keep(store, ago, "load:bigquery", "done") for ago in (5, 300, 4000, 20_000)]
    same = keep(store, 5, "process:events", "done", name="ffffffff")
    runs = Runs(store)
    assert [run["id"] for run in runs.runs(50)] == [same, *ids]
    assert len({run["number"] for run in runs.runs(50)}) == 5
    assert [run["id"] for run in runs.runs(2)] == [same, ids[0]]
    for run in runs.runs(50):
        found = runs.run(run["number"])
        assert found
        assert found["id"] == run["id"]
        assert len(str(run["number"])) == 18
    assert runs.run(1) is None
    assert runs.totals() == {}


def test_runs_are_bounded_and_looked_at_again(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_runs, "KEPT", 8)
    ids = [keep(store, ago, "load:bigquery", "done") for ago in range(1, 13)]
    runs = Runs(store)
    assert [run["id"] for run in runs.runs(50)] == ids[:8]
    new = keep(store, 0, "load:bigquery", "done")
    assert len(runs.runs(50)) == 8
    assert new not in [run["id"] for run in runs.runs(50)]
    monkeypatch.setattr(cloud_runs, "FRESH", 0.0)
    assert runs.runs(1)[0]["id"] == new


def test_steps_tell_failures_in_a_row(store: LocalStore) -> None:
    keep(store, 500, "load:bigquery", "done")
    first = keep(store, 400, "load:bigquery", "failed")
    keep(store, 300, "load:bigquery", "failed")
    keep(store, 450, "process:events", "failed")
    keep(store, 350, "process:events", "partly", 2)
    steps = Runs(store).steps()
    load = steps["load:bigquery"]
    moment = datetime.strptime(first.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert (load["failures"], load["message"], load["failing_since"]) == (2, "no", f"{moment:%Y-%m-%dT%H:%M:%S.000Z}")
    assert load["last_ok"] < load["failing_since"] < load["last"]
    assert steps["process:events"]["failures"] == 0


class Opened:
    """Stands for wiring: what was published, and to what."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.loaded = SimpleNamespace(project=SimpleNamespace(sources={"events": SimpleNamespace(kind="topic")}))

    def open_topic(self, plan: Any, step: str, name: str) -> Any:
        def publish(messages: Any) -> int:
            self.sent.append((step, name, list(messages)))
            return len(messages)

        return SimpleNamespace(publish=publish)

    def warehouse(self) -> Any:
        return SimpleNamespace(version=lambda: None)


def test_what_the_api_may_ask(store: LocalStore) -> None:
    keep(store, 10, "load:bigquery", "failed")
    keep(store, 20, "ingest:events", "partly", 3)
    wiring: Any = Opened()
    operations = DeployedOperations(plan_of("events", "dev"), wiring, store)
    status = operations.status()
    assert [failure["step"] for failure in status["failures"]] == ["load:bigquery"]
    assert [(one["source"], one["rows"]) for one in status["quarantine"]] == [("events", 3)]
    assert status["problems"] == []
    assert "catchwater_failing_steps 1" in operations.metrics()
    assert [run["trigger"] for run in operations.runs(10)] == ["batch", "batch"]
    assert operations.run(5) is None
    with pytest.raises(PermissionError, match="events and schedules start runs"):
        operations.start_run(None)
    assert operations.publish("events", [b"1", b"2"]) == 2
    assert wiring.sent == [("serve:api", "events", [b"1", b"2"])]
    with pytest.raises(KeyError):
        operations.publish("other", [b"1"])
    with pytest.raises(KeyError):
        operations.webhook("events", {}, b"")
