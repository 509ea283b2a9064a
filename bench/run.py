"""`make bench`: Postgres to lake and warehouse, against the floor by hand and dlt, alternating in one run.

Every figure is a whole process: wall and CPU seconds of the client, peak resident memory; medians of the rounds.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import server as database

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".bench"
PEERS = HOME / "peers"
OURS = str(Path(sys.executable).parent / "catchwater")


@dataclass(frozen=True)
class Timing:
    wall: float
    cpu: float
    megabytes: float


def timed(command: list[str], env: dict[str, str] | None = None) -> Timing:
    """One process from start to end; its output is shown only when it fails."""
    began = time.perf_counter()
    with (HOME / "output.txt").open("wb") as output:
        child = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **(env or {})})
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - began
    if child.returncode:
        sys.exit(f"{' '.join(command)} ended with {child.returncode}\n{(HOME / 'output.txt').read_text()[-4000:]}")
    return Timing(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def project(folder: Path, table: str, model: bool) -> None:
    """A fresh project over one table, with or without a model."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "models").mkdir(parents=True)
    (folder / "catchwater.yml").write_text(
        f"project: bench\nsources:\n  tpch: {{kind: postgres, url: '${{BENCH_URL}}', tables: [{table}]}}\n"
    )
    if model:
        keys = {"lineitem": "l_orderkey, l_linenumber", "orders": "o_orderkey"}
        head = f"/*---\ndescription: As it is in the source.\nkey: [{keys[table]}]\n---*/\n"
        (folder / "models" / f"{table}.sql").write_text(f"{head}SELECT * FROM tpch.{table}\n")


class Bench:
    def __init__(self, url: str, change: Callable[[], None]) -> None:
        self.url, self.change = url, change
        self.env = {"BENCH_URL": url}
        self.python = str(PEERS / "bin" / "python")
        self.scratch = HOME / "scratch"
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)

    def _peer(self, script: str, *arguments: str) -> Timing:
        return timed([self.python, str(ROOT / "bench" / "peers" / script), self.url, *arguments])

    def floor(self, target: str, table: str = "lineitem") -> Timing:
        path = self.scratch / target
        path.unlink(missing_ok=True)
        return self._peer("floor.py", table, str(path))

    def dlt(self) -> Timing:
        folder = self.scratch / "dlt"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(f"{folder}-state", ignore_errors=True)
        return self._peer("dlt_connectorx.py", "lineitem", str(folder))

    def ours(self, table: str, model: bool) -> Timing:
        folder = self.scratch / "ours"
        project(folder, table, model)
        return self.again(folder)

    def again(self, folder: Path) -> Timing:
        return timed([OURS, "run", str(folder)], self.env)


def report(title: str, timings: dict[str, list[Timing]]) -> dict[str, Timing]:
    print(f"\n{title}")
    print(f"  {'':<44}{'wall s':>9}{'cpu s':>9}{'peak MB':>9}")
    medians = {}
    for name, rounds in timings.items():
        found = Timing(*(statistics.median(getattr(t, f) for t in rounds) for f in ("wall", "cpu", "megabytes")))
        medians[name] = found
        print(f"  {name:<44}{found.wall:>9.2f}{found.cpu:>9.2f}{found.megabytes:>9.0f}")
    return medians


def goal(text: str, measured: float, limit: float, *, least: bool = False) -> None:
    met = measured >= limit if least else measured <= limit
    print(f"  {'met   ' if met else 'MISSED'}  {text}: {measured:.2f} (goal {'≥' if least else '≤'} {limit:g})")


def full_load(bench: Bench, rounds: int) -> None:
    runs: dict[str, Callable[[], Timing]] = {
        "floor by hand → Parquet": lambda: bench.floor("floor.parquet"),
        "catchwater → lake": lambda: bench.ours("lineitem", False),
        "dlt with connectorx → Parquet": bench.dlt,
        "floor by hand → DuckDB": lambda: bench.floor("floor.duckdb"),
        "catchwater → lake, model and DuckDB": lambda: bench.ours("lineitem", True),
    }
    timings: dict[str, list[Timing]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            timings[name].append(run())
    found = report("lineitem, all rows", timings)
    lake, house = found["catchwater → lake"], found["catchwater → lake, model and DuckDB"]
    peer = found["dlt with connectorx → Parquet"]
    goal("lake: times faster than dlt", peer.wall / lake.wall, 2.4, least=True)
    goal("lake: times the floor", lake.wall / found["floor by hand → Parquet"].wall, 1.25)
    goal("warehouse: times the floor", house.wall / found["floor by hand → DuckDB"].wall, 1.25)
    goal("peak MB", max(lake.megabytes, house.megabytes), 512)


def small_syncs(bench: Bench, rounds: int) -> None:
    bench.ours("orders", True)
    folder = bench.scratch / "ours"
    idle, changed = [], []
    for _ in range(rounds):
        idle.append(bench.again(folder))
        bench.change()
        changed.append(bench.again(folder))
    found = report("orders, small syncs", {"nothing changed": idle, "15 k rows changed, merged": changed})
    goal("nothing changed, s", found["nothing changed"].wall, 0.35)
    goal("15 k rows changed, s", found["15 k rows changed, merged"].wall, 0.6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1, help="TPC-H scale (1: lineitem has 6.0 M rows)")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    HOME.mkdir(exist_ok=True)
    site = next((PEERS / "lib").glob("python3*/site-packages"), None)
    if site is None:
        sys.exit("the peers aren't installed: make bench installs them")
    running, name = database.start(HOME, options.scale, site)
    change = (
        "UPDATE orders SET o_comment = md5(random()::text), last_updated = now() WHERE o_orderkey IN "
        "(SELECT o_orderkey FROM orders ORDER BY random() LIMIT 15000)"
    )
    with running:
        bench = Bench(running.url(name), lambda: database.execute(running, name, change))
        full_load(bench, options.rounds)
        small_syncs(bench, options.rounds)


if __name__ == "__main__":
    main()
