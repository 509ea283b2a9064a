"""A Postgres that dies while it is read: a named error, nothing of it committed, and the next capture is whole."""

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pytest

from catchwater.adapters.sources.postgres.reading import Reader
from catchwater.errors import SourceError
from tests.support import proof
from tests.support.postgres import Database, Lake, assert_equal, database, server, source

ROWS = 15_000


class Mortal:
    """A server that can be killed and started again, and a lake of one of its databases."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running = server(folder / "server", 18)
        self.db = database(self.running)
        self.db.run(
            "CREATE TABLE wide (id int PRIMARY KEY, v int, filler text)",
            f"INSERT INTO wide SELECT g, 0, repeat(md5(g::text), 20) FROM generate_series(1, {ROWS}) g",
            "CREATE TABLE notes (text text)",
        )
        self.lake = Lake(self.db, folder / "lake")

    def change(self, chance: random.Random) -> None:
        low = chance.randrange(ROWS)
        self.db.run(
            f"UPDATE wide SET v = v + 1 WHERE id BETWEEN {low} AND {low + chance.randrange(ROWS)}",
            f"DELETE FROM wide WHERE id % 97 = {chance.randrange(97)}",
            f"INSERT INTO wide SELECT g, 9, 'back' FROM generate_series({low}, {low + 50}) g ON CONFLICT DO NOTHING",
            f"INSERT INTO notes VALUES ('n{chance.randrange(5)}')",
        )

    def cut(self) -> None:
        """End every connection to the database but ours."""
        self.db.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{self.db.name}' AND pid <> pg_backend_pid()"
        )

    def kill(self) -> None:
        self.db.close()
        process = self.running.process
        assert process is not None
        os.killpg(process.pid, signal.SIGKILL)
        self.running.stop()

    def again(self) -> None:
        """Started anew where it was killed, on another port."""
        self.running = server(self.folder / "server", 18)
        self.db = Database(self.running, self.db.name)
        self.lake.db, self.lake.source = self.db, source(self.db.url())


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Mortal]:
    made = Mortal(tmp_path)
    try:
        yield made
    finally:
        made.db.close()
        made.running.stop()


def struck(mortal: Mortal, how: Callable[[], None], delay: float) -> bool:
    """One capture, and what happens to the server `delay` seconds after it began; whether that ended it."""
    timer = threading.Timer(delay, how)
    timer.start()
    before, error = mortal.lake.seq, None
    try:
        mortal.lake.ingest()
    except SourceError as raised:
        error = raised
    timer.join()
    assert error is None or mortal.lake.seq == before
    return error is not None


@pytest.mark.proof
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("how", ["connections", "server"])
def test_a_server_that_dies_amid_a_capture_loses_nothing(mortal: Mortal, how: str) -> None:
    chance = random.Random(proof.seed())
    wanted = 25 if proof.KILLS > 100 else 3
    hits = tries = 0
    while hits < wanted:
        tries += 1
        assert tries < wanted * 8, "no capture was struck"
        with mock.patch("catchwater.stages.ingest.FIRST_WAIT", 0.01):
            hit = struck(mortal, mortal.cut if how == "connections" else mortal.kill, chance.uniform(0, 0.25))
        hits += hit
        if how == "server":
            mortal.again()
        goes_on(mortal)
        mortal.change(chance)
    goes_on(mortal)


def goes_on(mortal: Mortal) -> None:
    """The next capture is whole."""
    mortal.lake.ingest()
    assert assert_equal(mortal.lake, "wide") > ROWS // 2
    assert_equal(mortal.lake, "notes")


def halfway(cut: Callable[[], None]) -> Callable[..., list[Path]]:
    """A reading that is cut in its middle and takes the end of its connection for the end of the rows."""
    fetch = Reader.fetch

    def short(reader: Reader, *given: Any, **more: Any) -> list[Path]:
        if reader.relation.name != "wide":
            return fetch(reader, *given, **more)
        got = fetch(reader, "x.ctid < '(50,0)'", **more)
        cut()
        try:
            return got + fetch(reader, "x.ctid >= '(50,0)'", **more)
        except duckdb.Error:
            return got

    return short


@pytest.mark.proof
def test_a_reading_that_ends_with_its_connection_is_found(mortal: Mortal) -> None:
    with (
        mock.patch.object(Reader, "fetch", halfway(mortal.cut)),
        mock.patch.object(Reader, "complete", return_value=None),
    ):
        mortal.lake.ingest()
    with pytest.raises(AssertionError):
        goes_on(mortal)
