"""Batches written SELECT by SELECT and loaded into a warehouse of either kind; what readers then see."""

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pytest

from catchwater.adapters.warehouses.changes import HIDDEN, table_of
from catchwater.adapters.warehouses.duckdb import DuckdbWarehouse
from catchwater.adapters.warehouses.postgres import PostgresWarehouse
from catchwater.plan.plan import Model, Read
from catchwater.ports import LoadBatch, Loaded, Settings
from catchwater.project.names import literal, quote
from catchwater.project.schema import PostgresWarehouse as PostgresSpec
from catchwater.project.tables import Column, Reference
from catchwater.runtimes.embedded import Postgres
from tests.support.postgres import Database, database

Warehouse = DuckdbWarehouse | PostgresWarehouse
_numbers = count(1)


def model(name: str, columns: Mapping[str, str], key: Sequence[str] = ("id",), **more: Any) -> Model:
    return Model(
        name=name,
        file=f"models/{name}.sql",
        sql=more.pop("sql", "SELECT 1"),
        reads=more.pop("reads", ()),
        columns=tuple(Column(n, t, nullable=n not in key) for n, t in columns.items()),
        materialized=more.pop("materialized", "full"),
        reason="",
        key=tuple(key),
        group=more.pop("group", name),
        **more,
    )


def history(name: str, columns: Mapping[str, str], entity: Sequence[str], **more: Any) -> Model:
    """Key and order are `_id`, which the rows give first."""
    return model(name, {"record": "BIGINT", **columns}, ("record",), entity=tuple(entity), order="record",
                 history=True, **more)  # fmt: skip


def view(name: str, sql: str, columns: Mapping[str, str], **reads: str) -> Model:
    """`reads` are alias=model."""
    found = tuple(Read(f"processed/{table}", table, alias) for alias, table in reads.items())
    return model(name, columns, (), sql=sql, reads=found, materialized="view")


def reference(column: str, table: str, to: str = "id") -> Reference:
    return Reference((column,), table, (to,))


def settings(folder: Path) -> Settings:
    return Settings(folder, folder / ".catchwater", "local", lambda text: text)


def duckdb_warehouse(folder: Path, **options: Any) -> DuckdbWarehouse:
    return DuckdbWarehouse("duckdb", None, settings(folder), **options)


def postgres_warehouse(url: str, folder: Path, schema: str = "public", **options: Any) -> PostgresWarehouse:
    spec = PostgresSpec.model_validate({"kind": "postgres", "url": url, "schema": schema})
    return PostgresWarehouse("postgres", spec, settings(folder), **options)


@dataclass
class Logs:
    """The processed logs of a test, as files in a folder: each batch follows the one before."""

    folder: Path
    batches: dict[str, list[LoadBatch]] = field(default_factory=dict)

    def batch(self, model: Model, upserts: str = "", removed: str = "", *, files: int = 1) -> LoadBatch:
        """`upserts` and `removed` are SELECTs (or VALUES) of the model's columns, in order; of a history `_op` and
        `_at` follow, of a model without key `_version` and `_occurrence`. Neither: a batch without files."""
        written = tuple(self.write(model, upserts, removed) for _ in range(files)) if upserts or removed else ()
        return self.commit(model, written)

    def commit(self, model: Model, files: Sequence[Path]) -> LoadBatch:
        log = self.batches.setdefault(model.name, [])
        previous = log[-1].hash if log else None
        digest = hashlib.sha256(f"{model.name} {len(log)} {uuid4().hex}".encode()).hexdigest()
        log.append(LoadBatch(model, len(log) + 1, digest, previous, tuple(files)))
        return log[-1]

    def write(self, model: Model, upserts: str = "", removed: str = "") -> Path:
        """A file of columns as the process stage writes them."""
        path = self.folder / f"{uuid4().hex}.parquet"
        columns = table_of(model).columns + (() if model.key else HIDDEN)
        names = ", ".join(quote(f"c{n}") for n in range(len(columns)))
        fields = ", ".join(f'CAST("c{n}" AS {c.type}) AS {quote(c.name)}' for n, c in enumerate(columns))
        parts = [
            f"SELECT {fields}, {flag} AS _removed FROM ({sql}) AS given({names})"
            for sql, flag in ((upserts, "false"), (removed, "true"))
            if sql
        ]
        with duckdb.connect() as con:
            con.execute("SET TimeZone = 'UTC'")
            con.execute(f"COPY ({' UNION ALL '.join(parts)}) TO {literal(str(path))} (FORMAT parquet)")
        return path


@dataclass
class Rig:
    """A warehouse, and the logs that are loaded into it."""

    kind: str
    warehouse: Warehouse
    logs: Logs
    db: Database | None = None
    schema: str = "main"

    def load(self, *batches: LoadBatch, models: Sequence[Model] | None = None) -> Loaded:
        """One load: the models are prepared (default: those of the batches), the batches applied at once."""
        wanted = list({batch.model.name: batch.model for batch in batches}.values()) if models is None else models
        with self.warehouse.load({}) as session:
            session.prepare(wanted)
            return session.apply(batches)

    def put(self, model: Model, upserts: str = "", removed: str = "") -> Loaded:
        """One more batch of a model, loaded; the other file of a DuckDB warehouse catches up first."""
        self.logs.batch(model, upserts, removed)
        return self.catch_up(model)

    def catch_up(self, *models: Model) -> Loaded:
        with self.warehouse.load({}) as session:
            session.prepare(models)
            markers = session.markers()
            last = Loaded()
            for one in models:
                after = markers.get(f"processed/{one.name}", (0, ""))[0]
                for batch in self.logs.batches.get(one.name, [])[after:]:
                    last = session.apply([batch])
            return last

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.warehouse.read() as reading:
            return reading.connection.execute(sql).fetchall()

    def markers(self) -> dict[str, tuple[int, str]]:
        version = self.warehouse.version()
        return dict(version.cut) if version else {}


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    folder = tmp_path / "files"
    folder.mkdir()
    return Logs(folder)


@pytest.fixture(scope="session")
def warehouses(postgres18: Postgres) -> Iterator[Database]:
    """One database; each test has a schema of its own in it."""
    made = database(postgres18)
    yield made
    made.close()


@pytest.fixture(params=["duckdb", "postgres"])
def rig(request: pytest.FixtureRequest, tmp_path: Path, logs: Logs) -> Iterator[Rig]:
    if request.param == "duckdb":
        warehouse = duckdb_warehouse(tmp_path, patience=5)
        yield Rig("duckdb", warehouse, logs)
        warehouse.close()
        return
    made: Database = request.getfixturevalue("warehouses")
    schema = f"s{next(_numbers)}"
    postgres = postgres_warehouse(made.url(), tmp_path, schema)
    yield Rig("postgres", postgres, logs, made, schema)
    postgres.close()


def together(*calls: Any) -> list[Exception]:
    """Each call in a thread of its own, at once; what they raised."""
    raised: list[Exception] = []

    def run(call: Any) -> None:
        try:
            call()
        except Exception as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return raised
