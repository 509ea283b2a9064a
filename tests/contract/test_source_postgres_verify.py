"""`compare` of a Postgres source: what is equal, what waits, what is wrong, against real servers and a real log."""

from pathlib import Path

import pytest

from catchwater.errors import SourceBusy, SourceRefused
from catchwater.ports import Compared
from catchwater.stages.ingest import held
from tests.support.postgres import Database, Lake, any_db, db, postgres15, postgres16, postgres18, source  # noqa: F401
from tests.support.tampering import rewrite

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY, units int, price numeric(10,2), at timestamptz, weight float8)"
FILL = "INSERT INTO orders SELECT i, i, i / 3.0, timestamptz '2024-01-01 00:00Z' + i * interval '1 hour', i FROM generate_series(1, 20) AS i"


def compared(lake: Lake, tmp_path: Path, table: str = "orders") -> Compared:
    log = lake.log
    work = tmp_path / "compared"
    work.mkdir(exist_ok=True)
    found = lake.source.compare([table], held(log, log.head(), lake.store), work)
    return found[table]


def numbers(found: Compared) -> tuple[int, int, int, int, int]:
    return found.equal, found.pending, found.lost, found.stale, found.ghosts


@pytest.fixture
def lake(db: Database, tmp_path: Path) -> Lake:
    db.run(ORDERS, FILL)
    made = Lake(db, tmp_path)
    made.ingest()
    return made


def test_equal_rows_are_equal(any_db: Database, tmp_path: Path) -> None:
    any_db.run(
        ORDERS, FILL, "INSERT INTO orders VALUES (30, NULL, 'NaN', 'infinity', '-0'), (31, 1, 1, '-infinity', 'NaN')"
    )
    lake = Lake(any_db, tmp_path)
    lake.ingest()
    assert compared(lake, tmp_path) == Compared(equal=22)
    any_db.run("VACUUM FULL orders")
    assert compared(lake, tmp_path) == Compared(equal=22)


def test_what_changed_since_the_last_run_waits(lake: Lake, tmp_path: Path) -> None:
    lake.db.run(
        "INSERT INTO orders VALUES (100)",
        "UPDATE orders SET units = 0 WHERE id = 1",
        "DELETE FROM orders WHERE id = 2",
        "UPDATE orders SET id = 200 WHERE id = 3",
    )
    assert numbers(compared(lake, tmp_path)) == (17, 5, 0, 0, 0)
    lake.ingest()
    assert compared(lake, tmp_path) == Compared(equal=20)


def test_a_transaction_that_was_open_at_the_last_run_waits(lake: Lake, tmp_path: Path) -> None:
    late = lake.db.connect()
    late.run("BEGIN")
    late.run("INSERT INTO orders VALUES (100)")
    lake.db.run("INSERT INTO orders VALUES (101)")
    lake.ingest()
    late.run("COMMIT")
    assert numbers(compared(lake, tmp_path)) == (21, 1, 0, 0, 0)


TAMPERED = {
    "stale: id = 1": "SELECT * REPLACE (99 AS units) FROM held WHERE id = 1",
    "stale: id = 2": "SELECT * REPLACE ('-0'::DOUBLE AS weight) FROM held WHERE id = 2",
    "stale: id = 3": "SELECT * REPLACE (MAP {'price': 'NaN'} AS _exact) FROM held WHERE id = 3",
    "lost: id = 4": "SELECT * REPLACE ('delete' AS _op) FROM held WHERE id = 4",
    "lost: id = 5": "SELECT * REPLACE ('7' AS _version) FROM held WHERE id = 5",
    "ghost: id = 77": "SELECT * REPLACE (77 AS id) FROM held WHERE id = 6",
}


def test_what_is_wrong_is_named(lake: Lake, tmp_path: Path) -> None:
    lake.db.run("UPDATE orders SET weight = 0 WHERE id = 2")
    lake.ingest()
    first = {"stale: id = 2": lake.seq}
    for named, select in TAMPERED.items():
        rewrite(lake.log, "orders", first.get(named, 1), select)
    found = compared(lake, tmp_path)
    assert numbers(found) == (15, 0, 2, 3, 1)
    assert found.wrong == 6
    assert found.keys == tuple(sorted(TAMPERED))
    lake.db.run("INSERT INTO orders VALUES (100)")  # now count and checksum say nothing of the others
    assert numbers(compared(lake, tmp_path)) == (15, 2, 2, 3, 0)


def test_rows_without_a_key(db: Database, tmp_path: Path) -> None:
    db.run(
        "CREATE TABLE visits (page text, f int)",
        "INSERT INTO visits VALUES ('a', 1), ('a', 1), ('a', 1), ('b', NULL), ('c', 2)",
    )
    lake = Lake(db, tmp_path)
    lake.ingest()
    assert compared(lake, tmp_path, "visits") == Compared(equal=5)
    rewrite(
        lake.log,
        "visits",
        1,
        "SELECT * REPLACE ('delete' AS _op) FROM held WHERE page = 'a' AND _occurrence > 1 OR page = 'c'",
    )
    found = compared(lake, tmp_path, "visits")
    assert numbers(found) == (2, 0, 3, 0, 0)
    assert found.keys == ("lost: page = a, f = 1", "lost: page = c, f = 2")
    db.run("INSERT INTO visits VALUES ('a', 1), ('new', 0)", "DELETE FROM visits WHERE page = 'b'")
    assert numbers(compared(lake, tmp_path, "visits")) == (1, 3, 3, 0, 0)
    lake.ingest()
    assert compared(lake, tmp_path, "visits") == Compared(equal=6)
    rewrite(lake.log, "visits", 1, "SELECT * REPLACE ('z' AS page, 'f00' AS _version) FROM held WHERE page = 'c'")
    found = compared(lake, tmp_path, "visits")
    assert (numbers(found), found.keys) == ((6, 0, 0, 0, 1), ("ghost: page = z, f = 2",))


