"""A step on Google Cloud: a request says that something moved, and is answered 2xx once the log holds what it brought.

Anything else is answered 503, and whoever sent it sends again: so a step that ran out of time wakes itself, too.
"""

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from catchwater.errors import CatchwaterError, UseError
from catchwater.runtimes.cloud_events import Event, read
from catchwater.runtimes.cloud_turns import Turns, Waiting
from catchwater.runtimes.deployed import Deployed, answer, current, say
from catchwater.runtimes.report import RunReport

TAKEN, IGNORED, MALFORMED, AGAIN = 200, 204, 400, 503
MARGIN = 5.0  # seconds of a request's time that are kept to answer it
_MANIFEST = "query_log.json"


class Handler:
    """The one step of this process. Nothing is opened before the first request: the server forks after the import."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = dict(os.environ if environ is None else environ)
        self._turns, self._inbox = Turns(), Waiting()
        self._held: Deployed | None = None
        self._lock = threading.Lock()

    def answer(self, headers: Mapping[str, str], body: bytes) -> int:
        """The status to answer a request with, once the step was woken if it was to be."""
        arrived = time.monotonic()
        try:
            deployed = self._deployed()
        except CatchwaterError as error:
            say("error", str(error))
            return AGAIN
        try:
            event = read(headers, body, _triggered(deployed, "message", "request"))
        except UseError as error:
            say("error", str(error))
            return MALFORMED
        if not wakes(deployed, event):
            return IGNORED
        if event.message is None:
            return self._woken(event, arrived)
        with self._inbox.bring(event.message) as settled:
            status = self._woken(event, arrived)
            return status if settled() else AGAIN

    def _woken(self, event: Event, arrived: float) -> int:
        report, led = self._turns.share(lambda: self._wake(event, arrived))
        if report is None or report.state == "failed":
            return AGAIN
        return AGAIN if led and any(outcome.more for outcome in report.outcomes) else TAKEN

    def _wake(self, event: Event, arrived: float) -> RunReport | None:
        try:
            deployed = self._deployed(fresh=True)
        except CatchwaterError as error:
            say("error", str(error))
            return None
        left = deployed.step.timeout - MARGIN - (time.monotonic() - arrived)
        if left <= 0:
            return None  # it waited for its turn until its time was over
        return answer(deployed, TRIGGERS.get(event.kind, event.kind), left, lambda: None)

    def _deployed(self, fresh: bool = False) -> Deployed:
        """The step as it was opened; with `fresh`, as it is applied now."""
        with self._lock:
            if self._held is None or fresh:
                held = current(self._held, self._environ)
                if held is not self._held and held.wiring.places is not None:
                    held.wiring.places = replace(held.wiring.places, inbox=self._inbox)
                self._held = held
            return self._held


TRIGGERS = {"object": "batch", "build": "deployment", "request": "schedule"}


def _triggered(deployed: Deployed, *kinds: str) -> bool:
    return any(each.step == deployed.step.name and each.kind in kinds for each in deployed.plan.triggers)


def wakes(deployed: Deployed, event: Event) -> bool:
    """Whether an event concerns the step: a batch of a log that it waits for, a build that succeeded, a message."""
    if event.kind == "object":
        return _batch(deployed, event)
    if event.kind == "build":
        return event.status == "SUCCESS" and _triggered(deployed, "deployment")
    if event.kind == "message":
        return _triggered(deployed, "message", "request")
    return event.kind == "request"


def _batch(deployed: Deployed, event: Event) -> bool:
    """Whether an object is the manifest of a log that wakes the step, in its zone's bucket."""
    zones = deployed.wiring.places.zones if deployed.wiring.places else {}
    if not event.key.endswith(f"/{_MANIFEST}"):
        return False
    for trigger in deployed.plan.triggers:
        if trigger.step == deployed.step.name and trigger.kind == "batch":
            zone, _, log = trigger.detail.partition("/")
            bucket, _, prefix = zones.get(zone, "").removeprefix("gs://").partition("/")
            folder = f"{prefix.rstrip('/')}/{log}/_log/".lstrip("/")
            if event.bucket == bucket and event.key.startswith(folder):
                return True
    return False


_handler: Handler | None = None
_first = threading.Lock()


def handler() -> Handler:
    """The one of this process."""
    global _handler
    with _first:
        if _handler is None:
            _handler = Handler()
        return _handler


def on_event(request: Any) -> tuple[str, int]:
    """The function that functions-framework calls, for every request (an HTTP function)."""
    if request.method != "POST":
        return ("", IGNORED)
    return ("", handler().answer(dict(request.headers), request.get_data()))
