"""The function's requests: what they say, whom they concern, how many share a wake, and what they are answered."""

import base64
import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from catchwater.adapters.stores.local import LocalStore
from catchwater.errors import UseError
from catchwater.ports import Delivered
from catchwater.runtimes import cloud_function
from catchwater.runtimes.cloud_events import Event, read
from catchwater.runtimes.cloud_function import Handler, wakes
from catchwater.runtimes.cloud_turns import Turns, Waiting
from tests.support.examples import plan_of
from tests.support.waiting import until

JSON = {"Content-Type": "application/json"}


def push(data: bytes = b'{"a": 1}', **attributes: str) -> dict[str, Any]:
    message = {
        "data": base64.b64encode(data).decode(), "messageId": "17", "message_id": "17", "attributes": attributes,
        "publishTime": "2026-11-21T08:06:29.432123456Z",
    }  # fmt: skip
    return {"message": message, "subscription": "projects/p/subscriptions/s"}


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


def cloud_event(kind: str, data: Any) -> tuple[dict[str, str], bytes]:
    return {**JSON, "ce-type": kind, "ce-id": "1", "ce-source": "//x", "ce-specversion": "1.0"}, body(data)


def test_a_push_and_a_cloud_event_bring_the_same_message() -> None:
    wanted = Delivered("17", pytest.approx(1795248389.432123), b'{"a": 1}', {"x": "y"})  # type: ignore[arg-type]
    pushed = push(x="y")
    structured = {"type": "google.cloud.pubsub.topic.v1.messagePublished", "data": pushed, "specversion": "1.0"}
    for headers, sent in (
        (JSON, body(pushed)),
        cloud_event("google.cloud.pubsub.topic.v1.messagePublished", pushed),
        ({"content-type": "application/cloudevents+json; charset=utf-8"}, body(structured)),
    ):
        assert read(headers, sent, listens=True) == Event("message", wanted)


def test_objects_and_builds_are_told_in_two_ways() -> None:
    data = {"bucket": "b", "name": "a/_log/1/query_log.json", "size": "3"}
    wanted = Event("object", bucket="b", key="a/_log/1/query_log.json")
    assert read(*cloud_event("google.cloud.storage.object.v1.finalized", data), False) == wanted
    told = push(eventType="OBJECT_FINALIZE", bucketId="b", objectId="a/_log/1/query_log.json")
    assert read(JSON, body(told), False) == wanted
    assert read(JSON, body(told), True).kind == "message"  # whatever its sender wrote into a topic's message
    assert read(*cloud_event("google.cloud.cloudbuild.build.v1.statusChanged", {"status": "SUCCESS"}), False) == Event(
        "build", status="SUCCESS"
    )
    assert read(JSON, body(push(buildId="1", status="WORKING")), False) == Event("build", status="WORKING")


def test_other_requests() -> None:
    assert read({}, b"", False) == Event("request")
    assert read(JSON, b'{"scheduled": true}', True) == Event("request")
    assert read({}, b"message, not JSON", True) == Event("request")
    assert read(*cloud_event("google.cloud.audit.log.v1.written", {"a": 1}), False) == Event("other")


