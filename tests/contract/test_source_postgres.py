"""The Postgres source against real servers: every row, every value, and every refusal by name."""

import math
import struct
import threading
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from catchwater.adapters.sources.postgres import capture as postgres_capture
from catchwater.errors import SourceBusy, SourceError, SourceRefused, SourceUnreachable
from catchwater.ports import Held
from tests.support.postgres import (
    Database,
    Lake,
    any_db,
    assert_equal,
    db,
    postgres15,
    postgres16,
    postgres18,
    source,
    there,
)

__all__ = ["any_db", "db", "postgres15", "postgres16", "postgres18"]

NOTHING = Held(None, {}, lambda con, table: (_ for _ in ()).throw(KeyError(table)))

# type → values; what DuckDB's type can't hold is expected as text in _exact
VALUES: dict[str, list[str]] = {
    "int2": ["-32768", "32767"],
    "int4": ["-2147483648", "2147483647"],
    "int8": ["-9223372036854775808", "9223372036854775807"],
    "bool": ["t", "f"],
    "numeric(38,10)": [
        "9999999999999999999999999999.9999999999", "-9999999999999999999999999999.9999999999", "0.0000000001", "NaN",
    ],
    "numeric(38,0)": ["99999999999999999999999999999999999999", "-1"],
    "numeric(38,38)": ["0.99999999999999999999999999999999999999"],
    "numeric(4,4)": ["0.9999", "-0.0001", "NaN"],
    "numeric(18,5)": ["9999999999999.99999"],
    "numeric": ["1.10", "NaN", "Infinity", "-Infinity", "1e-400", "123456789012345678901234567890123456789012345.6"],
    "numeric(50,2)": ["123456789012345678901234567890123456789012345.67"],
    "numeric(5,-2)": ["12300"],
    "numeric(2,4)": ["0.0012"],
    "text": ["", "x", " spaces ", "tab\tnew\nline\r", "'\"\\", "é漢😀", "NULL"],
    "varchar(9)": ["", "ab  "],
    "char(5)": ["ab", "", "é"],
    "bpchar": ["ab  "],
    "name": ["a name"],
    '"char"': ["a"],
    "uuid": ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
    "date": ["0001-01-01", "9999-12-31", "infinity", "-infinity", "0001-12-31 BC", "10000-01-01", "5874897-12-31"],
    "time": ["00:00:00", "23:59:59.999999", "24:00:00"],
    "timetz": ["12:00:00.5+05:30", "24:00:00-15:59"],
    "timestamp": [
        "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "infinity", "294276-12-31 23:59:59.999999",
        "1969-12-31 23:59:59.999999", "4713-01-01 00:00:00 BC",
    ],
    "timestamptz": [
        "0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00", "-infinity", "2024-03-31 03:30:00+02",
        "10000-01-01 00:00:00+00", "0001-12-31 23:59:59+00 BC",
    ],
    "interval": ["1 year -2 mons 3 days 04:05:06.789", "-178000000 years"],
    "json": ['{"b":1, "a": [1,2]}', "null"],
    "jsonb": ['{"b": 1, "a": 1.10}', "null"],
    "int4[]": ["{1,NULL,3}", "{}", "{{1,2},{3,4}}", "[0:1]={7,8}"],
    "text[]": ['{"",NULL,"a,b","\\"q\\""}'],
    "numeric(10,2)[]": ["{1.50,NaN}"],
    "char(3)[]": ["{a,bb}"],
    "money": ["-12.34"],
    "inet": ["192.168.0.1/24", "::1"],
    "cidr": ["10.0.0.0/8"],
    "macaddr": ["08:00:2b:01:02:03"],
    "int4range": ["[1,10)", "empty"],
    "tstzrange": ["[2024-01-01 00:00:00+00,)"],
    "point": ["(1.5,-2)"],
    "path": ["[(0,0),(1,1)]"],
    "bit(5)": ["10101"],
    "varbit": ["101"],
    "tsvector": ["'a':1 'b':2"],
    "oid": ["4294967295"],
    "regclass": ["pg_class"],
    "pg_lsn": ["16/B374D848"],
    "xid8": ["18446744073709551615"],
    "mood": ["sad", "o'k"],
    "pair": ["(1,x)", '(,"")', "(,)"],
    "positive": ["5"],
}  # fmt: skip


