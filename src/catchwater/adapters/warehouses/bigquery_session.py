"""One load into BigQuery: batches are staged as they come, and at its end one transaction moves rows and markers."""

import json
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from catchwater.adapters.warehouses import bigquery_ddl as ddl
from catchwater.adapters.warehouses import bigquery_stage as stage
from catchwater.adapters.warehouses.bigquery_apply import GENESIS, MARKER, VERSION, Merge, Move, Publish, script, stored
from catchwater.adapters.warehouses.bigquery_place import Place, refused, silent
from catchwater.adapters.warehouses.bigquery_types import text, tick
from catchwater.adapters.warehouses.changes import Marker, log_of, pending, table_of, total
from catchwater.errors import WarehouseBusy, WarehouseError
from catchwater.plan.plan import Model
from catchwater.ports import LoadBatch, Loaded

LARGEST = 800_000  # of the million characters that a script may have


@dataclass
class Work:
    """What one transaction will do: by model the markers that it starts from and ends at, and its statements."""

    moves: dict[str, Move] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    merges: list[Merge] = field(default_factory=list)

    def statements(self) -> list[str]:
        rows = [statement for merge in self.merges for statement in merge.statements()]
        return [*self.empty, *rows, *(statement for merge in self.merges for statement in merge.latest())]


