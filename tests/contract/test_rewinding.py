"""Sources led back to read again what they delivered: what is the same isn't written again, what was missed is."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from catchwater.errors import UseError
from catchwater.lake.manifest import Manifest
from catchwater.ports import Replaying, Rewinding
from catchwater.runtimes.embedded_files import FileServer
from catchwater.stages.again import Back, rewind
from catchwater.wiring import SystemClock
from tests.contract.test_source_github import archive, event, put
from tests.contract.test_source_http_files import GOOD, flow
from tests.support.feeds import Flow
from tests.support.postgres import Database, Lake, db, postgres18  # noqa: F401
from tests.support.tampering import rewrite


def back(held: Flow, *tables: str, since: datetime | None = None) -> Manifest:
    source = held.source
    assert isinstance(source, Rewinding)
    return rewind(held.log, source, Back(tables or (held.name,), since), SystemClock())


def test_a_file_is_fetched_and_compared_whole(tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    with FileServer(served) as server:
        held = flow(tmp_path, server.url("f.csv"))
        (served / "f.csv").write_bytes(GOOD)
        held.run()
        rewrite(held.log, "stations", 1, "SELECT * REPLACE ('wrong' AS name) FROM held WHERE id = 2")
        assert held.run().batches == ()
        back(held)
        done = held.run()
        assert (done.rows_in, done.rows_out) == (3, 1)
        assert held.rows("id, name") == [("1", "one"), ("2", "two"), ("3", "three")]
        with pytest.raises(UseError, match="no moments"):
            back(held, since=datetime.now(UTC))


def test_hours_are_read_again(tmp_path: Path) -> None:
    held = archive(tmp_path)
    for hour, number in (("2024-01-01-9", 1), ("2024-01-01-10", 2), ("2024-01-01-11", 3)):
        put(tmp_path, hour, event(number))
    held.run()
    put(tmp_path, "2024-01-01-9", event(1), event(10))
    put(tmp_path, "2024-01-01-10", event(2), event(20))
    assert held.run().batches == ()
    back(held, since=datetime(2024, 1, 1, 10, 30, tzinfo=UTC))
    assert held.run().rows_out == 1
    assert held.rows("id", order="_id") == [("1",), ("2",), ("3",), ("20",)]
    assert back(held, since=datetime(2025, 1, 1, tzinfo=UTC)).position["hour"] == "2024-01-01-11"  # never forward
    back(held)
    assert (done := held.run()).rows_out == 1
    assert done.rows_in == 5
    assert held.run().batches == ()


def test_an_archive_that_gave_nothing_begins_where_it_stands(tmp_path: Path) -> None:
    held = archive(tmp_path, repositories=["x/y"])
    put(tmp_path, "2024-01-01-9", event(1))
    held.run()
    before = held.batches()[-1].position
    assert back(held).position["hour"] == before["hour"]


def test_nothing_to_go_back_to(tmp_path: Path) -> None:
    held = archive(tmp_path)
    with pytest.raises(UseError, match="nothing was captured yet"):
        back(held)
    put(tmp_path, "2024-01-01-9", event(1))
    held.run()
    with pytest.raises(UseError, match="other wasn't captured yet"):
        back(held, "other")


@pytest.mark.proof
def test_two_that_go_back_at_once_both_do(tmp_path: Path) -> None:
    held = archive(tmp_path)
    put(tmp_path, "2024-01-01-9", event(1))
    held.run()
    flows = [Flow(tmp_path, "archive", held.source) for _ in range(4)]
    threads = [threading.Thread(target=back, args=[one]) for one in flows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [batch.seq for batch in held.batches()] == [1, 2, 3, 4, 5]
    assert held.run().rows_out == 0


def test_postgres_writes_what_was_missed_and_nothing_else(db: Database, tmp_path: Path) -> None:
    db.run(
        "CREATE TABLE orders (id int PRIMARY KEY, units int)",
        "INSERT INTO orders SELECT i, i FROM generate_series(1, 9) AS i",
    )
    lake = Lake(db, tmp_path)
    lake.ingest()
    rewrite(lake.log, "orders", 1, "SELECT * REPLACE (0 AS units) FROM held WHERE id = 2")
    rewrite(lake.log, "orders", 1, "SELECT * REPLACE ('delete' AS _op) FROM held WHERE id = 3")
    assert lake.ingest().rows_out == 0
    assert not isinstance(lake.source, Replaying)
    rewind(lake.log, lake.source, Back(("orders",)), SystemClock())
    done = lake.ingest()
    assert (done.rows_in, done.rows_out) == (9, 2)
    assert lake.rows("SELECT id, units FROM orders ORDER BY id", "orders") == [(i, i) for i in range(1, 10)]
    assert lake.ingest().rows_out == 0
    with pytest.raises(UseError, match="since a moment"):
        rewind(lake.log, lake.source, Back(("orders",), datetime.now(UTC)), SystemClock())
