"""Processes that fail and die at every call to the world, by turns and by chance: in the end everything is once."""

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support import proof
from tests.support.simulation import Calm, Chance, Wrong
from tests.support.simulation_checks import look, read, whole
from tests.support.simulation_steps import SCENARIOS, Case, Scenario
from tests.support.simulation_world import MODELS, World, machine, run_inline

ROUNDS = 3
SEEDS, BATCHES = 2000, 8


def one_seed(folder: Path, seed: int) -> None:
    """One to three processes by turns, under faults, then one in calm; raises Wrong."""
    chance = random.Random(seed)
    world = World(folder, chance.choice(sorted(MODELS)), chance)
    world.look = lambda con, markers: look(world, con, markers)
    faults = Chance(chance, chance.choice([0, 0.005, 0.02, 0.05]))
    seen: dict[str, int] = {}
    reader = world.process(Calm())
    with machine(rolls=chance.random() < 0.6):
        for _ in range(ROUNDS):
            turns(world, chance, faults, lambda: read(world, reader, seen))
        calm = world.process(Calm(), timedelta(hours=chance.choice([-1, 0, 1])))
        run_inline(calm, calm.settle)
        read(world, reader, seen)
        whole(world, calm)


def turns(world: World, chance: random.Random, faults: Chance, sample: Callable[[], None]) -> None:
    """Processes that were woken before, amid and after a change of the sources, by turns until all have ended."""
    running = []
    for _ in range(chance.randint(1, 3)):
        one = world.process(faults, timedelta(hours=chance.choice([-1, 0, 1])))
        one.process.start(lambda one=one: one.wake(chance))
        running.append(one)
    change_at, steps = chance.randrange(120), 0
    while alive := [one for one in running if not one.process.ended]:
        one = chance.choice(alive)
        for _ in range(chance.choice([1, 1, 2, 5, 20, 60])):
            if not one.process.ended:
                one.process.step()
            steps += 1
            if steps == change_at:
                world.change()
        if one.process.failure:
            raise one.process.failure
        if faults.rate and chance.random() < 0.02 and not one.process.ended:
            one.process.kill()
        if one.process.ended:
            one.end()
            sample()
    if steps < change_at:
        world.change()


def many_seeds(home: Path, first: int, count: int) -> None:
    for seed in range(first, first + count):
        (home / "world").mkdir()
        try:
            one_seed(home / "world", seed)
        except Wrong as error:
            raise Wrong(f"CATCHWATER_SEED={seed} with one seed: {error}") from error
        remove(home / "world")


def remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder)


def test_some_simulated_worlds_end_with_everything_once(tmp_path: Path) -> None:
    many_seeds(tmp_path, proof.seed(), 3)


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_simulated_worlds_end_with_everything_once(tmp_path: Path) -> None:
    many_seeds(tmp_path, proof.seed(), 15)


@pytest.mark.proof
@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("batch", range(BATCHES))
def test_thousands_of_simulated_worlds_end_with_everything_once(tmp_path: Path, batch: int) -> None:
    many_seeds(tmp_path, proof.seed() + batch * SEEDS // BATCHES, SEEDS // BATCHES)


def every_step(home: Path, name: str, later: bool, share: int) -> int:
    """One case in `share` of all that may happen in one pass; how many were tried."""
    seed = proof.seed()
    scenario = Scenario(home, name, later, seed)
    cases = scenario.cases()[seed % share :: share]
    for case in cases:
        scenario.run(case)
    print(f"{len(cases)} cases at {len(scenario.calls)} calls")
    return len(cases)


@pytest.mark.proof
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "later"), SCENARIOS)
def test_a_fault_or_another_process_at_some_calls_of_a_pass(tmp_path: Path, name: str, later: bool) -> None:
    assert every_step(tmp_path, name, later, 180)


@pytest.mark.proof
@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("name", "later"), SCENARIOS)
def test_a_fault_and_another_process_at_every_call_of_a_pass(tmp_path: Path, name: str, later: bool) -> None:
    assert every_step(tmp_path, name, later, 1) > 200


# where in which scenario each broken way does harm; the seed is fixed, so that it is the same harm each time
HARM: dict[str, tuple[str, bool, str, str]] = {
    "overwrite": ("joined", True, "overlap", "create shop/_log"),
    "early": ("events", True, "die", "create events/_log"),
    "apart": ("joined", True, "die", "the marker"),
    "redone": ("joined", True, "after", "create shop/_log"),
    "clock": ("joined", True, "die", "create shop/_log"),
    "unmarked": ("joined", True, "die", "create shop/_log"),
    "stale": ("joined", True, "overlap", "head stock"),
    "uncut": ("joined", True, "die", "create totals"),
    "halfway": ("history", False, "die", "create shop/_log"),
}


QUICK = ("apart", "overwrite", "redone")


@pytest.mark.parametrize("broken", [b if b in QUICK else pytest.param(b, marks=pytest.mark.proof) for b in HARM])
def test_what_is_broken_is_found(tmp_path: Path, broken: str) -> None:
    name, later, fault, call = HARM[broken]
    with pytest.raises(Wrong):
        scenario = Scenario(tmp_path, name, later, 7, broken)
        for case in reversed(found(scenario, fault, call)):
            scenario.run(case)


@pytest.mark.proof
@pytest.mark.parametrize("right", sorted({place[:2] for place in HARM.values()}))
def test_what_is_right_stands_the_same_faults(tmp_path: Path, right: tuple[str, bool]) -> None:
    scenario = Scenario(tmp_path, *right, 7)
    for fault, call in sorted({place[2:] for place in HARM.values() if place[:2] == right}):
        for case in found(scenario, fault, call)[:1]:
            scenario.run(case)


def found(scenario: Scenario, fault: str, call: str) -> list[Case]:
    return [case for case in scenario.cases() if case.fault == fault and case.call.what.startswith(call)]
