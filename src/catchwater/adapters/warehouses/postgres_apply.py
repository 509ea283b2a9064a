"""Changes of models as statements for Postgres: staged, then merged by the server in its own transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from catchwater.adapters.warehouses.changes import REMOVED, Table, listed
from catchwater.adapters.warehouses.postgres_ddl import stored
from catchwater.adapters.warehouses.postgres_types import held
from catchwater.project.names import quote


@dataclass(frozen=True)
class Merge:
    """One model's changes, staged in an unlogged table of the warehouse's schema."""

    schema: str
    table: Table
    number: int

    @property
    def stage_name(self) -> str:
        return f"_catchwater_stage_{self.number}"

    @property
    def stage(self) -> str:
        return f"{quote(self.schema)}.{quote(self.stage_name)}"

    @property
    def target(self) -> str:
        return f"{quote(self.schema)}.{quote(stored(self.table))}"

    @property
    def current(self) -> str:
        return f"{quote(self.schema)}.{quote(self.table.current or '')}"

    def make(self) -> str:
        """The staging table; what an ended load left under its name goes."""
        name = stored(self.table)
        columns = [f"{quote(column.name)} {held(name, column).staged}" for column in self.table.stored]
        return (
            f"DROP TABLE IF EXISTS {self.stage}; "
            f"CREATE UNLOGGED TABLE {self.stage} ({', '.join(columns)}, {REMOVED} boolean NOT NULL)"
        )

    def send(self, source: str) -> str:
        """DuckDB's INSERT of `source` (a SELECT of the stored columns and `_removed`) into the staging table."""
        name = stored(self.table)
        values = [held(name, column).sending(quote(column.name)) for column in self.table.stored]
        names = listed([*self.table.names, REMOVED])
        target = f"warehouse.{quote(self.schema)}.{quote(self.stage_name)}"
        return f"INSERT INTO {target} ({names}) SELECT {', '.join(values)}, {REMOVED} FROM ({source})"

    def count(self) -> str:
        """A query of two numbers: staged rows that replace one, staged removals of one that is there."""
        there = f"EXISTS (SELECT 1 FROM {self.target} AS t WHERE {self._same('t', 's')})"
        return (
            f"SELECT count(*) FILTER (WHERE NOT {REMOVED} AND {there}) AS changed, "
            f"count(*) FILTER (WHERE {REMOVED} AND {there}) AS removed, "
            f"count(*) FILTER (WHERE NOT {REMOVED}) AS written FROM {self.stage} AS s"
        )

    def upsert(self) -> list[str]:
        """Rows that are there change in place, so that whatever references them isn't disturbed; others are added."""
        here = self._same("t", "s")
        rest = [column for column in self.table.stored if column.name not in self.table.identity]
        changes = ", ".join(f"{quote(column.name)} = {self._value(column.name)}" for column in rest)
        names = listed(self.table.names)
        values = ", ".join(self._value(name) for name in self.table.names)
        statements = [f"ANALYZE {self.stage}"]
        if rest:
            statements.append(
                f"UPDATE {self.target} AS t SET {changes} FROM {self.stage} AS s WHERE {here} AND NOT s.{REMOVED}"
            )
        statements.append(
            f"INSERT INTO {self.target} ({names}) SELECT {values} FROM {self.stage} AS s WHERE NOT s.{REMOVED} "
            f"AND NOT EXISTS (SELECT 1 FROM {self.target} AS t WHERE {here})"
        )
        return statements

    def touch(self) -> list[str]:
        """Before anything is merged: the entities whose latest version may be another afterwards."""
        if not self.table.current:
            return []
        entity = self.table.model.entity
        values = ", ".join(self._value(name) for name in entity)
        return [
            f"CREATE TEMP TABLE {self._touched} ON COMMIT DROP AS SELECT {values} FROM {self.stage} AS s "
            f"UNION SELECT {listed(entity, 't.')} FROM {self.target} AS t JOIN {self.stage} AS s "
            f"ON {self._same('t', 's')}",
            f"ANALYZE {self._touched}",
        ]

    def remove(self) -> list[str]:
        same = self._same("t", "s")
        return [f"DELETE FROM {self.target} AS t USING {self.stage} AS s WHERE {same} AND s.{REMOVED}"]

    def latest(self) -> list[str]:
        """The table of latest versions, for the entities touched; by the model's order, then by key."""
        if not self.table.current:
            return []
        model = self.table.model
        order = [model.order, *(name for name in model.key if name != model.order)]
        newest = ", ".join(f"t.{quote(name)} DESC" for name in order)
        names = listed(self.table.names)
        by = listed(model.entity, "t.")
        return [
            f"DELETE FROM {self.current} AS t USING {self._touched} AS u WHERE {self._alike('t', 'u', model.entity)}",
            f"INSERT INTO {self.current} ({names}) SELECT {names} FROM (SELECT DISTINCT ON ({by}) t.* "
            f"FROM {self.target} AS t JOIN {self._touched} AS u ON {self._alike('t', 'u', model.entity)} "
            f"ORDER BY {by}, {newest}) AS newest WHERE _op IS DISTINCT FROM 'delete'",
        ]

    def drop(self) -> str:
        return f"DROP TABLE {self.stage}"

    @property
    def _touched(self) -> str:
        return f"catchwater_touched_{self.number}"

    def _value(self, name: str) -> str:
        column = next(column for column in self.table.stored if column.name == name)
        kept = held(stored(self.table), column)
        value = f"s.{quote(name)}"
        return value if kept.staged == kept.type else f"CAST({value} AS {kept.type})"

    def _same(self, left: str, right: str) -> str:
        """Identities are never NULL; staged values are cast as they will be stored."""
        parts = []
        for name in self.table.identity:
            staged = self._value(name).replace("s.", f"{right}.", 1) if right == "s" else f"{right}.{quote(name)}"
            parts.append(f"{left}.{quote(name)} = {staged}")
        return " AND ".join(parts)

    def _alike(self, left: str, right: str, names: Sequence[str]) -> str:
        nullable = {column.name for column in self.table.stored if column.nullable}
        parts = []
        for name in names:
            pair = f"{left}.{quote(name)}", f"{right}.{quote(name)}"
            parts.append(f"{pair[0]} = {pair[1]}")
            if name in nullable:
                parts[-1] = f"({parts[-1]} OR ({pair[0]} IS NULL AND {pair[1]} IS NULL))"
        return " AND ".join(parts)


def ordered(merges: Sequence[Merge]) -> list[Merge]:
    """Referenced tables before those that reference them; a cycle keeps the order given."""
    by_name = {merge.table.model.name: merge for merge in merges}
    found: dict[str, Merge] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in found or name not in by_name or name in path:
            return
        for reference in by_name[name].table.model.references:
            visit(reference.table, (*path, name))
        found[name] = by_name[name]

    for name in by_name:
        visit(name, ())
    return list(found.values())
