"""SQS as topic and as source, on an emulator: every message is in the log once, or in quarantine; the rows are those that
the embedded queue would have given."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from catchwater.adapters.sources import sqs, sqs_calls
from catchwater.adapters.sources.github import GithubSource
from catchwater.adapters.sources.sqs import SqsSource, SqsTopic
from catchwater.adapters.sources.topic import EmbeddedTopic, TopicSource
from catchwater.errors import SecretMissing, SourceBusy, SourceRefused, SourceUnreachable, UseError
from catchwater.ports import Settings
from catchwater.project import schema
from catchwater.runtimes.aws_lambda import Records
from tests.support.emulators import Zone, ministack, variables
from tests.support.feeds import Flow, settings

__all__ = ["ministack"]

SCHEMA = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": "string"},
        "at": {"type": "string", "format": "date-time"},
    },
}
SECRET = "hush-hush"


class Queue:
    """A queue of its own, whose messages are hidden for `hidden` seconds once they were received."""

    def __init__(self, answer: dict[str, str], hidden: int = 30) -> None:
        self.variables = variables(answer)
        self.client = boto3.client(
            "sqs", endpoint_url=answer["endpoint"], region_name="eu-west-2",
            aws_access_key_id=answer["access_key"], aws_secret_access_key=answer["secret_key"],
        )  # fmt: skip
        made = self.client.create_queue(QueueName=f"q-{uuid4().hex}", Attributes={"VisibilityTimeout": str(hidden)})
        self.url = str(made["QueueUrl"])

    @property
    def topic(self) -> SqsTopic:
        return SqsTopic(self.url, self.variables)

    def left(self) -> int:
        """Messages in the queue, hidden ones too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(told[name]) for name in names)

    def event(self, most: int = 10) -> list[dict[str, Any]]:
        """What Lambda's event source mapping would hand over."""
        answer = self.client.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=most, MessageAttributeNames=["All"], AttributeNames=["All"]
        )
        return [
            {
                "messageId": one["MessageId"], "receiptHandle": one["ReceiptHandle"], "body": one["Body"],
                "attributes": one["Attributes"], "eventSource": "aws:sqs",
                "messageAttributes": {
                    name: {"stringValue": value["StringValue"], "dataType": value["DataType"]}
                    for name, value in one.get("MessageAttributes", {}).items()
                },
            }
            for one in answer.get("Messages", [])
        ]  # fmt: skip


