"""Answers that never come, from real servers over a line that is cut: no batch is lost, doubled or told wrongly."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

import pytest

from catchwater.adapters.stores.gcs import GcsStore
from catchwater.adapters.stores.s3 import S3Store
from catchwater.errors import AlreadyExists, LostRace, Uncertain
from catchwater.lake.log import Log
from catchwater.ports import Store
from tests.support import proof
from tests.support.cutting import line
from tests.support.emulators import ministack, variables
from tests.support.google import fake_gcs
from tests.support.lake import FixedClock, draft

__all__ = ["fake_gcs", "ministack"]
SHARE, FULL = pytest.mark.proof, [pytest.mark.proof, pytest.mark.full]
AT_ONCE = 8
COUNTS = [
    pytest.param("ministack", 40, id="ministack-40", marks=SHARE),
    pytest.param("fake_gcs", 40, id="fake_gcs-40", marks=SHARE),
    pytest.param("ministack", 2000, id="ministack-2000", marks=FULL),
    pytest.param("fake_gcs", 2000, id="fake_gcs-2000", marks=FULL),
]


class TakesLost(Log):
    """Broken: takes an object that is there for another's, and no answer for no commit."""

    def _write(self, key: str, data: bytes) -> None:
        try:
            self.store.create(key, data)
        except (AlreadyExists, Uncertain) as error:
            raise LostRace("another writer committed this batch first") from error


def client(zone: Any, place: str, server: str, endpoint: str, folder: Path) -> Callable[[], Store]:
    """Makes clients of a zone over a line, that don't wait long."""
    if server == "fake_gcs":
        return lambda: GcsStore(place, {"STORAGE_EMULATOR_HOST": endpoint, "GOOGLE_CLOUD_PROJECT": "p"}, folder, 2.0)
    right = variables(zone.answer) | {"AWS_ENDPOINT_URL": endpoint}
    return lambda: S3Store(place, right, folder / uuid4().hex, patience=timedelta(seconds=2))


class Commits:
    """One log per writer, and what its writer was told of each batch."""

    def __init__(self, number: int, store: Store, plain: Store, kind: type[Log]) -> None:
        self.name = f"ingestion/s{number}"
        self.log = kind(store, self.name, FixedClock(), wait=lambda _: None)
        self.plain = plain
        self.sure: dict[str, int] = {}
        self.never: set[str] = set()
        self.count = 0

    def one(self) -> None:
        """One batch after the head, which is asked of the server itself."""
        self.count += 1
        head = Log(self.plain, self.name).head()
        try:
            self.sure[str(self.count)] = self.log.commit(draft(note=str(self.count)), head).seq
        except LostRace:
            self.never.add(str(self.count))
        except Uncertain:
            return

    def lie(self) -> str:
        notes = [manifest.run for manifest in Log(self.plain, self.name).batches(None)]
        if len(notes) != len(set(notes)):
            return "a batch is there twice"
        if {note: notes.index(note) + 1 for note in self.sure if note in notes} != self.sure:
            return "a batch that was committed isn't there"
        return "a batch that is there was told to be lost" if self.never & set(notes) else ""


def lose(zone: Any, server: str, count: int, kind: type[Log], folder: Path) -> list[Commits]:
    """Eight writers until so many answers or requests were lost."""
    chosen, turn = random.Random(proof.seed()), Lock()

    def cut(request: bytes) -> str:
        often = 0.5 if b"query_log.json" in request.partition(b" HTTP/")[0] and request[:3] != b"HEA" else 0.02
        with turn:
            return chosen.choice(["before", "after", "after"]) if chosen.random() < often else ""

    with line(zone.answer["endpoint"]) as wire:
        place = zone()._where
        cut_off = client(zone, place, server, wire.endpoint, folder)
        plain = client(zone, place, server, zone.answer["endpoint"], folder)
        writers = [Commits(number, cut_off(), plain(), kind) for number in range(AT_ONCE)]
        wire.cut = cut

        def run(writer: Commits) -> None:
            while len(wire.lost) < count:
                writer.one()

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(run, writers))
        assert len(wire.lost) >= count
    return writers


@pytest.mark.parametrize(("server", "count"), COUNTS)
@pytest.mark.timeout(1700)
def test_lost_answers_lose_and_double_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, server: str, count: int
) -> None:
    writers = lose(request.getfixturevalue(server), server, count, Log, tmp_path)
    assert [writer.lie() for writer in writers] == [""] * AT_ONCE
    assert not any(writer.never for writer in writers)


@pytest.mark.parametrize("server", [pytest.param("ministack", id="ministack", marks=SHARE)])
def test_a_log_that_takes_no_answer_for_an_answer_is_caught(
    request: pytest.FixtureRequest, tmp_path: Path, server: str
) -> None:
    writers = lose(request.getfixturevalue(server), server, 60, TakesLost, tmp_path)
    assert any(writer.lie() == "a batch that is there was told to be lost" for writer in writers)
