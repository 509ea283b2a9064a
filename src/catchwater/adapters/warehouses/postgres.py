"""The Postgres warehouse, reached through DuckDB: a load is one transaction of the server's, markers included."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from catchwater.adapters.warehouses import changes
from catchwater.adapters.warehouses.changes import Marker, log_of, pending, table_of, total
from catchwater.adapters.warehouses.postgres_apply import Merge, ordered
from catchwater.adapters.warehouses.postgres_ddl import (
    MARKERS,
    MODELS,
    VERSIONS,
    Preparation,
    catalog,
    relations,
    setup,
    view_sql,
)
from catchwater.adapters.warehouses.postgres_place import ALIAS, Place, connect, place, refused
from catchwater.adapters.warehouses.reading import OpenReading, ReadingCursor
from catchwater.errors import CatchwaterError, WarehouseError
from catchwater.plan.plan import Model
from catchwater.ports import LoadBatch, Loaded, Settings, Version
from catchwater.project.names import literal, quote
from catchwater.project.schema import PostgresWarehouse as Spec

if TYPE_CHECKING:
    import duckdb

_PATIENCE = "30s"


class PostgresWarehouse:
    """Tables in one schema of somebody's database; those that exist with the declared columns are adopted."""

    def __init__(self, name: str, spec: Spec, settings: Settings) -> None:
        self.name, self.spec, self.settings = name, spec, settings
        self.folder = settings.state / "warehouse"

    def version(self) -> Version | None:
        """What is loaded; None before the first load."""
        with self._server(write=True) as server:
            own = server.rows(f"SELECT to_regclass({literal(_own(server.schema, VERSIONS))}) IS NOT NULL AS there")
            if not own[0][0]:
                return None
            found = server.rows(f"SELECT max(number) AS number FROM {_own(server.schema, VERSIONS)}")
            if found[0][0] is None:
                return None
            return Version(int(found[0][0]), server.markers(), server.shapes())

    @contextmanager
    def read(self) -> Iterator[OpenReading]:
        """One snapshot of the server's for as long as the block lasts."""
        version = self.version()
        if version is None:
            raise WarehouseError("nothing is loaded yet", where=self._place().where, next_step="catchwater run")
        con = connect(self._place(), self.folder, write=False)
        try:
            cursor = con.cursor()
            cursor.execute(f"USE {ALIAS}.{quote(self.spec.schema_name)}")
            cursor.execute("BEGIN")
            yield OpenReading(version, cast("duckdb.DuckDBPyConnection", ReadingCursor(cursor)))
        finally:
            con.close()

    @contextmanager
    def load(self, cut: Mapping[str, tuple[int, str]]) -> Iterator["PostgresSession"]:
        with self._server(write=True) as server:
            server.run([setup(server.schema)])
            session = PostgresSession(server)
            yield session
            session.finish()

    def close(self) -> None:
        """Every connection ends with its block."""

    def _place(self) -> Place:
        return place(self.spec, self.settings)

    @contextmanager
    def _server(self, *, write: bool) -> "Iterator[_Server]":
        at = self._place()
        con = connect(at, self.folder, write=write)
        try:
            yield _Server(at, con)
        finally:
            con.close()


