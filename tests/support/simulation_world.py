"""Worlds to simulate: a source, buckets and a warehouse that outlive processes, and the processes' own passes."""

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from unittest import mock

from catchwater.adapters.engines.duckdb import DuckdbEngine
from catchwater.errors import CatchwaterError
from catchwater.lake import checkpoint
from catchwater.plan.models import load_models
from catchwater.plan.plan import Plan, SourcePlan, Step
from catchwater.ports import Ports, Settings, Source
from catchwater.stages.ingest import ingest
from catchwater.stages.load import load
from catchwater.stages.outcome import Outcome
from catchwater.stages.process import process as process_stage
from tests.support.simulation import Clock, Decide, Moment, Process, Wrong, simulated
from tests.support.simulation_broken import broken
from tests.support.simulation_database import TABLES, Database, SimulatedSource
from tests.support.simulation_duckdb import one_instance
from tests.support.simulation_ports import (
    Bucket,
    BucketStore,
    SimulatedWarehouse,
    faulty_warehouse,
    forget_houses,
)
from tests.support.simulation_queue import EVENTS, Queue, SimulatedQueue

# name → head and SELECT; each plan is one project
MODELS = {
    "joined": {
        "stock": ("key: [id]", "SELECT id, name, qty * 2 AS twice FROM shop.items"),
        "facts": (
            "key: [id]",
            "SELECT o.id, o.n, i.name FROM shop.orders AS o LEFT JOIN shop.items AS i ON i.id = o.item_id",
        ),
        "totals": ("key: [name]", "SELECT coalesce(name, '') AS name, sum(n) AS n FROM facts GROUP BY 1"),
    },
    "history": {
        "versions": ("key: [vid]\nentity: [id]", "SELECT o._id AS vid, o.id, o.n FROM shop.orders__history AS o"),
        "stock": ("key: [id]", "SELECT id, name, qty * 2 AS twice FROM shop.items"),
    },
    "events": {
        "taken": ("key: [event_id]", "SELECT event_id, n FROM events"),
        "mixed": (
            "key: [id]",
            "SELECT o.id, o.n, e.n AS m FROM shop.orders AS o LEFT JOIN events AS e ON e.event_id = 'e' || o.id",
        ),
    },
}
ALLOWED = {"Uncertain", "LostRace", "SourceUnreachable", "SourceBusy", "WarehouseError", "WarehouseBusy"}
PASSES = 12


@cache
def plan_of(name: str) -> Plan:
    folder = Path(mkdtemp(prefix="catchwater-simulation-"))
    (folder / "models").mkdir()
    for model, (head, sql) in MODELS[name].items():
        (folder / "models" / f"{model}.sql").write_text(f"/*---\n{head}\n---*/\n{sql}\n", encoding="utf-8")
    sources = {"shop": tuple(TABLES.values())} | ({"events": (EVENTS,)} if name == "events" else {})
    models = load_models(folder, sources, _engine(folder).describe, {})
    steps = [Step(f"ingest:{source}", "ingest", source) for source in sources]
    for group in dict.fromkeys(model.group for model in models):
        steps.append(Step(f"process:{group}", "process", models=tuple(m.name for m in models if m.group == group)))
    steps.append(Step("load:duckdb", "load", models=tuple(model.name for model in models)))
    plans = tuple(SourcePlan(source, "simulated", {}, tables) for source, tables in sources.items())
    return Plan("p", "local", plans, models, tuple(steps), (), (), (), {}, {}, {}, {})


def _engine(folder: Path) -> DuckdbEngine:
    return DuckdbEngine("duckdb", None, Settings(folder, folder / ".catchwater", "local", str))


