"""What a change of a table costs, and what it leaves in the history: against real servers."""

from pathlib import Path
from typing import Any

import pytest

from catchwater.adapters.sources import postgres_change, postgres_position
from catchwater.adapters.sources.postgres_change import Change, Pairs
from catchwater.adapters.sources.postgres_difference import Table
from tests.support.postgres import Database, Lake, any_db, assert_equal, db, postgres15, postgres16, postgres18

__all__ = ["any_db", "db", "postgres15", "postgres16", "postgres18"]

# type of a key's column → an expression of i; texts need what an array's text must escape
KEYS = {
    "int": "i", "int2": "i::int2", "int8": "i * 10000000000", "text": "i || E'{}\",\\\\ \\'é' || chr(9)",
    "varchar(20)": "'v' || i", "char(6)": "'c' || i", "bpchar": "'c' || i || '  '",
    "uuid": "lpad(i::text, 32, 'a')::uuid", "numeric(10,2)": "i + 0.5", "numeric": "i + 0.50", "date": "date '2024-01-01' + i",
    "timestamp": "timestamp '2024-01-01 10:00:00.25' + i * interval '1 day'",
    "timestamptz": "timestamptz '2024-01-01 10:00+02' + i * interval '1 day'", "time": "time '10:00' + i * interval '1 s'",
    "float8": "i / 3.0::float8", "float4": "i / 3.0::float4", "bytea": "decode(lpad(to_hex(i), 8, '0'), 'hex')",
    "mood": "CASE WHEN i = 1 THEN 'sad' ELSE 'o''k' END::mood", "inet": "('10.0.0.' || i)::inet", "int[]": "ARRAY[i, 2]",
    "boolean": "i = 1", "jsonb": "jsonb_build_object('a', i)", "interval": "i * interval '1 day'", "varbit": "i::bit(8)",
}  # fmt: skip


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tables whose whole (key, xmin) set was compared."""
    found: list[str] = []
    right = Table.pairs

    def pairs(self: Table, *arguments: Any) -> Any:
        found.append(self.relation.name)
        return right(self, *arguments)

    monkeypatch.setattr(Table, "pairs", pairs)
    return found


def test_a_change_is_found_without_comparing_everything(db: Database, tmp_path: Path, compared: list[str]) -> None:
    """Whatever the key's type is: the sum of the old versions is Postgres' own."""
    db.run("CREATE TYPE mood AS ENUM ('sad', 'o''k')")
    tables = [f"t{i}" for i in range(len(KEYS))]
    for table, (kind, value) in zip(tables, KEYS.items(), strict=True):
        rows = 2 if kind in ("mood", "boolean") else 20
        db.run(f"CREATE TABLE {table} (a int, k {kind}, v text, PRIMARY KEY (a, k))")
        db.run(f"INSERT INTO {table} SELECT i, {value}, 'v' FROM generate_series(1, {rows}) i")
    lake = Lake(db, tmp_path)
    lake.ingest()
    for table in tables:
        db.run(f"UPDATE {table} SET v = 'n' WHERE a < 3", f"UPDATE {table} SET v = 'm' WHERE a = 1")
    outcome = lake.ingest()
    assert compared == []
    assert (outcome.rows_in, outcome.rows_out) == (2 * len(tables), 2 * len(tables))
    for table in tables:
        assert lake.rows(f"SELECT count(*), count(*) FILTER (v = 'm') FROM {table}", table)[0][1] == 1
    db.run("INSERT INTO t0 VALUES (100, 100, 'new')")
    assert (lake.ingest().rows_in, compared) == (1, [])
    assert lake.ingest().batches == ()


CHANGES = {
    "delete": ["DELETE FROM t WHERE id = 3"],
    "delete and update": ["DELETE FROM t WHERE id = 3", "UPDATE t SET v = 'n' WHERE id = 4"],
    "key": ["UPDATE t SET id = 100 WHERE id = 3"],
    "again": ["DELETE FROM t WHERE id = 3", "INSERT INTO t VALUES (3, 'back')"],
    "all": ["DELETE FROM t"],
}


@pytest.mark.parametrize("what", list(CHANGES))
def test_what_the_new_rows_do_not_explain_is_compared(
    db: Database, tmp_path: Path, compared: list[str], what: str
) -> None:
    changed(db, tmp_path, what)
    assert compared == ([] if what == "again" else ["t"])


def test_new_rows_alone_would_leave_ghosts(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken way: the sum isn't compared."""
    right = Change._explains
    monkeypatch.setattr(Change, "_explains", lambda self, condition, now: right(self, condition, now) or True)
    with pytest.raises(AssertionError):
        changed(db, tmp_path, "delete and update")


def test_a_sum_without_the_old_versions_explains_nothing(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compared: list[str]
) -> None:
    monkeypatch.setattr(Pairs, "sum", lambda self: 0)
    changed(db, tmp_path, "again")
    assert compared == ["t"]


def changed(db: Database, tmp_path: Path, what: str) -> None:
    db.run("CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t SELECT i, 'v' FROM generate_series(1, 50) i")
    lake = Lake(db, tmp_path)
    lake.ingest()
    db.run(*CHANGES[what])
    lake.ingest()
    assert_equal(lake, "t")
    assert lake.ingest().batches == ()


def test_partitions_are_no_reason_to_compare(any_db: Database, tmp_path: Path, compared: list[str]) -> None:
    any_db.run(
        "CREATE TABLE t (id int PRIMARY KEY, v text) PARTITION BY HASH (id)",
        "CREATE TABLE t1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "CREATE TABLE t2 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        "INSERT INTO t SELECT i, 'v' FROM generate_series(1, 50) i",
    )
    lake = Lake(any_db, tmp_path)
    lake.ingest()
    any_db.run("UPDATE t SET v = 'n' WHERE id < 5", "INSERT INTO t VALUES (100, 'x')")
    assert (lake.ingest().rows_in, compared) == (5, [])
    assert_equal(lake, "t")


