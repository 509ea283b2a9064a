"""One load into Postgres: one transaction of the server's, markers and version included; no connection is made here."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, cast

from catchwater.adapters.warehouses import changes
from catchwater.adapters.warehouses import postgres_ddl as ddl
from catchwater.adapters.warehouses.changes import Marker, log_of, pending, table_of, total
from catchwater.adapters.warehouses.postgres_apply import Merge, ordered
from catchwater.adapters.warehouses.postgres_place import ALIAS, Place, refused
from catchwater.errors import WarehouseError
from catchwater.plan.plan import Model
from catchwater.ports import LoadBatch, Loaded
from catchwater.project.names import literal, quote

if TYPE_CHECKING:
    import duckdb


class PostgresSession:
    """An operation that fails undoes the transaction: those before it are done again, so that one group's failure
    leaves the others' rows."""

    def __init__(self, con: "duckdb.DuckDBPyConnection", at: Place, patience: float) -> None:
        self._con, self._place, self._patience = con, at, patience
        self._schema = quote(at.schema)
        self._done: list[Callable[[], object]] = []
        self._numbers = count()
        self._setup()
        self._begin()

    def markers(self) -> dict[str, Marker]:
        found = rows(self._con, f"SELECT log, seq, hash FROM {self._schema}.{ddl.MARKERS}")
        return {log: (int(seq), digest) for log, seq, digest in found}

    def prepare(self, models: Sequence[Model]) -> None:
        """Raises TableDiffers naming every differing column, and then has changed nothing."""
        self._run(partial(self._prepare, tuple(models)), ", ".join(model.name for model in models))

    def retire(self, keep: Collection[str]) -> None:
        """Tables stay: they are somebody's. What is known of models that are gone is forgotten."""
        self._run(partial(self._retire, sorted(keep)), "models that are gone")

    def reset(self, model: Model) -> None:
        """Nothing to do for a model that was never loaded; otherwise refused, for the rows are somebody's."""
        if log_of(model) not in self.markers():
            return
        table = f"{self._place.schema}.{model.name}"
        raise WarehouseError(
            "it has to be loaded from its beginning, and a table in a database of yours isn't emptied for you",
            where=f"{self._place.where} {table}",
            next_step=f"drop {table}, or empty it and DELETE FROM {self._place.schema}.{ddl.MARKERS} "
            f"WHERE log = {literal(log_of(model))}; then catchwater run (or catchwater replay {model.name})",
        )

    def apply(self, batches: Sequence[LoadBatch]) -> Loaded:
        by_model: dict[str, list[LoadBatch]] = {}
        for batch in batches:
            by_model.setdefault(batch.model.name, []).append(batch)
        found: Loaded = self._run(partial(self._apply, by_model), ", ".join(by_model))
        return found

    def finish(self) -> None:
        """Count the version and commit: only now do readers see any of it."""
        own = f"{self._schema}.{ddl.VERSIONS}"
        execute(
            self._con,
            f"WITH gone AS (DELETE FROM {own} RETURNING number) INSERT INTO {own} "
            "SELECT greatest(coalesce(max(number), 0) + 1, extract(epoch FROM now())::bigint) FROM gone",
        )
        self._con.execute("COMMIT")

    def _prepare(self, models: Sequence[Model]) -> None:
        found = ddl.relations(cast("Any", rows(self._con, ddl.catalog(self._place.schema))))
        known = dict(rows(self._con, f"SELECT name, shape FROM {self._schema}.{ddl.MODELS}"))
        standing = {model.name for model in models if known.get(model.name) == model.shape}
        work = ddl.Preparation(self._place.schema, found, known, standing)
        work.add(models, partial(ddl.view_sql, self._place.schema, models))
        for statement in work.statements:
            execute(self._con, statement)
        for model in work.made:
            execute(self._con, f"DELETE FROM {self._schema}.{ddl.MARKERS} WHERE log = {literal(log_of(model))}")
        for model in models:
            execute(
                self._con,
                f"INSERT INTO {self._schema}.{ddl.MODELS} VALUES ({literal(model.name)}, {literal(model.shape)}) "
                "ON CONFLICT (name) DO UPDATE SET shape = excluded.shape",
            )

    def _retire(self, keep: Sequence[str]) -> None:
        for table, column, names in (
            (ddl.MODELS, "name", keep),
            (ddl.MARKERS, "log", [f"processed/{name}" for name in keep]),
        ):
            listed = ", ".join(map(literal, names)) or "NULL"
            execute(self._con, f"DELETE FROM {self._schema}.{table} WHERE ({column} IN ({listed})) IS NOT TRUE")

    def _apply(self, by_model: Mapping[str, Sequence[LoadBatch]]) -> Loaded:
        markers = self.markers()
        rest = {name: pending(mine, markers.get(log_of(mine[0].model))) for name, mine in by_model.items()}
        tables = {name: Loaded() for name in by_model}
        merges = ordered(
            [self._staged(full) for mine in rest.values() if (full := [batch for batch in mine if batch.files])]
        )
        for merge in merges:
            changed, removed, written = (int(number) for number in rows(self._con, merge.count())[0])
            tables[merge.table.model.name] = Loaded(written - changed, changed, removed)
        for statement in (
            *(s for merge in merges for s in merge.touch()),
            *(s for merge in merges for s in merge.upsert()),
            *(s for merge in reversed(merges) for s in merge.remove()),
            *(s for merge in merges for s in merge.latest()),
            *(merge.drop() for merge in merges),
        ):
            execute(self._con, statement)
        for batches in rest.values():
            if batches:
                self._mark(batches[-1])
        return total(tables)

    def _staged(self, batches: Sequence[LoadBatch]) -> Merge:
        """Raises Corrupt, and WarehouseError naming the columns with characters that Postgres can't hold."""
        import duckdb

        merge = Merge(self._place.schema, table_of(batches[0].model), next(self._numbers))
        source = changes.select(self._con, merge.table, batches)
        execute(self._con, merge.make())
        self._con.execute("CALL pg_clear_cache()")
        try:
            self._con.execute(merge.send(source))
        except duckdb.Error as error:
            if "NULL-byte" not in str(error):
                raise
            names = ", ".join(_with_nul(merge, source))
            raise WarehouseError(
                f"Postgres can't hold the character NUL, and column {names} has it",
                where=merge.table.model.name,
                next_step="take it out in the model: replace(column, chr(0), '')",
            ) from error
        return merge

    def _mark(self, batch: LoadBatch) -> None:
        execute(
            self._con,
            f"INSERT INTO {self._schema}.{ddl.MARKERS} VALUES "
            f"({literal(log_of(batch.model))}, {batch.seq}, {literal(batch.hash)}) "
            "ON CONFLICT (log) DO UPDATE SET seq = excluded.seq, hash = excluded.hash",
        )

    def _setup(self) -> None:
        """The schema and the tables of our own, made before the transaction that loads."""
        import duckdb

        # Postgres itself lets two sessions collide that create the same name, IF NOT EXISTS or not
        lock = f"SELECT pg_advisory_xact_lock(hashtext('catchwater'), hashtext({literal(self._place.schema)}))"
        try:
            there = f"SELECT 1 AS one FROM pg_namespace WHERE nspname = {literal(self._place.schema)}"
            if not rows(self._con, there):
                execute(self._con, f"{lock}; CREATE SCHEMA IF NOT EXISTS {self._schema}")
            if not _has_own(self._con, self._place.schema):
                execute(self._con, f"{lock}; {ddl.setup(self._place.schema)}")
        except duckdb.Error as error:
            raise refused(self._place, error, self._place.schema) from error

    def _begin(self) -> None:
        """The lock comes before the snapshot: two loads never build on the same marker."""
        import duckdb

        try:
            self._con.execute("BEGIN")
            execute(self._con, f"SET LOCAL lock_timeout = {max(int(self._patience * 1000), 1)}")
            execute(self._con, f"LOCK TABLE {self._schema}.{ddl.MARKERS} IN SHARE ROW EXCLUSIVE MODE")
        except duckdb.Error as error:
            raise refused(self._place, error, ddl.MARKERS) from error

    def _run(self, operation: Callable[[], Any], what: str) -> Any:
        import duckdb

        try:
            result = operation()
        except BaseException as error:
            with suppress(duckdb.Error):  # the transaction may have ended with the error
                self._con.execute("ROLLBACK")
            self._begin()
            for before in self._done:
                before()
            if isinstance(error, duckdb.Error):
                raise refused(self._place, error, what) from error
            raise
        self._done.append(operation)
        return result


