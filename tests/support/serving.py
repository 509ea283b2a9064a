"""A warehouse in one real DuckDB root, a plan over its tables, and a runtime that remembers what it was asked."""

import hashlib
import hmac
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import httpx
import uvicorn

from catchwater.adapters.warehouses.reading import OpenReading
from catchwater.plan.plan import Model, Plan, Read, SourcePlan, Trigger
from catchwater.ports import Version
from catchwater.project.names import quote
from catchwater.project.tables import Column, TableSchema
from catchwater.serve.access import Access, Keys
from catchwater.serve.api import create_app

SECRET = b"it's a secret to everybody"


class House:
    """Each version is a schema of its own in one DuckDB instance; `publish` moves readers to a new one."""

    def __init__(self) -> None:
        self.root = duckdb.connect()
        self.number = 0
        self.readers = 0
        self._lock = threading.Lock()

    def publish(self, **tables: str) -> None:
        """Name → SELECT; the names of tables may be anything, also by `publish(**{"a b": "SELECT 1"})`."""
        number = self.number + 1
        self.root.execute(f"CREATE SCHEMA v{number}")
        for name, select in tables.items():
            self.root.execute(f"CREATE TABLE v{number}.{quote(name)} AS {select}")
        self.number = number

    def version(self) -> Version | None:
        return Version(self.number) if self.number else None

    @contextmanager
    def read(self) -> Iterator[OpenReading]:
        with self._lock:
            number, cursor = self.number, self.root.cursor()
            self.readers += 1
        try:
            cursor.execute(f"USE v{number}")
            yield OpenReading(Version(number), cursor)
        finally:
            cursor.close()
            with self._lock:
                self.readers -= 1

    def columns(self, name: str) -> tuple[Column, ...]:
        found = self.root.execute(f"DESCRIBE v{self.number}.{quote(name)}").fetchall()
        return tuple(Column(row[0], row[1]) for row in found)

    def load(self, cut: object) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        self.root.close()


@dataclass
class Runtime:
    """What serve asks of a runtime, kept in lists."""

    published: list[tuple[str, list[bytes]]] = field(default_factory=list)
    delivered: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    started: list[str | None] = field(default_factory=list)
    said: dict[str, Any] = field(default_factory=dict)
    past: list[dict[str, Any]] = field(default_factory=list)
    fault: Exception | None = None

    def start_run(self, key: str | None) -> dict[str, Any]:
        if key == "elsewhere":
            raise PermissionError("this process only serves")
        if key is None or key not in self.started:
            self.started.append(key)
            return {"number": len(self.started), "state": "running"}
        return {"number": self.started.index(key) + 1, "state": "running"}

    def runs(self, limit: int) -> list[dict[str, Any]]:
        if self.fault:
            raise self.fault
        return self.past[:limit]

    def run(self, number: int) -> dict[str, Any] | None:
        return next((run for run in self.past if run["number"] == number), None)

    def status(self) -> dict[str, Any]:
        return self.said

    def publish(self, topic: str, messages: Sequence[bytes]) -> int:
        if topic != "events":
            raise KeyError(topic)
        self.published.append((topic, list(messages)))
        return len(messages)

    def webhook(self, source: str, headers: Mapping[str, str], body: bytes) -> str:
        if source != "live":
            raise KeyError(source)
        right = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(headers.get("x-hub-signature-256", ""), right):
            raise PermissionError("signature")
        self.delivered.append((headers, body))
        return headers.get("x-github-delivery", "1")

    def metrics(self) -> str:
        return "catchwater_rows_total 1\n"


def model(house: House, name: str, key: Sequence[str] = (), **more: Any) -> Model:
    return Model(
        name=name,
        file=f"models/{name}.sql",
        sql="SELECT 1",
        reads=more.pop("reads", (Read("ingestion/events", "events", "events"),)),
        columns=more.pop("columns", None) or house.columns(name),
        materialized=more.pop("materialized", "full"),
        reason="",
        key=tuple(key),
        **more,
    )


def plan(models: Sequence[Model], api: Mapping[str, Any] | None = None, **more: Any) -> Plan:
    serve = {"api": {"tables": "all", "roles": {}, "min": 0, "max": 2, "concurrency": 8, **(api or {})}}
    events = TableSchema("events", (Column("id", "BIGINT"),), ("id",))
    return Plan(
        project="shop",
        environment=more.pop("environment", "local"),
        sources=more.pop("sources", (SourcePlan("events", "topic", {}, (events,)),)),
        models=tuple(models),
        steps=(),
        triggers=more.pop("triggers", (Trigger("ingest:events", "message", "events"),)),
        grants=(),
        alerts=(),
        warehouse={"kind": "duckdb"},
        serve=more.pop("serve", serve),
        promise={"freshness": "30 minutes"},
        lake={},
    )


@dataclass
class Served:
    """A server on a free port of 127.0.0.1; `client` reaches it by that address, without a key."""

    client: httpx.Client
    runtime: Runtime
    keys: Keys
    port: int


@contextmanager
def serving(
    made: Plan, house: Any, folder: Path, *, loopback: bool = True, free: bool = True, runtime: Runtime | None = None
) -> Iterator[Served]:
    """The real server, ended with the block. `free`: no key is needed by a loopback name."""
    runtime = runtime or Runtime()
    keys = Keys(folder / "keys.json")
    app = create_app(made, house, runtime, Access(made, keys, open_on_loopback=free), loopback)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each answer waits 40 ms
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield Served(client, runtime, keys, port)
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
