"""Google Pub/Sub as a topic and as a source: what was taken is decided by the log, never by an acknowledgement."""

import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from catchwater.adapters.sources import queued, webhook
from catchwater.adapters.sources.embedded_topic import MAX_ID, Message
from catchwater.adapters.sources.pubsub_calls import Topics, topics
from catchwater.adapters.sources.pubsub_lease import Lease, lease
from catchwater.adapters.sources.topic import only
from catchwater.errors import SecretMissing, UseError
from catchwater.ports import Delivered, Extraction, Held, Refused, Settings
from catchwater.project import schema
from catchwater.project.tables import TableSchema

if TYPE_CHECKING:
    from google.pubsub_v1.types import PubsubMessage

__all__ = ["PubsubSource", "PubsubTopic"]

ID = "catchwater-id"  # the attribute that holds an id which the publisher chose
MAX_BYTES = 9 << 20
MAX_REQUEST = 8 << 20
MAX_MESSAGES = 1000


class PubsubTopic:
    """A topic by its path `projects/P/topics/T` (ports.Topic)."""

    def __init__(self, path: str, variables: Mapping[str, str]) -> None:
        self._path, self._variables = path, variables

    def publish(self, messages: Iterable[bytes], ids: Iterable[str] | None = None) -> int:
        """Publish messages and return how many once the server has taken all of them.

        Raises UseError, before anything is sent, for a message over the limit or ids that don't match;
        SourceUnreachable, SourceRefused, SourceBusy when the server took only a part or nothing.
        """
        bodies = [bytes(message) for message in messages]
        names = None if ids is None else list(ids)
        self._check(bodies, names)
        attributes = [{ID: name} for name in names] if names is not None else [{} for _ in bodies]
        self.send(list(zip(bodies, attributes, strict=True)))
        return len(bodies)

    def send(self, messages: Sequence[tuple[bytes, Mapping[str, str]]]) -> None:
        """Publish bodies with their attributes, in requests of up to MAX_MESSAGES and MAX_REQUEST bytes."""
        opened: Topics = topics(self._variables)
        part: list[tuple[bytes, Mapping[str, str]]] = []
        size = 0
        for body, attributes in messages:
            if part and (len(part) == MAX_MESSAGES or size + len(body) > MAX_REQUEST):
                opened.publish(self._path, part)
                part, size = [], 0
            part.append((body, attributes))
            size += len(body)
        if part:
            opened.publish(self._path, part)

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

    A message that can't be decoded is refused, and published to the topic `settings.queues["<name>/dead"]` if there
    is one. `now` is the clock that tells how far back the log is asked for a message's id.
    """

    def __init__(self, name: str, spec: queued.Spec, settings: Settings) -> None:
        self._name, self._spec, self._settings = name, spec, settings

    def describe(self) -> tuple[TableSchema, ...]:
        return (queued.table(self._name, self._spec, self._settings),)

    def accept(self, headers: Mapping[str, str], body: bytes) -> str:
        """Publish one signed delivery and return its id once the server has it; a redelivery is one row.

        Raises PermissionError (unsigned or forged), UseError (not a delivery), SecretMissing, SourceUnreachable.
        """
        if not isinstance(self._spec, schema.GithubSource) or self._spec.secret is None:
            step = f"secret: {self._name}-webhook"
            raise SecretMissing("no secret is declared to check deliveries with", where=self._name, next_step=step)
        secret = self._settings.resolve("${secret:" + self._spec.secret + "}")
        delivery, event = webhook.check(headers, body, secret)
        self._topic(self._name).publish([webhook.envelope(event, body)], [delivery])
        return delivery

    def _topic(self, queue: str) -> PubsubTopic:
        return PubsubTopic(self._settings.queues[queue], self._settings.variables)

    def capture(self, tables: Sequence[str], held: Held, work: Path) -> Extraction | None:
        """One batch of what requests brought and the subscription holds, none of it in the log yet; None when there
        is nothing. What the log holds already is acknowledged."""
        only(self._name, tables)
        if not tables:
            return None
        path = self._settings.queues[self._name]
        waiting = lease(path, self._settings.variables)
        brought = self._settings.inbox.waiting() if self._settings.inbox else ()
        full = waiting.fill(sum(len(each.body) for each in brought), patient=not brought)
        found = {each.id: _message(each) for each in brought} | waiting.messages()
        old = waiting.known(held, min((each.received for each in found.values()), default=time.time()))
        self._settle(waiting, [name for name in found if name in old])
        fresh = [message for name, message in found.items() if name not in old]
        return self._batch(waiting, fresh, held, (work, full)) if fresh else None

    def _batch(self, waiting: Lease, fresh: list[Message], held: Held, way: tuple[Path, bool]) -> Extraction:
        """The batch of these messages, by time of publication."""
        work, full = way
        fresh.sort(key=lambda message: (message.received, len(message.message_id), message.message_id))
        ids = {message.message_id: name for name, message in self._named(fresh)}
        numbered = [replace(message, number=number) for number, message in enumerate(fresh, 1)]
        mark = uuid.uuid4().hex
        position = {"kind": "pubsub", "mark": mark, "ids": [message.message_id for message in numbered]}
        made = queued.extraction(self._name, self._spec, self._settings, numbered, (held, work, position))

        def settle() -> None:
            waiting.committed(mark, ids)
            self._bury(numbered, made.refused)
            self._settle(waiting, ids)

        return replace(made, more=full, settle=settle)
