"""How DuckDB keeps within little memory where rows are wide; what the rows are isn't known."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

# For rows in any order: 122,880 wide rows in a group wouldn't find room in little memory.
BY_BYTES = "ROW_GROUP_SIZE_BYTES '16MB'"
_WIDE, _MUCH = 1 << 10, 32 << 20  # bytes of a row, and of all


def any_order(con: "duckdb.DuckDBPyConnection") -> AbstractContextManager[None]:
    """Rows that come in no order are written in none, and needn't wait for each other."""
    return _setting(con, "preserve_insertion_order", "false")


def keys_hashed(con: "duckdb.DuckDBPyConnection") -> AbstractContextManager[None]:
    """What a SEMI or ANTI JOIN holds in memory is its right side, the keys. By itself DuckDB takes the side that it
    believes to have fewer rows, as wide as they are."""
    return _setting(con, "disabled_optimizers", "'build_side_probe_side'")


@contextmanager
def _setting(con: "duckdb.DuckDBPyConnection", name: str, value: str) -> Iterator[None]:
    con.execute(f"SET {name} = {value}")
    try:
        yield
    finally:
        con.execute(f"RESET {name}")


def suit_threads(con: "duckdb.DuckDBPyConnection", rows: int) -> None:
    """One thread where the rows of the temporary tables, so many, are wide: each gathers 122,880 of them for itself,
    and waits for the others' room. As many as there are cores otherwise."""
    found = con.execute(
        "SELECT sum(memory_usage_bytes + temporary_storage_bytes) FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'"
    ).fetchone()
    size = int(found[0]) if found and found[0] else 0
    con.execute("SET threads = 1" if size > max(_MUCH, rows * _WIDE) else "RESET threads")
