"""What a request to a handler on Google Cloud says, as plain data; what to do about it is decided elsewhere."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from catchwater.errors import UseError
from catchwater.ports import Delivered

PUSHED = "google.cloud.pubsub.topic.v1.messagePublished"
FINALIZED = "google.cloud.storage.object.v1.finalized"
BUILT = "google.cloud.cloudbuild.build.v1.statusChanged"
_STRUCTURED = "application/cloudevents+json"


@dataclass(frozen=True)
class Event:
    """`kind`: message (with `message`), object (with `bucket` and `key`), build (with `status`), other (an event that
    no step waits for), or request: a schedule's, or anybody's who may call."""

    kind: str
    message: Delivered | None = None
    bucket: str = ""
    key: str = ""
    status: str = ""


def read(headers: Mapping[str, str], body: bytes, listens: bool) -> Event:
    """A Pub/Sub push or a CloudEvent (binary or structured); header names in any case. `listens`: every message is
    the step's own, whatever its attributes say. Raises UseError for what looks like an event and can't be read."""
    told = {name.lower(): value for name, value in headers.items()}
    kind = told.get("ce-type", "")
    if told.get("content-type", "").partition(";")[0].strip().lower() == _STRUCTURED:
        whole = _object(body)
        kind, data = str(whole.get("type", "")), whole.get("data") or {}
    else:
        data = _object(body) if kind or _is_push(body) else {}
    if not isinstance(data, dict):
        raise UseError(f"the data of a {kind} event isn't an object")
    if kind in ("", PUSHED) and "message" in data:
        message = _message(data["message"])
        return Event("message", message) if listens else _told(message)
    if kind == FINALIZED:
        return Event("object", bucket=str(data.get("bucket", "")), key=str(data.get("name", "")))
    if kind == BUILT:
        return Event("build", status=str(data.get("status", "")))
    return Event("other" if kind else "request")


def _told(message: Delivered) -> Event:
    """What Cloud Storage and Cloud Build say through a topic stands in the message's attributes."""
    said = message.attributes
    if said.get("eventType") == "OBJECT_FINALIZE":
        return Event("object", bucket=said.get("bucketId", ""), key=said.get("objectId", ""))
    if "buildId" in said:
        return Event("build", status=said.get("status", ""))
    return Event("message", message)


def _is_push(body: bytes) -> bool:
    return body.lstrip()[:1] == b"{" and b'"message"' in body


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UseError("the body of an event isn't JSON") from error
    if not isinstance(found, dict):
        raise UseError("the body of an event isn't a JSON object")
    return found


def _message(found: Any) -> Delivered:
    try:
        name = str(found.get("messageId") or found["message_id"])
        published = str(found.get("publishTime") or found["publish_time"])
        attributes = {str(key): str(value) for key, value in (found.get("attributes") or {}).items()}
        body = base64.b64decode(found.get("data") or "", validate=True)
        return Delivered(name, _seconds(published), body, attributes)
    except (KeyError, AttributeError, TypeError, ValueError, binascii.Error) as error:
        raise UseError(f"not a message of Pub/Sub: {type(error).__name__}") from error


def _seconds(text: str) -> float:
    """RFC 3339 with up to nine digits of a second, in UTC."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    moment = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    return moment.timestamp() + float(f"0.{fraction or 0}")
