"""Loads under readers of this process and of others: nobody fails, nobody sees two versions, nobody waits for good."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from catchwater.adapters.warehouses.duckdb import DuckdbWarehouse
from catchwater.errors import WarehouseBusy
from catchwater.ports import Reading, Settings
from tests.support.loads import Chain, House, model, opened, postgres18
from tests.support.waiting import until

__all__ = ["postgres18"]

SWAPS = 30
ROWS = 2_000
A = model("a", {"id": "INTEGER", "n": "INTEGER"})
B = model("b", {"id": "INTEGER", "n": "INTEGER"})
ONE = "SELECT count(*), min(n), max(n) FROM a"

READER = """
import json, sys
from pathlib import Path
from catchwater.adapters.warehouses.duckdb import DuckdbWarehouse
from catchwater.ports import Settings
folder = Path(sys.argv[1])
warehouse = DuckdbWarehouse("duckdb", None, Settings(folder, folder / ".catchwater", "local", str))
print("ready", flush=True)
seen, wrong = [], 0
while not (folder / "stop").exists():
    with warehouse.read() as reading:
        a = reading.connection.execute("SELECT count(*), min(n), max(n) FROM a").fetchone()
        b = reading.connection.execute("SELECT count(*), min(n), max(n) FROM b").fetchone()
    wrong += a != b or a[1] != a[2]
    seen.append(reading.version.number)
print(json.dumps({"reads": len(seen), "wrong": wrong, "back": sum(x > y for x, y in zip(seen, seen[1:])), "versions": len(set(seen))}))
"""
HOLDER = """
import sys
from pathlib import Path
from catchwater.adapters.warehouses.duckdb import DuckdbWarehouse
from catchwater.ports import Settings
folder = Path(sys.argv[1])
warehouse = DuckdbWarehouse("duckdb", None, Settings(folder, folder / ".catchwater", "local", str))
with warehouse.read() as reading:
    print("ready", flush=True)
    sys.stdin.read()
    print(reading.connection.execute("SELECT count(*) FROM a").fetchone()[0])
"""


@contextmanager
def another(script: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has said that it is ready; ended at the end of the block."""
    line = [sys.executable, "-W", "error", "-c", script, str(folder)]
    process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert process.stdout.readline() == "ready\n", process.stderr and process.stderr.read()
        yield process
    finally:
        process.kill()
        process.communicate()


def batches(house: House) -> tuple[Chain, Chain]:
    return house.chain(A), house.chain(B)


def step(a: Chain, b: Chain, n: int) -> None:
    for log in (a, b):
        log.add(f"SELECT range::INTEGER AS id, {n} AS n FROM range({ROWS})")


def read_on(house: House, stop: threading.Event, found: list[object], mixed: Callable[[Reading], bool]) -> None:
    last = 0
    while not stop.is_set():
        try:
            with house.warehouse.read() as reading:
                if mixed(reading) or reading.version.number < last:
                    found.append(f"mixed at version {reading.version.number}, after {last}")
                last = reading.version.number
        except Exception as error:
            found.append(error)
            return


