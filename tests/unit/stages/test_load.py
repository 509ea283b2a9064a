"""The load stage: the cut it goes to, what it holds back or begins anew, and that a second wake opens nothing."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catchwater.adapters.warehouses import ddl
from catchwater.adapters.warehouses.duckdb import DuckdbWarehouse
from catchwater.errors import GrantMissing, WarehouseBusy, WarehouseError
from catchwater.plan.plan import Grant, Plan, Step
from catchwater.ports import Settings
from catchwater.stages.guard import Grants, GuardedWarehouse
from catchwater.stages.load import load
from catchwater.stages.outcome import Outcome
from tests.support.models import Bench, table

ORDERS = table("orders", {"id": "INTEGER", "staff": "INTEGER", "units": "INTEGER"}, ["id"])
STAFF = table("staff", {"staff": "INTEGER", "name": "VARCHAR"}, ["staff"])
NOTES = table("notes", {"note": "VARCHAR"})
EVENTS = table("events", {"e": "VARCHAR"}, ["e"])
FACT = "SELECT o._id AS record, o.id, o.staff, o.units FROM shop.orders__history AS o"
DIM = "SELECT staff, name FROM shop.staff"
REFERENCES = "references: {staff: dim_staff}"
Counts = tuple[int, int, int]


class Loading(Bench):
    """The workbench with a DuckDB warehouse behind it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {"shop": [ORDERS, STAFF, NOTES], "events": [EVENTS]})
        settings = Settings(folder, folder / ".catchwater", "local", str)
        self._read: dict[str, str] | None = None
        self.warehouse = Opened("duckdb", None, settings, patience=5.0)

    def plan(self) -> Plan:
        """Made anew only when a model's file is another."""
        held = {path.name: path.read_text() for path in (self.folder / "models").iterdir()}
        if held != self._read:
            self._plan, self._read = super().plan(), held
        return self._plan

    def load(self, plan: Plan | None = None) -> Outcome:
        plan = plan or self.plan()
        step = Step("load:duckdb", "load", models=tuple(model.name for model in plan.models))
        return load(replace(self.ports, warehouse=self.warehouse), plan, step, "run")

    def seen(self, sql: str) -> list[tuple[Any, ...]]:
        with self.warehouse.read() as reading:
            return reading.connection.execute(sql).fetchall()

    def offsets(self) -> dict[str, int]:
        version = self.warehouse.version()
        return {log.partition("/")[2]: seq for log, (seq, _) in version.cut.items()} if version else {}

    @property
    def processed(self) -> Path:
        return self.folder / ".catchwater" / "lake" / "processed"


class Opened(DuckdbWarehouse):
    """Counts the loads that open it."""

    loads = 0

    @contextmanager
    def load(self, cut: Mapping[str, tuple[int, str]]) -> Iterator[Any]:
        self.loads += 1
        with super().load(cut) as session:
            yield session


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Loading]:
    made = Loading(tmp_path)
    yield made
    made.warehouse.close()


def orders(*rows: tuple[int, int, int] | tuple[int, int, int, str]) -> str:
    values = ", ".join(str((*row, "upsert")[:4]) for row in rows)
    return f"SELECT * FROM (VALUES {values}) AS t(id, staff, units, _op)"


def star(bench: Loading) -> None:
    bench.write("fact_order", FACT, REFERENCES)
    bench.write("dim_staff", DIM, "checks: [{not_null: [name]}]")
    bench.ingest("shop", {"orders": orders((1, 1, 10), (2, 1, 5)), "staff": "SELECT 1 AS staff, 'ann' AS name"})


def counts(outcome: Outcome) -> dict[str, Counts]:
    return {name: (table.added, table.changed, table.removed) for name, table in outcome.tables.items()}


def test_changes_come_through_and_are_counted_once(bench: Loading) -> None:
    star(bench)
    bench.process()
    first = bench.load()
    assert counts(first) == {"fact_order": (2, 0, 0), "dim_staff": (1, 0, 0)}
    assert (first.added, first.rows_in, first.rows_out, first.failures, first.notes) == (3, 3, 3, (), ())
    assert {ref.log for ref in first.batches} == {"processed/fact_order", "processed/dim_staff"}
    for units in (11, 12, 13):  # both files take their turn, and each load counts its own change alone
        bench.ingest("shop", {"orders": orders((1, 1, units))})
        bench.process()
        done = bench.load()
        assert counts(done) == {"fact_order": (1, 0, 0), "dim_staff": (0, 0, 0)}
        assert done.rows_in == 1
        assert bench.seen("SELECT units FROM fact_order_current WHERE id = 1") == [(units,)]
    bench.ingest("shop", {"orders": orders((1, 1, 13, "delete")), "staff": "SELECT 1 AS staff, 'bob' AS name"})
    bench.process()
    assert counts(bench.load()) == {"fact_order": (1, 0, 0), "dim_staff": (0, 1, 0)}
    assert bench.seen("SELECT id FROM fact_order_current") == [(2,)]
    assert bench.seen("SELECT name FROM dim_staff") == [("bob",)]


