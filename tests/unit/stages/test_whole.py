"""A model computed in full from the ingestion zone: what its log should hold, with what it reads and leaves out."""

from pathlib import Path
from typing import Any

import pytest

from catchwater.errors import ChainBroken, ModelFailed
from catchwater.lake.manifest import Ref
from catchwater.stages.process import rebuild
from catchwater.stages.whole import create_whole, offsets
from tests.support.models import Bench, table

TABLE = table("t", {"k": "INTEGER", "a": "INTEGER", "up": "INTEGER"}, ["k"])
MODELS = {
    "versions": ("checks: [{check: a > 0, severity: quarantine}]", "SELECT _id AS r, k, a FROM s.t__history"),
    "now": ("key: [k]", "SELECT k, twice(a) AS a FROM versions_current"),
    "glance": ("materialized: view", "SELECT count(*) AS n FROM now"),
    "total": ("", "SELECT n + sum(a) AS n FROM glance, now GROUP BY n"),
    "tree": ("checks: [{references: {up: tree}, severity: quarantine}]", "SELECT k, up FROM s.t"),
    "leaf": ("checks: [{references: {up: now}, severity: quarantine}]", "SELECT k, up FROM s.t"),
    "one": ("checks: [{references: {k: two}, severity: quarantine}]", "SELECT k FROM s.t"),
    "two": ("checks: [{references: {k: one}, severity: quarantine}]", "SELECT k FROM s.t WHERE k < 3"),
}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path, {"s": [TABLE]})
    for name, (head, sql) in MODELS.items():
        made.write(name, sql, head)
    (tmp_path / "models" / "_macros.sql").write_text("CREATE MACRO twice(x) AS x * 2;\n")
    made.ingest("s", {"t": "SELECT * FROM (VALUES (1, 1, 2), (2, -5, NULL), (3, 3, 9)) v(k, a, up)"})
    return made


def whole(bench: Bench, name: str, upto: dict[str, Ref] | None = None) -> list[tuple[Any, ...]]:
    plan = bench.plan()
    stores = bench.ports.stores
    upto = offsets(bench.log(name)[-1], stores) if upto is None else upto
    with bench.engine.connect() as con:
        for _ in range(2):  # the second finds what the first has left
            create_whole(con, plan, stores, plan.model(name), upto, "found")
        columns = ", ".join(column.name for column in plan.model(name).columns)
        assert con.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (1,)
        return con.execute(f"SELECT {columns} FROM found ORDER BY ALL").fetchall()


def test_it_is_what_was_committed(bench: Bench) -> None:
    assert bench.process().failures == ()
    bench.ingest("s", {"t": "SELECT * FROM (VALUES (1, 2, 3, 'upsert'), (3, 3, 9, 'delete')) v(k, a, up, _op)"})
    assert bench.process().failures == ()
    for name in ("versions", "now", "total", "tree", "leaf"):
        assert whole(bench, name) == bench.rows(name), name


def test_models_that_look_into_each_other_see_what_is_committed(bench: Bench) -> None:
    bench.process()
    assert whole(bench, "two") == [(1,), (2,)]


def test_an_offset_that_is_missing_or_of_another_log(bench: Bench) -> None:
    bench.process()
    with pytest.raises(ModelFailed, match="no offset says"):
        whole(bench, "versions", {})
    with pytest.raises(ChainBroken, match="isn't the one that was processed"):
        whole(bench, "versions", {"ingestion/s": Ref("ingestion/s", 1, "0" * 64)})


def test_a_model_is_rebuilt_whatever_its_log_holds(bench: Bench) -> None:
    bench.process()
    plan = bench.plan()
    before = bench.rows("versions")
    folder = bench.folder / ".catchwater" / "lake" / "processed" / "versions" / "data"
    for path in folder.iterdir():
        path.unlink()
    step = next(step for step in plan.steps if "versions" in step.models)
    done = rebuild(bench.ports, plan, step, "versions", "run")
    assert (done.failures, done.rows_out) == ((), 2)
    assert bench.log("versions")[-1].position["reset"] is True
    assert bench.rows("versions") == before
    assert bench.process().failures == ()
    assert bench.rows("now") == [(1, 2), (3, 6)]
