"""Many requests, one wake: those who come while a step works share its next turn; no stage is known here."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from catchwater.ports import Delivered


class Waiting:
    """The messages that requests brought (ports.Inbox); safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, tuple[Delivered, int]] = {}
        self._settled: set[str] = set()

    @contextmanager
    def bring(self, message: Delivered) -> Iterator[Callable[[], bool]]:
        """Hold a message as long as its request lasts; what is given tells whether the log holds it. Two requests with
        one message are told the same."""
        with self._lock:
            self._held[message.id] = message, self._held.get(message.id, (message, 0))[1] + 1
        try:
            yield lambda: message.id in self._settled
        finally:
            with self._lock:
                left = self._held[message.id][1] - 1
                if left:
                    self._held[message.id] = message, left
                else:
                    del self._held[message.id]
                    self._settled.discard(message.id)

    def waiting(self) -> Sequence[Delivered]:
        with self._lock:
            return [message for name, (message, _) in self._held.items() if name not in self._settled]

    def settle(self, ids: Collection[str]) -> None:
        with self._lock:
            self._settled.update(name for name in ids if name in self._held)


@dataclass
class _Turn:
    taken: bool = False
    done: threading.Event = field(default_factory=threading.Event)
    result: Any = None


class Turns:
    """`share(act)` gives what one run of `act` returned that began after the call; of all who call while another run
    lasts one runs it and the others wait."""

    def __init__(self) -> None:
        self._lock, self._working = threading.Lock(), threading.Lock()
        self._next = _Turn()

    def share(self, act: Callable[[], Any]) -> tuple[Any, bool]:
        """The result (None when `act` raised, to those who waited), and whether this call ran it."""
        with self._lock:
            turn = self._next
            leads, turn.taken = not turn.taken, True
        if not leads:
            turn.done.wait()
            return turn.result, False
        with self._working:
            with self._lock:
                self._next = _Turn()
            try:
                turn.result = act()
            finally:
                turn.done.set()
        return turn.result, True
