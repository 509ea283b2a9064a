"""A step on AWS Lambda: an event only says that something moved; which step it is stands in the environment."""

import json
import os
from typing import Any

from catchwater.adapters.aws import client
from catchwater.errors import CatchwaterError
from catchwater.runtimes.deployed import Deployed, answer, current, say
from catchwater.runtimes.report import RunReport

IDLE = 3  # wakes in a row that had more to do and committed nothing
_opened: Deployed | None = None


def handler(event: Any, context: Any) -> Any:
    """What Lambda calls. Raises CatchwaterError when the step failed, so that the event is tried again and then
    kept where failures are kept."""
    global _opened
    deployed = _opened = current(_opened, os.environ)
    return _woken(deployed, event if isinstance(event, dict) else {}, context)


def _woken(deployed: Deployed, event: dict[str, Any], context: Any) -> dict[str, Any]:
    before = event.get("again") or {}
    report = answer(deployed, trigger(event), context.get_remaining_time_in_millis() / 1000, lambda: None)
    failure = failed(report)
    if failure:
        raise failure
    if any(outcome.more for outcome in report.outcomes):
        _again(report, int(before.get("idle", 0)), context, deployed)
    return {"run": report.id, "state": report.state, "seconds": round(report.seconds, 3)}


def trigger(event: dict[str, Any]) -> str:
    """schedule | batch | message | request, as the event's shape tells."""
    if "again" in event:
        return str(event["again"].get("trigger", "request"))
    records = event.get("Records")
    if isinstance(records, list) and records:
        return "message" if records[0].get("eventSource") == "aws:sqs" else "batch"
    source = event.get("source")
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


def _again(report: RunReport, idle: int, context: Any, deployed: Deployed) -> None:
    """Wake this function anew, without waiting for it; not for ever when nothing is committed."""
    idle = 0 if report.moved else idle + 1
    if idle >= IDLE:
        raise CatchwaterError(
            f"{idle} wakes in a row had no time to commit a batch",
            where=report.outcomes[0].step,
            next_step="give the step more time or memory: steps: {…: {timeout: …, memory: …}}",
        )
    body = json.dumps({"again": {"trigger": report.trigger, "idle": idle}}).encode()
    client("lambda", deployed.wiring.loaded.variables).invoke(
        FunctionName=context.function_name, InvocationType="Event", Payload=body
    )
    say("info", "woken again", run=report.id, idle=idle)
