"""Queries end when their time or their client does, and only so many run at once."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import duckdb
import pytest
from starlette.requests import ClientDisconnect, Request

from catchwater.serve.problems import Refusal
from catchwater.serve.work import AHEAD, Job, Stopped, StreamResponse, Work

ENDLESS = "SELECT count(*) FROM range(100000000) a, range(100000) b"


def request(gone: asyncio.Event | None = None) -> Request:
    async def receive() -> dict[str, Any]:
        await (gone or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "GET", "headers": []}, receive)


def endless(job: Job) -> None:
    with job.holding(duckdb.connect()) as connection:
        connection.execute(ENDLESS)


def test_a_query_that_takes_too_long_is_stopped() -> None:
    async def ask() -> None:
        work = Work(1, timeout=0.2)
        with pytest.raises(Refusal, match="longer than") as caught:
            await work.page(request(), endless)
        assert caught.value.status == 503
        assert await work.page(request(), lambda job: 7) == 7
        work.close()

    asyncio.run(asyncio.wait_for(ask(), 20))


def test_a_query_that_nobody_waits_for_is_stopped() -> None:
    async def ask() -> None:
        work, gone = Work(1), asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, gone.set)
        with pytest.raises(ClientDisconnect):
            await work.page(request(gone), endless)
        assert await work.page(request(), lambda job: 7) == 7
        work.close()

    asyncio.run(asyncio.wait_for(ask(), 20))


def test_no_more_run_at_once_than_were_allowed() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def count(job: Job) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    async def ask() -> None:
        work = Work(3)
        await asyncio.gather(*(work.page(request(), count) for _ in range(20)))
        work.close()

    asyncio.run(ask())
    assert most == 3


def test_when_there_is_no_room_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catchwater.serve.work.QUEUED", 0.05)
    release = threading.Event()

    async def ask() -> None:
        work = Work(1)
        first = asyncio.ensure_future(work.page(request(), lambda job: release.wait(10)))
        await asyncio.sleep(0)
        with pytest.raises(Refusal, match="too many"):
            await work.page(request(), lambda job: 1)
        release.set()
        await first
        work.close()

    asyncio.run(ask())


def test_a_job_stopped_before_it_begins_never_begins() -> None:
    job = Job()
    job.stop()
    with pytest.raises(Stopped), job.holding(duckdb.connect()):
        pytest.fail("it ran")


def counting(put_count: list[int]) -> Callable[[Job, Callable[[bytes], None]], None]:
    def produce(job: Job, put: Callable[[bytes], None]) -> None:
        for number in range(1000):
            put(b"x" * 10)
            put_count.append(number)

    return produce


def test_a_client_that_takes_nothing_holds_few_chunks_and_not_for_long() -> None:
    async def ask() -> list[int]:
        work = Work(4, stall=0.2)
        taken: list[int] = []
        stream = await work.stream(counting(taken))
        deadline = time.monotonic() + 10
        while not stream._running.done() and time.monotonic() < deadline:  # type: ignore[union-attr]
            await asyncio.sleep(0.01)
        held = list(taken)
        with pytest.raises(Stopped):
            async for _ in stream.chunks():
                pass
        await stream.end()
        await stream.end()
        work.close()
        return held

    assert len(asyncio.run(ask())) == AHEAD + 1


def test_a_stream_gives_its_room_back_however_it_ends() -> None:
    def fails(job: Job, put: Callable[[bytes], None]) -> None:
        raise ValueError("at once")

    async def send(message: Any) -> None:
        raise OSError("client is gone")

    async def ask() -> None:
        work = Work(1)
        for _ in range(3):
            with pytest.raises(ValueError, match="at once"):
                await work.stream(fails)
        for _ in range(3):
            stream = await work.stream(counting([]))
            response = StreamResponse(stream, {}, "text/plain", 1.0)
            with pytest.raises(OSError, match="gone"):
                await response({"type": "http"}, request().receive, send)
        slow = await asyncio.wait_for(work.stream(counting([])), 5)
        await slow.end()
        work.close()

    asyncio.run(asyncio.wait_for(ask(), 20))


def test_a_stream_whose_first_chunk_takes_too_long_is_refused() -> None:
    async def ask() -> None:
        work = Work(4, timeout=0.2)
        with pytest.raises(Refusal, match="longer"):
            await work.stream(lambda job, put: endless(job))
        work.close()

    asyncio.run(asyncio.wait_for(ask(), 20))
