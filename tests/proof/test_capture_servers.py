"""The server behind the address becomes another one: promoted, restored or late; nothing it has is lost."""

import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from catchwater.adapters.sources.postgres import capture as postgres_capture
from catchwater.adapters.sources.postgres import parts as postgres_parts
from catchwater.errors import SourceBusy
from catchwater.ports import Extraction
from tests.support import proof
from tests.support.clusters import Cluster, cluster
from tests.support.postgres import Lake, assert_equal, source

ROWS = 200


class Interrupted(Exception):
    """A process that ends here."""


SCHEMA = (
    "CREATE TABLE t (id int PRIMARY KEY, v text) WITH (fillfactor = 10)",
    "CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id)",
    "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100)",
    "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (1000000)",
    "CREATE TABLE loose (id int, v text)",
    *(f"INSERT INTO {table} SELECT i, 'first' FROM generate_series(1, {ROWS}) i" for table in ("t", "p", "loose")),
)
TIMES = [
    pytest.param(1, id="once", marks=pytest.mark.proof),
    pytest.param(10, id="ten times", marks=[pytest.mark.proof, pytest.mark.full]),
]


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Cluster]]:
    """The newest is the last; all are ended."""
    with cluster(tmp_path / "server-0") as first:
        first.run(*SCHEMA)
        made = [first]
        try:
            yield made
        finally:
            for one in made[1:]:
                one.stop()


def point(lake: Lake, server: Cluster) -> Lake:
    """The same log, and another server behind the source's address."""
    lake.db = server.database()
    lake.source = source(lake.db.url())
    return lake


def write(server: Cluster, mark: str, keys: list[int]) -> None:
    """One transaction a key and table: two servers that write the same keys give them the same numbers."""
    for key in keys:
        server.run(*(f"UPDATE {table} SET v = '{mark} {key}' WHERE id = {key}" for table in ("t", "p", "loose")))


def keys(chance: random.Random) -> list[int]:
    return chance.sample(range(1, ROWS), 8)


def compared(lake: Lake) -> list[str]:
    """The tables that aren't as the server has them."""
    wrong = []
    for table in ("t", "p", "loose"):
        try:
            assert_equal(lake, table)
        except AssertionError:
            wrong.append(table)
    return wrong


def interrupted(lake: Lake, parts: int) -> None:
    """A first load that ends after so many parts, as if it were killed."""
    capture, left = lake.source.capture, [parts]

    def few(*given: Any) -> Extraction | None:
        left[0] -= 1
        if left[0] < 0:
            raise Interrupted
        return capture(*given)

    with mock.patch.object(lake.source, "capture", few), suppress(Interrupted):
        lake.ingest()
    head = lake.log.head()
    assert head
    assert not head.complete


def promoted(servers: list[Cluster], lake: Lake, folder: Path, chance: random.Random) -> list[str]:
    """The primary's last writes are captured and never reach the standby, which then writes other ones."""
    primary = servers[-1]
    standby = primary.copy(folder, standby=True).start()
    servers.append(standby)
    write(primary, "both", keys(chance))
    standby.caught_up(primary)
    lake.ingest()
    standby.stop()
    same = keys(chance)
    write(primary, "lost", same)
    primary.run("INSERT INTO t SELECT max(id) + 1, 'lost' FROM t", "DELETE FROM p WHERE id = 7")
    lake.ingest()
    primary.stop()
    standby.start().promote()
    write(standby, "kept", same)
    point(lake, standby)
    lake.only = ("t",)  # a run over one table mustn't make the server known to the others
    lake.ingest()
    lake.only = ()
    lake.ingest()
    wrong = compared(lake)
    write(standby, "then", keys(chance))
    lake.ingest()
    return wrong + compared(lake)


