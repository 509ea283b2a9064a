"""Where a Postgres warehouse is and how it is reached through DuckDB; what its refusals mean; no table here."""

import json
import re
import shlex
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from catchwater.adapters.memory import limit
from catchwater.errors import MissingExtra, WarehouseBusy, WarehouseError
from catchwater.ports import Settings
from catchwater.project.names import literal
from catchwater.project.schema import PostgresWarehouse

if TYPE_CHECKING:
    import duckdb

ALIAS = "warehouse"
_PARTS = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "DATABASE"}
_WORDS = {"username": "user", "database": "dbname"}
_STEPS = (
    (r"password authentication failed|no password supplied", "check user and password in the warehouse's url"),
    (r"role .* does not exist|no pg_hba.conf entry", "check the user, and that the server lets it in"),
    (r"database .* does not exist", "check the database's name in the warehouse's url"),
    (r"Connection refused|could not translate host|timeout expired|Network is unreachable|No route to host",
     "check host and port, and that the server runs"),
    (r"permission denied", "grant the warehouse's user what is missing, then catchwater run"),
    (r"value too long|out of range|numeric field overflow", "widen the column in the warehouse, then catchwater run"),
    (r"violates .* constraint", "the warehouse's own constraint refuses a row: change the model or the constraint"),
)  # fmt: skip
_BUSY = re.compile(r"lock timeout|could not obtain lock|could not serialize|deadlock detected", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """`parts` go into a DuckDB secret, so that no message and no catalog shows them; `rest` are libpq's options."""

    parts: dict[str, str] = field(repr=False)
    rest: dict[str, str]
    schema: str

    @property
    def where(self) -> str:
        host, port, name = (self.parts.get(key, "") for key in ("host", "port", "dbname"))
        return f"postgres {host}:{port or 5432}/{name}"


def place(spec: PostgresWarehouse, settings: Settings) -> Place:
    """From the declared url, or from the secret (a url, `key=value` words, or JSON as RDS writes it).

    Raises SecretMissing, WarehouseError.
    """
    text = settings.resolve(spec.url) if spec.url else ""
    if not text and spec.secret:
        text = settings.resolve("${secret:" + spec.secret + "}")
    if not text:
        raise WarehouseError(
            "neither url nor secret says where it is",
            where="warehouse",
            next_step="write warehouse: {kind: postgres, url: …}",
        )
    found = {_WORDS.get(key, key): value for key, value in _words(text.strip()).items()}
    parts = {key: value for key, value in found.items() if key in _PARTS and value}
    rest = {key: value for key, value in found.items() if key not in _PARTS}
    return Place(parts, {"connect_timeout": "10", "application_name": "catchwater"} | rest, spec.schema_name)


def _words(text: str) -> dict[str, str]:
    try:
        if text.startswith("{"):
            known = {*_PARTS, *_WORDS, "sslmode"}
            return {key: str(value) for key, value in json.loads(text).items() if key in known}
        if re.match(r"postgres(ql)?://", text):
            url = urlsplit(text)
            named = {
                "host": url.hostname, "port": str(url.port or ""), "user": url.username,
                "password": url.password, "dbname": url.path.lstrip("/"),
            }  # fmt: skip
            return {key: unquote(value) for key, value in named.items() if value} | dict(parse_qsl(url.query))
        return dict(word.split("=", 1) for word in shlex.split(text))
    except ValueError:
        pass
    raise WarehouseError(
        "its address can't be understood",
        where="warehouse",
        next_step="write postgresql://user:password@host:5432/name",
    )


def instance(folder: Path) -> "duckdb.DuckDBPyConnection":
    """DuckDB in memory, able to reach Postgres. Raises MissingExtra."""
    import duckdb

    con = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": f"{limit(256 << 20)}B",
            "preserve_insertion_order": "false",
            "temp_directory": str(folder / "tmp"),
        }
    )
    try:
        con.load_extension(str(_extension(duckdb.__version__)))
        con.execute("SET TimeZone = 'UTC'")
    except BaseException:
        con.close()
        raise
    return con


def attach(con: "duckdb.DuckDBPyConnection", at: Place, *, write: bool) -> None:
    """The database as `warehouse`; for readers all else outside is shut for good. Raises WarehouseError."""
    import duckdb

    try:
        parts = ", ".join(f"{_PARTS[key]} {literal(value)}" for key, value in at.parts.items())
        con.execute(f"CREATE OR REPLACE SECRET warehouse (TYPE postgres, {parts})" if parts else "SELECT 1")
        rest = " ".join(f"{key}={_quoted(value)}" for key, value in at.rest.items())
        options = ["TYPE postgres", f"SCHEMA {literal(at.schema)}"]
        options += ["SECRET warehouse"] if parts else []
        options += [] if write else ["READ_ONLY"]
        con.execute(f"ATTACH {literal(rest)} AS {ALIAS} ({', '.join(options)})")
        if not write:
            con.execute("SET enable_external_access = false")
            con.execute("SET lock_configuration = true")
    except duckdb.Error as error:
        raise refused(at, error) from error


def refused(at: Place, error: Exception, what: str = "") -> WarehouseError:
    """DuckDB's or Postgres's refusal, by its name and with the next step."""
    text = re.sub(r'Unable to connect to Postgres at "[^"]*": ', "", str(error)).strip()
    for secret in (at.parts.get("password"), *(v for k, v in at.rest.items() if "password" in k)):
        text = text.replace(secret, "…") if secret else text
    where = f"{at.where} {what}".strip()
    if _BUSY.search(text):
        return WarehouseBusy(text, where=where, next_step="wait for the other writer, then catchwater run")
    step = next((step for pattern, step in _STEPS if re.search(pattern, text)), "catchwater run")
    return WarehouseError(text, where=where, next_step=step)


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _extension(version: str) -> Path:
    spec = find_spec("duckdb_extension_postgres_scanner")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "extensions" / f"v{version}" / "postgres_scanner.duckdb_extension"
        if path.exists():
            return path
    raise MissingExtra("duckdb-extension-postgres-scanner", "postgres")
