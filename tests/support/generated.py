"""Models of allowed shapes and histories of their tables, both from one seed; after each wake: is it the full answer?"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from catchwater.adapters.stores.local import LocalStore
from catchwater.lake.checkpoint import rolled_up
from catchwater.lake.log import Log
from catchwater.lake.manifest import Draft, TableBatch
from catchwater.lake.read import create_state
from catchwater.plan.plan import Model
from catchwater.project.names import literal, quote
from catchwater.project.tables import TableSchema
from catchwater.stages.inputs import held_columns, since_reset
from catchwater.stages.process import process
from catchwater.stages.whole import create_whole, offsets
from tests.support.models import Bench, table

Row = tuple[Any, ...]
INTEGERS = (None, 0, 1, 2, 3)
TEXTS = (None, "", "p", "q")
TABLES = {
    "s": [
        table("d", {"k": "INTEGER", "x": "INTEGER", "y": "VARCHAR", "z": "INTEGER", "w": "DOUBLE"}, ["k"]),
        table("t", {"i": "INTEGER", "j": "VARCHAR", "x": "INTEGER", "y": "VARCHAR", "z": "INTEGER"}, ["i", "j"]),
        table("a", {"x": "INTEGER", "name": "VARCHAR", "n": "INTEGER"}, ["x"]),
        table("b", {"y": "VARCHAR", "v": "INTEGER", "x": "INTEGER"}, ["y"]),
        table("c", {"p": "INTEGER", "q": "VARCHAR", "v": "INTEGER"}, ["p", "q"]),
    ],
    "o": [table("e", {"id": "INTEGER", "txt": "VARCHAR"}, ["id"])],
}
DOMAINS: dict[str, Sequence[Any]] = {
    "INTEGER": INTEGERS,
    "VARCHAR": TEXTS,
    "DOUBLE": (None, 0.0, -0.0, float("nan"), 1.5),
}
MODELS = {
    "ma": ("key: [id]", "SELECT x AS id, upper(name) AS nm, n FROM s.a WHERE n IS NOT NULL"),
    "tot": ("key: [y]", "SELECT y, count(*) AS n, sum(v) AS v FROM s.b GROUP BY y"),
}
# table, condition ({0}: the name it gets), what must be joined before, columns to show
JOINS = {
    "a1": ("s.a", "{0}.x = m.x", "", "name n"),
    "a2": ("s.a", "m.z = {0}.x AND ({0}.n > 0 OR m.x IS NULL)", "", "name n"),
    "b": ("s.b", "m.y = {0}.y", "", "v x"),
    "c": ("s.c", "{0}.q = m.y AND {0}.p = m.x", "", "v"),
    "c1": ("s.c", "{0}.p = 1 AND {0}.q = m.y", "", "v"),
    "far": ("s.a", "{0}.x = b.x", "b", "name"),
    "mixed": ("s.c", "{0}.p = b.x AND {0}.q = m.y", "b", "v"),
    "self": ("s.d", "{0}.k = m.z", "", "x y"),
    "e": ("o.e", "{0}.id = m.z", "", "txt"),
    "ma": ("ma", "{0}.id = m.x", "", "nm n"),
    "tot": ("tot", "{0}.y = m.y", "", "n v"),
    "h": ("s.a__history", "{0}.x = m.x AND m._seq >= {0}._seq", "", "name n _op"),
    "hb": ("s.b__history", "{0}.y = m.y AND {0}._seq < m._seq", "", "v"),
    "beyond": ("s.a", "{0}.x = hb.x", "hb", "name"),
}
DRIVING = {"d": ("k",), "t": ("i", "j")}


@dataclass(frozen=True)
class Shape:
    """A model: its head and its SELECT."""

    head: str
    sql: str


def shape(chance: random.Random, only: str = "") -> Shape:
    """A model that may be incremental; `only` is the one join that it is to have, with what that needs."""
    driving = chance.choice(list(DRIVING))
    history = chance.random() < 0.4
    names: list[str] = []
    for name in [only] if only else chance.sample(list(JOINS), chance.randint(0, 3)):
        needed = JOINS[name][2]
        names += [one for one in (needed, name) if one and one not in names]
    items = [f"m.{key}" for key in DRIVING[driving]] + (["m._id AS r", "m._seq AS s"] if history else [])
    items += ["coalesce(m.x, -1) + 1 AS x1", "m.y || 'é' AS y1"] + (["m.w"] if driving == "d" else [])
    text = f"FROM s.{driving}{'__history' * history} AS m"
    for name in names:
        of, condition, _, shown = JOINS[name]
        how = ("ASOF " if of.endswith("__history") else "") + chance.choice(["LEFT JOIN", "JOIN", "left outer join"])
        text += f"\n{how} {of} AS {name} ON {condition.format(name)}"
        items += [f"{name}.{column} AS {name}_{column}" for column in shown.split()]
    key = chance.choice(["r", f"{', '.join(DRIVING[driving])}, s"]) if history else ", ".join(DRIVING[driving])
    select = f"SELECT {', '.join(items)}"
    parts = [text, select] if chance.random() < 0.2 else [select, text]
    return Shape(f"key: [{key}]{_checks(chance)}", "\n".join(parts) + _where(chance, names))


def _where(chance: random.Random, names: Sequence[str]) -> str:
    found = ["m.x IS DISTINCT FROM 2", "m.y <> ''"]
    found += [f"{name}.{JOINS[name][3].split()[0]} IS {chance.choice(['', 'NOT '])}NULL" for name in names]
    return f"\nWHERE {chance.choice(found)}" if chance.random() < 0.5 else ""


def _checks(chance: random.Random) -> str:
    return "\nchecks: [{check: x1 < 4, severity: quarantine}]" if chance.random() < 0.2 else ""


@dataclass
class History:
    """A project in a folder with tables that change at random; `rows` are those that the sources have now, each with
    the number of its version."""

    folder: Path
    chance: random.Random
    shapes: Sequence[Shape]
    rows: dict[str, dict[Row, tuple[Row, int]]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bench = Bench(self.folder, TABLES)
        for name, (head, sql) in MODELS.items():
            if any(f" {name} ON" in one.sql for one in self.shapes):
                self.bench.write(name, sql, head)
        for number, one in enumerate(self.shapes):
            self.bench.write(f"m{number}", one.sql, one.head)
        self.plan = self.bench.plan()
        self.logs = {name: Log(self.bench.ports.stores["ingestion"], f"ingestion/{name}") for name in TABLES}
        self.con = self.bench.engine.connect()

    def wakes(self, count: int) -> Iterator[list[str]]:
        """What differs after each wake; the first has every table."""
        self.ingest("s", everything=True)
        self.ingest("o", everything=True)
        yield self.wake()
        for _ in range(count):
            for _ in range(self.chance.randint(1, 3)):
                self.ingest("s" if self.chance.random() < 0.75 else "o")
            yield self.wake()

    def wake(self) -> list[str]:
        """Some groups may sleep on, and wake with more to do."""
        found = []
        for step in self.plan.steps:
            if self.chance.random() < 0.8:
                done = process(self.bench.ports, self.plan, step, "run")
                found += [f"{failure.what}: {failure.message}" for failure in done.failures]
                found += [problem for name in step.models for problem in self.differences(self.plan.model(name))]
        return found

    def differences(self, model: Model) -> list[str]:
        """Whether the rows held are those of all ingestion batches up to the offset that the log recorded."""
        stores = self.bench.ports.stores
        log = Log(stores["processed"], f"processed/{model.name}").batches(None)
        create_whole(self.con, self.plan, stores, model, offsets(log[-1], stores), "whole")
        new, held = self._text(model, "whole"), self.held(model)
        count = log[-1].tables[model.name].count
        if new == held and count == len(new):
            return []
        return [f"{model.name} ({model.materialized}) counts {count}\n{model.sql}\nfull {new}\nheld {held}"]

    def held(self, model: Model) -> list[Row]:
        """The rows that the model's log gives now."""
        store, columns = self.bench.ports.stores["processed"], held_columns(model)
        batches = since_reset(Log(store, f"processed/{model.name}").span())
        create_state(self.con, "state", store, batches, model.name, columns, model.key)
        return self._text(model, "state")

    def rebuild(self) -> None:
        """The processed zone is lost, and made again in one wake."""
        stores = {**self.bench.ports.stores, "processed": LocalStore(self.folder / "again")}
        self.bench.ports = replace(self.bench.ports, stores=stores)
        for step in self.plan.steps:
            assert not process(self.bench.ports, self.plan, step, "run").failures

    def _text(self, model: Model, relation: str) -> list[Row]:
        columns = ", ".join(f"{quote(column.name)}::VARCHAR" for column in held_columns(model))
        rows: list[Row] = self.con.execute(f"SELECT {columns} FROM {quote(relation)} ORDER BY ALL").fetchall()
        return rows

    def ingest(self, source: str, *, everything: bool = False) -> None:
        """One batch of a source: every table, or some."""
        log = self.logs[source]
        head = log.head()
        seq = head.seq + 1 if head else 1
        tables = {}
        for schema in TABLES[source]:
            if everything or self.chance.random() < 0.5:
                tables[schema.name] = self._table(log, schema, seq, 4 if everything else self.chance.randint(0, 3))
        rolls = head is not None and self.chance.random() < 0.2
        checkpoint = rolled_up(log, log.span(seq - 1), self.bench.engine.connect) if rolls else None
        started = "2026-11-21T00:00:00+00:00"
        log.commit(Draft("ingest", "1", "r", started, tables=tables, checkpoint=checkpoint), head)
        self.told += [f"{log.name} {seq} rolls what is before"] if rolls else []

    def _table(self, log: Log, schema: TableSchema, seq: int, changes: int) -> TableBatch:
        held = self.rows.setdefault(schema.name, {})
        revise = bool(held) and self.chance.random() < 0.15
        written: dict[Row, tuple[Row, str, int | None]] = {}
        if revise:  # a column was added: what stands there is read again
            for key, (_, replaced) in held.items():
                if self.chance.random() < 0.8:
                    written[key] = (self._values(schema, key), "upsert", replaced)
        for _ in range(changes):
            key = self._key(schema)
            if key in written:
                continue
            if key in held and self.chance.random() < 0.4:
                written[key] = (held[key][0], "delete", None)
            else:
                written[key] = (self._values(schema, key), "upsert", None)
        for place, (key, (row, op, version)) in enumerate(written.items()):
            if op == "delete":
                del held[key]
            else:
                held[key] = (row, version if version is not None else (seq << 24) + place)
        self.told.append(f"{log.name} {seq} {schema.name}: {list(written.values())}")
        return self._committed(log, schema, seq, list(written.values()), revise)

    def _key(self, schema: TableSchema) -> Row:
        types = {column.name: column.type for column in schema.columns}
        wider = {"INTEGER": (0, 1, 2, 3, 4), "VARCHAR": ("", "p", "q")}
        return tuple(self.chance.choice(wider[types[name]]) for name in schema.key)

    def _values(self, schema: TableSchema, key: Row) -> Row:
        rest = (self.chance.choice(DOMAINS[column.type]) for column in schema.columns[len(key) :])
        return (*key, *rest)

    def _committed(
        self, log: Log, schema: TableSchema, seq: int, rows: Sequence[tuple[Row, str, int | None]], revise: bool
    ) -> TableBatch:
        path = self.folder / f"{uuid4().hex}.parquet"
        fields = [f"{quote(c.name)} {c.type}" for c in schema.columns]
        fields += ["_op VARCHAR", "_at TIMESTAMPTZ", "_version VARCHAR", "_exact MAP(VARCHAR, VARCHAR)"]
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE given ({', '.join([*fields, *(['_rev BIGINT'] if revise else [])])})"
        )
        given = [
            [*row, op, f"2026-11-21 00:{seq % 60:02d}:00+00", None, None, *([version] if revise else [])]
            for row, op, version in rows
        ]
        if given:  # as text: a value that is bound makes DuckDB look for pandas, each time
            lines = (f"({', '.join(map(_sql, line))})" for line in given)
            self.con.execute(f"INSERT INTO given VALUES {', '.join(lines)}")
        self.con.execute(f"COPY given TO {literal(str(path))}")
        file = log.stage(path, len(rows))
        revised = sum(version is not None for _, _, version in rows)
        return TableBatch(schema.columns, schema.key, len(rows), (file,), revised=revised)


def _sql(value: Any) -> str:
    if isinstance(value, float):
        return f"'{value}'::DOUBLE"
    return "NULL" if value is None else literal(value) if isinstance(value, str) else str(value)
