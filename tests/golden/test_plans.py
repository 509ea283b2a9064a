"""Each example's project file becomes exactly this plan; look at a difference, then `pytest --update-golden`."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from catchwater.plan import explain
from catchwater.plan.plan import Plan, from_bytes
from catchwater.runtimes.planning import open_project, plan_project
from tests.support.examples import EXAMPLES, plan_of

HERE = Path(__file__).parent / "plans"
VARIABLES = {"STATIONS_URL": "http://127.0.0.1:1/stations.csv", "GITHUB_WEBHOOK": "hunter2"}


def plan(name: str, folder: Path) -> Plan:
    if name in ("totesys", "shop"):
        return plan_of(name)
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns(".catchwater"))
    return plan_project(open_project(folder, variables=VARIABLES)).plan


@pytest.mark.parametrize("name", ["events", "github_activity", "open_data", "shop", "totesys"])
def test_each_example_becomes_its_plan(name: str, tmp_path: Path, golden: Callable[[Path, str], None]) -> None:
    made = plan(name, tmp_path / name)
    golden(HERE / f"{name}.json", made.to_bytes().decode())
    golden(HERE / f"{name}.txt", "\n".join([*explain.summary(made), *explain.lines(None, made)]) + "\n")
    assert from_bytes(made.to_bytes()) == made
    assert b"hunter2" not in made.to_bytes()