def test_every_value_of_every_type_is_postgres_own(any_db: Database, tmp_path: Path) -> None:
    any_db.run("CREATE TYPE mood AS ENUM ('sad', 'o''k')", "CREATE TYPE pair AS (a int, b text)")
    any_db.run("CREATE DOMAIN positive AS int CHECK (VALUE > 0)")
    fields = ", ".join(f"c{i} {kind}" for i, kind in enumerate(VALUES))
    any_db.run(f"CREATE TABLE t (id int PRIMARY KEY, {fields})")
    number = 0
    for i, values in enumerate(VALUES.values()):
        for value in [*values, None]:
            number += 1
            text = "NULL" if value is None else "'" + value.replace("'", "''") + "'"
            any_db.run(f"INSERT INTO t (id, c{i}) VALUES ({number}, {text})")
    assert number > 150
    any_db.run("SET DateStyle = 'ISO, YMD'", "SET extra_float_digits = 1")
    lake = Lake(any_db, tmp_path)
    lake.ingest()
    columns = lake.source.describe()[0].names
    found, expected = lake.texts("t", columns), there(any_db, "t", columns)
    pairs = [pair for rows in zip(found, expected, strict=True) for pair in zip(*rows, strict=True)]
    assert [pair for pair in pairs if pair[0] != pair[1]] == []


def test_floats_and_bytes_are_bit_exact(db: Database, tmp_path: Path) -> None:
    doubles = ["-0", "NaN", "Infinity", "-Infinity", "5e-324", "1.7976931348623157e308", "0.1", "-2.5e-17"]
    singles = ["-0", "NaN", "Infinity", "1e-45", "3.4028235e38", "0.1"]
    db.run("CREATE TABLE t (id int PRIMARY KEY, d float8, s float4, b bytea)")
    for i, (d, s) in enumerate(zip(doubles, [*singles, None, None], strict=True)):
        b = bytes(range(256)) * i
        single = f"'{s}'" if s else "NULL"
        db.run(f"INSERT INTO t VALUES ({i}, '{d}', {single}, '\\x{b.hex()}')")
    lake = Lake(db, tmp_path)
    lake.ingest()
    for i, d, s, b in lake.rows("SELECT id, d, s, b FROM t ORDER BY id", "t"):
        there = db.run(f"SELECT float8send(d), float4send(s), b FROM t WHERE id = {i}")[0]
        assert math.isnan(d) == (doubles[i] == "NaN")
        assert math.isnan(d) or struct.pack(">d", d) == there[0]
        assert (s is None) == (there[1] is None)
        assert s is None or math.isnan(s) or struct.pack(">f", s) == there[1]
        assert b == there[2]


def test_types_follow_the_schema(db: Database) -> None:
    db.run(
        "CREATE TABLE t (a int2, b numeric(10,2), c numeric, d numeric(39,2), e timestamptz, f char(3), g jsonb, "
        "h float4, i time, j bytea, k varchar(3) NOT NULL, l int4[])"
    )
    (table,) = source(db.url()).describe()
    assert [column.type for column in table.columns] == [
        "SMALLINT", "DECIMAL(10,2)", "VARCHAR", "VARCHAR", "TIMESTAMP WITH TIME ZONE", "VARCHAR", "VARCHAR", "FLOAT",
        "TIME", "BLOB", "VARCHAR", "VARCHAR",
    ]  # fmt: skip
    assert [column.name for column in table.columns if not column.nullable] == ["k"]


def test_native_values_come_as_values(db: Database, tmp_path: Path) -> None:
    db.run("CREATE TABLE t (id uuid PRIMARY KEY, n numeric(10,2), d date, z timestamptz, e date)")
    db.run(
        "INSERT INTO t VALUES ('00000000-0000-0000-0000-00000000000a', 1.5, '2024-02-29', "
        "'2024-01-01 00:00+01', 'infinity')"
    )
    lake = Lake(db, tmp_path)
    lake.ingest()
    assert lake.rows("SELECT id, n, d, z::TIMESTAMP, e, _exact FROM t", "t") == [
        (UUID(int=10), Decimal("1.50"), date(2024, 2, 29), datetime(2023, 12, 31, 23), None, {"e": "infinity"})  # noqa: DTZ001
    ]


def test_keys_and_references_are_found(any_db: Database) -> None:
    any_db.run(
        "CREATE TABLE a (id int PRIMARY KEY, code text UNIQUE)",
        "CREATE TABLE b (x int NOT NULL, y int NOT NULL, z int NOT NULL, w int, a int REFERENCES a, "
        "UNIQUE (x, y), UNIQUE (w), UNIQUE (z) DEFERRABLE)",
        "CREATE UNIQUE INDEX partial ON b (z) WHERE z > 0",
        "CREATE UNIQUE INDEX expression ON b (abs(z))",
        "CREATE UNIQUE INDEX covering ON b (y, x, z) INCLUDE (w)",
        "CREATE TABLE c (x int, y int, FOREIGN KEY (x, y) REFERENCES b (x, y))",
    )
    a, b, c = source(any_db.url()).describe()
    assert (a.key, b.key, c.key) == (("id",), ("x", "y"), ())
    assert [(r.columns, r.table, r.to_columns) for r in b.references] == [(("a",), "a", ("id",))]
    assert [(r.columns, r.table, r.to_columns) for r in c.references] == [(("x", "y"), "b", ("x", "y"))]


