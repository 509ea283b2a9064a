"""`kill -9` of `catchwater run` at random moments, under changes: in the end the warehouse is the source, once."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from tests.support import proof
from tests.support.commands import catchwater
from tests.support.postgres import Database, db, postgres18  # noqa: F401

HISTORY = """/*---
description: Every version of every order.
key: [order_record_id]
entity: [id]
---*/
SELECT o._id AS order_record_id, o.id, o.customer, o.total FROM shop.orders__history AS o
"""


def change(db: Database, chance: random.Random) -> None:
    """One transaction of inserts, updates, deletes and re-inserts."""
    low = chance.randrange(0, 3000)
    db.run(
        "BEGIN",
        f"INSERT INTO orders SELECT g, 'c' || g, g FROM generate_series({low}, {low + 400}) g ON CONFLICT DO NOTHING",
        f"UPDATE orders SET total = total + 1 WHERE id BETWEEN {low} AND {low + chance.randrange(200)}",
        f"DELETE FROM orders WHERE id % 7 = {chance.randrange(7)} AND id > {low}",
        f"INSERT INTO notes SELECT 'n' || {chance.randrange(3)} FROM generate_series(1, {chance.randrange(4)})",
        "COMMIT",
    )


def kill_at(folder: Path, env: dict[str, str], delay: float) -> bool:
    """Start a run, kill it after `delay` seconds; True when it was still running."""
    process = subprocess.Popen(
        [sys.executable, "-m", "catchwater", "run", str(folder)],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(delay)
    alive = process.poll() is None
    os.killpg(process.pid, signal.SIGKILL) if alive else None
    process.wait()
    return alive


@pytest.fixture
def project(tmp_path: Path, db: Database, monkeypatch: pytest.MonkeyPatch) -> Path:
    db.run("CREATE TABLE orders (id int PRIMARY KEY, customer text, total numeric(12, 2))")
    db.run("CREATE TABLE notes (text text)")
    folder = tmp_path / "shop"
    assert catchwater("init", "shop", folder, "--url", db.url()).exit == 0
    (folder / "models" / "order_versions.sql").write_text(HISTORY)
    return folder


def rows(folder: Path, sql: str) -> list[tuple[object, ...]]:
    done = catchwater("query", sql, folder, "--json")
    assert done.exit == 0, done.err
    return [tuple(row.values()) for row in done.json]


def test_killed_at_any_moment_it_is_exactly_once(project: Path, db: Database) -> None:
    kill_often(project, db, 6)


@pytest.mark.proof
@pytest.mark.timeout(proof.KILLS * 12 + 120)
def test_killed_very_often_it_is_exactly_once(project: Path, db: Database) -> None:
    kill_often(project, db, proof.KILLS)


def kill_often(project: Path, db: Database, kills: int) -> None:
    chance = random.Random(proof.seed())
    began = time.monotonic()
    assert catchwater("run", project).exit == 0
    assert catchwater("run", project).exit == 0
    whole = max(1.0, time.monotonic() - began)
    hits = 0
    while hits < kills:
        change(db, chance)
        hits += kill_at(project, dict(os.environ), chance.uniform(0.15, whole))
        check = catchwater("query", "SELECT count(*) FROM orders", project)
        assert check.exit == 0, check.err
    final = catchwater("run", project)
    assert final.exit == 0, final.out + final.err
    assert_equal(project, db)
    assert catchwater("verify", project).exit == 0


def assert_equal(project: Path, db: Database) -> None:
    truth = [tuple(map(str, row)) for row in db.run("SELECT id, customer, total FROM orders ORDER BY id")]
    for table in ("orders", "order_versions_current"):
        held = rows(project, f"SELECT id, customer, total::VARCHAR AS total FROM {table} ORDER BY id")
        assert [tuple(map(str, row)) for row in held] == truth, table
    notes = sorted(str(row[0]) for row in db.run("SELECT text FROM notes"))
    assert sorted(str(row[0]) for row in rows(project, "SELECT text FROM notes")) == notes
    lake = project / ".catchwater" / "lake" / "ingestion"
    captured = duckdb.sql(
        f"SELECT count(*), count(DISTINCT (id, _op, _version)) FROM read_parquet("
        f"{[str(p) for p in committed(lake)]!r}, union_by_name = true) WHERE id IS NOT NULL"
    ).fetchone()
    assert captured
    assert captured[0] == captured[1], "a version was captured twice"
    versions = rows(project, "SELECT count(*) AS n, count(DISTINCT order_record_id) AS d FROM order_versions")
    assert versions[0][0] == versions[0][1] == captured[0]


def committed(lake: Path) -> list[Path]:
    """The files of orders that manifests name; what a killed run left behind isn't among them."""
    import json

    manifests = [json.loads(path.read_text()) for path in lake.glob("shop/_log/*/query_log.json")]
    return [lake / file["path"] for m in manifests for file in m["tables"]["orders"]["files"]]