def restored(servers: list[Cluster], lake: Lake, folder: Path, chance: random.Random) -> list[str]:
    """A backup takes the place of a server that went on after it, and catches up with other writes."""
    old = servers[-1]
    lake.ingest()
    backup = old.copy(folder, standby=False)
    servers.append(backup)
    same = keys(chance)
    write(old, "lost", same)
    old.run("INSERT INTO t SELECT max(id) + 1, 'lost' FROM t", "DELETE FROM p WHERE id = 7")
    lake.ingest()
    [[reached]] = old.run("SELECT pg_current_wal_lsn()::text")
    xid = old.next_xid()
    old.stop()
    backup.start()
    write(backup, "kept", same)
    point(lake, backup)
    before = lake.seq
    with pytest.MonkeyPatch().context() as held:
        held.setattr("catchwater.stages.ingest.ATTEMPTS", 1)
        try:
            lake.ingest()
        except SourceBusy:
            assert lake.seq == before
    # it writes on, until neither its log nor its transactions show that it was behind
    while backup.next_xid() <= xid or backup.run(f"SELECT pg_current_wal_lsn() > '{reached}'::pg_lsn") != [[True]]:
        backup.run("SELECT pg_logical_emit_message(true, 'fill', repeat('x', 100000))")
    lake.ingest()
    wrong = compared(lake)
    write(backup, "then", keys(chance))
    lake.ingest()
    return wrong + compared(lake)


def late(servers: list[Cluster], lake: Lake, folder: Path, chance: random.Random) -> list[str]:
    """A replica that stands still is read after its primary: it is refused until it has caught up."""
    primary = servers[0]
    if len(servers) == 1:
        servers.append(primary.copy(folder, standby=True).start())
    replica = servers[1]
    lake.ingest()
    replica.caught_up(primary)
    replica.run("SELECT pg_wal_replay_pause()")
    write(primary, "newer", keys(chance))
    point(lake, primary).ingest()
    point(lake, replica)
    seq = lake.seq
    with pytest.MonkeyPatch().context() as held:
        held.setattr("catchwater.stages.ingest.ATTEMPTS", 1)
        with pytest.raises(SourceBusy, match="behind"):
            lake.ingest()
    assert lake.seq == seq
    replica.run("SELECT pg_wal_replay_resume()")
    replica.caught_up(primary)
    lake.ingest()
    return compared(lake)


WAYS = {"promoted": promoted, "restored": restored, "late": late}


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("way", list(WAYS))
def test_another_server(servers: list[Cluster], tmp_path: Path, way: str, times: int) -> None:
    chance = random.Random(proof.seed())
    lake = Lake(servers[0].database(), tmp_path)
    lake.ingest()
    for number in range(times):
        assert WAYS[way](servers, lake, tmp_path / f"server-{number + 1}", chance) == [], number


@pytest.mark.proof
@pytest.mark.parametrize("way", ["promoted", "restored"])
def test_another_server_in_the_middle_of_a_first_load(servers: list[Cluster], tmp_path: Path, way: str) -> None:
    """Some blocks are of the one server and some of the other: what was read of the first is compared."""
    chance = random.Random(proof.seed())
    lake = Lake(servers[0].database(), tmp_path, ["t"])
    with mock.patch.object(postgres_parts, "PART_BLOCKS", 2):
        interrupted(lake, 2)
        backup = servers[0].copy(tmp_path / "server-1", standby=way == "promoted")
        if way == "promoted":
            backup.start().caught_up(servers[0])
            backup.stop()
        same = keys(chance)
        write(servers[0], "lost", same)
        servers[0].stop()
        servers.append(backup.start())
        if way == "promoted":
            backup.promote()
        write(backup, "kept", same)
        point(lake, backup)
        while not lake.ingest().batches:
            backup.run("SELECT pg_logical_emit_message(true, 'fill', repeat('x', 100000))")
    head = lake.log.head()
    assert head
    assert head.complete
    assert assert_equal(lake, "t") == ROWS


@pytest.mark.proof
@pytest.mark.parametrize("way", ["promoted", "restored"])
def test_a_server_that_is_not_recognised_loses(
    servers: list[Cluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The broken way: neither system, timeline nor place in the log is compared."""
    monkeypatch.setattr(postgres_capture.Capture, "_same_server", lambda self: True)
    monkeypatch.setattr(postgres_capture.Capture, "_recognised", lambda self, state: True)
    monkeypatch.setattr(postgres_capture.Capture, "_forward", lambda self: None)
    lake = Lake(servers[0].database(), tmp_path)
    lake.ingest()
    wrong = WAYS[way](servers, lake, tmp_path / "server-1", random.Random(proof.seed()))
    assert wrong != [], "the broken way lost nothing: this proves nothing"
