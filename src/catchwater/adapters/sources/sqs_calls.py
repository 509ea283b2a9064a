"""What is asked of SQS: how a message is carried, sent, received and deleted, and its refusals by name."""

import base64
import gzip
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from catchwater.adapters.aws import client, code, denied
from catchwater.adapters.sources.embedded_topic import Message
from catchwater.errors import SourceBusy, SourceError, SourceRefused, SourceUnreachable

ID = "catchwater-id"  # the attribute with an id that the publisher chose
ENCODING = "catchwater-encoding"
GZIP = "gzip+base64"
MAX_MESSAGE = 1 << 20
MAX_REQUEST = 256 << 10  # what a queue takes that was made before 2025; a longer message is sent by itself
PLAIN = 192 << 10
MAX_UNPACKED = 64 << 20
PER_REQUEST = 10
ATTEMPTS = 3
WAIT = 1  # seconds: without a wait SQS asks only some of its servers
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_CARRIED = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")


@dataclass(frozen=True)
class Sent:
    """A message as SQS carries it."""

    text: str
    attributes: Mapping[str, str]

    @property
    def size(self) -> int:
        """Bytes that count towards the limit: body, and names, types and values of attributes."""
        named = sum(len(name.encode()) + len("String") + len(value.encode()) for name, value in self.attributes.items())
        return len(self.text.encode()) + named


@dataclass(frozen=True)
class Received:
    """A message as it was received; `id` is SQS's own, `published` in seconds."""

    id: str
    receipt: str
    published: float
    body: bytes = field(repr=False)
    attributes: Mapping[str, str] = field(default_factory=dict)

    def message(self) -> Message:
        """By the id that its publisher chose, else by SQS's; the number is given in the batch."""
        given = self.attributes.get(ID, "")
        body = unpacked(self.body) if self.attributes.get(ENCODING) == GZIP else self.body
        return Message(0, given or self.id, bool(given), self.published, body)


def packed(body: bytes, name: str) -> Sent:
    """As it is when it is text that SQS carries, and short; else compressed."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = "\0"
    if len(body) <= PLAIN and _CARRIED.fullmatch(text):
        return Sent(text, {ID: name})
    return Sent(base64.b64encode(gzip.compress(body, 6, mtime=0)).decode(), {ID: name, ENCODING: GZIP})


def unpacked(body: bytes) -> bytes:
    """What was packed; a body that isn't, or that would be over MAX_UNPACKED, stays as it came, to be refused."""
    try:
        opener = zlib.decompressobj(16 + zlib.MAX_WBITS)
        found = opener.decompress(base64.b64decode(body, validate=True), MAX_UNPACKED)
    except (ValueError, zlib.error):
        return body
    return found if opener.eof else body


def send(url: str, part: Sequence[Sent], variables: Mapping[str, str]) -> None:
    """Send up to PER_REQUEST messages; those that SQS didn't take are sent again. Raises SourceError and its kinds."""
    waiting = {str(number): each for number, each in enumerate(part)}
    failed: list[Mapping[str, Any]] = []
    for _ in range(ATTEMPTS):
        entries = [_entry(number, each) for number, each in waiting.items()]
        answer = _asked("send_message_batch", url, variables, Entries=entries)
        failed = answer.get("Failed", [])
        waiting = {one["Id"]: waiting[one["Id"]] for one in failed}
        if not waiting or any(one.get("SenderFault") for one in failed):
            break
    if failed:
        said = ", ".join(sorted({str(one.get("Code")) for one in failed}))
        kind = SourceRefused if any(one.get("SenderFault") for one in failed) else SourceBusy
        step = "publish again under the same ids: what was queued becomes one row"
        raise kind(f"{len(failed)} of {len(part)} messages weren't queued: {said}", where=where(url), next_step=step)


def _entry(number: str, each: Sent) -> dict[str, Any]:
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in each.attributes.items()}
    return {"Id": number, "MessageBody": each.text, "MessageAttributes": attributes}


def receive(url: str, variables: Mapping[str, str]) -> list[Received]:
    """Up to ten messages, hidden from others for the queue's visibility timeout; none after WAIT."""
    answer = _asked(
        "receive_message", url, variables, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT,
        MessageAttributeNames=[ID, ENCODING], MessageSystemAttributeNames=["SentTimestamp"],
    )  # fmt: skip
    return [
        Received(
            one["MessageId"],
            one["ReceiptHandle"],
            int(one["Attributes"]["SentTimestamp"]) / 1000,
            one["Body"].encode(),
            {name: value.get("StringValue", "") for name, value in one.get("MessageAttributes", {}).items()},
        )
        for one in answer.get("Messages", [])
    ]


def delete(url: str, receipts: Sequence[str], variables: Mapping[str, str]) -> None:
    """Delete messages; one whose receipt has run out comes again, and is known by its id. Raises SourceRefused and
    SourceUnreachable."""
    for start in range(0, len(receipts), PER_REQUEST):
        some = receipts[start : start + PER_REQUEST]
        entries = [{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(some)]
        _asked("delete_message_batch", url, variables, Entries=entries)


def where(url: str) -> str:
    """The queue's name: its URL has the account's number in it."""
    return f"queue {url.rstrip('/').rsplit('/', 1)[-1]}"


def _asked(call: str, url: str, variables: Mapping[str, str], **arguments: Any) -> Any:
    """Raises SourceRefused, SourceUnreachable, SourceBusy, SourceError."""
    asked = getattr(client("sqs", variables), call)
    from botocore import exceptions as botocore

    try:
        return asked(QueueUrl=url, **arguments)
    except (botocore.ConnectionError, botocore.HTTPClientError) as error:
        step = "check the network between here and SQS (in a VPC: an endpoint for sqs)"
        raise SourceUnreachable(f"no answer: {code(error)}", where=where(url), next_step=step) from error
    except (botocore.ClientError, botocore.BotoCoreError) as error:
        raise _refused(error, call, url) from error


def _refused(error: Exception, call: str, url: str) -> SourceError:
    said = code(error)
    if denied(error):
        action = "".join(word.capitalize() for word in call.removesuffix("_batch").split("_"))
        step = "catchwater build, then apply the workflow's root"
        return SourceRefused(f"the step's role may not do sqs:{action}", where=where(url), next_step=step)
    if "NonExistentQueue" in said or "QueueDoesNotExist" in said:
        return SourceRefused("there is no such queue", where=where(url), next_step="apply the workflow's root")
    if "Throttl" in said or said in ("OverLimit", "ServiceUnavailable", "InternalFailure", "InternalError"):
        return SourceBusy(f"SQS says {said}", where=where(url), next_step="it is tried again at the next wake")
    return SourceError(f"SQS says {said}", where=where(url))