def test_a_second_wake_opens_nothing(bench: Loading) -> None:
    star(bench)
    bench.write("small", "SELECT * FROM dim_staff", "materialized: view")
    bench.process()
    bench.load()
    opened, version = bench.warehouse.loads, bench.warehouse.version()
    again = bench.load()
    assert (again.batches, again.tables, again.rows_out, again.moved) == ((), {}, 0, False)
    assert (bench.warehouse.loads, bench.warehouse.version()) == (opened, version)


def test_a_group_whose_one_model_fails_is_held_back_and_others_go_on(bench: Loading) -> None:
    star(bench)
    bench.write("note", "SELECT note FROM shop.notes", "key: [note]")
    bench.process()
    bench.load()
    bench.ingest("shop", {
        "orders": orders((3, 2, 7)), "staff": "SELECT 2 AS staff, NULL AS name",
        "notes": "SELECT 'n' AS note, 'h' AS _version, 1 AS _occurrence",
    })  # fmt: skip
    assert [failure.what for failure in bench.process().failures] == ["dim_staff"]
    done = bench.load()
    assert counts(done) == {"note": (1, 0, 0)}
    assert bench.offsets() == {"fact_order": 1, "dim_staff": 1, "note": 2}
    assert bench.seen("SELECT count(*) FROM fact_order") == [(2,)]
    bench.ingest("shop", {"staff": "SELECT 2 AS staff, 'eve' AS name"})
    bench.process()
    after = counts(bench.load())
    assert (after["fact_order"], after["dim_staff"]) == ((1, 0, 0), (1, 0, 0))
    assert bench.seen("SELECT name, units FROM fact_order_current JOIN dim_staff USING (staff) WHERE id = 3") == [
        ("eve", 7)
    ]


def test_a_model_never_made_holds_its_group_empty(bench: Loading) -> None:
    star(bench)
    bench.ingest("shop", {"staff": "SELECT 9 AS staff, NULL AS name"})
    bench.process()
    done = bench.load()
    assert counts(done) == {}
    assert bench.seen("SELECT (SELECT count(*) FROM fact_order), (SELECT count(*) FROM dim_staff)") == [(0, 0)]
    assert bench.offsets() == {}


def test_the_cut_is_the_lowest_offset_of_each_source(bench: Loading) -> None:
    bench.write("fact_order", FACT, REFERENCES)
    bench.write(
        "dim_staff",
        "SELECT staff, name FROM shop.staff, (SELECT count(e) AS n FROM events) WHERE n >= 0",
        "key: [staff]",
    )
    bench.ingest("shop", {"orders": orders((1, 1, 10)), "staff": "SELECT 1 AS staff, 'ann' AS name"})
    bench.ingest("events", {"events": "SELECT 'a' AS e"})
    bench.process()
    assert bench.load().failures == ()
    plan = bench.plan()
    ahead = replace(plan, steps=(replace(plan.steps[0], models=("fact_order",)),))
    bench.ingest("shop", {"orders": orders((1, 1, 11)), "staff": "SELECT 1 AS staff, 'bob' AS name"})
    bench.process(ahead)
    held = bench.load()
    assert (held.tables, bench.offsets()) == ({}, {"fact_order": 1, "dim_staff": 1})
    bench.ingest("events", {"events": "SELECT 'b' AS e"})
    bench.process()
    assert bench.load().failures == ()
    assert bench.seen("SELECT name, units FROM fact_order_current JOIN dim_staff USING (staff)") == [("bob", 11)]


def test_models_that_read_models_are_cut_with_them(bench: Loading) -> None:
    star(bench)
    bench.write("by_staff", "SELECT staff, sum(units) AS units FROM fact_order_current GROUP BY staff", "key: [staff]")
    bench.process()
    bench.load()
    bench.ingest("shop", {"orders": orders((1, 1, 100))})
    plan = bench.plan()
    bench.process(replace(plan, steps=(replace(plan.steps[0], models=("fact_order",)),)))
    assert bench.load().tables == {}
    bench.process()
    bench.load()
    assert bench.seen("SELECT units FROM by_staff") == [(105,)]
    assert bench.seen("SELECT sum(units) FROM fact_order_current") == [(105,)]


