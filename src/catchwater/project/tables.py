"""The shape of a table, in DuckDB's type names; no data and no behaviour but look-ups."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Column:
    """`type` is DuckDB's own spelling, e.g. `DECIMAL(10,2)`, `TIMESTAMP`, `VARCHAR`."""

    name: str
    type: str
    nullable: bool = True
    description: str = ""


@dataclass(frozen=True)
class Reference:
    """`columns` of this table are the key columns `to_columns` of `table`."""

    columns: tuple[str, ...]
    table: str
    to_columns: tuple[str, ...]


@dataclass(frozen=True)
class TableSchema:
    """One table of a source; an empty `key` means that rows are compared as a multiset. `origin` is what the source
    itself calls it, ready for its SQL, where that isn't `name`."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    origin: str = field(default="", compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True)
class Join:
    """A table that an incremental model joins by its key: its columns `key` equal `columns` of `parent`, the place of
    another join of the model (-1: the driving table). `read` is its alias in the model's SQL; `as_of`: the version at
    the driving row's `_seq`, which only a revision changes."""

    read: str
    key: tuple[str, ...]
    parent: int
    columns: tuple[str, ...]
    as_of: bool = False
