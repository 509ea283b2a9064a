"""A lake put back to yesterday, under a warehouse and models of today: a named error, or exactly the rows again."""

import json
import random
import shutil
from pathlib import Path

import pytest

from tests.faults.test_run_kills import assert_equal, change, project, rows
from tests.support import proof
from tests.support.commands import Result, catchwater
from tests.support.postgres import Database, db, postgres18

__all__ = ["db", "postgres18", "project"]

NAMED = ("ChainBroken", "Corrupt")


def put_back(project: Path, copy: Path, zones: tuple[str, ...]) -> None:
    """These zones as they were when they were copied; what came since is gone."""
    for zone in zones:
        target = project / ".catchwater" / "lake" / zone
        shutil.rmtree(target)
        shutil.copytree(copy / zone, target)


def failures(done: Result) -> list[dict[str, str]]:
    return [failure for step in json.loads(done.out)["steps"] for failure in step["failures"]]


def assert_once_or_named(project: Path, db: Database, before: int) -> bool:
    """True where the run came through."""
    done = catchwater("run", project, "--json")
    if done.exit == 0:
        return True
    assert done.exit == 1, done.out + done.err
    told = failures(done)
    assert told
    assert {failure["error"] for failure in told} <= set(NAMED), told
    assert all("restored" in failure["message"] for failure in told), told
    assert rows(project, "SELECT count(*) AS n FROM order_versions") == [(before,)]  # the last good state
    return False


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("zones", [("ingestion", "processed"), ("ingestion",), ("processed",)], ids="+".join)
def test_a_lake_of_yesterday_is_told_or_made_whole(
    project: Path, db: Database, tmp_path: Path, zones: tuple[str, ...]
) -> None:
    chance = random.Random(proof.seed())
    assert catchwater("run", project).exit == 0
    for number in range(4 if proof.KILLS > 100 else 1):
        for _ in range(2):
            change(db, chance)
            assert catchwater("run", project).exit == 0
        copy = tmp_path / f"yesterday-{number}"
        shutil.copytree(project / ".catchwater" / "lake", copy)
        today = tmp_path / f"today-{number}"
        for _ in range(chance.randint(1, 3)):
            change(db, chance)
            assert catchwater("run", project).exit == 0
        shutil.copytree(project / ".catchwater" / "lake", today)
        [(before,)] = rows(project, "SELECT count(*) AS n FROM order_versions")
        put_back(project, copy, zones)
        if chance.random() < 0.5:
            change(db, chance)
        if not assert_once_or_named(project, db, int(str(before))):
            put_back(project, today, ("ingestion", "processed"))
        assert catchwater("run", project).exit == 0
        current_equals(project, db)
        assert catchwater("verify", project).exit == 0
    change(db, chance)
    assert catchwater("run", project).exit == 0
    assert_equal(project, db)


def current_equals(project: Path, db: Database) -> None:
    truth = [tuple(map(str, row)) for row in db.run("SELECT id, customer, total FROM orders ORDER BY id")]
    held = rows(project, "SELECT id, customer, total::VARCHAR AS total FROM orders ORDER BY id")
    assert [tuple(map(str, row)) for row in held] == truth
