"""What a change of a table costs, and what it leaves in the history: against real servers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from catchwater.adapters.sources.postgres import change, difference, position
from catchwater.adapters.sources.postgres.capture import Capture
from catchwater.adapters.sources.postgres.change import Change, Pairs
from catchwater.adapters.sources.postgres.deletes import Deletes
from catchwater.adapters.sources.postgres.difference import Table
from catchwater.project.names import quote
from tests.support.postgres import Database, Lake, any_db, assert_equal, db, postgres15, postgres16, postgres18
from tests.support.tampering import rewrite

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
    "delete": ["DELETE FROM t WHERE n = 3"],
    "delete and update": ["DELETE FROM t WHERE n = 3", "UPDATE t SET v = 'n' WHERE n = 4"],
    "key": ["UPDATE t SET id = {new} WHERE n = 3"],
    "again": ["DELETE FROM t WHERE n = 3", "INSERT INTO t VALUES ({old}, 3, 'back')"],
    "all": ["DELETE FROM t"],
}

# keys of one number → the column, and what makes it of a number
NUMBERED = {
    "int": "{}", "int8": "{} * 1099511627776", "uuid": "lpad(to_hex({}), 32, '0')::uuid", "text": "'k' || {}",
}  # fmt: skip


@pytest.mark.parametrize("kind", list(NUMBERED))
@pytest.mark.parametrize("what", list(CHANGES))
def test_what_was_deleted_is_found_without_comparing_everything(
    db: Database, tmp_path: Path, compared: list[str], what: str, kind: str
) -> None:
    """But for keys of text alone, whose values both sides don't count alike."""
    changed(db, tmp_path, what, kind)
    assert compared == (["t"] if kind == "text" and what != "again" else [])


def test_a_key_of_several_columns_is_counted_by_all_of_them(
    any_db: Database, tmp_path: Path, compared: list[str]
) -> None:
    any_db.run(
        "CREATE TABLE t (a text, b int2, c uuid, d int8, PRIMARY KEY (a, b, c, d))",
        "INSERT INTO t SELECT 'a' || i % 3, -i, lpad(i::text, 32, 'f')::uuid, -i * 10000000000 "
        "FROM generate_series(1, 3000) i",
    )
    lake = Lake(any_db, tmp_path)
    lake.ingest()
    any_db.run("DELETE FROM t WHERE b % 100 = 0", "UPDATE t SET a = 'n' WHERE b = -7", "INSERT INTO t VALUES ('', 0, "
               "'00000000-0000-0000-0000-000000000000', 9223372036854775807)")  # fmt: skip
    outcome = lake.ingest()
    assert (outcome.rows_in, outcome.rows_out, compared) == (2, 33, [])
    assert_equal(lake, "t")
    any_db.run("DELETE FROM t WHERE a IN ('', 'n', 'a0')")
    assert (lake.ingest().rows_out, compared) == (990 + 2, [])
    assert_equal(lake, "t")


@pytest.mark.parametrize("gone", ["SELECT id, 1::BIGINT AS _version FROM held WHERE id = 5", "FROM keys LIMIT 1"])
def test_deletes_that_are_not_the_right_ones_are_not_believed(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compared: list[str], gone: str
) -> None:
    """The sum decides, whatever was found."""

    def find(self: Deletes, missing: int) -> bool:
        self.con.execute("CREATE OR REPLACE TEMP TABLE keys AS SELECT id, _version::BIGINT AS _version FROM held")
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE gone AS {gone}")
        return True

    monkeypatch.setattr(Deletes, "find", find)
    changed(db, tmp_path, "delete")
    assert compared == ["t"]


def test_new_rows_alone_would_leave_ghosts(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken way: nothing is sought beyond the new rows, and the sum isn't compared."""
    right = Change._explains

    def explains(self: Change, condition: str, now: Any) -> bool:
        right(self, condition, now)
        self.missing = 0
        return True

    monkeypatch.setattr(Change, "_explains", explains)
    with pytest.raises(AssertionError):
        changed(db, tmp_path, "delete and update")


def test_a_sum_without_the_old_versions_explains_nothing(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compared: list[str]
) -> None:
    monkeypatch.setattr(Pairs, "sum", lambda self: 0)
    changed(db, tmp_path, "again")
    assert compared == ["t"]


def changed(db: Database, tmp_path: Path, what: str, kind: str = "int") -> None:
    value = NUMBERED[kind].format
    db.run(f"CREATE TABLE t (id {kind} PRIMARY KEY, n int, v text)")
    db.run(f"INSERT INTO t SELECT {value('i')}, i, 'v' FROM generate_series(1, 50) i")
    lake = Lake(db, tmp_path)
    lake.ingest()
    db.run(*(statement.format(new=value("100"), old=value("3")) for statement in CHANGES[what]))
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
    monkeypatch.setattr(position, "PINNED_XIDS", 5)
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
    monkeypatch.setattr(change, "MOST_PAIRS", 10)
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


# type → two values that DuckDB's own hash, or an equality, takes for the same
ALIKE = {
    "numeric(38,2)": ("0", "-0.01"),
    "uuid": ("'80000000-0000-0001-0000-000000000002'", "'80000000-0000-0002-0000-000000000001'"),
    "float8": ("0", "'-0'"),
    "float4": ("'-0'", "0"),
    "bigint": ("0", "1"),
}


def alike(db: Database, tmp_path: Path) -> None:
    """What is held otherwise under the same xmin, as after a copy of the server was restored, is found."""
    lake, many = Lake(db, tmp_path), range(len(ALIKE))
    db.run(f"CREATE TABLE t (id int PRIMARY KEY, {', '.join(f'c{i} {kind}' for i, kind in enumerate(ALIKE))})")
    values = ", ".join(there for there, _ in ALIKE.values())
    db.run(f"INSERT INTO t SELECT i, {values} FROM generate_series(0, 20) i")
    lake.ingest()
    for i in many:
        other = f"(SELECT {list(ALIKE.values())[i][1]}::{list(ALIKE)[i]}) AS c{i}"
        rewrite(lake.log, "t", 1, f"SELECT * REPLACE ({other}) FROM held WHERE id = {i}")
    with mock.patch.object(Capture, "_recognised", return_value=False):
        outcome = lake.ingest()
    assert (outcome.rows_in, outcome.rows_out) == (21, len(ALIKE))
    texts = ", ".join(f"c{i}::VARCHAR" for i in many)
    assert len(lake.rows(f"SELECT DISTINCT {texts} FROM t", "t")) == 1


def test_contents_are_compared_bit_by_bit(any_db: Database, tmp_path: Path) -> None:
    alike(any_db, tmp_path)


def test_contents_compared_by_duckdb_s_own_hash_would_be_lost(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken way."""

    def own(columns: Mapping[str, str]) -> str:
        return f"hash({', '.join(quote(name) for name in columns)})"

    monkeypatch.setattr(difference, "content_hash", own)
    with pytest.raises(AssertionError):
        alike(db, tmp_path)
