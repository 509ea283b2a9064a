"""Refusals of the API as RFC 9457 problem details; nothing here knows what was asked for."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from catchwater.errors import SourceBusy, UseError, WarehouseError

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger(__name__)


class Refusal(Exception):
    """An answer other than what was asked for: HTTP status, what is wrong, and in which parameter."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        parameter: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.parameter = status, detail, parameter
        self.headers = dict(headers or {})

    def response(self) -> Response:
        more = {"parameter": self.parameter} if self.parameter is not None else {}
        return problem(self.status, self.detail, self.headers, **more)


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    kept = {"Cache-Control": "no-store", **(headers or {})}
    return Response(orjson.dumps(body), status, kept, media_type=MEDIA_TYPE)


def refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)  # noqa: S101 (registered for this class alone)
    return error.response()


_DETAIL = {404: "nothing is served at this path", 405: "this path doesn't take this method"}


def from_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (registered for this class alone)
    return problem(error.status_code, _DETAIL.get(error.status_code, str(error.detail)), error.headers)


def from_catchwater(request: Request, error: Exception) -> Response:
    """Our own errors hold no secrets, so their message is the detail; what is away for now is 503."""
    if isinstance(error, UseError):
        return problem(400, str(error))
    if isinstance(error, WarehouseError | SourceBusy):
        return problem(503, str(error), {"Retry-After": "2"})
    _log.error("request failed", exc_info=error)
    return problem(500, str(error))


def unexpected(request: Request, error: Exception) -> Response:
    """Starlette raises the error again after this answer, so the server's log has it."""
    return problem(500, "this is a fault of the server; its log says more")
