"""The Lambda handler in this process: events by their shapes, SQS batches, signed deliveries, and waking itself."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catchwater.adapters.sources import sqs_calls
from catchwater.adapters.stores.s3 import S3Store
from catchwater.errors import CatchwaterError, UseError
from catchwater.infra.aws import places
from catchwater.lake.log import Log
from catchwater.plan.plan import Plan
from catchwater.runtimes import aws_lambda, aws_webhook, deployed
from catchwater.stages.outcome import Outcome
from catchwater.wiring import SystemClock
from tests.support.emulators import Zone, ministack
from tests.support.examples import plan_of
from tests.support.lambdas import Account, Context, alone, lambda_api

__all__ = ["ministack"]

SECRET = "hush-hush"
BODY = json.dumps({"action": "opened", "repository": {"full_name": "a/b"}}).encode()
SCHEDULED = {"source": "aws.scheduler"}


class Hooks:
    """github_activity on an emulator: the function that receives deliveries, its queue, and the one that takes them."""

    def __init__(self, endpoint: str) -> None:
        self.account = Account(endpoint, alone(plan_of("github_activity", "stage")))
        self.account.apply({"github-webhook": SECRET})
        plan = self.account.plan
        self.sqs = self.account.client("sqs")
        self.url = self.sqs.create_queue(QueueName=places.queue(plan, "live"))["QueueUrl"]
        queues = json.dumps({"live": self.url})
        self.environs = {
            step: self.account.environ(step, CATCHWATER_QUEUES=queues) for step in ("serve:api", "ingest:live")
        }

    def call(self, step: str, event: Any, seconds: float = 60.0, **more: str) -> Any:
        with pytest.MonkeyPatch.context() as patched:
            for name, value in (self.environs[step] | more).items():
                patched.setenv(name, value)
            return aws_lambda.handler(event, Context(seconds))

    def post(self, body: bytes = BODY, path: str = "/v1/webhooks/live", method: str = "POST", **headers: str) -> Any:
        signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        sent = {
            "x-hub-signature-256": signature, "x-github-delivery": "d-1", "x-github-event": "pull_request",
            "content-type": "application/json; charset=utf-8",
        } | {name.replace("_", "-"): value for name, value in headers.items()}  # fmt: skip
        request = {"version": "2.0", "requestContext": {"http": {"method": method, "path": path}}, "headers": sent}
        return self.call("serve:api", request | {"body": base64.b64encode(body).decode(), "isBase64Encoded": True})

    def event(self) -> dict[str, Any]:
        """The messages that wait, as an event source mapping hands them over."""
        found: list[Any] = []
        while got := self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
        ).get("Messages", []):
            found += got
        return {
            "Records": [
                {
                    "messageId": one["MessageId"], "receiptHandle": one["ReceiptHandle"], "body": one["Body"],
                    "attributes": one["Attributes"], "eventSource": "aws:sqs",
                    "messageAttributes": {
                        name: {"stringValue": value["StringValue"]}
                        for name, value in one["MessageAttributes"].items()
                    },
                }
                for one in found
            ]
        }  # fmt: skip

    def rows(self, folder: Path) -> list[int]:
        store = S3Store(f"s3://{self.account.zones['ingestion']}", self.account.variables(), folder)
        return [batch.tables["live"].rows for batch in Log(store, "ingestion/live", SystemClock()).batches(None)]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator has one server: nothing to wait for."""
    monkeypatch.setattr(sqs_calls, "WAIT", 0)


@pytest.fixture
def hooks(ministack: Zone, monkeypatch: pytest.MonkeyPatch) -> Hooks:
    monkeypatch.setattr(aws_lambda, "_opened", None)
    return Hooks(ministack.answer["endpoint"])  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def made(ministack: Zone) -> Hooks:
    return Hooks(ministack.answer["endpoint"])  # type: ignore[attr-defined]


@pytest.fixture
def shared(made: Hooks, monkeypatch: pytest.MonkeyPatch) -> Hooks:
    """One project of all tests that commit nothing; its queue is empty and its functions are cold."""
    monkeypatch.setattr(aws_lambda, "_opened", None)
    made.sqs.purge_queue(QueueUrl=made.url)
    return made


