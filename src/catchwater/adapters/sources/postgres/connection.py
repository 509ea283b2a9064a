"""How a Postgres source is reached: its address and one DuckDB connection; no SQL of a table."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from os import getpid
from pathlib import Path
from secrets import token_hex
from tempfile import gettempdir
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, unquote

from catchwater.adapters.memory import MOST, limit
from catchwater.adapters.sources.postgres.errors import NoRoom, broken, unreachable
from catchwater.errors import MissingExtra, SourceRefused
from catchwater.project import names

if TYPE_CHECKING:
    import duckdb

    from catchwater.ports import Settings
    from catchwater.project import schema

DEFAULTS = {"connect_timeout": "10", "application_name": "catchwater", "client_encoding": "UTF8"}
SHAPE = "postgres://user@host:5432/database"
MEMORY, MOST_MEMORY = 256 << 20, MOST
Result = TypeVar("Result")

_lock = Lock()


@dataclass(frozen=True)
class Address:
    """Connection parameters as libpq names them; `where` is host:port/database, without any secret."""

    given: dict[str, str] = field(repr=False)

    @property
    def where(self) -> str:
        hosts = self.given.get("host", "localhost").split(",")
        ports = self.given.get("port", "5432").split(",")
        pairs = [f"{host}:{ports[min(i, len(ports) - 1)]}" for i, host in enumerate(hosts)]
        return f"{','.join(pairs)}/{self.given.get('dbname', '')}"

    @property
    def user(self) -> str:
        return self.given.get("user", "")

    def to_text(self) -> str:
        def quoted(value: str) -> str:
            return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

        return " ".join(f"{key}={quoted(value)}" for key, value in {**DEFAULTS, **self.given}.items())

    def scrub(self, text: str) -> str:
        """A vendor's message without our parameters, and so without the password."""
        text = text.rsplit(f'{self.to_text()}": ', 1)[-1]
        password = self.given.get("password")
        return text.replace(password, "***") if password else text


def address(name: str, spec: "schema.PostgresSource", settings: "Settings") -> Address:
    """Where `spec` points once its variables and secrets are resolved; raises SecretMissing, SourceRefused."""
    parts = {"port": str(spec.port)} if spec.host else {}
    for key, value in {"host": spec.host, "dbname": spec.database, "user": spec.user}.items():
        if value:
            parts[key] = settings.resolve(value)
    if spec.password:
        parts["password"] = settings.resolve(spec.password)
    if spec.secret:
        parts |= _from_secret(name, settings.resolve(f"${{secret:{spec.secret}}}"))
    if spec.url:
        parts = from_url(name, settings.resolve(spec.url)) | {k: v for k, v in parts.items() if k == "password"}
    if not parts.get("host"):
        raise SourceRefused("it has neither url nor host", where=f"source {name}", next_step=f"url: {SHAPE}")
    if spec.auth == "rds_iam":
        from catchwater.adapters.sources.rds import login

        parts |= login(name, parts, settings.variables)
    return Address(parts)


def _from_secret(name: str, text: str) -> dict[str, str]:
    """A secret holds a URL, a JSON object of parts (as RDS writes it), or the password alone."""
    if re.match(r"postgres(ql)?://", text):
        return from_url(name, text)
    if not text.lstrip().startswith("{"):
        return {"password": text}
    try:
        found = json.loads(text)
    except ValueError:
        return {"password": text}
    words = {"username": "user", "database": "dbname"}
    known = {"host", "port", "dbname", "user", "password", "sslmode"}
    parts = {words.get(key, key): str(value) for key, value in found.items()}
    return {key: value for key, value in parts.items() if key in known}


def from_url(name: str, url: str) -> dict[str, str]:
    """The parts of a `postgres://` URL (several hosts and any libpq option allowed); raises SourceRefused."""
    match = re.fullmatch(
        r"postgres(?:ql)?://(?:(?P<login>.*)@)?(?P<hosts>[^/?]*)(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?",
        url.strip(),
        re.DOTALL,
    )
    if not match:
        raise SourceRefused("its url isn't a Postgres URL", where=f"source {name}", next_step=f"url: {SHAPE}")
    user, _, password = (match["login"] or "").partition(":")
    parts = {"user": user, "password": password, "dbname": match["database"] or ""}
    hosts = [re.fullmatch(r"(\[[^]]*\]|[^:]*)(?::(\d+))?", host) for host in match["hosts"].split(",")]
    if not all(hosts):
        raise SourceRefused(
            "the host or port in its url can't be read",
            where=f"source {name}",
            next_step=f"url: {SHAPE}, with @ : / in the password percent-encoded",
        )
    parts["host"] = ",".join(host[1].strip("[]") for host in hosts if host)
    parts["port"] = ",".join(host[2] or "5432" for host in hosts if host)
    found = {key: unquote(value) for key, value in parts.items() if value}
    return found | dict(parse_qsl(match["query"] or "", keep_blank_values=True))


def connection() -> "duckdb.DuckDBPyConnection":
    """A connection of one in-memory DuckDB of this process that can reach Postgres; nothing is downloaded.

    Loading the extension takes longer than reading a small database, so it is done once. It has one thread: with more,
    the thread that asks spins while another waits for the server, on a core that the server needs (see `both_cores`).
    Raises MissingExtra.
    """
    with _lock:
        return _root().cursor()


