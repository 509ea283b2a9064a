"""Writers at full speed while captures run: afterwards the lake is the source, and the usual watermark isn't."""

from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from catchwater.adapters.sources.postgres import parts as postgres_parts
from catchwater.adapters.sources.postgres import position
from tests.support import proof
from tests.support.clusters import cluster
from tests.support.postgres import Database, Lake, db, postgres18, source
from tests.support.writers import SCHEMA, TABLES, differences, rows_of, same, storm

__all__ = ["db", "postgres18"]

CURSOR = {"cursor": "updated_at", "lag": "1 second"}  # it may lose what is committed later than that
NOTHING = {"missing": 0, "stale": 0, "ghosts": 0}


def capture_under_writers(db: Database, lake: Lake, seconds: float, settle: Callable[[], None] = lambda: None) -> None:
    """Writers on `db`, captures from where `lake` reads; the first load in several batches, and a position that an open
    transaction holds back as short as it may be."""
    seed = proof.seed()
    lake.source = source(lake.db.url(), list(TABLES), capture={"events": CURSOR})
    short = mock.patch.object(position, "PINNED_XIDS", 100)
    with mock.patch.object(postgres_parts, "PART_BLOCKS", 10), short:
        found = storm(db, lake, seconds, seed, settle)
    print(f"{seconds:.0f} s, {found}")
    assert found.ours == NOTHING, seed
    lost = differences(rows_of(db, "events"), dict(lake.rows("SELECT id, v FROM events", "events")))
    lake.source = source(lake.db.url(), list(TABLES), capture={"events": CURSOR | {"snapshot": "1 second"}})
    repaired = lake.ingest()
    print(f"events, by its cursor: {lost}; its snapshot: {repaired.warnings}")
    assert bool(repaired.warnings) == (lost["missing"] + lost["stale"] > 0), seed
    assert all(rows > 0 for rows in same(lake).values()), seed
    assert found.torn == [], seed
    assert [text for text in found.warnings if "weren't held" in text] == [], seed
    assert found.captures > 1
    assert any(not batch.complete for batch in lake.log.batches(None)), "the first load wasn't in parts"
    assert found.usual["missing"] + found.usual["stale"] > 0, "the broken way lost nothing: this run proves nothing"


def test_nothing_is_lost_under_writers_at_full_speed(db: Database, tmp_path: Path) -> None:
    db.run(*SCHEMA)
    capture_under_writers(db, Lake(db, tmp_path), 10)


@pytest.mark.proof
@pytest.mark.timeout(proof.SECONDS * 6 + 120)
@pytest.mark.parametrize("number", range(proof.SEEDS))
def test_nothing_is_lost_for_long(db: Database, tmp_path: Path, number: int) -> None:
    db.run(*SCHEMA)
    capture_under_writers(db, Lake(db, tmp_path), proof.SECONDS)


@pytest.mark.proof
@pytest.mark.full
@pytest.mark.parametrize("version", [16, 15])
def test_nothing_is_lost_on_older_servers(tmp_path: Path, version: int) -> None:
    with cluster(tmp_path / "server", version) as server:
        db = server.database()
        db.run(*SCHEMA)
        capture_under_writers(db, Lake(db, tmp_path / "lake"), proof.SECONDS / 3)


@pytest.mark.proof
@pytest.mark.full
def test_nothing_is_lost_on_a_standby(tmp_path: Path) -> None:
    """Writers on the primary; the captures see it through a replica that follows."""
    with cluster(tmp_path / "primary") as primary:
        db = primary.database()
        db.run(*SCHEMA)
        standby = primary.copy(tmp_path / "standby", standby=True).start()
        try:
            standby.caught_up(primary)
            lake = Lake(standby.database(), tmp_path / "lake")
            capture_under_writers(db, lake, proof.SECONDS / 3, lambda: standby.caught_up(primary))
        finally:
            standby.stop()
