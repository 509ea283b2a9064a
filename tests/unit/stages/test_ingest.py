"""Ingest on a real store: what is committed is what the source said, once, whoever else writes."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from catchwater.adapters.stores.local import LocalStore
from catchwater.errors import LostRace, SourceBusy, SourceUnreachable
from catchwater.lake import quarantine
from catchwater.lake.log import Log
from catchwater.lake.manifest import Draft
from catchwater.plan.plan import Plan, SourcePlan, Step
from catchwater.ports import Captured, Extraction, Held, Ports, Refused
from catchwater.project.tables import Column, TableSchema
from catchwater.stages import ingest as module
from catchwater.stages.ingest import ingest
from catchwater.wiring import SystemClock

ORDERS = TableSchema("orders", (Column("id", "INTEGER", nullable=False), Column("note", "VARCHAR")), ("id",))
NOTES = TableSchema("notes", (Column("text", "VARCHAR"),))
STEP = Step("ingest:shop", "ingest", source="shop")
PLAN = Plan(
    "p", "local", (SourcePlan("shop", "postgres", {}, (NOTES, ORDERS)),), (), (STEP,), (), (), (), {}, {}, {}, {}
)


def parquet(path: Path, rows: Sequence[tuple[int, str | None]], op: str = "upsert") -> Path:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t (id INTEGER, note VARCHAR)")
        if rows:
            con.executemany("INSERT INTO t VALUES (?, ?)", rows)
        con.execute(
            f"COPY (SELECT *, '{op}' AS _op, now() AS _at, '7' AS _version, NULL::MAP(VARCHAR, VARCHAR) AS _exact FROM t)"
            f" TO '{path}' (FORMAT parquet)"
        )
    return path


class Script:
    """A source that says one thing after the other; an exception in the script is raised."""

    def __init__(self, *acts: object) -> None:
        self.acts = list(acts)
        self.held: list[list[tuple[int, str | None]]] = []
        self.tables: list[Sequence[str]] = []

    def describe(self) -> tuple[TableSchema, ...]:
        return (ORDERS, NOTES)

    def capture(self, tables: Sequence[str], held: Held, work: Path) -> Extraction | None:
        self.tables.append(tables)
        if "orders" in held.tables:
            with duckdb.connect() as con:
                view = held.current(con, "orders")
                self.held.append(con.execute(f"SELECT id, note FROM {view} ORDER BY id").fetchall())
        act = self.acts.pop(0) if self.acts else None
        if isinstance(act, Exception):
            raise act
        if callable(act):
            return act(held, work)  # type: ignore[no-any-return]
        return None


def captures(rows: Sequence[tuple[int, str | None]], op: str = "upsert", **more: object) -> object:
    def act(held: Held, work: Path) -> Extraction:
        file = parquet(work / "orders.parquet", rows, op)
        table = Captured(ORDERS, (file,), len(rows), count=len(rows), checksum="c")
        position = {"kind": "script", "tables": {"orders": {"oid": 1}}}
        return Extraction(position, {"orders": table}, rows_read=len(rows), **more)  # type: ignore[arg-type]

    return act


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "ingestion")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.0)


def ports(store: LocalStore, source: Script) -> Ports:
    return Ports({"ingestion": store}, engine=None, clock=SystemClock(), source=source)  # type: ignore[arg-type]


def test_batches_follow_each_other_until_nothing_is_new(store: LocalStore) -> None:
    source = Script(captures([(1, "a"), (2, None)], more=True), captures([(2, "b")]), captures([(1, "a")], "delete"))
    first = ingest(ports(store, source), PLAN, STEP, "run")
    assert [ref.seq for ref in first.batches] == [1, 2]
    assert (first.rows_in, first.rows_out, first.tables["orders"].rows) == (3, 3, 3)
    second = ingest(ports(store, source), PLAN, STEP, "run")
    third = ingest(ports(store, source), PLAN, STEP, "run")
    assert [ref.seq for ref in second.batches] == [3]
    assert not third.moved
    assert source.held == [[(1, "a"), (2, None)], [(1, "a"), (2, "b")], [(2, "b")]]
    assert source.tables[0] == ["notes", "orders"]


def test_a_table_without_news_stays_in_the_manifest(store: LocalStore) -> None:
    def notes(held: Held, work: Path) -> Extraction:
        assert held.tables["orders"].count == 1
        assert held.tables["orders"].checksum == "c"
        assert held.tables["orders"].state == {"oid": 1}
        assert held.tables["orders"].schema == ORDERS
        return Extraction({"tables": {}}, {"notes": Captured(NOTES)})

    ingest(ports(store, Script(captures([(1, "a")]))), PLAN, STEP, "run")
    ingest(ports(store, Script(notes)), PLAN, STEP, "run")
    head = Log(store, "ingestion/shop").head()
    assert head is not None
    assert sorted(head.tables) == ["notes", "orders"]
    assert (head.tables["orders"].rows, head.tables["orders"].files, head.tables["orders"].count) == (0, (), 1)


def test_refused_rows_are_kept_and_counted(store: LocalStore) -> None:
    row = Refused("orders", "message 7", "not JSON", "{")
    done = ingest(ports(store, Script(captures([(1, "a")], refused=(row,), notes=("one gap",)))), PLAN, STEP, "run")
    head = Log(store, "ingestion/shop").head()
    assert head is not None
    assert head.quarantine is not None
    assert list(quarantine.read(store, head.quarantine)) == [row]
    assert (done.quarantined, done.notes) == (1, ("one gap",))


def test_files_kept_as_they_came_are_named(store: LocalStore) -> None:
    def raw(held: Held, work: Path) -> Extraction:
        (work / "stations.csv").write_bytes(b"id\n1\n")
        return Extraction({}, {"notes": Captured(NOTES)}, raw=(work / "stations.csv",))

    ingest(ports(store, Script(raw)), PLAN, STEP, "run")
    head = Log(store, "ingestion/shop").head()
    assert head is not None
    assert store.read(head.raw[0].path) == b"id\n1\n"


def test_a_lost_race_is_read_again_and_never_committed_twice(store: LocalStore) -> None:
    def raced(held: Held, work: Path) -> Extraction:
        log = Log(store, "ingestion/shop")
        log.commit(Draft("ingest", "1", "other", "2026-01-01T00:00:00+00:00"), log.head())
        return captures([(1, "a")])(held, work)  # type: ignore[operator, no-any-return]

    source = Script(raced, captures([(1, "a")]))
    done = ingest(ports(store, source), PLAN, STEP, "run")
    assert [ref.seq for ref in done.batches] == [2]
    assert len(source.tables) == 2
    runs = [manifest.run for manifest in Log(store, "ingestion/shop").batches(None)]
    assert runs == ["other", "run"]


def test_a_busy_source_is_tried_again_and_then_said(store: LocalStore) -> None:
    source = Script(SourceBusy("orders is locked"), SourceBusy("orders is locked"), captures([(1, "a")]))
    assert ingest(ports(store, source), PLAN, STEP, "run").moved
    stuck = Script(*[SourceBusy("orders is locked")] * module.ATTEMPTS)
    with pytest.raises(SourceBusy, match="orders is locked"):
        ingest(ports(store, stuck), PLAN, STEP, "run")
    assert stuck.acts == []


def test_an_error_leaves_the_log_as_it_was(store: LocalStore) -> None:
    ingest(ports(store, Script(captures([(1, "a")]))), PLAN, STEP, "run")
    with pytest.raises(SourceUnreachable):
        ingest(ports(store, Script(SourceUnreachable("no route"))), PLAN, STEP, "run")
    head = Log(store, "ingestion/shop").head()
    assert head is not None
    assert head.seq == 1


def test_losing_for_ever_ends(store: LocalStore) -> None:
    with pytest.raises(LostRace):
        ingest(ports(store, Script(*[LostRace("again")] * module.ATTEMPTS)), PLAN, STEP, "run")
