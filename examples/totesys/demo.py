"""The demo of totesys: a real Postgres in which an office works all day, and a mail server for the alerts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from activity import Activity, connect, is_there, seed

from catchwater.errors import MissingExtra
from catchwater.runtimes.demo import Inputs
from catchwater.runtimes.embedded import free_port, postgres

DATABASE = "totesys"


@contextmanager
def inputs(folder: Path) -> Iterator[Inputs]:
    """Database and mail server run as long as the block lasts; rows and mails stay in `folder`."""
    with postgres(folder / ".catchwater" / "demo" / "postgres") as server, mail(folder / "mail") as mail_url:
        server.create_database(DATABASE)
        url = server.url(DATABASE)
        connection = connect(url)
        try:
            if not is_there(connection):
                seed(connection)
        finally:
            connection.close()
        with Activity(url) as activity:
            variables = {"TOTESYS_URL": url, "SMTP_URL": mail_url, "ALERT_FROM": "catchwater@example.org"}
            yield Inputs(variables, more=activity.burst)


class Mailbox:
    """Keeps every mail as a file that mail programs open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.folder.mkdir(exist_ok=True)
        (self.folder / f"{uuid4()}.eml").write_bytes(envelope.content)
        return "250 OK"


@contextmanager
def mail(folder: Path) -> Iterator[str]:
    """A mail server on loopback; yields what SMTP_URL is set to."""
    try:
        from aiosmtpd.controller import Controller
    except ImportError as error:
        raise MissingExtra("aiosmtpd", "demo") from error
    port = free_port()
    controller = Controller(Mailbox(folder), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield f"smtp://127.0.0.1:{port}"
    finally:
        controller.stop()
