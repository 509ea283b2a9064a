"""Twenty-four writers that race for each number of a log on real servers: one wins, nobody is told otherwise, nothing goes."""

import os
import random
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from catchwater.adapters.stores.gcs import GcsStore
from catchwater.adapters.stores.local import LocalStore
from catchwater.adapters.stores.s3 import S3Store
from catchwater.errors import AlreadyExists
from catchwater.lake.log import Log
from catchwater.ports import Store
from tests.support import proof
from tests.support.emulators import ministack, seaweedfs, variables
from tests.support.google import fake_gcs, storage_variables
from tests.support.logs import lies, race

__all__ = ["fake_gcs", "ministack", "seaweedfs"]
WRITERS = 24
LOG = 100  # rounds of one log; emulators become slow with many objects
SHARE, FULL = pytest.mark.proof, [pytest.mark.proof, pytest.mark.full]
ROUNDS = [
    pytest.param("local", 2, id="local-2"),
    pytest.param("ministack", 15, id="ministack-15", marks=SHARE),
    pytest.param("seaweedfs", 15, id="seaweedfs-15", marks=SHARE),
    pytest.param("fake_gcs", 15, id="fake_gcs-15", marks=SHARE),
    pytest.param("local", 500, id="local-500", marks=FULL),
    pytest.param("ministack", 500, id="ministack-500", marks=FULL),
    pytest.param("seaweedfs", 500, id="seaweedfs-500", marks=FULL),
    pytest.param("fake_gcs", 500, id="fake_gcs-500", marks=FULL),
]


class LooksFirst(S3Store):
    """Broken: sees that there is no object, and then writes it."""

    def create(self, key: str, data: bytes) -> None:
        if self.head(key) is not None:
            raise AlreadyExists("the object exists", where=key)
        self._obstore.put(self._bucket, self._key(key), data, mode="overwrite", use_multipart=False)


class LooksFirstGcs(GcsStore):
    """Broken in the same way."""

    def create(self, key: str, data: bytes) -> None:
        if self.head(key) is not None:
            raise AlreadyExists("the object exists", where=key)
        self._blob(key).upload_from_string(data, retry=None)


class LooksFirstLocal(LocalStore):
    """Broken in the same way."""

    def create(self, key: str, data: bytes) -> None:
        if self.head(key) is not None:
            raise AlreadyExists("the object exists", where=key)
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(uuid4().hex)
        with temporary.open("xb") as file:
            file.write(data)
            os.fsync(file.fileno())
        temporary.replace(path)


def stores(request: pytest.FixtureRequest, server: str, folder: Path, broken: bool) -> list[Store]:
    """A client for each writer, all of one fresh zone."""
    if server == "local":
        local = LooksFirstLocal if broken else LocalStore
        return [local(folder / "lake") for _ in range(WRITERS)]
    zone: Any = request.getfixturevalue(server)
    place = zone()._where
    if server == "fake_gcs":
        gcs, right = LooksFirstGcs if broken else GcsStore, storage_variables(zone.answer)
        return [gcs(place, right, folder / str(number)) for number in range(WRITERS)]
    s3, right = LooksFirst if broken else S3Store, variables(zone.answer)
    return [s3(place, right, folder / str(number)) for number in range(WRITERS)]


@pytest.mark.parametrize(("server", "rounds"), ROUNDS)
@pytest.mark.timeout(1700)
def test_one_writer_wins_each_number_and_all_are_told_so(
    request: pytest.FixtureRequest, tmp_path: Path, server: str, rounds: int
) -> None:
    chosen = random.Random(proof.seed())
    for start in range(0, rounds, LOG):
        folder, count = tmp_path / str(start), min(LOG, rounds - start)
        folder.mkdir()
        clients = stores(request, server, folder, broken=False)
        told = race(clients, count, Log, chosen, folder)
        assert lies(clients[0], told) == ""
        assert sorted(told.won.values()) == list(range(1, count + 1))
        assert len(told.lost) == count * (WRITERS - 1)


@pytest.mark.parametrize(
    "server", ["local", pytest.param("ministack", marks=SHARE), pytest.param("fake_gcs", marks=SHARE)]
)
def test_a_store_that_looks_before_it_writes_is_caught(
    request: pytest.FixtureRequest, tmp_path: Path, server: str
) -> None:
    chosen = random.Random(proof.seed())
    for number in range(20):
        clients = stores(request, server, tmp_path / str(number), broken=True)
        (tmp_path / str(number)).mkdir(exist_ok=True)
        if lies(clients[0], race(clients, 1, Log, chosen, tmp_path / str(number))):
            return
    raise AssertionError("twenty races, and none had two winners")