class BigquerySession:
    """Nothing of it is seen before `finish`, but new tables (empty), new columns (NULL) and changed views. What one
    `apply` takes is one transaction then, and a version of its own."""

    def __init__(self, at: Place, folder: Path, patience: float) -> None:
        self._place, self._folder, self._patience = at, folder, patience
        self._path = (at.project, at.dataset)
        self._names = set(self._tables())
        if VERSION not in self._names:
            at.rows(ddl.setup(self._path))
        now = version(at) or Published(0, "", {}, {})
        self._number, self._models = now.number, now.models
        self._held = self._read([name for name in self._names if name.startswith(MARKER)])
        self._works: list[Work] = []
        self._work = Work()

    def markers(self) -> dict[str, Marker]:
        """Those of the tables, moved by what this session has taken."""
        return _logs(self._moved([*self._works, self._work]))

    def prepare(self, models: Sequence[Model]) -> None:
        """Raises TableDiffers naming every differing column, and then has changed nothing."""
        standing = {m.name for m in models if self._models.get(m.name, {}).get("shape") == m.shape}
        work = ddl.Preparation(self._path, self._names, self._find, self._models, standing)
        work.add(models, partial(ddl.view_sql, self._path, models))
        for statement in work.statements:
            with self._place.errors(", ".join(model.name for model in models)):
                self._place.query(statement)
        for model in work.made:
            self._held[model.name] = GENESIS
        for model in models:
            table = table_of(model)
            self._names |= {
                name for name in (model.name, stored(table), table.current, f"{MARKER}{model.name}") if name
            }
            self._models[model.name] = ddl.kept(model, model.name in work.ours)

    def retire(self, keep: Collection[str]) -> None:
        """Tables stay: they are somebody's. What is known of models that are gone is forgotten."""
        for name in [name for name in self._models if name not in keep]:
            del self._models[name]
        for name in [name for name, mark in self._held.items() if name not in keep and mark != GENESIS]:
            self._move(name, GENESIS)

    def reset(self, model: Model) -> None:
        """Empties tables that we made; those that were there before are somebody's, and then it is refused."""
        if log_of(model) not in self.markers():
            return
        if not self._models.get(model.name, {}).get("ours"):
            table, own = f"{self._place.dataset}.{model.name}", f"{self._place.dataset}.{MARKER}{model.name}"
            raise WarehouseError(
                "it has to be loaded from its beginning, and a table that was there before isn't emptied for you",
                where=f"{self._place.where} {table}",
                next_step=f"drop {table}, or empty it and UPDATE {own} SET seq = 0, hash = '' WHERE TRUE; then "
                "catchwater run",
            )
        tables = table_of(model)
        for name in (stored(tables), tables.current):
            if name:
                self._work.empty.append(f"DELETE FROM {tick(*self._path, name)} WHERE TRUE")
        self._move(model.name, GENESIS)

    def apply(self, batches: Sequence[LoadBatch]) -> Loaded:
        by_model: dict[str, list[LoadBatch]] = {}
        for batch in batches:
            by_model.setdefault(batch.model.name, []).append(batch)
        markers = self.markers()
        rest = {name: pending(mine, markers.get(log_of(mine[0].model))) for name, mine in by_model.items()}
        tables = {name: Loaded() for name in by_model}
        merges = []
        for name, mine in rest.items():
            if full := [batch for batch in mine if batch.files]:
                merge, written = self._staged(full)
                merges.append(merge)
                tables[name] = self._count(merge, written)
        self._work.merges += merges
        for name, mine in rest.items():
            if mine:
                self._move(name, (mine[-1].seq, mine[-1].hash))
        self._works, self._work = [*self._works, self._work], Work()
        return total(tables)

    def finish(self) -> None:
        """Only now do readers see any of it. A transaction that fails leaves those of other groups as they are.

        Raises WarehouseBusy when another load was first, WarehouseError when BigQuery didn't do it or didn't say; what
        is published then is what counts.
        """
        works = [*self._works, self._work]
        if len(works) > 1 and not self._work.moves:
            works.pop()
        failed: list[WarehouseError] = []
        for number, work in enumerate(works, 1):
            try:
                self._commit(work, self._moved(works[:number]))
            except WarehouseError as error:
                failed.append(error)
        self._clear()
        if failed:
            raise failed[0]

    def _commit(self, work: Work, marks: Mapping[str, Marker]) -> None:
        number, load = max(self._number + 1, int(time.time())), uuid4().hex
        cut = {log: list(mark) for log, mark in sorted(_logs(marks).items()) if log.partition("/")[2] in self._models}
        said = {"load": load, "cut": json.dumps(cut), "models": json.dumps(self._models, sort_keys=True)}
        publish = Publish(tick(*self._path, VERSION), self._number, number, said)
        sql = script(list(work.moves.values()), work.statements(), publish)
        if len(sql) > LARGEST:
            raise WarehouseError(
                f"this load is a script of {len(sql)} characters, and BigQuery takes a million",
                where=self._place.where,
                next_step="split the project's models over two datasets",
            )
        try:
            self._place.query(sql)
        except Exception as error:
            self._settle(work, load, error)
        self._number = number

    def _settle(self, work: Work, load: str, error: Exception) -> None:
        """After a failure, a cancel or no answer what is published decides, which is one commit with the markers."""
        named = refused(self._place, error)
        if named is None:
            raise error
        deadline = time.monotonic() + self._patience
        while True:
            try:
                found = version(self._place)
            except WarehouseError:
                found = None
            if found and found.load == load:
                return
            if not silent(error) or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        if not (isinstance(named, WarehouseBusy) and self._done(work)):
            raise named from error

    def _done(self, work: Work) -> bool:
        """Whether another load has committed exactly this."""
        held = self._read([f"{MARKER}{name}" for name in work.moves])
        return bool(held) and all(held.get(name) == move.after for name, move in work.moves.items())

    def _moved(self, works: Sequence[Work]) -> dict[str, Marker]:
        return self._held | {name: move.after for work in works for name, move in work.moves.items()}

    def _move(self, name: str, after: Marker) -> None:
        before = self._work.moves.get(name)
        start = before.before if before else self._moved(self._works).get(name, GENESIS)
        self._work.moves[name] = Move(tick(*self._path, f"{MARKER}{name}"), start, after)

    def _staged(self, batches: Sequence[LoadBatch]) -> tuple[Merge, int]:
        """The merge and how many rows it writes. Raises Corrupt, WarehouseError."""
        table = table_of(batches[0].model)
        self._folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self._folder) as folder, self._place.errors(table.model.name):
            name, written = stage.load(self._place, table, batches, Path(folder))
            merge = Merge(self._path, table, name)
            for statement in merge.touch():
                self._place.query(statement)
        return merge, written

    def _count(self, merge: Merge, written: int) -> Loaded:
        model = merge.table.model
        if self._held.get(model.name, GENESIS) == GENESIS and self._models.get(model.name, {}).get("ours"):
            return Loaded(added=written)
        [(changed, removed)] = self._place.rows(merge.count())
        return Loaded(written - changed, changed, removed)

    def _tables(self) -> list[str]:
        with self._place.errors():
            return [
                one.table_id for one in self._place.client.list_tables(".".join(self._path), retry=self._place.again)
            ]

    def _find(self, name: str) -> ddl.There:
        with self._place.errors(name):
            return ddl.there(self._place.client.get_table(".".join((*self._path, name)), retry=self._place.again))

    def _read(self, tables: Sequence[str]) -> dict[str, Marker]:
        if not tables:
            return {}
        parts = (f"SELECT {text(name)} AS name, seq, hash FROM {tick(*self._path, name)}" for name in tables)
        found = self._place.rows(" UNION ALL ".join(parts))
        return {name.removeprefix(MARKER): (int(seq), digest) for name, seq, digest in found}

    def _clear(self) -> None:
        """Staging tables go; those that can't be removed now expire."""
        for merge in (merge for work in self._works for merge in work.merges):
            for name in [merge.stage, *([merge.touched] if merge.table.current else [])]:
                with suppress(Exception):
                    self._place.client.delete_table(
                        ".".join((*self._path, name)), not_found_ok=True, retry=self._place.again
                    )


def _logs(marks: Mapping[str, Marker]) -> dict[str, Marker]:
    return {f"processed/{name}": mark for name, mark in marks.items() if mark != GENESIS}


@dataclass(frozen=True)
class Published:
    """What readers see; `load` is the name of the load that published it, `models` what is kept of each model."""

    number: int
    load: str
    cut: dict[str, Marker]
    models: dict[str, dict[str, Any]]


def version(at: Place) -> Published | None:
    """None before the first load. It is read without a query."""
    from google.api_core.exceptions import NotFound
    from google.cloud.bigquery import SchemaField

    fields = [SchemaField("number", "INT64"), *(SchemaField(name, "STRING") for name in ("load", "cut", "models"))]
    path = f"{at.project}.{at.dataset}.{VERSION}"
    with at.errors():
        try:
            found = list(at.client.list_rows(path, selected_fields=fields, retry=at.again))
        except NotFound:
            return None
    if not found or not found[0]["number"]:
        return None
    row = found[0]
    cut = {log: (int(seq), digest) for log, (seq, digest) in json.loads(row["cut"]).items()}
    return Published(int(row["number"]), row["load"], cut, json.loads(row["models"]))
