"""What a model's SELECT reads, as views of one DuckDB connection; nothing is computed or committed here."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catchwater.errors import ModelFailed
from catchwater.lake.manifest import Manifest
from catchwater.lake.read import HISTORY_COLUMNS, create_history, create_rows, create_state, each_once
from catchwater.lake.span import originals
from catchwater.lake.span import since_reset as since_reset
from catchwater.plan.plan import Model, Plan, Read
from catchwater.ports import Store
from catchwater.project.functions import CLOCK, functions
from catchwater.project.names import quote
from catchwater.project.tables import Column, TableSchema

if TYPE_CHECKING:
    import duckdb

TAIL = (Column("_op", "VARCHAR"), Column("_at", "TIMESTAMP WITH TIME ZONE"))
_SYSTEM = ("_seq", "_id", "_op", "_at", "_version", "_exact", "_valid_from", "_valid_to", "_is_current")
_SYSTEM_TYPES = {column.name: column.type for column in HISTORY_COLUMNS} | {
    "_valid_from": "TIMESTAMP WITH TIME ZONE", "_valid_to": "TIMESTAMP WITH TIME ZONE", "_is_current": "BOOLEAN",
}  # fmt: skip
_VALIDITY = ("_valid_from", "_valid_to", "_is_current")

Batches = Callable[[str], Sequence[Manifest]]


def held_columns(model: Model) -> tuple[Column, ...]:
    """The columns of a model's files, `_removed` and the keyless two apart."""
    return (*model.columns, *TAIL) if model.history else model.columns


def table_reads(plan: Plan, model: Model) -> tuple[Read, ...]:
    """What a model reads that has a log: views are led to what they read themselves."""
    found: list[Read] = []
    for read in model.reads:
        above = upstream(plan, read)
        found += table_reads(plan, above) if above and above.materialized == "view" else [read]
    return tuple(found)


def upstream(plan: Plan, read: Read) -> Model | None:
    zone, _, name = read.log.partition("/")
    return plan.model(name) if zone == "processed" else None


def source_table(plan: Plan, read: Read) -> TableSchema:
    tables = plan.source(read.log.partition("/")[2]).tables
    return next(table for table in tables if table.name == read.table)


@dataclass(frozen=True)
class Inputs:
    """What one model reads: `batches(log)` gives the batches to read of a log, `stores` the zones."""

    con: "duckdb.DuckDBPyConnection"
    plan: Plan
    stores: Mapping[str, Store]
    batches: Batches

    def create(self, model: Model) -> None:
        """A view per alias of the model's reads."""
        for read in model.reads:
            above = upstream(self.plan, read)
            if above is None:
                self.source(read)
            elif above.materialized == "view":
                self.create(above)
                self._view(read.alias, above.sql)
            else:
                self.model(above, read.alias, history=read.history)

    def source(self, read: Read) -> None:
        """The table's own columns, then the system columns that the model names; `#<alias>` has all of them."""
        schema = source_table(self.plan, read)
        self.check_key(read, schema)
        store, batches = self.stores["ingestion"], self.batches(read.log)
        versions, rows = f"#{read.alias}#versions", f"#{read.alias}"
        if read.history:
            create_history(self.con, versions, store, batches, read.table, schema.columns)
            self._view(rows, _validity(versions, schema.key) if asks_validity(read) else f"FROM {quote(versions)}")
        else:
            create_rows(self.con, rows, store, batches, read.table, schema.columns, schema.key)
        named = [*schema.names, *(name for name in _SYSTEM if name in read.columns and name not in schema.names)]
        self._view(read.alias, f"SELECT {', '.join(map(quote, named))} FROM {quote(rows)}")

    def each_once(self, read: Read) -> bool:
        """Whether the log has as many versions as the table has rows: then each is current, as after a first load."""
        return each_once(originals(self.batches(read.log)), read.table)

    def check_key(self, read: Read, schema: TableSchema) -> None:
        """Versions compared by one key (they have a checksum) aren't told apart by another: deletes would be lost."""
        tables = [batch.tables[read.table] for batch in self.batches(read.log) if read.table in batch.tables]
        if tables and tables[-1].checksum is not None and tables[-1].key != schema.key:
            old, new = (", ".join(key) or "none" for key in (tables[-1].key, schema.key))
            raise ModelFailed(
                f"{read.table} was captured by the key ({old}), and its key is now ({new})",
                where=read.log,
                next_step="give the source another name in catchwater.yml, so that a new log begins",
            )

    def model(self, model: Model, alias: str, *, history: bool) -> None:
        """The rows of a model: every version, or of a history the latest of each entity."""
        state = f"#{alias}#state"
        batches = since_reset(self.batches(f"processed/{model.name}"))
        columns = held_columns(model)
        create_state(self.con, state, self.stores["processed"], batches, model.name, columns, model.key)
        names = ", ".join(quote(column.name) for column in columns)
        rows = quote(state) if history or not model.history else f"({latest(model, state)})"
        self._view(alias, f"SELECT {names} FROM {rows}")

    def _view(self, name: str, sql: str) -> None:
        self.con.execute(f"CREATE OR REPLACE TEMP VIEW {quote(name)} AS {sql}")


def latest(model: Model, relation: str) -> str:
    """SELECT of the newest version of each entity of a history, deleted ones absent."""
    by = ", ".join(map(quote, model.entity))
    order = quote(model.order)
    if model.key == (model.order,):
        return (
            f"SELECT h.* FROM {quote(relation)} AS h SEMI JOIN (SELECT max({order}) AS newest FROM "
            f"{quote(relation)} GROUP BY {by}) AS n ON h.{order} = n.newest WHERE h._op <> 'delete'"
        )
    rest = ", ".join(f"{quote(name)} DESC" for name in (model.order, *model.key))
    return (
        f"SELECT * FROM (FROM {quote(relation)} QUALIFY row_number() OVER (PARTITION BY {by} ORDER BY {rest}) = 1)"
        " WHERE _op <> 'delete'"
    )


def asks_validity(read: Read) -> bool:
    return any(name in read.columns for name in _VALIDITY)


def _validity(versions: str, key: Sequence[str]) -> str:
    by = ", ".join(map(quote, key))
    return (
        f"SELECT *, _at AS _valid_from, lead(_at) OVER later AS _valid_to, "
        f"lead(_id) OVER later IS NULL AND _op <> 'delete' AS _is_current FROM {quote(versions)} "
        f"WINDOW later AS (PARTITION BY {by} ORDER BY _id)"
    )


def system(read: Read) -> dict[str, str]:
    """The system columns that a SELECT names of a source's table, with their types."""
    return {name: kind for name, kind in _SYSTEM_TYPES.items() if name in read.columns}


def varies(model: Model) -> bool:
    """Whether the model's SQL may give another value each time that it is computed."""
    return not _words(model).isdisjoint(functions().varying)


def asks_the_time(model: Model) -> bool:
    """Whether the model's SQL may give other rows another day, of the same input."""
    return not _words(model).isdisjoint(CLOCK)


def _words(model: Model) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Za-z_]\w*", f"{model.sql} {model.macros}")}
