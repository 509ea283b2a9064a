"""`capture: cursor` and `capture: full` against real servers: what they find, what they lose, and what they refuse."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from catchwater.adapters.sources.postgres import contents, reading, routes
from catchwater.errors import SourceRefused
from tests.support.postgres import Database, Lake, any_db, assert_equal, db, postgres15, postgres16, postgres18, source

__all__ = ["any_db", "db", "postgres15", "postgres16", "postgres18"]

SALES = (
    "CREATE TABLE sales (id int PRIMARY KEY, v text, at timestamptz NOT NULL)",
    "CREATE INDEX ON sales (at)",
    "INSERT INTO sales SELECT i, 'v' || i, now() - interval '1 hour' FROM generate_series(1, 100) i",
)
CURSOR = {"sales": {"cursor": "at", "lag": "10 minutes", "snapshot": "1 day"}}


def lake_of(db: Database, folder: Path, capture: Any, tables: str | list[str] = "all") -> Lake:
    lake = Lake(db, folder, tables)
    lake.source = source(db.url(), tables, capture=capture)
    return lake


def state(lake: Lake, table: str) -> Mapping[str, Any]:
    head = lake.log.head()
    assert head
    found: Mapping[str, Any] = head.position["tables"][table]
    return found


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pass over the whole table is due at the next wake."""
    monkeypatch.setattr(routes, "pass_due", lambda then, how, now: True)


def test_a_cursor_takes_new_rows_late_ones_within_its_lag_and_nothing_twice(any_db: Database, tmp_path: Path) -> None:
    any_db.run(*SALES)
    lake = lake_of(any_db, tmp_path, CURSOR)
    assert lake.ingest().rows_out == 100
    assert assert_equal(lake, "sales") == 100
    assert lake.ingest().batches == ()
    any_db.run("INSERT INTO sales VALUES (101, 'new', now())", "UPDATE sales SET v = 'x', at = now() WHERE id = 7")
    done = lake.ingest()
    assert (done.rows_out, done.warnings) == (2, ())
    late = any_db.connect()
    late.run("BEGIN")
    late.run("INSERT INTO sales VALUES (102, 'late', now() - interval '5 minutes')")
    any_db.run("INSERT INTO sales VALUES (103, 'on time', now())")
    assert lake.ingest().rows_out == 1
    late.run("COMMIT")
    assert lake.ingest().rows_out == 1
    assert assert_equal(lake, "sales") == 103
    assert lake.ingest().batches == ()
    assert lake.rows("SELECT count(*) FROM sales__history", "sales") == [(104,)]


