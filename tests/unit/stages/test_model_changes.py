"""A changed model: migrated, computed again, begun anew, or refused by name; in a warehouse of ours and somebody's."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from catchwater.adapters.warehouses.duckdb import DuckdbWarehouse
from catchwater.adapters.warehouses.postgres import PostgresWarehouse
from catchwater.plan.plan import Step
from catchwater.ports import Settings
from catchwater.project.schema import PostgresWarehouse as Spec
from catchwater.stages.load import load
from catchwater.stages.outcome import Outcome
from tests.support.models import Bench, table
from tests.support.postgres import Database, database, postgres18

__all__ = ["postgres18"]

TABLE = table("t", {"id": "INTEGER", "a": "INTEGER", "b": "VARCHAR"}, ["id"])
FIRST = "SELECT id, a, b FROM s.t"


@dataclass(frozen=True)
class Change:
    """What becomes of the model, whether its log begins anew, and what a database of somebody's own says of it."""

    sql: str
    anew: bool = False
    refused: str = ""
    head: str = "key: [id]"


CHANGES = {
    "added column": Change("SELECT id, a, b, a * 2 AS c FROM s.t"),
    "added column, incremental": Change("SELECT id, a, b, id + a AS c FROM s.t", head="materialized: incremental"),
    "expression": Change("SELECT id, a + 1 AS a, upper(b) AS b FROM s.t WHERE id < 9"),
    "key": Change("SELECT id, a, b FROM s.t", anew=True, head="key: [id, a]", refused="catchwater replay m"),
    "type": Change("SELECT id, a::VARCHAR AS a, b FROM s.t", anew=True, refused="m.a: is integer; the model has"),
    "dropped column": Change("SELECT id, b FROM s.t"),
    "order of columns": Change("SELECT id, b, a FROM s.t"),
    "no key any more": Change("SELECT id + 0 AS id, a, b FROM s.t", anew=True, head="", refused="m is there already"),
}


class Loading(Bench):
    def __init__(self, folder: Path, db: Database | None) -> None:
        super().__init__(folder, {"s": [TABLE]})
        settings = Settings(folder, folder / ".catchwater", "local", str)
        if db is None:
            self.warehouse: DuckdbWarehouse | PostgresWarehouse = DuckdbWarehouse(
                "duckdb", None, settings, patience=5.0
            )
        else:
            self.warehouse = PostgresWarehouse("postgres", Spec(kind="postgres", url=db.url()), settings)

    def load(self) -> Outcome:
        plan = self.plan()
        step = Step("load:w", "load", models=tuple(model.name for model in plan.models))
        return load(replace(self.ports, warehouse=self.warehouse), plan, step, "run")

    def seen(self, columns: str) -> list[tuple[object, ...]]:
        with self.warehouse.read() as reading:
            return sorted(reading.connection.execute(f"SELECT {columns} FROM m").fetchall())


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Loading]:
    db = database(request.getfixturevalue("postgres18")) if request.param == "postgres" else None
    made = Loading(tmp_path, db)
    yield made
    made.warehouse.close()


def rows(*given: tuple[int, int, str]) -> str:
    return f"SELECT * FROM (VALUES {', '.join(map(str, given))}) AS v(id, a, b)"


QUICK = {("duckdb", "added column"), ("duckdb", "type"), ("postgres", "key"), ("postgres", "added column")}
CASES = [
    pytest.param(kind, change, id=f"{kind}-{change}", marks=[] if (kind, change) in QUICK else [pytest.mark.proof])
    for kind in ("duckdb", "postgres")
    for change in CHANGES
]


@pytest.mark.parametrize(("bench", "change"), CASES, indirect=["bench"])
def test_a_changed_model(bench: Loading, change: str) -> None:
    wanted = CHANGES[change]
    bench.write("m", FIRST, "key: [id]")
    bench.ingest("s", {"t": rows((1, 1, "x"), (2, 2, "y"), (9, 3, "z"))})
    bench.process()
    bench.ingest("s", {"t": rows((1, 5, "x"), (3, 0, "w"))})
    assert bench.process().failures == ()
    assert bench.load().failures == ()
    bench.write("m", wanted.sql, wanted.head)
    assert bench.process().failures == ()
    assert bool(bench.log("m")[-1].position.get("reset")) == wanted.anew
    told = " ".join(failure.message for failure in bench.load().failures)
    columns = ", ".join(column.name for column in bench.models()[0].columns)
    if wanted.refused and isinstance(bench.warehouse, PostgresWarehouse):
        assert wanted.refused in told
        return
    assert told == ""
    assert bench.seen(columns) == bench.rows("m")
    bench.ingest("s", {"t": rows((4, 4, "q"), (1, 7, "r"))})
    bench.process()
    assert bench.load().failures == ()
    assert bench.seen(columns) == bench.rows("m")
