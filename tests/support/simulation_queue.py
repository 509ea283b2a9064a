"""A queue that delivers at least once, in any order, behind the real reading of its messages into batches."""

import json
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catchwater.adapters.sources.sqs import SqsSource
from catchwater.errors import SourceUnreachable
from catchwater.ports import Delivered, Extraction, Held, Settings
from catchwater.project.schema import TopicSource
from catchwater.project.tables import Column, TableSchema
from tests.support.simulation import Moment, Process

SPEC = TopicSource.model_validate({"kind": "topic", "schema": "event.json", "key": ["event_id"]}, by_alias=True)
EVENTS = TableSchema("events", (Column("event_id", "VARCHAR", False), Column("n", "BIGINT", False)), ("event_id",))
SHAPE = {
    "type": "object",
    "properties": {"event_id": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["event_id", "n"],
}
MOST = 4


@dataclass
class Queue:
    """Every message stays until it is acknowledged; publishers send some of them twice."""

    chance: random.Random
    folder: Path
    moment: Moment
    waiting: list[Delivered] = field(default_factory=list)
    published: dict[str, int] = field(default_factory=dict)  # event_id → n, of those that can be taken
    poison: set[str] = field(default_factory=set)  # ids of messages that can't
    acknowledged: set[str] = field(default_factory=set)
    number: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "event.json").write_text(json.dumps(SHAPE))

    def publish(self, count: int) -> None:
        for _ in range(count):
            self.number += 1
            name = f"e{self.number}"
            body: dict[str, Any] = {"event_id": name, "n": self.number}
            if self.chance.random() < 0.15:
                body["n"] = "poison"
                self.poison.add(name)
            else:
                self.published[name] = self.number
            self.moment.pass_by(1)
            one = Delivered(name, self.moment.now.timestamp(), json.dumps(body).encode(), {})
            self.waiting += [one] * (2 if self.chance.random() < 0.2 else 1)

    def some(self) -> list[Delivered]:
        """Some of those that aren't acknowledged, in any order; others may be given the same."""
        return self.chance.sample(self.waiting, min(len(self.waiting), self.chance.randint(1, MOST)))

    def settle(self, ids: Collection[str]) -> None:
        self.acknowledged |= set(ids)
        self.waiting = [message for message in self.waiting if message.id not in ids]


class _Inbox:
    """What one wake was given; `early` is broken: it acknowledges what isn't committed."""

    def __init__(self, queue: Queue, process: Process, early: bool) -> None:
        self._queue, self._process, self._early = queue, process, early

    def _ask(self, what: str, act: Callable[[], Any], *, effect: bool = False) -> Any:
        return self._process.call("queue", what, act, lambda: SourceUnreachable("the queue is away"), effect=effect)

    def waiting(self) -> Sequence[Delivered]:
        found: list[Delivered] = self._ask("pull", self._queue.some)
        if self._early:
            self.settle({message.id for message in found})
        return found

    def settle(self, ids: Collection[str]) -> None:
        self._ask("settle", lambda: self._queue.settle(ids), effect=True)


class SimulatedQueue:
    """The topic of one process."""

    def __init__(self, queue: Queue, process: Process, *, early: bool = False) -> None:
        folder = queue.folder
        settings = Settings(folder, folder, "local", str, inbox=_Inbox(queue, process, early))
        self._real = SqsSource("events", SPEC, settings)

    def describe(self) -> tuple[TableSchema, ...]:
        return self._real.describe()

    def capture(self, tables: Sequence[str], held: Held, work: Path) -> Extraction | None:
        return self._real.capture(tables, held, work)
