"""Two `run`s and an `up` at once on one project, each a process: every row once, and `verify` finds nothing."""

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_up import up
from tests.faults.test_run_kills import assert_equal, change, project
from tests.support import broken, proof
from tests.support.commands import catchwater
from tests.support.postgres import Database, db, postgres18

__all__ = ["db", "postgres18", "project"]

BUSY = ("LostRace", "WarehouseBusy", "another writer", "has held the file", "another load", "committed this batch")


def together(project: Path, product: list[str] | None = None) -> list[str]:
    """What two runs said that began at once and failed."""
    line = [*(product or [sys.executable, "-m", "catchwater"]), "run", str(project)]
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": broken.ROOT}
    both = [subprocess.Popen(line, **piped) for _ in range(2)]  # type: ignore[call-overload]
    told = []
    for one in both:
        out, err = one.communicate(timeout=120)
        assert "Traceback" not in out + err, err
        assert one.returncode in (0, 1), out + err
        told += [out + err] if one.returncode else []
    return told


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_two_runs_and_an_up_at_once_lose_and_double_nothing(project: Path, db: Database) -> None:
    chance = random.Random(proof.seed())
    text = (project / "catchwater.yml").read_text()
    assert "every:" in text
    (project / "catchwater.yml").write_text(re.sub(r"every: [^,}\n]+", "every: 1 second", text))
    told = []
    with up(project):
        for _ in range(20 if proof.KILLS > 100 else 3):
            change(db, chance)
            told += together(project)
    once_each(project, db, told)


def once_each(project: Path, db: Database, told: list[str]) -> None:
    assert all(any(word in said for word in BUSY) for said in told), told
    done = catchwater("run", project)
    assert done.exit == 0, done.out + done.err
    assert_equal(project, db)
    assert catchwater("verify", project).exit == 0


@pytest.mark.proof
def test_two_runs_of_which_none_gives_way_are_found(project: Path, db: Database) -> None:
    assert catchwater("run", project).exit == 0
    change(db, random.Random(proof.seed()))
    told = together(project, broken.line("rebases", project.parent))
    with pytest.raises(AssertionError):
        once_each(project, db, told)
