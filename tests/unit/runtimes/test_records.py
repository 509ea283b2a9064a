"""The index of runs: what it returns is what was noted, from any thread or process."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from catchwater.errors import CatchwaterError
from catchwater.runtimes import records as module
from catchwater.runtimes.records import Records


def ended(state: str = "done", **more: object) -> dict[str, object]:
    return {"state": state, "seconds": 1.5, "quarantined": 0, "steps": [], "error": None, **more}


def test_a_run_from_begin_to_end(tmp_path: Path) -> None:
    records = Records(tmp_path / "state")
    number, run, new = records.begin("command")
    assert new
    assert records.run(number) == {
        "number": number,
        "id": run,
        "state": "running",
        "trigger": "command",
        "started": records.runs(1)[0]["started"],
        "seconds": None,
        "quarantined": 0,
        "error": None,
        "steps": [],
    }
    records.end(number, ended("partly", quarantined=2, steps=[{"name": "ingest:a"}], error="bad"))
    found = records.run(number)
    assert found is not None
    assert (found["state"], found["seconds"], found["quarantined"]) == ("partly", 1.5, 2)
    assert (found["error"], found["steps"]) == ("bad", [{"name": "ingest:a"}])
    records.forget(number)
    assert records.run(number) is None
    assert records.runs(10) == []


def test_a_key_seen_before_gives_the_same_run(tmp_path: Path) -> None:
    records = Records(tmp_path)
    first = records.begin("request", "key")
    assert records.begin("request", "key") == (first[0], first[1], False)
    assert records.begin("request", "other")[2]
    assert len(records.runs(10)) == 2


def test_a_run_whose_process_is_gone_was_interrupted(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from catchwater.runtimes.records import Records\n"
    script += "print(Records(Path(sys.argv[1])).begin('command')[0])"
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    found = Records(tmp_path).run(int(done.stdout))
    assert found is not None
    assert found["state"] == "interrupted"


def test_failures_count_up_until_a_success(tmp_path: Path) -> None:
    records = Records(tmp_path)
    assert records.succeeded("load") is None
    assert [records.failed("load", f"no {n}", "do this", n) for n in (1, 2)] == [1, 2]
    step = records.steps()["load"]
    assert (step["failures"], step["message"], step["next_step"], step["run"]) == (2, "no 2", "do this", 2)
    assert step["failing_since"] <= step["last"]
    before = records.succeeded("load")
    assert before is not None
    assert before["failures"] == 2
    assert records.steps()["load"]["failures"] == 0
    assert records.succeeded("load") is None


def test_log_lines_come_back_in_order_and_are_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOG_LINES_KEPT", 3)
    records = Records(tmp_path)
    number, _, _ = records.begin("command")
    for line in range(6):
        records.log(number, "info", "load", f"line {line}", {"n": line})
    records.log(99, "info", "", "of another run", {})
    assert [line["message"] for line in records.logs(number, 2)] == ["line 4", "line 5"]
    assert records.logs(None, 1)[0]["message"] == "of another run"
    last = records.logs(number, 10)
    assert records.logs_after(number, last[-1]["id"]) == []
    assert records.logs_after(number, last[1]["id"]) == last[2:]
    records.end(number, ended())
    assert [line["message"] for line in records.logs(None, 10)] == ["line 3", "line 4", "line 5", "of another run"]


def test_marks_totals_and_alerts(tmp_path: Path) -> None:
    records = Records(tmp_path)
    assert [records.mark("stale:a", "now"), records.mark("stale:a", "later")] == [True, False]
    assert [records.mark("stale:a", None), records.mark("stale:a", None)] == [True, False]
    records.add("load_seconds", 1.5)
    records.add("load_seconds", 2)
    assert records.totals() == {"load_seconds": 3.5}
    records.alerted("failure", "load", "no", "email", None)
    records.alerted("failure", "load", "no", "webhook", "refused")
    assert [(a["notify"], a["error"]) for a in records.alerts()] == [("webhook", "refused"), ("email", None)]


def test_a_failed_write_leaves_nothing_and_the_next_one_works(tmp_path: Path) -> None:
    records = Records(tmp_path)
    number, _, _ = records.begin("command")
    with pytest.raises(TypeError):
        records.end(number, ended(steps=[object()]))
    assert json.dumps(records.run(number))
    with pytest.raises(sqlite3.OperationalError):
        half(records)
    assert records.mark("half", "now")


def half(records: Records) -> None:
    with records._write() as db:
        db.execute("INSERT INTO marks VALUES ('half', 'now')")
        db.execute("not SQL")


def test_a_number_given_again_isn_t_the_same_process(tmp_path: Path) -> None:
    records = Records(tmp_path)
    number, _, _ = records.begin("command")
    assert records.runs(1)[0]["state"] == "running"
    for process in (f"{os.getpid()}/1/an-earlier-boot", None):
        with records._write() as db:
            db.execute("UPDATE runs SET process = ? WHERE number = ?", [process, number])
        assert records.runs(1)[0]["state"] == "interrupted"


def test_an_index_of_an_earlier_version_is_taken_over(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "runs.sqlite") as db:
        db.execute(
            "CREATE TABLE runs (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, idempotency TEXT UNIQUE, "
            "trigger TEXT, state TEXT, started TEXT, seconds REAL, quarantined INTEGER DEFAULT 0, report TEXT)"
        )
        db.execute("INSERT INTO runs (id, state, trigger, started) VALUES ('a', 'running', 'command', 'then')")
    db.close()
    assert [run["state"] for run in Records(tmp_path).runs(5)] == ["interrupted"]


def test_an_index_that_can_t_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs.sqlite").write_bytes(b"not a database, and longer than a header" * 100)
    with pytest.raises(CatchwaterError, match="the records of runs can't be used: file is not a database"):
        Records(tmp_path)


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from catchwater.runtimes.records import Records\n"
    script += "r = Records(Path(sys.argv[1]))\n"
    script += "for _ in range(50):\n n = r.begin('command')[0]; r.log(n, 'info', '', 'x', {}); r.add('n', 1)\n"
    script += " r.end(n, {'state': 'done', 'seconds': 0, 'quarantined': 0})"
    command = [sys.executable, "-c", script, str(tmp_path)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[1] for process in processes]
    assert said == ["", ""]
    records = Records(tmp_path)
    assert records.totals() == {"n": 100.0}
    assert [run["number"] for run in records.runs(200)] == list(range(100, 0, -1))
    assert len(records.logs(None, 1000)) == 100


def test_eight_threads_number_their_runs_apart(tmp_path: Path) -> None:
    records = Records(tmp_path)
    numbers: list[int] = []

    def begin() -> None:
        numbers.extend(records.begin("command")[0] for _ in range(20))
        records.close()

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 161))
    records.close()


def test_a_disk_that_is_full_later_is_named_and_nothing_is_half_written(tmp_path: Path) -> None:
    records = Records(tmp_path / "state")
    number = records.begin("command")[0]
    records._db().execute("PRAGMA max_page_count = 1")  # no more than there are
    with pytest.raises(CatchwaterError, match=r"the records of runs can't be used: database or disk is full"):
        records.log(number, "info", "ingest:a", "x" * 1_000_000, {})
    records._db().execute("PRAGMA max_page_count = 100000")
    assert records.logs(number, 10) == []
    records.end(number, ended())
    assert records.runs(1)[0]["state"] == "done"
    records.close()
