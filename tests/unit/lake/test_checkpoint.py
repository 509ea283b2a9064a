"""A log read from a checkpoint has the rows that its batches have, whatever happened in it."""

import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from catchwater.errors import ChainBroken, Corrupt, LakeError
from catchwater.lake import checkpoint, read
from catchwater.lake.checkpoint import NONE, due, roll, verify_checkpoint
from catchwater.lake.manifest import Checkpoint, Manifest, Rolled, TableBatch, rolled_files
from catchwater.lake.span import Span
from catchwater.stages.again import without_checkpoint
from tests.support import proof
from tests.support.checkpoints import K, RandomLog, V, connect, differs, write
from tests.support.lake import FixedClock, draft


@pytest.mark.parametrize("keyed", [True, False])
def test_random_logs_are_read_alike_from_checkpoints_and_from_batches(tmp_path: Path, keyed: bool) -> None:
    seed = proof.seed()
    made = RandomLog(tmp_path, random.Random(seed), keyed)
    write(made, 12)
    for batches in (made.log.span(), made.log.batches(None)):
        assert differs(made, batches) == "", seed
    assert verify_checkpoint(made.store, made.log, connect) == [], seed


def damaged(made: RandomLog, flip: int | None) -> Path:
    """The first file of the checkpoint, with a bit flipped or shorter by a byte."""
    assert made.head
    assert made.head.checkpoint
    path = made.store.fetch(rolled_files(made.head.checkpoint)[0].path)
    data = bytearray(path.read_bytes())
    if flip is None:
        data.pop()
    else:
        data[flip % len(data)] ^= 1 << flip % 8
    path.unlink()
    path.write_bytes(data)
    read.forget()
    return path


@pytest.fixture
def made(tmp_path: Path) -> RandomLog:
    found = RandomLog(tmp_path, random.Random(7))
    for _ in range(4):
        found.batch(rows=9)
    found.batch(roll=True)
    return found


@pytest.mark.parametrize("flip", [None, 5, 400])
def test_a_damaged_checkpoint_is_named_and_can_be_dropped(made: RandomLog, flip: int | None) -> None:
    path = damaged(made, flip)
    with pytest.raises(Corrupt, match=f"ingestion/s checkpoint of batch 4: .*{path.name}.*\n.*--drop-checkpoints"):
        differs(made, made.log.span())
    assert [type(problem) for problem in verify_checkpoint(made.store, made.log, connect)] == [Corrupt]
    made.head = without_checkpoint(made.log, FixedClock())
    assert made.head
    assert (made.head.seq, made.head.checkpoint, made.head.position) == (6, NONE, {})
    assert differs(made, made.log.span()) == ""
    made.batch()
    assert made.log.span().checkpoint is None
    assert without_checkpoint(made.log, FixedClock()) is None
    assert verify_checkpoint(made.store, made.log) == []
    made.batch(roll=True)
    assert made.log.span().checkpoint
    assert differs(made, made.log.span()) == ""


def test_a_checkpoint_of_other_rows_than_the_batches_is_found(made: RandomLog) -> None:
    assert made.head
    assert made.head.checkpoint
    table = made.head.checkpoint.tables["t"]
    (file,) = table.history
    odd = made.folder / "odd.parquet"
    made.con.execute(
        f"COPY (SELECT * REPLACE (coalesce(v, '') || 'x' AS v) FROM '{made.store.fetch(file.path)}') TO '{odd}'"
    )
    staged = made.log.stage(odd, file.rows, folder="checkpoint")
    wrong = replace(made.head.checkpoint, tables={"t": replace(table, history=(staged,))})
    made.head = made.log.commit(
        replace(draft(tables={"t": replace(made.head.tables["t"], rows=0, files=())}), checkpoint=wrong), made.head
    )
    (problem,) = verify_checkpoint(made.store, made.log, connect)
    assert "of the history of t were rolled" in str(problem)
    assert "with other values" in str(problem)


def test_a_checkpoint_of_another_log_is_a_broken_chain(made: RandomLog) -> None:
    assert made.head
    assert made.head.checkpoint
    other = replace(made.head.checkpoint, hash="0" * 64)
    made.log.commit(replace(draft(), checkpoint=other), made.head)
    with pytest.raises(ChainBroken, match="batch 4 should have the hash 0000"):
        made.log.span()
    for seq in (-1, 7, 8):
        with pytest.raises(LakeError, match=f"a checkpoint of batch {seq}"):
            made.log.commit(replace(draft(), checkpoint=replace(other, seq=seq)), made.log.head())


def test_it_is_time_when_much_came_or_many_batches(made: RandomLog) -> None:
    def time(batches: int, rows: int, stood: int) -> bool:
        table = TableBatch((K,), ("k0",), rows, ())
        manifests = [Manifest("ingestion/s", 1, "", None, "", "", "", "", "", tables={"t": table})] * batches
        return due(Span(manifests, Checkpoint(1, "", {"t": Rolled((K,), ("k0",), stood)})))

    assert time(64, 1, 0)
    assert time(64, 1000, 256_000)
    assert not time(64, 1000, 300_000)
    assert time(80, 1000, 300_000)
    assert not time(640, 0, 1) or time(640, 0, 0)


class Engine:
    def __init__(self) -> None:
        self.opened = 0

    def connect(self) -> duckdb.DuckDBPyConnection:
        self.opened += 1
        return connect()


class NoEngine:
    def connect(self) -> duckdb.DuckDBPyConnection:
        raise LakeError("the disk is full")


def test_a_log_is_rolled_after_so_many_batches_and_a_failure_is_a_note(
    made: RandomLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "BATCHES", 4)
    monkeypatch.setattr(checkpoint, "STEP", 2)
    engine, rolled = Engine(), []
    for _ in range(12):
        found, notes = roll(made.log, made.head, engine)  # type: ignore[arg-type]
        assert not notes
        made.rolled = found
        made.batch()
        if found:
            rolled.append(found.seq)
    assert rolled == [8, 12, 16]
    assert engine.opened == 3
    made.rolled = None
    for _ in range(3):
        made.batch()
    assert made.head
    (note,) = roll(made.log, made.log.read(20), NoEngine())[1]  # type: ignore[arg-type]
    assert "ingestion/s isn't rolled up to batch 20: the disk is full" in note
    assert roll(made.log, None, engine) == (None, ())  # type: ignore[arg-type]


def test_files_stay_few_and_rows_that_do_not_change_are_not_written_again(tmp_path: Path) -> None:
    made = RandomLog(tmp_path, random.Random(3), shapes=[(K, V)])
    made.insert(range(1000, 1100))
    made.insert(range(1100, 1110))
    seen: list[set[str]] = []
    for number in range(12):
        made.insert(range(2000 + number * 10, 2010 + number * 10), roll=True)
        assert made.head
        assert made.head.checkpoint
        table = made.head.checkpoint.tables["t"]
        assert table.current == table.history
        assert len(table.history) <= 5
        seen.append({file.path for file in table.history})
    assert differs(made, made.log.span()) == ""
    assert sum(bool(one & other) for one, other in pairwise(seen)) >= 9
    first, second = (made.batch(rows=0, roll=True).checkpoint for _ in range(2))
    assert first
    assert second
    assert (second.seq, second.tables) == (first.seq + 1, first.tables)
    assert verify_checkpoint(made.store, made.log, connect) == []
