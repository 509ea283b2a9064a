"""Google Pub/Sub as a topic and as a source: what was taken is decided by the log, never by an acknowledgement."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from catchwater.adapters.sources import pubsub_calls as calls
from catchwater.adapters.sources import queued, webhook
from catchwater.adapters.sources.embedded_topic import MAX_ID, Message
from catchwater.adapters.sources.pubsub_lease import ID, Lease, lease, message
from catchwater.adapters.sources.topic import only
from catchwater.errors import SecretMissing, SourceError, UseError
from catchwater.ports import Extraction, Held, Refused, Settings
from catchwater.project import schema
from catchwater.project.tables import TableSchema

MAX_BYTES = 9 << 20
MAX_REQUEST = 8 << 20
MAX_MESSAGES = 1000
REASON = "catchwater-reason"
Sent = tuple[bytes, Mapping[str, str]]


class PubsubTopic:
    """A topic by its path `projects/P/topics/T` (ports.Topic)."""

    def __init__(self, path: str, variables: Mapping[str, str]) -> None:
        self._path, self._variables = path, variables

    def publish(self, messages: Iterable[bytes], ids: Iterable[str] | None = None) -> int:
        """Publish messages and return how many, once the server has taken all of them; one whose id (one for each
        message) is in the log already becomes no row.

        Raises UseError, before anything is sent, for a message over the limit or ids that don't match;
        SourceUnreachable, SourceRefused, SourceBusy, SourceError: a part may have been taken.
        """
        bodies = [bytes(each) for each in messages]
        names = None if ids is None else list(ids)
        self._check(bodies, names)
        self.send([(body, {ID: names[n]} if names else {}) for n, body in enumerate(bodies)])
        return len(bodies)

    def send(self, messages: Sequence[Sent]) -> None:
        """Publish bodies with their attributes, in requests of up to MAX_MESSAGES and MAX_REQUEST bytes."""
        part: list[Sent] = []
        size = 0
        for each in messages:
            if part and (len(part) == MAX_MESSAGES or size + len(each[0]) > MAX_REQUEST):
                calls.publish(self._path, part, self._variables)
                part, size = [], 0
            part.append(each)
            size += len(each[0])
        if part:
            calls.publish(self._path, part, self._variables)

    def _check(self, bodies: Sequence[bytes], names: Sequence[str] | None) -> None:
        for number, body in enumerate(bodies, 1):
            if not body or len(body) > MAX_BYTES:
                raise UseError(
                    f"message {number} has {len(body)} bytes, 1 to {MAX_BYTES} are taken",
                    where=self._path,
                    next_step="publish what it refers to elsewhere, and its address here; nothing was published",
                )
        if names is not None and len(names) != len(bodies):
            raise UseError(f"{len(bodies)} messages and {len(names)} ids", where=self._path)
        if names is not None and not all(name and len(name.encode()) <= MAX_ID for name in names):
            raise UseError(f"an id has 1 to {MAX_ID} bytes", where=self._path)


class PubsubSource:
    """Messages that requests brought, and those that wait in the subscription `settings.queues[name]`.

    One that can't be decoded is refused, and published to the topic `settings.queues["<name>/dead"]` if there is one.
    """

    def __init__(self, name: str, spec: queued.Spec, settings: Settings) -> None:
        self._name, self._spec, self._settings = name, spec, settings

    def describe(self) -> tuple[TableSchema, ...]:
        return (queued.table(self._name, self._spec, self._settings),)

    def accept(self, headers: Mapping[str, str], body: bytes) -> str:
        """Publish one signed delivery and return its id once the server has it; a redelivery is one row.

        Raises PermissionError (unsigned or forged), UseError (not a delivery), SecretMissing, SourceError.
        """
        secret = self._spec.secret if isinstance(self._spec, schema.GithubSource) else None
        if secret is None:
            step = f"secret: {self._name}-webhook"
            raise SecretMissing("no secret is declared to check deliveries with", where=self._name, next_step=step)
        delivery, event = webhook.check(headers, body, self._settings.resolve("${secret:" + secret + "}"))
        self._topic(self._name).publish([webhook.envelope(event, body)], [delivery])
        return delivery

    def _topic(self, queue: str) -> PubsubTopic:
        return PubsubTopic(self._settings.queues[queue], self._settings.variables)

    def capture(self, tables: Sequence[str], held: Held, work: Path) -> Extraction | None:
        """One batch of what requests brought and the subscription holds, none of it in the log yet; None when there
        is nothing. What the log has already is acknowledged."""
        only(self._name, tables)
        if not tables:
            return None
        inbox = self._settings.inbox
        brought = {
            each.id: message(each.id, each.published, each.body, each.attributes)
            for each in (inbox.waiting() if inbox else ())
        }
        waiting = lease(self._settings.queues[self._name], self._settings.variables.get(calls.EMULATOR, ""))
        more = waiting.fill(len(brought), sum(len(each.body) for each in brought.values()), patient=inbox is None)
        found = waiting.messages | brought
        known = waiting.known(held, min((each.received for each in found.values()), default=float("inf")))
        self._settle(waiting, [name for name in found if name in known])
        fresh = {name: each for name, each in found.items() if name not in known}
        return replace(self._batch(waiting, fresh, held, work), more=more) if fresh else None

    def _batch(self, waiting: Lease, fresh: Mapping[str, Message], held: Held, work: Path) -> Extraction:
        """The batch of these messages, by time of publication."""
        ordered = sorted(fresh.items(), key=lambda each: (each[1].received, len(each[0]), each[0]))
        numbered = [replace(each, number=number) for number, (_, each) in enumerate(ordered, 1)]
        mark, ids = uuid.uuid4().hex, [name for name, _ in ordered]
        position = {"kind": "pubsub", "mark": mark, "ids": ids, "newest": queued.newest(held, numbered)}
        made = queued.extraction(self._name, self._spec, self._settings, numbered, (held, work, position))

        def settle() -> None:
            waiting.committed(mark, ids)
            self._bury(numbered, made.refused)
            self._settle(waiting, ids)

        return replace(made, settle=settle)

    def _settle(self, waiting: Lease, ids: Collection[str]) -> None:
        if self._settings.inbox:
            self._settings.inbox.settle(ids)
        with suppress(SourceError):  # what isn't acknowledged comes again, and is known by its id
            waiting.acknowledge(ids)

    def _bury(self, found: Sequence[Message], refused: Sequence[Refused]) -> None:
        """Publish refused messages as they came, with the reason, where people look for them."""
        if not refused or f"{self._name}/dead" not in self._settings.queues:
            return
        reasons = {each.where.removeprefix("message ").removeprefix("delivery "): each.reason for each in refused}
        dead = [
            (each.body, {REASON: reasons[each.message_id][:250], ID: each.message_id})
            for each in found
            if each.message_id in reasons and each.body
        ]
        self._topic(f"{self._name}/dead").send(dead)
