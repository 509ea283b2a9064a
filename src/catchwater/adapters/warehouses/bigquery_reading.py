"""What readers of a BigQuery warehouse get: SELECTs that BigQuery runs, their rows streamed into a DuckDB of their own.

No table is held here whole: rows come as Arrow batches, as fast as the reader takes them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from catchwater.adapters.warehouses import bigquery_sql
from catchwater.adapters.warehouses.bigquery_arrow import batches
from catchwater.adapters.warehouses.bigquery_place import Place
from catchwater.adapters.warehouses.bigquery_session import version
from catchwater.adapters.warehouses.reading import check
from catchwater.errors import UseError, WarehouseBusy
from catchwater.ports import Extract, Version
from catchwater.project.names import quote
from catchwater.project.tables import Column

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_ROWS = "_catchwater_rows"
_CATALOG = re.compile(r"\s*(?:describe|show)\b", re.IGNORECASE)
_NAMES = re.compile(r"Unrecognized name|Name \w+ not found|not found (?:inside|in FROM)", re.IGNORECASE)


class BigqueryReading:
    """One version of the warehouse; `connection` runs a statement over its tables under plain names."""

    def __init__(self, at: Place, version: Version, tables: Mapping[str, Mapping[str, str]], folder: Path) -> None:
        self.version = version
        self._cursor = BigqueryCursor(at, version.number, tables, folder)

    @property
    def connection(self) -> "duckdb.DuckDBPyConnection":
        return cast("duckdb.DuckDBPyConnection", self._cursor)

    def select(self, extract: Extract) -> "duckdb.DuckDBPyConnection":
        """BigQuery picks the rows; how they are shown is DuckDB's."""
        floats = bigquery_sql.floats(extract.columns)
        rows = f"{extract.sql} {extract.sort} {extract.cut}"
        reader = self._cursor.pushed(rows, extract.values, floats)
        local = self._cursor.local
        local.register(_ROWS, reader)
        casts = ", ".join(f"CAST({quote(c.name)} AS {_type(c)}) AS {quote(c.name)}" for c in extract.columns)
        name = quote(extract.name)
        return local.execute(f"SELECT {extract.shown} FROM (SELECT {casts} FROM {_ROWS}) AS {name}")

    def close(self) -> None:
        self._cursor.local.close()


def _type(column: Column) -> str:
    return "INTEGER" if column.type in ('"NULL"', "NULL") else column.type


