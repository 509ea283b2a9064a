"""The runtime on one machine: passes, chains, records; drift is planned again, and a fault stops one step alone."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from catchwater.errors import CatchwaterError, LakeError, ProjectError, SourceUnreachable
from catchwater.runtimes import local
from catchwater.runtimes.local import Runtime, merge
from catchwater.stages.outcome import Failure, Outcome, TableOutcome
from tests.support.pings import MODEL, write
from tests.support.postgres import Database, db, postgres18
from tests.support.runtime import runtime, steps

__all__ = ["db", "postgres18"]

TWO = """project: two
sources:
  shop: {kind: postgres, url: "${SHOP_URL}"}
  pings: {kind: topic, schema: schemas/ping.json, key: [id]}
"""
ORDERS = "/*---\nkey: [id]\n---*/\nSELECT id, note FROM shop.orders"
TOTALS = "/*---\nkey: [n]\n---*/\nSELECT count(*) AS n FROM orders"


@pytest.fixture
def pings(tmp_path: Path) -> Path:
    return write(tmp_path / "pings")


@pytest.fixture
def two(tmp_path: Path, db: Database) -> Path:
    db.run("CREATE TABLE orders (id int PRIMARY KEY, note text)", "INSERT INTO orders VALUES (1, 'a')")
    folder = write(tmp_path / "two", TWO)
    (folder / "models" / "orders.sql").write_text(ORDERS)
    (folder / "models" / "totals.sql").write_text(TOTALS)
    (folder / "models" / "all_orders.sql").write_text("/*---\nkey: [id]\n---*/\nSELECT * FROM shop.orders")
    (folder / ".env").write_text(f"SHOP_URL={db.url()}\n")
    return folder


def rows(made: Runtime, sql: str) -> list[tuple[object, ...]]:
    with made.wiring.warehouse().read() as reading:
        return reading.connection.execute(sql).fetchall()


def test_a_run_is_recorded_here_and_in_the_lake(pings: Path) -> None:
    with runtime(pings) as made:
        assert made.changed
        made.wiring.topic("pings").publish([b'{"id": 1}', b"broken"])
        report = made.run()
        assert (report.state, report.exit_code, report.quarantined, report.moved) == ("partly", 3, 1, True)
        stored = json.loads(made.wiring.store("ingestion").read(f"_runs/{report.id}.json"))
        assert stored == report.as_dict()
        assert made.records.run(report.number)["steps"] == stored["steps"]  # type: ignore[index]
        again = made.run()
        assert (again.state, again.exit_code, again.moved) == ("done", 0, False)
        assert set(steps(again).values()) == {"nothing"}
    with runtime(pings) as made:
        assert not made.changed


@pytest.mark.parametrize("ends", ["at once", "later", "with another plan"])
def test_a_source_read_to_its_end_isn_t_asked_again(pings: Path, monkeypatch: pytest.MonkeyPatch, ends: str) -> None:
    with runtime(pings) as made:
        made.wiring.topic("pings").publish([b'{"id": 1}'])
        ingest, asked = local.STAGES["ingest"], []

        def counted(*given: object) -> Outcome:
            done = ingest(*given)  # type: ignore[arg-type]
            asked.append(done.moved)
            if done.moved and ends == "with another plan":
                made.replan()
            return replace(done, more=done.moved and ends == "later")

        monkeypatch.setitem(local.STAGES, "ingest", counted)
        assert made.run().state == "done"
        assert asked == ([True] if ends == "at once" else [True, False])
        assert rows(made, "SELECT id FROM pings") == [(1,)]


def test_a_wake_follows_its_batches_and_leaves_no_record_of_nothing(pings: Path) -> None:
    with runtime(pings) as made:
        made.wiring.topic("pings").publish([b'{"id": 1}'])
        report = made.wake({"ingest:pings"}, "message")
        assert list(steps(report)) == ["ingest:pings", "process:pings", "load:duckdb"]
        assert made.wake({"ingest:pings", "a step of another plan"}, "message").outcomes[0].step == "ingest:pings"
        assert [run["number"] for run in made.records.runs(10)] == [report.number]


def test_told_to_stop_it_ends_after_the_step_at_hand(pings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with runtime(pings) as made:
        made.wiring.topic("pings").publish([b'{"id": 1}'])
        ingest = local.STAGES["ingest"]

        def stop(*given: object) -> Outcome:
            made.stopping.set()
            return ingest(*given)  # type: ignore[arg-type]

        monkeypatch.setitem(local.STAGES, "ingest", stop)
        assert steps(made.run()) == {"ingest:pings": "done"}
        made.stopping.clear()
        made.wiring.topic("pings").publish([b'{"id": 2}'])
        assert steps(made.wake({"ingest:pings"}, "message")) == {"ingest:pings": "done"}
        made.stopping.clear()
        monkeypatch.undo()
        assert made.run().state == "done"
        assert rows(made, "SELECT count(*) FROM pings") == [(2,)]


def test_a_fault_fails_one_step_and_its_trace_is_in_the_log_alone(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with runtime(two) as made:
        made.wiring.topic("pings").publish([b'{"id": 1}'])
        ingest = local.STAGES["ingest"]

        def broken(ports: object, plan: object, step: local.Step, run: str) -> Outcome:
            if step.source == "shop":
                raise KeyError("oops")
            return ingest(ports, plan, step, run)  # type: ignore[arg-type]

        monkeypatch.setitem(local.STAGES, "ingest", broken)
        report = made.run()
        assert report.state == "failed"
        assert report.exit_code == 1
        assert report.as_dict()["error"] == "a fault in Catchwater itself: KeyError: 'oops'"
        assert "Traceback" not in json.dumps(report.as_dict())
        assert steps(report)["ingest:pings"] == "done"
        assert rows(made, "SELECT id FROM pings") == [(1,)]
        [line] = [line for line in made.records.logs(report.number, 50) if "traceback" in line["fields"]]
        assert "KeyError: 'oops'" in line["fields"]["traceback"]


def test_a_column_that_comes_is_taken_with_the_next_wake(two: Path, db: Database) -> None:
    with runtime(two) as made:
        assert made.run().state == "done"
        db.run("ALTER TABLE orders ADD COLUMN price int", "INSERT INTO orders VALUES (2, 'b', 7)")
        db.run("CREATE TABLE later (id int PRIMARY KEY)")
        report = made.wake({"ingest:shop"}, "schedule")
        assert report.state == "done"
        assert [table.name for table in made.plan.source("shop").tables] == ["later", "orders"]
        assert rows(made, "SELECT id, price FROM all_orders ORDER BY id") == [(1, None), (2, 7)]


def test_a_column_that_goes_holds_what_reads_it_and_nothing_else(two: Path, db: Database) -> None:
    with runtime(two) as made:
        made.run()
        db.run("ALTER TABLE orders DROP COLUMN note", "INSERT INTO orders VALUES (2)")
        made.wiring.topic("pings").publish([b'{"id": 9}'])
        for _ in range(2):  # and so it stays until somebody sees to it
            report = made.wake({"ingest:shop", "ingest:pings"}, "schedule")
            assert report.state == "failed"
            assert steps(report)["ingest:shop"] == "failed"
            assert "models/orders.sql:4:" in report.as_dict()["error"]
            assert "note" in report.as_dict()["error"]
        assert made.run().state == "failed"
        assert rows(made, "SELECT id, note FROM orders") == [(1, "a")]
        assert rows(made, "SELECT id FROM pings") == [(9,)]
        assert made.records.steps()["ingest:shop"]["failures"] == 3
        (two / "models" / "orders.sql").write_text(ORDERS.replace("id, note", "id"))
        report = made.wake({"ingest:shop"}, "retry")
        assert report.state == "done"
        assert rows(made, "SELECT id FROM orders ORDER BY id") == [(1,), (2,)]
        assert rows(made, "SELECT n FROM totals") == [(2,)]


def test_a_table_that_goes_fails_the_models_that_name_it(two: Path, db: Database) -> None:
    db.run("CREATE TABLE spare (id int PRIMARY KEY)")
    with runtime(two) as made:
        made.run()
        db.run("DROP TABLE spare", "INSERT INTO orders VALUES (2, 'b')")
        assert made.wake({"ingest:shop"}, "schedule").state == "done"
        assert rows(made, "SELECT count(*) FROM orders") == [(2,)]
        db.run("DROP TABLE orders")
        report = made.wake({"ingest:shop"}, "schedule")
        assert report.state == "failed"
        assert "orders" in report.as_dict()["error"]
        assert rows(made, "SELECT count(*) FROM orders") == [(2,)]


def test_a_plan_needs_what_it_names(two: Path, db: Database) -> None:
    (two / ".env").write_text("SHOP_URL=postgresql://nobody@127.0.0.1:1/nothing\n")
    with pytest.raises(SourceUnreachable), runtime(two):
        pass
    (two / ".env").write_text(f"SHOP_URL={db.url()}\n")
    with runtime(two) as made:
        made.run()
    (two / ".env").write_text("SHOP_URL=postgresql://nobody@127.0.0.1:1/nothing\n")
    with runtime(two) as made:
        assert steps(made.run())["ingest:shop"] == "failed"
        assert rows(made, "SELECT id FROM orders") == [(1,)]
    (two / "models" / "orders.sql").write_text(ORDERS.replace("note", "nothing"))
    with pytest.raises(ProjectError, match=r"models/orders.sql:4"), runtime(two):
        pass


def test_a_record_that_the_lake_refuses_is_a_warning(pings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with runtime(pings) as made:
        monkeypatch.setattr(made.wiring.store("ingestion"), "create", refuse)
        report = made.run()
        assert report.state == "done"
        said = [line["message"] for line in made.records.logs(report.number, 10) if line["level"] == "warning"]
        assert said[-1:] == ["the run record wasn't stored: no room"]


def refuse(key: str, data: bytes) -> None:
    raise LakeError("no room")


def test_a_log_that_can_t_be_read_after_a_capture_fails_the_step(pings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with runtime(pings) as made:
        made.wiring.topic("pings").publish([b'{"id": 1}'])
        monkeypatch.setattr(made, "_drifted", lambda step: (_ for _ in ()).throw(CatchwaterError("gone")))
        report = made.wake({"ingest:pings"}, "message")
        assert report.as_dict()["steps"][0]["batches"] == ["ingestion/pings/1"]
        assert report.as_dict()["error"] == "gone"
        monkeypatch.undo()
        assert made.run().state == "done"
        assert rows(made, "SELECT id FROM pings") == [(1,)]


def test_passes_are_one_outcome_per_step() -> None:
    first = Outcome("a", "load", rows_in=1, tables={"t": TableOutcome(1)}, notes=("n",))
    second = Outcome(
        "a", "load", rows_in=2, tables={"t": TableOutcome(2)}, notes=("n",), failures=(Failure("a", "E", "m"),)
    )
    other = Outcome("b", "load")
    [one, two] = merge([first, other, second])
    assert (one.rows_in, one.tables["t"].rows, one.notes, one.failed) == (3, 3, ("n",), True)
    assert two == other


def test_a_model_without_an_input_is_said_with_its_line(pings: Path) -> None:
    (pings / "models" / "pings.sql").write_text(MODEL.replace("FROM pings", "FROM pongs"))
    with pytest.raises(ProjectError, match=r"models/pings.sql:5"), runtime(pings):
        pass
