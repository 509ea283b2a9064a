"""A step on AWS Lambda: an event only says that something moved; which step it is stands in the environment."""

import json
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from catchwater.adapters.aws import client, code
from catchwater.errors import CatchwaterError, UseError
from catchwater.ports import Delivered
from catchwater.runtimes.aws_webhook import answered
from catchwater.runtimes.deployed import STAGES, Deployed, current, say, tell, wake
from catchwater.runtimes.report import RunReport

IDLE = 3  # wakes in a row that had more to do and committed nothing
# wakes by itself after one event: Lambda takes about 16 for a loop, and drops what would come next
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
LINKS = 15
CACHE = 128 << 20  # bytes of fetched objects that an idle function keeps of its disk
_opened: Deployed | None = None


def handler(event: Any, context: Any) -> Any:
    """What Lambda calls, for every step. Raises CatchwaterError when the step failed, so that the event is tried
    again and then kept where failures are kept."""
    global _opened
    deployed = _opened = current(_opened, os.environ)
    told: dict[str, Any] = event if isinstance(event, dict) else {}
    if "http" in told.get("requestContext", {}):
        return answered(deployed, told)
    if deployed.step.stage not in STAGES:
        said = "this function receives webhooks, and was woken by something else"
        raise UseError(said, where=deployed.step.name, next_step="POST to its URL, /v1/webhooks/{source}")
    _make_room(deployed.wiring.state / "cache")
    if _messages(deployed, told):
        return _taken(deployed, told["Records"], context)
    return _woken(deployed, told, context)


def _messages(deployed: Deployed, event: Mapping[str, Any]) -> bool:
    """Whether the event brings messages for the step's source; to any other step a message is only a wake."""
    places = deployed.wiring.places
    listening = places is not None and deployed.step.stage == "ingest" and deployed.step.source in places.queues
    return listening and trigger(event) == "message"


def _taken(deployed: Deployed, records: Sequence[Mapping[str, Any]], context: Any) -> dict[str, Any]:
    """One wake with an SQS batch. What it commits Lambda deletes; the others are told, and come again."""
    inbox = Records(records)
    wiring = deployed.wiring
    assert wiring.places is not None  # noqa: S101 (the event is only taken for messages where there are queues)
    places = replace(wiring.places, inbox=inbox)
    report = wake(replace(deployed, wiring=replace(wiring, places=places)), "message", _seconds(context))
    tell(report)
    failure = failed(report)
    left = [each.id for each in inbox.waiting()]
    if failure and len(left) == len(records):
        raise failure
    return {"batchItemFailures": [{"itemIdentifier": name} for name in left], "run": report.id}


def _woken(deployed: Deployed, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """One wake, and one more if there is more to do than time."""
    report = wake(deployed, trigger(event), _seconds(context))
    tell(report)
    failure = failed(report)
    if failure:
        raise failure
    if any(outcome.more for outcome in report.outcomes):
        before = event.get("again")
        told = before if isinstance(before, dict) else {}
        idle = 0 if report.moved else int(told.get("idle", 0)) + 1
        _again(report, {"idle": idle, "links": int(told.get("links", 0)) + 1}, context, deployed)
    return {"run": report.id, "state": report.state, "seconds": round(report.seconds, 3)}


def _seconds(context: Any) -> float:
    return float(context.get_remaining_time_in_millis()) / 1000


def trigger(event: Mapping[str, Any]) -> str:
    """schedule | batch | message | request, as the event's shape tells."""
    again, records, source = event.get("again"), event.get("Records"), event.get("source")
    if isinstance(again, dict):
        return str(again.get("trigger", "request"))
    if isinstance(records, list) and records and isinstance(records[0], dict):
        return "message" if records[0].get("eventSource") == "aws:sqs" else "batch"
    if source == "aws.s3":
        return "batch"
    return "schedule" if source in ("aws.scheduler", "aws.events") else str(event.get("trigger", "request"))


def failed(report: RunReport) -> CatchwaterError | None:
    """The wake's failures as one error: their messages name no secret."""
    failures = [failure for outcome in report.outcomes for failure in outcome.failures]
    if not failures:
        return None
    text = "; ".join(f"{failure.error}: {failure.message}" for failure in failures)
    return CatchwaterError(text, where=report.outcomes[0].step, next_step=f"catchwater runs {report.id}")


def _again(report: RunReport, chain: Mapping[str, int], context: Any, deployed: Deployed) -> None:
    """Wake this function anew, without waiting for it; not for ever, when nothing is committed or too much is left."""
    step = report.outcomes[0].step
    if chain["idle"] >= IDLE or chain["links"] > LINKS:
        idle = f"{chain['idle']} wakes in a row had no time to commit a batch"
        raise CatchwaterError(
            idle if chain["idle"] >= IDLE else f"there is more to do after {LINKS} wakes in a row",
            where=step,
            next_step="give the step more time or memory: steps: {…: {timeout: …, memory: …}}",
        )
    from botocore.exceptions import BotoCoreError, ClientError

    body = json.dumps({"again": {"trigger": report.trigger, **chain}}).encode()
    lambdas = client("lambda", deployed.wiring.loaded.variables)
    try:
        lambdas.invoke(FunctionName=context.function_name, InvocationType="Event", Payload=body)
    except (ClientError, BotoCoreError) as error:
        said = f"there is more to do, and the function can't wake itself: {code(error)}"
        step_next = "let its role do lambda:InvokeFunction on itself, and reach Lambda (in a VPC: an endpoint)"
        raise CatchwaterError(said, where=step, next_step=step_next) from error
    say("info", "woken again", run=report.id, **chain)


def _make_room(cache: Path) -> None:
    """A warm function has what it fetched before; its disk is small, and objects can be fetched again."""
    size = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
    if size > CACHE:
        shutil.rmtree(cache)


class Records:
    """The messages of an SQS event (ports.Inbox)."""

    def __init__(self, records: Sequence[Mapping[str, Any]]) -> None:
        self._waiting = {each.id: each for each in map(_delivered, records)}

    def waiting(self) -> Sequence[Delivered]:
        return list(self._waiting.values())

    def settle(self, ids: Collection[str]) -> None:
        for name in ids:
            self._waiting.pop(name, None)


def _delivered(record: Mapping[str, Any]) -> Delivered:
    attributes = record.get("messageAttributes") or {}
    return Delivered(
        str(record["messageId"]),
        int(record["attributes"]["SentTimestamp"]) / 1000,
        str(record["body"]).encode(),
        {name: str(value.get("stringValue", "")) for name, value in attributes.items()},
    )