@dataclass
class World:
    """What outlives processes. `broken` names what is wrong on purpose; `look` is called with each warehouse file
    that a load finds, and by readers."""

    folder: Path
    name: str
    chance: random.Random
    broken: str = ""
    moment: Moment = field(default_factory=Moment)
    failures: list[str] = field(default_factory=list)
    look: Callable[[Any, Any], None] = lambda con, markers: None
    born: int = 0
    allowed: set[str] = field(default_factory=lambda: {*ALLOWED})

    def __post_init__(self) -> None:
        self.plan = plan_of(self.name)
        self.database = Database(self.chance)
        self.queue = Queue(self.chance, self.folder / "queue", self.moment)
        self.zones = {zone: Bucket(self.folder / zone) for zone in ("ingestion", "processed")}
        for bucket in self.zones.values():
            bucket.overwrites = self.broken == "overwrite"
        self.engine = _engine(self.folder)

    def process(self, decide: Decide, skew: timedelta = timedelta()) -> "Running":
        self.born += 1
        return Running(self, Process(f"process {self.born}", decide, skew))

    def copy(self, folder: Path) -> "World":
        """The same world elsewhere, to go another way from here."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        chance = deepcopy(self.chance)
        made = World(folder, self.name, chance, self.broken, replace(self.moment), look=self.look)
        made.database = replace(
            self.database,
            chance=chance,
            states=[*self.database.states],
            shapes=[*self.database.shapes],
            takes=[*self.database.takes],
            refusals={*self.database.refusals},
        )
        for zone, bucket in self.zones.items():
            made.zones[zone].objects.update(bucket.objects)
        queue = made.queue
        queue.waiting, queue.number = [*self.queue.waiting], self.queue.number
        queue.published, queue.poison = dict(self.queue.published), {*self.queue.poison}
        return made

    def change(self) -> None:
        """Something happens at the sources."""
        self.moment.pass_by(self.chance.randrange(60))
        for _ in range(self.chance.randint(1, 3)):
            self.database.change(self.chance.randint(1, 5))
        if self.name == "events":
            self.queue.publish(self.chance.randint(1, 5))


class Running:
    """One process: passes over the steps of the plan, with ports of its own."""

    def __init__(self, world: World, process: Process) -> None:
        self.world, self.process = world, process
        self.warehouse = SimulatedWarehouse(world.folder / "state", process, lambda con, m: world.look(con, m))
        self.outcomes: list[Outcome] = []

    def ports(self, step: Step) -> Ports:
        world = self.world
        stores = {zone: BucketStore(bucket, self.process) for zone, bucket in world.zones.items()}
        return Ports(
            stores,
            world.engine,
            Clock(self.process, world.moment),
            source=self._source(step.source),
            warehouse=self.warehouse,
        )

    def _source(self, name: str) -> Source | None:
        if name == "events":
            return SimulatedQueue(self.world.queue, self.process, early=self.world.broken == "early")
        return SimulatedSource(self.world.database, self.process) if name else None

    def steps(self, steps: list[Step]) -> bool:
        """These steps in this order; whether any of them moved, or failed."""
        restless = False
        stages = {"ingest": ingest, "process": process_stage, "load": load}
        for step in steps:
            try:
                outcome = stages[step.stage](self.ports(step), self.world.plan, step, "run")
            except CatchwaterError as error:
                self._failed(type(error).__name__, f"{step.name}: {error}")
                restless = True
            else:
                for failure in outcome.failures:
                    self._failed(failure.error, f"{step.name}: {failure.what}: {failure.message}")
                restless = restless or outcome.moved or outcome.failed or outcome.more
                self.outcomes.append(outcome)
            if step.stage == "load":
                self.warehouse.close()
        return restless

    def _failed(self, name: str, said: str) -> None:
        self.world.failures.append(said)
        if name not in self.world.allowed:
            raise Wrong(f"{self.process.name}: {name}: {said}")

    def once(self) -> None:
        """One pass over every step."""
        self.steps(list(self.world.plan.steps))

    def wake(self, chance: random.Random) -> None:
        """Steps as events wake them: some twice, some not, in any order."""
        steps = list(self.world.plan.steps)
        woken = chance.choices(steps, k=len(steps)) if chance.random() < 0.5 else steps
        self.steps(woken)

    def settle(self) -> None:
        """Passes until nothing is left to do, without a fault."""
        for _ in range(PASSES + len(self.world.queue.waiting)):
            before, done = len(self.world.failures), len(self.outcomes)
            moved = self.steps(list(self.world.plan.steps))
            if len(self.world.failures) > before:
                raise Wrong(f"in calm: {self.world.failures[before]}")
            if notes := [note for one in self.outcomes[done:] for note in one.notes if "isn't rolled" in note]:
                raise Wrong(f"in calm: {notes[0]}")
            if not moved and not self.world.queue.waiting:
                return
        raise Wrong("it never comes to rest")

    def end(self) -> None:
        """What the operating system takes back from a process."""
        forget_houses(self.process.memory)


@contextmanager
def machine(wrong: str = "", rolls: bool = True) -> Iterator[None]:
    """Everything that a simulation replaces, for the time of a block; `wrong` is one of BROKEN, and with `rolls` logs
    are rolled into checkpoints every other batch."""
    often = mock.patch.multiple(checkpoint, BATCHES=2, STEP=1) if rolls else nullcontext()
    with simulated(), faulty_warehouse(apart=wrong == "apart"), one_instance(), broken(wrong), often:
        yield


def run_inline(running: Running, work: Callable[[], object]) -> None:
    running.process.inline(work)
    running.end()
    if running.process.failure:
        raise running.process.failure
