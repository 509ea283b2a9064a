"""A real SMTP server and a real HTTP server on loopback, that keep what they are sent."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from catchwater.runtimes.embedded import free_port


@dataclass
class Mailbox:
    """`refuse` maps a recipient to the reply that it gets; `after` is the reply to the message itself."""

    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)
    after: str = "250 OK"
    secured: list[bool] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 (the name that aiosmtpd calls)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        if self.after.startswith("250"):
            self.raw.append(content)
            self.messages.append(message_from_bytes(content, policy=default))
            self.secured.append(session.ssl is not None)
        return self.after

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, kind: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"p@ss:word", handled=False)


@contextmanager
def mail_server(context: ssl.SSLContext | None = None, *, login: bool = False) -> Iterator[Mailbox]:
    """STARTTLS is offered with a context, a login is demanded with `login`."""
    box = Mailbox()
    options: dict[str, Any] = {}
    if context:
        options["tls_context"] = context
    if login:
        options.update(authenticator=box.authenticate, auth_required=True, auth_require_tls=context is not None)
    box.port = free_port()
    controller = Controller(box, hostname="127.0.0.1", port=box.port, **options)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


@dataclass
class Requests:
    """What an HTTP server was sent, and what it answers."""

    port: int = 0
    status: int = 200
    answer: bytes = b"ok"
    location: str = ""
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def url(self, path: str = "/services/T000/SECRET") -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@contextmanager
def http_server() -> Iterator[Requests]:
    held = Requests()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            held.seen.append((self.path, dict(self.headers), body))
            self.send_response(held.status)
            if held.location:
                self.send_header("Location", held.location)
            self.send_header("Content-Length", str(len(held.answer)))
            self.end_headers()
            self.wfile.write(held.answer)

        def do_GET(self) -> None:
            held.seen.append((self.path, dict(self.headers), b"GET"))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
