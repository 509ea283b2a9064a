"""Random logs of a table, what they hold told row by row in Python, and checkpoints made of them."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from catchwater.adapters.stores.local import LocalStore
from catchwater.lake import read
from catchwater.lake.checkpoint import rolled_up
from catchwater.lake.log import Log
from catchwater.lake.manifest import Checkpoint, Manifest, TableBatch
from catchwater.project.names import literal
from catchwater.project.tables import Column
from tests.support.lake import FixedClock, draft

K, V, W = Column("k0", "BIGINT"), Column("v", "VARCHAR"), Column("w AS own", "INTEGER")
SHAPES = ((K, V), (K, V, W), (K, W), (Column("k0", "INTEGER"), Column("v", "DECIMAL(9,2)"), W))


def connect() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    return con


@dataclass
class Version:
    """One version as a reader must show it."""

    id: int
    k: int
    values: dict[str, object]
    op: str
    at: int
    version: str
    occurrence: int = 1


@dataclass
class RandomLog:
    """A table's log, written batch by batch at random; `versions` is what its history must be."""

    folder: Path
    random: random.Random
    keyed: bool = True
    shapes: Sequence[tuple[Column, ...]] = SHAPES[:3]
    versions: dict[int, Version] = field(default_factory=dict)
    shape: int = 0
    head: Manifest | None = None
    rolled: Checkpoint | None = None

    def __post_init__(self) -> None:
        self.store = LocalStore(self.folder / "lake")
        self.log = Log(self.store, "ingestion/s", FixedClock())
        self.con = connect()

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.shapes[self.shape]

    @property
    def current(self) -> dict[object, Version]:
        newest: dict[object, Version] = {}
        for one in sorted(self.versions.values(), key=lambda one: one.id):
            newest[self._key(one)] = one
        return {key: one for key, one in newest.items() if one.op == "upsert"}

    def _key(self, one: Version) -> object:
        return one.k if self.keyed else (one.version, one.occurrence)

    def batch(self, rows: int = 6, *, again: bool = False, roll: bool = False) -> Manifest:
        """One batch of random changes; `again`: every current row is read again as a revision; `roll`: a checkpoint of
        what was there before goes with it."""
        found: list[tuple[Version, int | None]] = []
        if again:
            self.shape = (self.shape + 1) % len(self.shapes)
            for one in self.current.values():
                if self.random.random() < 0.8:
                    values = {c.name: self._value(c) for c in self.columns}
                    found.append((replace(one, values=values, version=one.version if not self.keyed else "9"), one.id))
        for _ in range(self.random.randrange(rows + 1)):
            found.append((self._change({self._key(one) for one, _ in found}), None))
        return self._commit([(one, rev) for one, rev in found if one.k >= 0], roll=roll)

    def insert(self, keys: Iterable[int], *, roll: bool = False) -> Manifest:
        """One batch of new rows."""
        values = {column.name: self._value(column) for column in self.columns}
        return self._commit([(Version(0, k, dict(values), "upsert", 1, "1"), None) for k in keys], roll=roll)

    def _commit(self, found: Sequence[tuple[Version, int | None]], *, roll: bool) -> Manifest:
        seq = (self.head.seq if self.head else 0) + 1
        for place, (one, rev) in enumerate(found):
            one.id = rev if rev is not None else (seq << 24) + place
            one.values = {column.name: one.values.get(column.name) for column in self.columns}
            self.versions[one.id] = one
        checkpoint = self.rolled
        if roll and self.head:
            checkpoint = rolled_up(self.log, self.log.span(self.head.seq), connect)
        self.head = self.log.commit(replace(draft(tables={"t": self._batch(found)}), checkpoint=checkpoint), self.head)
        return self.head

    def _value(self, column: Column) -> object:
        if column.name == "k0":
            return None
        return self.random.choice(["a", "12", "", None]) if column.type == "VARCHAR" else self.random.randrange(100)

    def _change(self, taken: set[object]) -> Version:
        values = {c.name: self._value(c) for c in self.columns}
        current = [one for key, one in self.current.items() if key not in taken]
        if current and self.random.random() < 0.3:
            return replace(self.random.choice(current), op="delete")
        k = self.random.randrange(12)
        one = Version(0, k, values, "upsert", self.random.randrange(1000), str(self.random.randrange(9)))
        if not self.keyed:
            one.occurrence = self.random.randrange(1, 4)
        return one if self._key(one) not in taken else replace(one, k=-1)

    def _batch(self, found: Sequence[tuple[Version, int | None]]) -> TableBatch:
        revised = sum(1 for _, rev in found if rev is not None)
        key = ("k0",) if self.keyed else ()
        batch = TableBatch(self.columns, key, 0, (), len(self.current), None, revised)
        files, start = [], 0
        half = len(found) // 2
        for part in (found[:half], found[half:]) if half and self.random.random() < 0.5 else (found,):
            if not part:
                continue
            path = self.folder / f"{self.random.random()}.parquet"
            rows = " UNION ALL ".join(self._select(*one, revised) for one in part)
            self.con.execute(f"COPY ({rows}) TO {literal(str(path))}")
            files.append(self.log.stage(path, len(part), start))
            start += len(part)
        return replace(batch, files=tuple(files), rows=start)

    def _select(self, one: Version, rev: int | None, revised: int) -> str:
        items = []
        for column in self.columns:
            value = one.k if column.name == "k0" else one.values.get(column.name)
            text = "NULL" if value is None else literal(str(value))
            items.append(f'TRY_CAST({text} AS {column.type}) AS "{column.name}"')
        items += [] if self.keyed else [f"{one.occurrence}::INTEGER AS _occurrence"]
        items += [f"'{one.op}' AS _op", f"to_timestamp({one.at}) AS _at", f"'{one.version}' AS _version"]
        items += ["NULL::MAP(VARCHAR, VARCHAR) AS _exact"]
        items += [f"{'NULL' if rev is None else rev}::BIGINT AS _rev"] if revised else []
        return "SELECT " + ", ".join(items)

    def told(self, versions: Sequence[Version]) -> list[tuple[object, ...]]:
        """The rows that a reader must show of these versions: key, values, `_id`, `_op`, `_at`, `_version`."""
        rows = []
        for one in versions:
            values = [None if one.values.get(c.name) is None else one.values[c.name] for c in self.columns[1:]]
            extra = [] if self.keyed else [one.occurrence]
            rows.append((one.k, *values, *extra, one.id, one.op, one.at, one.version))
        return sorted(rows, key=repr)

    def shown(self, view: str) -> list[tuple[object, ...]]:
        names = [f'"{column.name}"' for column in self.columns] + ([] if self.keyed else ["_occurrence"])
        sql = f'SELECT {", ".join(names)}, _id, _op, epoch(_at)::BIGINT, _version FROM "{view}"'
        return sorted(self.con.execute(sql).fetchall(), key=repr)


def differs(made: RandomLog, batches: Sequence[Manifest]) -> str:
    """Which reader shows other rows than were written, if any."""
    key = ("k0",) if made.keyed else ()
    read.create_history(made.con, "h", made.store, batches, "t", made.columns)
    read.create_rows(made.con, "c", made.store, batches, "t", made.columns, key)
    read.create_current(made.con, "o", "h", key)
    if made.shown("h") != made.told(list(made.versions.values())):
        return "history"
    if made.shown("c") != made.told(list(made.current.values())):
        return "rows"
    return "" if made.shown("o") == made.told(list(made.current.values())) else "current"


def write(made: RandomLog, batches: int) -> None:
    """So many random batches, some read again whole, some with a checkpoint."""
    for _ in range(batches):
        made.batch(again=made.random.random() < 0.15, roll=made.random.random() < 0.2)
