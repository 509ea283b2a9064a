"""What changed between the rows held and the rows there are now; DuckDB compares, no row passes through Python."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catchwater.errors import ModelFailed
from catchwater.lake.read import KEYLESS_KEY
from catchwater.project.names import literal, quote

if TYPE_CHECKING:
    import duckdb


MOST_KEYS = 2_000_000  # that are held at once where all are looked at


@dataclass(frozen=True)
class Counts:
    added: int = 0
    changed: int = 0
    removed: int = 0

    @property
    def upserts(self) -> int:
        return self.added + self.changed


def difference(
    con: "duckdb.DuckDBPyConnection",
    new: str,
    held: str,
    columns: Sequence[str],
    key: Sequence[str],
    into: str,
) -> Counts:
    """Make the temporary relations `<into>_upserts` and `<into>_removed` that lead from `held` to `new`.

    `new`, `held` and `into` are unquoted names of relations that each have `columns`, in any order; make `new` a
    table, since it is read more than once. With a key: the rows of `new` that `held` lacks or has with another
    value (IS DISTINCT FROM: NULL and NaN equal themselves), and the rows of `held` whose key is gone. With an empty
    key both are multisets: the two tables have `_version` (hash of the row) and `_occurrence` (from 1 among equal
    rows) after the columns, and so must `held`. Raises ModelFailed when a key of `new` is NULL or stands twice."""
    if key:
        check_key(con, new, key)
        return _keyed(con, (new, held), columns, key, into)
    return _keyless(con, (new, held), columns, into)


def check_key(con: "duckdb.DuckDBPyConnection", relation: str, key: Sequence[str]) -> None:
    """Raises ModelFailed naming a key value that is NULL or stands more than once, and how often."""
    names = ", ".join(quote(name) for name in key)
    missing = " OR ".join(f"{quote(name)} IS NULL" for name in key)
    label = f"({', '.join(key)})" if len(key) > 1 else key[0]
    rows, nulls = _row(con, f"SELECT count(*), count(*) FILTER ({missing}) FROM {quote(relation)}")
    if nulls:
        raise ModelFailed(
            f"the key {label} is NULL in {nulls} {'row' if nulls == 1 else 'rows'}",
            where=relation,
            next_step="choose a key that is always there, or leave those rows out in the SELECT",
        )
    parts = rows // MOST_KEYS + 1
    for part in range(parts):
        among = f"WHERE hash({names}) % {parts} = {part}" if parts > 1 else ""
        twice = con.execute(
            f"SELECT {names}, count(*) AS n FROM {quote(relation)} {among} GROUP BY {names} HAVING count(*) > 1 "
            f"ORDER BY ALL LIMIT 1"
        ).fetchone()
        if twice is None:
            continue
        value = ", ".join(repr(part) if isinstance(part, str) else str(part) for part in twice[:-1])[:200]
        raise ModelFailed(
            f"the key {label} isn't unique: {value} stands {twice[-1]} times",
            where=relation,
            next_step="choose a key that is unique, or remove the duplicates in the SELECT",
        )


def _keyed(
    con: "duckdb.DuckDBPyConnection", pair: tuple[str, str], columns: Sequence[str], key: Sequence[str], into: str
) -> Counts:
    new, held = (quote(name) for name in pair)
    fields = ", ".join(f"n.{quote(name)}" for name in columns)
    match = " AND ".join(f"n.{quote(name)} = h.{quote(name)}" for name in key)
    differs = " OR ".join(_differences(con, pair[0], columns, key)) or "false"
    upserts, removed, changed = (quote(f"{into}_{name}") for name in ("upserts", "removed", "changed"))
    keys = ", ".join(f"n.{quote(name)}" for name in key)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {removed} AS SELECT {fields} FROM {held} AS n ANTI JOIN {new} AS h ON {match}"
    )
    gone = _count(con, f"SELECT count(*) FROM {removed}")
    kept = _count(con, f"SELECT count(*) FROM {held}") - gone
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {changed} AS "
        f"SELECT {keys} FROM {new} AS n LEFT JOIN {held} AS h ON {match} "
        f"WHERE h.{quote(key[0])} IS NULL OR {differs}"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW {upserts} AS SELECT {fields} FROM {new} AS n SEMI JOIN {changed} AS h ON {match}"
    )
    total = _count(con, f"SELECT count(*) FROM {changed}")
    added = _count(con, f"SELECT count(*) FROM {new}") - kept
    return Counts(added=added, changed=total - added, removed=gone)


def _differences(
    con: "duckdb.DuckDBPyConnection", relation: str, columns: Sequence[str], key: Sequence[str]
) -> Iterator[str]:
    """Conditions of which one is true when a row of `n` isn't bit by bit that of `h` with its key: 0.0 and -0.0, or
    a month and thirty days, are equal to DuckDB."""
    types = _types(con, relation)
    for name in columns:
        kind, new, held = types[name.lower()], f"n.{quote(name)}", f"h.{quote(name)}"
        if name not in key:
            yield f"{new} IS DISTINCT FROM {held}"
        if kind in ("FLOAT", "DOUBLE"):
            yield f"({new} = 0 AND signbit({new}) <> signbit({held}))"
        elif any(word in kind for word in ("FLOAT", "DOUBLE", "INTERVAL")):
            yield f"{new}::VARCHAR IS DISTINCT FROM {held}::VARCHAR"


def _types(con: "duckdb.DuckDBPyConnection", relation: str) -> dict[str, str]:
    described = con.execute(f"SELECT lower(column_name), column_type FROM (DESCRIBE {quote(relation)})").fetchall()
    return dict(described)


def _keyless(con: "duckdb.DuckDBPyConnection", pair: tuple[str, str], columns: Sequence[str], into: str) -> Counts:
    """Only the hashes of rows are counted and compared; of equal rows the last are those too many or too few."""
    fields = ", ".join(quote(name) for name in columns)
    upserts, removed, changed = (quote(f"{into}_{name}") for name in ("upserts", "removed", "changed"))
    hashed, moved = quote(f"{into}_hashed"), quote(f"{into}_moved")
    version, occurrence = (quote(name) for name in KEYLESS_KEY)
    new, held = quote(pair[0]), quote(pair[1])
    now, before = quote("#now"), quote("#before")
    with _utc(con):
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE {hashed} AS "
            f"SELECT {fields}, {row_hash(con, pair[0], columns)} AS {version} FROM {new}"
        )
    counted = f"SELECT {version}, count(*) AS n FROM {{}} GROUP BY {version}"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {moved} AS SELECT {version}, coalesce(n.n, 0) AS {now}, "
        f"coalesce(h.n, 0) AS {before} "
        f"FROM ({counted.format(hashed)}) AS n FULL JOIN ({counted.format(held)}) AS h USING ({version}) "
        "WHERE n.n IS DISTINCT FROM h.n"
    )
    one = f"SELECT {version} FROM {moved} WHERE {now} = 1 AND {before} = 0"
    more = f"SELECT {version}, {now}, {before} FROM {moved} WHERE {now} > {before} AND {now} > 1"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {changed} AS "
        f"SELECT {fields}, {version}, 1::INTEGER AS {occurrence} FROM {hashed} SEMI JOIN ({one}) USING ({version}) "
        f"UNION ALL SELECT {fields}, {version}, unnest(range({before} + 1, {now} + 1))::INTEGER FROM "
        f"(SELECT DISTINCT ON ({version}) * FROM {hashed} JOIN ({more}) USING ({version}))"
    )
    con.execute(f"CREATE OR REPLACE TEMP VIEW {upserts} AS FROM {changed}")
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {removed} AS SELECT {fields}, {version}, {occurrence} "
        f"FROM {held} JOIN (SELECT {version}, {now} FROM {moved} WHERE {now} < {before}) USING ({version}) "
        f"WHERE {occurrence} > {now}"
    )
    count = [_count(con, f"SELECT count(*) FROM {name}") for name in (upserts, removed)]
    con.execute(f"DROP TABLE {hashed}; DROP TABLE {moved}")
    return Counts(added=count[0], removed=count[1])


def row_hash(con: "duckdb.DuckDBPyConnection", relation: str, columns: Sequence[str]) -> str:
    """An expression that gives 32 hexadecimal digits of the SHA-256 of a row's values, written so that different
    rows have different texts. The session's time zone must be UTC."""
    types = _types(con, relation)
    parts = [_text(quote(name), types[name.lower()]) for name in columns]
    return f"left(sha256(concat_ws(',', {', '.join(parts)})), 32)"


def _text(name: str, kind: str) -> str:
    """A text with its length in front, so that neither a comma nor the word NULL can be mistaken."""
    nested = any(mark in kind for mark in ("[", "STRUCT", "MAP", "UNION"))
    # to_json marks where a text ends inside a nested value, the plain text tells what JSON rounds
    text = f"concat({name}::VARCHAR, to_json({name})::VARCHAR)" if nested else f"{name}::VARCHAR"
    return f"CASE WHEN {name} IS NULL THEN '-' ELSE concat(strlen({text}), ':', {text}) END"


@contextmanager
def _utc(con: "duckdb.DuckDBPyConnection") -> Iterator[None]:
    (zone,) = _row(con, "SELECT current_setting('TimeZone')")
    con.execute("SET TimeZone = 'UTC'")
    try:
        yield
    finally:
        con.execute(f"SET TimeZone = {literal(zone)}")


def _count(con: "duckdb.DuckDBPyConnection", sql: str) -> int:
    (count,) = _row(con, sql)
    return int(count)


def _row(con: "duckdb.DuckDBPyConnection", sql: str) -> tuple[Any, ...]:
    row = con.execute(sql).fetchone()
    if row is None:
        raise ModelFailed("a count gave no row", where=sql)
    return row
