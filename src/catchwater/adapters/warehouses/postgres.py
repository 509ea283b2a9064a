"""The Postgres warehouse, reached through DuckDB: a load is one transaction of the server's, markers included."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, cast

from catchwater.adapters.warehouses import postgres_ddl as ddl
from catchwater.adapters.warehouses.postgres_place import ALIAS, Place, attach, instance, place, refused
from catchwater.adapters.warehouses.postgres_session import PostgresSession, rows
from catchwater.adapters.warehouses.reading import OpenReading, ReadingCursor
from catchwater.errors import WarehouseError
from catchwater.ports import Settings, Version
from catchwater.project.names import literal, quote
from catchwater.project.schema import PostgresWarehouse as Spec

if TYPE_CHECKING:
    import duckdb


class PostgresWarehouse:
    """Tables in one schema of somebody's database; those that exist with the declared columns are adopted.

    `patience` is how long a load waits for a lock, in seconds.
    """

    def __init__(self, name: str, spec: Spec, settings: Settings, *, patience: float = 30.0) -> None:
        self.name, self.spec, self.settings, self.patience = name, spec, settings, patience
        self.folder = settings.state / "warehouse"
        self._root: duckdb.DuckDBPyConnection | None = None
        self._idle: duckdb.DuckDBPyConnection | None = None
        self._seen: int | None = None
        self._opening = threading.Lock()

    def version(self) -> Version | None:
        """What is loaded; None before the first load."""
        with self._transaction() as cursor:
            return self._version(cursor)

    @contextmanager
    def read(self) -> Iterator[OpenReading]:
        """One repeatable-read transaction of the server's, which may only read."""
        with self._transaction() as cursor:
            version = self._version(cursor)
            if version is None:
                raise WarehouseError("nothing is loaded yet", where=self._place().where, next_step="catchwater run")
            if version.number != self._seen:
                cursor.execute("CALL pg_clear_cache()")
                self._seen = version.number
            cursor.execute(f"USE {ALIAS}.{quote(self.spec.schema_name)}")
            yield OpenReading(version, cast("duckdb.DuckDBPyConnection", ReadingCursor(cursor)))

    @contextmanager
    def load(self, cut: Mapping[str, tuple[int, str]]) -> Iterator[PostgresSession]:
        """Readers see all of a load or nothing. What is published is what the session's markers say at its end."""
        import duckdb

        at = self._place()
        with self._opening:
            con, self._idle = self._idle or instance(self.folder), None
        try:
            attach(con, at, write=True)
            session = PostgresSession(con, at, self.patience)
            yield session
            session.finish()
            con.execute(f"DETACH {ALIAS}")
        except BaseException as error:
            _shut(con)
            if isinstance(error, duckdb.Error):
                raise refused(at, error) from error
            raise
        with self._opening:
            self._idle, con = con, self._idle or con
        if con is not self._idle:
            con.close()

    def close(self) -> None:
        with self._opening:
            for con in (self._root, self._idle):
                if con is not None:
                    con.close()
            self._root = self._idle = None

    def _version(self, cursor: "duckdb.DuckDBPyConnection") -> Version | None:
        import duckdb

        try:
            return _version(cursor, self.spec.schema_name)
        except duckdb.Error as error:
            raise refused(self._place(), error) from error

    def _place(self) -> Place:
        """Resolved at each use: a secret may have been rotated. Raises SecretMissing."""
        return place(self.spec, self.settings)

    def _connect(self) -> "duckdb.DuckDBPyConnection":
        con = instance(self.folder)
        try:
            attach(con, self._place(), write=False)
        except BaseException:
            con.close()
            raise
        return con

    @contextmanager
    def _transaction(self) -> "Iterator[duckdb.DuckDBPyConnection]":
        cursor = self._begun()
        try:
            yield cursor
        finally:
            _shut(cursor)

    def _begun(self) -> "duckdb.DuckDBPyConnection":
        """A cursor inside a transaction; a connection that the server has dropped is made anew, once."""
        import duckdb

        for again in (True, False):
            with self._opening:
                root = self._root = self._root or self._connect()
                cursor = root.cursor()
            try:
                cursor.execute("BEGIN")
                rows(cursor, "SELECT 1 AS one")
                return cursor
            except duckdb.Error as error:
                _shut(cursor)
                if not again:
                    raise refused(self._place(), error) from error
                with self._opening:
                    self._root = None if self._root is root else self._root
        raise AssertionError("the second attempt returns or raises")


def _shut(con: "duckdb.DuckDBPyConnection") -> None:
    """Closing a connection inside a transaction that the server has ended would end this process (DuckDB 1.5)."""
    import duckdb

    with suppress(duckdb.Error):
        con.execute("ROLLBACK")
    con.close()


def _version(cursor: "duckdb.DuckDBPyConnection", schema: str) -> Version | None:
    own = quote(schema)
    name = literal(f"{own}.{ddl.VERSIONS}")
    if not rows(cursor, f"SELECT to_regclass({name}) IS NOT NULL AS there")[0][0]:
        return None
    numbers = rows(cursor, f"SELECT number FROM {own}.{ddl.VERSIONS}")
    if not numbers:
        return None
    marks = rows(cursor, f"SELECT log, seq, hash FROM {own}.{ddl.MARKERS}")
    models = dict(rows(cursor, f"SELECT name, shape FROM {own}.{ddl.MODELS}"))
    return Version(int(numbers[0][0]), {log: (int(seq), digest) for log, seq, digest in marks}, models)
