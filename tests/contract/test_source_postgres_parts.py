"""First loads in parts, by one backend or two, against real servers: every row once, whatever happens between parts."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from catchwater.adapters.sources.postgres import capture as postgres_capture
from catchwater.adapters.sources.postgres import parts
from catchwater.adapters.sources.postgres import reading as postgres_reading
from catchwater.adapters.sources.postgres.connection import Session
from catchwater.adapters.sources.postgres.source import PostgresSource
from catchwater.errors import SourceBusy, SourceUnreachable, UseError
from catchwater.lake.manifest import Draft, Manifest
from catchwater.ports import Held
from tests.support.postgres import Database, Lake, any_db, assert_equal, db, postgres15, postgres16, postgres18, source

__all__ = ["any_db", "db", "postgres15", "postgres16", "postgres18"]

ROWS = 1_200
FILL = f"INSERT INTO t SELECT i, 'v' || i, repeat('x', 200) FROM generate_series(1, {ROWS}) i"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of ten blocks, which two backends share."""
    monkeypatch.setattr(parts, "PART_BLOCKS", 10)
    monkeypatch.setattr(postgres_reading, "TWO_BACKENDS", 4)


def batches(lake: Lake) -> list[Manifest]:
    return list(lake.log.batches(None))


def between(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], Any]) -> None:
    """Runs `act(number)` before each capture but the first, when no transaction of ours is open."""
    right, number = PostgresSource.capture, iter(range(1_000))

    def capture(self: PostgresSource, tables: Any, held: Any, work: Path) -> Any:
        now = next(number)
        if now:
            act(now)
        return right(self, tables, held, work)

    monkeypatch.setattr(PostgresSource, "capture", capture)


def table(db: Database, key: str = "PRIMARY KEY") -> None:
    db.run(f"CREATE TABLE t (id int {key}, v text, w text)", FILL, "CREATE TABLE s (id int PRIMARY KEY)")
    db.run("INSERT INTO s VALUES (1)")


def test_a_large_table_is_a_series_of_batches(any_db: Database, tmp_path: Path) -> None:
    table(any_db)
    lake = Lake(any_db, tmp_path)
    outcome = lake.ingest()
    made = batches(lake)
    assert len(made) >= 4
    assert [m.part for m in made] == list(range(1, len(made) + 1))
    assert [m.complete for m in made] == [False] * (len(made) - 1) + [True]
    assert (outcome.rows_out, outcome.rows_in) == (ROWS + 1, ROWS + 1)
    assert made[0].tables["s"].rows == 1
    assert len(made[0].tables["t"].files) == 2
    assert assert_equal(lake, "t") == ROWS
    assert lake.ingest().batches == ()


WRITES = {
    "nothing": [],
    "updates": ["UPDATE t SET v = v || 'n' WHERE id % 97 = {n}"],
    "inserts": ["INSERT INTO t VALUES (10000 + {n}, 'new', repeat('y', 300))"],
    "deletes": ["DELETE FROM t WHERE id % 97 = {n}"],
    "keys": ["UPDATE t SET id = id + 5000 WHERE id % 97 = {n} AND id < 5000"],
    "truncated": ["BEGIN", "TRUNCATE t", FILL.replace("'v'", "'{n}'"), "COMMIT"],
    "rewritten": ["UPDATE t SET v = 'r' WHERE id % 50 = {n}", "VACUUM FULL t"],
    "altered": ["ALTER TABLE t ADD COLUMN c{n} int DEFAULT {n}"],
    "retyped": ["ALTER TABLE t ALTER COLUMN v TYPE varchar({n}00)"],
}


