"""A mail server on loopback that keeps what it receives, for demos and tests; it sends nothing on."""

import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from catchwater.errors import MissingExtra
from catchwater.runtimes.embedded import free_port


class Mailbox:
    """A running server: `host`, `port`, and the `messages` that it accepted, oldest first."""

    def __init__(self) -> None:
        try:
            from aiosmtpd.controller import Controller
        except ImportError as error:
            raise MissingExtra("aiosmtpd", "demo") from error
        self.host, self.port = "127.0.0.1", free_port()
        self.messages: list[EmailMessage] = []
        self._arrived = threading.Condition()
        self._server = Controller(self, hostname=self.host, port=self.port)

    @property
    def url(self) -> str:
        return f"smtp://{self.host}:{self.port}"

    def wait(self, count: int, seconds: float = 10.0) -> list[EmailMessage]:
        """The messages, once there are `count` of them or the time is over."""
        with self._arrived:
            self._arrived.wait_for(lambda: len(self.messages) >= count, seconds)
            return list(self.messages)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        message = message_from_bytes(envelope.content, policy=policy.default)
        message["X-Envelope-To"] = ", ".join(envelope.rcpt_tos)
        with self._arrived:
            self.messages.append(message)
            self._arrived.notify_all()
        return "250 Message accepted"

    def __enter__(self) -> "Mailbox":
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
