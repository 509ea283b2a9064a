"""SNS as a notifier, on an emulator: what is sent reaches the topic's subscriber, and refusals are named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from catchwater.adapters.aws import client
from catchwater.adapters.notifiers.sns import message, subject
from catchwater.errors import AlertFailed
from catchwater.ports import Notice, Notifier, Settings
from catchwater.project.variables import resolve
from catchwater.wiring import adapter
from tests.support.emulators import Zone, ministack, variables

__all__ = ["ministack"]

NOTICE = Notice(
    "failure", "totesys", "dev", "ingest:totesys", "ingest:totesys failed",
    "connection refused — größer €5\n  next: catchwater check", "41",
)  # fmt: skip


class Case:
    """A topic with a queue behind it."""

    def __init__(self, answer: dict[str, str], folder: Path) -> None:
        self.given = variables(answer)
        self.sns, self.sqs = client("sns", self.given), client("sqs", self.given)
        name = f"t-{uuid4().hex}"
        self.topic = self.sns.create_topic(Name=name)["TopicArn"]
        self.queue = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allow = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        self.sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": policy})
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)
        self.folder = folder

    def notifier(self, **more: str) -> Notifier:
        held = self.given | more
        made: Notifier = adapter("notifier", "sns")(
            "sns", None, Settings(self.folder, self.folder, "dev", lambda text: resolve(text, held), "p", held)
        )
        return made

    def arrived(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while got := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", []):
            for one in got:
                found.append(json.loads(one["Body"]))
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=one["ReceiptHandle"])
        return found


@pytest.fixture
def case(ministack: Zone, tmp_path: Path) -> Case:
    return Case(ministack.answer, tmp_path)  # type: ignore[attr-defined]


def test_what_is_sent_arrives_with_its_next_step(case: Case) -> None:
    case.notifier(ALERTS=case.topic).send("${ALERTS}", NOTICE)
    (got,) = case.arrived()
    assert got["Subject"] == "ingest:totesys failed"
    assert "connection refused — größer €5" in got["Message"]
    assert "next: catchwater check" in got["Message"]
    assert "step ingest:totesys · run 41" in got["Message"]
    assert {name: one["Value"] for name, one in got["MessageAttributes"].items()} == {
        "event": "failure", "project": "totesys", "environment": "dev", "step": "ingest:totesys",
    }  # fmt: skip


def test_any_text_can_be_told(case: Case) -> None:
    send = case.notifier().send
    send(case.topic, Notice("failure", "p\r\nBcc: a@b.c", "e", "s\nx", "— a\r\nBcc: x@y.z\x00\u2028b", "\udc80\x00"))
    send(case.topic, Notice("stale", "p", "e", "", "ß" * 300, "ä" * 300_000))
    send(case.topic, Notice("stale", "p", "e", "s", "…", "body", "7"))
    found = case.arrived()
    assert sorted(one["Subject"] for one in found) == ["Catchwater: stale", "Catchwater: stale", "a Bcc: x@y.z b"]
    assert max(len(one["Message"]) for one in found) < 100_000


def test_texts_are_within_what_sns_takes() -> None:
    long = Notice("failure", "p", "e", "s", "x" * 500, "ä" * 300_000)
    assert len(subject(long)) == 99
    assert len(message(long).encode()) <= 256 << 10
    assert "cut here" in message(long)
    assert "next: catchwater status" in message(long)
    assert subject(Notice("failure", "p", "e", "s", "größer", "b")) == "gr??er"


@pytest.mark.parametrize(
    "to", ["", "data@example.org", "arn:aws:sns:eu-west-2:1:x", "arn:aws:sqs:eu-west-2:111122223333:x"]
)
def test_what_is_no_topic(to: str, case: Case) -> None:
    with pytest.raises(AlertFailed, match="isn't a topic's ARN") as caught:
        case.notifier().send(to, NOTICE)
    assert caught.value.next_step


def test_a_variable_that_is_not_set_is_named(case: Case) -> None:
    with pytest.raises(AlertFailed, match="NOBODY"):
        case.notifier().send("${NOBODY}", NOTICE)


def nobody(case: Case) -> dict[str, str]:
    iam, user = client("iam", case.given), f"nobody-{uuid4().hex[:8]}"
    iam.create_user(UserName=user)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


@pytest.mark.parametrize(
    ("more", "gone", "said"),
    [(nobody, False, "publishing isn't allowed"), (lambda _: {}, True, "there is no such topic"),
     (lambda _: {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, False, "SNS says EndpointConnectionError")],
    ids=["denied", "gone", "away"],
)  # fmt: skip
def test_a_refusal_is_alert_failed(more: Callable[[Case], dict[str, str]], gone: bool, said: str, case: Case) -> None:
    if gone:
        case.sns.delete_topic(TopicArn=case.topic)
    with pytest.raises(AlertFailed, match=said) as caught:
        case.notifier(**more(case)).send(case.topic, NOTICE)
    assert caught.value.next_step
    assert "127.0.0.1" in caught.value.where
