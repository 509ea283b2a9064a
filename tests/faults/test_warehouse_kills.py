"""`kill -9` of a load at random moments, and harmed files: the next load ends with the same rows."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from catchwater.adapters.warehouses.duckdb import DuckdbSession, DuckdbWarehouse
from catchwater.errors import WarehouseError
from catchwater.ports import LoadBatch
from tests.support import proof
from tests.support.loads import Chain, House, model, opened

BATCHES = 12
T = model("t", {"id": "INTEGER", "v": "VARCHAR"})
STATE = "SELECT count(*), sum(id)::BIGINT, sum(hash(id, v))::HUGEINT::VARCHAR FROM t"

LOADER = """
import json, sys
from pathlib import Path
from catchwater.adapters.warehouses.duckdb import DuckdbWarehouse
from catchwater.ports import LoadBatch, Settings
from tests.support.loads import model
folder = Path(sys.argv[1])
T = model("t", {"id": "INTEGER", "v": "VARCHAR"})
batches = [LoadBatch(T, seq, h, p, tuple(map(Path, files))) for seq, h, p, files in json.loads(sys.stdin.read())]
warehouse = DuckdbWarehouse("duckdb", None, Settings(folder, folder / ".catchwater", "local", str))
print("ready", flush=True)
for upto in range(1, len(batches) + 1):
    with warehouse.load({}) as session:
        session.prepare([T])
        held = session.markers().get("processed/t", (0, ""))[0]
        session.apply([batch for batch in batches[:upto] if batch.seq > held])
"""


@pytest.fixture
def house(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    with opened("duckdb", tmp_path, request) as made:
        yield made


def fill(log: Chain) -> None:
    log.add("SELECT range::INTEGER AS id, 'x' AS v FROM range(5000)")
    for n in range(1, BATCHES):
        low = n * 100
        log.add(
            f"SELECT range::INTEGER AS id, 'v{n}' AS v, range % 7 = 0 AS _removed FROM range({low}, {low + 300}) "
            f"UNION ALL SELECT (6000 + {n})::INTEGER, 'new', false"
        )


def written(batches: list[LoadBatch]) -> str:
    return json.dumps([(b.seq, b.hash, b.previous, [str(path) for path in b.files]) for b in batches])


def expected(house: House, log: Chain, tmp_path: Path, request: pytest.FixtureRequest) -> list[tuple[object, ...]]:
    other = tmp_path / "other"
    other.mkdir()
    with opened("duckdb", other, request) as calm:
        calm.load(log)
        return calm.rows(STATE)


def kill(folder: Path, log: Chain, delay: float) -> bool:
    """Load in another process and kill it `delay` seconds after it said that it begins; True if it was at work."""
    line = [sys.executable, "-c", LOADER, str(folder)]
    process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdin
    assert process.stdout
    process.stdin.write(written(log.batches))
    process.stdin.close()
    assert process.stdout.readline() == "ready\n"
    time.sleep(delay)
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return alive


@pytest.mark.parametrize("kills", [10, pytest.param(proof.KILLS, marks=pytest.mark.proof)])
def test_kills_of_a_load_leave_what_can_be_loaded(
    house: House, tmp_path: Path, request: pytest.FixtureRequest, kills: int
) -> None:
    log = house.chain(T)
    fill(log)
    wanted = expected(house, log, tmp_path, request)
    chance = random.Random(proof.seed())
    at_work = 0
    for _ in range(kills):
        at_work += kill(tmp_path, log, chance.uniform(0, 0.25))
        version = house.warehouse.version()
        if version and version.cut:  # what readers have is whole, whenever the kill was
            upto = Chain(tmp_path, T, log.batches[: version.cut["processed/t"][0]])
            assert version.cut["processed/t"] == upto.cut["processed/t"]
            assert house.rows("SELECT count(*) FROM t WHERE id >= 6000") == [(len(upto.batches) - 1,)]
        if chance.random() < 0.3:
            house.warehouse.close()
            for file in (tmp_path / ".catchwater" / "warehouse").glob(
                chance.choice(["left.*", "current.json", "nothing"])
            ):
                file.unlink()
    house.load(log)
    assert house.rows(STATE) == wanted
    assert at_work


def test_a_marker_that_is_written_apart_from_its_rows_is_found_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken variant: were the marker committed without its rows, a failed load would lose them for good."""
    log = house.chain(T)
    log.add("SELECT 1 AS id, 'a' AS v")
    good = log.add("SELECT 2 AS id, 'b' AS v")
    monkeypatch.setattr("catchwater.adapters.warehouses.duckdb.apply", _stop)
    with pytest.raises(RuntimeError, match="power cut"):
        house.load(log)
    monkeypatch.undo()
    house.load(log)
    assert house.rows("SELECT count(*) FROM t") == [(2,)]

    def apart(session: DuckdbSession, batches: list[LoadBatch], markers: object) -> object:
        session._con.execute("COMMIT; BEGIN")
        raise RuntimeError("power cut")

    def early(session: DuckdbSession, batches: list[LoadBatch], markers: object) -> object:
        session._con.execute(
            "INSERT OR REPLACE INTO _catchwater._catchwater_markers VALUES (?, ?, ?)",
            ["processed/t", good.seq + 1, log.batches[-1].hash],
        )
        return apart(session, batches, markers)

    log.add("SELECT 3 AS id, 'c' AS v")
    monkeypatch.setattr(DuckdbSession, "_model", early)
    with pytest.raises(RuntimeError, match="power cut"):
        house.load(log)
    monkeypatch.undo()
    house.load(log)
    assert house.rows("SELECT count(*) FROM t") != [(3,)]


