"""`kill -9` of a Spark or a Beam step at random points: afterwards it is done, whole, and exactly once."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catchwater.adapters.stores.local import LocalStore
from catchwater.lake.log import Log
from catchwater.plan.plan import Plan
from catchwater.runtimes.demo import Demo
from catchwater.runtimes.local import Runtime
from catchwater.runtimes.planning import applied_plan
from tests.support import proof
from tests.support.postgres import Database, db, postgres18
from tests.support.spark import needs_java, rows_of_log
from tests.support.zones import STORE, deploy

__all__ = ["db", "postgres18"]

KILLS = min(10, max(3, proof.KILLS // 30))
ROOT = Path(__file__).parents[2]
JOB = (
    "import sys; from catchwater.wiring import ADAPTERS; ADAPTERS['store', 's3'] = '{store}'; "
    "from catchwater.runtimes.{runtime} import main; sys.exit(main(sys.argv[1:]))"
)


def demo(name: str, folder: Path) -> Plan:
    with Demo(name, folder) as shown:
        shown.once(Runtime(shown.wiring))
        shown.wiring.close()
    plan = applied_plan(folder / ".catchwater")
    assert plan is not None
    return plan


def start(runtime: str, environ: dict[str, str], *options: str) -> "subprocess.Popen[bytes]":
    code = JOB.format(store=STORE, runtime=runtime)
    arguments = [word for name, value in environ.items() for word in (f"--{name}", value)]
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments, *options],
        cwd=ROOT,
        env=os.environ | {"ZONES": environ["ZONES"]},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def finish(runtime: str, environ: dict[str, str], *options: str) -> float:
    """Seconds that a whole run takes."""
    began = time.monotonic()
    assert start(runtime, environ, *options).wait(timeout=300) == 0
    return time.monotonic() - began


def kill(runtime: str, environ: dict[str, str], after: float, *options: str) -> bool:
    """Start a run and end it, JVM and all, after so many seconds; whether it was still running."""
    process = start(runtime, environ, *options)
    try:
        process.wait(timeout=after)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True


def moments(chance: random.Random, whole: float) -> Iterator[float]:
    for _ in range(KILLS):
        yield chance.uniform(0.1, whole)


@pytest.mark.proof
@pytest.mark.timeout(KILLS * 240 + 600)
def test_a_spark_step_is_exactly_once(tmp_path: Path) -> None:
    needs_java()
    plan = demo("github_activity", tmp_path / "demo")
    lake = tmp_path / "demo" / ".catchwater" / "lake"
    step = next(one for one in plan.steps if one.stage == "process" and "activity" in one.models)
    environ = deploy(plan, tmp_path, step.name, "spark", "glue")
    for log in ("archive", "live"):
        shutil.copytree(lake / "raw_layer" / log, tmp_path / "zones" / "ingestion" / log)
    processed = tmp_path / "zones" / "processed"
    whole = finish("glue", environ)
    hits = 0
    for after in moments(random.Random(proof.seed()), whole):
        shutil.rmtree(processed)
        hits += kill("glue", environ, after)
        finish("glue", environ)
        for name in step.models:
            model = plan.model(name)
            expected = rows_of_log(LocalStore(lake / "qualified_layer"), model)
            assert rows_of_log(LocalStore(processed), model) == expected, name
            assert len(Log(LocalStore(processed), f"processed/{name}").batches(None)) == 1
    assert hits


@pytest.mark.proof
@pytest.mark.timeout(KILLS * 60 + 300)
def test_a_beam_step_is_exactly_once(tmp_path: Path, db: Database) -> None:
    plan = demo("open_data", tmp_path / "demo")
    shutil.copytree(tmp_path / "demo" / ".catchwater" / "lake" / "processed", tmp_path / "zones" / "processed")
    held = replace(plan, warehouse={"kind": "postgres", "url": db.url()})
    step = next(one for one in plan.steps if one.stage == "load")
    environ = deploy(held, tmp_path, step.name, "beam", "dataflow")
    direct = "--runner=DirectRunner"
    tables = [model.name for model in plan.models] + ["station_changes_current"]

    def rows() -> dict[str, list[str]]:
        return {name: sorted(map(str, db.run(f"SELECT * FROM {name}"))) for name in tables}

    whole = finish("dataflow", environ, direct)
    expected, hits = rows(), 0
    assert len(expected["stations"]) > 3000
    for after in moments(random.Random(proof.seed()), whole):
        db.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        for staged in (tmp_path / "zones" / "processed").glob("*/_staged"):
            shutil.rmtree(staged)
        hits += kill("dataflow", environ, after, direct)
        finish("dataflow", environ, direct)
        assert rows() == expected
    assert hits
