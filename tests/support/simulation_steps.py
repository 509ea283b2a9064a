"""One scenario gone through again and again, with a fault or another process at each of its calls."""

import random
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.simulation import AtStep, Call, Calm, Wrong
from tests.support.simulation_checks import look, read, whole
from tests.support.simulation_world import World, machine, run_inline

# the plan, and whether it has run before: what then follows is one pass
SCENARIOS = [(name, later) for name in ("joined", "history", "events") for later in (True, False)]


@dataclass(frozen=True)
class Case:
    """What happens at call `number`: a fault, or (`overlap`) the whole pass of another process."""

    number: int
    fault: str
    call: Call


class Scenario:
    """A world before one pass, and the calls of that pass."""

    def __init__(self, folder: Path, name: str, later: bool, seed: int, broken: str = "") -> None:
        self.folder, self.broken = folder, broken
        chance = random.Random(seed)
        self.world = World(folder / "before", name, chance, broken)
        for _ in range(2 if later else 1):
            self.world.change()
            self.world.database.change(6)
        if later:
            with machine(broken):
                calm = self.world.process(Calm())
                run_inline(calm, calm.settle)
            self.world.change()
            self.world.database.change(6)
        recorded = Calm()
        with self._copy() as world, machine(broken):
            one = world.process(recorded)
            run_inline(one, one.once)
        self.calls = recorded.calls

    def cases(self) -> list[Case]:
        """Every one: an answer that is lost when the work is done and one that says so before; a death before each call
        (after the one before it, that is); another process between any two."""
        found = []
        for number, call in enumerate(self.calls):
            faults = ["die", "overlap", *(["before"] if call.fails else []), *(["after"] if _lossy(call) else [])]
            found += [Case(number, fault, call) for fault in faults]
        return found

    def run(self, case: Case) -> None:
        """Raises Wrong with the case."""
        with self._copy() as world, machine(self.broken):
            world.look = lambda con, markers: look(world, con, markers)
            try:
                _overlap(world, case.number) if case.fault == "overlap" else _fault(world, case)
                calm = world.process(Calm(), timedelta(hours=-1))
                run_inline(calm, calm.settle)
                read(world, calm, {})
                whole(world, calm)
            except Wrong as error:
                raise Wrong(f"{world.name}, {case}: {error}") from error

    def _copy(self) -> "_Copy":
        return _Copy(self)


class _Copy:
    def __init__(self, scenario: Scenario) -> None:
        self._scenario, self._folder = scenario, TemporaryDirectory(prefix="catchwater-")

    def __enter__(self) -> World:
        return self._scenario.world.copy(Path(self._folder.name))

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def _lossy(call: Call) -> bool:
    return call.fails and call.effect


def _fault(world: World, case: Case) -> None:
    """Then wakes that come late: of the load, of the models, and of the load again."""
    seen: dict[str, int] = {}
    one = world.process(AtStep(case.number, case.fault))
    run_inline(one, one.once)
    rest = [step for step in world.plan.steps if step.stage != "ingest"]
    for steps in (rest[-1:], rest):
        late = world.process(Calm())
        run_inline(late, lambda late=late, steps=steps: late.steps(steps))
        _sample(world, seen)


def _overlap(world: World, number: int) -> None:
    """Another process does everything, of newer rows too, while one rests before its call."""
    seen: dict[str, int] = {}
    first = world.process(Calm())
    first.process.start(first.once)
    for _ in range(number + 1):
        if not first.process.ended:
            first.process.step()
    world.change()
    other = world.process(Calm())
    run_inline(other, other.once)
    _sample(world, seen)
    while not first.process.ended:
        first.process.step()
    first.end()
    if first.process.failure:
        raise first.process.failure
    _sample(world, seen)


def _sample(world: World, seen: dict[str, int]) -> None:
    reader = world.process(Calm())
    read(world, reader, seen)
