"""Rows that were there before and couldn't be seen: once they show they are captured, counted, and people are told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pg8000.native import Connection

from catchwater.adapters.sources.postgres import position as postgres_position
from catchwater.adapters.sources.postgres.catalog import Relation
from catchwater.adapters.sources.postgres.position import Snapshot
from catchwater.errors import SourceRefused
from tests.support.commands import catchwater
from tests.support.mail import mail_server
from tests.support.postgres import Database, Lake, any_db, assert_equal, db, postgres15, postgres16, postgres18
from tests.support.rewrites import reader

__all__ = ["any_db", "db", "postgres15", "postgres16", "postgres18"]

OLD = 50  # rows older than the position
FIRST = 20
PROJECT = """project: gaps
sources: {{src: {{kind: postgres, url: "{url}"}}}}
alerts: [{{notify: email, to: data@example.org, events: [failure]}}]
"""


@dataclass(frozen=True)
class Hidden:
    """How rows stand aside while the first capture runs, and how they come to show: in a leaf that is new, which is read
    whole, or in another table of the same name, whose contents are compared. So nobody has to be told."""

    aside: tuple[str, ...]
    shown: tuple[str, ...]


WAYS = {
    "partition attached": Hidden(
        (
            "CREATE TABLE t (id int PRIMARY KEY, v text) PARTITION BY RANGE (id)",
            "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (1000)",
            "CREATE TABLE late (id int PRIMARY KEY, v text)",
            f"INSERT INTO late SELECT i, 'old' FROM generate_series(1001, {1000 + OLD}) i",
        ),
        ("ALTER TABLE t ATTACH PARTITION late FOR VALUES FROM (1000) TO (2000)",),
    ),
    "moved between leaves": Hidden(
        (
            "CREATE TABLE t (id int PRIMARY KEY, v text) PARTITION BY RANGE (id)",
            "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (1000)",
            "CREATE TABLE late (id int PRIMARY KEY, v text)",
            f"INSERT INTO late SELECT i, 'old' FROM generate_series(1001, {1000 + OLD}) i",
        ),
        (
            "ALTER TABLE t DETACH PARTITION t1",
            "ALTER TABLE t ATTACH PARTITION late FOR VALUES FROM (1000) TO (2000)",
            "ALTER TABLE t ATTACH PARTITION t1 FOR VALUES FROM (0) TO (1000)",
        ),
    ),
    "renamed in": Hidden(
        (
            "CREATE TABLE t (id int PRIMARY KEY, v text)",
            "CREATE TABLE late (id int PRIMARY KEY, v text)",
            f"INSERT INTO late SELECT i, 'old' FROM generate_series(1001, {1000 + OLD}) i",
            f"INSERT INTO late SELECT i, 'new' FROM generate_series(1, {FIRST}) i",
        ),
        ("ALTER TABLE t RENAME TO gone", "ALTER TABLE late RENAME TO t"),
    ),
}


def ready(db: Database, lake: Lake, way: Hidden) -> None:
    db.run(*way.aside, f"INSERT INTO t SELECT i, 'new' FROM generate_series(1, {FIRST}) i")
    lake.ingest()
    db.run(*way.shown)


@pytest.mark.parametrize("way", [pytest.param(way, marks=pytest.mark.proof) for way in WAYS])
def test_rows_that_come_to_show(db: Database, tmp_path: Path, way: str) -> None:
    lake = Lake(db, tmp_path, ["t"])
    ready(db, lake, WAYS[way])
    db.run("INSERT INTO t VALUES (5, 'x') ON CONFLICT DO NOTHING", "UPDATE t SET v = 'changed' WHERE id = 7")
    outcome = lake.ingest()
    assert assert_equal(lake, "t") == FIRST + OLD
    assert outcome.warnings == ()
    assert lake.ingest().batches == ()


@pytest.mark.proof
def test_a_policy_is_refused_and_then_everything_is_read(any_db: Database, tmp_path: Path) -> None:
    """Rows that row security hides are never taken for rows that aren't there."""
    user = reader(any_db)
    any_db.run(
        "CREATE TABLE t (id int PRIMARY KEY, v text)",
        f"INSERT INTO t SELECT i, 'new' FROM generate_series(1, {FIRST}) i",
        f"INSERT INTO t SELECT i, 'old' FROM generate_series(1001, {1000 + OLD}) i",
        "CREATE POLICY few ON t USING (id < 1000)",
        f"GRANT SELECT ON t TO {user}",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    )
    lake = Lake(any_db, tmp_path, ["t"], user=user)
    with pytest.raises(SourceRefused, match="row security hides rows"):
        lake.ingest()
    assert lake.seq == 0
    any_db.run("ALTER TABLE t DISABLE ROW LEVEL SECURITY")
    lake.ingest()
    assert assert_equal(lake, "t") == FIRST + OLD
    any_db.run("ALTER TABLE t ENABLE ROW LEVEL SECURITY")
    with pytest.raises(SourceRefused):
        lake.ingest()
    assert lake.rows("SELECT count(*) FROM t__history WHERE _op = 'delete'", "t") == [(0,)]


@pytest.fixture
def too_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken way: the position is the newest transaction that was seen, and not the oldest that still ran."""
    right = postgres_position.state_of

    def state_of(relation: Relation, snapshot: Snapshot, *more: Any) -> dict[str, Any]:
        return dict(right(relation, snapshot, *more)) | {"xmin": snapshot.xmax}

    monkeypatch.setattr(postgres_position, "state_of", state_of)


def late(db: Database) -> Connection:
    """A transaction that has written two rows and commits after the capture that follows."""
    db.run("CREATE TABLE t (id int PRIMARY KEY, v text)")
    db.run(f"INSERT INTO t SELECT i, 'v' FROM generate_series(1, {FIRST}) i")
    connection = db.connect()
    connection.run("BEGIN")
    connection.run("INSERT INTO t VALUES (100, 'late')")
    connection.run("UPDATE t SET v = 'late' WHERE id = 7")
    db.run("INSERT INTO t VALUES (101, 'v')")
    return connection


@pytest.mark.usefixtures("too_far")
def test_rows_below_the_position_are_captured_and_counted(db: Database, tmp_path: Path) -> None:
    writer = late(db)
    lake = Lake(db, tmp_path, ["t"])
    lake.ingest()
    assert assert_equal(lake, "t") == FIRST + 1
    writer.run("COMMIT")
    outcome = lake.ingest()
    assert assert_equal(lake, "t") == FIRST + 2
    assert outcome.rows_out == 2
    assert [text for text in outcome.warnings if "2 rows older than the position" in text], outcome.warnings


@pytest.mark.proof
@pytest.mark.usefixtures("too_far")
def test_people_are_told_of_rows_below_the_position(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = late(db)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "m.sql").write_text("/*---\nkey: [id]\n---*/\nSELECT id, v FROM src.t\n")
    with mail_server() as mails:
        (tmp_path / "catchwater.yml").write_text(PROJECT.format(url=db.url()))
        monkeypatch.setenv("SMTP_URL", f"smtp://127.0.0.1:{mails.port}")
        monkeypatch.setenv("ALERT_FROM", "catchwater@example.org")
        assert catchwater("run", tmp_path).exit == 0
        writer.run("COMMIT")
        assert catchwater("run", tmp_path).exit == 0
        (told,) = mails.messages
    assert "2 rows older than the position" in " ".join(str(told.get_payload()).split())
