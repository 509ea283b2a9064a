"""What a run of processed batches changes in one table, as one SELECT over their files; nothing is written here."""

import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catchwater.errors import ChainBroken, Corrupt
from catchwater.plan.plan import Model
from catchwater.ports import LoadBatch, Loaded
from catchwater.project.names import literal, quote
from catchwater.project.tables import Column

if TYPE_CHECKING:
    import duckdb

REMOVED = "_removed"
HIDDEN = (Column("_version", "VARCHAR"), Column("_occurrence", "INTEGER"))
TAIL = (Column("_op", "VARCHAR"), Column("_at", "TIMESTAMP WITH TIME ZONE"))

Marker = tuple[int, str]


@dataclass(frozen=True)
class Table:
    """A model as the warehouse stores it: `identity` is its key, or the hidden columns of one that has none."""

    model: Model
    columns: tuple[Column, ...]
    identity: tuple[str, ...]

    @property
    def hidden(self) -> tuple[Column, ...]:
        return () if self.model.key else HIDDEN

    @property
    def stored(self) -> tuple[Column, ...]:
        return self.columns + self.hidden

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.stored)

    @property
    def current(self) -> str | None:
        """The table of the latest versions, of a history model."""
        return f"{self.model.name}_current" if self.model.history and self.model.entity else None


def table_of(model: Model) -> Table:
    """A history's table ends with `_op` and `_at`, declared or not."""
    declared = {column.name.lower() for column in model.columns}
    tail = tuple(column for column in TAIL if model.history and column.name not in declared)
    identity = model.key or tuple(column.name for column in HIDDEN)
    return Table(model, model.columns + tail, identity)


def view_reads(model: Model, among: Sequence[Model]) -> list[tuple[str, str]]:
    """What a view reads: (alias in its SQL, table of the warehouse). `among` are the models of its group."""
    histories = {other.name for other in among if table_of(other).current}
    return [
        (read.alias, f"{read.table}_current" if read.table in histories and not read.history else read.table)
        for read in model.reads
    ]


def typed(column: Column) -> str:
    """The type to store; a column that is always NULL has a type too."""
    return "INTEGER" if column.type in ('"NULL"', "NULL") else column.type


def log_of(model: Model) -> str:
    return f"processed/{model.name}"


def pending(batches: Sequence[LoadBatch], marker: Marker | None) -> list[LoadBatch]:
    """The batches of one model that follow `marker`, in order; those up to it are already applied.

    Raises ChainBroken when one doesn't follow the one before.
    """
    applied = [batch.seq for batch in batches if marker and (batch.seq, batch.hash) == marker]
    rest = [batch for batch in batches if not applied or batch.seq > applied[0]]
    before = marker
    for batch in rest:
        if batch.previous != (before[1] if before else None) or (before and batch.seq != before[0] + 1):
            found = f"batch {before[0]}, {before[1]}" if before else "no batch"
            raise ChainBroken(
                f"batch {batch.seq} follows {batch.previous}, and the warehouse holds {found}",
                where=log_of(batch.model),
                next_step="catchwater run",
            )
        before = (batch.seq, batch.hash)
    return rest


def total(tables: Mapping[str, Loaded], notes: tuple[str, ...] = ()) -> Loaded:
    """The sum over tables, which it carries."""
    added, changed, removed = (
        sum(getattr(loaded, name) for loaded in tables.values()) for name in ("added", "changed", "removed")
    )
    return Loaded(added, changed, removed, tables, notes)


def equal(left: str, right: str, columns: Sequence[str]) -> str:
    """Both rows have the same values, NULL being one."""
    return " AND ".join(f"{left}.{quote(c)} IS NOT DISTINCT FROM {right}.{quote(c)}" for c in columns)


def listed(columns: Sequence[str], prefix: str = "") -> str:
    return ", ".join(prefix + quote(column) for column in columns)


def select(con: "duckdb.DuckDBPyConnection", table: Table, batches: Sequence[LoadBatch]) -> str:
    """A SELECT of the stored columns and `_removed`: what the last batch says of each identity.

    `batches` have files. A column that a file lacks is NULL. Raises Corrupt for a file that isn't Parquet.
    """
    files = [glob.escape(str(path)) for batch in batches for path in batch.files]
    numbers = [number for number, batch in enumerate(batches) for _ in batch.files]
    paths = ", ".join(literal(path) for path in files)
    scan = f"read_parquet([{paths}], union_by_name = true, hive_partitioning = false)"
    present = _present(con, scan, table)
    columns = ", ".join(_cast(column, present) for column in table.stored)
    if len(batches) == 1:
        return f"SELECT {columns}, {REMOVED} FROM {scan}"
    last = (
        f"SELECT * FROM {scan} QUALIFY rank() OVER (PARTITION BY {listed(table.identity)} "
        f"ORDER BY {numbers}[file_index::BIGINT + 1] DESC) = 1"
    )
    return f"SELECT {columns}, {REMOVED} FROM ({last})"


def _present(con: "duckdb.DuckDBPyConnection", scan: str, table: Table) -> set[str]:
    import duckdb

    try:
        found = con.execute(f"SELECT * FROM {scan} LIMIT 0").description or []
    except duckdb.Error as error:
        raise corrupt(table.model, error) from error
    names = {column[0].lower() for column in found}
    wanted = [name for name in (*table.identity, REMOVED) if name.lower() not in names]
    if wanted:
        raise Corrupt(f"its files have no column {', '.join(wanted)}", where=log_of(table.model))
    return names


def corrupt(model: Model, error: Exception) -> Corrupt:
    return Corrupt(f"a file can't be read as Parquet: {error}", where=log_of(model), next_step="catchwater verify")


def _cast(column: Column, present: set[str]) -> str:
    value = quote(column.name) if column.name.lower() in present else "NULL"
    return f"CAST({value} AS {typed(column)}) AS {quote(column.name)}"