def test_rows_come_change_and_go(any_db: Database, tmp_path: Path) -> None:
    any_db.run(
        "CREATE TABLE t (a int, b text, v text, PRIMARY KEY (a, b))",
        "INSERT INTO t SELECT i, 'k', 'v' FROM generate_series(1, 20) i",
    )
    lake = Lake(any_db, tmp_path)
    assert lake.ingest().rows_out == 20
    assert lake.ingest().batches == ()
    any_db.run(
        "UPDATE t SET v = 'new' WHERE a = 1",
        "UPDATE t SET a = 200 WHERE a = 2",
        "DELETE FROM t WHERE a IN (3, 4)",
        "INSERT INTO t VALUES (4, 'k', 'again'), (300, '', NULL)",
    )
    assert lake.ingest().rows_out == 6
    assert_equal(lake, "t")
    gone = lake.rows("SELECT a, b, v FROM t__history WHERE _op = 'delete' ORDER BY a", "t")
    assert gone == [(2, "k", "v"), (3, "k", "v")]
    any_db.run("DELETE FROM t WHERE a = 1", "INSERT INTO t VALUES (3, 'k', 'back')")
    lake.ingest()
    any_db.run("DELETE FROM t")
    lake.ingest()
    assert assert_equal(lake, "t") == 0
    any_db.run("INSERT INTO t VALUES (3, 'k', 'back')")
    lake.ingest()
    assert assert_equal(lake, "t") == 1


def test_a_table_without_a_key_is_a_multiset(any_db: Database, tmp_path: Path) -> None:
    any_db.run("CREATE TABLE t (a int, b text)", "INSERT INTO t VALUES (1, 'x'), (1, 'x'), (1, NULL), (NULL, '')")
    lake = Lake(any_db, tmp_path)
    lake.ingest()
    assert assert_equal(lake, "t") == 4
    any_db.run("INSERT INTO t VALUES (1, 'x')", "DELETE FROM t WHERE b = ''")
    assert lake.ingest().rows_out == 2
    assert assert_equal(lake, "t") == 4
    any_db.run("DELETE FROM t WHERE b = 'x'")
    assert lake.ingest().rows_out == 3
    assert assert_equal(lake, "t") == 1
    assert lake.ingest().batches == ()


def test_late_rolled_back_and_prepared_transactions(any_db: Database, tmp_path: Path) -> None:
    any_db.run("CREATE TABLE t (id int PRIMARY KEY, v int)", "INSERT INTO t VALUES (1, 0), (2, 0)")
    lake = Lake(any_db, tmp_path)
    lake.ingest()
    late, prepared, undone = any_db.connect(), any_db.connect(), any_db.connect()
    late.run("BEGIN")
    late.run("INSERT INTO t VALUES (10, 1)")
    late.run("SAVEPOINT s")
    late.run("INSERT INTO t VALUES (11, 1)")
    late.run("ROLLBACK TO SAVEPOINT s")
    late.run("SAVEPOINT r")
    late.run("UPDATE t SET v = 1 WHERE id = 1")
    prepared.run("BEGIN")
    prepared.run("INSERT INTO t VALUES (20, 1)")
    prepared.run("PREPARE TRANSACTION 'two'")
    undone.run("BEGIN")
    undone.run("DELETE FROM t WHERE id = 2")
    any_db.run("INSERT INTO t VALUES (3, 0)")
    lake.ingest()
    assert assert_equal(lake, "t") == 3
    any_db.run("INSERT INTO t VALUES (4, 0)")
    lake.ingest()
    late.run("COMMIT")
    undone.run("ROLLBACK")
    assert lake.ingest().notes == ()
    assert assert_equal(lake, "t") == 5
    any_db.run("COMMIT PREPARED 'two'")
    assert lake.ingest().notes == ()
    assert assert_equal(lake, "t") == 6


def test_all_tables_are_of_one_snapshot(db: Database, tmp_path: Path) -> None:
    """The second table's rows are written while the first is being read: then neither has them."""
    db.run("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)")
    lake = Lake(db, tmp_path)
    stop, other = threading.Event(), db.connect()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            other.run("BEGIN")
            other.run(f"INSERT INTO a VALUES ({number})")
            other.run(f"INSERT INTO b VALUES ({number})")
            other.run("COMMIT")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(6):
            lake.ingest()
            with lake.connection("a", "b") as con:
                assert con.execute("SELECT count(*) FROM a ANTI JOIN b USING (id)").fetchone() == (0,)
                assert con.execute("SELECT count(*) FROM b ANTI JOIN a USING (id)").fetchone() == (0,)
    finally:
        stop.set()
        writer.join()