MALFORMED = {
    "cut": b'{"message": {"data": ',
    "no object": b'{"message": []}',
    "no id": body({"message": {"data": ""}}),
    "not base64": body({"message": {**push()["message"], "data": "%%%"}}),
    "no time": body({"message": {**push()["message"], "publishTime": "yesterday"}}),
    "no attributes": body({"message": {**push()["message"], "attributes": [1]}}),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_cannot_be_read_is_said(name: str) -> None:
    with pytest.raises(UseError):
        read(JSON, MALFORMED[name], True)
    with pytest.raises(UseError, match="isn't a JSON object"):
        read({"Content-Type": "application/cloudevents+json"}, b"[]", True)
    with pytest.raises(UseError, match="isn't an object"):
        read({"Content-Type": "application/cloudevents+json"}, b'{"type": "x", "data": [1]}', True)


def deployed(step: str, example: str = "events", **zones: str) -> Any:
    plan = plan_of(example, "dev")
    places = SimpleNamespace(zones={"ingestion": "gs://in", "processed": "gs://out", **zones})
    return SimpleNamespace(plan=plan, step=plan.step(step), wiring=SimpleNamespace(places=places))


def manifest(log: str, bucket: str = "in") -> Event:
    return Event("object", bucket=bucket, key=f"{log}/_log/{1:020}/query_log.json")


def test_only_a_batch_that_the_step_waits_for_wakes_it() -> None:
    process = deployed("process:events")
    assert wakes(process, manifest("events"))
    assert not wakes(process, manifest("events", "out"))
    assert not wakes(process, manifest("other"))
    assert not wakes(process, Event("object", bucket="in", key="events/data/1.parquet"))
    assert not wakes(process, Event("object", bucket="in", key="_runs/1.json"))
    assert not wakes(process, Event("object", bucket="in", key=f"x/events/_log/{1:020}/query_log.json"))
    assert wakes(deployed("process:events", ingestion="gs://in/a/b/"), manifest("a/b/events"))
    load = deployed("load:bigquery")
    assert wakes(load, manifest("sessions", "out"))
    assert not wakes(load, manifest("events", "in"))
    assert not wakes(load, Event("message"))
    assert not wakes(load, Event("other"))
    assert wakes(load, Event("request"))


def test_only_a_deployment_that_succeeded_wakes() -> None:
    ingest = deployed("ingest:stations", "open_data")
    assert wakes(ingest, Event("build", status="SUCCESS"))
    assert not wakes(ingest, Event("build", status="FAILURE"))
    assert not wakes(ingest, Event("build", status="WORKING"))
    assert not wakes(deployed("process:events"), Event("build", status="SUCCESS"))
    assert wakes(deployed("ingest:events"), Event("message"))


def message(name: str) -> Delivered:
    return Delivered(name, 0.0, b"{}")


def test_a_message_waits_until_the_log_holds_it() -> None:
    inbox = Waiting()
    with inbox.bring(message("1")) as settled, inbox.bring(message("2")) as other:
        assert [each.id for each in inbox.waiting()] == ["1", "2"]
        inbox.settle(["1", "unknown"])
        assert (settled(), other()) == (True, False)
        assert [each.id for each in inbox.waiting()] == ["2"]
        with inbox.bring(message("1")) as again:
            assert again()
    assert inbox.waiting() == []
    with inbox.bring(message("1")) as settled:
        assert not settled()  # nothing is remembered of a request that ended: the log decides


def test_requests_share_a_turn_that_began_after_they_came() -> None:
    turns, going, let = Turns(), threading.Event(), threading.Event()
    ran: list[int] = []

    def act() -> int:
        ran.append(len(ran))
        going.set()
        let.wait(10)
        return ran[-1]

    found: list[tuple[int, bool]] = []

    def share() -> None:
        found.append(turns.share(act))

    first = threading.Thread(target=share)
    first.start()
    assert going.wait(10)
    others = [threading.Thread(target=share) for _ in range(20)]
    for each in others:
        each.start()
    until(lambda: turns._next.taken, "the next turn is taken")
    until(lambda: sum(each.is_alive() for each in others) == 20, "they wait")
    let.set()
    for each in (first, *others):
        each.join(10)
    assert found.count((0, True)) == 1
    assert [result for result, _ in found].count(0) == 1
    assert 1 <= len(ran) - 1 <= 3  # late starters may need one more
    assert sum(led for _, led in found) == len(ran)


def test_a_turn_that_raises_lets_nobody_wait() -> None:
    turns, going, let = Turns(), threading.Event(), threading.Event()

    def fail() -> None:
        going.set()
        let.wait(10)
        raise UseError("no")

    found: list[Any] = []
    leader = threading.Thread(target=lambda: found.append(_raised(turns, fail)))
    leader.start()
    assert going.wait(10)
    let.set()
    leader.join(10)
    assert [type(each) for each in found] == [UseError]
    assert turns.share(lambda: 5) == (5, True)


def _raised(turns: Turns, act: Any) -> Any:
    try:
        return turns.share(act)
    except UseError as error:
        return error


class Log:
    """Stands for the step: it settles what it is told to, and says what it was asked."""

    def __init__(self) -> None:
        self.settles, self.state, self.more, self.seconds = True, "done", False, 0.0
        self.wakes: list[str] = []

    def answer(self, deployed: Any, trigger: str, seconds: float, again: Any) -> Any:
        self.wakes.append(trigger)
        self.seconds = seconds
        if self.settles:
            deployed.wiring.places.inbox.settle([each.id for each in deployed.wiring.places.inbox.waiting()])
        return SimpleNamespace(state=self.state, outcomes=[SimpleNamespace(more=self.more)])


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Log:
    """A handler whose plan is in a folder, and whose wakes are counted instead of done."""
    held = Log()
    monkeypatch.setattr(cloud_function, "answer", held.answer)

    def zone(url: str, environ: Any, folder: Path) -> LocalStore:
        return LocalStore(tmp_path / url.removeprefix("gs://"))

    monkeypatch.setattr("catchwater.runtimes.deployed._zone", zone)
    return held


def applied(folder: Path, step: str, example: str = "events") -> Handler:
    plan = plan_of(example, "dev")
    (folder / "in" / "_config" / "files" / "schemas").mkdir(parents=True)
    (folder / "in" / "_config" / "plan.json").write_bytes(plan.to_bytes())
    (folder / "in" / "_config" / "files" / "schemas" / "event.json").write_bytes(b"{}")
    environ = {
        "CATCHWATER_STEP": step, "CATCHWATER_INGESTION": "gs://in", "CATCHWATER_PROCESSED": "gs://out",
        "CATCHWATER_SECRETS": "variables", "CATCHWATER_TOPICS": "pubsub", "CATCHWATER_QUEUES": '{"events": "s"}',
    }  # fmt: skip
    return Handler(environ)


def test_answers_follow_the_log(tmp_path: Path, log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    handler = applied(tmp_path, "ingest:events")
    assert handler.answer(JSON, body(push())) == 200
    assert log.wakes == ["message"]
    assert 500 < log.seconds <= 535
    assert handler.answer({}, b"") == 200
    log.settles = False
    assert handler.answer(JSON, body(push())) == 503  # done, and yet the log doesn't hold it
    log.settles, log.state = True, "failed"
    assert handler.answer(JSON, body(push())) == 503
    log.state, log.more = "partly", True
    assert handler.answer(JSON, body(push())) == 503  # it comes again, and the rest is done then
    log.more = False
    assert handler.answer(JSON, body(push())) == 200
    assert handler.answer(JSON, b'{"message": 5}') == 400
    assert "not a message of Pub/Sub" in capsys.readouterr().out


def test_what_does_not_concern_the_step_is_answered_at_once(tmp_path: Path, log: Log) -> None:
    handler = applied(tmp_path, "process:events")
    headers, sent = cloud_event("google.cloud.storage.object.v1.finalized", {"bucket": "in", "name": "_runs/1.json"})
    assert handler.answer(headers, sent) == 204
    assert log.wakes == []
    name = f"events/_log/{7:020}/query_log.json"
    headers, sent = cloud_event("google.cloud.storage.object.v1.finalized", {"bucket": "in", "name": name})
    assert handler.answer(headers, sent) == 200
    assert log.wakes == ["batch"]


def test_without_a_plan_it_is_sent_again(tmp_path: Path, log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    handler = applied(tmp_path, "ingest:events")
    plan = tmp_path / "in" / "_config" / "plan.json"
    kept = plan.read_bytes()
    plan.unlink()
    assert handler.answer(JSON, body(push())) == 503
    assert "no plan was applied" in capsys.readouterr().out
    plan.write_bytes(kept)
    assert handler.answer(JSON, body(push())) == 200
    plan.unlink()
    assert handler.answer(JSON, body(push())) == 503  # a wake looks at what is applied now
    assert log.wakes == ["message"]


def test_a_new_plan_is_used_at_the_next_wake(tmp_path: Path, log: Log) -> None:
    handler = applied(tmp_path, "ingest:events")
    handler.answer(JSON, body(push()))
    first = handler._held
    handler.answer(JSON, body(push()))
    assert handler._held is first
    (tmp_path / "in" / "_config" / "files" / "schemas" / "event.json").write_bytes(b"{ }")
    assert handler.answer(JSON, body(push())) == 200
    assert handler._held is not first


def test_a_request_whose_time_is_over_wakes_nothing(tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = applied(tmp_path, "ingest:events")
    monkeypatch.setattr(cloud_function, "MARGIN", 540.0)
    assert handler.answer(JSON, body(push())) == 503
    assert log.wakes == []


def test_the_function_takes_posts(tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_function, "_handler", applied(tmp_path, "ingest:events"))
    post = SimpleNamespace(method="POST", headers=JSON, get_data=lambda: body(push()))
    assert cloud_function.on_event(post) == ("", 200)
    assert cloud_function.on_event(SimpleNamespace(method="GET")) == ("", 204)
    monkeypatch.setattr(cloud_function, "_handler", None)
    assert cloud_function.handler() is cloud_function.handler()
