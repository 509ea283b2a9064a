"""`kill -9` of `catchwater run` while a chosen stage is at work: in the end the warehouse is the source, once."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.test_run_kills import assert_equal, change, project
from tests.support import broken, proof
from tests.support.commands import catchwater
from tests.support.postgres import Database, db, postgres18
from tests.support.waiting import until

__all__ = ["db", "postgres18", "project"]

MODELS = ("orders", "notes", "order_versions")
LONG = {"ingest": 0.3, "process": 0.5, "load": 0.3}  # seconds within which the stage is at work


def head(project: Path, log: str) -> int:
    """The number of a log's newest batch; 0 without one."""
    folder = project / ".catchwater" / "lake" / log / "_log"
    return max((int(path.parent.name) for path in folder.glob("*/query_log.json")), default=0)


def begun(project: Path, stage: str) -> Callable[[], bool]:
    """Tells when the stage of a run that starts now is at work, from what the stage before it has committed."""
    logs = {"ingest": (), "process": ("ingestion/shop",), "load": tuple(f"processed/{name}" for name in MODELS)}[stage]
    before = {log: head(project, log) for log in logs}
    return lambda: all(head(project, log) > seq for log, seq in before.items())


def killed(project: Path, stage: str, chance: random.Random, lead: float) -> bool:
    """One run killed in that stage; False when it ended before. `lead`: how long a process takes to begin."""
    ready = begun(project, stage)
    line = [sys.executable, "-m", "catchwater", "run", str(project)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(line, stdout=quiet, stderr=quiet, start_new_session=True) as process:
        until(lambda: ready() or process.poll() is not None, f"{stage} never began")
        try:
            process.wait(chance.uniform(0, LONG[stage]) + (lead if stage == "ingest" else 0))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return True
    return False


@pytest.mark.proof
@pytest.mark.timeout(proof.KILLS * 15 + 300)
@pytest.mark.parametrize("stage", sorted(LONG))
def test_killed_in_a_stage_it_is_exactly_once(project: Path, db: Database, stage: str) -> None:
    chance = random.Random(proof.seed())
    assert catchwater("run", project).exit == 0
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "catchwater", "--help"], stdout=subprocess.DEVNULL, check=True)
    lead = time.monotonic() - began
    wanted = proof.KILLS // (len(LONG) if proof.KILLS > 100 else 25)
    hits = tries = 0
    while hits < wanted:
        change(db, chance)
        hits += killed(project, stage, chance, lead)
        tries += 1
        assert tries < wanted * 4 + 10, "it ends before it is killed"
    exactly_once(project, db)


def exactly_once(project: Path, db: Database) -> None:
    done = catchwater("run", project)
    assert done.exit == 0, done.out + done.err
    assert_equal(project, db)
    assert catchwater("verify", project).exit == 0


@pytest.mark.proof
@pytest.mark.parametrize("stage", sorted(LONG))
def test_a_stage_that_publishes_before_all_is_there_is_found(project: Path, db: Database, stage: str) -> None:
    assert catchwater("run", project).exit == 0
    change(db, random.Random(proof.seed()))
    between, line = project.parent / "between", [*broken.line(stage, project.parent), "run", str(project)]
    env = os.environ | {"TMPDIR": str(project.parent)}
    with subprocess.Popen(line, env=env, cwd=broken.ROOT, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        until(lambda: between.exists() or process.poll() is not None, f"{stage} never published")
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
    with pytest.raises(AssertionError):
        exactly_once(project, db)
