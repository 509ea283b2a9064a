"""The second file of a DuckDB warehouse begins as a copy of the first, and only where nothing speaks against it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from catchwater.adapters.warehouses import files
from catchwater.errors import Corrupt
from tests.support.loads import Chain, House, model, opened

T = model("t", {"id": "INTEGER", "v": "VARCHAR"})
WRITER = "import duckdb, sys; duckdb.connect(sys.argv[1])"


@pytest.fixture
def house(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    with opened("duckdb", tmp_path, request) as made:
        yield made


def begun(house: House) -> Chain:
    """A chain whose first batch is in the first file, and no longer anywhere else."""
    log = house.chain(T)
    log.add("SELECT range AS id, 'a' AS v FROM range(1000)")
    house.load(log)
    for path in log.batches[0].files:
        path.write_bytes(b"gone")
    log.add("SELECT 1 AS id, 'b' AS v")
    return log


def folder(house: House) -> Path:
    return house.folder / ".catchwater" / "warehouse"


def test_what_the_first_file_has_isn_t_loaded_again(house: House) -> None:
    log = begun(house)
    done = house.load(log)
    assert (done.added, done.changed) == (0, 1)
    assert house.rows("SELECT count(*), count(*) FILTER (WHERE v = 'b') FROM t") == [(1000, 1)]
    assert sorted(path.name for path in folder(house).glob("*.duckdb")) == ["left.duckdb", "right.duckdb"]


@pytest.mark.parametrize("name", ["left.duckdb.corrupt-1", "right.duckdb.wal", "right.duckdb.corrupt-1"])
def test_after_a_corrupt_file_all_batches_are_read_again(house: House, name: str) -> None:
    log = begun(house)
    (folder(house) / name).write_bytes(b"")
    with pytest.raises(Corrupt):
        house.load(log)


def test_without_the_copy_the_batches_are_read_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    log = begun(house)
    monkeypatch.setattr(files, "begin_with", lambda front, back: None)
    with pytest.raises(Corrupt):
        house.load(log)


def test_a_copy_that_fails_leaves_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    log = begun(house)
    monkeypatch.setattr(files, "_COPY", "import sys; open(sys.argv[2], 'w').write('half'); sys.exit(1)")
    with pytest.raises(Corrupt):
        house.load(log)
    assert not list(folder(house).glob("*.part"))


def test_the_copy_drops_no_lock(house: House) -> None:
    log = begun(house)
    with house.warehouse.read() as reading:
        files.begin_with(folder(house) / "left.duckdb", folder(house) / "right.duckdb")
        assert (folder(house) / "right.duckdb").exists()
        writer = subprocess.run(
            [sys.executable, "-c", WRITER, str(folder(house) / "left.duckdb")], capture_output=True, text=True
        )
        assert "lock" in writer.stderr
        assert reading.connection.execute("SELECT count(*) FROM t").fetchall() == [(1000,)]
    house.load(log)
