"""Runs, messages, webhooks, health and metrics over HTTP; what they do is the runtime's (ports.Operations)."""

import re
from collections.abc import Callable
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from catchwater.errors import CatchwaterError
from catchwater.ports import Operations, Warehouse
from catchwater.serve import messages
from catchwater.serve.access import Caller
from catchwater.serve.problems import Refusal

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def _answer(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    kept = {"Cache-Control": "no-store", **(headers or {})}
    return Response(orjson.dumps(data, default=str), status, kept, "application/json")


class Endpoints:
    """Handlers by their names. `authorize(request, scope)` gives the caller or refuses."""

    def __init__(
        self, operations: Operations, warehouse: Warehouse, authorize: Callable[[Request, str], Caller]
    ) -> None:
        self._operations, self._warehouse, self._authorize = operations, warehouse, authorize

    async def all_runs(self, request: Request) -> Response:
        return await (self.start_run(request) if request.method == "POST" else self.runs(request))

    async def start_run(self, request: Request) -> Response:
        self._authorize(request, "operate")
        sent = await messages.body(request)
        if sent.strip() or messages.media_type(request):
            messages.require(request, "application/json")
        if sent.strip():
            _nothing_asked(sent)
        key = request.headers.get("idempotency-key")
        if key is not None and not _KEY.fullmatch(key):
            raise Refusal(400, "Idempotency-Key is 1 to 255 visible ASCII characters", parameter="Idempotency-Key")
        try:
            run = await run_in_threadpool(self._operations.start_run, key)
        except PermissionError as error:
            raise Refusal(409, str(error)) from error
        return _answer(run, 202, {"Location": f"/v1/runs/{run['number']}"})

    async def runs(self, request: Request) -> Response:
        self._authorize(request, "operate")
        text = request.query_params.get("limit", "50")
        if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= 1000:
            raise Refusal(400, "limit is a number from 1 to 1000", parameter="limit")
        unknown = set(request.query_params) - {"limit"}
        if unknown:
            raise Refusal(400, "runs takes limit and nothing else", parameter=min(unknown))
        return _answer({"runs": await run_in_threadpool(self._operations.runs, int(text))})

    async def run(self, request: Request) -> Response:
        self._authorize(request, "operate")
        number = request.path_params["number"]
        asked = int(number) if re.fullmatch(r"[0-9]{1,18}", number) else None
        found = await run_in_threadpool(self._operations.run, asked) if asked is not None else None
        if found is None:
            raise Refusal(404, f"there is no run {number[:40]}; GET /v1/runs lists them")
        return _answer(found)

    async def publish(self, request: Request) -> Response:
        self._authorize(request, "publish")
        topic = request.path_params["topic"]
        taken = await messages.messages(request)
        try:
            count = await run_in_threadpool(self._operations.publish, topic, taken)
        except KeyError as error:
            raise Refusal(404, f"no topic {topic[:60]} is declared") from error
        return _answer({"topic": topic, "accepted": count}, 202)

    async def webhook(self, request: Request) -> Response:
        """The signature is the key here; the runtime checks it over the exact bytes."""
        source = request.path_params["source"]
        messages.require(request, "application/json", "application/x-www-form-urlencoded")
        sent = await messages.body(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            delivery = await run_in_threadpool(self._operations.webhook, source, headers, sent)
        except KeyError as error:
            raise Refusal(404, f"no webhook {source[:60]} is declared") from error
        except PermissionError as error:
            raise Refusal(
                401, "the signature is missing or wrong", headers={"WWW-Authenticate": "Signature"}
            ) from error
        return _answer({"delivery": delivery}, 202)

    async def health(self, request: Request) -> Response:
        return _answer({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        try:
            version = await run_in_threadpool(self._warehouse.version)
        except CatchwaterError as error:
            raise Refusal(503, "the warehouse can't be read") from error
        if version is None:
            raise Refusal(503, "nothing is loaded yet", headers={"Retry-After": "5"})
        return _answer({"status": "ready", "version": version.number})

    async def metrics(self, request: Request) -> Response:
        self._authorize(request, "metrics")
        text = await run_in_threadpool(self._operations.metrics)
        return Response(text, 200, {"Cache-Control": "no-store"}, "text/plain; version=0.0.4")


def _nothing_asked(sent: bytes) -> None:
    try:
        asked = orjson.loads(sent)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, f"the body is no JSON: {error.msg}") from None
    if asked != {}:
        raise Refusal(422, "a run takes no options: send {} or nothing")