class BigqueryCursor:
    """Like a DuckDB cursor: what reads the warehouse's tables goes to BigQuery, what reads none is run here."""

    elsewhere = True  # rows come once

    def __init__(self, at: Place, number: int, tables: Mapping[str, Mapping[str, str]], folder: Path) -> None:
        import duckdb

        settings: dict[str, Any] = {
            "memory_limit": "512MB",
            "threads": 1,  # rows keep BigQuery's order
            "temp_directory": str(folder / "tmp"),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        self._at, self._number, self._tables = at, number, tables
        self.local = duckdb.connect(config=settings)
        self.local.execute("SET TimeZone = 'UTC'")
        self.local.execute("SET enable_external_access = false")
        self.local.execute("SET lock_configuration = true")
        self._running: Any = None
        self._shown: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.local, name)

    def execute(self, query: Any, parameters: Any = None) -> "BigqueryCursor":
        text = query if isinstance(query, str) else query.query
        self._ask(text, list(parameters or ()))
        return self

    def sql(self, query: Any, **options: Any) -> Any:
        """A relation of the rows, read once."""
        text = query if isinstance(query, str) else query.query
        left = self._ask(text, [], run=False)
        if _CATALOG.match(text):  # a relation would look when there is more to see
            return self.local.from_arrow(self.local.execute(left).to_arrow_table())
        return self.local.sql(left, **options)

    query = from_query = sql

    def interrupt(self) -> None:
        """Stops what runs here, and asks BigQuery to stop."""
        running = self._running
        if running is not None:
            from contextlib import suppress

            with suppress(Exception):
                running.cancel(retry=None, timeout=5.0)
        self.local.interrupt()

    def pushed(self, sql: str, values: Sequence[Any], floats: Sequence[str]) -> "pa.RecordBatchReader":
        """The rows of a SELECT that BigQuery has run, all of the version that is read.

        Raises WarehouseBusy when a load was published meanwhile, DuckDB's errors for unknown tables and columns,
        UseError for what BigQuery has no words for.
        """
        return self._pushed(bigquery_sql.parse(sql), values, floats)

    def _pushed(self, tree: Any, values: Sequence[Any], floats: Sequence[str]) -> "pa.RecordBatchReader":
        import duckdb
        from google.api_core.exceptions import BadRequest
        from google.cloud.bigquery import ScalarQueryParameter

        bigquery_sql.qualify(tree, (self._at.project, self._at.dataset), self._tables)
        asked = bigquery_sql.asked(tree, values, floats, self.local)
        parameters = [
            ScalarQueryParameter(f"p{number}", kind, value) for number, (kind, value) in enumerate(asked.parameters)
        ]
        with self._at.errors():
            try:
                found = self._run(asked.sql, parameters)
            except BadRequest as error:
                if _NAMES.search(str(error)):
                    raise duckdb.BinderException(f"Binder Error: {str(error).partition('; reason:')[0]}") from error
                raise
        now = version(self._at)
        if now is None or now.number != self._number:
            raise WarehouseBusy("a load was published while this was read", where=self._at.where, next_step="ask again")
        return batches(self._at, found)

    def _run(self, sql: str, parameters: Any) -> Any:
        from google.cloud.bigquery import QueryJobConfig

        config = QueryJobConfig(query_parameters=parameters, use_legacy_sql=False)
        self._running = self._at.client.query(
            sql,
            job_config=config,
            api_method="QUERY",  # a short one is answered at once, its first rows with it
            retry=None,  # type: ignore[arg-type]
            job_retry=None,
            timeout=60.0,
        )
        try:
            return self._running.result(retry=self._at.again, job_retry=None)
        finally:
            self._running = None

    def _ask(self, text: str, values: list[Any], *, run: bool = True) -> str:
        """Runs one statement; what is left to run here is returned, and run unless `run` is False."""
        check(self.local, text)
        for name in self._shown:
            self.local.execute(f"DROP TABLE {quote(name)}")
        self._shown.clear()
        left = text
        if _CATALOG.match(text):
            left = self._described(text)
        elif self._reads(text):
            floats = [
                c for columns in self._tables.values() for c, kind in columns.items() if kind in ("FLOAT", "DOUBLE")
            ]
            self.local.register(_ROWS, self.pushed(text, values, floats))
            left, values = f"SELECT * FROM {_ROWS}", []
        if run:
            self.local.execute(left, values or None)
        return left

    def _reads(self, text: str) -> bool:
        """Whether any table is read; what can't be moved is refused rather than run on nothing."""
        if re.match(r"\s*(?:explain|summarize)\b", text, re.IGNORECASE):
            raise UseError("EXPLAIN and SUMMARIZE aren't run on BigQuery", next_step="write a SELECT")
        import duckdb

        try:
            return bool(self.local.get_table_names(text))
        except duckdb.Error:
            pass  # it looks into nothing with a ?, and into no PIVOT
        try:
            several = len(self.local.extract_statements(text)) > 1
        except duckdb.Error:
            return False  # DuckDB says itself what is wrong
        return several or bool(bigquery_sql.tables(bigquery_sql.parse(text)))

    def _described(self, text: str) -> str:
        """SHOW and DESCRIBE look at empty tables of the declared types."""
        self.local.unregister(_ROWS)
        for name, columns in self._tables.items():
            parts = ", ".join(f"{quote(c)} {_type(Column(c, kind))}" for c, kind in columns.items())
            self.local.execute(f"CREATE TABLE {quote(name)} ({parts})")
            self._shown.append(name)
        return text

    def __iter__(self) -> Iterator[Any]:
        return iter(self.local.fetchall())