ALTERS = {
    "add with a default": ["ALTER TABLE t ADD COLUMN w int DEFAULT 5"],
    "add": ["ALTER TABLE t ADD COLUMN w int"],
    "drop": ["ALTER TABLE t DROP COLUMN v"],
    "drop and add": ["ALTER TABLE t DROP COLUMN v", "ALTER TABLE t ADD COLUMN v text DEFAULT 'other'"],
    "type": ["ALTER TABLE t ALTER COLUMN n TYPE text USING 'n' || n"],
    "wider": ["ALTER TABLE t ALTER COLUMN n TYPE numeric(12,2)"],
    "rename": ["ALTER TABLE t RENAME COLUMN v TO w"],
    "swap": [
        "ALTER TABLE t RENAME COLUMN v TO x",
        "ALTER TABLE t RENAME COLUMN u TO v",
        "ALTER TABLE t RENAME COLUMN x TO u",
    ],
    "reload": ["BEGIN", "TRUNCATE t", "INSERT INTO t VALUES (1, 'a', 'b', 1), (99, 'z', 'z', 2)", "COMMIT"],
    "recreate": [
        "DROP TABLE t", "CREATE TABLE t (id int PRIMARY KEY, v text, q int)", "INSERT INTO t VALUES (1, 'a', 1)",
    ],
    "enum label": ["ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'"],
    "rewrite": ["VACUUM FULL t"],
    "nothing": ["ANALYZE t"],
}  # fmt: skip


KEYLESS = ("add with a default", "drop and add", "swap", "rewrite")


@pytest.mark.parametrize(
    ("change", "key"), [*((change, "PRIMARY KEY") for change in ALTERS), *((change, "") for change in KEYLESS)]
)
def test_a_table_changes_its_shape(db: Database, tmp_path: Path, change: str, key: str) -> None:
    db.run(
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        f"CREATE TABLE t (id int {key}, v text, u text, n numeric(10,2), m mood DEFAULT 'sad')",
        "INSERT INTO t SELECT i, 'v' || i, 'u' || i, i FROM generate_series(1, 10) i",
    )
    lake = Lake(db, tmp_path)
    lake.ingest()
    db.run(*(text.replace("PRIMARY KEY", key) for text in ALTERS[change]))
    lake.ingest()
    assert_equal(lake, "t")
    db.run("DELETE FROM t WHERE id = 1")
    lake.ingest()
    assert_equal(lake, "t")


def test_floats_are_compared_by_their_bits(db: Database, tmp_path: Path) -> None:
    """0 and -0 are equal, and NaN equals itself, where contents are compared."""
    db.run("CREATE TABLE t (id int PRIMARY KEY, v float8)", "INSERT INTO t VALUES (1, '0'), (2, 'NaN'), (3, NULL)")
    lake = Lake(db, tmp_path)
    lake.ingest()
    db.run("ALTER TABLE t ADD COLUMN w float8")
    assert lake.ingest().rows_out == 0
    db.run("ALTER TABLE t DROP COLUMN w", "ALTER TABLE t RENAME COLUMN v TO x", "ALTER TABLE t ADD COLUMN v float8")
    db.run("UPDATE t SET v = -x")
    lake.ingest()
    assert lake.rows("SELECT id, signbit(v) FROM t ORDER BY id", "t")[0] == (1, True)


