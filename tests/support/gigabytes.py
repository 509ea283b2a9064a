"""Tables of many gigabytes, and runs in processes of their own that are killed and whose memory is measured."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from catchwater.lake.manifest import Manifest, parse
from tests.support.memory import most_memory
from tests.support.postgres import Database

ROOT = Path(__file__).resolve().parents[2]
LIMIT_MB = 512
SUMS = "count(*), sum(id), sum(v), sum(id * v % 1000003), sum({0}), sum(length(note))"
THERE, HERE = SUMS.format("('x' || left(note, 8))::bit(32)::int8"), SUMS.format("('0x' || left(note, 8))::BIGINT")
RUN = """import sys
from catchwater.adapters.sources.postgres import parts
parts.PART_BLOCKS = int(sys.argv.pop(1))
from catchwater.cli import main
main()"""
SOUND = (sys.executable, "-c", RUN)


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code (negative: the signal), the most memory that it had, and its processor time."""

    code: int
    megabytes: float
    seconds: float


def build(db: Database, rows: int, width: int) -> float:
    """A table of so many rows of about so many bytes; how many gigabytes it has."""
    repeat = max(1, (width - 60) // 32)
    db.run(
        "CREATE UNLOGGED TABLE big (id bigint NOT NULL, v int, at timestamptz, amount numeric(12,2), note text)",
        "ALTER TABLE big ALTER note SET STORAGE PLAIN",
        f"INSERT INTO big SELECT i, i % 1000, '2024-01-01'::timestamptz + i * interval '1 s', i / 100.0, "
        f"repeat(md5(i::text), {repeat}) FROM generate_series(1, {rows}) i",
        "ALTER TABLE big ADD PRIMARY KEY (id)",
    )
    return float(db.run("SELECT pg_relation_size('big') / 1e9")[0][0])


def project(folder: Path, db: Database) -> Path:
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "some.sql").write_text("/*---\nkey: [id]\n---*/\nSELECT id, v FROM src.big WHERE id < 0\n")
    point(folder, db)
    return folder


def point(folder: Path, db: Database) -> None:
    """The project reads this database."""
    (folder / "catchwater.yml").write_text(f'project: big\nsources: {{src: {{kind: postgres, url: "{db.url()}"}}}}\n')


def run(folder: Path, blocks: int, kill_after: int = 0, product: Sequence[str] = SOUND) -> Ended:
    """`catchwater run` with parts of so many blocks; killed once it has committed `kill_after` batches (0: never)."""
    wanted = len(batches(folder)) + kill_after
    with (folder / "out.txt").open("ab") as out:
        process = subprocess.Popen(
            [*product, str(blocks), "run", str(folder)], stdout=out, stderr=out, cwd=ROOT, start_new_session=True
        )
    most = 0
    while True:
        most = max(most, most_memory(process.pid))
        if kill_after and len(batches(folder)) >= wanted:
            os.killpg(process.pid, signal.SIGKILL)
            kill_after = 0
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return Ended(process.returncode, most / 1024, usage.ru_utime + usage.ru_stime)
        time.sleep(0.02)


def batches(folder: Path) -> list[Path]:
    return sorted(folder.glob(".catchwater/lake/ingestion/src/_log/*/query_log.json"))


def manifests(folder: Path) -> list[Manifest]:
    return [parse(path.read_bytes(), "ingestion/src", number + 1) for number, path in enumerate(batches(folder))]


def reached(folder: Path) -> list[int]:
    """The block that each part went up to, of the parts that weren't the last."""
    states = [m.position.get("tables", {}).get("big", {}).get("reading") for m in manifests(folder)]
    return [int(state["next"]) for state in states if state]


def held(folder: Path) -> tuple[Any, ...]:
    """The sums over the rows of all batches, each key at its newest."""
    zone = folder / ".catchwater" / "lake" / "ingestion"
    lists = [
        f"SELECT *, {m.seq} AS seq FROM read_parquet({json.dumps([str(zone / f.path) for f in m.tables['big'].files])})"
        for m in manifests(folder)
        if m.tables.get("big") and m.tables["big"].files
    ]
    with duckdb.connect(config={"memory_limit": "2GB", "threads": 2}) as con:
        rows = f"SELECT id, max(seq) AS seq FROM ({' UNION ALL BY NAME '.join(lists)}) GROUP BY id"
        found = con.execute(
            f"SELECT {HERE} FROM ({' UNION ALL BY NAME '.join(lists)}) AS h JOIN ({rows}) AS n USING (id, seq) "
            "WHERE h._op <> 'delete'"
        ).fetchone()
    assert found
    return tuple(int(value) for value in found)


def there(db: Database) -> tuple[int, ...]:
    return tuple(int(value) for value in db.run(f"SELECT {THERE} FROM big")[0])
