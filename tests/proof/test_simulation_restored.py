"""Buckets put back to yesterday under a warehouse of today, simulated: the rows once, or a named error and the rows
of before."""

import random
from pathlib import Path

import pytest

from tests.support import proof
from tests.support.simulation import Calm, Wrong
from tests.support.simulation_checks import held, look, tables_of, whole
from tests.support.simulation_world import Running, World, machine, run_inline

NAMED = ("ChainBroken", "Corrupt")


def one_restore(folder: Path, seed: int, broken: str = "") -> str:
    """A database (messages that were acknowledged can't be had again) whose zones (one or both) were put back: "told" or "whole";
    raises Wrong."""
    chance = random.Random(seed)
    world = World(folder, chance.choice(["history", "joined"]), chance)
    zones = chance.choice([["ingestion"], ["processed"], ["ingestion", "processed"]])
    with machine(broken, rolls=chance.random() < 0.5):
        grown(world, chance.randint(1, 3))
        yesterday = {zone: dict(world.zones[zone].objects) for zone in zones}
        grown(world, chance.randint(1, 3))
        before = published(world)
        for zone in zones:
            world.zones[zone].objects = yesterday[zone]
        if chance.random() < 0.6:
            world.change()
        world.allowed |= {*NAMED}
        one = world.process(Calm())
        run_inline(one, one.once)
        if any(name in said for said in world.failures for name in ("ChainBroken", "should have the hash", "gone")):
            if published(world).keys() != before.keys():
                raise Wrong("the last good state can't be read")
            return "told"
        calm = world.process(Calm())
        world.look = lambda con, markers: look(world, con, markers)
        run_inline(calm, calm.settle)
        whole(world, calm)
    return "whole"


def grown(world: World, changes: int) -> None:
    for _ in range(changes):
        world.change()
        calm = world.process(Calm())
        run_inline(calm, calm.settle)


def published(world: World) -> dict[str, object]:
    reader = Running(world, world.process(Calm()).process)
    with reader.warehouse.real.read() as reading:
        found = {name: held(reading.connection, name) for name in tables_of(world)}
    reader.warehouse.real.close()
    return found


def restores(home: Path, first: int, count: int, broken: str = "") -> set[str]:
    ends = set()
    for seed in range(first, first + count):
        try:
            ends.add(one_restore(home / str(seed), seed, broken))
        except Wrong as error:
            raise Wrong(f"seed {seed}: {error}") from error
    return ends


@pytest.mark.proof
@pytest.mark.timeout(1200)
def test_buckets_of_yesterday_are_told_or_made_whole(tmp_path: Path) -> None:
    ends = restores(tmp_path, proof.seed(), 100 if proof.KILLS > 100 else 10)
    assert ends <= {"told", "whole"}


@pytest.mark.proof
def test_markers_without_a_hash_are_found_out(tmp_path: Path) -> None:
    with pytest.raises(Wrong):
        restores(tmp_path, 1, 30, "hashless")