@pytest.mark.parametrize("key", ["PRIMARY KEY", ""])
def test_rows_that_were_counted_and_not_read_are_missed(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """As when a partition is attached between two queries: each then sees another table."""
    db.run(f"CREATE TABLE t (id int {key})", "INSERT INTO t VALUES (1)")
    lake = Lake(db, tmp_path)
    lake.ingest()
    right = postgres_capture.Capture._sums

    def wrong(self: postgres_capture.Capture, relations: Any) -> dict[str, postgres_capture.Sum]:
        return {n: postgres_capture.Sum(s.count + 1, s.checksum) for n, s in right(self, relations).items()}

    monkeypatch.setattr(postgres_capture.Capture, "_sums", wrong)
    for held in (NOTHING, _held(lake, lake.log.head().position)):  # type: ignore[union-attr]
        with pytest.raises(SourceBusy, match="1 rows instead of 2"):
            lake.source.capture(["t"], held, tmp_path)


def test_no_new_versions_for_a_column_without_values(db: Database, tmp_path: Path) -> None:
    db.run("CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, 'x')")
    lake = Lake(db, tmp_path)
    lake.ingest()
    db.run("ALTER TABLE t ADD COLUMN w date")
    outcome = lake.ingest()
    assert (len(outcome.batches), outcome.rows_out) == (1, 0)
    assert lake.ingest().batches == ()


def test_partitions(any_db: Database, tmp_path: Path) -> None:
    any_db.run(
        "CREATE TABLE p (id int, d int, v text, PRIMARY KEY (id, d)) PARTITION BY RANGE (d)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20) PARTITION BY LIST (id)",
        "CREATE TABLE p2_1 PARTITION OF p2 FOR VALUES IN (1)",
        "INSERT INTO p VALUES (1, 1, 'a'), (2, 1, 'b'), (1, 11, 'c')",
        "CREATE TABLE parent (id int PRIMARY KEY)",
        "CREATE TABLE child () INHERITS (parent)",
        "INSERT INTO parent VALUES (1)",
        "INSERT INTO child VALUES (1), (1)",
    )
    lake = Lake(any_db, tmp_path)
    lake.ingest()
    assert [t.name for t in lake.source.describe()] == ["child", "p", "parent"]
    assert (assert_equal(lake, "p"), assert_equal(lake, "child")) == (3, 2)
    assert lake.rows("SELECT count(*) FROM parent", "parent") == [(1,)]
    any_db.run(
        "UPDATE p SET d = 11 WHERE id = 1 AND v = 'a' AND false",
        "CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (20) TO (30)",
        "INSERT INTO p VALUES (9, 25, 'new')",
        "UPDATE p SET d = 21 WHERE id = 2",
    )
    lake.ingest()
    assert assert_equal(lake, "p") == 4
    any_db.run("ALTER TABLE p DETACH PARTITION p1")
    lake.ingest()
    assert assert_equal(lake, "p") == 3


def test_a_partition_swapped_for_one_with_the_same_versions(db: Database, tmp_path: Path) -> None:
    db.run(
        "CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id)",
        "CREATE TABLE one PARTITION OF p FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE two (id int PRIMARY KEY, v text)",
        "BEGIN", "INSERT INTO one VALUES (1, 'old')", "INSERT INTO two VALUES (1, 'new')", "COMMIT",
    )  # fmt: skip
    lake = Lake(db, tmp_path, ["p"])
    lake.ingest()
    db.run("ALTER TABLE p DETACH PARTITION one", "ALTER TABLE p ATTACH PARTITION two FOR VALUES FROM (0) TO (10)")
    lake.ingest()
    assert assert_equal(lake, "p") == 1


def test_odd_names_schemas_and_empty_tables(any_db: Database, tmp_path: Path) -> None:
    any_db.run(
        'CREATE SCHEMA "Odd Schema"',
        'CREATE TABLE "Odd Schema"."Order ""Lines"", é" ("Sélect" int PRIMARY KEY, "a""b" text, "c\'d" date, '
        '"%s" text, "{0}" time)',
        "INSERT INTO \"Odd Schema\".\"Order \"\"Lines\"\", é\" VALUES (1, 'x', 'infinity', '100%', '24:00')",
        'CREATE TABLE "table" ("select" int PRIMARY KEY, x int, e int, v int, c0 int)',
        'INSERT INTO "table" VALUES (1, 2, 3, 4, 5)',
        "CREATE TABLE empty (id int PRIMARY KEY)",
        "CREATE TABLE nothing ()",
        "INSERT INTO nothing DEFAULT VALUES",
        "CREATE TABLE stored (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED, gone int, k int)",
        "INSERT INTO stored (id) VALUES (7)",
        "ALTER TABLE stored DROP COLUMN gone",
    )
    lake = Lake(any_db, tmp_path)
    lake.ingest()
    odd = next(t.name for t in lake.source.describe() if t.name.startswith("odd_schema"))
    assert_equal(lake, odd, '"Odd Schema"."Order ""Lines"", é"')
    for table in ("table", "empty", "stored"):
        assert_equal(lake, table)
    assert any("nothing is a table without columns" in note for note in lake.source.notes), lake.source.notes
    any_db.run('UPDATE "Odd Schema"."Order ""Lines"", é" SET "a""b" = NULL')
    lake.ingest()
    assert_equal(lake, odd, '"Odd Schema"."Order ""Lines"", é"')


def test_wide_rows_and_long_texts(db: Database, tmp_path: Path) -> None:
    db.run(f"CREATE TABLE wide (id int PRIMARY KEY, {', '.join(f'c{i} smallint' for i in range(1500))})")
    db.run("INSERT INTO wide (id, c1499) VALUES (1, 3)")
    db.run("CREATE TABLE long (id int PRIMARY KEY, v text)", "INSERT INTO long VALUES (1, repeat('é', 5000000))")
    lake = Lake(db, tmp_path)
    lake.ingest()
    assert lake.rows("SELECT c1499, c0 FROM wide", "wide") == [(3, None)]
    assert lake.rows("SELECT length(v), v = repeat('é', 5000000) FROM long", "long") == [(5000000, True)]


def test_a_key_that_its_type_cannot_hold_is_quarantined_once(db: Database, tmp_path: Path) -> None:
    db.run("CREATE TABLE t (id int, until date, v text, PRIMARY KEY (id, until))")
    db.run("INSERT INTO t VALUES (1, 'infinity', 'x'), (1, '-infinity', 'y'), (1, '2024-01-01', 'z')")
    lake = Lake(db, tmp_path)
    outcome = lake.ingest()
    assert (outcome.rows_out, outcome.quarantined) == (1, 2)
    assert lake.ingest().batches == ()
    db.run("INSERT INTO t VALUES (2, '2024-01-01', 'w')")
    outcome = lake.ingest()
    assert (outcome.rows_out, outcome.quarantined) == (1, 0)
    db.run("UPDATE t SET v = 'other' WHERE until = 'infinity'")
    outcome = lake.ingest()
    assert (outcome.rows_out, outcome.quarantined) == (0, 1)


def test_a_gap_is_found_read_and_said(db: Database, tmp_path: Path) -> None:
    """Rows that we lack although their transactions are older than the position."""
    db.run("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT generate_series(1, 9)")
    lake = Lake(db, tmp_path)
    lake.ingest()
    head = lake.log.head()
    assert head
    position = dict(head.position)
    db.run("INSERT INTO t VALUES (100)", "INSERT INTO t VALUES (101)")
    ahead = int(db.run("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")[0][0])
    position["tables"] = {"t": {**position["tables"]["t"], "xmin": ahead}}
    held = _held(lake, position)
    db.run("INSERT INTO t VALUES (102)")
    found = lake.source.capture(["t"], held, tmp_path)
    assert found
    assert found.tables["t"].rows == 3
    assert "2 rows" in found.warnings[0]


def test_the_position_wraps_with_the_xids(db: Database, tmp_path: Path) -> None:
    """A position more than 2^31 xids ago says nothing, and contents are compared."""
    db.run("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    lake = Lake(db, tmp_path)
    lake.ingest()
    head = lake.log.head()
    assert head
    state = {**head.position["tables"]["t"], "xmin": head.position["xmin"] - (1 << 31)}
    db.run("INSERT INTO t VALUES (2)")
    found = lake.source.capture(["t"], _held(lake, {**head.position, "tables": {"t": state}}), tmp_path)
    assert found
    assert (found.tables["t"].rows, found.rows_read) == (1, 2)


@pytest.mark.parametrize("other", [{"server": ["1", 1]}, {"starts": []}])
def test_another_server_is_compared_by_content(db: Database, tmp_path: Path, other: dict[str, Any]) -> None:
    db.run("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    lake = Lake(db, tmp_path)
    lake.ingest()
    head = lake.log.head()
    assert head
    state = {"t": {**head.position["tables"]["t"], **other}}
    found = lake.source.capture(["t"], _held(lake, {**head.position, "tables": state}), tmp_path)
    assert found
    assert (found.tables["t"].rows, found.rows_read) == (0, 1)


def test_a_replica_that_lags_is_busy(db: Database, tmp_path: Path) -> None:
    db.run("CREATE TABLE t (id int PRIMARY KEY)")
    lake = Lake(db, tmp_path)
    lake.ingest()
    head = lake.log.head()
    assert head
    with pytest.raises(SourceBusy, match="behind"):
        lake.source.capture(["t"], _held(lake, {**head.position, "lsn": head.position["lsn"] + 10**12}), tmp_path)


def test_an_old_position_is_committed_alone(db: Database, tmp_path: Path) -> None:
    db.run("CREATE TABLE t (id int PRIMARY KEY)")
    lake = Lake(db, tmp_path)
    lake.ingest()
    head = lake.log.head()
    assert head
    old = datetime(2020, 1, 1, tzinfo=UTC).isoformat()
    found = lake.source.capture(["t"], _held(lake, {**head.position, "at": old}), tmp_path)
    assert found
    assert (found.tables, found.position["at"] > old) == ({}, True)


def _held(lake: Lake, position: dict[str, Any]) -> Held:
    """What the lake holds, under another position."""
    from dataclasses import replace

    from catchwater.lake.read import create_current, create_history
    from catchwater.ports import TableHeld
    from catchwater.project.tables import TableSchema

    head = lake.log.head()
    assert head
    tables = {
        name: TableHeld(TableSchema(name, t.schema, t.key), t.count, t.checksum, position["tables"][name])
        for name, t in head.tables.items()
    }

    def current(con: Any, table: str) -> str:
        create_history(con, "h", lake.store, lake.log.batches(None), table)
        create_current(con, "c", "h", head.tables[table].key)
        return '"c"'

    return replace(NOTHING, position=position, tables=tables, current=current)


def test_ddl_that_waits_makes_us_busy_not_wrong(db: Database, tmp_path: Path) -> None:
    db.run("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    lake = Lake(db, tmp_path)
    lake.ingest()
    other = db.connect()
    other.run("BEGIN")
    other.run("TRUNCATE t")
    held = _held(lake, lake.log.head().position)  # type: ignore[union-attr]
    began = time.monotonic()
    with pytest.raises(SourceBusy, match="lock"):
        lake.source.capture(["t"], held, tmp_path)
    assert time.monotonic() - began < 10
    other.run("ROLLBACK")
    lake.ingest()
    assert assert_equal(lake, "t") == 1


@pytest.mark.parametrize(("first", "rows"), [("", 50), ("; SELECT 1 FROM pg_class LIMIT 1", 0)])
def test_a_rewrite_that_we_waited_for_is_seen_whole(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, rows: int
) -> None:
    """Lock, then look: the broken way (0 rows) takes its snapshot before the lock."""
    db.run("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    lake = Lake(db, tmp_path)
    lake.ingest()
    other, watcher = db.connect(), db.connect()
    other.run("BEGIN")
    other.run("TRUNCATE t")
    other.run("INSERT INTO t SELECT generate_series(1, 50)")
    monkeypatch.setattr(postgres_capture, "SETTINGS", postgres_capture.SETTINGS + first)
    held = _held(lake, lake.log.head().position)  # type: ignore[union-attr]
    found: list[Any] = []
    reader = threading.Thread(target=lambda: found.append(lake.source.capture(["t"], held, tmp_path)))
    reader.start()
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass"
    deadline = time.monotonic() + 10
    while watcher.run(waiting) == [[0]] and time.monotonic() < deadline:
        time.sleep(0.01)
    other.run("COMMIT")
    reader.join()
    assert found[0].tables["t"].count == rows


def test_a_planned_table_that_is_gone_is_refused_by_name(db: Database, tmp_path: Path) -> None:
    db.run("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE u (id int)")
    lake = Lake(db, tmp_path)
    lake.ingest()
    db.run("DROP TABLE t")
    held = _held(lake, lake.log.head().position)  # type: ignore[union-attr]
    for known in (held, NOTHING):
        with pytest.raises(SourceRefused, match=r"no table t\b.*\n.*public\.u"):
            lake.source.capture(["t", "u"], known, tmp_path)


def test_another_key_is_refused_by_name(db: Database, tmp_path: Path) -> None:
    db.run("CREATE TABLE t (a int PRIMARY KEY, b int NOT NULL)")
    lake = Lake(db, tmp_path)
    lake.ingest()
    db.run("ALTER TABLE t DROP CONSTRAINT t_pkey", "ALTER TABLE t ADD PRIMARY KEY (b)")
    with pytest.raises(SourceRefused, match=r"public\.t .*\(a\).*\(b\)"):
        lake.ingest()


def test_what_is_asked_for_and_what_is_left_out(db: Database) -> None:
    db.run(
        "CREATE SCHEMA sales",
        "CREATE TABLE sales.orders (id int PRIMARY KEY)",
        "CREATE TABLE t (id int)",
        "CREATE VIEW v AS SELECT 1 AS a",
        "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a",
    )
    everything = source(db.url())
    assert [t.name for t in everything.describe()] == ["sales_orders", "t"]
    assert everything.notes == (
        "public.m is a materialized view: left out; `capture: {m: full}` reads it",
        "public.v is a view: left out; `capture: {v: full}` reads it",
    )
    for word in ("sales.orders", "sales_orders", "orders"):
        assert [t.name for t in source(db.url(), [word]).describe()] == ["sales_orders"]
    db.run(
        "CREATE SCHEMA other",
        "CREATE TABLE other.orders (id int)",
        "CREATE TABLE sales.p (id int) PARTITION BY LIST (id)",
    )
    db.run("CREATE TABLE sales.leaf PARTITION OF sales.p DEFAULT")
    with pytest.raises(SourceRefused, match=r"orders may be other\.orders and sales\.orders; leaf is a partition"):
        source(db.url(), ["orders", "leaf"]).describe()
    with pytest.raises(SourceRefused, match=r"v is a view.*there is no table nope"):
        source(db.url(), ["v", "t", "nope"]).describe()


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (['CREATE TABLE "A b" (x int)', "CREATE TABLE a_b (x int)"], ["public.A b", "public.a_b"]),
        (["CREATE SCHEMA a", "CREATE TABLE a.b (x int)", "CREATE TABLE a_b (x int)"], ["a.b", "public.a_b"]),
        (["CREATE TABLE t (_seq int)"], ["public.t", "_seq"]),
        (['CREATE TABLE t ("File_Index" int)'], ["public.t", "File_Index"]),
        (['CREATE TABLE t ("_OP" int)'], ["public.t", "_OP"]),
        (['CREATE TABLE t ("A" int, a int)'], ["public.t", "A and a"]),
    ],
)
def test_names_that_collide_are_refused(db: Database, statements: list[str], words: list[str]) -> None:
    db.run(*statements)
    with pytest.raises(SourceRefused) as refusal:
        source(db.url()).describe()
    assert all(word in str(refusal.value) for word in words)


def test_rights_that_are_missing_are_named_with_their_grant(any_db: Database, tmp_path: Path) -> None:
    user = f"reader_{any_db.name}"
    any_db.run(
        f"CREATE ROLE {user} LOGIN",
        "CREATE SCHEMA s",
        "CREATE TABLE s.t (id int PRIMARY KEY)",
        "CREATE TABLE u (id int PRIMARY KEY)",
        "CREATE TABLE hidden (id int PRIMARY KEY)",
        "ALTER TABLE hidden ENABLE ROW LEVEL SECURITY",
        f"GRANT SELECT ON hidden TO {user}",
    )
    with pytest.raises(SourceRefused) as refusal:
        source(any_db.url(user)).describe()
    text = str(refusal.value)
    assert f'GRANT USAGE ON SCHEMA "s" TO "{user}";' in text
    assert f'GRANT SELECT ON "s"."t" TO "{user}";' in text
    assert f'GRANT SELECT ON "public"."u" TO "{user}";' in text
    assert "row security hides rows of public.hidden" in text
    any_db.run(f"GRANT USAGE ON SCHEMA s TO {user}", f"GRANT SELECT ON s.t, u TO {user}", "DROP TABLE hidden")
    lake = Lake(any_db, tmp_path, user=user)
    lake.ingest()
    head = lake.log.head()
    assert head
    any_db.run(f"REVOKE SELECT ON u FROM {user}")
    with pytest.raises(SourceRefused, match=r"no SELECT on public\.u"):
        lake.source.capture(["u"], _held(lake, head.position), tmp_path)


def test_nothing_of_ours_is_written_there(db: Database, tmp_path: Path) -> None:
    db.run("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    lake = Lake(db, tmp_path)
    lake.ingest()
    before = db.run("SELECT pg_current_xact_id_if_assigned(), pg_snapshot_xmax(pg_current_snapshot())::text")
    lake.ingest()
    assert db.run("SELECT pg_current_xact_id_if_assigned(), pg_snapshot_xmax(pg_current_snapshot())::text") == before


def test_the_server_is_left_alone_afterwards(db: Database, tmp_path: Path) -> None:
    db.run("CREATE TABLE t (id int PRIMARY KEY)")
    lake = Lake(db, tmp_path)
    lake.ingest()
    left = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'catchwater' AND datname = current_database()"
    )
    deadline = time.monotonic() + 10
    while db.run(left) != [[0]] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert db.run(left) == [[0]]


def test_a_connection_that_dies_is_said_and_the_next_one_works(db: Database, tmp_path: Path) -> None:
    db.run("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT generate_series(1, 10)")
    lake = Lake(db, tmp_path)
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'catchwater'"

    def current(con: Any, table: str) -> str:
        db.run(kill)
        return str(_held(lake, lake.log.head().position).current(con, table))  # type: ignore[union-attr]

    lake.ingest()
    from dataclasses import replace

    held = replace(_held(lake, lake.log.head().position), current=current)  # type: ignore[union-attr]
    db.run("INSERT INTO t VALUES (11)")
    with pytest.raises(SourceUnreachable):
        lake.source.capture(["t"], held, tmp_path)
    lake.ingest()
    assert assert_equal(lake, "t") == 11


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"database": "nope"}, ["does not exist", "database"]),
        ({"port": "1"}, ["refused", "port"]),
        ({"host": "no-such-host.invalid"}, ["no-such-host.invalid"]),
        ({"sslmode": "require"}, ["SSL", "sslmode"]),
    ],
)
def test_an_address_that_does_not_answer(db: Database, change: dict[str, str], words: list[str]) -> None:
    parts = {"host": "127.0.0.1", "port": str(db.server.port), "database": db.name, **change}
    mode = f"?sslmode={parts['sslmode']}" if "sslmode" in parts else ""
    url = f"postgres://postgres:se%40cret@{parts['host']}:{parts['port']}/{parts['database']}{mode}"
    with pytest.raises(SourceUnreachable) as refusal:
        source(url).describe()
    text = str(refusal.value)
    assert f"{parts['host']}:{parts['port']}/{parts['database']}" in text
    assert "se@cret" not in text
    assert "se%40cret" not in text
    assert all(word in text for word in words)


def test_an_error_of_the_server_is_a_source_error(db: Database, tmp_path: Path) -> None:
    db.run(
        "CREATE TABLE t (id int PRIMARY KEY, v int GENERATED ALWAYS AS (1 / (id - 1)) VIRTUAL)",
        "INSERT INTO t (id) VALUES (1)",
    )
    with pytest.raises(SourceError, match="division by zero"):
        source(db.url()).capture(["t"], NOTHING, tmp_path)