@pytest.mark.parametrize("what", list(WRITES))
def test_what_is_written_between_parts(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    table(db)
    lake = Lake(db, tmp_path)
    writer = db.connect()

    def act(number: int) -> None:
        for statement in WRITES[what] if number in (2, 4) else []:
            writer.run(statement.replace("{n}", str(number + 1)))

    between(monkeypatch, act)
    outcome = lake.ingest()
    assert outcome.warnings == ()
    assert batches(lake)[-1].complete
    assert_equal(lake, "t")
    if what not in ("truncated", "rewritten", "altered", "retyped"):
        assert outcome.rows_in < 2 * ROWS
    assert lake.ingest().batches == ()


def test_a_late_commit_is_found_by_the_first_parts_position(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert late(db, tmp_path, monkeypatch).warnings == ()


def test_the_last_parts_position_would_lose_it(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken way: then only the comparison of all versions finds the row, as a gap."""
    right = postgres_capture.Capture._part

    def last(self: Any, relation: Any, reading: Any, held: Any) -> Any:
        taken = right(self, relation, reading, held)
        taken.state["xmin"] = self.snapshot.xmin
        return taken

    monkeypatch.setattr(postgres_capture.Capture, "_part", last)
    assert "1 rows older" in late(db, tmp_path, monkeypatch).warnings[0]


def late(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A transaction that is open at the first part and over before the last one writes into blocks read already."""
    table(db)
    db.run("DELETE FROM t WHERE id < 10", "VACUUM t")
    writer, lake = db.connect(), Lake(db, tmp_path)
    writer.run("BEGIN")
    writer.run("INSERT INTO t VALUES (5, 'late', 'x')")
    assert writer.run("SELECT ctid < '(1,0)'::tid FROM t WHERE id = 5") == [[True]]

    def act(number: int) -> None:
        if number == 2:
            writer.run("COMMIT")

    between(monkeypatch, act)
    outcome = lake.ingest()
    assert_equal(lake, "t")
    return outcome


def test_a_load_that_was_stopped_goes_on(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException): ...

    table(db)
    lake = Lake(db, tmp_path)

    def act(number: int) -> None:
        if number == 2:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        between(patch, act)
        with pytest.raises(Killed):
            lake.ingest()
    assert len(batches(lake)) == 2
    read = sum(m.tables["t"].rows for m in batches(lake))
    outcome = lake.ingest()
    assert (outcome.rows_in + read, outcome.notes[-1][:10]) == (ROWS, "t: blocks ")
    assert_equal(lake, "t")


def test_partitions_in_parts(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db.run(
        "CREATE TABLE t (id int, v text, w text, PRIMARY KEY (id)) PARTITION BY RANGE (id)",
        "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (500)",
        "CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (500) TO (5000)",
        FILL,
    )
    lake, writer = Lake(db, tmp_path, ["t"]), db.connect()
    swap = {
        2: ["CREATE TABLE t3 (LIKE t INCLUDING ALL)", "INSERT INTO t3 VALUES (6000, 'n', 'n')",
            "ALTER TABLE t ATTACH PARTITION t3 FOR VALUES FROM (5000) TO (9000)"],
        3: ["ALTER TABLE t DETACH PARTITION t1", "UPDATE t SET v = 'u' WHERE id = 600"],
    }  # fmt: skip

    def act(number: int) -> None:
        for statement in swap.get(number, []):
            writer.run(statement)

    between(monkeypatch, act)
    lake.ingest()
    assert assert_equal(lake, "t") == ROWS - 499 + 1
    assert lake.ingest().batches == ()


@pytest.mark.parametrize("key", ["PRIMARY KEY", ""])
def test_more_rows_than_a_batch_holds(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setattr(postgres_capture, "MOST_ROWS", 300)
    table(db, key)
    lake = Lake(db, tmp_path)
    lake.ingest()
    assert assert_equal(lake, "t") == ROWS
    for change in ("UPDATE t SET v = 'n' WHERE id < 1000", "ALTER TABLE t ADD COLUMN c int DEFAULT 3", "DELETE FROM t"):
        before = len(batches(lake))
        db.run(change)
        lake.ingest()
        assert_equal(lake, "t")
        made = batches(lake)[before:]
        assert [m.complete for m in made] == [False] * (len(made) - 1) + [True]
        assert len(made) > 2 or not key
        assert max(m.tables["t"].rows for m in made) <= 300
        assert lake.ingest().batches == ()


def test_what_was_read_is_read_again_and_not_written(db: Database, tmp_path: Path) -> None:
    table(db)
    lake = Lake(db, tmp_path)
    lake.ingest()
    rewind(lake, ["t", "s"])
    outcome = lake.ingest()
    assert (outcome.rows_in, outcome.rows_out) == (ROWS + 1, 0)
    assert batches(lake)[-1].complete
    assert lake.ingest().batches == ()


def rewind(lake: Lake, tables: list[str]) -> None:
    head = lake.log.head()
    assert head
    held = Held(head.position, {}, lambda con, table: "")
    tables_ = {name: replace(table, rows=0, files=(), revised=0) for name, table in head.tables.items()}
    position = lake.source.rewound(tables, held, None)
    draft = Draft("ingest", "1", "1", head.started, position=position, tables=tables_, complete=False)
    lake.log.commit(draft, head)


def test_two_snapshots_in_one_batch_are_seen(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken way: the second backend takes a snapshot of its own, and a row moves between the two halves."""
    table(db)
    writer, lake = db.connect(), Lake(db, tmp_path)

    def own(self: Session) -> Session:
        writer.run("UPDATE t SET v = 'moved' WHERE id = 1")
        second = Session(self.con.cursor(), self.place, self.alias)
        second.begin()
        second.execute(self.opening)
        return second

    monkeypatch.setattr(parts, "PART_BLOCKS", 1_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "_shared", own)
        patch.setattr("catchwater.stages.ingest.ATTEMPTS", 1)
        with pytest.raises(Exception, match=f"{ROWS + 1} rows instead of {ROWS}"):
            lake.ingest()
    lake.ingest()
    assert_equal(lake, "t")
    assert len(batches(lake)[0].tables["t"].files) == 2


def test_a_second_backend_that_dies_is_said(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(db)
    lake, right = Lake(db, tmp_path), Session._shared

    def killed(self: Session) -> Session | None:
        second = right(self)
        assert second
        ((pid,),) = second.rows("SELECT pg_backend_pid() AS p")
        db.run(f"SELECT pg_terminate_backend({pid}, 5000)")
        return second

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "_shared", killed)
        with pytest.raises(SourceUnreachable):
            lake.ingest()
    lake.ingest()
    assert assert_equal(lake, "t") == ROWS


def test_without_a_shared_snapshot_one_backend_reads(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a pooler, where the second connection may be to another server."""
    table(db)
    lake, right = Lake(db, tmp_path), Session.rows

    def rows(self: Session, sql: str) -> Any:
        return [("00000099-00000099-1",)] if "pg_export_snapshot" in sql else right(self, sql)

    monkeypatch.setattr(Session, "rows", rows)
    lake.ingest()
    assert {len(m.tables["t"].files) for m in batches(lake)[:-1]} == {1}
    assert assert_equal(lake, "t") == ROWS


def test_a_lock_that_the_second_backend_waits_for_is_busy(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ALTER waits for our first lock, and our second one behind it."""
    table(db)
    writer, watcher, lake, right = db.connect(), db.connect(), Lake(db, tmp_path), Session._shared
    threads: list[threading.Thread] = []

    def alter(self: Session) -> Session | None:
        threads.append(threading.Thread(target=lambda: writer.run("ALTER TABLE t ADD COLUMN c int")))
        threads[-1].start()
        deadline = time.monotonic() + 20
        while watcher.run("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass") == [[0]]:
            assert time.monotonic() < deadline, "the ALTER doesn't wait"
        return right(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "_shared", alter)
        patch.setattr("catchwater.stages.ingest.ATTEMPTS", 1)
        with pytest.raises(SourceBusy, match="lock"):
            lake.ingest()
    threads[0].join()
    lake.ingest()
    assert assert_equal(lake, "t") == ROWS


def test_a_moment_is_nothing_to_a_snapshot(db: Database) -> None:
    with pytest.raises(UseError, match="since a moment"):
        source(db.url()).rewound(["t"], Held(None, {}, lambda con, table: ""), datetime(2026, 1, 1, tzinfo=UTC))
