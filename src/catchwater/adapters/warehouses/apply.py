"""Changes of one model applied to its DuckDB tables, inside the transaction of its caller."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from catchwater.adapters.warehouses import changes, ddl
from catchwater.adapters.warehouses.changes import REMOVED, Table, equal, listed
from catchwater.adapters.warehouses.ddl import stored
from catchwater.lake.room import suit_threads
from catchwater.ports import LoadBatch, Loaded
from catchwater.project.names import quote

if TYPE_CHECKING:
    import duckdb

_MANY = 100_000  # rows; of fewer no packing is felt
_LONG = 20  # bytes; shorter text takes a third less room as DuckDB packs it
_DOCUMENT, _MUCH = 256, 16 << 20  # bytes of a text, and of all: DuckDB's own way takes seven times as long for 10 KB
_STAGE, _TOUCHED = "temp.main.__stage", "temp.main.__touched"


def apply(con: "duckdb.DuckDBPyConnection", table: Table, batches: Sequence[LoadBatch]) -> Loaded:
    """Rows of batches that have files into the model's table and, of a history, its latest versions."""
    source = changes.select(con, table, batches)
    if _number(con, f"SELECT count(*) FROM (FROM {stored(table)} LIMIT 1)") == 0:
        long = _long(con, table, batches)
        if long:
            ddl.repack(con, table, long)
        added = _number(con, f"INSERT INTO {stored(table)} {_kept(table, f'({source})')}")
        if table.current:
            _latest(con, table, "")
        return Loaded(added=added)
    names = dict.fromkeys((*table.identity, *(table.model.entity if table.current else ())))
    one = len(batches) == 1  # whose rows are read twice: a table of them would cost more, and memory for all
    staged = f"SELECT {listed(list(names))}, {REMOVED} FROM ({source})" if one else source
    suit_threads(con, _number(con, f"CREATE OR REPLACE TEMP TABLE __stage AS {staged}"))
    loaded = _merge(con, table, f"({source})" if one else _STAGE)
    con.execute(f"DROP TABLE {_STAGE}")
    return loaded


def _long(con: "duckdb.DuckDBPyConnection", table: Table, batches: Sequence[LoadBatch]) -> list[str]:
    """The text columns whose values are long and seldom repeat: of many rows those that Parquet's writer has found no
    dictionary for, and those of whole documents."""
    found = con.execute(
        "SELECT path_in_schema FROM (SELECT path_in_schema, sum(num_values) AS n, "
        "sum(total_uncompressed_size) AS size, count(dictionary_page_offset) * 2 < count(*) AS plain "
        "FROM parquet_metadata(?) GROUP BY path_in_schema) "
        "WHERE (plain AND n >= ? AND size >= ? * n) OR (size >= ? AND size >= ? * n)",
        [str(batches[0].files[0]), _MANY, _LONG, _MUCH, _DOCUMENT],
    )
    long = {name for (name,) in found.fetchall()}
    return [column.name for column in table.stored if column.type == "VARCHAR" and column.name in long]


def _merge(con: "duckdb.DuckDBPyConnection", table: Table, rows: str) -> Loaded:
    """What `__stage` says of each identity, whose `rows` have all columns."""
    target, same = stored(table), equal("t", "s", table.identity)
    if table.current:
        _touch(con, table)
    removed = _number(con, f"DELETE FROM {target} AS t USING (FROM {_STAGE} WHERE {REMOVED}) AS s WHERE {same}")
    changed = _number(con, f"DELETE FROM {target} AS t USING (FROM {_STAGE} WHERE NOT {REMOVED}) AS s WHERE {same}")
    written = _number(con, f"INSERT INTO {target} {_kept(table, rows)}")
    if table.current:
        here = equal("t", "s", table.model.entity)
        con.execute(f"DELETE FROM {quote(table.current)} AS t USING {_TOUCHED} AS s WHERE {here}")
        _latest(con, table, f"SEMI JOIN {_TOUCHED} AS s ON {here}")
        con.execute(f"DROP TABLE {_TOUCHED}")
    return Loaded(added=written - changed, changed=changed, removed=removed)


def _kept(table: Table, source: str) -> str:
    names = listed(table.names)
    return f"({names}) SELECT {names} FROM {source} WHERE NOT {REMOVED}"


def _touch(con: "duckdb.DuckDBPyConnection", table: Table) -> None:
    """The entities whose latest version may be another now: those written, and those that had a written key."""
    entity, same = table.model.entity, equal("t", "s", table.identity)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE __touched AS SELECT {listed(entity)} FROM {_STAGE} "
        f"UNION SELECT {listed(entity, 't.')} FROM {stored(table)} AS t SEMI JOIN {_STAGE} AS s ON {same}"
    )


def _latest(con: "duckdb.DuckDBPyConnection", table: Table, among: str) -> None:
    """Insert the latest version per entity by the model's order, then by key, unless it is a delete.

    Only row numbers are aggregated, never whole rows.
    """
    model, source = table.model, stored(table)
    order = [model.order, *(name for name in model.key if name != model.order)]
    rank = quote(order[0]) if len(order) == 1 else f"row({listed(order)})"
    newest = f"SELECT arg_max(t.rowid, {rank}) FROM {source} AS t {among} GROUP BY {listed(model.entity)}"
    names = listed(table.names)
    con.execute(
        f"INSERT INTO {quote(str(table.current))} ({names}) SELECT {names} FROM {source} "
        f"WHERE rowid IN ({newest}) AND _op IS DISTINCT FROM 'delete'"
    )


def _number(con: "duckdb.DuckDBPyConnection", sql: str) -> int:
    found = con.execute(sql).fetchone()
    return int(found[0]) if found else 0
