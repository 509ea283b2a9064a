"""A machine whose clock goes back an hour between runs: no row, order or time of a row depends on it."""

import importlib
import pkgutil
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from unittest import mock

import catchwater as package
from tests.faults.test_run_kills import assert_equal, change, project, rows
from tests.support import proof
from tests.support.commands import catchwater
from tests.support.postgres import Database, db, postgres18
from tests.support.simulation import Call, Calm
from tests.support.simulation_checks import whole
from tests.support.simulation_world import World, machine, run_inline

__all__ = ["db", "postgres18", "project"]

ROOMS = ("catchwater.wiring", "catchwater.runtimes", "catchwater.stages", "catchwater.lake", "catchwater.cli")
real = datetime.now


def at(offset: timedelta) -> type[datetime]:
    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return real(tz) + offset

    return Shifted


def rooms() -> Iterator[object]:
    """The modules of one machine that read the clock as `datetime.now`."""
    for found in pkgutil.walk_packages(package.__path__, "catchwater."):
        if found.name.startswith(ROOMS) and "cloud" not in found.name and "dataflow" not in found.name:
            module = importlib.import_module(found.name)
            if getattr(module, "datetime", None) is datetime:
                yield module


@contextmanager
def clock(offset: timedelta) -> Iterator[int]:
    with ExitStack() as stack:
        modules = list(rooms())
        for module in modules:
            stack.enter_context(mock.patch.object(module, "datetime", at(offset)))
        yield len(modules)


def run(project: Path, offset: timedelta) -> None:
    with clock(offset) as modules:
        assert modules > 3
        done = catchwater("run", project)
        assert done.exit == 0, done.out + done.err


def test_a_clock_that_goes_back_changes_nothing(project: Path, db: Database) -> None:
    chance = random.Random(proof.seed())
    for hours in (0, -1, 1, -1):
        change(db, chance)
        run(project, timedelta(hours=hours))
    assert_equal(project, db)
    assert catchwater("verify", project).exit == 0
    times = rows(project, "SELECT order_record_id, _at::VARCHAR AS at FROM order_versions ORDER BY 1")
    assert [at for _, at in times] == sorted(at for _, at in times)  # the source's clock, in the log's order
    numbers = [run["number"] for run in catchwater("runs", project, "--json").json]
    assert numbers == sorted(numbers, reverse=True)
    assert catchwater("status", project).exit == 0


def unsettled(call: Call) -> str:
    return "before" if call.what == "settle" else ""


def test_a_message_taken_where_the_clock_is_behind_is_known_when_it_comes_again(tmp_path: Path) -> None:
    world = World(tmp_path, "events", random.Random(7))
    world.queue.publish(6)
    with machine():
        for decide in (*[unsettled] * 8, Calm()):
            behind = world.process(decide, timedelta(days=-2))
            run_inline(behind, behind.once)
        calm = world.process(Calm())
        run_inline(calm, calm.settle)
        whole(world, calm)
    assert world.failures  # the queue was away when messages were to be acknowledged
