"""Writers at full speed while captures run: afterwards the lake is the source, and the usual watermark isn't."""

from pathlib import Path

import pytest

from tests.support import proof
from tests.support.clusters import cluster
from tests.support.postgres import Database, Lake, db, postgres18
from tests.support.writers import SCHEMA, TABLES, same, storm

__all__ = ["db", "postgres18"]

NOTHING = {"missing": 0, "stale": 0, "ghosts": 0}


def capture_under_writers(db: Database, tmp_path: Path, seconds: float) -> None:
    seed = proof.seed()
    db.run(*SCHEMA)
    lake = Lake(db, tmp_path, list(TABLES))
    found = storm(db, lake, seconds, seed)
    print(f"{seconds:.0f} s, {found}")
    assert found.ours == NOTHING, seed
    assert all(rows > 0 for rows in same(lake).values()), seed
    assert found.torn == [], seed
    assert found.warnings == (), seed
    assert found.captures > 3
    assert found.usual["missing"] + found.usual["stale"] > 0, "the broken way lost nothing: this run proves nothing"


def test_nothing_is_lost_under_writers_at_full_speed(db: Database, tmp_path: Path) -> None:
    capture_under_writers(db, tmp_path, 10)


@pytest.mark.proof
@pytest.mark.timeout(proof.SECONDS * 6 + 120)
@pytest.mark.parametrize("number", range(proof.SEEDS))
def test_nothing_is_lost_for_long(db: Database, tmp_path: Path, number: int) -> None:
    capture_under_writers(db, tmp_path, proof.SECONDS)


@pytest.mark.proof
@pytest.mark.full
@pytest.mark.parametrize("version", [16, 15])
def test_nothing_is_lost_on_older_servers(tmp_path: Path, version: int) -> None:
    with cluster(tmp_path / "server", version) as server:
        capture_under_writers(server.database(), tmp_path / "lake", proof.SECONDS / 3)
