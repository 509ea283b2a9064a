"""Random logs with deletes, revisions, changed columns and checkpoints: readers show what was written, row by row."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from catchwater.lake import read
from catchwater.lake.checkpoint import verify_checkpoint
from catchwater.lake.files import Piece
from catchwater.lake.versions import versions
from catchwater.project.tables import Column
from tests.support import proof
from tests.support.checkpoints import SHAPES, RandomLog, connect, differs, write
from tests.support.simulation_duckdb import one_instance

LOGS = [
    pytest.param(1, id="1"),
    pytest.param(8, id="8", marks=pytest.mark.proof),
    pytest.param(300, id="300", marks=[pytest.mark.proof, pytest.mark.full]),
]


def a_log(folder: Path, seed: int, shapes: Sequence[tuple[Column, ...]] = SHAPES[:3]) -> RandomLog:
    folder.mkdir()
    chosen = random.Random(seed)
    made = RandomLog(folder, chosen, chosen.random() < 0.7, shapes)
    write(made, 14)
    return made


@pytest.mark.parametrize("logs", LOGS)
@pytest.mark.timeout(1800)
def test_what_was_written_is_shown(tmp_path: Path, logs: int) -> None:
    seed = proof.seed()
    for number in range(seed, seed + logs):
        with one_instance():
            made = a_log(tmp_path / str(number), number)
            assert differs(made, made.log.span()) == "", number
            assert differs(made, made.log.batches(None)) == "", number
            retyped = a_log(tmp_path / f"{number}-retyped", number, SHAPES)
            assert verify_checkpoint(retyped.store, retyped.log, connect) == [], number


def keeps_moved(
    before: Sequence[Piece],
    later: Sequence[Piece],
    columns: Sequence[Column],
    extra: Sequence[Column],
    key: Sequence[str],
) -> str:
    """Broken: rows of the checkpoint stay though later batches have their keys."""
    newest = read._newest(f"({read._each_version(later, columns, extra)})", key)
    return f"{versions(before, columns, extra)} UNION ALL ({newest})"


def forgets_revisions(
    pieces: Sequence[Piece], columns: Sequence[Column], extra: Sequence[Column], more: str = ""
) -> str:
    """Broken: a version stands there as often as it was written."""
    return versions(pieces, columns, extra)


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        pytest.param("current_rows", keeps_moved, id="keeps-moved"),
        pytest.param("_each_version", forgets_revisions, id="forgets-revisions"),
    ],
)
def test_broken_readers_are_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, broken: object) -> None:
    seed = proof.seed()
    monkeypatch.setattr(read, name, broken)
    for number in range(seed, seed + 20):
        made = a_log(tmp_path / str(number), number)
        if differs(made, made.log.span()):
            return
    raise AssertionError("twenty random logs, and none showed it")