def mixed(reading: Reading) -> bool:
    """Two questions a moment apart, of two tables: one version gives one answer."""
    first = reading.connection.execute(ONE).fetchone()
    time.sleep(0.001)
    second = reading.connection.execute(ONE.replace("FROM a", "FROM b")).fetchone()
    return first != second or not first or first[1] != first[2]


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_readers_never_fail_and_never_mix_versions(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with opened(kind, tmp_path, request) as house:
        a, b = batches(house)
        step(a, b, 0)
        house.load(a, b)
        stop, found = threading.Event(), list[object]()
        threads = [threading.Thread(target=read_on, args=(house, stop, found, mixed)) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for n in range(1, SWAPS if kind == "duckdb" else 4):
                step(a, b, n)
                house.load(a, b)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert not found


def test_another_process_reads_during_loads(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with opened("duckdb", tmp_path, request) as house:
        house.warehouse = house.open(patience=30.0)
        a, b = batches(house)
        step(a, b, 0)
        house.load(a, b)
        with another(READER, tmp_path) as process:
            for n in range(1, 9):
                step(a, b, n)
                house.load(a, b)
            (tmp_path / "stop").touch()
            out, err = process.communicate(timeout=30)
        assert not err
        told = json.loads(out)
        assert (told["wrong"], told["back"]) == (0, 0)
        assert told["reads"] >= told["versions"] > 1


def test_a_reader_elsewhere_that_stays_is_named_and_waited_for(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with opened("duckdb", tmp_path, request) as house:
        a, b = batches(house)
        step(a, b, 0)
        house.load(a, b)
        with another(HOLDER, tmp_path) as process:
            step(a, b, 1)
            house.load(a, b)  # into the other file
            before = house.version()
            step(a, b, 2)
            impatient = house.open(patience=0.3)
            with (
                pytest.raises(WarehouseBusy, match=f"process {process.pid} has held the file for 0.3 s"),
                impatient.load({}),
            ):
                pass
            assert house.version() == before
            assert house.rows("SELECT DISTINCT n FROM a") == [(1,)]
            waiting = threading.Thread(target=house.load, args=(a, b))
            waiting.start()
            out, err = process.communicate("", timeout=30)  # the reader ends, and the load goes on
            waiting.join()
        assert (out.strip(), err) == (str(ROWS), "")
        assert house.rows("SELECT DISTINCT n FROM a") == [(2,)]


def test_a_reader_in_this_process_keeps_its_version_through_two_loads(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with opened("duckdb", tmp_path, request) as house:
        a, b = batches(house)
        step(a, b, 0)
        house.load(a, b)
        with house.warehouse.read() as reading:
            step(a, b, 1)
            house.load(a, b)
            with pytest.raises(WarehouseBusy, match="a reader of this process"), house.open(patience=0.1).load({}):
                pass
            assert reading.connection.execute(ONE).fetchone() == (ROWS, 0, 0)
        step(a, b, 2)
        house.load(a, b)
        assert house.rows(ONE) == [(ROWS, 2, 2)]


def test_one_load_at_a_time(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with opened("duckdb", tmp_path, request) as house:
        a, b = batches(house)
        step(a, b, 0)
        with house.warehouse.load({}) as session:
            session.prepare([A, B])
            with pytest.raises(WarehouseBusy, match="another load"), house.open(patience=0.1).load({}):
                pass
            session.apply([*a.batches, *b.batches])
        script = HOLDER.replace("warehouse.read() as reading", "warehouse.load({})").replace(
            'reading.connection.execute("SELECT count(*) FROM a").fetchone()[0]', "0"
        )
        with another(script, tmp_path) as process:
            with pytest.raises(WarehouseBusy, match="another load"), house.open(patience=0.2).load({}):
                pass
            process.kill()
            process.wait()
            house.load(a, b)  # a killed load holds nothing
        assert house.rows(ONE) == [(ROWS, 0, 0)]


def test_idle_handles_of_other_processes_hold_nothing(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    script = HOLDER.replace('    print("ready", flush=True)\n    sys.stdin.read()\n', "    pass\n").replace(
        '    print(reading.connection.execute("SELECT count(*) FROM a").fetchone()[0])\n',
        'print("ready", flush=True)\nsys.stdin.read()\n',
    )
    with opened("duckdb", tmp_path, request) as house:
        house.warehouse = house.open(patience=1.0)
        a, b = batches(house)
        step(a, b, 0)
        house.load(a, b)
        with another(script, tmp_path):
            for n in (1, 2, 3):
                step(a, b, n)
                house.load(a, b)
        assert house.rows(ONE) == [(ROWS, 3, 3)]


def test_handles_on_one_folder_share_it(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Two opens of a file by one process, and a close of one, would drop DuckDB's lock for the other."""
    with opened("duckdb", tmp_path, request) as house:
        a, b = batches(house)
        step(a, b, 0)
        house.load(a, b)
        (tmp_path / "link").symlink_to(tmp_path)
        settings = Settings(tmp_path / "link", tmp_path / "link" / ".catchwater", "local", str)
        other = DuckdbWarehouse("duckdb", None, settings)
        with house.warehouse.read() as first, other.read() as second:
            other.close()
            assert first.connection.execute(ONE).fetchone() == second.connection.execute(ONE).fetchone()
            with another(READER, tmp_path):
                (tmp_path / "stop").touch()
        until(lambda: house.rows(ONE) == [(ROWS, 0, 0)], "the warehouse can't be read any more", 5)
