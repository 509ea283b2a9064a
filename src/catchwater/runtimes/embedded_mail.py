"""A mail server on loopback that keeps each mail as a file, for demos; it sends nothing on."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from catchwater.errors import MissingExtra
from catchwater.runtimes.embedded import free_port


class Mailbox:
    """A running server; each mail that it accepts is a new `.eml` file in `folder`, which mail programs open."""

    def __init__(self, folder: Path) -> None:
        try:
            from aiosmtpd.controller import Controller
        except ImportError as error:
            raise MissingExtra("aiosmtpd", "demo") from error
        self.folder, self.host, self.port = folder, "127.0.0.1", free_port()
        self._server = Controller(self, hostname=self.host, port=self.port)

    @property
    def url(self) -> str:
        return f"smtp://{self.host}:{self.port}"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        part = self.folder / f".{uuid4()}.part"
        part.write_bytes(envelope.content)
        part.rename(self.folder / f"{uuid4()}.eml")
        return "250 Message accepted"

    def __enter__(self) -> "Mailbox":
        self.folder.mkdir(parents=True, exist_ok=True)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