def test_a_lake_that_was_restored_is_loaded_anew(bench: Loading) -> None:
    star(bench)
    bench.process()
    copy = bench.folder / "copy"
    shutil.copytree(bench.processed, copy)
    bench.ingest("shop", {"orders": orders((3, 1, 3))})
    bench.process()
    bench.load()
    bench.ingest("shop", {"orders": orders((4, 1, 4))})
    bench.process()
    bench.load()
    shutil.rmtree(bench.processed)
    copy.rename(bench.processed)  # what was loaded is no longer in the log
    bench.ingest("shop", {"orders": orders((5, 1, 5))})
    bench.process()
    done = bench.load()
    assert done.failures == ()
    assert any("fact_order" in note and "anew" in note for note in done.notes), done.notes
    wanted = [(1,), (2,), (3,), (4,), (5,)]
    assert bench.seen("SELECT id FROM fact_order_current ORDER BY id") == wanted
    bench.ingest("shop", {"orders": orders((6, 1, 6))})
    bench.process()
    assert bench.load().failures == ()
    assert bench.seen("SELECT id FROM fact_order_current ORDER BY id") == [*wanted, (6,)]
    assert bench.load().batches == ()


def test_a_log_begun_again_is_loaded_anew(bench: Loading) -> None:
    star(bench)
    bench.process()
    bench.load()
    bench.ingest("shop", {"orders": orders((1, 1, 10, "delete"))})
    bench.process()
    bench.load()
    shutil.rmtree(bench.processed / "fact_order")
    bench.process()
    assert bench.load().failures == ()
    assert bench.seen("SELECT id FROM fact_order_current") == [(2,)]
    assert bench.seen("SELECT count(*) FROM fact_order") == [(3,)]


@pytest.mark.parametrize("loads", [0, 1, 2, 3])
def test_a_changed_key_begins_the_model_anew(bench: Loading, loads: int) -> None:
    bench.write("o", "SELECT id, staff, units FROM shop.orders", "key: [id]")
    for number in range(loads):
        bench.ingest("shop", {"orders": orders((1, 1, number), (number + 2, 1, 5))})
        bench.process()
        bench.load()
    bench.ingest("shop", {"orders": orders((1, 1, 99), (9, 9, 9))})
    bench.process()
    bench.write("o", "SELECT units, max(id) AS id FROM shop.orders GROUP BY units", "key: [units]")
    bench.process()
    assert bench.load().failures == ()
    wanted = bench.rows("o")
    assert sorted(bench.seen("SELECT units, id FROM o")) == sorted(wanted)
    bench.ingest("shop", {"orders": orders((8, 1, 8))})
    bench.process()
    assert counts(bench.load())["o"] == (1, 0, 0)
    assert sorted(bench.seen("SELECT units, id FROM o")) == sorted(bench.rows("o"))


def test_a_corrupt_file_holds_back_its_group_only(bench: Loading) -> None:
    star(bench)
    bench.write("note", "SELECT note FROM shop.notes", "key: [note]")
    bench.process()
    bench.load()
    bench.ingest("shop", {
        "orders": orders((3, 1, 7)), "notes": "SELECT 'n' AS note, 'h' AS _version, 1 AS _occurrence",
    })  # fmt: skip
    bench.process()
    [file] = bench.log("fact_order")[-1].tables["fact_order"].files
    path = bench.processed / file.path
    path.chmod(0o644)
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    done = bench.load()
    [failure] = done.failures
    assert (failure.error, counts(done)) == ("Corrupt", {"note": (1, 0, 0)})
    assert "restore the file" in failure.message
    assert bench.seen("SELECT count(*) FROM fact_order") == [(2,)]
    assert bench.seen("SELECT note FROM note") == [("n",)]
    path.write_bytes(good)
    assert counts(bench.load()) == {"fact_order": (1, 0, 0), "dim_staff": (0, 0, 0)}


def test_a_manifest_that_cannot_be_read_holds_back_its_group_only(bench: Loading) -> None:
    star(bench)
    bench.write("note", "SELECT note FROM shop.notes", "key: [note]")
    bench.process()
    bench.load()
    bench.ingest("shop", {
        "orders": orders((3, 1, 7)), "notes": "SELECT 'n' AS note, 'h' AS _version, 1 AS _occurrence",
    })  # fmt: skip
    bench.process()
    path = bench.processed / "fact_order" / "_log" / f"{2:020d}" / "query_log.json"
    path.chmod(0o644)
    good = path.read_bytes()
    path.write_bytes(good.replace(b"process", b"Process"))
    done = bench.load()
    assert [failure.error for failure in done.failures] == ["Corrupt"]
    assert counts(done) == {"note": (1, 0, 0)}
    assert bench.offsets()["fact_order"] == 1
    path.write_bytes(good)
    assert bench.load().failures == ()
    assert bench.offsets()["fact_order"] == 2


