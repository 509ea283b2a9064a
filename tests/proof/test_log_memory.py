"""A table of many rows and few changes: its current rows are read and rolled in bounded memory."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SIZES = [
    pytest.param(1_500_000, "128MB", 300, id="1.5M", marks=pytest.mark.proof),
    pytest.param(20_000_000, "300MB", 512, id="20M", marks=[pytest.mark.proof, pytest.mark.full]),
]


def told(mode: str, folder: Path, argument: object) -> tuple[str, int]:
    """What a process of its own says, and the most memory that it held, in MB."""
    command = [sys.executable, "-m", "tests.support.large", mode, str(folder), str(argument)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    *said, memory = done.stdout.splitlines()
    return "\n".join(said), int(memory)


@pytest.mark.parametrize(("rows", "limit", "most"), SIZES)
@pytest.mark.timeout(1700)
def test_current_rows_are_read_and_rolled_in_bounded_memory(tmp_path: Path, rows: int, limit: str, most: int) -> None:
    told("make", tmp_path, rows)
    before = told("read", tmp_path, limit)
    rolled = told("roll", tmp_path, limit)
    after = told("read", tmp_path, limit)
    print(f"{rows} rows: read {before[1]} MB, rolled {rolled[1]} MB, read from the checkpoint {after[1]} MB")
    assert before[0] == after[0]
    assert before[0].startswith(f"({rows}, ")
    assert rolled[0] == str(rows)
    assert max(before[1], rolled[1], after[1]) <= most
    old = told("old", tmp_path, "4GB")
    assert old[0] == before[0]
    assert old[1] > most, "an aggregate over all versions would have been seen to take more"