@pytest.fixture
def queue(ministack: Zone, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setattr(sqs_calls, "WAIT", 0)  # the emulator has one server
    made = Queue(ministack.answer)  # type: ignore[attr-defined]
    yield made
    made.client.close()


def given(folder: Path, queue: Queue, inbox: Records | None = None) -> Settings:
    return replace(settings(folder, hook=SECRET), queues={"events": queue.url}, variables=queue.variables, inbox=inbox)


def topic_spec(folder: Path, key: Sequence[str] = ("id",)) -> schema.TopicSource:
    (folder / "event.json").write_text(json.dumps(SCHEMA))
    return schema.TopicSource(kind="topic", schema_file="event.json", key=list(key))


def flow(folder: Path, queue: Queue, key: Sequence[str] = ("id",), inbox: Records | None = None) -> Flow:
    return Flow(folder, "events", SqsSource("events", topic_spec(folder, key), given(folder, queue, inbox)))


def hook(folder: Path, queue: Queue, inbox: Records | None = None, named: str | None = "hook") -> Flow:
    spec = schema.GithubSource.model_validate({"kind": "github", "from": "webhook", "secret": named})
    return Flow(folder, "events", SqsSource("events", spec, given(folder, queue, inbox)))


def dump(**message: Any) -> bytes:
    return json.dumps(message).encode()


MESSAGES = [
    dump(id=1, name="größer €5", at="2024-02-29T23:59:59.5+01:00"), dump(id=2), dump(id=1, name="again"), b"no JSON",
    dump(id="text"), b"\xff\xfe", b"\x00{}", dump(id=3, name="x" * 300_000), dump(id=4, more=1), b"[]", dump(id=2**70),
]  # fmt: skip


def test_rows_are_those_of_the_embedded_queue(queue: Queue, tmp_path: Path) -> None:
    ids = [f"m-{number}" for number in range(len(MESSAGES))]
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    embedded = Flow(here, "events", TopicSource("events", topic_spec(here), settings(here)))
    EmbeddedTopic(here / ".catchwater", "events").publish(MESSAGES, ids)
    embedded.run()
    assert queue.topic.publish(MESSAGES, ids) == len(MESSAGES)
    away = flow(there, queue)
    outcome = away.run()
    assert outcome.rows_in == len(MESSAGES)
    columns = 'id, name, "at", _op, _version'
    assert away.rows(columns) == embedded.rows(columns)
    assert len(away.rows(columns, history=True)) == len(embedded.rows(columns, history=True))

    def told(held: Flow) -> set[tuple[str, str, str]]:
        return {(one.where, one.reason, one.text) for one in held.refused()}

    assert told(away) == told(embedded)
    assert len(told(away)) == 6
    assert queue.left() == 0
    assert away.run().batches == ()


def test_messages_of_an_event_are_taken_once_and_lambda_deletes_them(queue: Queue, tmp_path: Path) -> None:
    queue.topic.publish([dump(id=number) for number in range(5)])
    records = queue.event()
    inbox = Records(records)
    assert flow(tmp_path, queue, inbox=inbox).run().rows_out == 5
    assert inbox.waiting() == []
    assert queue.left() == 5
    again = Records(records)
    assert flow(tmp_path, queue, inbox=again).run().batches == ()
    assert again.waiting() == []


def test_a_redelivered_message_does_not_undo_a_newer_one(queue: Queue, tmp_path: Path) -> None:
    """Killed after the commit and before the deletion, when the row has another version by now."""
    queue.topic.publish([dump(id=1, name="old")])
    old = queue.event()
    assert flow(tmp_path, queue, inbox=Records(old)).run().rows_out == 1
    queue.topic.publish([dump(id=1, name="new")])
    new = [one for one in queue.event() if one["messageId"] != old[0]["messageId"]]
    assert flow(tmp_path, queue, inbox=Records(new)).run().rows_out == 1
    held = flow(tmp_path, queue, inbox=Records(old))
    assert held.run().batches == ()
    assert held.rows("id, name") == [("1", "new")]


def test_one_message_twice_in_one_batch_is_one_row(queue: Queue, tmp_path: Path) -> None:
    queue.topic.publish([dump(id=1), dump(id=2)], ["same", "same"])
    held = flow(tmp_path, queue)
    held.run()
    assert held.rows("_version") == [("same",)]
    assert queue.left() == 0


def test_messages_of_others_are_known_by_the_ids_that_sqs_gives(queue: Queue, tmp_path: Path) -> None:
    sent = [queue.client.send_message(QueueUrl=queue.url, MessageBody='{"id": 1}')["MessageId"] for _ in range(2)]
    held = flow(tmp_path, queue, key=())
    assert held.run().rows_out == 2
    assert {row[0] for row in held.rows("_version")} == set(sent)


def test_nothing_is_deleted_before_the_commit(queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.topic.publish([dump(id=1)])
    held = flow(tmp_path, queue)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("catchwater.lake.log.Log.commit", killed)
        with pytest.raises(KeyboardInterrupt):
            held.run()
    assert queue.left() == 1
    assert held.run().rows_out == 1  # the same process still has it
    assert queue.left() == 0


def test_a_full_batch_says_that_there_is_more(queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqs, "BATCH_MESSAGES", 20)
    queue.topic.publish([dump(id=number) for number in range(45)])
    held = flow(tmp_path, queue)
    outcome = held.run()
    assert (len(outcome.batches), outcome.rows_out, outcome.more) == (3, 45, False)
    assert queue.left() == 0


def test_requests_stay_within_what_sqs_takes(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    real = sqs_calls.send

    def counted(url: str, part: Any, given: Any) -> None:
        asked.append(part)
        real(url, part, given)

    monkeypatch.setattr(sqs_calls, "send", counted)
    queue.topic.publish([b"x" * 100_000] * 5 + [b"y"] * 25)
    assert [len(part) for part in asked] == [2, 2, 10, 10, 6]
    assert all(sum(each.size for each in part) <= 256 << 10 for part in asked)


@pytest.mark.parametrize(
    ("messages", "ids", "said"),
    [([b""], None, "message 1 has 0 bytes"), ([b"a"], [""], "an id has"), ([b"a"], ["x" * 1025], "an id has"),
     ([b"a"], ["a\nb"], "an id has"), ([b"a", b"b"], ["1"], "2 messages and 1 ids")],
)  # fmt: skip
def test_what_is_never_sent(messages: list[bytes], ids: list[str] | None, said: str, queue: Queue) -> None:
    with pytest.raises(UseError, match=said):
        queue.topic.publish([b"good", *messages][-len(messages) :], ids)
    assert queue.left() == 0


def test_a_message_that_stays_too_long_is_refused_before_any_is_sent(queue: Queue) -> None:
    noise = hashlib.shake_256(b"seed").digest(1 << 20)
    with pytest.raises(UseError, match="message 2 has 1048576 bytes"):
        queue.topic.publish([b"a", noise])
    assert queue.left() == 0


@pytest.mark.parametrize("text", ["", "no base64 at all", base64.b64encode(b"no gzip").decode(), "H4sIAAAA"])
def test_a_body_that_was_never_packed_is_quarantined(text: str, queue: Queue, tmp_path: Path) -> None:
    attributes = {"catchwater-encoding": {"DataType": "String", "StringValue": "gzip+base64"}}
    queue.client.send_message(QueueUrl=queue.url, MessageBody=text or " ", MessageAttributes=attributes)
    held = flow(tmp_path, queue)
    assert held.run().quarantined == 1
    assert held.refused()[0].text == (text or " ")


def test_a_packed_bomb_stays_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqs_calls, "MAX_UNPACKED", 1000)
    packed = sqs_calls.packed(b"\x00" * 1001, "x").text.encode()
    assert sqs_calls.unpacked(packed) == packed
    assert sqs_calls.unpacked(sqs_calls.packed(b"\x00" * 999, "x").text.encode()) == b"\x00" * 999


# webhooks


def delivery(body: bytes, name: str = "d-1", secret: str = SECRET, event: str = "push") -> dict[str, str]:
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": signature, "X-GitHub-Delivery": name, "X-GitHub-Event": event}


def test_deliveries_become_the_rows_of_one_machine(queue: Queue, tmp_path: Path) -> None:
    bodies = {
        "d-1": dump(action="opened", repository={"full_name": "a/b"}, sender={"login": "änn"}),
        "d-2": b'{"zen": "' + b"z" * 500_000 + b'"}', "d-3": b"not JSON", "d-4": b"payload=%7B%22a%22%3A1%7D",
    }  # fmt: skip
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    away = hook(there, queue)
    spec = schema.GithubSource.model_validate({"kind": "github", "from": "webhook", "secret": "hook"})
    embedded = Flow(here, "events", GithubSource("events", spec, settings(here, hook=SECRET)))
    for name, body in bodies.items():
        for held in (away, embedded):
            assert held.source.accept(delivery(body, name), body) == name  # type: ignore[attr-defined]
    away.source.accept(delivery(bodies["d-1"], "d-1"), bodies["d-1"])  # type: ignore[attr-defined]
    away.run()
    embedded.run()
    columns = "delivery_id, event, action, repo, actor, payload"
    assert away.rows(columns) == embedded.rows(columns)
    assert len(away.rows(columns)) == 3
    assert [one.where for one in away.refused()] == ["delivery d-3"]
    away.source.accept(delivery(bodies["d-4"], "d-4"), bodies["d-4"])  # type: ignore[attr-defined]
    assert away.run().rows_out == 0  # a redelivery is no row
    assert queue.left() == 0


def test_a_forged_delivery_is_never_queued(queue: Queue, tmp_path: Path) -> None:
    source = hook(tmp_path, queue).source
    with pytest.raises(PermissionError):
        source.accept(delivery(b"{}", secret="wrong"), b"{}")  # type: ignore[attr-defined]
    with pytest.raises(SecretMissing, match="no secret is declared"):
        hook(tmp_path, queue, named=None).source.accept(delivery(b"{}"), b"{}")  # type: ignore[attr-defined]
    assert queue.left() == 0


# refusals, by name


def test_no_such_queue(queue: Queue) -> None:
    with pytest.raises(SourceRefused, match="no such queue") as caught:
        SqsTopic(queue.url + "-not", queue.variables).publish([b"x"])
    assert caught.value.next_step


def test_a_key_without_rights(queue: Queue, ministack: Zone, tmp_path: Path) -> None:
    answer = ministack.answer  # type: ignore[attr-defined]
    iam = boto3.client(
        "iam", endpoint_url=answer["endpoint"], region_name="eu-west-2",
        aws_access_key_id=answer["access_key"], aws_secret_access_key=answer["secret_key"],
    )  # fmt: skip
    user = f"nobody-{uuid4().hex[:8]}"
    iam.create_user(UserName=user)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    iam.close()
    queue.variables |= {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    with pytest.raises(SourceRefused, match="may not do sqs:SendMessage") as caught:
        queue.topic.publish([b"x"])
    assert "build" in caught.value.next_step
    with pytest.raises(SourceRefused, match="may not do sqs:ReceiveMessage"):
        flow(tmp_path, queue).run()


def test_nobody_answers(queue: Queue) -> None:
    queue.variables["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    with pytest.raises(SourceUnreachable, match="no answer: EndpointConnectionError"):
        queue.topic.publish([b"x"])


class Answers:
    """SQS's answers to SendMessageBatch, one after the other: the entries that it doesn't take."""

    def __init__(self, *failed: Callable[[str], dict[str, Any]] | None) -> None:
        self.failed, self.sent = list(failed), 0

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.sent += len(Entries)
        fails = self.failed.pop(0)
        return {"Failed": [fails(one["Id"]) for one in Entries[1:]] if fails else []}


def throttled(name: str) -> dict[str, Any]:
    return {"Id": name, "SenderFault": False, "Code": "ThrottlingException"}


def faulted(name: str) -> dict[str, Any]:
    return {"Id": name, "SenderFault": True, "Code": "InvalidMessageContents"}


def test_what_sqs_did_not_take_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for answers, sent, error in (
        (Answers(throttled, None), 3 + 2, None),
        (Answers(throttled, throttled, throttled), 3 + 2 + 1, None),
        (Answers(faulted), 3, SourceRefused),
    ):
        monkeypatch.setattr(sqs_calls, "client", lambda *_, held=answers: held)
        topic = SqsTopic("https://sqs/1/queue", {})
        if error:
            with pytest.raises(error, match="2 of 3 messages weren't queued: InvalidMessageContents"):
                topic.publish([b"a", b"b", b"c"])
        else:
            assert topic.publish([b"a", b"b", b"c"]) == 3
        assert answers.sent == sent
    many = Answers(throttled, throttled, throttled)
    monkeypatch.setattr(sqs_calls, "client", lambda *_: many)
    with pytest.raises(SourceBusy, match="2 of 5 messages weren't queued: ThrottlingException") as caught:
        SqsTopic("https://sqs/1/queue", {}).publish([b"a"] * 5)
    assert "same ids" in caught.value.next_step