def test_models_come_and_go(bench: Loading) -> None:
    star(bench)
    bench.process()
    bench.load()
    bench.write("note", "SELECT note FROM shop.notes", "key: [note]")
    bench.write("names", "SELECT name FROM dim_staff", "materialized: view")
    (bench.folder / "models" / "fact_order.sql").unlink()
    bench.process()
    assert bench.load().failures == ()
    assert {name for (name,) in bench.seen("SHOW TABLES")} == {"dim_staff", "names", "note"}
    assert bench.seen("FROM names") == [("ann",)]
    bench.write("fact_order", FACT, REFERENCES)
    bench.process()
    assert bench.load().failures == ()
    assert bench.seen("SELECT count(*) FROM fact_order") == [(2,)]


VIEW = "materialized: view"


def breaking(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """One view can't be made any more."""
    made = ddl.view_sql
    monkeypatch.setattr(
        ddl, "view_sql", lambda model, among: "SELECT nothing" if model.name == name else made(model, among)
    )


def test_a_view_that_readers_have_and_that_cannot_be_made_fails_the_load_by_name(
    bench: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    star(bench)
    bench.process()
    bench.load()
    bench.write("names", "SELECT name FROM dim_staff", VIEW)
    assert bench.load().failures == ()  # the other file hasn't the view yet
    bench.ingest("shop", {"staff": "SELECT 2 AS staff, 'eve' AS name"})
    bench.process()
    before = bench.warehouse.version()
    with monkeypatch.context() as broken:
        breaking(broken, "names")
        with pytest.raises(WarehouseError, match="names: Binder Error"):
            bench.load()
    assert bench.warehouse.version() == before
    assert bench.seen("FROM names") == [("ann",)]
    assert bench.load().failures == ()
    assert bench.seen("FROM names ORDER BY name") == [("ann",), ("eve",)]


def test_a_view_that_nobody_has_yet_holds_back_its_group_alone(bench: Loading, monkeypatch: pytest.MonkeyPatch) -> None:
    star(bench)
    bench.write("note", "SELECT note FROM shop.notes", "key: [note]")
    bench.process()
    bench.load()
    bench.write("names", "SELECT name FROM dim_staff", VIEW)
    bench.ingest("shop", {
        "staff": "SELECT 2 AS staff, 'eve' AS name",
        "notes": "SELECT 'n' AS note, 'h' AS _version, 1 AS _occurrence",
    })  # fmt: skip
    bench.process()
    with monkeypatch.context() as broken:
        breaking(broken, "names")
        done = bench.load()
    assert ["names: Binder Error" in failure.message for failure in done.failures] == [True]
    assert counts(done) == {"note": (1, 0, 0)}
    assert bench.seen("SELECT name FROM dim_staff") == [("ann",)]
    assert bench.load().failures == ()
    assert bench.seen("FROM names ORDER BY name") == [("ann",), ("eve",)]


def test_a_project_without_rows_has_its_tables(bench: Loading) -> None:
    bench.write("o", "SELECT id FROM shop.orders")
    done = bench.load()
    assert (done.failures, done.moved) == ((), False)
    assert bench.seen("FROM o") == []
    assert bench.load().batches == ()
    assert bench.warehouse.loads == 1


def test_what_a_load_may_not_do_is_refused(bench: Loading) -> None:
    star(bench)
    bench.process()
    plan = bench.plan()
    grants = Grants("load:duckdb", [Grant("load:duckdb", "apply", "warehouse/fact_order")])
    ports = replace(bench.ports, warehouse=GuardedWarehouse(bench.warehouse, grants))
    step = Step("load:duckdb", "load", models=("fact_order", "dim_staff"))
    with pytest.raises(GrantMissing, match="may not apply warehouse/dim_staff"):
        load(ports, plan, step, "run")
    assert bench.warehouse.version() is None
    without = replace(bench.ports, warehouse=bench.warehouse, stores={"processed": Refusing()})
    with pytest.raises(GrantMissing, match="may not read"):
        load(without, plan, step, "run")


class Refusing:
    def __getattr__(self, name: str) -> Any:
        raise GrantMissing("load:duckdb", "read", "processed/x")


def test_a_warehouse_that_is_busy_is_no_failure_of_a_group(bench: Loading) -> None:
    star(bench)
    bench.process()
    settings = Settings(bench.folder, bench.folder / ".catchwater", "local", str)
    ports = replace(bench.ports, warehouse=DuckdbWarehouse("duckdb", None, settings, patience=0))
    with bench.warehouse.load({}), pytest.raises(WarehouseBusy, match="another load"):
        load(ports, bench.plan(), Step("load:duckdb", "load", models=("dim_staff",)), "run")
