"""A feed under test: its real log on disk, driven by the real ingest stage; and a web server with faults."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb

from catchwater.adapters.stores.local import LocalStore
from catchwater.lake import quarantine
from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest
from catchwater.lake.read import create_current, create_history
from catchwater.plan.plan import Plan, SourcePlan, Step
from catchwater.ports import Engine, Ports, Refused, Settings, Source
from catchwater.stages.ingest import ingest
from catchwater.stages.outcome import Outcome
from catchwater.wiring import SystemClock


def settings(folder: Path, **variables: str) -> Settings:
    def resolve(text: str) -> str:
        for name, value in variables.items():
            text = text.replace("${" + name + "}", value).replace("${secret:" + name + "}", value)
        return text

    return Settings(folder, folder / ".catchwater", "local", resolve)


@dataclass
class Flow:
    """One source and its log."""

    folder: Path
    name: str
    source: Source

    def __post_init__(self) -> None:
        self.store = LocalStore(self.folder / ".catchwater" / "lake" / "ingestion")
        self.log = Log(self.store, f"ingestion/{self.name}")

    def run(self) -> Outcome:
        """One wake of the ingest stage: batches until nothing is new."""
        plan = Plan(
            project="p",
            environment="local",
            sources=(SourcePlan(self.name, "feed", {}, self.source.describe()),),
            models=(), steps=(), triggers=(), grants=(), alerts=(),
            warehouse={}, serve={}, promise={}, lake={},
        )  # fmt: skip
        engine: Any = None
        ports = Ports({"ingestion": self.store}, _engine(engine), SystemClock(), self.source)
        return ingest(ports, plan, Step(f"ingest:{self.name}", "ingest", source=self.name), "run")

    def batches(self) -> list[Manifest]:
        head = self.log.head()
        return self.log.batches(None, head.seq) if head else []

    def rows(self, columns: str = "*", history: bool = False, order: str = "ALL") -> list[tuple[Any, ...]]:
        """Rows now current (or every version), as text, so that values are compared exactly."""
        batches = self.batches()
        with duckdb.connect() as con:
            con.execute("SET TimeZone = 'UTC'")
            create_history(con, "h", self.store, batches, self.name)
            create_current(con, "c", "h", batches[-1].tables[self.name].key)
            relation = "h" if history else "c"
            select = f"SELECT columns(*)::VARCHAR FROM (SELECT {columns} FROM {relation} ORDER BY {order})"
            return con.execute(select).fetchall()

    def refused(self) -> list[Refused]:
        return [
            each
            for manifest in self.batches()
            if manifest.quarantine
            for each in quarantine.read(self.store, manifest.quarantine)
        ]

    def raw(self) -> list[bytes]:
        return [self.store.read(file.path) for manifest in self.batches() for file in manifest.raw]


def _engine(engine: Any) -> Engine:
    return engine  # type: ignore[no-any-return]


Answer = Callable[["Handler"], None]


@dataclass
class Faulty:
    """A web server whose next answers are given: each a function of the handler; the last one repeats."""

    answers: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    port: int = 0

    def url(self, path: str = "f.csv") -> str:
        return f"http://127.0.0.1:{self.port}/{path}"


class Handler(BaseHTTPRequestHandler):
    faulty: Faulty
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.faulty.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        answers = self.faulty.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)

    def log_message(self, *_: object) -> None:
        pass

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that hangs up on a fault is what these tests are about."""


@contextmanager
def faulty(*answers: Answer) -> Iterator[Faulty]:
    held = Faulty(list(answers))

    class Bound(Handler):
        faulty = held

    server = _Server(("127.0.0.1", 0), Bound)
    server.daemon_threads = True
    held.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def body(data: bytes, status: int = 200, **headers: str) -> Answer:
    return lambda handler: handler.reply(status, data, **headers)


def cut(data: bytes, at: int, **headers: str) -> Answer:
    """Promises all of `data`, sends some, and cuts the line."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data[:at])
        handler.wfile.flush()
        handler.close_connection = True
        handler.connection.shutdown(2)

    return answer
