"""The bodies of unsafe requests: how large they may be, and which messages they hold, byte for byte."""

import json
import re
from typing import Any, NoReturn

from starlette.requests import Request

from catchwater.serve.problems import Refusal

BODY, COUNT = 8 << 20, 10_000
_SPACE = re.compile(r"[ \t\n\r]*")
_LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl")


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def require(request: Request, *types: str) -> str:
    """The media type of the body, one of `types`. Raises Refusal 415."""
    found = media_type(request)
    if found not in types:
        raise Refusal(415, f"send {' or '.join(types)}, not {found or 'a body without Content-Type'}")
    return found


async def body(request: Request) -> bytes:
    """Raises Refusal 413 for more than 8 MiB. What is too much is read on and dropped for a while, or the client,
    still sending, would meet a closed connection and not the answer."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size <= BODY:
            parts.append(part)
        elif size > 8 * BODY:
            break
    if size > BODY:
        raise Refusal(413, f"a body is at most {BODY} bytes", headers={"Connection": "close"})
    return b"".join(parts)


async def messages(request: Request) -> list[bytes]:
    """JSON (one object, or an array of them) or NDJSON; each message as its exact bytes. Raises Refusal 400, 413,
    415, 422; all are taken or none."""
    found = require(request, "application/json", *_LINES)
    data = await body(request)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Refusal(400, f"not UTF-8 at byte {error.start}") from None
    taken = _lines(text) if found in _LINES else _array(text)
    if len(taken) > COUNT:
        raise Refusal(413, f"{len(taken)} messages: at most {COUNT} at once")
    return [message.encode() for message in taken]


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_constant, parse_int=str, parse_float=str)


def _value(text: str, at: int, where: str) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError) as error:
        said = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise Refusal(400, f"{where} is no JSON: {said}") from None


def _object(value: Any, where: str) -> None:
    if not isinstance(value, dict):
        raise Refusal(422, f"{where} is no JSON object")


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _lines(text: str) -> list[str]:
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip(" \t\r")
        if line:
            value, end = _value(line, 0, f"line {number}")
            _object(value if end == len(line) else None, f"line {number}")
            found.append(line)
    return found


def _array(text: str) -> list[str]:
    at = _skip(text, 0)
    if text[at : at + 1] != "[":
        value, end = _value(text, at, "the body")
        _ended(text, end)
        _object(value, "the body")
        return [text[at:end]]
    found: list[str] = []
    at = _skip(text, at + 1)
    if text[at : at + 1] == "]":
        _ended(text, at + 1)
        return found
    while True:
        where = f"message {len(found) + 1}"
        value, end = _value(text, at, where)
        _object(value, where)
        found.append(text[at:end])
        at = _skip(text, end)
        if text[at : at + 1] == "]":
            _ended(text, at + 1)
            return found
        if text[at : at + 1] != ",":
            raise Refusal(400, f"after {where} comes neither a comma nor the end of the array")
        at = _skip(text, at + 1)


def _ended(text: str, at: int) -> None:
    if _skip(text, at) != len(text):
        raise Refusal(400, "something follows the JSON")
