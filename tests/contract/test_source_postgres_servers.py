"""The Postgres source against what isn't plain: a standby, other encodings, foreign tables, other storage, extensions."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from catchwater.errors import SourceBusy, SourceError, SourceRefused
from catchwater.runtimes import embedded
from tests.support.postgres import (
    Database,
    Lake,
    assert_equal,
    database,
    db,
    postgres15,
    postgres18,
    server,
    source,
)

__all__ = ["db", "postgres15", "postgres18"]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[embedded.Postgres, embedded.Postgres]]:
    """A primary and its standby."""
    with server(tmp_path / "primary", 18) as primary:
        data = tmp_path / "standby" / "data"
        data.mkdir(parents=True, mode=0o700)
        tool = [str(primary.install / "bin" / "pg_basebackup"), "-h", "127.0.0.1", "-p", str(primary.port)]
        subprocess.run([*tool, "-U", "postgres", "-D", str(data), "-R", "-c", "fast"], check=True, capture_output=True)
        owner = (tmp_path / "primary" / "data").stat()
        for path in [data, *data.rglob("*")]:
            shutil.chown(path, owner.st_uid, owner.st_gid)
        with server(tmp_path / "standby", 18) as standby:
            yield primary, standby


def test_a_standby_is_read_and_may_not_go_back(
    pair: tuple[embedded.Postgres, embedded.Postgres], tmp_path: Path
) -> None:
    primary, standby = (Database(one, "postgres") for one in pair)
    primary.run("CREATE TABLE t (id int PRIMARY KEY, v int)", "INSERT INTO t SELECT i, i FROM generate_series(1, 9) i")
    caught_up(primary, standby)
    lake = Lake(standby, tmp_path)
    assert lake.ingest().rows_out == 9
    primary.run("UPDATE t SET v = 0 WHERE id = 1", "DELETE FROM t WHERE id = 2")
    caught_up(primary, standby)
    assert lake.ingest().rows_out == 2
    assert assert_equal(lake, "t") == 8
    standby.run("SELECT pg_wal_replay_pause()")
    primary.run("INSERT INTO t VALUES (10, 10)")
    lake.source = source(primary.url())
    assert lake.ingest().rows_out == 1
    lake.source = source(standby.url())
    held = pytest.MonkeyPatch()
    held.setattr("catchwater.stages.ingest.ATTEMPTS", 1)
    with held.context(), pytest.raises(SourceBusy, match="behind"):
        lake.ingest()
    held.undo()
    standby.run("SELECT pg_wal_replay_resume()")
    caught_up(primary, standby)
    assert lake.ingest().batches == ()
    standby.run("SELECT pg_promote()")
    standby.run("INSERT INTO t VALUES (11, 11)")
    lake.ingest()
    head = lake.log.head()
    assert head
    assert head.position["timeline"] == 2
    assert assert_equal(lake, "t") == 10
    primary.close()
    standby.close()


def caught_up(primary: Database, standby: Database) -> None:
    (at,) = primary.run("SELECT pg_current_wal_lsn()::text")[0]
    deadline = time.monotonic() + 20
    while standby.run(f"SELECT pg_last_wal_replay_lsn() >= '{at}'::pg_lsn") != [[True]]:
        assert time.monotonic() < deadline, "the standby doesn't follow"
        time.sleep(0.02)


def test_other_encodings(postgres18: embedded.Postgres, tmp_path: Path) -> None:
    plain = database(postgres18)
    for name, encoding in (("latin", "LATIN1"), ("ascii", "SQL_ASCII")):
        plain.run(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0")
    latin = Database(postgres18, "latin")
    latin.run(
        "SET client_encoding = 'UTF8'", "CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, 'é')"
    )
    lake = Lake(latin, tmp_path / "latin")
    lake.ingest()
    assert lake.rows("SELECT v FROM t", "t") == [("é",)]
    raw = Database(postgres18, "ascii")
    raw.run(
        "CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, convert_from('\\xe9', 'SQL_ASCII'))"
    )
    with pytest.raises(SourceError):
        Lake(raw, tmp_path / "ascii").ingest()
    for one in (plain, latin, raw):
        one.close()


@pytest.fixture
def far(postgres15: embedded.Postgres) -> Iterator[Database]:
    """A database with the foreign tables `f`, and `p_f`, a partition of `p`; their rows are in `there` of its schema
    `other`."""
    made = database(postgres15)
    made.run(
        "CREATE EXTENSION postgres_fdw",
        f"CREATE SERVER back FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '{postgres15.port}', "
        f"dbname '{made.name}')",
        "CREATE USER MAPPING FOR postgres SERVER back OPTIONS (user 'postgres')",
        "CREATE SCHEMA other",
        "CREATE TABLE other.there (id int PRIMARY KEY, v text)",
        "INSERT INTO other.there SELECT i, 'v' || i FROM generate_series(1, 20) i",
        "CREATE FOREIGN TABLE f (id int NOT NULL, v text) SERVER back OPTIONS (schema_name 'other', table_name 'there')",
        "CREATE TABLE p (id int NOT NULL, v text) PARTITION BY RANGE (id)",
        "CREATE TABLE p_near PARTITION OF p FOR VALUES FROM (100) TO (200)",
        "CREATE FOREIGN TABLE p_f PARTITION OF p FOR VALUES FROM (0) TO (100) SERVER back "
        "OPTIONS (schema_name 'other', table_name 'there')",
        "INSERT INTO p_near VALUES (100, 'near')",
    )
    yield made
    made.close()


def test_a_foreign_table_has_no_versions_and_is_read_in_full_where_that_is_declared(
    far: Database, tmp_path: Path
) -> None:
    assert far.run("SELECT count(*) FROM f WHERE xmin::text = '0'") == [[20]]  # what snapshot would have believed
    with pytest.raises(SourceRefused, match=r"public\.p has a foreign table as a partition\n.*`capture: \{p: full\}`"):
        source(far.url()).describe()
    with pytest.raises(SourceRefused, match=r"f is a foreign table, whose rows .*\n.*`capture: \{f: full\}`"):
        source(far.url(), ["f"]).describe()
    others = source(far.url(), capture={"p": "full"})
    assert [t.name for t in others.describe()] == ["other_there", "p"]
    assert others.notes == ("public.f is a foreign table: left out; `capture: {f: full}` reads it",)
    lake = Lake(far, tmp_path)
    key = {"full": True, "key": ["id"]}
    lake.source = source(far.url(), ["f", "p"], capture={"f": {"cursor": "id", "key": ["id"]}, "p": key})
    assert lake.ingest().rows_out == 41
    far.run("UPDATE other.there SET v = 'new' WHERE id = 3", "DELETE FROM other.there WHERE id = 4")
    lake.ingest()
    assert assert_equal(lake, "p") == 20
    lake.source = source(far.url(), ["f", "p"], capture={"f": key, "p": key})
    lake.ingest()
    assert assert_equal(lake, "f") == 19
    assert lake.ingest().batches == ()


def test_other_storage_and_tables_of_extensions(db: Database, tmp_path: Path) -> None:
    db.run(
        "CREATE ACCESS METHOD pile TYPE TABLE HANDLER heap_tableam_handler",
        "CREATE TABLE piled (id int PRIMARY KEY) USING pile",
        "CREATE TABLE leaved (id int PRIMARY KEY) PARTITION BY LIST (id)",
        "CREATE TABLE leaf PARTITION OF leaved DEFAULT USING pile",
        "CREATE TABLE owned (id int PRIMARY KEY)",
        "ALTER EXTENSION plpgsql ADD TABLE owned",
        "INSERT INTO piled VALUES (1)",
        "INSERT INTO leaved VALUES (2)",
        "INSERT INTO owned VALUES (3)",
    )
    with pytest.raises(SourceRefused, match=r"leaved isn't stored in a heap; public\.piled isn't stored in a heap"):
        source(db.url()).describe()
    lake = Lake(db, tmp_path)
    lake.source = source(db.url(), capture={"piled": "full", "leaved": "full"})
    assert [t.name for t in lake.source.describe()] == ["leaved", "piled"]
    assert lake.source.notes == ("public.owned is a part of an extension: left out",)
    lake.source = source(db.url(), ["piled", "leaved", "owned"], capture={"piled": "full", "leaved": "full"})
    assert lake.ingest().rows_out == 3
    db.run("DELETE FROM piled", "UPDATE leaved SET id = 7")
    lake.ingest()
    assert [assert_equal(lake, name) for name in ("piled", "leaved", "owned")] == [0, 1, 1]


def test_captures_of_a_standby(pair: tuple[embedded.Postgres, embedded.Postgres], tmp_path: Path) -> None:
    primary, standby = (Database(one, "postgres") for one in pair)
    primary.run(
        "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL)",
        "CREATE INDEX ON t (n)",
        "INSERT INTO t SELECT i, i FROM generate_series(1, 50) i",
        "CREATE VIEW w AS SELECT id FROM t",
        "CREATE UNLOGGED TABLE passing (id int PRIMARY KEY)",
    )
    caught_up(primary, standby)
    with pytest.raises(SourceRefused, match=r"public\.passing is unlogged, and a standby has nothing of it"):
        source(standby.url()).describe()
    assert source(standby.url()).survey().named == ("t",)
    lake = Lake(standby, tmp_path)
    capture = {"t": {"cursor": "n", "lag": 5}, "w": {"full": True, "key": ["id"]}}
    lake.source = source(standby.url(), ["t", "w"], capture=capture)
    assert lake.ingest().rows_out == 100
    primary.run("INSERT INTO t VALUES (51, 51)", "UPDATE t SET n = 52 WHERE id = 1", "DELETE FROM t WHERE id = 50")
    caught_up(primary, standby)
    tables = lake.ingest().tables
    assert (tables["t"].rows, tables["w"].rows) == (2, 2)
    standby.run("SELECT pg_promote()")
    deadline = time.monotonic() + 20
    while standby.run("SELECT pg_is_in_recovery()") != [[False]]:
        assert time.monotonic() < deadline, "the standby isn't promoted"
        time.sleep(0.02)
    assert (
        lake.ingest().tables["t"].rows == 1
    )  # another timeline: the cursor proves itself at once, and finds the delete
    assert (assert_equal(lake, "t"), assert_equal(lake, "w")) == (50, 50)
    for one in (primary, standby):
        one.close()
