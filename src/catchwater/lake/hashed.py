"""Hashes of rows, by which two sides are compared in DuckDB; what is done about a difference isn't known here."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from catchwater.project.names import quote

if TYPE_CHECKING:
    import duckdb

GROUPS = 1 << 16

# Types whose values DuckDB's own hash tells apart. It takes 0 and -1 of a wide integer, uuids with halves swapped, two
# zeros with other signs, and a month and thirty days for the same.
_PLAIN = {
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "VARCHAR",
    "BLOB", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS",
    "MAP(VARCHAR, VARCHAR)",
}  # fmt: skip
_DIFFERING = quote("#differing")
_NARROW = 18  # digits of a decimal that is held in 64 bits


def content_hash(columns: Mapping[str, str]) -> str:
    """An expression of 64 bits over columns (name → type): rows that differ in a bit of a value have another, but for
    one pair in 2^64."""
    return (
        f"hash({', '.join(_hashed(quote(name), kind) for name, kind in columns.items())})" if columns else "0::UBIGINT"
    )


def differing(con: "duckdb.DuckDBPyConnection", pair: Sequence[str], group: str, row: str) -> str | None:
    """What stands after FROM and either relation of `pair` to have the rows among which something differs: '' for all
    rows, None when nothing does. Each is read once, in memory that doesn't follow its size.

    `group` and `row` are hashes of a row: of what leads to the row on the other side, and of all that is compared."""
    by = f"({group}) % {GROUPS}"
    sums = [f"SELECT {by} AS g, count(*) AS n, sum(({row})::HUGEINT) AS s FROM {one} GROUP BY 1" for one in pair]
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {_DIFFERING} AS SELECT g FROM ({sums[0]}) AS a FULL JOIN ({sums[1]}) AS b "
        "USING (g) WHERE (a.n, a.s) IS DISTINCT FROM (b.n, b.s)"
    )
    found = con.execute(f"SELECT count(*) FROM {_DIFFERING}").fetchone()
    if not found or not found[0]:
        return None
    return "" if found[0] > GROUPS // 4 else f" WHERE {by} IN (FROM {_DIFFERING})"


def _hashed(name: str, kind: str) -> str:
    if kind in _PLAIN:
        return name
    if kind in ("FLOAT", "DOUBLE"):
        return f"{name}, {name} = 0 AND signbit({name})"
    if kind.startswith("DECIMAL(") and kind.endswith(")") and int(kind[8:].partition(",")[0]) <= _NARROW:
        return name
    nested = any(mark in kind for mark in ("[", "STRUCT", "MAP", "UNION"))
    return f"{name}, {name}::VARCHAR" if nested else f"{name}::VARCHAR"
