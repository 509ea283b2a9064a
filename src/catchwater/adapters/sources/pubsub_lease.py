"""What this process holds of a subscription: messages pulled and not yet acknowledged, and ids that the log has."""

import time
from collections.abc import Collection, Mapping
from functools import cache
from typing import TYPE_CHECKING

from catchwater.adapters.sources import pubsub_calls as calls
from catchwater.adapters.sources import queued
from catchwater.adapters.sources.embedded_topic import Message
from catchwater.ports import Held

if TYPE_CHECKING:
    from google.pubsub_v1.types import ReceivedMessage

BATCH_MESSAGES = 10_000
BATCH_BYTES = 32 << 20
SECONDS = 60  # a message pulled and not acknowledged comes again after that
FILLING = 3.0  # seconds: a batch doesn't wait for its last messages
IDS_KEPT = 500_000
ID = "catchwater-id"  # the attribute with an id that the publisher chose


@cache
def lease(path: str, emulator: str) -> "Lease":
    """The one of this process; what one wake pulled and couldn't commit, the next one has."""
    return Lease(path, {calls.EMULATOR: emulator} if emulator else {})


def message(name: str, published: float, body: bytes, attributes: Mapping[str, str]) -> Message:
    """A message by the id that its publisher chose, else by the server's; the number is given in the batch."""
    given = attributes.get(ID, "")
    return Message(0, given or name, bool(given), published, body)


class Lease:
    """Used by one wake at a time."""

    def __init__(self, path: str, variables: Mapping[str, str]) -> None:
        self._path, self._variables = path, variables
        self._held: dict[str, tuple[str, Message]] = {}
        self._size = 0
        self._mark: str | None = None
        self._since = float("inf")
        self._ids: set[str] = set()

    @property
    def messages(self) -> dict[str, Message]:
        """Those held, by the server's id."""
        return {name: held for name, (_, held) in self._held.items()}

    def fill(self, count: int, size: int, patient: bool) -> bool:
        """Pull until nothing more comes, or a batch is full that already has `count` messages of `size` bytes; whether
        more may wait. `patient`: the first pull waits a little."""
        if self._held:
            calls.extend(self._path, [lease for lease, _ in self._held.values()], SECONDS, self._variables)
        until = time.monotonic() + FILLING
        while True:
            room = BATCH_MESSAGES - count - len(self._held)
            if room <= 0 or self._size + size >= BATCH_BYTES or time.monotonic() > until:
                return True
            found = calls.pull(self._path, min(room, 1000), patient, self._variables)
            if not found:
                return False
            patient = False
            for each in found:
                self._hold(each)

    def _hold(self, received: "ReceivedMessage") -> None:
        each = received.message
        if each.message_id not in self._held:
            self._size += len(each.data)
        made = message(each.message_id, each.publish_time.timestamp(), each.data, each.attributes)
        self._held[each.message_id] = received.ack_id, made

    def known(self, held: Held, oldest: float) -> Collection[str]:
        """The ids of messages that the log has, of all those published at `oldest` (seconds) or later."""
        mark = (held.position or {}).get("mark")
        if mark != self._mark or len(self._ids) > IDS_KEPT:
            self._mark, self._since, self._ids = mark, float("inf"), set()
        if oldest < self._since:
            self._since = oldest
            self._ids.update(queued.taken(held, oldest))
        return self._ids

    def committed(self, mark: str, ids: Collection[str]) -> None:
        """The log's newest batch is the one of this mark, with these ids."""
        self._mark = mark
        self._ids.update(ids)

    def acknowledge(self, ids: Collection[str]) -> None:
        """Let go of messages that the log holds. Raises SourceError: they will come again, and be known."""
        leases = []
        for name in ids:
            if name in self._held:
                ack, held = self._held.pop(name)
                self._size -= len(held.body)
                leases.append(ack)
        calls.acknowledge(self._path, leases, self._variables)
