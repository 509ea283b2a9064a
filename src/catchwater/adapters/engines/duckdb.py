"""DuckDB, embedded: describes a SELECT over empty tables and lends private connections; it knows no stage or store."""

import json
import os
import tempfile
import threading
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catchwater.adapters.memory import MOST, limit
from catchwater.errors import Problem, ProjectError
from catchwater.project.names import quote
from catchwater.project.tables import Column

if TYPE_CHECKING:
    import duckdb

    from catchwater.ports import Settings

_LITTLE = 320 << 20  # beside Python and what DuckDB takes outside its own limit, a process stays under 512 MB


class DuckdbEngine:
    """Engine over DuckDB in memory: no extension is loaded from outside, no file is read but the project's own."""

    def __init__(self, name: str, spec: object, settings: "Settings") -> None:
        self.name, self.spec, self.settings = name, spec, settings
        self._empty: duckdb.DuckDBPyConnection | None = None
        self._describing = threading.Lock()

    def describe(self, sql: str, tables: Mapping[str, Sequence[Column]], macros: str = "") -> tuple[Column, ...]:
        """Output columns of one SELECT; ProjectError with the line and column of `sql` when it can't be bound."""
        with self._describing:
            con = self._transaction()
            try:
                return self._described(con, sql, tables, macros)
            finally:
                con.execute("ROLLBACK")
                con.close()

    def _transaction(self) -> "duckdb.DuckDBPyConnection":
        """In an empty database kept for it, and to be rolled back: opening one takes longer than its answer."""
        if self._empty is None:
            self._empty = self._open({"enable_external_access": False})
        con = self._empty.cursor()
        con.execute("SET errors_as_json = true")
        return con.begin()

    def _described(
        self, con: "duckdb.DuckDBPyConnection", sql: str, tables: Mapping[str, Sequence[Column]], macros: str
    ) -> tuple[Column, ...]:
        import duckdb

        try:
            for alias, columns in tables.items():
                con.execute(_create(alias, columns))
            if macros:
                con.execute(macros)
            _one_select(con, sql)
            rows = con.execute(f"DESCRIBE {sql}").fetchall()
        except duckdb.Error as error:
            raise ProjectError([_problem(sql, error)]) from error
        return tuple(Column(row[0], row[1]) for row in rows)

    def connect(self, *, roomy: bool = False) -> "duckdb.DuckDBPyConnection":
        """A private connection that spills under the project's state, and reads nothing outside it."""
        spill = self.settings.state / "tmp" / f"spill-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        spill.parent.mkdir(parents=True, exist_ok=True)
        con = self._open({"memory_limit": f"{memory_limit(roomy=roomy)}B", "temp_directory": str(spill)})
        allowed = [str(Path(path).resolve()) for path in (self.settings.state, tempfile.gettempdir())]
        con.execute("SET allowed_directories = ?", [[*allowed, str(self.settings.state)]])
        con.execute("SET enable_external_access = false")
        con.execute("SET TimeZone = 'UTC'")
        return con

    def _open(self, config: dict[str, Any]) -> "duckdb.DuckDBPyConnection":
        import duckdb

        return duckdb.connect(
            ":memory:",
            config={"autoinstall_known_extensions": False, "autoload_known_extensions": False, **config},
        )


def memory_limit(*, roomy: bool = False) -> int:
    """Bytes for one connection: 60 % of what this process may have, at most 320 MiB, or 4 GiB where it is roomy."""
    return limit(MOST if roomy else _LITTLE)


def _create(alias: str, columns: Sequence[Column]) -> str:
    body = ", ".join(f"{quote(column.name)} {column.type}" for column in columns)
    return f"CREATE TABLE {quote(alias)} ({body})"


def _one_select(con: "duckdb.DuckDBPyConnection", sql: str) -> None:
    import duckdb

    statements = con.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise ProjectError([Problem("", 1, 1, "a model is one SELECT")])


def _problem(sql: str, error: Exception) -> Problem:
    """DuckDB's error as a problem at its place; DuckDB counts the bytes after DESCRIBE."""
    held = _read_error(error)
    message, position = held.get("exception_message", str(error)), int(held.get("position", 0))
    candidates = [name.strip() for name in held.get("candidates", "").split(",") if name.strip()]
    parsed = type(error).__name__ == "ParserException"  # told before DESCRIBE was put in front
    before = max(position - (0 if parsed else len("DESCRIBE ")), 0)
    text = sql.encode()[:before].decode(errors="ignore")
    line, column = text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1
    first, *rest = message.strip().splitlines() or ["can't be bound"]
    if held.get("error_subtype") == "COLUMN_NOT_FOUND":
        first = f"no column {held.get('name', '')}"
    right = f"did you mean {', '.join(candidates)}?" if candidates else " ".join(rest).strip()
    return Problem("", line, column, first.rstrip("!"), right)


def _read_error(error: Exception) -> dict[str, str]:
    """DuckDB's own fields of an error; none when it isn't told as JSON."""
    text = str(error)
    try:
        held: dict[str, str] = json.loads(text[text.index("{") :])
    except ValueError:
        return {}
    return held
