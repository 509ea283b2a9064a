"""A lake restored to yesterday: everyone who was further on is told by name, and nobody takes it for the lake he knew."""

import random
import shutil
from pathlib import Path

import pytest

from catchwater.adapters.stores.local import LocalStore
from catchwater.errors import ChainBroken, LakeError
from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest, Ref
from tests.support import proof
from tests.support.lake import FixedClock, draft

NAME = "ingestion/s"
TIMES = 10


class Believes(Log):
    """Broken: a marker is a number, and what it was of isn't asked."""

    def batches(self, after: Ref | None, upto: int | None = None) -> list[Manifest]:
        found = super().batches(None, upto)
        return [manifest for manifest in found if manifest.seq > (after.seq if after else 0)]


def written(log: Log, count: int, note: str) -> list[Manifest]:
    done = log.batches(None)
    for _ in range(count):
        done.append(log.commit(draft(FixedClock(), note=note), log.head()))
    return done


def restored(folder: Path, chosen: random.Random) -> tuple[LocalStore, list[Manifest], int]:
    """A lake that went on after it was copied, and then was that copy again; how long the copy is."""
    lake, copy = folder / "lake", folder / "copy"
    log = Log(LocalStore(lake), NAME, FixedClock())
    kept = len(written(log, chosen.randrange(0, 9), "before"))
    if kept:
        shutil.copytree(lake, copy)
    else:
        copy.mkdir(parents=True)
    batches = written(log, chosen.randrange(1, 9), "lost")
    shutil.rmtree(lake)
    copy.rename(lake)
    return LocalStore(lake), batches, kept


def told(kind: type[Log], store: LocalStore, marker: Ref) -> bool:
    try:
        kind(store, NAME).batches(marker)
    except ChainBroken:
        return True
    return False


def wrong(kind: type[Log], store: LocalStore, batches: list[Manifest], kept: int) -> list[int]:
    """Markers that are refused though they stand, or taken though they don't."""
    return [batch.seq for batch in batches if told(kind, store, batch.ref) != (batch.seq > kept)]


def test_whoever_was_further_on_is_told(tmp_path: Path) -> None:
    chosen = random.Random(proof.seed())
    for number in range(TIMES):
        store, batches, kept = restored(tmp_path / str(number), chosen)
        assert wrong(Log, store, batches, kept) == []
        for hint in (0, kept, batches[-1].seq, 10_000):
            head = Log(store, NAME).head(hint)
            assert (head.seq if head else 0) == kept
        with pytest.raises(ChainBroken, match="should have the hash"):
            Log(store, NAME, FixedClock()).commit(draft(FixedClock()), batches[-1])
        written(Log(store, NAME, FixedClock()), len(batches) - kept + chosen.randrange(3), "other")
        assert wrong(Log, store, batches, kept) == []
        with pytest.raises(ChainBroken):
            Log(store, NAME, FixedClock()).commit(draft(FixedClock()), batches[-1])
        assert [m.run for m in Log(store, NAME).batches(None)].count("lost") == 0


def test_markers_that_are_numbers_alone_are_caught(tmp_path: Path) -> None:
    chosen = random.Random(proof.seed())
    found = 0
    for number in range(TIMES):
        store, batches, kept = restored(tmp_path / str(number), chosen)
        written(Log(store, NAME, FixedClock()), len(batches) - kept, "other")
        found += bool(wrong(Believes, store, batches, kept))
    assert found == TIMES


def test_a_lost_page_is_not_filled_by_another(tmp_path: Path) -> None:
    for lost in range(2, 8):
        lake = tmp_path / str(lost)
        store = LocalStore(lake)
        batches = written(Log(store, NAME, FixedClock()), 8, "kept")
        (lake / Log(store, NAME).key(lost)).unlink()
        with pytest.raises(ChainBroken, match=f"batch {lost} is missing, and later ones are there"):
            Log(store, NAME, FixedClock()).commit(draft(FixedClock()), batches[lost - 2])
        with pytest.raises(LakeError):
            Log(store, NAME).batches(None, 8)
