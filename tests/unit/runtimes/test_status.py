"""Status answers whatever is broken, and says what is."""

from pathlib import Path

import pytest

from catchwater.errors import WarehouseBusy
from catchwater.runtimes.local import Runtime
from catchwater.runtimes.status import freshness, status
from tests.support.commands import catchwater
from tests.support.pings import PROJECT, write
from tests.support.runtime import runtime

PROMISED = PROJECT + "promise: {freshness: 1 second}\nsteps: {ingest: {every: 1 hour}}\n"


@pytest.fixture
def pings(tmp_path: Path) -> Path:
    return write(tmp_path / "pings")


def facts(made: Runtime) -> dict[str, object]:
    return status(made.plan, made.wiring, made.records)


def test_before_and_after_the_first_run(pings: Path) -> None:
    with runtime(pings) as made:
        before = status(made.plan, made.wiring, made.records)
        assert before["warehouse"] == {"kind": "duckdb", "version": None, "cut": {}, "error": None}
        assert [source["freshness_seconds"] for source in before["sources"]] == [None]
        made.wiring.topic("pings").publish([b'{"id": 1}', b"broken"])
        report = made.run()
        after = status(made.plan, made.wiring, made.records)
        assert after["problems"] == after["failures"] == []
        assert after["quarantined_rows"] == 1
        assert after["warehouse"]["cut"] == {"processed/pings": 1}
        [source], [model] = after["sources"], after["models"]
        assert (source["seq"], source["error"], source["stale"]) == (1, None, False)
        assert 0 <= source["freshness_seconds"] < 60
        assert (model["rows"], model["seq"], model["failing"]) == (1, 1, None)
        assert after["running"] is False
        made.records.begin("request")
        assert facts(made)["running"] is True
        assert report.number


def test_a_corrupt_log_is_said_and_the_rest_answered(pings: Path) -> None:
    with runtime(pings) as made:
        made.wiring.topic("pings").publish([b'{"id": 1}'])
        made.run()
        for zone in ("ingestion", "processed"):
            manifest = pings / ".catchwater" / "lake" / zone / "pings" / "_log" / f"{1:020d}" / "query_log.json"
            manifest.chmod(0o644)
            manifest.write_bytes(b"{}")
        found = status(made.plan, made.wiring, made.records)
    assert [problem.split(":")[0] for problem in found["problems"]] == ["ingestion/pings", "processed/pings"]
    assert found["sources"][0]["error"] == found["problems"][0]
    assert found["models"][0]["failing"] == found["problems"][1]
    assert found["warehouse"]["version"]
    done = catchwater("status", pings)
    assert done.exit == 0
    assert done.out.count("wrong    ") == 2
    assert catchwater("query", "SELECT id FROM pings", pings, "--format", "csv").out == "id\n1\n"


def test_a_warehouse_that_is_busy_is_said(pings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with runtime(pings) as made:

        def busy() -> None:
            raise WarehouseBusy("held by process 7")

        monkeypatch.setattr(made.wiring.warehouse(), "version", busy)
        found = status(made.plan, made.wiring, made.records)
    assert found["warehouse"]["error"] == "held by process 7"
    assert found["problems"] == ["held by process 7"]


def test_a_failure_is_shown_until_it_ends_or_its_step_is_gone(pings: Path) -> None:
    with runtime(pings) as made:
        made.records.failed("process:pings", "pings can't be computed", "mend it", 7)
        made.records.failed("process:earlier", "of an earlier plan", "", 6)
        found = status(made.plan, made.wiring, made.records)
        [failure] = found["failures"]
        assert (failure["step"], failure["run"], failure["count"], failure["next"]) == (
            "process:pings",
            7,
            1,
            "mend it",
        )
        assert found["models"][0]["failing"] == "pings can't be computed"
        assert "failing  process:pings since" in catchwater("status", pings).out
        made.run()
        assert facts(made)["failures"] == []


def test_a_promise_that_isn_t_kept_is_stale(tmp_path: Path) -> None:
    with runtime(write(tmp_path / "pings", PROMISED)) as made:
        assert freshness(made.plan, made.records) == [{"name": "pings", "freshness_seconds": None, "stale": False}]
        made.run()
        with made.records._write() as db:
            db.execute("UPDATE steps SET last_ok = '2026-01-01T00:00:00.000Z' WHERE name = 'process:pings'")
        [source] = freshness(made.plan, made.records)
        assert source["freshness_seconds"] > 86_400
        scheduled = any(t.kind == "schedule" and t.step == "ingest:pings" for t in made.plan.triggers)
        assert source["stale"] is scheduled


def test_a_lake_that_isn_t_there_is_said(tmp_path: Path) -> None:
    folder = write(tmp_path / "pings", PROJECT + 'lake: {url: "${LAKE}"}\n')
    with runtime(folder) as made:
        found = status(made.plan, made.wiring, made.records)
    assert "the variable LAKE isn't set" in found["problems"][0]
