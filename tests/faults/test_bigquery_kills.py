"""`kill -9` of a load into BigQuery at random moments, and two at once: every batch is there exactly once.

What a killed load had sent the server goes on doing, as BigQuery would. The emulator isolates no transaction and mixes
up the answers to two requests at once, so the requests of two racing loaders reach it one at a time, in any order:
that BigQuery keeps two scripts of one instant apart is not proven here.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support import proof
from tests.support.cutting import line
from tests.support.google import bigquery_client, bqemulator
from tests.support.loads import Chain, House, history, opened

__all__ = ["bqemulator"]
BATCHES = 6
STATE = "SELECT COUNT(*), SUM(id), SUM(e), MAX(v) FROM {table}"

LOADER = """
import json, sys
from pathlib import Path
from catchwater.adapters.warehouses.bigquery import BigqueryWarehouse
from catchwater.errors import WarehouseBusy
from catchwater.ports import LoadBatch, Settings
from catchwater.project.schema import BigqueryWarehouse as Spec
from tests.support.loads import history
folder, given = Path(sys.argv[1]), json.loads(sys.stdin.read())
T = history("t")
batches = [LoadBatch(T, seq, h, p, tuple(map(Path, files))) for seq, h, p, files in given["batches"]]
settings = Settings(folder, folder / "loader", "local", str, variables=given["variables"])
warehouse = BigqueryWarehouse("bigquery", Spec(kind="bigquery", dataset=given["dataset"]), settings)
warehouse.version()
print("ready", flush=True)
for upto in range(1, len(batches) + 1):
    try:
        with warehouse.load({}) as session:
            session.prepare([T])
            held = session.markers().get("processed/t", (0, ""))[0]
            session.apply([batch for batch in batches[:upto] if batch.seq > held])
    except WarehouseBusy as error:
        print("busy", error, flush=True)
"""


@pytest.fixture
def house(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    with opened("bigquery", tmp_path, request) as made:
        yield made


@pytest.fixture
def client(bqemulator: Mapping[str, str]) -> Iterator[Any]:
    made = bigquery_client(bqemulator)
    yield made
    made.close()


def fill(house: House) -> Chain:
    """Rows added, changed and removed; each batch adds one that tells it."""
    log = house.chain(history("t"))
    tail = "'upsert' AS _op, NULL::TIMESTAMPTZ AS _at"
    log.add(f"SELECT range AS id, (range % 50)::INTEGER AS e, 'x' AS v, {tail} FROM range(500)")
    for n in range(1, BATCHES):
        low = n * 40
        log.add(
            f"SELECT range AS id, (range % 70)::INTEGER AS e, 'v{n}' AS v, {tail}, range % 7 = 0 AS _removed "
            f"FROM range({low}, {low + 100}) UNION ALL SELECT {6000 + n}, {900 + n}, 'new', {tail}, false"
        )
    return log


def start(house: House, log: Chain, **variables: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", LOADER, str(house.folder)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdin
    batches = [(b.seq, b.hash, b.previous, [str(path) for path in b.files]) for b in log.batches]
    process.stdin.write(
        json.dumps({"batches": batches, "variables": house.variables | variables, "dataset": house.dataset})
    )
    process.stdin.close()
    return process


def ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    assert process.stdout.readline() == "ready\n"


def end(process: subprocess.Popen[str]) -> bool:
    """Whether it was still at work."""
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdout
    process.stdout.close()
    return alive


def state(house: House, client: Any) -> list[tuple[Any, ...]]:
    """Both tables and the marker, as they are in BigQuery, whoever wrote them."""
    found: list[tuple[Any, ...]] = []
    for table in ("t", "t_current"):
        sql = STATE.format(table=f"`{house.dataset}.{table}`")
        found += [tuple(row) for row in client.query(sql).result()]
    marker = f"SELECT seq, hash FROM `{house.dataset}._catchwater_marker_t`"
    return found + [tuple(row) for row in client.query(marker).result()]


def expected(house: House, log: Chain, client: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    (tmp_path / "calm").mkdir()
    with opened("bigquery", tmp_path / "calm", request) as calm:
        calm.load(log)
        return state(calm, client)


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=[pytest.mark.proof, pytest.mark.full])])
def test_kills_of_a_load_leave_every_batch_once(
    house: House, client: Any, tmp_path: Path, request: pytest.FixtureRequest, kills: int
) -> None:
    log = fill(house)
    wanted = expected(house, log, client, tmp_path, request)
    chance = random.Random(proof.seed())
    at_work = 0
    for _ in range(kills):
        process = start(house, log)
        ready(process)
        time.sleep(chance.uniform(0, 0.6))
        at_work += end(process)
        version = house.open().version()
        if version and version.cut:  # what is published is whole: each batch up to the cut, and none beyond
            reached = version.cut["processed/t"][0]
            told = f"SELECT COUNT(*) FROM `{house.dataset}.t` WHERE id > 6000"
            assert next(iter(client.query(told).result()))[0] >= reached - 1
    load(house, log)
    assert state(house, client) == wanted
    assert at_work


def load(house: House, log: Chain) -> None:
    """Until the server has done with what killed loads had sent it, another load may be first."""
    deadline = time.monotonic() + 30
    while True:
        try:
            house.load(log)
            return
        except Exception:
            if time.monotonic() > deadline:
                raise


def test_two_loaders_of_the_same_batches_at_once_load_each_once(
    house: House, client: Any, bqemulator: Mapping[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    log = fill(house)
    wanted = expected(house, log, client, tmp_path, request)
    with line(bqemulator["endpoint"]) as one_by_one:
        loaders = [start(house, log, BIGQUERY_EMULATOR_HOST=one_by_one.endpoint) for _ in range(2)]
        for process in loaders:
            ready(process)
        for process in loaders:
            assert process.wait(timeout=60) == 0
            end(process)
    load(house, log)
    assert state(house, client) == wanted
