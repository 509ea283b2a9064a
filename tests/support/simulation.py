"""Many processes in one, by turns: each stops at every call to the world outside, where it may fail or die."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from unittest import mock

from catchwater.lake.log import Log

T = TypeVar("T")
START = datetime(2026, 11, 21, 12, tzinfo=UTC)
DEADLINE = 60.0
_here = threading.local()
_sleep = time.sleep


class Died(BaseException):
    """The process was killed: nothing after this happens in it."""


class Wrong(AssertionError):
    """What may never be was seen."""


@dataclass(frozen=True)
class Call:
    """`what` is done to `port`; `effect`: something is different afterwards; `fails`: an error can be its answer."""

    process: str
    port: str
    what: str
    effect: bool
    fails: bool


Decide = Callable[[Call], str]  # → "" | "die" | "before" | "after" (no answer, or an error: the effect lacks or stands)


class Process:
    """What one process has in memory: whether it lives, its clock, and the turn that it waits for."""

    def __init__(self, name: str, decide: Decide, skew: timedelta = timedelta()) -> None:
        self.name, self.decide, self.skew = name, decide, skew
        self.dead = self.ended = False
        self.memory: dict[Any, Any] = {}
        self.failure: BaseException | None = None
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread: threading.Thread | None = None

    def call(
        self,
        port: str,
        what: str,
        act: Callable[[], T],
        error: Callable[[], Exception] | None = None,
        *,
        effect: bool = False,
    ) -> T:
        """The one way out: the process rests, then acts, fails or dies as was decided."""
        self.rest()
        fault = self.decide(Call(self.name, port, what, effect, error is not None))
        if fault == "die":
            self.dead = True
            raise Died
        if fault == "before" and error:
            raise error()
        done = act()
        if fault == "after" and error:
            raise error()
        return done

    def rest(self) -> None:
        if self.dead:
            raise Died
        if self._thread is threading.current_thread():
            self._back.release()
            self._go.acquire()
            if self.dead:
                raise Died

    def start(self, work: Callable[[], object]) -> None:
        """A thread that does nothing until its first `step`."""
        self._thread = threading.Thread(target=self._main, args=(work,), daemon=True)
        self._thread.start()

    def step(self) -> None:
        """One turn: on to the next call, or to the end."""
        self._go.release()
        if not self._back.acquire(timeout=DEADLINE):
            raise Wrong(f"{self.name} hangs")

    def kill(self) -> None:
        self.dead = True
        while not self.ended:
            self.step()

    def inline(self, work: Callable[[], object]) -> None:
        """The same without turns."""
        self._work(work)

    def _main(self, work: Callable[[], object]) -> None:
        self._go.acquire()
        self._work(work)
        self._back.release()

    def _work(self, work: Callable[[], object]) -> None:
        _here.process = self
        try:
            work()
        except Died:
            self.dead = True
        except BaseException as error:
            self.failure = error
        finally:
            _here.process = None
            self.ended = True


def current() -> Process | None:
    return getattr(_here, "process", None)


@dataclass
class Clock:
    """A clock that goes its own way; no two processes need to agree."""

    process: Process
    moment: "Moment"

    def now(self) -> datetime:
        self.moment.pass_by(0.001)
        return self.moment.now + self.process.skew


@dataclass
class Moment:
    """The time of the world."""

    now: datetime = START

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Calm:
    """Nothing fails; `calls` are those that were made."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def __call__(self, call: Call) -> str:
        self.calls.append(call)
        return ""


@dataclass
class AtStep:
    """One fault at the call with this number."""

    number: int
    fault: str
    seen: int = field(default=-1)

    def __call__(self, call: Call) -> str:
        self.seen += 1
        return self.fault if self.seen == self.number else ""


@dataclass
class Chance:
    """Faults by chance, until `calm`."""

    chance: random.Random
    rate: float
    calm: bool = False
    hits: list[tuple[Call, str]] = field(default_factory=list)

    def __call__(self, call: Call) -> str:
        if self.calm or self.chance.random() >= self.rate:
            return ""
        kinds = ["die", *(("before", "before", "after", "after") if call.fails and call.effect else ())]
        fault = self.chance.choice([*kinds, "before"] if call.fails else kinds)
        self.hits.append((call, fault))
        return fault


class _Serial:
    """A pool of no threads, so that what happens is decided by the seed alone."""

    def __init__(self, *_: object, **__: object) -> None: ...
    def __enter__(self) -> "_Serial":
        return self

    def __exit__(self, *_: object) -> None: ...
    def map(self, act: Callable[..., T], *lists: Any) -> Iterator[T]:
        return iter([act(*items) for items in zip(*lists, strict=False)])

    def submit(self, act: Callable[..., T], *arguments: Any, **named: Any) -> "Future[T]":
        done: Future[T] = Future()
        try:
            done.set_result(act(*arguments, **named))
        except Exception as error:
            done.set_exception(error)
        return done

    def shutdown(self, *_: object, **__: object) -> None: ...


def _rest(seconds: float) -> None:
    process = current()
    if process:
        process.rest()
    else:
        _sleep(seconds)


@contextmanager
def simulated() -> Iterator[None]:
    """Waiting is giving up the turn, and a stage has no threads."""
    import sys

    defaults = Log.__init__.__defaults__
    with mock.patch("time.sleep", _rest):
        Log.__init__.__defaults__ = tuple(_rest if value is _sleep else value for value in defaults or ())  # type: ignore[misc]
        modules = [m for name, m in sys.modules.items() if name.startswith("catchwater.")]
        pooled = [m for m in modules if hasattr(m, "ThreadPoolExecutor")]
        kept = [(m, m.ThreadPoolExecutor) for m in pooled]
        try:
            for module in pooled:
                module.ThreadPoolExecutor = _Serial  # type: ignore[attr-defined]
            yield
        finally:
            Log.__init__.__defaults__ = defaults  # type: ignore[misc]
            for module, pool in kept:
                module.ThreadPoolExecutor = pool  # type: ignore[attr-defined]
