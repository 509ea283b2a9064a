"""Transaction numbers that wrap, and rows that are frozen: nothing is lost, and what is read again stays bounded."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from catchwater.adapters.sources.postgres import position as postgres_position
from catchwater.adapters.sources.postgres.capture import Capture
from tests.support import proof
from tests.support.clusters import WRAP, Cluster, cluster
from tests.support.postgres import Lake, assert_equal, source

HALF = 1 << 31
ROWS = 500
TABLES = ("keyed", "parted", "loose")
SCHEMA = (
    "CREATE TABLE keyed (id int PRIMARY KEY, v text)",
    "CREATE TABLE parted (id int PRIMARY KEY, v text) PARTITION BY RANGE (id)",
    "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (250)",
    "CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (250) TO (100000)",
    "CREATE TABLE loose (id int, v text)",
    *(f"INSERT INTO {table} SELECT i, 'first' FROM generate_series(1, {ROWS}) i" for table in TABLES),
)
VERSIONS = [
    pytest.param(18, id="18"),
    pytest.param(16, id="16", marks=[pytest.mark.proof, pytest.mark.full]),
    pytest.param(15, id="15", marks=[pytest.mark.proof, pytest.mark.full]),
]


@pytest.fixture(params=VERSIONS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path / "server", request.param) as made:
        made.run(*SCHEMA)
        yield made


def lake(server: Cluster, folder: Path, tables: Sequence[str] = TABLES) -> Lake:
    return Lake(server.database(), folder, list(tables))


def again(of: Lake, server: Cluster) -> Lake:
    """The same log, after the server has come back at another port."""
    tables = of.source.spec.tables
    of.db = server.database()
    of.source = source(of.db.url(), tables)
    return of


@pytest.fixture
def awake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers can be turned forward only while a server is down; the capture shall not see that it was."""
    monkeypatch.setattr(Capture, "_recognised", lambda self, state: True)


def change(server: Cluster, chance: random.Random) -> None:
    """Five versions and two deletes in each table, of several transactions."""
    for table in TABLES:
        one, two, *gone = chance.sample(range(1, ROWS), 4)
        server.run(
            f"INSERT INTO {table} SELECT max(id) + i, 'new' FROM {table}, generate_series(1, 3) i GROUP BY i",
            f"UPDATE {table} SET v = v || '.' WHERE id IN ({one}, {two})",
            f"DELETE FROM {table} WHERE id IN ({gone[0]}, {gone[1]})",
        )


def held(of: Lake) -> int:
    head = of.log.head()
    assert head
    return int(head.position["xmin"])


def assert_same(of: Lake) -> int:
    return sum(assert_equal(of, table) for table in of.source.spec.tables)


@pytest.mark.proof
@pytest.mark.usefixtures("awake")
def test_positions_of_all_ages(server: Cluster, tmp_path: Path) -> None:
    """A position a little less and a little more than 2^31 and 2^32 transactions old."""
    chance = random.Random(proof.seed())
    ages = {f"{name}{sign * k:+}": base + sign * k
            for name, base in (("2^31", HALF), ("2^32", WRAP)) for sign in (-1, 1) for k in (chance.randrange(100, 500),)
            }  # fmt: skip
    lakes = {name: lake(server, tmp_path / name) for name in ages}
    for one in lakes.values():
        one.ingest()
    for name, age in ages.items():
        one = lakes[name]
        server.turn_far(held(one) + age)
        server.freeze()
        change(server, chance)
        outcome = again(one, server).ingest()
        read = outcome.rows_in
        assert assert_same(one) > 2 * ROWS, name
        assert outcome.warnings == (), name
        whole = 3 * (ROWS + 3 * len(ages))
        assert read <= (whole / 3 + 20 if age < HALF else whole), (name, read)
        change(server, chance)
        outcome = one.ingest()
        assert_same(one)
        assert outcome.warnings == (), name
        assert outcome.rows_in <= whole / 3 + 20, (name, outcome.rows_in)  # the table without key is read whole
        print(f"{name}: read {read} rows, then {outcome.rows_in}")


@pytest.mark.proof
@pytest.mark.usefixtures("awake")
def test_the_same_number_one_round_later(server: Cluster, tmp_path: Path) -> None:
    """A row written by transaction x + 2^32 bears the xmin of the version that was held, and isn't that version."""
    server.run("UPDATE keyed SET v = 'held' WHERE id = 7", "UPDATE parted SET v = 'held' WHERE id = 7")
    [[xmin, parted]] = server.run(
        "SELECT k.xmin::text, p.xmin::text FROM keyed k, parted p WHERE k.id = 7 AND p.id = 7"
    )
    one = lake(server, tmp_path, ("keyed", "parted"))
    one.ingest()
    server.turn_far(int(str(xmin)) + WRAP)
    server.run("UPDATE keyed SET v = 'another' WHERE id = 7", "UPDATE parted SET v = 'another' WHERE id = 7")
    now = server.run("SELECT k.xmin::text, p.xmin::text FROM keyed k, parted p WHERE k.id = 7 AND p.id = 7")
    assert now == [[xmin, parted]]
    again(one, server).ingest()
    assert assert_same(one) == 2 * ROWS


def beyond_the_wrap(server: Cluster, folder: Path) -> tuple[int, int, tuple[str, ...]]:
    """Rows changed, rows read and what was warned of, when the numbers begin again between two captures."""
    server.turn_far(WRAP - 20)
    one = lake(server, folder, ("keyed", "parted"))
    one.ingest()
    changed = 60
    for number in range(changed // 2):
        server.run(
            f"UPDATE keyed SET v = 'n' WHERE id = {number + 1}", f"UPDATE parted SET v = 'n' WHERE id = {number + 1}"
        )
    server.run("VACUUM (FREEZE) keyed", "VACUUM (FREEZE) parted")
    outcome = one.ingest()
    assert assert_same(one) == 2 * ROWS
    return changed, outcome.rows_in, outcome.warnings


def test_the_numbers_begin_again(server: Cluster, tmp_path: Path) -> None:
    changed, read, notes = beyond_the_wrap(server, tmp_path)
    assert (read, notes) == (changed, ())


def test_numbers_compared_as_they_are_read_too_much(
    server: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken way: 32-bit numbers compared with >=, as if they didn't wrap."""

    def compared(position: int, age: int, fresh: Sequence[int] = ()) -> str:
        return f"x.xmin::text::int8 >= {position % WRAP}"

    monkeypatch.setattr(postgres_position, "candidates", compared)
    changed, read, notes = beyond_the_wrap(server, tmp_path)
    assert read > changed
    assert notes, "the broken way found every row: this proves nothing"


@pytest.mark.proof
def test_rows_frozen_between_captures(server: Cluster, tmp_path: Path) -> None:
    """Frozen rows keep the number that wrote them: those that are new are read, and no other."""
    one = lake(server, tmp_path)
    one.ingest()
    chance = random.Random(proof.seed())
    for _ in range(3):
        change(server, chance)
        for table in TABLES:
            server.run(f"VACUUM (FREEZE) {table}")
        outcome = one.ingest()
        assert_same(one)
        assert outcome.warnings == ()
        assert outcome.rows_in <= 2 * 5 + ROWS + 20
        server.run("VACUUM (FREEZE)")
        assert one.ingest().batches == ()
