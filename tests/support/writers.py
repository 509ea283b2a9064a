"""Writers at full speed against one database, and the usual watermark that reads beside them and loses."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pg8000.native import Connection

from tests.support.postgres import Database, Lake, assert_equal

WRITERS = 24
MILLION = 1_000_000
BEFORE = 500  # rows of each writer that are there when it begins
TABLES = ("orders", "lines", "notes", "paid", "owed", "events")
BALANCE = 100  # the accounts of paid and owed: each payment is in both, in one transaction
SCHEMA = (
    "CREATE TABLE orders (id int PRIMARY KEY, v int, updated_at timestamptz NOT NULL DEFAULT now())",
    "CREATE TABLE lines (id int, line int, v text, PRIMARY KEY (id, line)) PARTITION BY RANGE (id)",
    *(
        f"CREATE TABLE lines_{i} PARTITION OF lines FOR VALUES FROM ({i * MILLION}) TO ({(i + 1) * MILLION})"
        for i in range(WRITERS)
    ),
    "CREATE TABLE notes (v text)",
    "CREATE TABLE paid (id int PRIMARY KEY, amount int)",
    "CREATE TABLE owed (id int PRIMARY KEY, amount int)",
    f"INSERT INTO paid SELECT i, 0 FROM generate_series(1, {BALANCE}) i",
    f"INSERT INTO owed SELECT i, 0 FROM generate_series(1, {BALANCE}) i",
    "CREATE TABLE events (id int PRIMARY KEY, v int, updated_at timestamptz NOT NULL DEFAULT now())",
    *(
        f"INSERT INTO {table} SELECT w * {MILLION} + i, {rest} FROM generate_series(0, {WRITERS - 1}) w, "
        f"generate_series(1, {BEFORE}) i"
        for table, rest in (("orders", "0"), ("lines", "1, 'old'"), ("events", "0"))
    ),
    "CREATE INDEX ON orders (updated_at)",
    "CREATE INDEX ON events (updated_at)",
)


class Writer(threading.Thread):
    """One client with ids of its own; what it does is decided by its seed."""

    def __init__(self, connect: Callable[[], Connection], number: int, seed: int, stop: threading.Event) -> None:
        super().__init__()
        self.connect, self.number, self.stop = connect, number, stop
        self.chance = random.Random(seed * 100 + number)
        self.next = number * MILLION + BEFORE
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
        if self.chance.random() < 0.3:
            self.savepoint()
        if self.chance.random() < 0.005:  # more subtransactions than a backend keeps in shared memory
            for _ in range(70):
                self.connection.run("SAVEPOINT many")
                self.insert()
        if self.chance.random() < 0.03:  # a late commit
            self.stop.wait(self.chance.uniform(1, 4))
        if self.chance.random() < 0.1:  # last, since all writers share these rows
            self.pay()
        self.end()

    def savepoint(self) -> None:
        self.connection.run("SAVEPOINT s")
        self.write()
        self.connection.run(self.chance.choice(["ROLLBACK TO SAVEPOINT s", "RELEASE SAVEPOINT s"]))
        self.write()

    def write(self) -> None:
        self.chance.choice([self.insert, self.insert, self.update, self.delete, self.rename, self.note])()

    def insert(self) -> None:
        self.next += 1
        self.connection.run(f"INSERT INTO orders (id, v) VALUES ({self.next}, 0)")
        self.connection.run(f"INSERT INTO events (id, v) VALUES ({self.next}, 0)")
        self.connection.run(f"INSERT INTO lines VALUES ({self.next}, 1, 'new'), ({self.next}, 2, NULL)")

    def old(self) -> int:
        first = self.number * MILLION
        return self.chance.randrange(max(first, self.next - 200), self.next + 1)

    def update(self) -> None:
        for table in ("orders", "events"):
            self.connection.run(f"UPDATE {table} SET v = v + 1, updated_at = now() WHERE id = {self.old()}")
        self.connection.run(f"UPDATE lines SET v = v || '.' WHERE id = {self.old()} AND line = 1")

    def delete(self) -> None:
        self.connection.run(f"DELETE FROM lines WHERE id = {self.old()}")
        if self.chance.random() < 0.3:
            self.connection.run(f"DELETE FROM orders WHERE id = {self.old()}")
            self.connection.run(f"DELETE FROM events WHERE id = {self.old()}")
        if self.chance.random() < 0.3:  # a deleted key comes back
            self.connection.run(f"INSERT INTO orders (id, v) VALUES ({self.old()}, -1) ON CONFLICT DO NOTHING")

    def rename(self) -> None:
        """The key itself changes, and may go to where another row was."""
        old = self.old()
        self.next += 1
        self.connection.run(f"UPDATE orders SET id = {self.next}, updated_at = now() WHERE id = {old}")
        self.connection.run(f"UPDATE lines SET line = line + 2 WHERE id = {self.old()} AND line > 2")

    def note(self) -> None:
        kind = self.chance.randrange(20)
        if self.chance.random() < 0.7:
            self.connection.run(f"INSERT INTO notes VALUES ('{kind}')")
        else:
            one = f"SELECT ctid FROM notes WHERE v = '{kind}' LIMIT 1 FOR UPDATE SKIP LOCKED"
            self.connection.run(f"DELETE FROM notes WHERE ctid IN ({one})")

    def pay(self) -> None:
        """What goes out of one table comes into the other: their sum is nought in every snapshot."""
        amount, account = self.chance.randrange(1, 100), self.chance.randrange(1, BALANCE)
        self.connection.run(f"UPDATE paid SET amount = amount + {amount} WHERE id = {account}")
        self.connection.run(f"UPDATE owed SET amount = amount - {amount} WHERE id = {account}")

    def end(self) -> None:
        how = self.chance.random()
        if how < 0.05:
            self.connection.run("ROLLBACK")
        elif how < 0.07:
            name = f"{self.number}-{self.transactions}"
            self.connection.run(f"PREPARE TRANSACTION '{name}'")
            self.stop.wait(self.chance.uniform(0, 0.1))
            self.connection.run(f"{self.chance.choice(['COMMIT', 'COMMIT', 'ROLLBACK'])} PREPARED '{name}'")
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


@dataclass
class Storm:
    """What came of writers and captures side by side: rows that differ here and with the watermark, batches, and what was warned of."""

    ours: dict[str, int]
    usual: dict[str, int]
    transactions: int = 0
    captures: int = 0
    warnings: tuple[str, ...] = ()
    torn: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.transactions} transactions, {self.captures} captures; lake {self.ours}, watermark {self.usual}"


def storm(db: Database, lake: Lake, seconds: float, seed: int, settle: Callable[[], None] = lambda: None) -> Storm:
    """Writers for so long while `lake` is written again and again; then once more, and both are compared.

    `settle` is called before that last time, once nobody writes."""
    stop = threading.Event()
    writers = [Writer(db.connect, number, seed, stop) for number in range(WRITERS)]
    usual = Watermark(db.connect, stop)
    warnings: list[str] = []
    captures = 0
    for thread in (*writers, usual):
        thread.start()
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            warnings += lake.ingest().warnings
            captures += 1
    finally:
        stop.set()
        for thread in (*writers, usual):
            thread.join()
    assert [writer.failure for writer in writers if writer.failure] == []
    settle()
    warnings += lake.ingest().warnings
    usual.read()
    there = rows_of(db, "orders")
    here = dict(lake.rows("SELECT id, v FROM orders", "orders"))
    return Storm(
        differences(there, here),
        differences(there, usual.rows),
        sum(writer.transactions for writer in writers),
        captures,
        tuple(warnings),
        torn(lake),
    )


def rows_of(db: Database, table: str) -> dict[int, int]:
    return {int(number): int(v) for number, v in db.run(f"SELECT id, v FROM {table}")}


def torn(lake: Lake) -> list[int]:
    """Whole batches that show half of a payment: money that left one table and is in neither or both."""
    whole = ", ".join(str(m.seq) for m in lake.log.batches(None) if m.complete)
    changes = " UNION ALL ".join(
        f"SELECT _seq, amount - lag(amount, 1, 0) OVER (PARTITION BY id ORDER BY _id) AS moved FROM {table}__history"
        for table in ("paid", "owed")
    )
    sums = f"SELECT _seq, sum(sum(moved)) OVER (ORDER BY _seq) AS balance FROM ({changes}) GROUP BY _seq"
    found = lake.rows(f"SELECT _seq FROM ({sums}) WHERE balance <> 0 AND _seq IN ({whole})", "paid", "owed")
    return [int(seq) for (seq,) in found]


def same(lake: Lake) -> dict[str, int]:
    """Every table of the lake is the database's, value by value; how many rows each has."""
    return {table: assert_equal(lake, table) for table in TABLES}


def differences(there: dict[int, int], here: dict[int, int]) -> dict[str, int]:
    return {
        "missing": len(there.keys() - here.keys()),
        "stale": sum(here[number] != v for number, v in there.items() if number in here),
        "ghosts": len(here.keys() - there.keys()),
    }
