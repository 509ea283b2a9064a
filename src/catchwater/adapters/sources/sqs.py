"""Amazon SQS as a topic and as a source: what was taken is decided by the log, never by a deletion."""

import time
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from catchwater.adapters.sources import queued, sqs_calls, webhook
from catchwater.adapters.sources.embedded_topic import MAX_ID, Message
from catchwater.adapters.sources.sqs_calls import MAX_MESSAGE, MAX_REQUEST, PER_REQUEST, Received, Sent, packed
from catchwater.adapters.sources.topic import only
from catchwater.errors import SecretMissing, UseError
from catchwater.ports import Extraction, Held, Settings
from catchwater.project import schema
from catchwater.project.tables import TableSchema

__all__ = ["SqsSource", "SqsTopic"]

BATCH_MESSAGES = 5_000
BATCH_BYTES = 32 << 20
FILLING = 10.0  # seconds: a batch doesn't wait for its last messages


class SqsTopic:
    """A queue by its URL (ports.Topic)."""

    def __init__(self, url: str, variables: Mapping[str, str]) -> None:
        self._url, self._variables = url, variables

    def publish(self, messages: Iterable[bytes], ids: Iterable[str] | None = None) -> int:
        """Queue messages and return how many, once SQS has all of them; a message whose id (one for each) is in the
        log already becomes no row. Bodies that SQS can't carry as text go compressed.

        Raises UseError, before anything is sent, for a message over the limit or ids that don't match;
        SourceUnreachable, SourceRefused, SourceBusy: a part may have been queued, so publish again under the same ids.
        """
        bodies = [bytes(each) for each in messages]
        names = [str(uuid.uuid4()) for _ in bodies] if ids is None else list(ids)
        if len(names) != len(bodies):
            raise UseError(f"{len(bodies)} messages and {len(names)} ids", where=self._where)
        if not all(name and len(name.encode()) <= MAX_ID and name.isprintable() for name in names):
            raise UseError(f"an id has 1 to {MAX_ID} printable characters", where=self._where)
        sent = [packed(body, name) for body, name in zip(bodies, names, strict=True)]
        for number, each in enumerate(sent, 1):
            if not each.text or each.size > MAX_MESSAGE:
                raise UseError(
                    f"message {number} has {len(bodies[number - 1])} bytes, {each.size} as SQS would carry it; "
                    f"1 to {MAX_MESSAGE} are taken",
                    where=self._where,
                    next_step="publish what it refers to elsewhere, and its address here; nothing was queued",
                )
        for part in _parts(sent):
            sqs_calls.send(self._url, part, self._variables)
        return len(bodies)

    @property
    def _where(self) -> str:
        return sqs_calls.where(self._url)


def _parts(sent: Sequence[Sent]) -> Iterable[Sequence[Sent]]:
    """In requests of up to PER_REQUEST messages and MAX_REQUEST bytes; a longer message has one of its own."""
    part: list[Sent] = []
    size = 0
    for each in sent:
        if part and (len(part) == PER_REQUEST or size + each.size > MAX_REQUEST):
            yield part
            part, size = [], 0
        part.append(each)
        size += each.size
    if part:
        yield part


class SqsSource:
    """Messages that came with the event (`settings.inbox`); without an inbox those that wait in the queue
    `settings.queues[name]`. Its table is the one that the embedded queue of a topic or webhook would give."""

    def __init__(self, name: str, spec: queued.Spec, settings: Settings) -> None:
        self._name, self._spec, self._settings = name, spec, settings
        self._held: dict[str, Received] = {}

    @property
    def _url(self) -> str:
        return self._settings.queues[self._name]

    def describe(self) -> tuple[TableSchema, ...]:
        return (queued.table(self._name, self._spec, self._settings),)

    def accept(self, headers: Mapping[str, str], body: bytes) -> str:
        """Queue one signed delivery and return its id once SQS has it; a redelivery is one row.

        Raises PermissionError (unsigned or forged), UseError (not a delivery, or too long), SecretMissing, SourceError.
        """
        secret = self._spec.secret if isinstance(self._spec, schema.GithubSource) else None
        if secret is None:
            step = f"secret: {self._name}-webhook"
            raise SecretMissing("no secret is declared to check deliveries with", where=self._name, next_step=step)
        delivery, event = webhook.check(headers, body, self._settings.resolve("${secret:" + secret + "}"))
        SqsTopic(self._url, self._settings.variables).publish([webhook.envelope(event, body)], [delivery])
        return delivery

    def capture(self, tables: Sequence[str], held: Held, work: Path) -> Extraction | None:
        """One batch of what came or waits, none of it in the log yet; None when there is nothing. What the log has
        already is let go of."""
        only(self._name, tables)
        more = True
        while tables and more:
            more = self._fill()
            found = self._waiting()
            known = queued.taken(held, min((each.received for each in found.values()), default=float("inf")))
            self._settle([name for name, each in found.items() if each.message_id in known])
            fresh = {name: each for name, each in found.items() if each.message_id not in known}
            if fresh:
                return replace(self._batch(fresh, held, work), more=more)
        return None

    def _waiting(self) -> dict[str, Message]:
        """Messages by the id that SQS gave them."""
        inbox = self._settings.inbox
        if inbox is not None:
            brought = (Received(each.id, "", each.published, each.body, each.attributes) for each in inbox.waiting())
            return {each.id: each.message() for each in brought}
        return {name: each.message() for name, each in self._held.items()}

    def _fill(self) -> bool:
        """Receive until nothing more comes or a batch is full; whether more may wait."""
        if self._settings.inbox is not None:
            return False
        until = time.monotonic() + FILLING
        size = sum(len(each.body) for each in self._held.values())
        while len(self._held) < BATCH_MESSAGES and size < BATCH_BYTES and time.monotonic() < until:
            found = sqs_calls.receive(self._url, self._settings.variables)
            if not found:
                return False
            self._held |= {each.id: each for each in found}
            size += sum(len(each.body) for each in found)
        return True

    def _batch(self, fresh: Mapping[str, Message], held: Held, work: Path) -> Extraction:
        """The batch of these messages, by the time they were sent."""
        ordered = sorted(fresh.values(), key=lambda each: (each.received, each.message_id))
        numbered = [replace(each, number=number) for number, each in enumerate(ordered, 1)]
        position = {
            "kind": "sqs",
            "ids": [each.message_id for each in numbered],
            "newest": queued.newest(held, numbered),
        }
        made = queued.extraction(self._name, self._spec, self._settings, numbered, (held, work, position))
        return replace(made, settle=lambda: self._settle(list(fresh)))

    def _settle(self, names: Collection[str]) -> None:
        """Let go of messages that the log holds: Lambda deletes what came with its event, we the others."""
        if self._settings.inbox is not None:
            self._settings.inbox.settle(names)
            return
        receipts = [self._held.pop(name).receipt for name in names]
        sqs_calls.delete(self._url, receipts, self._settings.variables)
