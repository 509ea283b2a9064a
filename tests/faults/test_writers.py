"""Writers at full speed while captures run: afterwards the lake is the source, and the usual watermark isn't."""

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pg8000.native import Connection

from tests.support import proof
from tests.support.postgres import Database, Lake, assert_equal, db, postgres18

__all__ = ["db", "postgres18"]

WRITERS = 16
SCHEMA = (
    "CREATE TABLE orders (id int PRIMARY KEY, v int, updated_at timestamptz NOT NULL DEFAULT now())",
    "CREATE TABLE lines (id int, line int, v text, PRIMARY KEY (id, line)) PARTITION BY RANGE (id)",
    *(
        f"CREATE TABLE lines_{i} PARTITION OF lines FOR VALUES FROM ({i}000000) TO ({i + 1}000000)"
        for i in range(WRITERS)
    ),
    "CREATE TABLE notes (v text)",
    "CREATE INDEX ON orders (updated_at)",
)


class Writer(threading.Thread):
    """One client with ids of its own; what it does is decided by its seed."""

    def __init__(self, connect: Callable[[], Connection], number: int, seed: int, stop: threading.Event) -> None:
        super().__init__()
        self.connect, self.number, self.stop = connect, number, stop
        self.chance = random.Random(seed * 100 + number)
        self.next = number * 1_000_000
        self.failure: BaseException | None = None
        self.transactions = 0

    def run(self) -> None:
        try:
            self.connection = self.connect()
            while not self.stop.is_set():
                self.transaction()
                self.transactions += 1
        except BaseException as error:
            self.failure = error

    def transaction(self) -> None:
        self.connection.run("BEGIN")
        for _ in range(self.chance.randrange(1, 6)):
            self.write()
        if self.chance.random() < 0.2:
            self.connection.run("SAVEPOINT s")
            self.write()
            self.connection.run(self.chance.choice(["ROLLBACK TO SAVEPOINT s", "RELEASE SAVEPOINT s"]))
            self.write()
        if self.chance.random() < 0.03:  # a late commit
            self.stop.wait(self.chance.uniform(0.1, 1.5))
        self.end()

    def write(self) -> None:
        self.chance.choice([self.insert, self.insert, self.update, self.delete, self.note])()

    def insert(self) -> None:
        self.next += 1
        self.connection.run(f"INSERT INTO orders (id, v) VALUES ({self.next}, 0)")
        self.connection.run(f"INSERT INTO lines VALUES ({self.next}, 1, 'new'), ({self.next}, 2, NULL)")

    def old(self) -> int:
        first = self.number * 1_000_000
        return self.chance.randrange(max(first, self.next - 200), self.next + 1)

    def update(self) -> None:
        self.connection.run(f"UPDATE orders SET v = v + 1, updated_at = now() WHERE id = {self.old()}")
        self.connection.run(f"UPDATE lines SET v = v || '.' WHERE id = {self.old()} AND line = 1")

    def delete(self) -> None:
        self.connection.run(f"DELETE FROM lines WHERE id = {self.old()}")
        if self.chance.random() < 0.3:
            self.connection.run(f"DELETE FROM orders WHERE id = {self.old()}")
        if self.chance.random() < 0.3:  # a deleted key comes back
            self.connection.run(f"INSERT INTO orders (id, v) VALUES ({self.old()}, -1) ON CONFLICT DO NOTHING")

    def note(self) -> None:
        kind = self.chance.randrange(20)
        if self.chance.random() < 0.7:
            self.connection.run(f"INSERT INTO notes VALUES ('{kind}')")
        else:
            one = f"SELECT ctid FROM notes WHERE v = '{kind}' LIMIT 1 FOR UPDATE SKIP LOCKED"
            self.connection.run(f"DELETE FROM notes WHERE ctid IN ({one})")

    def end(self) -> None:
        how = self.chance.random()
        if how < 0.1:
            self.connection.run("ROLLBACK")
        elif how < 0.2:
            name = f"{self.number}-{self.transactions}"
            self.connection.run(f"PREPARE TRANSACTION '{name}'")
            self.stop.wait(self.chance.uniform(0, 0.1))
            self.connection.run(f"{'COMMIT' if how < 0.18 else 'ROLLBACK'} PREPARED '{name}'")
        else:
            self.connection.run("COMMIT")


class Watermark(threading.Thread):
    """The usual way, which is broken: everything newer than the newest seen."""

    def __init__(self, connect: Callable[[], Connection], stop: threading.Event) -> None:
        super().__init__()
        self.connect, self.stop = connect, stop
        self.rows: dict[int, int] = {}
        self.last: Any = "-infinity"

    def run(self) -> None:
        self.connection = self.connect()
        while not self.stop.is_set():
            self.read()
            self.stop.wait(0.1)

    def read(self) -> None:
        new = "SELECT id, v, updated_at FROM orders WHERE updated_at > CAST(:last AS timestamptz) ORDER BY updated_at"
        for number, v, at in self.connection.run(new, last=self.last):
            self.rows[number], self.last = v, at


def test_nothing_is_lost_under_writers_at_full_speed(db: Database, tmp_path: Path) -> None:
    capture_under_writers(db, tmp_path, 10)


@pytest.mark.proof
@pytest.mark.timeout(proof.SECONDS * 6 + 120)
@pytest.mark.parametrize("number", range(proof.SEEDS))
def test_nothing_is_lost_for_long(db: Database, tmp_path: Path, number: int) -> None:
    capture_under_writers(db, tmp_path, proof.SECONDS)


def capture_under_writers(db: Database, tmp_path: Path, seconds: float) -> None:
    seed = proof.seed()
    db.run(*SCHEMA)
    stop = threading.Event()
    writers = [Writer(db.connect, number, seed, stop) for number in range(WRITERS)]
    usual = Watermark(db.connect, stop)
    lake = Lake(db, tmp_path)
    gaps = captures = 0
    for thread in (*writers, usual):
        thread.start()
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            outcome = lake.ingest()
            captures += 1
            gaps += len(outcome.notes)
    finally:
        stop.set()
        for thread in (*writers, usual):
            thread.join()
    assert [writer.failure for writer in writers if writer.failure] == []
    lake.ingest()
    usual.read()
    there = {int(number): int(v) for number, v in db.run("SELECT id, v FROM orders")}
    here = dict(lake.rows("SELECT id, v FROM orders", "orders"))
    lost, ours = differences(there, usual.rows), differences(there, here)
    done = sum(writer.transactions for writer in writers)
    print(f"{seconds:.0f} s, {done} transactions, {captures} captures; lake {ours}, watermark {lost}")
    assert ours == {"missing": 0, "stale": 0, "ghosts": 0}, seed
    assert assert_equal(lake, "orders") == len(there)
    for table in ("lines", "notes"):
        assert assert_equal(lake, table) > 0, seed
    assert gaps == 0, seed
    assert captures > 3
    assert lost["missing"] + lost["stale"] > 0, "the broken way lost nothing: this run proves nothing"


def differences(there: dict[int, int], here: dict[int, int]) -> dict[str, int]:
    return {
        "missing": len(there.keys() - here.keys()),
        "stale": sum(here[number] != v for number, v in there.items() if number in here),
        "ghosts": len(here.keys() - there.keys()),
    }
