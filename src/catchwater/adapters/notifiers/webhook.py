"""Notices as JSON to a URL, readable by Slack and by programs; the URL is a secret and is never repeated."""

import json
import re
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from catchwater.adapters.notifiers.wording import full_text, one_line
from catchwater.errors import AlertFailed, SecretMissing
from catchwater.ports import Notice, Settings

TIMEOUT = 15.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SLACK_LIMIT = 30_000


class _Stay(HTTPRedirectHandler):
    """A redirect would hand the notice to a host that nobody declared."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


class Webhook:
    """POSTs to `to`: an https URL, or `${NAME}` or `${secret:NAME}` that holds one."""

    def __init__(self, name: str, spec: Any, settings: Settings) -> None:
        self._settings = settings

    def send(self, to: str, notice: Notice) -> None:
        """Returns when the receiver answered 2xx; raises AlertFailed otherwise, naming its host only."""
        try:
            url = self._settings.resolve(to).strip()
        except SecretMissing as error:
            raise AlertFailed(error.message, where="webhook", next_step=error.next_step) from error
        parts = _checked(url)
        where = f"webhook to {parts.hostname}"
        headers = {"Content-Type": "application/json", "User-Agent": "catchwater"}
        request = Request(url, payload(notice), headers, method="POST")  # noqa: S310 (the scheme is checked)
        try:
            with build_opener(_Stay).open(request, timeout=TIMEOUT):
                return
        except HTTPError as error:
            with error:
                message = _refusal(error)
            raise AlertFailed(message, where=where, next_step="check the URL behind `to`") from None
        except (URLError, OSError, HTTPException, ValueError) as error:
            # Not chained: a vendor's message may repeat the URL.
            message = f"no answer: {_reason(error)}"
            raise AlertFailed(message, where=where, next_step="check the URL behind `to`") from None


def payload(notice: Notice) -> bytes:
    """`text` for people (Slack's escapes, so that no row of data can call @channel), the rest for programs."""
    text = f"{one_line(notice.subject)}\n{full_text(notice)}"[:_SLACK_LIMIT]
    for sign, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(sign, written)
    fields = {
        "text": text,
        "event": notice.event,
        "project": notice.project,
        "environment": notice.environment,
        "step": notice.step,
        "subject": notice.subject,
        "body": notice.body[: 64 * 1024],
        "run": notice.run,
    }
    return json.dumps(fields).encode()


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        allowed = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        parts.port  # noqa: B018 (raises for a port that isn't a number)
    except ValueError:
        parts, allowed = urlsplit(""), False
    if not allowed or not parts.hostname or re.search(r"[\x00-\x20\x7f]", url):
        raise AlertFailed(
            "`to` isn't an https URL", where="webhook", next_step="set it to https://…, best as ${NAME} in .env"
        )
    return parts


def _refusal(error: HTTPError) -> str:
    if 300 <= error.code < 400:
        return f"answered {error.code}: a redirect isn't followed"
    try:
        said = error.read(200).decode("ascii", "replace").strip()
    except (OSError, HTTPException):
        said = ""
    # Slack answers with a word such as invalid_token; anything longer might repeat the URL.
    return f"answered {error.code}" + (f" {said}" if re.fullmatch(r"[a-z_]{3,40}", said) else "")


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return f"nothing within {TIMEOUT:.0f} s"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return type(cause).__name__