def _stop(*_: object) -> None:
    raise RuntimeError("power cut")


HARMS = [
    *((which, harm) for which in ("left.duckdb", "right.duckdb") for harm in ("gone", "garbage", "cut short")),
    ("both", "gone"), ("both", "wrong bytes"), ("both", "empty"),
    *(("current.json", harm) for harm in ("gone", "empty", "garbage", "cut short")),
]  # fmt: skip


@pytest.mark.parametrize(("which", "harm"), HARMS)
def test_a_harmed_file_is_set_aside_and_made_anew(house: House, which: str, harm: str) -> None:
    log = house.chain(T)
    fill(log)
    house.load(log)
    house.load(log)
    wanted, before = house.rows(STATE), house.version().number
    house.warehouse.close()
    folder = house.folder / ".catchwater" / "warehouse"
    for name in ("left.duckdb", "right.duckdb") if which == "both" else (which,):
        _harm(folder / name, harm)
    for _ in range(2):  # each of the files is the written one at least once
        with suppress(WarehouseError):  # what is found in the middle of a load ends it, and the next one heals
            house.load(log)
        house.load(log)
        assert house.rows(STATE) == wanted
        house.warehouse.close()
    assert house.version().number > before


def _harm(path: Path, harm: str) -> None:
    data = path.read_bytes()
    if harm == "gone":
        path.unlink()
    elif harm == "wrong bytes":
        path.write_bytes(data[:16] + bytes(255 - byte for byte in data[16:]))
    else:
        path.write_bytes({"empty": b"", "garbage": os.urandom(len(data)), "cut short": data[: len(data) // 2]}[harm])


def test_a_harmed_front_is_said_to_readers_and_loaded_again(house: House) -> None:
    log = house.chain(T)
    fill(log)
    house.load(log)
    wanted = house.rows(STATE)
    house.warehouse.close()
    folder = house.folder / ".catchwater" / "warehouse"
    front = folder / json.loads((folder / "current.json").read_text())["file"]
    _harm(front, "garbage")
    with pytest.raises(WarehouseError, match=r"set aside as \w+\.duckdb\.corrupt-.*\n.*catchwater run"):
        house.rows(STATE)
    assert house.warehouse.version() is None
    assert list(folder.glob("*.corrupt-*"))
    house.load(log)
    assert house.rows(STATE) == wanted


def test_the_disk_s_refusal_is_not_taken_for_harm(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    import duckdb

    from catchwater.adapters.warehouses import files

    log = house.chain(T)
    log.add("SELECT 1 AS id, 'a' AS v")
    house.load(log)

    def full(*_: object, **__: object) -> None:
        raise duckdb.IOException("IO Error: Could not write file: No space left on device")

    monkeypatch.setattr(files, "attach", full)
    with pytest.raises(WarehouseError, match="No space left"):
        house.load(log)
    house.warehouse.close()
    with pytest.raises(WarehouseError, match="No space left"):
        house.rows("FROM t")
    monkeypatch.undo()
    assert house.rows("FROM t") == [(1, "a")]
    assert not list((house.folder / ".catchwater" / "warehouse").glob("*.corrupt-*"))


def test_a_handle_that_was_closed_reads_again(house: House) -> None:
    log = house.chain(T)
    log.add("SELECT 1 AS id, 'a' AS v")
    house.load(log)
    house.warehouse.close()
    house.warehouse.close()
    assert house.rows("FROM t") == [(1, "a")]
    assert isinstance(house.warehouse, DuckdbWarehouse)