@contextmanager
def both_cores(con: "duckdb.DuckDBPyConnection") -> Iterator[None]:
    """Two threads for what DuckDB computes by itself, without the server."""
    con.execute("SET GLOBAL threads = 2")
    try:
        yield
    finally:
        con.execute("SET GLOBAL threads = 1")


def with_room(read: Callable[[], Result]) -> Result:
    """What `read` gives; where MEMORY is too little (very wide rows, very long values), once more with MOST_MEMORY at
    most. Raises NoRoom when that isn't enough either."""
    try:
        return read()
    except NoRoom:
        with closing(connection()) as con:
            con.execute(f"SET GLOBAL memory_limit = '{limit(MOST_MEMORY)}B'")
            try:
                return read()
            finally:
                con.execute(f"SET GLOBAL memory_limit = '{MEMORY}B'")


@cache
def _root() -> "duckdb.DuckDBPyConnection":
    import duckdb

    path = _extension(duckdb.__version__)
    con = duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "memory_limit": f"{MEMORY}B",
            "threads": 1,
            "preserve_insertion_order": False,
            "temp_directory": str(Path(gettempdir()) / f"catchwater-postgres-{getpid()}"),
        }
    )
    con.load_extension(str(path))
    con.execute("SET GLOBAL TimeZone = 'UTC'")
    return con


def _extension(version: str) -> Path:
    spec = find_spec("duckdb_extension_postgres_scanner")
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place) / "extensions" / f"v{version}" / "postgres_scanner.duckdb_extension"
        if path.exists():
            return path
    raise MissingExtra("duckdb-extension-postgres-scanner", "postgres")


class Session:
    """One attached database: a single backend, since everything goes through one DuckDB transaction."""

    def __init__(self, con: "duckdb.DuckDBPyConnection", place: Address, alias: str = "") -> None:
        self.con, self.place = con, place
        self.alias = alias or f"pg_{token_hex(8)}"
        self.opening = ""
        self._second: Session | None = None
        self._alone = False

    def scan(self, sql: str) -> str:
        """What stands after FROM in DuckDB's SQL, to have the rows that Postgres gives for `sql`."""
        return f"postgres_query({names.literal(self.alias)}, {names.literal(sql)})"

    def begin(self) -> None:
        self.con.execute("BEGIN")

    def open(self, statements: str) -> None:
        """Begins a transaction with these statements, by which a second backend begins too (see `beside`)."""
        self.opening, self._alone = statements, False
        self.begin()
        self.execute(statements)

    def beside(self) -> "Session | None":
        """A second backend that sees the same snapshot, until this transaction ends; None where there can't be one
        (before PostgreSQL 14 it would read the whole table, and a pooler may lead it to another server)."""
        if self._second is None and not self._alone:
            self._second = self._shared()
            self._alone = self._second is None
        return self._second

    def _shared(self) -> "Session | None":
        import duckdb

        able = "current_setting('server_version_num')::int >= 140000"
        ((snapshot,),) = self.rows(f"SELECT CASE WHEN {able} THEN pg_export_snapshot() END AS s")
        if snapshot is None:
            return None
        second = Session(self.con.cursor(), self.place, self.alias)
        second.begin()
        try:
            second.execute(f"SET TRANSACTION SNAPSHOT {names.literal(snapshot)}; {self.opening}")
        except duckdb.Error as error:
            second.end()
            if "lock" in str(error).rpartition("ERROR:")[2]:
                raise
            return None
        return second

    def end(self) -> None:
        """Ends the transaction; nothing is lost when the backend has done so itself."""
        import duckdb

        if self._second is not None:
            self._second.end()
            self._second.con.close()
            self._second = None
        with suppress(duckdb.Error):
            self.con.execute("ROLLBACK")

    def leave(self) -> None:
        """Ends the connection; DETACH fails when the backend is gone, and so is what it would end."""
        import duckdb

        with suppress(duckdb.Error):
            self.con.execute(f"DETACH {self.alias}")

    def execute(self, sql: str) -> None:
        """Statements without a result, sent as they are, in one round trip."""
        self.con.execute(f"CALL postgres_execute({names.literal(self.alias)}, {names.literal(sql)})").fetchall()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.con.execute(f"FROM {self.scan(sql)}").fetchall()

    def document(self, sql: str) -> dict[str, Any]:
        """The one JSON value that `sql` gives."""
        found: dict[str, Any] = json.loads(self.rows(sql)[0][0])
        return found


@contextmanager
def attached(con: "duckdb.DuckDBPyConnection", place: Address) -> Iterator[Session]:
    """The source, for as long as the block lasts; DuckDB's errors leave it as SourceError and its kinds."""
    import duckdb

    session = Session(con, place)
    try:
        con.execute(f"ATTACH {names.literal(place.to_text())} AS {session.alias} (TYPE postgres, READ_ONLY)")
    except duckdb.Error as error:
        raise unreachable(place, error) from error
    try:
        yield session
    except duckdb.Error as error:
        raise broken(place, error) from error
    finally:
        session.end()
        session.leave()
