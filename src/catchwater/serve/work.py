"""Queries in threads: how many at once, for how long, and how they stop when nobody waits; no SQL is made here."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from catchwater.serve.problems import Refusal

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")
QUEUED, AHEAD = 10.0, 4


class Stopped(Exception):
    """Nobody waits for this work any more."""


class Job:
    """One piece of work in its thread; `stop` may be called from any other, at any time, more than once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self.stopped = False

    @contextmanager
    def holding(self, connection: "duckdb.DuckDBPyConnection") -> "Iterator[duckdb.DuckDBPyConnection]":
        """While the block lasts a stop interrupts what runs on `connection`; raises Stopped instead of DuckDB's."""
        import duckdb

        with self._lock:
            if self.stopped:
                raise Stopped
            self._connection = connection
        try:
            yield connection
        except duckdb.Error as error:
            if self.stopped:
                raise Stopped from error
            raise
        finally:
            with self._lock:
                self._connection = None

    def stop(self) -> None:
        with self._lock:
            self.stopped = True
            if self._connection is not None:
                self._connection.interrupt()


class Work:
    """`concurrency` pages at once, and a quarter as many streams, so that long extractions leave room for short
    reads. `timeout` ends a page, `stall` a stream whose client takes nothing, both in seconds."""

    def __init__(self, concurrency: int, timeout: float = 30.0, stall: float = 20.0) -> None:
        streams = max(1, concurrency // 4)
        self.timeout, self.stall = timeout, stall
        self._pages, self._streams = asyncio.Semaphore(concurrency), asyncio.Semaphore(streams)
        self._threads = ThreadPoolExecutor(concurrency + streams, thread_name_prefix="serve")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def page(self, request: Request, work: Callable[[Job], T]) -> T:
        """What `work` returns. Raises Refusal 503 when there is no room or no time, ClientDisconnect."""
        async with self._room(self._pages):
            job = Job()
            running = asyncio.get_running_loop().run_in_executor(self._threads, work, job)
            gone = asyncio.ensure_future(_gone(request.receive))
            try:
                waiting: set[asyncio.Future[Any]] = {running, gone}
                await asyncio.wait(waiting, timeout=self.timeout, return_when=asyncio.FIRST_COMPLETED)
                if running.done():
                    return running.result()
                if gone.done():
                    raise ClientDisconnect
                raise _slow(self.timeout)
            finally:
                gone.cancel()
                if not running.done():
                    job.stop()
                    with suppress(Exception):  # its slot is free only when it has ended; why is known
                        await running

    async def stream(self, produce: Callable[[Job, Callable[[bytes], None]], None]) -> "Stream":
        """`produce(job, put)` runs in a thread; returns when its first chunk is there, or raises what it raised."""
        room = self._room(self._streams)
        await room.__aenter__()
        stream = Stream(room, self.stall)
        try:
            stream.start(self._threads, produce)
            await stream.ready(self.timeout)
        except BaseException:
            await stream.end()
            raise
        return stream

    @asynccontextmanager
    async def _room(self, slots: asyncio.Semaphore) -> AsyncIterator[None]:
        try:
            await asyncio.wait_for(slots.acquire(), QUEUED)
        except TimeoutError:
            raise Refusal(503, "too many requests at once", headers={"Retry-After": "5"}) from None
        try:
            yield
        finally:
            slots.release()


class Stream:
    """Bytes on their way from a thread to one client, at most AHEAD chunks of them in memory."""

    def __init__(self, room: Any, stall: float) -> None:
        self._room, self._stall = room, stall
        self._job, self._free = Job(), threading.Semaphore(AHEAD)
        self._queue: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue()
        self._first: bytes | None = None
        self._running: asyncio.Future[None] | None = None

    def start(self, threads: ThreadPoolExecutor, produce: Callable[[Job, Callable[[bytes], None]], None]) -> None:
        loop = asyncio.get_running_loop()

        def put(chunk: bytes) -> None:
            if not self._free.acquire(timeout=self._stall) or self._job.stopped:
                raise Stopped
            loop.call_soon_threadsafe(self._queue.put_nowait, chunk)

        def run() -> None:
            last: BaseException | None = None
            try:
                produce(self._job, put)
            except BaseException as error:
                last = error
            loop.call_soon_threadsafe(self._queue.put_nowait, last)

        self._running = loop.run_in_executor(threads, run)

    async def ready(self, timeout: float) -> None:
        try:
            self._first = await asyncio.wait_for(self._next(), timeout)
        except TimeoutError:
            raise _slow(timeout) from None

    async def _next(self) -> bytes | None:
        item = await self._queue.get()
        if isinstance(item, BaseException):
            raise item
        self._free.release()
        return item

    async def chunks(self) -> AsyncIterator[bytes]:
        while self._first is not None:
            yield self._first
            self._first = await self._next()

    async def end(self) -> None:
        """Stops the thread, waits for it and gives the slot back."""
        self._job.stop()
        self._free.release()
        if self._running is not None:
            await asyncio.shield(self._running)
            self._running = None
        if self._room is not None:
            room, self._room = self._room, None
            await room.__aexit__(None, None, None)


class StreamResponse(Response):
    """Sends a Stream. An error on the way is raised, so that the server cuts the connection: a client never takes
    a part for the whole."""

    def __init__(self, stream: Stream, headers: MutableMapping[str, str], media_type: str, stall: float) -> None:
        super().__init__(None, 200, headers, media_type)
        del self.headers["content-length"]
        self._stream, self._wait = stream, stall

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.ensure_future(self._send(send))
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            gone.cancel()
            sending.cancel()
            await self._stream.end()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for chunk in self._stream.chunks():
            message = {"type": "http.response.body", "body": chunk, "more_body": True}
            await asyncio.wait_for(send(message), self._wait)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _slow(timeout: float) -> Refusal:
    return Refusal(503, f"this took longer than {timeout:g} s: ask for less", headers={"Retry-After": "30"})
