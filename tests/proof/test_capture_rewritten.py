"""Tables rewritten at any moment of a capture: right rows or a clean retry, no false delete, no silent NULL."""

import random
from pathlib import Path
from unittest import mock

import pytest

from catchwater.adapters.sources.postgres import capture, parts
from tests.support import proof
from tests.support.postgres import Database, db, postgres18
from tests.support.rewrites import REWRITES, Trial

__all__ = ["db", "postgres18"]

ALL = 20
FEW = ("another kind of type", "partitions swapped")
HELD = [name for name, rewrite in REWRITES.items() if not rewrite.alone]
known: dict[bool, int] = {}  # how many moments a capture has, and a first load
LOOKED_FIRST = "; SELECT 1 FROM pg_class LIMIT 1"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks that aren't granted are given up sooner, and asked for again sooner."""
    monkeypatch.setattr(capture, "SETTINGS", capture.SETTINGS.replace("'2s'", "'300ms'"))
    monkeypatch.setattr("catchwater.stages.ingest.FIRST_WAIT", 0.05)


def tried(db: Database, folder: Path, name: str, count: int, *, first: bool = False) -> list[str]:
    """What came out wrong at `count` moments of a capture (or of a first load in many parts)."""
    rewrite, chance = REWRITES[name], random.Random(f"{proof.seed()} {name}")
    problems = []
    with mock.patch.object(parts, "PART_BLOCKS", 1 if first else parts.PART_BLOCKS):
        if first not in known:
            known[first] = Trial(db, folder / "known", rewrite, first=first).moments()
        moments = sorted(chance.sample(range(known[first]), min(count, known[first])))
        for moment in moments:
            trial = Trial(db, folder / str(moment), rewrite, first=first)
            trial.at(moment)
            problems += trial.problems
    print(f"{name}: moments {moments} of {known[first]}")
    return problems


def held_before(db: Database, folder: Path, name: str) -> list[str]:
    trial = Trial(db, folder, REWRITES[name])
    trial.while_held()
    return trial.problems


@pytest.mark.parametrize("name", FEW)
def test_rewritten_at_a_moment(db: Database, tmp_path: Path, name: str) -> None:
    assert tried(db, tmp_path, name, 1) == []


@pytest.mark.proof
@pytest.mark.parametrize("name", list(REWRITES))
def test_rewritten_at_moments(db: Database, tmp_path: Path, name: str) -> None:
    """A share: one moment, of a capture of changes or of a first load."""
    first = random.Random(f"{proof.seed()} {name} first").random() < 0.3
    assert tried(db, tmp_path, name, 1, first=first) == []


@pytest.mark.proof
@pytest.mark.full
@pytest.mark.parametrize("first", [False, True], ids=["changes", "first load"])
@pytest.mark.parametrize("name", list(REWRITES))
def test_rewritten_at_every_moment(db: Database, tmp_path: Path, name: str, first: bool) -> None:
    assert tried(db, tmp_path, name, ALL, first=first) == []


@pytest.mark.proof
def test_rewritten_while_we_wait(db: Database, tmp_path: Path) -> None:
    """The rewrite has the lock when the capture wants it."""
    assert [problem for name in HELD for problem in held_before(db, tmp_path / name, name)] == []


@pytest.mark.parametrize("name", ["another kind of type", pytest.param("volatile default", marks=pytest.mark.proof)])
def test_looked_then_locked_is_found(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The broken way: the first query, and so the snapshot, is before the locks."""
    monkeypatch.setattr(capture, "SETTINGS", capture.SETTINGS + LOOKED_FIRST)
    assert held_before(db, tmp_path, name) != [], "the broken way lost nothing: this proves nothing"
