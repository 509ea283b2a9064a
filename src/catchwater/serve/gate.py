"""What every request passes before any handler: where it came from, and the headers that every answer carries."""

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from catchwater.serve.problems import Refusal

SAFE = ("GET", "HEAD", "OPTIONS")
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def is_loopback(host: str) -> bool:
    """Whether a Host header names this machine itself; a name that merely resolves to it does not."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        urlsplit(f"//{host}").port  # noqa: B018 (raises on a port that is none)
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class Gate:
    """Outermost. On loopback an unsafe request must name a loopback host, or a page of a stranger could reach us by
    a name of its own that it points here (DNS rebinding); and no other site's page may send one."""

    def __init__(self, app: ASGIApp, loopback: bool) -> None:
        self.app, self.loopback = app, loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in _ALWAYS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        if refusal is not None:
            await refusal.response()(scope, receive, with_headers)
        else:
            await self.app(scope, receive, with_headers)

    def _refusal(self, method: str, headers: Headers) -> Refusal | None:
        if method in SAFE:
            return None
        host = headers.get("host", "")
        if self.loopback and not is_loopback(host):
            return Refusal(403, "this server listens on loopback: use localhost or 127.0.0.1 as the host")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return Refusal(403, "a page of another site may not send this")
        return None
