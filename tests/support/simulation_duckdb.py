"""Few DuckDB instances for many simulated processes, and for the checks: to open an instance takes 10 ms."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from itertools import count
from typing import Any
from unittest import mock

import duckdb

_own: ContextVar[bool] = ContextVar("own", default=False)
_connect = duckdb.connect
_numbers = count(1)
_idle: list[Any] = []  # instances without a file
_FOR_GOOD = ("SET allowed_directories", "SET enable_external_access", "SET lock_configuration")


@cache
def instance() -> Any:
    """The one that all connections in memory lead to; for as long as Python runs."""
    return _connect(config={"threads": 1})


class _Shared:
    """A connection with a catalogue of its own in the one instance."""

    def __init__(self) -> None:
        self._cursor, self._name = instance().cursor(), f"own_{next(_numbers)}"
        self._cursor.execute(f"ATTACH ':memory:' AS {self._name}; USE {self._name}; SET TimeZone = 'UTC'")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, sql: str, *parameters: Any) -> Any:
        return self if sql.startswith(_FOR_GOOD) else self._cursor.execute(sql, *parameters)

    def cursor(self) -> Any:
        made = self._cursor.cursor()
        made.execute(f"USE {self._name}; SET TimeZone = 'UTC'")
        return made

    def close(self) -> None:
        if self._name:
            self._cursor.close()
            instance().execute(f"DETACH {self._name}")
            self._name = ""

    def __enter__(self) -> "_Shared":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Lent:
    """An instance that no other holds, until it is closed; then its file is detached, and another may have it."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._instance = (
            _idle.pop() if _idle else _connect(config={k: v for k, v in config.items() if k != "temp_directory"})
        )
        self._con: Any = self._instance.cursor()
        self._con.execute("SET temp_directory = ?", [config["temp_directory"]])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._con, name)

    def execute(self, sql: str, *parameters: Any) -> Any:
        return self if sql.startswith(_FOR_GOOD) else self._con.execute(sql, *parameters)

    def close(self) -> None:
        if self._instance is None:
            return
        lent, self._instance = self._instance, None
        self._con.close()
        try:
            found = lent.execute("SELECT database_name FROM duckdb_databases() WHERE path IS NOT NULL").fetchall()
            for (name,) in found:
                lent.execute(f"DETACH {name}")
            lent.execute("RESET preserve_insertion_order")
        except duckdb.Error:
            lent.close()
        else:
            _idle.append(lent)


@contextmanager
def one_instance() -> Iterator[None]:
    """`duckdb.connect` in memory leads to the shared instance, and where an instance of its own is wanted, to one that
    is lent."""
    shared: list[_Shared] = []

    def connected(database: str = ":memory:", *more: Any, **named: Any) -> Any:
        if _own.get() and set(named) == {"config"}:
            return _Lent(named["config"])
        if database != ":memory:" or _own.get():
            return _connect(database, *more, **named)
        shared.append(_Shared())
        return shared[-1]

    with mock.patch.object(duckdb, "connect", connected):
        try:
            yield
        finally:
            for one in shared:  # of processes that were killed
                with suppress(duckdb.Error):
                    one.close()


@contextmanager
def instance_of_its_own() -> Iterator[None]:
    """Within, a connection shares nothing with those of other processes."""
    token = _own.set(True)
    try:
        yield
    finally:
        _own.reset(token)
