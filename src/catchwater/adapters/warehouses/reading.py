"""What readers of a warehouse get: a cursor that runs statements that read, and no others."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catchwater.errors import UseError
from catchwater.ports import Extract, Version
from catchwater.project.names import quote

if TYPE_CHECKING:
    import duckdb

TABLE_FUNCTIONS = frozenset({
    "range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree", "histogram",
    "histogram_values", "query_table", "duckdb_columns", "duckdb_constraints", "duckdb_functions", "duckdb_indexes",
    "duckdb_keywords", "duckdb_schemas", "duckdb_tables", "duckdb_types", "duckdb_views", "pg_timezone_names",
    "icu_calendar_names", "pragma_table_info", "pragma_version",
})  # fmt: skip
_EXPLAIN = re.compile(r"\s*explain\s+(?:analyze\s+)?", re.IGNORECASE)
# inside a JSON text a quote is escaped, so that no literal of the statement can look like this
_CALLED = re.compile(r'"type":"TABLE_FUNCTION",.*?"function_name":"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class OpenReading:
    """`connection` has the warehouse's tables under plain names, all of one version."""

    version: Version
    connection: "duckdb.DuckDBPyConnection"

    def select(self, extract: Extract) -> "duckdb.DuckDBPyConnection":
        """One statement, in which only the rows of a page are shown."""
        rows = f"{extract.sql} {extract.sort} {extract.cut}" if extract.cut else extract.sql
        made = f"SELECT {extract.shown} FROM ({rows}) AS {quote(extract.name)} {extract.sort}"
        return self.connection.execute(made, extract.values)


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

    def cursor(self) -> "ReadingCursor":
        return ReadingCursor(self._cursor.cursor())

    duplicate = cursor

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
        selects = _selects(con, statement)
        if selects is None:
            raise UseError(
                f"only statements that read are run here, not {statement.type.name.upper()}",
                next_step="write a SELECT; tables change by `catchwater run`",
            )
        for select in selects:
            _check_functions(con, select, text)


def _check_functions(con: "duckdb.DuckDBPyConnection", select: str, text: str) -> None:
    """Table functions do what statements do (log to a file, ask a server, run a text), so that only some are run."""
    for name in _functions(con, select) if select.strip() else _mentioned(con, text):
        if name not in TABLE_FUNCTIONS:
            raise UseError(f"{name}() isn't run here", next_step="select from the warehouse's tables")


def _functions(con: "duckdb.DuckDBPyConnection", select: str) -> list[str]:
    with con.cursor() as parser:
        found = parser.execute("SELECT json_serialize_sql(?::VARCHAR)", [select]).fetchone()
    tree = str(found[0]) if found else ""
    if not tree.startswith('{"error":false'):
        raise UseError("the statement can't be looked into", next_step="write a plain SELECT")
    return _CALLED.findall(tree)


def _mentioned(con: "duckdb.DuckDBPyConnection", text: str) -> Iterator[str]:
    """For statements that DuckDB wrote itself and gives no text of: every table function that `text` may call."""
    with con.cursor() as catalog:
        kinds = "function_type IN ('table', 'table_macro')"
        known = catalog.execute(f"SELECT DISTINCT function_name FROM duckdb_functions() WHERE {kinds}").fetchall()
    for (name,) in known:
        if re.search(rf'\b{re.escape(name)}"?\s*(?:\(|--|/\*)', text, re.IGNORECASE):
            yield name


def _selects(con: "duckdb.DuckDBPyConnection", statement: "duckdb.Statement") -> list[str] | None:
    """The SELECTs of a statement that reads ('' for one without text), None for one that doesn't."""
    import duckdb

    if statement.type == duckdb.StatementType.SELECT or _pivots(statement):
        return [statement.query]
    found = _EXPLAIN.match(statement.query) if statement.type == duckdb.StatementType.EXPLAIN else None
    if not found:
        return None
    try:
        inner = con.extract_statements(statement.query[found.end() :])
    except duckdb.Error:
        return None
    reads = all(one.type == duckdb.StatementType.SELECT for one in inner)
    return [one.query for one in inner] if inner and reads else None


def _pivots(statement: "duckdb.Statement") -> bool:
    """A PIVOT without a list of values is two statements; the first makes a temporary type and has no text."""
    import duckdb

    return statement.type == duckdb.StatementType.CREATE and not statement.query.strip()
