"""Tables and views of the DuckDB warehouse as models want them; no row is touched here."""

import json
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from catchwater.adapters.warehouses.changes import Table, listed, log_of, table_of, typed, view_reads
from catchwater.plan.plan import Model
from catchwater.project.names import literal, quote
from catchwater.project.tables import Column

if TYPE_CHECKING:
    import duckdb

OWN = "_catchwater"
_SETUP = f"""
CREATE SCHEMA IF NOT EXISTS {OWN};
CREATE TABLE IF NOT EXISTS {OWN}._catchwater_markers (log VARCHAR PRIMARY KEY, seq BIGINT, hash VARCHAR);
CREATE TABLE IF NOT EXISTS {OWN}._catchwater_models (name VARCHAR PRIMARY KEY, shape VARCHAR, definition VARCHAR);
CREATE TABLE IF NOT EXISTS {OWN}._catchwater_versions (number BIGINT);
"""


def setup(con: "duckdb.DuckDBPyConnection") -> None:
    """The tables of our own, in a schema that readers don't see."""
    con.execute(_SETUP)


def stored(table: Table) -> str:
    """The table that holds a model's rows: that of a model without key is hidden behind a view."""
    return quote(table.model.name) if table.model.key else f"{OWN}.{quote(table.model.name)}"


def shapes(con: "duckdb.DuckDBPyConnection") -> dict[str, str]:
    return dict(con.execute(f"SELECT name, shape FROM {OWN}._catchwater_models").fetchall())


def prepare(con: "duckdb.DuckDBPyConnection", model: Model, among: Sequence[Model]) -> None:
    """Create, widen or begin anew one model's tables, or replace its view; nothing to do when it stands so.

    `among` are the models of its group.
    """
    held = con.execute(
        f"SELECT shape, definition FROM {OWN}._catchwater_models WHERE name = ?", [model.name]
    ).fetchone()
    if held and held[0] == model.shape:
        return
    before = json.loads(held[1]) if held else None
    definition = _definition(model)
    if model.materialized == "view":
        drop(con, model.name, before)
        con.execute(f"CREATE VIEW {quote(model.name)} AS {view_sql(model, among)}")
    elif before is None or not _widen(con, table_of(model), before, definition):
        drop(con, model.name, before)
        forget(con, model)
        create(con, table_of(model))
    _describe(con, model)
    con.execute(
        f"INSERT OR REPLACE INTO {OWN}._catchwater_models VALUES (?, ?, ?)",
        [model.name, model.shape, json.dumps(definition)],
    )


def create(con: "duckdb.DuckDBPyConnection", table: Table) -> None:
    """No index: finding 15,000 keys in a million rows costs 3 ms without one, 10 ms and more to keep with one."""
    _create_rows(con, table)
    if not table.model.key:
        names = listed([column.name for column in table.columns])
        con.execute(f"CREATE VIEW {quote(table.model.name)} AS SELECT {names} FROM {stored(table)}")
    if table.current:
        con.execute(f"CREATE TABLE {quote(table.current)} ({_columns(table.stored)})")


def repack(con: "duckdb.DuckDBPyConnection", table: Table, long: Collection[str]) -> None:
    """Make the table of a model's rows, which is empty, once more; columns in `long` are packed as text that seldom
    repeats. DuckDB would try a dictionary first, at twice the work."""
    con.execute(f"DROP TABLE {stored(table)}")
    _create_rows(con, table, long)
    _describe(con, table.model)


def _create_rows(con: "duckdb.DuckDBPyConnection", table: Table, long: Collection[str] = ()) -> None:
    packed = dict.fromkeys(long, " USING COMPRESSION zstd")
    columns = ", ".join(_column(column) + packed.get(column.name, "") for column in table.stored)
    con.execute(f"CREATE TABLE {stored(table)} ({columns})")


def forget(con: "duckdb.DuckDBPyConnection", model: Model) -> None:
    con.execute(f"DELETE FROM {OWN}._catchwater_markers WHERE log = ?", [log_of(model)])


def empty(con: "duckdb.DuckDBPyConnection", model: Model) -> None:
    table = table_of(model)
    for name in (stored(table), quote(table.current) if table.current else ""):
        if name:
            con.execute(f"DELETE FROM {name}")
    forget(con, model)


def retire(con: "duckdb.DuckDBPyConnection", keep: Collection[str]) -> None:
    """Drop what was made of models that aren't in `keep`."""
    held = con.execute(f"SELECT name, definition FROM {OWN}._catchwater_models").fetchall()
    for name, definition in held:
        if name not in keep:
            drop(con, name, json.loads(definition))
            con.execute(f"DELETE FROM {OWN}._catchwater_markers WHERE log = ?", [f"processed/{name}"])
            con.execute(f"DELETE FROM {OWN}._catchwater_models WHERE name = ?", [name])


def drop(con: "duckdb.DuckDBPyConnection", name: str, before: dict[str, object] | None) -> None:
    if before is None:
        return
    kind = "TABLE" if before["kind"] == "table" else "VIEW"
    con.execute(f"DROP {kind} IF EXISTS {quote(name)}")
    con.execute(f"DROP TABLE IF EXISTS {OWN}.{quote(name)}")
    if before["current"]:
        con.execute(f"DROP TABLE IF EXISTS {quote(str(before['current']))}")


def view_sql(model: Model, among: Sequence[Model]) -> str:
    """A view's SELECT, with the aliases that it reads standing for the warehouse's tables."""
    aliases = [
        f"{quote(alias)} AS (SELECT * FROM main.{quote(table)})"
        for alias, table in view_reads(model, among)
        if alias != table
    ]
    return f"WITH {', '.join(aliases)} SELECT * FROM ({model.sql})" if aliases else model.sql


def _definition(model: Model) -> dict[str, object]:
    table = table_of(model)
    return {
        "kind": "view" if model.materialized == "view" else "table" if model.key else "keyless",
        "columns": [[column.name, column.type] for column in table.stored],
        "identity": [*table.identity],
        "entity": [*model.entity],
        "order": model.order,
        "current": table.current,
    }


def _widen(con: "duckdb.DuckDBPyConnection", table: Table, before: dict[str, object], now: dict[str, object]) -> bool:
    """Whether the tables stand as wanted once columns at the end were added."""
    old, new = before["columns"], now["columns"]
    assert isinstance(old, list)  # noqa: S101 (written by _definition)
    assert isinstance(new, list)  # noqa: S101
    if {**before, "columns": []} != {**now, "columns": []} or new[: len(old)] != old:
        return False
    for column in table.stored[len(old) :]:
        for name in (table.model.name, table.current):
            if name:
                con.execute(f"ALTER TABLE {quote(name)} ADD COLUMN {_column(column)}")
    return True


def _column(column: Column) -> str:
    return f"{quote(column.name)} {typed(column)}"


def _columns(columns: Sequence[Column]) -> str:
    return ", ".join(_column(column) for column in columns)


def _describe(con: "duckdb.DuckDBPyConnection", model: Model) -> None:
    kind = "TABLE" if model.materialized != "view" and model.key else "VIEW"
    names = [(kind, model.name), ("TABLE", table_of(model).current)]
    for what, name in names:
        if name:
            con.execute(f"COMMENT ON {what} {quote(name)} IS {_text(model.description)}")
            for column in model.columns:
                path = f"{quote(name)}.{quote(column.name)}"
                con.execute(f"COMMENT ON COLUMN {path} IS {_text(column.description)}")


def _text(description: str) -> str:
    return literal(description) if description else "NULL"
