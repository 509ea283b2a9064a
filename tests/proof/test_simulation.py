"""Processes that fail and die at every call to the world, by turns and by chance: in the end everything is once."""

import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support import proof
from tests.support.simulation import AtStep, Calm, Chance, Wrong
from tests.support.simulation_checks import look, read, whole
from tests.support.simulation_world import MODELS, Running, World, machine, run_inline

ROUNDS = 3


def one_seed(folder: Path, seed: int, broken: str = "", name: str = "", rate: float | None = None) -> World:
    """Two or three processes by turns, under faults, then one in calm; raises Wrong."""
    chance = random.Random(seed)
    world = World(folder, name or chance.choice(sorted(MODELS)), chance, broken)
    world.look = lambda con, markers: look(world, con, markers)
    faults = Chance(chance, chance.choice([0, 0.005, 0.02, 0.05]) if rate is None else rate)
    seen: dict[str, int] = {}
    reader = world.process(Calm())
    with machine(broken):
        for _ in range(ROUNDS):
            turns(world, chance, faults, lambda: read(world, reader, seen))
        calm = world.process(Calm(), timedelta(hours=chance.choice([-1, 0, 1])))
        run_inline(calm, calm.settle)
        read(world, reader, seen)
        whole(world, calm)
    return world


def turns(world: World, chance: random.Random, faults: Chance, sample: Callable[[], None]) -> None:
    """One change of the sources, and processes that were woken before, amid and after it."""
    running = []
    for _ in range(chance.randint(1, 3)):
        one = world.process(faults, timedelta(hours=chance.choice([-1, 0, 1])))
        one.process.start(lambda one=one: one.wake(chance))
        running.append(one)
    change_at = chance.randrange(120)
    steps = 0
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
        if chance.random() < 0.02:
            one.process.kill() if not one.process.ended and faults.rate else None
        if one.process.ended:
            one.end()
            sample()
    if steps < change_at:
        world.change()
