"""A workbench for models: a lake on disk, sources written SELECT by SELECT, models as files, and the process stage."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb

from catchwater.adapters.engines.duckdb import DuckdbEngine
from catchwater.adapters.stores.local import LocalStore
from catchwater.lake.log import Log
from catchwater.lake.manifest import Draft, Manifest, TableBatch
from catchwater.lake.read import create_state
from catchwater.plan.models import load_models
from catchwater.plan.plan import Model, Plan, SourcePlan, Step
from catchwater.ports import Ports, Settings
from catchwater.project.names import literal, quote
from catchwater.project.tables import Column, TableSchema
from catchwater.stages.inputs import held_columns, latest, since_reset
from catchwater.stages.outcome import Outcome
from catchwater.stages.process import process

SYSTEM = ("_op", "_at", "_version", "_exact")


class Clock:
    def now(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC)


def table(name: str, columns: Mapping[str, str], key: Iterable[str] = ()) -> TableSchema:
    return TableSchema(name, tuple(Column(n, t) for n, t in columns.items()), tuple(key))


def engine(folder: Path) -> DuckdbEngine:
    return DuckdbEngine("duckdb", None, Settings(folder, folder / ".catchwater", "local", str))


class Bench:
    """One project in a folder, of sources `{name: [TableSchema]}`."""

    def __init__(self, folder: Path, sources: Mapping[str, Sequence[TableSchema]]) -> None:
        self.folder, self.sources = folder, dict(sources)
        self.engine = engine(folder)
        self.variables: dict[str, str] = {}
        lake = folder / ".catchwater" / "lake"
        stores = {zone: LocalStore(lake / zone) for zone in ("ingestion", "processed")}
        self.ports = Ports(stores, self.engine, Clock())
        (folder / "models").mkdir(parents=True, exist_ok=True)

    def write(self, name: str, sql: str, head: str = "") -> None:
        (self.folder / "models" / f"{name}.sql").write_text(f"/*---\n{head}\n---*/\n{sql}\n", encoding="utf-8")

    def models(self) -> tuple[Model, ...]:
        return load_models(self.folder, self.sources, self.engine.describe, self.variables)

    def plan(self) -> Plan:
        models = self.models()
        groups = sorted({model.group for model in models})
        steps = tuple(
            Step(f"process:{group}", "process", models=tuple(m.name for m in models if m.group == group))
            for group in groups
        )
        sources = tuple(SourcePlan(name, "postgres", {}, tuple(tables)) for name, tables in self.sources.items())
        return Plan("p", "local", sources, models, steps, (), (), (), {}, {}, {}, {})

    def ingest(self, source: str, rows: Mapping[str, str | Sequence[str]], *, complete: bool = True) -> Manifest:
        """Commit a batch; a SELECT gives a table's columns, and `_op`, `_at`, `_version`, `_exact` where they
        aren't the usual ones ('upsert', a fixed time, NULL, NULL)."""
        log = Log(self.ports.stores["ingestion"], f"ingestion/{source}", self.ports.clock)
        tables = {name: self._files(log, source, name, [s] if isinstance(s, str) else s) for name, s in rows.items()}
        draft = Draft("ingest", "1", "r", "2026-11-21T00:00:00+00:00", tables=tables, complete=complete)
        return log.commit(draft, log.head())

    def _files(self, log: Log, source: str, name: str, selects: Sequence[str]) -> TableBatch:
        schema = next(one for one in self.sources[source] if one.name == name)
        files, start = [], 0
        for select in selects:
            path = self.folder / f"{uuid4().hex}.parquet"
            with duckdb.connect() as con:
                con.execute(f"CREATE TABLE given AS {select}")
                held = [row[0] for row in con.execute("DESCRIBE given").fetchall()]
                usual = {
                    "_op": "'upsert'",
                    "_at": f"TIMESTAMPTZ '2026-11-21 00:00:00+00' + INTERVAL {log_seq(log)} MINUTE",
                    "_version": "NULL::VARCHAR",
                    "_exact": "NULL::MAP(VARCHAR, VARCHAR)",
                }
                fields = [f"{quote(c.name)}::{c.type} AS {quote(c.name)}" for c in schema.columns]
                fields += ["_occurrence"] if "_occurrence" in held else []
                fields += [f"{quote(n) if n in held else usual[n]} AS {n}" for n in SYSTEM]
                con.execute(f"COPY (SELECT {', '.join(fields)} FROM given) TO {literal(str(path))}")
                count = con.execute("SELECT count(*) FROM given").fetchone()
            files.append(log.stage(path, count[0] if count else 0, start))
            start += files[-1].rows
        return TableBatch(schema.columns, schema.key, start, tuple(files))

    def process(self, plan: Plan | None = None) -> Outcome:
        """Every process step once; the outcomes as one."""
        plan = plan or self.plan()
        outcome = Outcome("process", "process")
        for step in plan.steps:
            done = process(self.ports, plan, step, "run")
            outcome = replace(outcome.plus(done), skipped=outcome.skipped + done.skipped)
        return outcome

    def log(self, model: str) -> list[Manifest]:
        return Log(self.ports.stores["processed"], f"processed/{model}").batches(None)

    def rows(self, name: str, *, current: bool = False) -> list[tuple[Any, ...]]:
        """The committed rows of a model, sorted."""
        model = next(one for one in self.models() if one.name == name)
        columns = held_columns(model)
        with duckdb.connect() as con:
            con.execute("SET TimeZone = 'UTC'")
            batches = since_reset(self.log(name))
            create_state(con, "s", self.ports.stores["processed"], batches, name, columns, model.key)
            rows = f"({latest(model, 's')})" if current else "s"
            names = ", ".join(_readable(column) for column in model.columns)
            return con.execute(f"SELECT {names} FROM {rows} ORDER BY ALL").fetchall()


def _readable(column: Column) -> str:
    """Times with a zone as text: DuckDB needs another package to give them to Python."""
    zoned = column.type == "TIMESTAMP WITH TIME ZONE"
    return f"{quote(column.name)}::VARCHAR AS {quote(column.name)}" if zoned else quote(column.name)


def log_seq(log: Log) -> int:
    head = log.head()
    return head.seq + 1 if head else 1
