"""Temporary files lie in the project's folder, for as long as a command lasts."""

import os
import tempfile
import time
from pathlib import Path

import pytest

from catchwater.runtimes.room import LEFT, room


def test_they_lie_beside_the_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    before = tempfile.gettempdir()
    with room(tmp_path), tempfile.TemporaryDirectory(prefix="catchwater-") as made:
        assert Path(made).parent == tmp_path / "tmp"
    assert tempfile.gettempdir() == before


def test_another_place_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "elsewhere"))
    before = tempfile.gettempdir()
    with room(tmp_path):
        assert tempfile.gettempdir() == before
    assert not (tmp_path / "tmp").exists()


def test_what_a_killed_process_left_goes_after_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    for name, age in (("catchwater-old", LEFT + 60), ("catchwater-young", LEFT - 60), ("spill-old", LEFT + 60)):
        (tmp_path / "tmp" / name).mkdir(parents=True)
        os.utime(tmp_path / "tmp" / name, (time.time() - age, time.time() - age))
    (tmp_path / "tmp" / "catchwater-gone").symlink_to(tmp_path / "nowhere")
    with room(tmp_path):
        assert {path.name for path in (tmp_path / "tmp").iterdir()} == {
            "catchwater-young", "spill-old", "catchwater-gone",
        }  # fmt: skip
