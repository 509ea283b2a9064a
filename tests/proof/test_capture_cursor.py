"""`capture: cursor` under random histories: nothing within its lag is ever missed, the pass finds the rest and counts it."""

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from pg8000.native import Connection

from catchwater.adapters.sources.postgres import routes
from catchwater.adapters.sources.postgres.cursor import Cursor
from tests.support import proof
from tests.support.postgres import Database, Lake, assert_equal, db, postgres18, source

__all__ = ["db", "postgres18"]

LAG, ROWS = 50, 400
Rows = set[tuple[int, int, str]]


class History:
    """Transactions that write rows with a number that grows; some of them commit late, and their numbers are old."""

    def __init__(self, db: Database, chance: random.Random) -> None:
        self.db, self.chance, self.now = db, chance, 0
        self.late: list[Connection] = []

    def step(self) -> None:
        for _ in range(self.chance.randrange(1, 8)):
            self._write(self.db.open[0].run)
        if self.chance.random() < 0.4 and len(self.late) < 4:
            late = self.db.connect()
            late.run("SET lock_timeout = '1ms'")
            late.run("BEGIN")
            with suppress(Exception):  # a row that another open transaction holds: nothing is written, and so be it
                self._write(late.run)
            self.late.append(late)
        for late in [one for one in self.late if self.chance.random() < 0.3]:
            self.end(late)

    def end(self, late: Connection) -> None:
        late.run(self.chance.choice(["COMMIT", "COMMIT", "ROLLBACK"]))
        self.late.remove(late)
        self.db.open.remove(late)
        late.close()

    def _write(self, run: Callable[[str], object]) -> None:
        self.now += self.chance.randrange(0, 6)
        key, n = self.chance.randrange(ROWS), max(0, self.now - self.chance.choice([0, 0, 0, 3, LAG, 4 * LAG]))
        what = self.chance.random()
        with suppress(Exception):  # the same: the statement alone was its transaction
            if what < 0.1:
                run(f"DELETE FROM t WHERE id = {key}")
            elif what < 0.2:
                run(f"UPDATE t SET v = v || '.' WHERE id = {key}")
            else:
                run(
                    f"INSERT INTO t VALUES ({key}, {n}, 'v{self.now}') ON CONFLICT (id) DO UPDATE "
                    f"SET n = {n}, v = 'v{self.now}'"
                )


def there(db: Database, where: str) -> Rows:
    return {(int(i), int(n), str(v)) for i, n, v in db.run(f"SELECT id, n, v FROM t WHERE {where}")}


def held(lake: Lake) -> Rows:
    return set(lake.rows("SELECT id, n, v FROM t", "t"))


def open_bound(self: Cursor, *maxima: str | None) -> str:
    """The usual watermark: what is above the last maximum."""
    bounds = [maximum for maximum in maxima if maximum is not None]
    return f"{self.field.there} > {min(map(int, bounds))}" if len(bounds) == len(maxima) else ""


@pytest.fixture(params=["as it is", "watermark"])
def broken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param == "watermark":
        monkeypatch.setattr(Cursor, "since", open_bound)
    return bool(request.param == "watermark")


@pytest.mark.proof
def test_random_histories(db: Database, tmp_path: Path, broken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(proof.seed())
    db.run("SET lock_timeout = '1ms'", "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL, v text)")
    db.run("CREATE INDEX ON t (n)", f"INSERT INTO t SELECT i, 0, 'first' FROM generate_series(0, {ROWS // 2}) i")
    lake = Lake(db, tmp_path)
    lake.source = source(db.url(), capture={"t": {"cursor": "n", "lag": LAG}})
    lake.ingest()
    history, missed, counted = History(db, chance), 0, 0
    for number in range(30 * proof.SEEDS):
        head = lake.log.head()
        assert head
        bound = int(head.position["tables"]["t"]["cursor"]["maximum"]) - LAG
        history.step()
        if number % 10 == 9:
            behind = len({row[0] for row in there(db, f"n < {bound}") - held(lake)})
            with monkeypatch.context() as due:
                due.setattr(routes, "pass_due", lambda then, how, now: True)
                warnings = lake.ingest().warnings
            assert_equal(lake, "t")
            found = sum(int(text.split()[1]) for text in warnings)
            assert found == behind
            counted += found
        else:
            lake.ingest()
            missed += len(there(db, f"n >= {bound}") - held(lake))
    for late in list(history.late):
        history.end(late)
    assert counted > 0, "nothing was ever lost: the histories are too tame"
    assert (missed > 0) is broken
