"""What readers of a warehouse get: a cursor that runs statements that read, and no others."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catchwater.errors import UseError
from catchwater.ports import Version

if TYPE_CHECKING:
    import duckdb

_EXPLAIN = re.compile(r"\s*explain\s+(?:analyze\s+)?", re.IGNORECASE)
_REACHING = re.compile(r"\bpostgres_(?:query|execute|scan|attach)|\bpg_clear_cache", re.IGNORECASE)


@dataclass(frozen=True)
class OpenReading:
    """`connection` has the warehouse's tables under plain names, all of one version."""

    version: Version
    connection: "duckdb.DuckDBPyConnection"


class ReadingCursor:
    """A DuckDB cursor whose statements may only read; everything but running SQL is the cursor's own."""

    def __init__(self, cursor: "duckdb.DuckDBPyConnection") -> None:
        self._cursor = cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, query: Any, parameters: Any = None) -> Any:
        self._check(query)
        self._cursor.execute(query, parameters)
        return self

    def executemany(self, query: Any, parameters: Any = None) -> Any:
        self._check(query)
        self._cursor.executemany(query, parameters)
        return self

    def sql(self, query: Any, **options: Any) -> Any:
        self._check(query)
        return self._cursor.sql(query, **options)

    query = from_query = sql

    def _check(self, query: Any) -> None:
        text = query if isinstance(query, str) else query.query
        check(self._cursor, text)

    def __enter__(self) -> "ReadingCursor":
        return self

    def __exit__(self, *_: object) -> None:
        self._cursor.close()


def check(con: "duckdb.DuckDBPyConnection", text: str) -> None:
    """Raises UseError unless every statement of `text` reads. What DuckDB can't parse it says itself, later."""
    import duckdb

    try:
        statements = con.extract_statements(text)
    except duckdb.Error:
        return
    for statement in statements:
        if not _reads(con, statement) or _REACHING.search(text):
            raise UseError(
                f"only statements that read are run here, not {statement.type.name.upper()}",
                next_step="write a SELECT; tables change by `catchwater run`",
            )


def _reads(con: "duckdb.DuckDBPyConnection", statement: "duckdb.Statement") -> bool:
    import duckdb

    if statement.type == duckdb.StatementType.SELECT:
        return True
    if statement.type != duckdb.StatementType.EXPLAIN:
        return _pivots(statement)
    found = _EXPLAIN.match(statement.query)
    inner = con.extract_statements(statement.query[found.end() :]) if found else []
    return bool(inner) and all(one.type == duckdb.StatementType.SELECT for one in inner)


def _pivots(statement: "duckdb.Statement") -> bool:
    """A PIVOT without a list of values is two statements; the first makes a temporary type and has no text."""
    import duckdb

    return statement.type == duckdb.StatementType.CREATE and not statement.query.strip()
