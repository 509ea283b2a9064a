"""The private DuckDB of one capture: in memory, spilling under the work folder, never a project's own file."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from catchwater.adapters.memory import limit
from catchwater.lake.parquet import options_of
from catchwater.project.names import literal, quote
from catchwater.project.tables import TableSchema

if TYPE_CHECKING:
    import duckdb

MEMORY = 1 << 30


@contextmanager
def scratch(work: Path) -> "Iterator[duckdb.DuckDBPyConnection]":
    """A connection in UTC that loads no extension."""
    import duckdb

    work.mkdir(parents=True, exist_ok=True)
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{limit(MEMORY)}B",
        "temp_directory": str(work / "spill"),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    with duckdb.connect(config=settings) as con:
        con.execute("SET TimeZone = 'UTC'")
        yield con


def exactly(path: Path) -> str:
    """A path as an SQL literal in which DuckDB finds no pattern."""
    return literal("".join(f"[{char}]" if char in "*?[" else char for char in str(path)))


def select_list(table: TableSchema, at: str, version: str, op: str = "upsert") -> str:
    """The columns of a captured file (ports.Captured); `at` and `version` are SQL expressions."""
    fields = ", ".join(quote(name) for name in table.names)
    return (
        f"{fields}, {literal(op)} AS _op, CAST({at} AS TIMESTAMPTZ) AS _at, "
        f"CAST({version} AS VARCHAR) AS _version, CAST(NULL AS MAP(VARCHAR, VARCHAR)) AS _exact"
    )


def to_parquet(con: "duckdb.DuckDBPyConnection", select: str, path: Path) -> int:
    """Write a query's rows, in its order; returns how many."""
    row = con.execute(f"COPY ({select}) TO {literal(str(path))} {options_of(con, select)}").fetchone()
    return int(row[0]) if row else 0


def count(con: "duckdb.DuckDBPyConnection", sql: str, values: Sequence[object] = ()) -> int:
    row = con.execute(sql, list(values)).fetchone()
    return int(row[0]) if row else 0
