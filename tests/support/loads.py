"""Warehouses under test: models made by hand, a chain of batches written SELECT by SELECT, and what readers see."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pytest

from catchwater.adapters.warehouses.bigquery import BigqueryWarehouse
from catchwater.adapters.warehouses.duckdb import DuckdbWarehouse
from catchwater.adapters.warehouses.postgres import PostgresWarehouse
from catchwater.plan.plan import Model, Read
from catchwater.ports import Extract, LoadBatch, Loaded, Settings, Version, Warehouse
from catchwater.project.names import literal, quote
from catchwater.project.schema import BigqueryWarehouse as BigquerySpec
from catchwater.project.schema import PostgresWarehouse as Spec
from catchwater.project.tables import Column
from tests.support.google import bigquery_variables, bqemulator, make_dataset
from tests.support.postgres import Database, database, postgres18

__all__ = ["bqemulator", "house", "postgres18"]

TAIL = ("_op", "_at")
KEYLESS = ("_version", "_occurrence")


def model(name: str, columns: Mapping[str, str], key: Sequence[str] = ("id",), **more: Any) -> Model:
    """A full model; `sql` and `reads` matter for views only."""
    return Model(
        name=name,
        file=f"models/{name}.sql",
        sql=more.pop("sql", ""),
        reads=tuple(Read(f"processed/{table}", table, alias) for alias, table in more.pop("reads", {}).items()),
        columns=tuple(Column(column, kind) for column, kind in columns.items()),
        materialized=more.pop("materialized", "full"),
        reason="",
        key=tuple(key),
        **more,
    )


def history(name: str = "fact") -> Model:
    """Versions of entities `e`, ordered by the key `id`, with a value `v`."""
    columns = {"id": "BIGINT", "e": "INTEGER", "v": "VARCHAR"}
    return model(name, columns, ["id"], history=True, entity=("e",), order="id")


@dataclass
class Chain:
    """The log of one model, without a lake: batches whose hashes lead from one to the next."""

    folder: Path
    model: Model
    batches: list[LoadBatch] = field(default_factory=list)

    def add(self, *selects: str) -> LoadBatch:
        """A batch with a file per SELECT, whose columns are the model's (and of a keyless one KEYLESS, of a history
        TAIL) and `_removed`, in any order; `_removed` may be left out."""
        before = self.batches[-1] if self.batches else None
        seq = before.seq + 1 if before else 1
        files = tuple(self.file(select) for select in selects)
        digest = sha256(f"{self.model.name} {seq} {uuid4()}".encode()).hexdigest()
        self.batches.append(LoadBatch(self.model, seq, digest, before.hash if before else None, files))
        return self.batches[-1]

    def file(self, select: str) -> Path:
        path = self.folder / f"{uuid4().hex}.parquet"
        with duckdb.connect() as con:
            con.execute(f"CREATE TABLE given AS {select}")
            names = [row[0] for row in con.execute("DESCRIBE given").fetchall()]
            removed = "" if "_removed" in names else ", false AS _removed"
            con.execute(f"COPY (SELECT *{removed} FROM given) TO {literal(str(path))} (FORMAT parquet)")
        return path

    @property
    def cut(self) -> dict[str, tuple[int, str]]:
        return {f"processed/{self.model.name}": (self.batches[-1].seq, self.batches[-1].hash)}


class House:
    """One kind of warehouse in a folder; `open` gives a new handle on the same rows."""

    def __init__(self, kind: str, folder: Path, db: Database | None, bigquery: Mapping[str, str] | None = None) -> None:
        self.kind, self.folder, self.db = kind, folder, db
        self.variables = bigquery_variables(bigquery) if bigquery else {}
        self.dataset = make_dataset(bigquery) if bigquery else ""
        self.opened: list[Warehouse] = []
        self.logs: dict[str, Chain] = {}
        self.warehouse = self.open()

    def open(self, **options: Any) -> Warehouse:
        state = self.folder / ".catchwater"
        settings = Settings(self.folder, state, "local", lambda text: text, variables=self.variables)
        options = {"patience": 5.0, **options}
        if self.dataset:
            bigquery = BigquerySpec(kind="bigquery", dataset=self.dataset)
            made: Warehouse = BigqueryWarehouse("bigquery", bigquery, settings, **options)
        elif self.db is None:
            made = DuckdbWarehouse("duckdb", None, settings, **options)
        else:
            spec = Spec(kind="postgres", url=self.db.url(), schema="public")
            made = PostgresWarehouse("postgres", spec, settings, **options)
        self.opened.append(made)
        return made

    def chain(self, of: Model) -> Chain:
        return Chain(self.folder, of)

    def load(self, *chains: Chain, models: Sequence[Model] = ()) -> Loaded:
        """Every batch in one session, as the load stage does it: what readers have already isn't counted."""
        version = self.warehouse.version()
        seen = {log: seq for log, (seq, _) in version.cut.items()} if version else {}
        cut = {log: marker for chain in chains for log, marker in chain.cut.items()}
        every = [(batch, seen.get(f"processed/{chain.model.name}", 0)) for chain in chains for batch in chain.batches]
        with self.warehouse.load(cut) as session:
            session.prepare([*(chain.model for chain in chains), *models])
            held = {log: seq for log, (seq, _) in session.markers().items()}
            behind = [batch for batch, upto in every if held.get(f"processed/{batch.model.name}", 0) < upto]
            session.apply([batch for batch, upto in every if batch in behind and batch.seq <= upto])
            return session.apply([batch for batch, _ in every])

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.warehouse.read() as reading:
            return reading.connection.execute(sql).fetchall()

    def texts(self, table: str, columns: Mapping[str, str]) -> list[tuple[Any, ...]]:
        """Each value as the text of its declared type, by `id`, through the way of the API."""
        shown = ", ".join(f"CAST(CAST({quote(name)} AS {kind}) AS VARCHAR)" for name, kind in columns.items())
        every = {"id": "BIGINT"} | dict(columns)
        rows = Extract(
            f"SELECT {', '.join(map(quote, every))} FROM {quote(table)}",
            (),
            [Column(name, kind) for name, kind in every.items()],
            shown,
            table,
            "ORDER BY id",
        )
        with self.warehouse.read() as reading:
            return reading.select(rows).fetchall()

    def version(self) -> Version:
        version = self.warehouse.version()
        assert version is not None
        return version

    def close(self) -> None:
        for warehouse in self.opened:
            warehouse.close()
        if self.db:
            self.db.close()


@pytest.fixture(params=["duckdb", "postgres", "bigquery"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """The same test on every kind of warehouse."""
    with opened(request.param, tmp_path, request) as made:
        yield made


@contextmanager
def opened(kind: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    db = database(request.getfixturevalue("postgres18")) if kind == "postgres" else None
    emulated = request.getfixturevalue("bqemulator") if kind == "bigquery" else None
    made = House(kind, folder, db, emulated)
    try:
        yield made
    finally:
        made.close()


def columns(con: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [row[0] for row in con.execute(f"DESCRIBE {quote(table)}").fetchall()]
