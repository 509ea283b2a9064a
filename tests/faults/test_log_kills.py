"""A writer that is killed, at every system call and at random moments, leaves a log that reads and a batch or none."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from catchwater.adapters.stores.local import LocalStore
from catchwater.errors import LakeError
from catchwater.lake.log import Log
from catchwater.lake.read import verify
from tests.support import proof

ROOT = Path(__file__).resolve().parents[2]
NAME = "ingestion/s"


def start(mode: str, folder: Path, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.support.committer", mode, str(folder)]
    with log.open("ab") as told:
        return subprocess.Popen(command, stdout=told, cwd=ROOT)


def complete(folder: Path) -> dict[int, str]:
    """Number → hash of the batches, each of which has its files whole."""
    store = LocalStore(folder)
    batches = Log(store, NAME).batches(None)
    for manifest in batches:
        assert verify(store, manifest) == []
    return {manifest.seq: manifest.hash for manifest in batches}


def announced(log: Path) -> dict[int, str]:
    """What the writers said that they had committed, whole lines only."""
    lines = [line for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return {int(seq): digest for seq, digest in (line.split() for line in lines)}


def test_a_writer_killed_at_random_moments_leaves_a_whole_log(tmp_path: Path) -> None:
    kill_often(tmp_path, 10)


@pytest.mark.proof
@pytest.mark.timeout(proof.KILLS * 12 + 120)
def test_writers_killed_very_often_leave_whole_logs(tmp_path: Path) -> None:
    for number in range(max(1, proof.KILLS // 25)):  # the longer a log, the longer it is read
        (tmp_path / str(number)).mkdir()
        kill_often(tmp_path / str(number), 25)


def kill_often(home: Path, kills: int) -> None:
    seed = proof.seed()
    chosen, folder, log = random.Random(seed), home / "lake", home / "announced"
    note = f"CATCHWATER_SEED={seed}"
    log.touch()
    for kill in range(kills):
        before = log.stat().st_size
        with start("loop", folder, log) as writer:
            deadline = time.monotonic() + 30
            while log.stat().st_size == before:
                assert writer.poll() is None, note
                assert time.monotonic() < deadline, note
                time.sleep(0.002)
            try:
                writer.wait(chosen.random() * 0.15)
            except subprocess.TimeoutExpired:
                writer.kill()
        found, told = complete(folder), announced(log)
        assert told.items() <= found.items(), (note, kill)
        assert len(found) - len(told) <= kill + 1, (note, kill)
    assert len(complete(folder)) >= kills


@pytest.mark.parametrize("mode", ["points", "points-in-place"])
def test_a_writer_ended_at_every_system_call_leaves_a_whole_log_unless_it_writes_in_place(
    tmp_path: Path, mode: str
) -> None:
    (tmp_path / "told").touch()
    with start(mode, tmp_path / "lakes", tmp_path / "told") as writer:
        assert writer.wait(60) == 0
    lakes = sorted((tmp_path / "lakes").iterdir())
    assert len(lakes) >= 5
    whole = [readable(lake) for lake in lakes]
    assert all(whole) == (mode == "points")


def readable(lake: Path) -> bool:
    try:
        return 1 <= len(complete(lake)) <= 2
    except LakeError:
        return False
