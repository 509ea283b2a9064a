"""`make bench`: Postgres to lake and warehouse, and how old rows are, against the floor by hand, dlt and ingestr.

Every figure is a whole process: wall and CPU seconds of the client, CPU seconds of the server, peak resident memory;
medians of the rounds, in which the programs alternate.
"""

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from bench import latency
from bench import server as database
from bench.ingestr import Ingestr
from bench.processes import Clock, Timing

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".bench"
PEERS = HOME / "peers"
OURS = str(Path(sys.executable).parent / "catchwater")
CHANGE = (
    "UPDATE orders SET o_comment = md5(random()::text), last_updated = now() WHERE o_orderkey IN "
    "(SELECT o_orderkey FROM orders ORDER BY random() LIMIT 15000)"
)


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
    """What is run, each as one process; `phases` are the seconds of the stages of our last run that moved rows."""

    def __init__(self, url: str, change: Callable[[], None], clock: Clock) -> None:
        self.url, self.change, self.clock = url, change, clock
        self.python = str(PEERS / "bin" / "python")
        self.scratch = HOME / "scratch"
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)
        self.ingestr = Ingestr(PEERS, HOME / "home")
        self.phases: dict[str, float] = {}

    def _peer(self, script: str, *arguments: str) -> Timing:
        return self.clock.timed([self.python, str(ROOT / "bench" / "peers" / script), self.url, *arguments])

    def _fresh(self, name: str) -> Path:
        path = self.scratch / name
        for old in (path, Path(f"{path}-state"), Path(f"{path}.wal")):
            shutil.rmtree(old, ignore_errors=True)
            old.unlink(missing_ok=True)
        return path

    def floor(self, target: str, table: str = "lineitem") -> Timing:
        return self._peer("floor.py", table, str(self._fresh(target)))

    def floor_sync(self) -> Timing:
        return self._peer("floor_sync.py", "orders", str(self.scratch / "sync.duckdb"), "o_orderkey", "last_updated")

    def dlt(self, target: str) -> Timing:
        return self._peer("dlt_connectorx.py", "lineitem", str(self._fresh(target)))

    def ingestr_full(self, table: str) -> Timing:
        target = self._fresh(f"ingestr-{table}.duckdb")
        return self.clock.timed(self.ingestr.command(self.url, table, target), self.ingestr.env)

    def ingestr_sync(self) -> Timing:
        """From the newest timestamp that its warehouse has, as a schedule would pass it."""
        import duckdb

        target = self.scratch / "ingestr-orders.duckdb"
        with duckdb.connect(str(target), read_only=True) as con:
            found = con.execute("SELECT strftime(max(last_updated), '%Y-%m-%dT%H:%M:%S.%f') FROM orders").fetchone()
        assert found
        how = ("--incremental-strategy", "merge", "--incremental-key", "last_updated", "--primary-key", "o_orderkey")
        command = self.ingestr.command(self.url, "orders", target, *how, "--interval-start", found[0])
        return self.clock.timed(command, self.ingestr.env)

    def ours(self, table: str, model: bool) -> Timing:
        folder = self.scratch / "ours"
        project(folder, table, model)
        return self.again()

    def again(self) -> Timing:
        timing = self.clock.timed([OURS, "run", str(self.scratch / "ours"), "--json"], {"BENCH_URL": self.url})
        steps = json.loads(self.clock.output.read_text())["steps"]
        if any(step["state"] == "done" for step in steps):
            self.phases = {step["stage"]: step["seconds"] for step in steps}
            self.phases["start and end"] = timing.wall - sum(self.phases.values())
        return timing


def report(title: str, timings: dict[str, list[Timing]]) -> dict[str, Timing]:
    print(f"\n{title}")
    print(f"  {'':<44}{'wall s':>9}{'cpu s':>9}{'server s':>9}{'peak MB':>9}")
    medians = {}
    for name, rounds in timings.items():
        fields = ("wall", "cpu", "server", "megabytes")
        found = Timing(*(statistics.median(getattr(t, f) for t in rounds) for f in fields))
        medians[name] = found
        print(f"  {name:<44}{found.wall:>9.2f}{found.cpu:>9.2f}{found.server:>9.2f}{found.megabytes:>9.0f}", flush=True)
    return medians


def spent(phases: dict[str, float]) -> None:
    parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in phases.items())
    print(f"  where the time of catchwater's last run goes, s: {parts}")


def goal(text: str, measured: float, limit: float, *, least: bool = False) -> None:
    met = measured >= limit if least else measured <= limit
    print(f"  {'met   ' if met else 'MISSED'}  {text}: {measured:.2f} (goal {'≥' if least else '≤'} {limit:g})")


