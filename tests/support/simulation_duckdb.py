"""One DuckDB instance for all connections of simulated processes in memory: opening an instance takes 9 ms."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import Any
from unittest import mock

import duckdb

from tests.support.simulation import current

_own: ContextVar[bool] = ContextVar("own", default=False)


class _Shared:
    """A connection with a catalogue of its own in the one instance."""

    def __init__(self, instance: Any, name: str) -> None:
        self._cursor, self._name = instance.cursor(), name
        self._cursor.execute(f"ATTACH ':memory:' AS {name}; USE {name}; SET TimeZone = 'UTC'")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, sql: str, *parameters: Any) -> Any:
        if sql.startswith(("SET allowed_directories", "SET enable_external_access")):
            return self
        return self._cursor.execute(sql, *parameters)

    def cursor(self) -> Any:
        made = self._cursor.cursor()
        made.execute(f"USE {self._name}; SET TimeZone = 'UTC'")
        return made

    def close(self) -> None:
        if self._name:
            self._cursor.execute(
                f"ROLLBACK; USE memory; DETACH {self._name}" if self._busy() else f"USE memory; DETACH {self._name}"
            )
            self._cursor.close()
            self._name = ""

    def _busy(self) -> bool:
        try:
            self._cursor.execute("BEGIN")
        except duckdb.Error:
            return True
        self._cursor.execute("ROLLBACK")
        return False

    def __enter__(self) -> "_Shared":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def one_instance() -> Iterator[None]:
    """`duckdb.connect` of a simulated process in memory leads to one shared instance."""
    connect = duckdb.connect
    instance = connect(config={"threads": 1})
    numbers = count(1)

    def connected(database: str = ":memory:", *more: Any, **named: Any) -> Any:
        if database != ":memory:" or current() is None or _own.get():
            return connect(database, *more, **named)
        return _Shared(instance, f"own_{next(numbers)}")

    with mock.patch.object(duckdb, "connect", connected), instance:
        yield


@contextmanager
def instance_of_its_own() -> Iterator[None]:
    """Within, connections are as they always are."""
    token = _own.set(True)
    try:
        yield
    finally:
        _own.reset(token)
