"""The DuckDB warehouse: two files, of which readers have one while a load brings the other up to date."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from catchwater.adapters.warehouses import ddl, files, pointer
from catchwater.adapters.warehouses.apply import apply
from catchwater.adapters.warehouses.changes import Marker, log_of, pending, table_of, total
from catchwater.adapters.warehouses.house import House, house
from catchwater.adapters.warehouses.pointer import FILES, Pointer
from catchwater.adapters.warehouses.reading import OpenReading, ReadingCursor
from catchwater.errors import CatchwaterError, WarehouseError
from catchwater.plan.plan import Model
from catchwater.ports import LoadBatch, Loaded, Settings, Version

if TYPE_CHECKING:
    import duckdb

_PAUSE = 0.05


class DuckdbWarehouse:
    """`.catchwater/warehouse/{left,right}.duckdb` and `current.json`, which names the one that readers have.

    `patience` is how long a load waits for readers of the other file, in seconds; `memory` limits the instance that
    reads, and `loading` the one that loads: what doesn't fit is spilled, so that the process stays under 512 MB.
    """

    def __init__(
        self,
        name: str,
        spec: object,
        settings: Settings,
        *,
        patience: float = 30.0,
        memory: str = "512MB",
        loading: str = "192MB",
    ) -> None:
        self.name, self.spec = name, spec
        self.patience, self.memory, self.loading = patience, memory, loading
        self.folder = settings.state / "warehouse"

    @property
    def _house(self) -> House:
        return house(self.folder)

    def version(self) -> Version | None:
        """What is published; None when nothing is, or when its file isn't as it was published."""
        now = pointer.read(self.folder)
        return now.version if now else None

    @contextmanager
    def read(self) -> Iterator[OpenReading]:
        shared = self._house
        front = shared.enter(self.memory, self.patience)
        try:
            cursor = front.root.cursor()
            try:
                cursor.execute(f"USE {files.ALIAS}")
                guarded = cast("duckdb.DuckDBPyConnection", ReadingCursor(cursor))
                yield OpenReading(front.pointer.version, guarded)
            finally:
                cursor.close()
        finally:
            shared.leave(front)

    @contextmanager
    def load(self, cut: Mapping[str, tuple[int, str]]) -> Iterator["DuckdbSession"]:
        """What is published is what the session's markers say at its end, `cut` or less."""
        shared = self._house
        with shared.writer(self.patience):
            now = pointer.read(self.folder)
            back = next(file for file in FILES if now is None or file != now.file)
            shared.await_drained(back, self.patience)
            if now is None:
                pointer.forget(self.folder)
            else:
                files.begin_with(self.folder / now.file, self.folder / back)
            con, notes = self._open(back)
            try:
                session = DuckdbSession(con, notes, now.version if now else None)
                yield session
                number = session.finish(now.version.number if now else None)
                version = Version(number, session.markers(), ddl.shapes(con))
                files.leave(con, self.folder / back)
            except BaseException as error:
                con.close()
                self._doubt(back, error)
                raise
            con.close()
            size = (self.folder / back).stat().st_size
            shared.publish(Pointer(back, version, size), self.memory)

    def close(self) -> None:
        self._house.close()

    def _open(self, back: str) -> "tuple[duckdb.DuckDBPyConnection, list[str]]":
        """The back file for writing, made anew when it can't be opened."""
        import duckdb

        path, deadline = self.folder / back, time.monotonic() + self.patience
        notes: list[str] = []
        while True:
            try:
                con = files.attach(path, self.loading, write=True)
                if files.is_whole(con, path):
                    ddl.setup(con)
                    return con, notes
                con.close()
                notes.append(files.set_aside(path))
            except duckdb.Error as error:
                if files.is_held(error):
                    if time.monotonic() > deadline:
                        raise files.busy(path, error, self.patience) from error
                    time.sleep(_PAUSE)
                elif notes or files.is_outside(error):
                    raise files.failed(path, error) from error
                else:
                    notes.append(files.set_aside(path))

    def _doubt(self, back: str, error: BaseException) -> None:
        """A file in whose middle wrong bytes were met is begun anew by the next load."""
        cause = error if not isinstance(error, CatchwaterError) else error.__cause__
        if isinstance(error, WarehouseError) and cause is not None and files.is_broken(cause):
            files.set_aside(self.folder / back)