def test_a_key_in_quarantine_costs_nothing_until_it_changes(db: Database, tmp_path: Path, compared: list[str]) -> None:
    db.run(
        "CREATE TABLE t (id date PRIMARY KEY, v text)", "INSERT INTO t VALUES ('infinity', 'x'), ('2024-01-01', 'y')"
    )
    lake = Lake(db, tmp_path)
    assert lake.ingest().quarantined == 1
    db.run("UPDATE t SET v = 'n' WHERE id = '2024-01-01'")
    outcome = lake.ingest()
    assert (outcome.rows_in, outcome.quarantined, compared) == (1, 0, [])
    db.run("UPDATE t SET v = 'n' WHERE id = 'infinity'")
    outcome = lake.ingest()
    assert (outcome.rows_out, outcome.quarantined, compared) == (0, 1, ["t"])
    assert lake.ingest().batches == ()


def test_an_open_transaction_does_not_make_all_be_read_again(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compared: list[str]
) -> None:
    monkeypatch.setattr(postgres_position, "PINNED_XIDS", 5)
    db.run("CREATE TABLE t (id int PRIMARY KEY, v text)", "CREATE TABLE u (id int)")
    idle, lake = db.connect(), Lake(db, tmp_path, ["t"])
    idle.run("BEGIN")
    idle.run("INSERT INTO u VALUES (1)")
    lake.ingest()
    for number in range(30):
        db.run(f"INSERT INTO t VALUES ({number}, 'v')")
    assert lake.ingest().rows_in == 30
    idle.run("INSERT INTO t VALUES (100, 'late')")
    db.run("UPDATE t SET v = 'n' WHERE id = 3")
    assert lake.ingest().rows_in == 1
    idle.run("COMMIT")
    db.run("UPDATE t SET v = 'n' WHERE id = 4")
    assert (lake.ingest().rows_in, compared) == (2, [])
    assert_equal(lake, "t")


def test_many_changes_are_compared_at_once(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compared: list[str]
) -> None:
    monkeypatch.setattr(postgres_change, "MOST_PAIRS", 10)
    db.run("CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t SELECT i, 'v' FROM generate_series(1, 50) i")
    lake = Lake(db, tmp_path)
    lake.ingest()
    db.run("UPDATE t SET v = 'n' WHERE id < 21")
    assert (lake.ingest().rows_in, compared) == (20, ["t"])
    assert_equal(lake, "t")


SHAPES = {
    "default": ["ALTER TABLE t ADD COLUMN c int DEFAULT 5"],
    "enum": ["ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'"],
    "wider": ["ALTER TABLE t ALTER COLUMN n TYPE numeric(12,2)"],
    "rewritten": ["ALTER TABLE t ADD COLUMN r float8 DEFAULT random()"],
    "dropped": ["ALTER TABLE t DROP COLUMN v"],
}


@pytest.mark.parametrize(
    ("what", "key"), [*((what, "PRIMARY KEY") for what in SHAPES), ("default", ""), ("dropped", "")]
)
def test_a_changed_shape_makes_no_new_versions(db: Database, tmp_path: Path, what: str, key: str) -> None:
    db.run(
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        f"CREATE TABLE t (id int {key}, v text, n numeric(10,2), m mood DEFAULT 'sad')",
        "INSERT INTO t SELECT i, 'v' || i, i FROM generate_series(1, 10) i",
    )
    lake = Lake(db, tmp_path)
    lake.ingest()
    db.run("UPDATE t SET v = 'n' WHERE id = 1")
    lake.ingest()
    before = lake.rows("SELECT id, _seq, _id, _at FROM t__history ORDER BY _id", "t")
    db.run(*SHAPES[what])
    outcome = lake.ingest()
    assert outcome.notes != () or what == "enum"
    assert_equal(lake, "t")
    if key and what != "rewritten":
        assert lake.rows("SELECT id, _seq, _id, _at FROM t__history ORDER BY _id", "t") == before
        db.run("DELETE FROM t WHERE id = 2", "UPDATE t SET n = 7 WHERE id = 3")
        lake.ingest()
        assert_equal(lake, "t")
        assert lake.rows("SELECT _op FROM t__history WHERE id = 2 ORDER BY _id", "t") == [("upsert",), ("delete",)]
    assert lake.ingest().batches == ()


def test_another_server_with_the_same_rows_makes_no_new_versions(db: Database, tmp_path: Path) -> None:
    """As after a restored dump: every row has another xmin, and one has another value."""
    db.run("CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t SELECT i, 'v' FROM generate_series(1, 9) i")
    lake = Lake(db, tmp_path)
    lake.ingest()
    db.run("CREATE TABLE n AS SELECT * FROM t", "UPDATE n SET v = 'n' WHERE id = 5", "DROP TABLE t")
    db.run("ALTER TABLE n RENAME TO t", "ALTER TABLE t ADD PRIMARY KEY (id)")
    lake.ingest()
    head = lake.log.head()
    assert head
    assert (head.tables["t"].rows, head.tables["t"].revised) == (9, 8)
    assert_equal(lake, "t")
    assert lake.rows("SELECT count(*), count(DISTINCT id) FROM t__history", "t") == [(10, 9)]
    db.run("UPDATE t SET v = 'again' WHERE id = 1")
    assert lake.ingest().rows_in == 1