def test_a_delivery_is_queued_answered_and_taken_once(hooks: Hooks, tmp_path: Path) -> None:
    answer = hooks.post()
    assert (answer["statusCode"], json.loads(answer["body"])) == (202, {"delivery": "d-1"})
    assert hooks.post()["statusCode"] == 202  # GitHub delivers again
    assert hooks.post(b"not JSON", x_github_delivery="d-2")["statusCode"] == 202
    event = hooks.event()
    assert len(event["Records"]) == 3
    assert hooks.call("ingest:live", event)["batchItemFailures"] == []
    assert hooks.rows(tmp_path) == [1]
    assert hooks.call("ingest:live", event)["batchItemFailures"] == []
    assert hooks.rows(tmp_path) == [1]


def test_without_an_event_s_messages_the_queue_is_asked(hooks: Hooks, tmp_path: Path) -> None:
    hooks.post()
    assert hooks.call("ingest:live", SCHEDULED)["state"] == "done"
    assert hooks.rows(tmp_path) == [1]
    assert hooks.event()["Records"] == []


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"x_hub_signature_256": "sha256=" + "0" * 64}, 401), ({"x_hub_signature_256": ""}, 401),
        ({"path": "/v1/webhooks/archive"}, 404), ({"path": "/v1/webhooks/nothing"}, 404), ({"path": "/"}, 404),
        ({"path": "/v1/webhooks/live/"}, 404), ({"path": "/v1/topics/live/messages"}, 404), ({"method": "GET"}, 405),
        ({"content_type": "text/plain"}, 415), ({"content_type": ""}, 415), ({"x_github_delivery": ""}, 400),
        ({"body": b"x" * 1000}, 413), ({"body": hashlib.shake_256(b"x").digest(900_000)}, 400),
    ],
    ids=["forged", "unsigned", "other kind", "unknown", "root", "slash", "topic", "get", "text", "untyped", "no id",
         "too long", "too long for SQS"],
)  # fmt: skip
def test_what_is_not_queued(
    changed: dict[str, Any], status: int, shared: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    if status == 413:
        monkeypatch.setattr(aws_webhook, "MOST", 999)
    answer = shared.post(**changed)
    problem = json.loads(answer["body"])
    assert (answer["statusCode"], problem["status"]) == (status, status), problem
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert SECRET not in answer["body"]
    assert answer["headers"].get("Allow") == ("POST" if status == 405 else None)
    assert shared.event()["Records"] == []


def test_a_queue_that_is_away_is_answered_so_that_github_delivers_again(
    shared: Hooks, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(shared.environs["serve:api"], "CATCHWATER_QUEUES", json.dumps({"live": shared.url + "-gone"}))
    answer = shared.post()
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "5")
    assert "SourceRefused" in capsys.readouterr().out


def test_a_body_that_cannot_be_read(shared: Hooks) -> None:
    http = {"method": "POST", "path": "/v1/webhooks/live"}
    event = {"requestContext": {"http": http}, "headers": {"content-type": "application/json"}, "isBase64Encoded": True}
    assert shared.call("serve:api", event | {"body": "é"})["statusCode"] == 400
    assert shared.call("serve:api", event | {"body": None})["statusCode"] == 401
    text = event | {"body": "{}", "isBase64Encoded": False}
    assert shared.call("serve:api", text)["statusCode"] == 401


def test_other_functions_serve_nothing_and_receivers_are_woken_by_nothing_else(shared: Hooks) -> None:
    http = {"method": "POST", "path": "/v1/webhooks/live"}
    assert shared.call("ingest:live", {"requestContext": {"http": http}})["statusCode"] == 404
    with pytest.raises(UseError, match="receives webhooks"):
        shared.call("serve:api", SCHEDULED)


def test_no_time_leaves_every_message_in_the_queue(hooks: Hooks, tmp_path: Path) -> None:
    hooks.post()
    event = hooks.event()
    left = hooks.call("ingest:live", event, seconds=0.0)["batchItemFailures"]
    assert left == [{"itemIdentifier": event["Records"][0]["messageId"]}]
    assert hooks.call("ingest:live", event)["batchItemFailures"] == []
    assert hooks.rows(tmp_path) == [1]


def test_what_failed_comes_again_and_nothing_else(shared: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("d-1", "d-2"):
        shared.post(x_github_delivery=name)
    event = shared.event()
    names = [record["messageId"] for record in event["Records"]]

    def halfway(ports: Any, plan: Plan, step: Any, run: str) -> Outcome:
        ports.source._source._settings.inbox.settle(names[:1])
        raise CatchwaterError("the lake is away")

    def at_once(*_: Any) -> Outcome:
        raise CatchwaterError("the lake is away")

    monkeypatch.setitem(deployed.STAGES, "ingest", halfway)
    assert shared.call("ingest:live", event)["batchItemFailures"] == [{"itemIdentifier": names[1]}]
    monkeypatch.setitem(deployed.STAGES, "ingest", at_once)
    with pytest.raises(CatchwaterError, match="ingest:live: CatchwaterError: the lake is away") as caught:
        shared.call("ingest:live", event)
    assert caught.value.next_step.startswith("catchwater runs ")


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"source": "aws.scheduler"}, "schedule"), ({"source": "aws.events"}, "schedule"), ({}, "request"),
        ({"source": "aws.s3", "detail-type": "Object Created"}, "batch"), ({"trigger": "deployment"}, "deployment"),
        ({"Records": [{"eventSource": "aws:sqs"}]}, "message"), ({"Records": [{"eventSource": "aws:s3"}]}, "batch"),
        ({"Records": []}, "request"), ({"Records": "x"}, "request"), ({"again": {"trigger": "batch"}}, "batch"),
        ({"again": "x", "source": "aws.s3"}, "batch"), ({"again": {}}, "request"),
    ],
    ids=str,
)  # fmt: skip
def test_what_woke_it(event: dict[str, Any], kind: str) -> None:
    assert aws_lambda.trigger(event) == kind


