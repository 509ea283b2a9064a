"""Stages over logs that are rolled while they work: the rows are those that the batches give."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from catchwater.adapters.engines.spark_relations import unfit
from catchwater.adapters.stores.local import LocalStore
from catchwater.lake import checkpoint
from catchwater.lake.checkpoint import verify_checkpoint
from catchwater.lake.log import Log
from catchwater.plan.plan import Plan, SourcePlan, Step
from catchwater.ports import Captured, Extraction, Held, Piece, Ports, Relation
from catchwater.project.tables import TableSchema
from catchwater.stages.ingest import held, ingest
from tests.support import proof
from tests.support.lake import FixedClock, draft
from tests.support.models import Bench, table

ORDERS = table("orders", {"id": "INTEGER", "note": "VARCHAR"}, ["id"])
STEP = Step("ingest:shop", "ingest", source="shop")
PLAN = Plan("p", "local", (SourcePlan("shop", "postgres", {}, (ORDERS,)),), (), (STEP,), (), (), (), {}, {}, {}, {})


class Rows:
    """A source whose rows are a dict; it compares them with those held, as sources do."""

    def __init__(self) -> None:
        self.rows: dict[int, str] = {}

    def describe(self) -> tuple[TableSchema, ...]:
        return (ORDERS,)

    def capture(self, tables: Sequence[str], held: Held, work: Path) -> Extraction | None:
        with duckdb.connect() as con:
            before: dict[int, str] = {}
            if "orders" in held.tables:
                view = held.current(con, "orders")
                assert held.current(con, "orders") == view
                before = dict(con.execute(f"SELECT id, note FROM {view}").fetchall())
            changed = [(k, v, "upsert") for k, v in self.rows.items() if before.get(k) != v]
            changed += [(k, v, "delete") for k, v in before.items() if k not in self.rows]
            if not changed:
                return None
            con.execute("CREATE TABLE t (id INTEGER, note VARCHAR, _op VARCHAR)")
            con.executemany("INSERT INTO t VALUES (?, ?, ?)", changed)
            more = "now() AS _at, '7' AS _version, NULL::MAP(VARCHAR, VARCHAR) AS _exact"
            con.execute(f"COPY (SELECT *, {more} FROM t) TO '{work / 'o.parquet'}' (FORMAT parquet)")
        captured = Captured(ORDERS, (work / "o.parquet",), len(changed), len(self.rows), "c")
        return Extraction({"kind": "rows"}, {"orders": captured}, rows_read=len(changed))


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "BATCHES", 3)
    monkeypatch.setattr(checkpoint, "STEP", 1)


@pytest.mark.usefixtures("often")
def test_captures_and_models_go_on_over_checkpoints(tmp_path: Path) -> None:
    seed = proof.seed()
    chosen, source = random.Random(seed), Rows()
    bench = Bench(tmp_path, {"shop": [ORDERS]})
    bench.write("same", "SELECT id, note FROM shop.orders", "key: [id]")
    bench.write("counts", "SELECT note, count(*) AS n FROM shop.orders GROUP BY note", "key: [note]")
    bench.write("seen", "SELECT _id AS made, id, note FROM shop.orders__history", "key: [made]\nentity: [id]")
    ports = Ports(bench.ports.stores, bench.engine, bench.ports.clock, source=source)
    plan = bench.plan()
    for _ in range(8):
        for _ in range(chosen.randrange(1, 4)):
            key = chosen.randrange(6)
            if key in source.rows and chosen.random() < 0.4:
                del source.rows[key]
            else:
                source.rows[key] = chosen.choice("abc")
        assert not ingest(ports, PLAN, STEP, "r").notes
        assert not bench.process(plan).failures
        assert bench.rows("same") == sorted(source.rows.items()), seed
        kinds = sorted(set(source.rows.values()))
        assert bench.rows("counts") == [(kind, list(source.rows.values()).count(kind)) for kind in kinds], seed
        assert sorted(row[1:] for row in bench.rows("seen", current=True)) == sorted(source.rows.items()), seed
    for zone, name in (("ingestion", "shop"), ("processed", "same"), ("processed", "counts"), ("processed", "seen")):
        log = Log(ports.stores[zone], f"{zone}/{name}")
        made = log.span().checkpoint
        assert made
        assert log.head().seq - made.seq <= 4  # type: ignore[union-attr]
        assert verify_checkpoint(log.store, log, bench.engine.connect) == [], (seed, name)
    again = Bench(tmp_path, {"shop": [ORDERS]})
    stores = {**bench.ports.stores, "processed": LocalStore(tmp_path / "other")}
    again.ports = Ports(stores, bench.engine, bench.ports.clock)
    again.process(plan)
    assert again.rows("seen") == bench.rows("seen")


def test_positions_reach_back_past_a_clock_that_is_an_hour_slow(tmp_path: Path) -> None:
    bench, clock = Bench(tmp_path, {"shop": [ORDERS]}), FixedClock()
    log = Log(bench.ports.stores["ingestion"], "ingestion/shop", clock)
    moment = clock.now()
    for minutes, number in ((0, 1), (30, 2), (-65, 3), (40, 4)):
        clock.moment = moment + timedelta(minutes=minutes)
        log.commit(replace(draft(), position={"n": number}), log.head())
    found = [position["n"] for position in held(log, log.head(), log.store).positions(moment)]
    assert found == [4, 3, 2, 1]


def test_spark_leaves_tables_with_revisions_to_duckdb() -> None:
    columns = ORDERS.columns
    for revises in (False, True):
        pieces = (Piece("/x.parquet", 1 << 24, columns, True, revises),)
        reason = unfit(Relation("o", columns, "current", pieces, ("id",)))
        assert ("read again after its shape changed" in reason) is revises
