"""A model's SELECT given to an engine of other machines: what it reads, and what it wrote. Nothing is committed here.

Checks, difference and commit stay with the driver's DuckDB, over the Parquet files that the engine has written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from catchwater.lake.manifest import Manifest
from catchwater.lake.read import KEYLESS_COLUMNS, locate, url_of
from catchwater.plan.plan import Model, Read
from catchwater.ports import Distributed, Piece, Relation, Selection, Store
from catchwater.project.names import literal, quote
from catchwater.project.tables import Column
from catchwater.stages.inputs import Inputs, asks_validity, held_columns, since_reset, source_table, system, upstream
from catchwater.stages.recompute import Narrowed
from catchwater.stages.work import Computing


def elsewhere(at: Computing, inputs: Inputs) -> Computing:
    """With `rows` over what a distributed engine has computed; as it came when there is none, or when it wouldn't
    give from these files what DuckDB gives (then a note says why)."""
    engine = at.work.ports.engine
    if not isinstance(engine, Distributed):
        return at
    model = at.model
    relations = Relations(inputs, engine.remote)
    relations.add(model)
    columns = held_columns(model)
    selection = Selection(model.sql, tuple(relations.found), columns, model.macros)
    reason = engine.unfit(selection)
    if reason:
        return replace(at, notes=(*at.notes, f"{model.name} was computed on the driver alone: {reason}"))
    place = _Place(at, engine.remote)
    engine.select(selection, place.url)
    if at.work.incremental:
        work = at.work  # the keys of the new batches say which rows are compared
        Narrowed(at.con, work.plan, work.ports.stores, work.whole, work).create(model)
    for number, relation in enumerate(relations.found):
        if relation.exact and not at.work.incremental:
            _exact_view(at, relation, place.files(f"exact-{number}"))
    return replace(at, rows=_rows(columns, place.files("rows")))


@dataclass
class Relations:
    """The relations of one model, those of views before the views."""

    inputs: Inputs
    remote: bool

    def __post_init__(self) -> None:
        self.found: list[Relation] = []

    def add(self, model: Model) -> None:
        for read in model.reads:
            above = upstream(self.inputs.plan, read)
            if above is None:
                self.found.append(self._source(read))
            elif above.materialized == "view":
                self.add(above)
                self.found.append(Relation(read.alias, held_columns(above), "view", sql=above.sql, macros=above.macros))
            else:
                self.found.append(self._model(above, read))

    def _source(self, read: Read) -> Relation:
        schema = source_table(self.inputs.plan, read)
        self.inputs.check_key(read, schema)
        columns = (*schema.columns, *(Column(n, t) for n, t in system(read).items() if n not in schema.names))
        rows = "versions" if self.inputs.each_once(read) else "current"
        if read.history:
            rows = "validity" if asks_validity(read) else "versions"
        pieces = self._pieces("ingestion", self.inputs.batches(read.log), read.table)
        return Relation(read.alias, columns, rows, pieces, schema.key, exact="_exact" not in read.columns)

    def _model(self, model: Model, read: Read) -> Relation:
        batches = since_reset(self.inputs.batches(f"processed/{model.name}"))
        rows = "state" if read.history or not model.history else "latest"
        pieces = self._pieces("processed", batches, model.name)
        return Relation(
            read.alias, held_columns(model), rows, pieces, model.key, entity=model.entity, order=model.order
        )  # fmt: skip

    def _pieces(self, zone: str, batches: Sequence[Manifest], table: str) -> tuple[Piece, ...]:
        store = self.inputs.stores[zone]
        found = locate(store, batches, table, self.remote)
        return tuple(
            Piece(
                place, base, (*held.schema, *(() if held.key else KEYLESS_COLUMNS)), bool(held.key), bool(held.revised)
            )
            for place, base, held in found
        )


class _Place:
    """Where the engine writes: a folder of this machine, or a prefix of the model's log that no manifest names."""

    def __init__(self, at: Computing, remote: bool) -> None:
        self._store: Store = at.work.ports.stores["processed"]
        self._prefix = f"{at.log.folder}/_work/{uuid4().hex}" if remote else ""
        self._folder = at.folder / f"selected-{uuid4().hex}"
        self.url = url_of(self._store, self._prefix) if remote else str(self._folder)

    def files(self, name: str) -> list[Path]:
        if not self._prefix:
            return sorted((self._folder / name).glob("*.parquet"))
        listed = self._store.list(f"{self._prefix}/{name}/")
        return [self._store.fetch(one.key) for one in listed if one.key.endswith(".parquet") and one.size]


def _exact_view(at: Computing, relation: Relation, files: Sequence[Path]) -> None:
    nothing = "SELECT NULL::MAP(VARCHAR, VARCHAR) AS _exact WHERE false"
    body = f"FROM {_scan(files)}" if files else nothing
    at.con.execute(f"CREATE OR REPLACE TEMP VIEW {quote('#' + relation.alias)} AS {body}")


def _rows(columns: Sequence[Column], files: Sequence[Path]) -> str:
    if not files:
        return f"SELECT {', '.join(f'NULL::{c.type} AS {quote(c.name)}' for c in columns)} WHERE false"
    return f"SELECT {', '.join(f'{quote(c.name)}::{c.type} AS {quote(c.name)}' for c in columns)} FROM {_scan(files)}"


def _scan(files: Sequence[Path]) -> str:
    return f"read_parquet([{', '.join(literal(str(file)) for file in files)}], hive_partitioning = false)"
