"""Two relations of one DuckDB connection held against each other, row by row; what is right isn't decided here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from catchwater.lake.difference import check_key
from catchwater.project.names import literal, quote

if TYPE_CHECKING:
    import duckdb

KINDS = ("added", "removed", "changed")
_DIFFERS, _KIND = "#differs", "#kind"


@dataclass(frozen=True)
class Example:
    """One row that differs: `key` as text, `values` by column as (old, new), both as text, where they differ."""

    kind: str
    key: str
    values: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Differing:
    """`added` rows stand in the new relation only, `removed` in the old only; `columns` → in how many of the
    `changed` rows it differs. Rows without a key are added or removed, never changed."""

    rows: int
    added: int = 0
    removed: int = 0
    changed: int = 0
    columns: Mapping[str, int] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()

    @property
    def total(self) -> int:
        return self.added + self.removed + self.changed


def differing(
    con: "duckdb.DuckDBPyConnection",
    pair: tuple[str, str],
    columns: Mapping[str, str],
    key: Sequence[str],
    examples: int = 5,
) -> Differing:
    """What leads from the old to the new of `pair` (unquoted names of relations), which both have the `columns`
    (name → type), without a key compared as multisets.

    NULL and NaN equal themselves. Raises ModelFailed when a key is NULL or stands twice."""
    rows = _number(con, f"SELECT count(*) FROM {quote(pair[1])}")
    if not key:
        return _multisets(con, pair, list(columns), rows, examples)
    for relation in pair:
        check_key(con, relation, key)
    _create_differs(con, pair, list(columns), key)
    rest = [name for name in columns if name not in key]
    sums = ", ".join(f"count(*) FILTER (d{number})" for number in range(len(rest)))
    counts = dict(con.execute(f"SELECT {quote(_KIND)}, count(*) FROM {quote(_DIFFERS)} GROUP BY ALL").fetchall())
    found: tuple[Any, ...] = ()
    if rest and counts.get("changed"):
        only = f"{quote(_KIND)} = 'changed'"
        found = con.execute(f"SELECT {sums} FROM {quote(_DIFFERS)} WHERE {only}").fetchone() or ()
    by_column = {name: int(count) for name, count in zip(rest, found, strict=False) if count}
    shown = _examples(con, pair, list(columns), key, examples)
    con.execute(f"DROP TABLE {quote(_DIFFERS)}")
    added, removed, changed = (int(counts.get(kind, 0)) for kind in KINDS)
    return Differing(rows, added, removed, changed, by_column, shown)


def _create_differs(
    con: "duckdb.DuckDBPyConnection", pair: tuple[str, str], columns: Sequence[str], key: Sequence[str]
) -> None:
    """`#differs`: the keys of the rows that aren't the same, why, and which columns; no values, so it stays narrow."""
    old, new = (quote(name) for name in pair)
    match = " AND ".join(f"o.{quote(name)} = n.{quote(name)}" for name in key)
    both = ", ".join(f"coalesce(o.{quote(name)}, n.{quote(name)}) AS {quote(name)}" for name in key)
    flags = [f"o.{quote(name)} IS DISTINCT FROM n.{quote(name)}" for name in columns if name not in key]
    named = "".join(f", {flag} AS d{number}" for number, flag in enumerate(flags))
    gone, fresh = f"n.{quote(key[0])} IS NULL", f"o.{quote(key[0])} IS NULL"
    kind = f"CASE WHEN {gone} THEN 'removed' WHEN {fresh} THEN 'added' ELSE 'changed' END"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {quote(_DIFFERS)} AS SELECT {both}, {kind} AS {quote(_KIND)}{named} "
        f"FROM {old} AS o FULL JOIN {new} AS n ON {match} WHERE {' OR '.join([gone, fresh, *flags])}"
    )


def _examples(
    con: "duckdb.DuckDBPyConnection", pair: tuple[str, str], columns: Sequence[str], key: Sequence[str], most: int
) -> tuple[Example, ...]:
    """Some of each kind, by key; changed rows first, for they say the most."""
    if not most:
        return ()
    rest = [name for name in columns if name not in key]
    by = ", ".join(quote(name) for name in key)
    each = f"row_number() OVER (PARTITION BY {quote(_KIND)} ORDER BY {by})"
    some = f"(FROM {quote(_DIFFERS)} QUALIFY {each} <= {most})"
    label = ", ".join(f"{literal(name + ' = ')} || d.{quote(name)}::VARCHAR" for name in key)
    parts = [
        f"CASE WHEN d.{quote(_KIND)} = 'changed' AND d.d{number} THEN "
        f"[o.{quote(name)}::VARCHAR, n.{quote(name)}::VARCHAR] END"
        for number, name in enumerate(rest)
    ]
    joins = [
        f"LEFT JOIN {quote(relation)} AS {alias} ON "
        + " AND ".join(f"{alias}.{quote(name)} = d.{quote(name)}" for name in key)
        for relation, alias in zip(pair, "on", strict=True)
    ]
    order = ", ".join(f"d.{quote(name)}" for name in key)
    rows = con.execute(
        f"SELECT d.{quote(_KIND)}, concat_ws(', ', {label}) AS label{''.join(f', {part}' for part in parts)} "
        f"FROM {some} AS d {' '.join(joins)} "
        f"ORDER BY list_position(['changed', 'added', 'removed'], d.{quote(_KIND)}), {order}"
    ).fetchall()
    return tuple(
        Example(kind, text, {name: (pair[0], pair[1]) for name, pair in zip(rest, values, strict=True) if pair})
        for kind, text, *values in rows
    )


def _multisets(
    con: "duckdb.DuckDBPyConnection", pair: tuple[str, str], columns: Sequence[str], rows: int, most: int
) -> Differing:
    fields = ", ".join(quote(name) for name in columns)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {quote(_DIFFERS)} AS SELECT {fields}, sum(i)::BIGINT AS i FROM "
        f"(SELECT {fields}, 1 AS i FROM {quote(pair[1])} UNION ALL SELECT {fields}, -1 FROM {quote(pair[0])}) "
        f"GROUP BY {fields} HAVING sum(i) <> 0"
    )
    added = _number(con, f"SELECT coalesce(sum(i), 0) FROM {quote(_DIFFERS)} WHERE i > 0")
    removed = _number(con, f"SELECT coalesce(-sum(i), 0) FROM {quote(_DIFFERS)} WHERE i < 0")
    label = ", ".join(f"{literal(name + ' = ')} || coalesce({quote(name)}::VARCHAR, 'NULL')" for name in columns)
    shown = con.execute(
        f"SELECT CASE WHEN i > 0 THEN 'added' ELSE 'removed' END, left(concat_ws(', ', {label}), 300) AS label "
        f"FROM {quote(_DIFFERS)} QUALIFY row_number() OVER (PARTITION BY i > 0 ORDER BY label) <= {most} ORDER BY ALL"
    ).fetchall()
    con.execute(f"DROP TABLE {quote(_DIFFERS)}")
    return Differing(rows, added, removed, examples=tuple(Example(kind, text) for kind, text in shown))


def _number(con: "duckdb.DuckDBPyConnection", sql: str) -> int:
    row = con.execute(sql).fetchone()
    return int(row[0]) if row else 0