class DuckdbSession:
    """One load into the file that isn't read; `front` is what readers have meanwhile (ports.Beside)."""

    def __init__(self, con: "duckdb.DuckDBPyConnection", notes: Sequence[str], front: Version | None = None) -> None:
        self._con, self._notes, self.front = con, tuple(notes), front
        self._unprepared: dict[str, WarehouseError] = {}

    def markers(self) -> dict[str, Marker]:
        rows = self._con.execute(f"SELECT log, seq, hash FROM {ddl.OWN}._catchwater_markers").fetchall()
        return {log: (seq, digest) for log, seq, digest in rows}

    def prepare(self, models: Sequence[Model]) -> None:
        """Tables first, then the views in the order given. Raises WarehouseError naming the model."""
        tables = [model for model in models if model.materialized != "view"]
        waiting = [*tables, *(model for model in models if model.materialized == "view")]
        while waiting:
            try:
                with self._transaction(waiting[0].name):
                    ddl.prepare(self._con, waiting[0], models)
            except WarehouseError as error:
                self._unprepared |= {model.name: error for model in waiting}
                raise
            self._unprepared.pop(waiting.pop(0).name, None)

    def retire(self, keep: Collection[str]) -> None:
        with self._transaction("models that are gone"):
            ddl.retire(self._con, keep)

    def reset(self, model: Model) -> None:
        with self._transaction(model.name):
            ddl.empty(self._con, model)

    def apply(self, batches: Sequence[LoadBatch]) -> Loaded:
        """With little memory; where that is too little (very long values), once more with all there is."""
        import duckdb

        try:
            return self._apply(batches)
        except WarehouseError as error:
            if not isinstance(error.__cause__, duckdb.OutOfMemoryException):
                raise
        files.give_room(self._con)
        return self._apply(batches)

    def _apply(self, batches: Sequence[LoadBatch]) -> Loaded:
        by_model: dict[str, list[LoadBatch]] = {}
        for batch in batches:
            by_model.setdefault(batch.model.name, []).append(batch)
        with self._transaction(", ".join(by_model)):
            markers = self.markers()
            tables = {name: self._model(mine, markers) for name, mine in by_model.items()}
        notes, self._notes = self._notes, ()
        return total(tables, notes)

    def finish(self, before: int | None) -> int:
        """The number of the version that this file becomes, written into it; times in seconds begin a series, so
        that numbers grow even when all files were lost. Raises the WarehouseError of a table or view that couldn't be
        made where readers have it: they keep the file in which it is."""
        self._check_prepared()
        with self._transaction("the version"):
            found = self._con.execute(f"SELECT max(number) FROM {ddl.OWN}._catchwater_versions").fetchone()
            held = found[0] if found and found[0] else 0
            number = before + 1 if before is not None else max(int(time.time()), held + 2)
            self._con.execute(f"DELETE FROM {ddl.OWN}._catchwater_versions")
            self._con.execute(f"INSERT INTO {ddl.OWN}._catchwater_versions VALUES (?)", [number])
        return number

    def _check_prepared(self) -> None:
        held, here = dict(self.front.models) if self.front else {}, ddl.shapes(self._con)
        for name, error in self._unprepared.items():
            if name in held and held[name] != here.get(name):
                raise error

    def _model(self, batches: Sequence[LoadBatch], markers: Mapping[str, Marker]) -> Loaded:
        model = batches[0].model
        rest = pending(batches, markers.get(log_of(model)))
        if not rest:
            return Loaded()
        full = [batch for batch in rest if batch.files]
        loaded = apply(self._con, table_of(model), full) if full else Loaded()
        self._con.execute(
            f"INSERT OR REPLACE INTO {ddl.OWN}._catchwater_markers VALUES (?, ?, ?)",
            [log_of(model), rest[-1].seq, rest[-1].hash],
        )
        return loaded

    @contextmanager
    def _transaction(self, what: str) -> Iterator[None]:
        import duckdb

        try:
            self._con.execute("BEGIN")
            yield
            self._con.execute("COMMIT")
        except duckdb.Error as error:
            self._rollback()
            raise WarehouseError(str(error), where=what, next_step="catchwater verify") from error
        except BaseException:
            self._rollback()
            raise

    def _rollback(self) -> None:
        import contextlib

        import duckdb

        with contextlib.suppress(duckdb.Error):  # an instance that broke has no transaction left
            self._con.execute("ROLLBACK")
