"""Changes of models as statements for BigQuery, each to stand inside the one transaction of a load."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from catchwater.adapters.warehouses.bigquery_types import held, text, tick
from catchwater.adapters.warehouses.changes import REMOVED, Marker, Table
from catchwater.ports import LoadBatch

VERSION, MARKER, STAGE, ROWS = "_catchwater_version", "_catchwater_marker_", "_catchwater_stage_", "_catchwater_rows_"
_RANK = "_catchwater_rank"
GENESIS: Marker = (0, "")


def stored(table: Table) -> str:
    """The table that holds the rows: that of a model without key is hidden behind a view."""
    return table.model.name if table.model.key else f"{ROWS}{table.model.name}"


def listed(names: Sequence[str], prefix: str = "") -> str:
    return ", ".join(prefix + tick(name) for name in names)


def stage_name(table: Table, batches: Sequence[LoadBatch]) -> str:
    """By what is staged: the batches from one marker to another, in the shape that the model has now."""
    last = batches[-1]
    said = f"{batches[0].previous} {last.seq} {last.hash} {table.model.shape} {len(batches)}"
    return f"{STAGE}{table.model.name}_{last.seq}_{sha256(said.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class Merge:
    """One model's changes, staged in `stage`."""

    path: tuple[str, str]
    table: Table
    stage: str

    @property
    def target(self) -> str:
        return tick(*self.path, stored(self.table))

    @property
    def current(self) -> str:
        return tick(*self.path, self.table.current or "")

    def count(self) -> str:
        """A query of two numbers: staged rows that replace one, staged removals of one that is there."""
        return (
            f"SELECT COUNTIF(NOT s.{REMOVED}), COUNTIF(s.{REMOVED}) FROM {self._staged} AS s "
            f"JOIN {self.target} AS t ON {self._same()}"
        )

    def statements(self) -> list[str]:
        """The rows."""
        rest = [name for name in self.table.names if name not in self.table.identity]
        changes = ", ".join(f"{tick(name)} = {self._value(name)}" for name in rest)
        values = ", ".join(self._value(name) for name in self.table.names)
        update = f"WHEN MATCHED THEN UPDATE SET {changes} " if rest else ""
        return [
            f"MERGE {self.target} AS t USING {self._staged} AS s ON {self._same()} "
            f"WHEN MATCHED AND s.{REMOVED} THEN DELETE {update}"
            f"WHEN NOT MATCHED AND NOT s.{REMOVED} THEN INSERT ({listed(self.table.names)}) VALUES ({values})"
        ]

    def touch(self) -> list[str]:
        """Before the transaction, whose check of the marker holds the table as it stands now: the entities whose
        latest version may be another afterwards."""
        if not self.table.current:
            return []
        entity = self.table.model.entity
        values = ", ".join(f"{self._value(name)} AS {tick(name)}" for name in entity)
        return [
            f"CREATE OR REPLACE TABLE {self._touched} OPTIONS(expiration_timestamp="
            f"TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 24 HOUR)) AS "
            f"SELECT {values} FROM {self._staged} AS s UNION DISTINCT "
            f"SELECT {listed(entity, 't.')} FROM {self.target} AS t JOIN {self._staged} AS s ON {self._same()}"
        ]

    def latest(self) -> list[str]:
        """The table of latest versions, for the entities touched; by the model's order, then by key."""
        if not self.table.current:
            return []
        model, names = self.table.model, listed(self.table.names)
        order = [model.order, *(name for name in model.key if name != model.order)]
        newest = ", ".join(f"t.{tick(name)} DESC" for name in order)
        return [
            f"MERGE {self.current} AS t USING {self._touched} AS u ON {self._alike()} WHEN MATCHED THEN DELETE",
            f"INSERT INTO {self.current} ({names}) SELECT {names} FROM (SELECT t.*, ROW_NUMBER() OVER "
            f"(PARTITION BY {listed(model.entity, 't.')} ORDER BY {newest}) AS {_RANK} FROM {self.target} AS t "
            f"JOIN {self._touched} AS u ON {self._alike()}) AS n WHERE {_RANK} = 1 AND _op IS DISTINCT FROM 'delete'",
        ]

    @property
    def touched(self) -> str:
        return f"{self.stage}_touched"

    @property
    def _touched(self) -> str:
        return tick(*self.path, self.touched)

    @property
    def _staged(self) -> str:
        return tick(*self.path, self.stage)

    def _value(self, name: str) -> str:
        column = next(column for column in self.table.stored if column.name == name)
        return held(stored(self.table), column).value(f"s.{tick(name)}")

    def _same(self) -> str:
        """Identities are never NULL."""
        return " AND ".join(f"t.{tick(name)} = {self._value(name)}" for name in self.table.identity)

    def _alike(self) -> str:
        parts = []
        for name in self.table.model.entity:
            left, right = f"t.{tick(name)}", f"u.{tick(name)}"
            parts.append(f"({left} = {right} OR ({left} IS NULL AND {right} IS NULL))")
        return " AND ".join(parts)


@dataclass(frozen=True)
class Move:
    """A log's marker from the batch that the load begins at to the one that it ends at."""

    marker: str
    before: Marker
    after: Marker

    @property
    def _there(self) -> str:
        return f"seq = {self.before[0]} AND hash = {text(self.before[1])}"

    def check(self) -> str:
        """Only the batch's own predecessor may be there."""
        return first(f"(SELECT COUNT(*) FROM {self.marker} WHERE {self._there}) = 1")

    def update(self) -> str:
        return f"UPDATE {self.marker} SET seq = {self.after[0]}, hash = {text(self.after[1])} WHERE {self._there}"


def first(condition: str) -> str:
    """Ends the transaction unless the condition holds."""
    return f"SELECT IF({condition}, 1, ERROR('not the predecessor'))"


@dataclass(frozen=True)
class Publish:
    """What readers are told, in the one row of `table`: that of `before` becomes `number`, the rest as literals."""

    table: str
    before: int
    number: int
    said: dict[str, str]

    def check(self) -> str:
        return first(f"(SELECT COUNT(*) FROM {self.table} WHERE number = {self.before}) = 1")

    def update(self) -> str:
        said = ", ".join(f"{name} = {text(value)}" for name, value in self.said.items())
        return f"UPDATE {self.table} SET number = {self.number}, {said} WHERE number = {self.before}"


def script(moves: Sequence[Move], work: Sequence[str], publish: Publish) -> str:
    """One transaction: every check before the first change, then markers, rows, and last what readers are told."""
    statements = [
        "BEGIN TRANSACTION",
        *(move.check() for move in moves),
        publish.check(),
        *(move.update() for move in moves),
        *work,
        publish.update(),
        "COMMIT TRANSACTION",
    ]
    return ";\n".join(statements) + ";"