def test_a_new_partition_waits_and_its_rows_may_be_old(db: Database, tmp_path: Path) -> None:
    db.run(
        "CREATE TABLE sales (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)",
        "CREATE TABLE sales_1 PARTITION OF sales FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')",
        "CREATE TABLE sales_2 (id int NOT NULL, day date NOT NULL)",
        "INSERT INTO sales_1 SELECT i, '2024-01-02' FROM generate_series(1, 5) AS i",
        "INSERT INTO sales_2 SELECT i, '2024-02-02' FROM generate_series(1, 3) AS i",
    )
    lake = Lake(db, tmp_path, ["sales"])
    lake.ingest()
    assert compared(lake, tmp_path, "sales") == Compared(equal=5)
    db.run("ALTER TABLE sales ATTACH PARTITION sales_2 FOR VALUES FROM ('2024-02-01') TO ('2024-03-01')")
    assert numbers(compared(lake, tmp_path, "sales"))[:3] == (5, 3, 0)


def test_a_table_that_isnt_the_one_read_last_is_said(lake: Lake, tmp_path: Path) -> None:
    lake.db.run("ALTER TABLE orders ADD COLUMN note text DEFAULT 'x'")
    found = compared(lake, tmp_path)
    assert (found.equal, found.pending, found.wrong) == (0, 20, 0)
    assert "isn't the one read last" in found.note
    lake.ingest()
    assert compared(lake, tmp_path) == Compared(equal=20)


def test_columns_may_have_any_name(db: Database, tmp_path: Path) -> None:
    db.run(
        'CREATE TABLE odd (f int, "#fresh" int, verdict int, n int, "s" int, "h" int, v int, e int, PRIMARY KEY (f, verdict))',
        "INSERT INTO odd SELECT i, i, i, i, i, i, i, i FROM generate_series(1, 9) AS i",
    )
    lake = Lake(db, tmp_path)
    lake.ingest()
    assert compared(lake, tmp_path, "odd") == Compared(equal=9)
    rewrite(lake.log, "odd", 1, "SELECT * REPLACE (0 AS n) FROM held WHERE f = 2")
    assert compared(lake, tmp_path, "odd").keys == ("stale: f = 2, verdict = 2",)


def test_another_key_isnt_compared(lake: Lake, tmp_path: Path) -> None:
    lake.db.run("ALTER TABLE orders DROP CONSTRAINT orders_pkey, ADD PRIMARY KEY (id, units)")
    found = compared(lake, tmp_path)
    assert numbers(found) == (0, 0, 0, 0, 0)
    assert "was captured by the key (id)" in found.note


def test_rows_whose_key_cant_be_held_are_nobodys_loss(db: Database, tmp_path: Path) -> None:
    db.run(
        "CREATE TABLE odd (day date PRIMARY KEY, n int)", "INSERT INTO odd VALUES ('infinity', 1), ('2024-01-01', 2)"
    )
    lake = Lake(db, tmp_path)
    lake.ingest()
    assert compared(lake, tmp_path, "odd") == Compared(equal=1)


def test_a_server_that_is_behind_says_nothing(lake: Lake, tmp_path: Path) -> None:
    log = lake.log
    known = held(log, log.head(), lake.store)
    ahead = type(known)({**(known.position or {}), "xmax": 1 << 40}, known.tables, known.current)
    with pytest.raises(SourceBusy, match="behind what was read"):
        lake.source.compare(["orders"], ahead, tmp_path)


def test_a_table_that_is_gone_is_named(lake: Lake, tmp_path: Path) -> None:
    lake.db.run("DROP TABLE orders")
    with pytest.raises(SourceRefused, match="orders"):
        compared(lake, tmp_path)


def test_a_table_read_in_full(db: Database, tmp_path: Path) -> None:
    db.run(ORDERS, FILL)
    lake = Lake(db, tmp_path)
    lake.source = source(db.url(), ["orders"], capture={"orders": "full"})
    lake.ingest()
    assert numbers(compared(lake, tmp_path)) == (20, 0, 0, 0, 0)
    db.run("UPDATE orders SET units = 0 WHERE id = 1")
    found = compared(lake, tmp_path)
    assert numbers(found) == (19, 1, 0, 0, 0)
    assert "read in full" in found.note


def test_what_a_cursor_cant_see_waits_for_the_pass(db: Database, tmp_path: Path) -> None:
    db.run(ORDERS, FILL, "ALTER TABLE orders ALTER COLUMN at SET NOT NULL", "CREATE INDEX ON orders (at)")
    lake = Lake(db, tmp_path)
    lake.source = source(db.url(), ["orders"], capture={"orders": {"cursor": "at"}})
    lake.ingest()
    assert numbers(compared(lake, tmp_path)) == (20, 0, 0, 0, 0)
    db.run("UPDATE orders SET units = 0 WHERE id = 1", "DELETE FROM orders WHERE id = 2")
    found = compared(lake, tmp_path)
    assert numbers(found) == (18, 2, 0, 0, 0)
    assert "read by a cursor" in found.note
