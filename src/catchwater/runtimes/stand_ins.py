"""What stands beside a project that is tried as a cloud: its source, a Postgres for its warehouse, a mail server; all
of them real, all on loopback, all in one folder."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from catchwater.project.names import literal, quote
from catchwater.project.variables import read
from catchwater.runtimes.demo import Inputs, module_of
from catchwater.runtimes.embedded import Postgres, postgres
from catchwater.runtimes.embedded_mail import Mailbox
from catchwater.runtimes.tls_front import TlsFront


@dataclass(frozen=True)
class StandIns:
    """`variables` name the sources, as the project's file does; `change` makes new activity there (None: nobody does);
    `mails` are the texts of the mails that came, `smtp` where they are sent to."""

    variables: Mapping[str, str]
    change: Callable[[int], None] | None
    smtp: str
    mails: Callable[[], list[str]]
    warehouse: Callable[[str, str, str, int], str]


@contextmanager
def stand_ins(project: Path, folder: Path) -> Iterator[StandIns]:
    """Started from the project's `demo.py` where it has one, else the sources that its variables name are used."""
    with ExitStack() as stack:
        mails = stack.enter_context(Mailbox(folder / "mail"))
        change, found = None, read(project)
        if (project / "demo.py").is_file():
            held = folder / "source"
            held.mkdir(parents=True, exist_ok=True)
            given: Inputs = stack.enter_context(module_of(project.resolve().name, project.resolve()).inputs(held))
            found, change = found | given.variables, given.more
        yield StandIns(
            found, change, mails.url, lambda: texts(folder / "mail"), lambda *wanted: _warehouse(stack, folder, *wanted)
        )


def texts(folder: Path) -> list[str]:
    """The mails that have come, oldest first."""
    found = sorted(folder.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
    return [path.read_text("utf-8", errors="replace") for path in found]


def _warehouse(stack: ExitStack, folder: Path, name: str, user: str, password: str, port: int) -> str:
    """A server with one database and its owner, behind TLS; its address, one of loopback that nobody has."""
    server = stack.enter_context(postgres(folder / "warehouse"))
    _own(server, name, user, password)
    address = f"127.{64 + secrets.randbelow(64)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"
    stack.enter_context(TlsFront((address, port), server.port, folder / "warehouse"))
    return address


def _own(server: Postgres, name: str, user: str, password: str) -> None:
    from pg8000.native import Connection

    con = Connection("postgres", host=server.host, port=server.port, password=server.password)
    try:
        con.run(f"CREATE ROLE {quote(user)} LOGIN PASSWORD {literal(password)}")
        con.run(f"CREATE DATABASE {quote(name)} OWNER {quote(user)} TEMPLATE template0 ENCODING 'UTF8'")
    finally:
        con.close()
