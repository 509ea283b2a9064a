"""Signed deliveries over a function URL: checked, queued, and only then answered; nothing is committed here."""

import base64
import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from catchwater.errors import CatchwaterError, UseError
from catchwater.runtimes.deployed import Deployed, say

MOST = 6 << 20  # bytes of a request that a function URL takes
_PATH = re.compile(r"/v1/webhooks/([a-z][a-z0-9_]{0,39})")
_TYPES = ("application/json", "application/x-www-form-urlencoded")


class _Refusal(Exception):
    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


def answered(deployed: Deployed, event: Mapping[str, Any]) -> dict[str, Any]:
    """The response to one request, as the API of one machine would give it: 202 once the delivery is queued, problem
    details (RFC 9457) otherwise. 5xx lets the sender deliver again."""
    try:
        delivery = _queued(deployed, event)
    except _Refusal as refusal:
        return _problem(refusal)
    except UseError as error:
        return _problem(_Refusal(400, str(error)))
    except CatchwaterError as error:
        say("error", str(error), step=deployed.step.name, error=type(error).__name__)
        return _problem(_Refusal(503, "the delivery wasn't queued; deliver it again", {"Retry-After": "5"}))
    say("info", "queued", step=deployed.step.name, delivery=delivery)
    return _response(202, {"delivery": delivery}, {"Content-Type": "application/json"})


def _queued(deployed: Deployed, event: Mapping[str, Any]) -> str:
    source = _source(deployed, event["requestContext"]["http"])
    headers = {name.lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _TYPES:
        raise _Refusal(415, f"send {' or '.join(_TYPES)}")
    body = _body(event)
    try:
        taken: str = deployed.wiring.receiver(deployed.plan, source).accept(headers, body)
    except PermissionError as error:
        detail = "the signature is missing or wrong"
        raise _Refusal(401, detail, {"WWW-Authenticate": "Signature"}) from error
    finally:
        deployed.wiring.close()
    return taken


def _source(deployed: Deployed, http: Mapping[str, Any]) -> str:
    path = _PATH.fullmatch(str(http.get("path", "")))
    places = deployed.wiring.places
    if deployed.step.stage != "serve" or path is None:
        raise _Refusal(404, "nothing is served at this path")
    if http.get("method") != "POST":
        raise _Refusal(405, "this path doesn't take this method", {"Allow": "POST"})
    if places is None or path[1] not in places.queues or not _signed(deployed, path[1]):
        raise _Refusal(404, f"no webhook {path[1]} is declared")
    return path[1]


def _signed(deployed: Deployed, name: str) -> bool:
    declared = deployed.wiring.loaded.project.sources.get(name)
    return declared is not None and declared.kind == "github" and declared.origin == "webhook"


def _body(event: Mapping[str, Any]) -> bytes:
    """The exact bytes that were signed."""
    text = str(event.get("body") or "")
    try:
        body = base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
    except ValueError as error:
        raise _Refusal(400, "the body can't be read") from error
    if len(body) > MOST:
        raise _Refusal(413, f"{len(body)} bytes, {MOST} are the most")
    return body


def _problem(refusal: _Refusal) -> dict[str, Any]:
    title = HTTPStatus(refusal.status).phrase
    body = {"type": "about:blank", "title": title, "status": refusal.status, "detail": refusal.detail}
    return _response(refusal.status, body, {"Content-Type": "application/problem+json", **refusal.headers})


def _response(status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    return {"statusCode": status, "headers": {"Cache-Control": "no-store", **headers}, "body": json.dumps(body)}