def test_the_nightly_pass_finds_what_the_cursor_lost_and_says_how_many(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.run(*SALES)
    lake = lake_of(db, tmp_path, CURSOR)
    lake.ingest()
    db.run(
        "INSERT INTO sales VALUES (201, 'too late', now() - interval '2 hours')",
        "UPDATE sales SET v = 'unmoved' WHERE id < 4",
        "DELETE FROM sales WHERE id = 9",
        "INSERT INTO sales VALUES (202, 'seen', now())",
    )
    assert lake.ingest().rows_out == 4  # rows 1 to 3 are in the lag of the last maximum
    db.run("UPDATE sales SET v = 'again' WHERE id < 3")
    assert lake.ingest().batches == ()
    later(monkeypatch)
    done = lake.ingest()
    assert done.rows_out == 4
    assert [text.split(" that")[0] for text in done.warnings] == ["sales: 3 rows"]
    assert assert_equal(lake, "sales") == 101
    before = state(lake, "sales")["cursor"]["compared"]
    monkeypatch.undo()
    assert lake.ingest().batches == ()
    assert state(lake, "sales")["cursor"]["compared"] == before


def test_views_are_read_in_full_and_their_difference_committed(any_db: Database, tmp_path: Path) -> None:
    any_db.run(
        "CREATE TABLE t (id int PRIMARY KEY, v int)",
        "INSERT INTO t SELECT i, i FROM generate_series(1, 50) i",
        "CREATE VIEW keyed AS SELECT id, v FROM t",
        "CREATE VIEW bag AS SELECT (id % 3)::int AS r, 'x'::text AS s FROM t",
        "CREATE MATERIALIZED VIEW made AS SELECT id, v::numeric(10, 2) AS v FROM t",
    )
    capture = {"keyed": {"full": True, "key": ["id"]}, "bag": "full", "made": {"full": True, "key": ["id"]}}
    lake = lake_of(any_db, tmp_path, capture)
    assert [(t.name, t.key) for t in lake.source.describe()] == [
        ("bag", ()), ("keyed", ("id",)), ("made", ("id",)), ("t", ("id",)),
    ]  # fmt: skip
    assert lake.ingest().rows_out == 200
    for name in ("keyed", "bag", "made", "t"):
        assert assert_equal(lake, name) == 50
    assert lake.ingest().batches == ()
    any_db.run("UPDATE t SET v = 0 WHERE id = 1", "DELETE FROM t WHERE id = 2", "INSERT INTO t VALUES (51, NULL)")
    any_db.run("UPDATE t SET v = v WHERE id = 3")
    done = lake.ingest()
    rows = {name: table.rows for name, table in done.tables.items()}
    assert rows == {"keyed": 3, "bag": 2, "made": 0, "t": 4}
    assert assert_equal(lake, "keyed") == 50
    assert assert_equal(lake, "bag") == 50
    any_db.run("DELETE FROM t WHERE id = 51", "REFRESH MATERIALIZED VIEW made")
    assert lake.ingest().tables["made"].rows == 2
    assert assert_equal(lake, "made") == 49
    assert lake.ingest().batches == ()


def test_a_view_by_cursor_is_compared_whole_from_time_to_time(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.run("CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL)", "CREATE VIEW w AS SELECT id, n, n::text AS s FROM t")
    lake = lake_of(db, tmp_path, {"w": {"cursor": "n", "lag": 2, "key": ["id"]}}, ["w"])
    assert lake.ingest().rows_out == 0
    db.run("INSERT INTO t SELECT i, i FROM generate_series(1, 10) i")
    assert lake.ingest().rows_out == 10
    db.run("INSERT INTO t VALUES (11, 9)", "INSERT INTO t VALUES (12, 7)", "DELETE FROM t WHERE id = 1")
    assert lake.ingest().rows_out == 1
    later(monkeypatch)
    done = lake.ingest()
    assert done.rows_out == 2
    assert [text.split(" that")[0] for text in done.warnings] == ["w: 1 rows"]
    assert assert_equal(lake, "w") == 11
    monkeypatch.undo()
    db.run("DELETE FROM t WHERE n > 5")
    assert lake.ingest().batches  # the maximum went back, nothing is new
    db.run("INSERT INTO t VALUES (13, 4)")
    assert lake.ingest().rows_out == 1


def test_more_rows_than_a_batch_holds_come_in_several(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.run("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT generate_series(1, 30)")
    db.run("CREATE VIEW bag AS SELECT id % 4 AS r FROM t", "CREATE VIEW w AS SELECT id, id AS n FROM t")
    lake = lake_of(db, tmp_path, {"bag": "full", "w": {"cursor": "n", "key": ["id"], "lag": 0}}, ["bag", "w"])
    monkeypatch.setattr(contents, "BATCH", 12)
    done = lake.ingest()
    found = [(m.part, m.complete, m.tables["bag"].rows, m.tables["w"].rows) for m in lake.log.batches(None)]
    assert found == [(1, False, 12, 12), (2, False, 12, 12), (3, True, 6, 6)]
    assert len(done.batches) == 3
    assert (assert_equal(lake, "bag"), assert_equal(lake, "w")) == (30, 30)
    db.run("INSERT INTO t SELECT generate_series(31, 50)")
    lake.ingest()
    assert (assert_equal(lake, "bag"), assert_equal(lake, "w")) == (50, 50)
    assert lake.ingest().batches == ()


def test_a_key_that_does_not_hold_is_refused(db: Database, tmp_path: Path) -> None:
    db.run("CREATE TABLE t (id int, v int)", "INSERT INTO t VALUES (1, 1), (1, 2), (NULL, 3)")
    lake = lake_of(db, tmp_path, {"t": {"full": True, "key": ["id"]}})
    with pytest.raises(SourceRefused, match=r"the key \(id\) is NULL in 1 rows"):
        lake.ingest()
    db.run("DELETE FROM t WHERE id IS NULL")
    with pytest.raises(SourceRefused, match=r"the key \(id\) isn't unique: 1 stands 2 times"):
        lake.ingest()
    assert lake.log.head() is None
    db.run("UPDATE t SET id = v")
    assert lake.ingest().rows_out == 2
    lake.source = source(db.url(), capture={"t": {"full": True, "key": ["v"]}})
    with pytest.raises(SourceRefused, match=r"captured by the key \(id\), and its key is now \(v\)"):
        lake.ingest()


def test_a_view_that_grows_null_cursors_is_refused_with_their_number(db: Database, tmp_path: Path) -> None:
    db.run(
        "CREATE TABLE t (id int PRIMARY KEY, n int)", "CREATE VIEW w AS SELECT * FROM t", "INSERT INTO t VALUES (1, 1)"
    )
    lake = lake_of(db, tmp_path, {"w": {"cursor": "n", "key": ["id"]}}, ["w"])
    assert lake.ingest().rows_out == 1
    db.run("INSERT INTO t VALUES (2, NULL), (3, NULL)")
    with pytest.raises(SourceRefused, match=r"public\.w: n is NULL in 2 rows, which a cursor never sees"):
        lake.ingest()


def test_a_change_of_capture_writes_nothing_that_is_held(db: Database, tmp_path: Path) -> None:
    db.run(*SALES)
    lake = lake_of(db, tmp_path, "snapshot")
    lake.ingest()
    for capture in ("full", CURSOR, {"sales": "full"}):
        lake.source = source(db.url(), capture=capture)
        assert lake.ingest().rows_out == 0
        assert assert_equal(lake, "sales") == 100
    db.run("UPDATE sales SET v = 'y' WHERE id = 1")
    assert lake.ingest().rows_out == 1


@pytest.mark.parametrize(
    ("kind", "first", "hiding", "late", "new"),
    [
        ("int2", "100", None, "50", "101"),
        ("int8", "-9223372036854775800", None, "-9223372036854775808", "5"),
        ("numeric", "100.5", "NaN", "0.5", "101"),
        ("numeric(9, 2)", "100.5", "NaN", "0.5", "101"),
        ("date", "2024-05-02", "infinity", "2024-05-01", "2024-05-03"),
        ("timestamp", "2024-05-02 10:00", "9999-01-01", "2024-05-02 09:51", "2024-05-02 10:01"),
        ("timestamptz", "2024-05-02 10:00+00", "infinity", "2024-05-02 09:51+00", "2024-05-02 10:01+00"),
    ],
    ids=["int2", "int8", "numeric", "decimal", "date", "timestamp", "timestamptz"],
)
def test_every_type_that_counts_upwards(
    db: Database, tmp_path: Path, kind: str, first: str, hiding: str | None, late: str, new: str
) -> None:
    db.run(f"CREATE TABLE t (id int PRIMARY KEY, c {kind} NOT NULL)", "CREATE INDEX ON t (c)")
    lake = lake_of(db, tmp_path, {"t": {"cursor": "c"}})
    assert lake.ingest().rows_out == 0
    assert state(lake, "t")["cursor"]["maximum"] is None
    db.run(f"INSERT INTO t VALUES (1, '{first}')")
    assert lake.ingest().rows_out == 1
    if hiding:  # a row that sorts after all others mustn't hide them
        db.run(f"INSERT INTO t VALUES (2, '{hiding}')")
        assert lake.ingest().rows_out == 1
    db.run(f"INSERT INTO t VALUES (3, '{late}')", f"INSERT INTO t VALUES (4, '{new}')")
    assert lake.ingest().rows_out == 2
    assert lake.rows("SELECT count(*) FROM t", "t") == [(4 if hiding else 3,)]
    assert lake.ingest().batches == ()


def test_keys_that_cannot_be_held_are_set_aside_once(db: Database, tmp_path: Path) -> None:
    db.run(
        "CREATE TABLE t (id numeric(5, 1), r float8)",
        "INSERT INTO t VALUES (1, '-0'), ('NaN', 2)",
        "CREATE VIEW w AS SELECT * FROM t",
    )
    lake = lake_of(db, tmp_path, {"w": {"full": True, "key": ["id"]}}, ["w"])
    done = lake.ingest()
    assert (done.rows_out, done.quarantined) == (1, 1)
    assert lake.ingest().batches == ()
    db.run("UPDATE t SET r = 0 WHERE id = 1", "UPDATE t SET r = 3 WHERE id = 'NaN'")
    done = lake.ingest()
    assert (done.rows_out, done.quarantined) == (1, 1)
    db.run("DELETE FROM t WHERE id = 'NaN'")
    lake.ingest()
    assert state(lake, "w")["refused"] == []


def test_one_key_over_the_limit_of_those_set_aside(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_ODD_KEYS", 1)
    db.run("CREATE TABLE t (id numeric(5, 1), n int)", "INSERT INTO t VALUES ('NaN', 1), ('NaN', 2)")
    lake = lake_of(db, tmp_path, {"t": {"full": True, "key": ["id", "n"]}})
    with pytest.raises(SourceRefused, match=r"over 1 rows whose key its type can't hold"):
        lake.ingest()


def test_a_position_that_is_held_back_says_by_whom_and_since_when(db: Database, tmp_path: Path) -> None:
    db.run("CREATE ROLE looker LOGIN", "CREATE TABLE t (id int PRIMARY KEY)", "GRANT SELECT ON t TO looker")
    lake = Lake(db, tmp_path, user="looker")
    other = db.connect()
    other.run("BEGIN")
    other.run("INSERT INTO t VALUES (1)")
    db.run("INSERT INTO t VALUES (2)")
    assert lake.ingest().rows_out == 1
    first = lake.log.head()
    assert first
    pin = first.position["pin"]
    assert (pin["kind"], pin["name"], pin["since"]) == ("transaction", "postgres", first.position["at"])
    db.run("INSERT INTO t VALUES (3)")
    lake.ingest()
    head = lake.log.head()
    assert head
    assert head.position["pin"]["since"] == first.position["at"]  # when it began is hidden from a plain user
    other.run("COMMIT")
    assert lake.ingest().rows_out == 1
    head = lake.log.head()
    assert head
    assert "pin" not in head.position
    assert assert_equal(lake, "t") == 3
