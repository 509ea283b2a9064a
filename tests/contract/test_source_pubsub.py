"""Pub/Sub as a source and a topic: everything published is in the log once, or in quarantine and the dead letter."""

import dataclasses
import hashlib
import hmac
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from catchwater.adapters.sources import pubsub_calls, pubsub_lease, queued
from catchwater.adapters.sources.pubsub import PubsubSource, PubsubTopic
from catchwater.errors import SecretMissing, SourceRefused, SourceUnreachable, UseError
from catchwater.ports import Delivered, Held
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


BAD = {
    b'{"id": "x"': "not JSON",
    b"\xff\xfe": "not UTF-8",
    b'{"n": 1}': '"id" is a required property',
    b'{"id": "x", "at": "yesterday"}': "at: ",
    b'{"id": "x", "n": 99999999999999999999}': "n: ",
}


def test_what_cannot_be_read_is_quarantined_and_buried_once(feed: Feed) -> None:
    ids = feed.publish(*BAD, {"id": "good"})
    outcome = feed.flow.run()
    assert (outcome.rows_out, outcome.quarantined) == (1, len(BAD))
    refused = {each.where.removeprefix("message "): each for each in feed.flow.refused()}
    buried = {each.attributes["catchwater-id"]: each for each in feed.server.drain(feed.dead)}
    assert refused.keys() == buried.keys() == set(ids[:-1])
    for body, name in zip(BAD, ids, strict=False):
        assert buried[name].data == body
        assert BAD[body] in refused[name].reason
        assert buried[name].attributes["catchwater-reason"] == refused[name].reason[:250]
    assert feed.flow.run().batches == ()
    assert feed.server.drain(feed.dead) == []


def test_without_a_dead_letter_topic_there_is_the_quarantine(feed: Feed) -> None:
    del feed.queues["events/dead"]
    feed.publish(b"no", {"id": "1"})
    assert feed.flow.run().quarantined == 1
    assert feed.server.drain(feed.subscription) == []


