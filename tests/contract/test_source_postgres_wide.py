"""What is written at once ends by its bytes, so wide rows are read in little memory; and both zeros stay."""

from pathlib import Path
from unittest import mock

import duckdb
import pytest

from catchwater.adapters.sources.postgres import connection, reading
from catchwater.adapters.sources.postgres.errors import NoRoom
from catchwater.project.names import literal
from tests.support.postgres import Database, Lake, db, postgres18, source

__all__ = ["db", "postgres18"]

ROWS, WIDTH = 20_000, 2_560
MOST = 24 << 20  # bytes, before they are packed: a group of 16 MB, and what came with its last rows


def largest(lake: Lake, folder: Path) -> int:
    """Bytes of the largest group of rows that was written."""
    lake.ingest()
    files = ", ".join(literal(str(path)) for path in folder.rglob("*.parquet"))
    found = duckdb.sql(
        f"SELECT max(b), sum(n) FROM (SELECT sum(total_uncompressed_size) AS b, any_value(row_group_num_rows) AS n "
        f"FROM parquet_metadata([{files}]) GROUP BY file_name, row_group_id)"
    ).fetchone()
    assert found
    assert int(found[1]) == ROWS
    return int(found[0])


@pytest.fixture
def wide(db: Database) -> Database:
    db.run(
        "CREATE TABLE wide (id int PRIMARY KEY, note text STORAGE PLAIN)",
        f"INSERT INTO wide SELECT g, repeat(md5(g::text), {WIDTH // 32}) FROM generate_series(1, {ROWS}) g",
    )
    return db


@pytest.mark.parametrize("way", ["snapshot", "full"])
def test_wide_rows_are_written_in_small_groups(wide: Database, tmp_path: Path, way: str) -> None:
    lake = Lake(wide, tmp_path)
    lake.source = source(wide.url(), ["wide"], capture={"wide": way})
    assert largest(lake, tmp_path) < MOST


def test_groups_that_end_by_their_rows_alone_are_found(wide: Database, tmp_path: Path) -> None:
    with mock.patch.object(reading, "BY_BYTES", "ROW_GROUP_SIZE 122880"):
        assert largest(Lake(wide, tmp_path, ["wide"]), tmp_path) > MOST


def test_both_zeros_stay(db: Database, tmp_path: Path) -> None:
    db.run(
        "CREATE TABLE zeros (id int PRIMARY KEY, f float4, d float8)",
        "INSERT INTO zeros SELECT g, z, z FROM (SELECT g, CASE g % 2 WHEN 0 THEN '-0' ELSE '0' END::float4 AS z "
        "FROM generate_series(1, 1000) g) AS t",
    )
    lake = Lake(db, tmp_path, ["zeros"])
    lake.ingest()
    signs = "SELECT count(*) FROM zeros WHERE signbit(f) AND signbit(d) AND id % 2 = 0"
    assert lake.rows(signs, "zeros") == [(500,)]


@pytest.fixture
def roomy(db: Database) -> Database:
    """More columns than memory for the largest group of them, and a value that is half of it."""
    columns = ", ".join(f"c{i} text DEFAULT 'x'" for i in range(1_598))
    db.run(
        f"CREATE TABLE many (id int PRIMARY KEY, {columns})",
        "INSERT INTO many (id) SELECT generate_series(1, 3000)",
        "CREATE TABLE long (id int PRIMARY KEY, note text)",
        "INSERT INTO long VALUES (1, repeat('long ', 20000000)), (2, 'short')",
    )
    return db


def test_what_needs_more_memory_gets_it_once(roomy: Database, tmp_path: Path) -> None:
    lake = Lake(roomy, tmp_path, ["many", "long"])
    lake.ingest()
    assert lake.rows("SELECT count(*), count(c1597) FROM many", "many") == [(3_000, 3_000)]
    assert lake.rows("SELECT id, length(note) FROM long ORDER BY id", "long") == [(1, 100_000_000), (2, 5)]


def test_what_finds_no_room_is_named(roomy: Database, tmp_path: Path) -> None:
    with mock.patch.object(connection, "MOST_MEMORY", connection.MEMORY), pytest.raises(NoRoom, match=r"public\.long"):
        Lake(roomy, tmp_path, ["long"]).ingest()