class _Server:
    """One connection to the database: statements, queries, and a transaction of both."""

    def __init__(self, at: Place, con: "duckdb.DuckDBPyConnection") -> None:
        self.at, self.con, self.schema = at, con, at.schema

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        self._said(partial(self.con.execute, "FROM postgres_query(?, ?)", [ALIAS, sql]))
        return self.con.fetchall()

    def run(self, statements: Sequence[str]) -> None:
        for statement in statements:
            self._said(partial(self.con.execute, "CALL postgres_execute(?, ?)", [ALIAS, statement]))

    def send(self, sql: str, what: str) -> None:
        self._said(partial(self.con.execute, sql), what)

    def forget_catalog(self) -> None:
        self.con.execute("CALL pg_clear_cache()")

    def markers(self) -> dict[str, Marker]:
        rows = self.rows(f"SELECT log, seq, hash FROM {_own(self.schema, MARKERS)}")
        return {log: (int(seq), digest) for log, seq, digest in rows}

    def shapes(self) -> dict[str, str]:
        return dict(self.rows(f"SELECT name, shape FROM {_own(self.schema, MODELS)}"))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Loads of one schema wait for each other, at most half a minute."""
        self.con.execute("BEGIN")
        try:
            self.run([f"SET LOCAL lock_timeout = '{_PATIENCE}'"])
            self.rows(
                f"SELECT pg_advisory_xact_lock(hashtext('catchwater'), hashtext({literal(self.schema)})) IS NULL AS x"
            )
            yield
            self._said(partial(self.con.execute, "COMMIT"))
        except BaseException:
            self._rollback()
            raise

    def _rollback(self) -> None:
        import contextlib

        import duckdb

        with contextlib.suppress(duckdb.Error):  # a connection that broke has no transaction left
            self.con.execute("ROLLBACK")

    def _said(self, call: Callable[[], object], what: str = "") -> None:
        import duckdb

        try:
            call()
        except duckdb.Error as error:
            raise refused(self.at, error, what) from error


class PostgresSession:
    """One load; each apply is one transaction."""

    def __init__(self, server: _Server) -> None:
        self._server = server

    def markers(self) -> dict[str, Marker]:
        return self._server.markers()

    def prepare(self, models: Sequence[Model]) -> None:
        """Tables and views as the models want them, in one transaction. Raises TableDiffers by column."""
        server = self._server
        shapes = server.shapes()
        if all(shapes.get(model.name) == model.shape for model in models):
            return
        there = relations([tuple(row) for row in server.rows(catalog(server.schema))])
        wanted = Preparation(server.schema, there, shapes)
        wanted.add(models, lambda model: view_sql(server.schema, model))
        with server.transaction():
            server.run(wanted.statements)
            server.run([self._forget(model) for model in wanted.made])
            server.run([self._note(model) for model in models])
        server.forget_catalog()

    def retire(self, keep: Collection[str]) -> None:
        """Tables in somebody's database stay; only our note of them goes."""
        gone = [name for name in self._server.shapes() if name not in keep]
        if gone:
            names = ", ".join(literal(name) for name in gone)
            own = _own(self._server.schema, MODELS)
            self._server.run([f"DELETE FROM {own} WHERE name IN ({names})"])

    def reset(self, model: Model) -> None:
        """Nothing to do for a model that was never loaded; rows in somebody's database are not ours to drop."""
        if log_of(model) in self.markers():
            raise WarehouseError(
                f"{model.name} must be loaded anew, and its rows in Postgres are kept until you drop them",
                where=self._server.at.where,
                next_step=f"drop the table {model.name} (and {model.name}_current), "
                f"delete its row in {MARKERS}, then catchwater run",
            )

    def apply(self, batches: Sequence[LoadBatch]) -> Loaded:
        by_model: dict[str, list[LoadBatch]] = {}
        for batch in batches:
            by_model.setdefault(batch.model.name, []).append(batch)
        with self._server.transaction():
            markers = self.markers()
            rest = {name: pending(mine, markers.get(log_of(mine[0].model))) for name, mine in by_model.items()}
            tables = self._merge({name: [b for b in mine if b.files] for name, mine in rest.items()})
            self._server.run([self._mark(mine[-1]) for mine in rest.values() if mine])
        return total(tables)

    def finish(self) -> None:
        """A new version for the readers' caches; rows are seen from their own transaction's end."""
        own = _own(self._server.schema, VERSIONS)
        self._server.run(
            [
                f"INSERT INTO {own} SELECT coalesce(max(number) + 1, {int(time.time())}) FROM {own}",
                f"DELETE FROM {own} WHERE number < (SELECT max(number) FROM {own})",
            ]
        )

    def _merge(self, by_model: Mapping[str, list[LoadBatch]]) -> dict[str, Loaded]:
        server = self._server
        full = [mine for mine in by_model.values() if mine]
        merges = [Merge(server.schema, table_of(mine[0].model), number) for number, mine in enumerate(full)]
        server.run([merge.make() for merge in merges])
        server.forget_catalog()
        for merge, mine in zip(merges, full, strict=True):
            self._stage(merge, mine)
        tables = {name: Loaded() for name in by_model}
        for merge in merges:
            changed, removed, written = (int(number) for number in server.rows(merge.count())[0])
            tables[merge.table.model.name] = Loaded(written - changed, changed, removed)
        up = ordered(merges)
        for statements in (
            [s for merge in up for s in merge.touch()],
            [s for merge in up for s in merge.upsert()],
            [s for merge in reversed(up) for s in merge.remove()],
            [s for merge in up for s in merge.latest()],
            [merge.drop() for merge in merges],
        ):
            server.run(statements)
        return tables

    def _stage(self, merge: Merge, batches: Sequence[LoadBatch]) -> None:
        source = changes.select(self._server.con, merge.table, batches)
        try:
            self._server.send(merge.send(source), merge.table.model.name)
        except CatchwaterError as error:
            column = self._with_nul(merge, source)
            if column is None:
                raise
            raise WarehouseError(
                f"a value of {column} has the character NUL, which Postgres can't hold",
                where=merge.table.model.name,
                next_step=f"take it out in the model, for example replace({column}, chr(0), '')",
            ) from error

    def _with_nul(self, merge: Merge, source: str) -> str | None:
        import duckdb

        texts = [column.name for column in merge.table.stored if column.type == "VARCHAR"]
        with duckdb.connect() as con:
            for name in texts:
                found = con.execute(f"SELECT count(*) FROM ({source}) WHERE contains({quote(name)}, chr(0))").fetchone()
                if found and found[0]:
                    return name
        return None

    def _forget(self, model: Model) -> str:
        return f"DELETE FROM {_own(self._server.schema, MARKERS)} WHERE log = {literal(log_of(model))}"

    def _note(self, model: Model) -> str:
        return (
            f"INSERT INTO {_own(self._server.schema, MODELS)} VALUES ({literal(model.name)}, {literal(model.shape)}) "
            "ON CONFLICT (name) DO UPDATE SET shape = excluded.shape"
        )

    def _mark(self, batch: LoadBatch) -> str:
        row = f"{literal(log_of(batch.model))}, {batch.seq}, {literal(batch.hash)}"
        return (
            f"INSERT INTO {_own(self._server.schema, MARKERS)} VALUES ({row}) "
            "ON CONFLICT (log) DO UPDATE SET seq = excluded.seq, hash = excluded.hash"
        )


def _own(schema: str, name: str) -> str:
    return f"{quote(schema)}.{name}"