def execute(con: "duckdb.DuckDBPyConnection", sql: str) -> None:
    """Statements without a result, sent as they are."""
    con.execute("CALL postgres_execute(?, ?)", [ALIAS, sql]).fetchall()


def rows(con: "duckdb.DuckDBPyConnection", sql: str) -> list[tuple[Any, ...]]:
    return con.execute("FROM postgres_query(?, ?)", [ALIAS, sql]).fetchall()


def _has_own(con: "duckdb.DuckDBPyConnection", schema: str) -> bool:
    """Whether the three tables of our own are there: a role that may not create tables can load into adopted ones."""
    own = ", ".join(f"to_regclass({literal(f'{quote(schema)}.{name}')})" for name in ddl.OWN)
    return bool(rows(con, f"SELECT num_nulls({own}) = 0 AS there")[0][0])


def _with_nul(merge: Merge, source: str) -> list[str]:
    import duckdb

    texts = [column.name for column in merge.table.stored if column.type == "VARCHAR" or column.type[-1] in ")]N"]
    marks = ", ".join(f"bool_or(contains(CAST({quote(name)} AS VARCHAR), chr(0)))" for name in texts)
    with duckdb.connect() as con:
        found = con.execute(f"SELECT {marks} FROM ({source})").fetchone() or ()
    return [name for name, has in zip(texts, found, strict=True) if has]
