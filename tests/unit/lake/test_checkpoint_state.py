"""The rows of a model read from a checkpoint of its log are those of its batches."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from catchwater.adapters.stores.local import LocalStore
from catchwater.lake import read
from catchwater.lake.checkpoint import rolled_up, verify_checkpoint
from catchwater.lake.log import Log
from catchwater.lake.manifest import File, Manifest, TableBatch
from catchwater.lake.span import Span, since_reset
from catchwater.project.names import literal
from catchwater.project.tables import Column
from tests.support import proof
from tests.support.checkpoints import connect
from tests.support.lake import FixedClock, draft

SHAPES = (
    (Column("_id", "BIGINT"), Column("v", "VARCHAR")),
    (Column("_id", "BIGINT"), Column("v", "VARCHAR"), Column("#id", "INTEGER")),
)


class RandomModel:
    """A model's log: `state` is what its rows must be, by key (or by hash and occurrence)."""

    def __init__(self, folder: Path, chosen: random.Random, keyed: bool) -> None:
        self.folder, self.random, self.keyed = folder, chosen, keyed
        self.store = LocalStore(folder / "lake")
        self.log = Log(self.store, "processed/t", FixedClock())
        self.con = connect()
        self.state: dict[object, tuple[object, ...]] = {}
        self.shape = 0
        self.head: Manifest | None = None

    @property
    def key(self) -> tuple[str, ...]:
        return ("_id",) if self.keyed else ()

    def batch(self, *, reset: bool = False, roll: bool = False, known: bool = True) -> None:
        if reset:
            self.state = {}
        if self.random.random() < 0.2:
            self.shape = 1
        rows = {}
        for key in self.random.sample(range(12), self.random.randrange(6)):
            removed = key in self.state and self.random.random() < 0.5
            values = (self.random.choice(["a", "", None]), self.random.randrange(9) if self.shape else None)
            rows[key] = (values, removed)
            if removed:
                del self.state[key]
            else:
                self.state[key] = values
        found = []
        for key, ((v, more), removed) in rows.items():
            text = "NULL" if v is None else literal(str(v))
            extra = f', {more} AS "#id"' if self.shape else ""
            hidden = "" if self.keyed else f", 'h{key % 5}' AS _version, {key // 5}::INTEGER AS _occurrence"
            found.append(f"SELECT {key}::BIGINT AS _id, {text}::VARCHAR AS v{extra}{hidden}, {removed} AS _removed")
        files: tuple[File, ...] = ()
        if found:
            path = self.folder / f"{self.random.random()}.parquet"
            self.con.execute(f"COPY ({' UNION ALL '.join(found)}) TO {literal(str(path))}")
            files = (self.log.stage(path, len(found)),)
        count = len(self.state) if known else None
        batch = TableBatch(SHAPES[self.shape], self.key, len(found), files, count)
        checkpoint = None
        if roll and self.head:
            span = since_reset(self.log.span(self.head.seq))
            assert isinstance(span, Span)
            checkpoint = rolled_up(self.log, span, connect)
        one = replace(draft(tables={"t": batch}), position={"reset": True} if reset else {}, checkpoint=checkpoint)
        self.head = self.log.commit(one, self.head)

    def shown(self, batches: object, among: str = "") -> list[tuple[object, ...]]:
        columns = SHAPES[1]
        batches = since_reset(batches)  # type: ignore[arg-type]
        read.create_state(self.con, "s", self.store, batches, "t", columns, self.key, among)
        return sorted(self.con.execute('SELECT _id, v, "#id" FROM s').fetchall(), key=repr)

    def told(self) -> list[tuple[object, ...]]:
        return sorted([(key, *values) for key, values in self.state.items()], key=repr)


@pytest.mark.parametrize("keyed", [True, False])
def test_random_models_are_read_alike_from_checkpoints_and_from_batches(tmp_path: Path, keyed: bool) -> None:
    seed = proof.seed()
    for number in range(2):
        chosen = random.Random(seed + number)
        (tmp_path / str(number)).mkdir()
        model = RandomModel(tmp_path / str(number), chosen, keyed)
        for _ in range(10):
            model.batch(reset=chosen.random() < 0.1, roll=chosen.random() < 0.3, known=chosen.random() < 0.5)
        for batches in (model.log.span(), model.log.batches(None)):
            assert model.shown(batches) == model.told(), (seed, number)
            model.con.execute("CREATE OR REPLACE TEMP TABLE few AS SELECT unnest([1, 2, 3])::BIGINT AS _id")
            some = [row for row in model.told() if row[0] in (1, 2, 3)]
            assert model.shown(batches, "SEMI JOIN few USING (_id)") == some
            rest = [row for row in model.told() if row[0] not in (1, 2, 3)]
            assert model.shown(batches, "ANTI JOIN few USING (_id)") == rest
        assert verify_checkpoint(model.store, model.log, connect) == [], (seed, number)
