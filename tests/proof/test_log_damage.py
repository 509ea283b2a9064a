"""Bits flipped and files cut short anywhere in a lake: verify finds each."""

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from catchwater.adapters.stores.local import LocalStore
from catchwater.errors import CatchwaterError
from catchwater.lake import quarantine
from catchwater.lake.files import verify, verify_rolled
from catchwater.lake.log import Log, verify_chain
from catchwater.lake.manifest import committed_files
from catchwater.ports import Refused
from tests.support import proof
from tests.support.checkpoints import RandomLog
from tests.support.lake import draft

PLACES = [
    pytest.param(20, id="20"),
    pytest.param(100, id="100", marks=pytest.mark.proof),
    pytest.param(2000, id="2000", marks=[pytest.mark.proof, pytest.mark.full]),
]


def a_lake(folder: Path, chosen: random.Random) -> Path:
    """A log with data, a checkpoint, a file as it came and rows set aside."""
    made = RandomLog(folder, chosen)
    for number in range(6):
        made.batch(again=number == 3, roll=number == 5)
    raw = folder / "came.csv"
    raw.write_bytes(chosen.randbytes(300))
    aside = quarantine.write(made.log, [Refused("t", "row 1", "why", "text")])
    batch = replace(draft(), raw=(made.log.stage(raw, 0, folder="raw"),), quarantine=aside)
    made.log.commit(batch, made.head)
    return folder / "lake"


def by_bytes(lake: Path) -> bool:
    """Whether verify says that something is wrong."""
    store = LocalStore(lake)
    log = Log(store, "ingestion/s")
    if verify_chain(log):
        return True
    batches = log.batches(None)
    checkpoint = batches[-1].checkpoint
    wrong = [problem for manifest in batches for problem in verify(store, manifest)]
    return bool(wrong or (checkpoint and verify_rolled(store, log.name, checkpoint)))


def by_size(lake: Path) -> bool:
    """Broken: looks at the sizes of files alone."""
    store = LocalStore(lake)
    try:
        batches = Log(store, "ingestion/s").batches(None)
    except CatchwaterError:
        return True
    files = [file for manifest in batches for file in committed_files(manifest)]
    return any(store.head(file.path) != file.bytes for file in files)


def missed(lake: Path, places: int, chosen: random.Random, found: Callable[[Path], bool]) -> list[str]:
    """Where damage isn't found, of so many random places, each mended again."""
    files = sorted(path for path in lake.rglob("*") if path.is_file())
    left = []
    for _ in range(places):
        path = chosen.choice(files)
        last = path == max(one for one in files if one.name == "query_log.json")
        whole = path.read_bytes()
        data, place = bytearray(whole), chosen.randrange(len(whole))
        what = chosen.choice(["flip", "flip", "cut", *(() if last else ("gone",))])  # markers miss a lost head
        if what == "flip":
            data[place] ^= 1 << chosen.randrange(8)
        path.unlink()
        if what != "gone":
            path.write_bytes(data[:place] if what == "cut" else data)
        if not found(lake):
            left.append(f"{what} at {place} of {path.relative_to(lake)}")
        path.unlink(missing_ok=True)
        path.write_bytes(whole)
    return left


@pytest.mark.parametrize("places", PLACES)
def test_damage_anywhere_is_found(tmp_path: Path, places: int) -> None:
    chosen = random.Random(proof.seed())
    lake = a_lake(tmp_path, chosen)
    assert not by_bytes(lake)
    assert missed(lake, places, chosen, by_bytes) == []
    assert not by_bytes(lake)


def test_a_check_of_sizes_alone_is_caught(tmp_path: Path) -> None:
    chosen = random.Random(proof.seed())
    lake = a_lake(tmp_path, chosen)
    assert not by_size(lake)
    assert missed(lake, 100, chosen, by_size)
    shutil.rmtree(lake)