@pytest.mark.parametrize("event", [None, [], "x", {"again": None}, {"requestContext": {}}], ids=str)
def test_an_event_of_any_shape_is_a_wake(event: Any, shared: Hooks) -> None:
    assert shared.call("ingest:live", event)["state"] == "done"


def test_it_wakes_itself_while_batches_are_committed_and_then_gives_up(
    shared: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = Outcome("ingest:live", "ingest", batches=(object(),), more=True)  # type: ignore[arg-type]
    outcomes = iter([moved, replace(moved, batches=()), replace(moved, batches=()), replace(moved, batches=())])
    monkeypatch.setitem(deployed.STAGES, "ingest", lambda *_: next(outcomes))
    monkeypatch.setattr(deployed, "tell", lambda report: None)
    monkeypatch.setattr(aws_lambda, "tell", lambda report: None)
    monkeypatch.setattr(deployed, "_keep", lambda *_: None)
    event: Any = SCHEDULED
    with lambda_api() as woken:
        for idle in (0, 1, 2):
            shared.call("ingest:live", event, AWS_ENDPOINT_URL_LAMBDA=woken.endpoint)
            event = woken.payloads[-1]
            assert event == {"again": {"trigger": "schedule", "idle": idle, "links": idle + 1}}
            monkeypatch.setattr(aws_lambda, "_opened", None)
        with pytest.raises(CatchwaterError, match="3 wakes in a row had no time to commit a batch") as caught:
            shared.call("ingest:live", event, AWS_ENDPOINT_URL_LAMBDA=woken.endpoint)
        assert "memory" in caught.value.next_step
        assert woken.kinds == ["Event step"] * 3
        monkeypatch.setitem(deployed.STAGES, "ingest", lambda *_: moved)
        last = {"again": {"trigger": "schedule", "idle": 0, "links": aws_lambda.LINKS}}
        with pytest.raises(CatchwaterError, match="more to do after 15 wakes in a row"):
            shared.call("ingest:live", last, AWS_ENDPOINT_URL_LAMBDA=woken.endpoint)
        assert len(woken.kinds) == 3


def test_a_function_that_may_not_wake_itself_says_so(shared: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(deployed.STAGES, "ingest", lambda *_: Outcome("ingest:live", "ingest", more=True))
    with lambda_api() as woken:
        woken.refuses = True
        with pytest.raises(CatchwaterError, match="can't wake itself: AccessDeniedException") as caught:
            shared.call("ingest:live", SCHEDULED, AWS_ENDPOINT_URL_LAMBDA=woken.endpoint)
    assert "lambda:InvokeFunction" in caught.value.next_step


def test_a_warm_function_keeps_its_disk_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    (cache / "x").mkdir(parents=True)
    (cache / "x" / "one").write_bytes(b"x" * 100)
    monkeypatch.setattr(aws_lambda, "CACHE", 100)
    aws_lambda._make_room(cache)
    assert cache.exists()
    (cache / "x" / "two").write_bytes(b"x")
    aws_lambda._make_room(cache)
    assert not cache.exists()
    aws_lambda._make_room(cache)
