"""A log read from a checkpoint has the rows that its batches have, whatever happened in it."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from catchwater.lake import read
from catchwater.lake.checkpoint import verify_checkpoint
from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest
from catchwater.lake.span import Span
from tests.support import proof
from tests.support.checkpoints import RandomLog, connect


def differs(made: RandomLog, batches: Sequence[Manifest]) -> str:
    """Which reader shows other rows than were written, if any."""
    key = ("k0",) if made.keyed else ()
    read.create_history(made.con, "h", made.store, batches, "t", made.columns)
    read.create_rows(made.con, "c", made.store, batches, "t", made.columns, key)
    read.create_current(made.con, "o", "h", key)
    if made.shown("h") != made.told(list(made.versions.values())):
        return "history"
    if made.shown("c") != made.told(list(made.current.values())):
        return "rows"
    return "" if made.shown("o") == made.told(list(made.current.values())) else "current"


def write(made: RandomLog, batches: int) -> None:
    for _ in range(batches):
        made.batch(again=made.random.random() < 0.15, roll=made.random.random() < 0.2)


@pytest.mark.parametrize("keyed", [True, False])
def test_random_logs_are_read_alike_from_checkpoints_and_from_batches(tmp_path: Path, keyed: bool) -> None:
    seed = proof.seed()
    for number in range(6):
        made = RandomLog(tmp_path / str(number), random.Random(seed + number), keyed)
        made.folder.mkdir()
        for _ in range(5):
            write(made, 4)
            for batches in (made.log.span(), made.log.batches(None), Span(made.log.batches(None))):
                assert differs(made, batches) == "", (seed, number, made.head.seq if made.head else 0)
            assert verify_checkpoint(made.store, made.log, connect) == []
