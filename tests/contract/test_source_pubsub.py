"""Pub/Sub as a source and a topic: everything published is in the log once, or in quarantine and the dead letter."""

import dataclasses
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from catchwater.adapters.sources import pubsub_lease
from catchwater.adapters.sources.pubsub import PubsubSource
from catchwater.ports import Delivered
from catchwater.project import schema
from tests.support.feeds import Flow, settings
from tests.support.pubsub import Pubsub, pubsub

__all__ = ["pubsub"]

EVENT = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "string"}, "n": {"type": "integer"}, "at": {"type": "string", "format": "date-time"}},
}


@dataclass
class Brought:
    """An inbox whose requests never go away."""

    held: list[Delivered] = field(default_factory=list)
    settled: set[str] = field(default_factory=set)

    def waiting(self) -> Sequence[Delivered]:
        return [each for each in self.held if each.id not in self.settled]

    def settle(self, ids: Collection[str]) -> None:
        self.settled.update(ids)


@dataclass
class Feed:
    """A topic, the subscription that the source pulls, a dead letter, and the log."""

    folder: Path
    server: Pubsub
    key: tuple[str, ...] = ("id",)
    inbox: Brought | None = None

    def __post_init__(self) -> None:
        (self.folder / "event.json").write_text(json.dumps(EVENT))
        self.topic, dead = self.server.topic(), self.server.topic()
        self.subscription, self.dead = self.server.subscription(self.topic), self.server.subscription(dead)
        self.queues = {"events": self.subscription, "events/dead": dead}
        self.flow = Flow(self.folder, "events", self.source())

    def source(self) -> PubsubSource:
        spec = schema.TopicSource(kind="topic", schema_file="event.json", key=list(self.key))
        told = dataclasses.replace(
            settings(self.folder), variables=self.server.variables, queues=self.queues, inbox=self.inbox
        )
        return PubsubSource("events", spec, told)

    def fresh(self) -> None:
        """As after the process was started anew: nothing is remembered."""
        pubsub_lease.lease.cache_clear()

    def publish(self, *messages: dict[str, Any] | bytes) -> list[str]:
        bodies = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in messages]
        return self.server.publish(self.topic, *bodies)


@pytest.fixture
def feed(tmp_path: Path, pubsub: Pubsub) -> Feed:
    return Feed(tmp_path, pubsub)


def test_what_waits_is_one_batch_and_acknowledged_after_it(feed: Feed) -> None:
    ids = feed.publish(*({"id": f"{n:05}", "n": n} for n in range(2500)))
    outcome = feed.flow.run()
    assert (outcome.rows_out, len(outcome.batches)) == (2500, 1)
    assert feed.flow.rows("id") == [(f"{n:05}",) for n in range(2500)]
    assert {row[0] for row in feed.flow.rows("_version")} == set(ids)
    assert feed.flow.run().batches == ()
    assert feed.server.drain(feed.subscription) == []
