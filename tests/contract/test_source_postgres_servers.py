"""The Postgres source against servers that aren't plain ones: a standby, and databases in other encodings."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from catchwater.errors import SourceBusy, SourceError
from catchwater.runtimes import embedded
from tests.support.postgres import Database, Lake, assert_equal, database, postgres18, server, source

__all__ = ["postgres18"]


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