def test_a_message_that_comes_again_is_no_second_row(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a kill between the commit and the acknowledgement."""
    feed.publish(*({"id": str(n)} for n in range(30)), b"no")
    monkeypatch.setattr(pubsub_lease.Lease, "acknowledge", lambda self, ids: None)
    assert feed.flow.run().rows_out == 30
    monkeypatch.undo()
    feed.fresh()
    feed.server.seek(feed.subscription)
    feed.publish({"id": "new"})
    outcome = feed.flow.run()
    assert (outcome.rows_out, outcome.quarantined) == (1, 0)
    assert len(feed.flow.rows("id", history=True)) == 31
    assert len(feed.flow.refused()) == 1
    assert feed.server.drain(feed.subscription) == []


def test_the_log_is_asked_as_far_back_as_the_oldest_message(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    for n in range(12):
        feed.publish({"id": str(n)})
        feed.flow.run()
    feed.fresh()
    real = PubsubSource.capture

    def counted(self: PubsubSource, tables: Sequence[str], held: Held, work: Path) -> Any:
        def positions(moment: Any) -> Any:
            for position in held.positions(moment):
                asked.append(position)
                yield position

        return real(self, tables, dataclasses.replace(held, positions=positions), work)

    monkeypatch.setattr(PubsubSource, "capture", counted)
    monkeypatch.setattr(queued, "SLACK", 0.0)
    feed.publish({"id": "a"})
    feed.flow.run()
    assert len(asked) == 1  # it was published after every batch
    feed.publish({"id": "b"})
    feed.flow.run()
    assert len(asked) == 1  # what this process committed itself it knows
    feed.server.seek(feed.subscription)
    assert feed.flow.run().batches == ()
    assert len(asked) == 1 + 14
    assert len(feed.flow.rows("id", history=True)) == 14


def test_another_writer_of_the_log_is_seen(feed: Feed) -> None:
    feed.publish({"id": "1"})
    feed.flow.run()
    mine = pubsub_lease.lease(feed.subscription, feed.server.host)
    feed.fresh()
    feed.publish({"id": "2"})
    feed.flow.run()
    feed.server.seek(feed.subscription)
    mine.fill(0, 0, patient=False)
    assert len(mine.messages) == 2
    assert mine.known(_held(feed), 0.0) >= set(mine.messages)


def _held(feed: Feed) -> Held:
    batches = feed.flow.batches()
    return Held(batches[-1].position, {}, lambda *_: "", lambda _: iter(each.position for each in batches[::-1]))


def test_requests_and_the_subscription_give_one_batch(feed: Feed) -> None:
    """A push's message is committed even if the pull doesn't bring it; what both bring is one row."""
    feed.inbox = Brought()
    feed.flow = Flow(feed.folder, "events", feed.source())
    (both,) = feed.publish({"id": "both"})
    feed.inbox.held = [delivered("only", {"id": "only"}), delivered(both, {"id": "both"})]
    feed.publish(*({"id": f"{n}"} for n in range(5)))
    outcome = feed.flow.run()
    assert (outcome.rows_out, len(outcome.batches)) == (7, 1)
    assert feed.inbox.settled >= {"only", both}
    again = Brought([delivered("only", {"id": "only"})])
    feed.inbox.held, feed.inbox.settled = again.held, set()
    feed.fresh()
    assert feed.flow.run().batches == ()
    assert feed.inbox.settled == {"only"}  # answered 2xx: the log has it


def delivered(name: str, message: dict[str, Any]) -> Delivered:
    return Delivered(name, datetime.now(UTC).timestamp(), json.dumps(message).encode())


def test_nothing_is_settled_before_the_commit(feed: Feed) -> None:
    feed.inbox = Brought([delivered("1", {"id": "1"})])
    source = feed.source()
    feed.publish({"id": "2"})
    extraction = source.capture(["events"], Held(None, {}, lambda *_: ""), feed.folder / "work")
    assert extraction is not None
    assert extraction.rows_read == 2
    assert feed.inbox.settled == set()
    again = source.capture(["events"], Held(None, {}, lambda *_: ""), feed.folder / "again")
    assert again is not None
    assert again.rows_read == 2  # a lost race reads the same again, though it is leased
    assert again.settle is not None
    again.settle()
    assert feed.inbox.settled >= {"1"}
    assert feed.server.drain(feed.subscription) == []


def test_batches_are_bounded(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pubsub_lease, "BATCH_MESSAGES", 10)
    feed.publish(*({"id": f"{n:02}", "n": n} for n in range(25)))
    outcome = feed.flow.run()
    assert [batch.tables["events"].rows for batch in feed.flow.batches()] == [10, 10, 5]
    assert outcome.rows_out == 25
    monkeypatch.setattr(pubsub_lease, "BATCH_MESSAGES", 1000)
    monkeypatch.setattr(pubsub_lease, "BATCH_BYTES", 100)
    feed.publish({"id": "x" * 300}, {"id": "y" * 300})
    assert feed.flow.run().rows_out == 2
    assert len(feed.flow.rows("id")) == 27


def test_the_key_later_published_wins_and_all_versions_stay(feed: Feed) -> None:
    for n in range(3):
        feed.publish({"id": "a", "n": n}, {"id": f"b{n}"})
        feed.flow.run()
    assert feed.flow.rows("id, n", order="id") == [("a", "2"), ("b0", None), ("b1", None), ("b2", None)]
    assert len(feed.flow.rows("id", history=True)) == 6


def test_ids_of_publishers_are_taken_once_whenever_they_come(tmp_path: Path, pubsub: Pubsub) -> None:
    feed = Feed(tmp_path, pubsub, key=())
    topic = PubsubTopic(feed.topic, pubsub.variables)
    assert topic.publish([b'{"id": "a"}', b'{"id": "b"}', b'{"id": "other"}'], ["1", "2", "2"]) == 3
    assert feed.flow.run().rows_out == 2
    assert topic.publish([b'{"id": "again"}', b'{"id": "c"}'], ["1", "3"]) == 2
    outcome = feed.flow.run()
    assert outcome.notes == ("1 duplicates dropped",)
    assert feed.flow.rows("message_id, id", order="message_id") == [("1", "a"), ("2", "b"), ("3", "c")]


def test_publish_returns_when_all_are_there(feed: Feed) -> None:
    topic = PubsubTopic(feed.topic, feed.server.variables)
    bodies = [b"%d" % n for n in range(2345)] + [b"x" * (5 << 20)] * 2
    assert topic.publish(bodies) == 2347
    assert sorted(each.data for each in feed.server.drain(feed.subscription)) == sorted(bodies)
    assert topic.publish([]) == 0


def test_publish_refuses_before_it_sends(feed: Feed) -> None:
    topic = PubsubTopic(feed.topic, feed.server.variables)
    with pytest.raises(UseError, match="message 2 has 0 bytes"):
        topic.publish([b"1", b""])
    with pytest.raises(UseError, match="message 1 has 9437185 bytes"):
        topic.publish([b"x" * ((9 << 20) + 1)])
    with pytest.raises(UseError, match="2 messages and 1 ids"):
        topic.publish([b"1", b"2"], ["1"])
    with pytest.raises(UseError, match="an id has 1 to 1024 bytes"):
        topic.publish([b"1"], ["é" * 513])
    assert feed.server.drain(feed.subscription) == []


def test_what_is_not_there_is_named(feed: Feed) -> None:
    with pytest.raises(SourceRefused, match="Pub/Sub refuses") as error:
        PubsubTopic(f"projects/p-1/topics/t-{uuid4().hex}", feed.server.variables).publish([b"1"])
    assert "projects/p-1/topics/" in str(error.value)
    feed.queues["events"] = "projects/p-1/subscriptions/nobody-made-it"
    with pytest.raises(SourceRefused, match="nobody-made-it: Pub/Sub refuses"):
        feed.flow.run()
    with pytest.raises(SourceRefused, match="there is no table other"):
        feed.source().capture(["other"], Held(None, {}, lambda *_: ""), feed.folder)
    assert feed.source().capture([], Held(None, {}, lambda *_: ""), feed.folder) is None


def test_a_server_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pubsub_calls, "SECONDS", 0.3)
    topic = PubsubTopic("projects/p-1/topics/t-1", {"PUBSUB_EMULATOR_HOST": "127.0.0.1:9"})
    with pytest.raises(SourceUnreachable, match=r"projects/p-1/topics/t-1: Pub/Sub doesn't answer"):
        topic.publish([b"1"])


def test_a_dead_letter_that_is_refused_fails_the_wake_and_loses_nothing(feed: Feed) -> None:
    feed.queues["events/dead"] = "projects/p-1/topics/nobody-made-it"
    feed.publish(b"no", {"id": "1"})
    with pytest.raises(SourceRefused, match="nobody-made-it"):
        feed.flow.run()
    assert len(feed.flow.refused()) == 1
    feed.server.seek(feed.subscription)
    assert feed.flow.run().batches == ()
    assert feed.flow.rows("id") == [("1",)]


def hook(folder: Path, server: Pubsub) -> tuple[PubsubSource, Flow]:
    """A webhook's source as the API has it, and as its ingest has it."""
    topic = server.topic()
    spec = schema.GithubSource(kind="github", origin="webhook", secret="hook", repositories=["a/b"])
    made = [
        PubsubSource(
            "live",
            spec,
            dataclasses.replace(settings(folder, hook="s3cret"), variables=server.variables, queues=queues),
        )
        for queues in ({"live": topic}, {"live": server.subscription(topic)})
    ]
    return made[0], Flow(folder, "live", made[1])


def signed(secret: bytes, delivery: str, body: bytes) -> dict[str, str]:
    digest = hmac.new(secret, body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Delivery": delivery, "X-GitHub-Event": "push"}


def test_a_signed_delivery_is_one_row(tmp_path: Path, pubsub: Pubsub) -> None:
    receiver, flow = hook(tmp_path, pubsub)
    body = json.dumps({"repository": {"full_name": "a/b"}, "sender": {"login": "x"}, "text": "ü"}).encode()
    other = json.dumps({"repository": {"full_name": "c/d"}}).encode()
    assert receiver.accept(signed(b"s3cret", "d-1", body), body) == "d-1"
    receiver.accept(signed(b"s3cret", "d-1", body), body)  # sent twice, within a batch
    receiver.accept(signed(b"s3cret", "d-2", other), other)  # of another repository
    receiver.accept(signed(b"s3cret", "d-3", b"[1]"), b"[1]")
    with pytest.raises(PermissionError):
        receiver.accept(signed(b"guessed", "d-4", body), body)
    outcome = flow.run()
    assert (outcome.rows_out, outcome.quarantined) == (1, 1)
    assert flow.rows("delivery_id, event, repo, actor, payload") == [("d-1", "push", "a/b", "x", body.decode())]
    receiver.accept(signed(b"s3cret", "d-1", body), body)  # and again, a batch later
    assert flow.run().rows_out == 0
    assert len(flow.rows("delivery_id", history=True)) == 1


def test_a_source_that_takes_no_deliveries_says_so(feed: Feed) -> None:
    with pytest.raises(SecretMissing, match="no secret is declared"):
        feed.source().accept({}, b"{}")


def test_without_the_log_a_redelivery_would_be_doubled(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests above would see if ids weren't looked for in the log."""
    monkeypatch.setattr(pubsub_lease.Lease, "known", lambda self, held, oldest: set())
    feed.publish({"id": "1"})
    feed.flow.run()
    feed.server.seek(feed.subscription)
    feed.flow.run()
    assert len(feed.flow.rows("id", history=True)) == 2
