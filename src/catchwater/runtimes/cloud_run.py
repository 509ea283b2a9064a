"""A step on Cloud Run: a service that takes events and pushed messages, or a job that works until nothing is left."""

import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from catchwater.errors import CatchwaterError, MissingExtra
from catchwater.runtimes.cloud_function import AGAIN, Handler
from catchwater.runtimes.deployed import answer, open_deployed, say

MAX_BODY = 16 << 20  # a message of Pub/Sub has up to 10 MB, a third more in base64
REFUSED, UNKNOWN, TOO_LARGE = 401, 404, 413
CERTS = "https://www.googleapis.com/oauth2/v1/certs"
ISSUERS = ("https://accounts.google.com", "accounts.google.com")
KEPT = 3600.0


class Senders:
    """Who may send events, where the service is open to more than Google's own: the account that
    CATCHWATER_PUSH_ACCOUNT names, with tokens for CATCHWATER_PUSH_AUDIENCE. Without them Cloud Run itself decides."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._account = environ.get("CATCHWATER_PUSH_ACCOUNT", "")
        self._audience = environ.get("CATCHWATER_PUSH_AUDIENCE", "")
        self._url = environ.get("CATCHWATER_PUSH_CERTS", CERTS)
        self._certs: tuple[float, Mapping[str, str]] = (float("-inf"), {})

    def known(self, authorization: str) -> bool:
        """Whether the request is signed by Google for that account; true where none is named."""
        if not self._account:
            return True
        kind, _, token = authorization.partition(" ")
        return kind.lower() == "bearer" and self._signed(token.strip())

    def _signed(self, token: str) -> bool:
        try:
            from google.auth import jwt
            from google.auth.exceptions import GoogleAuthError
        except ImportError as error:
            raise MissingExtra("google-auth", "google") from error
        try:
            tokens: Any = jwt  # it has no types
            certs = self._fresh(str(tokens.decode_header(token).get("kid", "")))
            said = tokens.decode(token, certs=certs, audience=self._audience, clock_skew_in_seconds=10)
        except (ValueError, GoogleAuthError) as error:
            say("warning", f"an event's token isn't valid: {type(error).__name__}")
            return False
        return said.get("email") == self._account and said.get("email_verified") is True and said.get("iss") in ISSUERS

    def _fresh(self, key: str) -> Mapping[str, str]:
        """Google's certificates by key; asked for again after an hour, and after a minute for a key that is missing."""
        from google.auth.transport.requests import Request as Asked

        read, held = self._certs
        age = time.monotonic() - read
        if age > KEPT or (key not in held and age > KEPT / 60):
            answer = Asked()(self._url, timeout=10)
            if answer.status != 200:
                raise ValueError(f"certificates: status {answer.status}")
            self._certs = time.monotonic(), json.loads(answer.data)
        return self._certs[1]


def events(environ: Mapping[str, str] | None = None) -> Starlette:
    """The application of a step that events wake: POST /, /events and /push/{source}."""
    told = dict(os.environ if environ is None else environ)
    handler, senders = Handler(told), Senders(told)

    async def event(request: Request) -> Response:
        if not await run_in_threadpool(senders.known, request.headers.get("authorization", "")):
            return Response(status_code=REFUSED, headers={"WWW-Authenticate": "Bearer"})
        source = request.path_params.get("source")
        if source is not None and told.get("CATCHWATER_STEP") != f"ingest:{source}":
            return Response(status_code=UNKNOWN)
        try:
            body = await _body(request)
        except ClientDisconnect:
            return Response(status_code=AGAIN)
        if body is None:
            return Response(status_code=TOO_LARGE)
        return Response(status_code=await run_in_threadpool(handler.answer, dict(request.headers), body))

    async def alive(request: Request) -> Response:
        return Response("ok", media_type="text/plain")

    paths = ("/", "/events", "/push/{source}")
    return Starlette(routes=[Route("/healthz", alive), *(Route(path, event, methods=["POST"]) for path in paths)])


async def _body(request: Request) -> bytes | None:
    """None for more than MAX_BODY."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            return None
        parts.append(part)
    return b"".join(parts)


def job(environ: Mapping[str, str] | None = None) -> int:
    """Wake the step until nothing is left to do; the exit code, 1 for a failure (Cloud Run tries again)."""
    try:
        deployed = open_deployed(environ)
        while True:
            report = answer(deployed, "schedule", None, lambda: None)
            if report.state == "failed" or not any(outcome.more for outcome in report.outcomes):
                return 1 if report.state == "failed" else 0
    except CatchwaterError as error:
        say("error", str(error))
        return error.exit_code


if __name__ == "__main__":
    sys.exit(job())
