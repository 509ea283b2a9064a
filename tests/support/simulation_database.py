"""A database with transactions, and its capture as the port asks it: parts, revisions, deletes, refused rows."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from catchwater.errors import SourceUnreachable
from catchwater.ports import Captured, Extraction, Held, Refused, TableHeld
from catchwater.project.names import literal, quote
from catchwater.project.tables import Column, TableSchema
from tests.support.simulation import Process
from tests.support.simulation_duckdb import instance

ITEMS = TableSchema("items", (Column("id", "INTEGER"), Column("name", "VARCHAR"), Column("qty", "INTEGER")), ("id",))
ORDERS = TableSchema("orders", (Column("id", "INTEGER"), Column("item_id", "INTEGER"), Column("n", "INTEGER")), ("id",))
TABLES = {"items": ITEMS, "orders": ORDERS}
PART = 4
IDLE = 4  # transactions without rows of ours after which the position alone is committed
KEYS = 12
REFUSED = 11  # a row of this key can't be taken

Values = tuple[Any, ...]
State = dict[int, tuple[Values, int]]  # key → the row's other values, and the transaction that wrote its version


@dataclass(frozen=True)
class Row:
    """One row of a file that was captured; `rev`: it replaces the values of a version that is held."""

    op: str
    key: int
    values: Values
    version: int
    rev: int | None = None


@dataclass
class Database:
    """Every state that it ever had, by transaction; what a capture wrote is kept in `takes`."""

    chance: random.Random
    states: list[dict[str, State]] = field(default_factory=lambda: [{name: {} for name in TABLES}])
    shapes: list[dict[str, int]] = field(default_factory=lambda: [dict.fromkeys(TABLES, 0)])
    takes: list[dict[str, list[Row]]] = field(default_factory=list)
    refusals: set[tuple[str, int, int]] = field(default_factory=set)

    @property
    def lsn(self) -> int:
        return len(self.states) - 1

    def change(self, writes: int) -> None:
        """One transaction of inserts, updates, deletes and re-inserts, seldom a rewritten table."""
        state = {name: dict(rows) for name, rows in self.states[-1].items()}
        shape = dict(self.shapes[-1])
        now = len(self.states)
        for _ in range(writes):
            self._write(state, shape, now)
        for name, rows in state.items():
            if REFUSED in rows:
                self.refusals.add((name, REFUSED, rows[REFUSED][1]))
        self.states.append(state)
        self.shapes.append(shape)

    def _write(self, state: dict[str, State], shape: dict[str, int], now: int) -> None:
        name = self.chance.choice(list(TABLES))
        rows, what = state[name], self.chance.random()
        if what < 0.04:  # read anew, the rows have other values, and no version is new
            shape[name] += 1
            state[name] = {key: (self._revised(name, values), version) for key, (values, version) in rows.items()}
        elif what < 0.25 and rows:
            del rows[self.chance.choice(sorted(rows))]
        else:
            rows[self.chance.randrange(KEYS)] = (self._values(name), now)

    def _values(self, name: str) -> Values:
        if name == "items":
            return f"i{self.chance.randrange(100)}", self.chance.randrange(1000)
        return self.chance.choice([None, *range(KEYS)]), self.chance.randrange(1000)

    def _revised(self, name: str, values: Values) -> Values:
        return (values[0] + "'", values[1]) if name == "items" else (values[0], values[1] + 1000)

    def truth(self, lsn: int, table: str) -> dict[int, Values]:
        """What a capture of that transaction must have led to."""
        return {key: values for key, (values, _) in self.states[lsn][table].items() if key != REFUSED}


class SimulatedSource:
    """The capture of one process."""

    def __init__(self, database: Database, process: Process) -> None:
        self._database, self._process = database, process

    def describe(self) -> tuple[TableSchema, ...]:
        return tuple(TABLES.values())

    def _ask(self, what: str, act: Callable[[], Any]) -> Any:
        return self._process.call("source", what, act, lambda: SourceUnreachable("the connection is lost"))

    def capture(self, tables: Sequence[str], held: Held, work: Path) -> Extraction | None:
        lsn = self._ask("begin", lambda: self._database.lsn)
        position = held.position or {}
        ranges = position.get("ranges", self._ranges(lsn) if not position else [])
        reading = _Reading(self._database, held, work, lsn, int(position.get("lsn", lsn if ranges else 0)))
        if ranges:
            taken = self._ask("read a part", lambda: reading.part(ranges[0]))
            return self._part(reading, taken, ranges[1:], int(position.get("part", 0)) + 1)
        if position and position["complete"] and lsn == reading.since:
            return None
        taken = {name: self._ask(f"read {name}", lambda name=name: reading.changes(name)) for name in tables}
        self._ask("commit", lambda: None)
        nothing = not any(taken.values()) and not reading.refused()
        if position.get("complete") and nothing and lsn - reading.since < IDLE:
            return None
        return self._batch(reading, taken)

    def _ranges(self, lsn: int) -> list[list[Any]]:
        """The parts of a first reading, of tables that are large."""
        state = self._database.states[lsn]
        if sum(map(len, state.values())) <= PART:
            return []
        return [[name, low, low + PART] for name in TABLES for low in range(0, KEYS, PART)]

    def _part(self, reading: "_Reading", rows: list[Row], rest: list[list[Any]], number: int) -> Extraction:
        more = {"ranges": rest, "complete": False, "part": number}
        name = reading.table
        captured = {name: reading.captured(name, rows)} if name else {}
        return Extraction(
            reading.position(captured, more) | {"lsn": reading.since},
            captured,
            refused=reading.refused(),
            rows_read=len(rows),
            part=number,
            complete=False,
            more=True,
        )

    def _batch(self, reading: "_Reading", taken: Mapping[str, list[Row]]) -> Extraction:
        captured = {name: reading.captured(name, rows) for name, rows in taken.items()}
        read = sum(map(len, taken.values()))
        return Extraction(
            reading.position(captured, {"complete": True}), captured, refused=reading.refused(), rows_read=read
        )


class _Reading:
    """One snapshot, at transaction `lsn`, of a source whose log has what was there at `since`."""

    def __init__(self, database: Database, held: Held, work: Path, lsn: int, since: int) -> None:
        self.database, self.held, self.work, self.lsn, self.since = database, held, work, lsn, since
        self.state = database.states[lsn]
        self.table = ""
        self._taken: dict[str, list[Row]] = {}
        self._refused: list[tuple[str, int, int]] = []

    def part(self, span: Sequence[Any]) -> list[Row]:
        self.table, low, high = span
        rows = {key: row for key, row in self.state[self.table].items() if low <= key < high}
        return self._keep(self.table, [Row("upsert", key, *row) for key, row in rows.items()])

    def changes(self, name: str) -> list[Row]:
        """The versions after the position that aren't held, deletes, and the rows of a table that was rewritten."""
        held = self._held(name)
        now = self.state[name]
        rows = [
            Row("upsert", key, *row)
            for key, row in sorted(now.items())
            if row[1] > self.since and (key not in held or held[key][2] != row[1])
        ]
        rows += [Row("delete", key, row[1], self.lsn) for key, row in sorted(held.items()) if key not in now]
        state: Mapping[str, Any] = self.held.tables[name].state if name in self.held.tables else {}
        if state.get("shape", self.database.shapes[self.lsn][name]) != self.database.shapes[self.lsn][name]:
            rows += [
                Row("upsert", key, now[key][0], now[key][1], row[0])
                for key, row in sorted(held.items())
                if key in now and now[key][1] == row[2]
            ]
        return self._keep(name, rows)

    def _keep(self, name: str, rows: list[Row]) -> list[Row]:
        known = {tuple(one) for one in (self.held.position or {}).get("refused", [])}
        bad = [(name, row.key, row.version) for row in rows if row.key == REFUSED]
        self._refused += [one for one in bad if one not in known]
        return [row for row in rows if row.key != REFUSED]

    def _held(self, name: str) -> dict[int, tuple[int, Values, int]]:
        """Key → `_id`, values and version now held."""
        if name not in self.held.tables:
            return {}
        with duckdb.connect() as con:
            view = self.held.current(con, name)
            columns = ", ".join(map(quote, TABLES[name].names))
            rows = con.execute(f"SELECT _id, _version::INTEGER, {columns} FROM {view}").fetchall()
        return {key: (number, tuple(values), version) for number, version, key, *values in rows}

    def captured(self, name: str, rows: list[Row]) -> Captured:
        """The rows in files of at most five; remembered under the number of this take."""
        self._taken[name] = rows
        revised = sum(row.rev is not None for row in rows)
        parts = [rows[start : start + 5] for start in range(0, len(rows), 5)]
        files = tuple(self._file(name, number, part, bool(revised)) for number, part in enumerate(parts))
        if self.table:  # a part
            return Captured(TABLES[name], files, len(rows))
        return Captured(
            TABLES[name], files, len(rows), len(self.database.truth(self.lsn, name)), str(self.lsn), revised
        )

    def _file(self, name: str, number: int, rows: Sequence[Row], revised: bool) -> Path:
        path = self.work / f"{name}-{number}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        schema = TABLES[name]
        lines = ", ".join(
            f"({', '.join(map(_sql, (row.key, *row.values, row.op, row.version, row.rev)))})" for row in rows
        )
        columns = ", ".join(f"{quote(c.name)}::{c.type} AS {quote(c.name)}" for c in schema.columns)
        instance().execute(
            f"COPY (SELECT {columns}, _op, make_timestamp(_v * 1000000)::TIMESTAMPTZ AS _at, _v::VARCHAR AS _version, "
            f"NULL::MAP(VARCHAR, VARCHAR) AS _exact{', _rev::BIGINT AS _rev' if revised else ''} "
            f"FROM (VALUES {lines}) AS t({', '.join(map(quote, schema.names))}, _op, _v, _rev)) "
            f"TO {literal(str(path))} (FORMAT parquet)"
        )
        return path

    def position(self, captured: Mapping[str, Captured], more: Mapping[str, Any]) -> dict[str, Any]:
        before: Mapping[str, TableHeld] = self.held.tables
        shapes = {name: {"shape": self.database.shapes[self.lsn][name]} for name in captured}
        for name in before if not more["complete"] else before.keys() - captured.keys():
            shapes[name] = dict(before[name].state)  # of a table in parts, the shape that the first part had
        self.database.takes.append(self._taken)
        return {
            "kind": "simulated", "lsn": self.lsn, "take": len(self.database.takes) - 1, "tables": shapes, **more,
            "refused": [*(self.held.position or {}).get("refused", []), *map(list, self._refused)],
        }  # fmt: skip

    def refused(self) -> tuple[Refused, ...]:
        return tuple(Refused(name, f"{key}", f"version {version}", "") for name, key, version in self._refused)


def _sql(value: object) -> str:
    return "NULL" if value is None else literal(value) if isinstance(value, str) else str(value)
