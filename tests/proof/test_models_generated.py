"""Incremental equals full: generated models of allowed shapes under random histories of every table they read."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from catchwater.lake import checkpoint
from catchwater.lake.manifest import Manifest, Ref
from catchwater.plan.plan import Read
from catchwater.project.names import quote
from catchwater.project.tables import Join
from catchwater.stages import process, recompute
from catchwater.stages.inputs import source_table, upstream
from catchwater.stages.recompute import Narrowed
from tests.support import proof
from tests.support.generated import History, shape
from tests.support.simulation_duckdb import one_instance

pytestmark = pytest.mark.usefixtures("rolling")

HISTORIES = [
    pytest.param(4, id="few"),
    pytest.param(20, id="share", marks=pytest.mark.proof),
    *(pytest.param(250, id=f"all-{number}", marks=[pytest.mark.proof, pytest.mark.full]) for number in range(4)),
]


@pytest.fixture
def rolling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints of models at every other batch; those of sources come at random."""
    monkeypatch.setattr(checkpoint, "BATCHES", 2)
    monkeypatch.setattr(checkpoint, "STEP", 2)


def _history(folder: Path, seed: int, join: str = "") -> History:
    chance = random.Random(seed)
    folder = folder / str(seed)
    folder.mkdir()
    return History(folder, chance, [shape(chance, join) for _ in range(2)])


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("count", HISTORIES)
def test_incremental_is_what_full_would_be(count: int, tmp_path: Path) -> None:
    first = proof.seed()
    for seed in range(first, first + count):
        with one_instance():
            history = _history(tmp_path, seed)
            assert {m.materialized for m in history.plan.models if m.name not in ("tot",)} == {"incremental"}
            found = next((found for found in history.wakes(3) if found), [])
            assert not found, "\n".join([f"history {seed}", *found, *history.told])
        rmtree(tmp_path / str(seed))


@pytest.mark.parametrize("count", [pytest.param(1, id="one"), pytest.param(20, id="more", marks=pytest.mark.proof)])
def test_a_rebuild_gives_the_same_numbers(count: int, tmp_path: Path) -> None:
    """Versions are numbered by the ingestion zone alone, whatever was rolled or revised, and however often it ran."""
    first = proof.seed()
    for seed in range(first, first + count):
        history = _history(tmp_path, seed)
        for _ in history.wakes(3):
            pass
        for step in history.plan.steps:
            assert not process.process(history.bench.ports, history.plan, step, "run").failures
        before = {model.name: history.held(model) for model in history.plan.models}
        history.rebuild()
        assert {model.name: history.held(model) for model in history.plan.models} == before, f"history {seed}"


def _without_deleted(patch: pytest.MonkeyPatch) -> None:
    """Keys that were deleted aren't looked for."""
    real = Narrowed._keys

    def keys(self: Narrowed, join: Join, read: Read, place: int) -> str:
        found = real(self, join, read, place)
        return found if upstream(self.plan, read) else f"{found} WHERE _op <> 'delete'"

    patch.setattr(Narrowed, "_keys", keys)


def _without_late(patch: pytest.MonkeyPatch) -> None:
    """Keys that weren't there before aren't looked for: who joined nothing goes on joining nothing."""
    real = Narrowed._keys

    def keys(self: Narrowed, join: Join, read: Read, place: int) -> str:
        found = real(self, join, read, place)
        if upstream(self.plan, read):
            return found
        news, view = self._news(read), f"#changed#{place}#older"
        older = [batch for batch in self.batches(read.log) if batch.seq < news[0].seq]
        self._versions(view, read, source_table(self.plan, read), older)
        using = ", ".join(map(quote, join.key))
        return f"SELECT {using} FROM ({found}) SEMI JOIN {quote(view)} USING ({using})"

    patch.setattr(Narrowed, "_keys", keys)


def _one_offset(patch: pytest.MonkeyPatch) -> None:
    """What is new in any log is counted from the offset of the driving one."""
    real = process._Group._news

    def news(self: Any, head: Manifest | None, inputs: Sequence[Ref]) -> dict[str, list[Manifest]]:
        found = real(self, head, inputs)
        at = head.input("ingestion/s") if head else None
        if at is None:
            return found
        return {ref.log: self.log(ref.log).batches(None, ref.seq)[at.seq :] for ref in inputs}

    patch.setattr(process._Group, "_news", news)


def _without_revisions(patch: pytest.MonkeyPatch) -> None:
    """A version that is replaced is taken for one that changes nothing joined before."""
    patch.setattr(recompute, "_revised", lambda batches, table: False)


def _without_far(patch: pytest.MonkeyPatch) -> None:
    """A changed key is looked for in the driving table alone, not behind another join."""
    real = recompute._of
    patch.setattr(recompute, "_of", lambda model, parent: real(model, parent) if parent < 0 else iter(()))


# how it is broken, and a join that needs what is missing
BROKEN: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "deleted": (_without_deleted, "a1"),
    "late": (_without_late, "a1"),
    "offset": (_one_offset, "e"),
    "revised": (_without_revisions, "h"),
    "far": (_without_far, "far"),
}


@pytest.mark.parametrize(
    "broken", [pytest.param(name, marks=[pytest.mark.proof] if name != "late" else []) for name in BROKEN]
)
def test_a_broken_variant_is_caught(broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks, join = BROKEN[broken]
    breaks(monkeypatch)
    first = proof.seed()
    histories = (_history(tmp_path, seed, join) for seed in range(first, first + 60))
    assert any(found for history in histories for found in history.wakes(3))