def full_load(bench: Bench, rounds: int) -> None:
    """All rows of lineitem, to files and to DuckDB."""
    runs: dict[str, Callable[[], Timing]] = {
        "floor by hand → Parquet": lambda: bench.floor("floor.parquet"),
        "catchwater → lake": lambda: bench.ours("lineitem", False),
        "dlt with connectorx → Parquet": lambda: bench.dlt("dlt"),
        "floor by hand → DuckDB": lambda: bench.floor("floor.duckdb"),
        "catchwater → lake, model and DuckDB": lambda: bench.ours("lineitem", True),
        "dlt with connectorx → DuckDB": lambda: bench.dlt("dlt.duckdb"),
    }
    if not bench.ingestr.missing:
        runs["ingestr → DuckDB"] = lambda: bench.ingestr_full("lineitem")
    timings: dict[str, list[Timing]] = {name: [] for name in runs}
    phases = {}
    for _ in range(rounds):
        for name, run in runs.items():
            timings[name].append(run())
            phases = bench.phases if name.startswith("catchwater") else phases
    found = report("lineitem, all rows", timings)
    spent(phases)
    lake, house = found["catchwater → lake"], found["catchwater → lake, model and DuckDB"]
    peers = [timing.wall for name, timing in found.items() if name.startswith(("dlt", "ingestr"))]
    loaded = [found[name].wall for name in found if name.endswith("→ DuckDB") and not name.startswith("floor")]
    files = min(peer for peer in peers if peer not in loaded)
    goal("lake: times faster than the best peer", files / lake.wall, 2.4, least=True)
    goal("lake: times the floor", lake.wall / found["floor by hand → Parquet"].wall, 1.25)
    goal("warehouse: times faster than the best peer", min(loaded) / house.wall, 2.4, least=True)
    goal("warehouse: times the floor", house.wall / found["floor by hand → DuckDB"].wall, 1.25)
    goal("peak MB", max(lake.megabytes, house.megabytes), 512)


def small_syncs(bench: Bench, rounds: int) -> None:
    """orders: nothing changed, then 15,000 of its rows, each program right after the other."""
    bench.ours("orders", True)
    bench.floor("sync.duckdb", "orders")
    syncs: dict[str, Callable[[], Timing]] = {"by hand": bench.floor_sync, "catchwater": bench.again}
    if not bench.ingestr.missing:
        bench.ingestr_full("orders")
        syncs["ingestr with an interval"] = bench.ingestr_sync
    timings: dict[str, list[Timing]] = {f"{name}, {what}": [] for what in ("idle", "15 k") for name in syncs}
    for _ in range(rounds):
        for name, sync in syncs.items():
            timings[f"{name}, idle"].append(sync())
        bench.change()
        for name, sync in syncs.items():
            timings[f"{name}, 15 k"].append(sync())
    found = report("orders, small syncs into DuckDB: nothing changed, 15 k of 1.5 M rows changed", timings)
    spent(bench.phases)
    goal("nothing changed, s", found["catchwater, idle"].wall, 0.35)
    goal("15 k rows changed, s", found["catchwater, 15 k"].wall, 0.6)


def ages(scratch: Path, seconds: float) -> None:
    """How old rows are when they can be queried, with `catchwater up` under load."""
    print("\nage of rows when they can be queried, s")
    found = latency.main(scratch, seconds)
    for name, each in found.items():
        print(f"  {name:<44}{len(each.seen):>9,} rows  p50 {each.quantile(0.5):.2f}  p99 {each.quantile(0.99):.2f}")
    limits = (5, 15)
    for (name, each), limit in zip(found.items(), limits, strict=True):
        goal(f"{name}, p99", each.quantile(0.99), limit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1, help="TPC-H scale (1: lineitem has 6.0 M rows)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60, help="how long rows come while their age is taken")
    parser.add_argument("--only", choices=["full", "small", "ages"], help="one part")
    options = parser.parse_args()
    HOME.mkdir(exist_ok=True)
    site = next((PEERS / "lib").glob("python3*/site-packages"), None)
    if site is None:
        sys.exit("the peers aren't installed: make bench installs them")
    running, name = database.start(HOME, options.scale, site)
    with running:
        clock = Clock(running.folder / "data", HOME / "output.txt")
        bench = Bench(running.url(name), lambda: database.execute(running, name, CHANGE), clock)
        if bench.ingestr.missing:
            print(bench.ingestr.missing)
        if options.only in (None, "full"):
            full_load(bench, options.rounds)
        if options.only in (None, "small"):
            small_syncs(bench, options.rounds)
    if options.only in (None, "ages"):
        ages(HOME / "scratch" / "ages", options.seconds)


if __name__ == "__main__":
    main()
