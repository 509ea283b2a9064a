"""Two relations of one DuckDB connection held against each other, row by row; what is right isn't decided here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from catchwater.lake.difference import check_key
from catchwater.lake.hashed import content_hash
from catchwater.lake.hashed import differing as groups_differing
from catchwater.project.names import literal, quote

if TYPE_CHECKING:
    import duckdb

KINDS = ("added", "removed", "changed")
_PAIR = ("#old", "#new")  # the rows among which something differs
_DIFFERS, _KIND, _FLAGS = "#differs", "_removed", "_occurrence"  # the last two are names that no column of a model has


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
    for relation in pair if key else ():
        check_key(con, relation, key)
    row = content_hash(columns)
    among = groups_differing(con, [quote(name) for name in pair], f"hash({_list(key)})" if key else row, row)
    if among is None:
        return Differing(rows)
    for name, relation in zip(_PAIR, pair, strict=True):
        con.execute(f"CREATE OR REPLACE TEMP VIEW {quote(name)} AS FROM {quote(relation)}{among}")
    pair = _PAIR
    if not key:
        return _multisets(con, pair, list(columns), rows, examples)
    _create_differs(con, pair, list(columns), key)
    rest = [name for name in columns if name not in key]
    sums = ", ".join(f"count(*) FILTER ({_FLAGS}[{number}])" for number in range(1, len(rest) + 1))
    counts = dict(con.execute(f"SELECT {_KIND}, count(*) FROM {quote(_DIFFERS)} GROUP BY ALL").fetchall())
    found: tuple[Any, ...] = ()
    if rest and counts.get("changed"):
        only = f"{_KIND} = 'changed'"
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
    gone, fresh = f"n.{quote(key[0])} IS NULL", f"o.{quote(key[0])} IS NULL"
    kind = f"CASE WHEN {gone} THEN 'removed' WHEN {fresh} THEN 'added' ELSE 'changed' END"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {quote(_DIFFERS)} AS SELECT {both}, {kind} AS {_KIND}, "
        f"[{', '.join(flags)}]::BOOLEAN[] AS {_FLAGS} "
        f"FROM {old} AS o FULL JOIN {new} AS n ON {match} WHERE {' OR '.join([gone, fresh, *flags])}"
    )


def _examples(
    con: "duckdb.DuckDBPyConnection", pair: tuple[str, str], columns: Sequence[str], key: Sequence[str], most: int
) -> tuple[Example, ...]:
    """Some of each kind, by key; changed rows first, for they say the most."""
    if not most:
        return ()
    rest = [name for name in columns if name not in key]
    by = _list(key)
    each = f"row_number() OVER (PARTITION BY {_KIND} ORDER BY {by})"
    some = f"(FROM {quote(_DIFFERS)} QUALIFY {each} <= {most})"
    label = ", ".join(f"{literal(name + ' = ')} || d.{quote(name)}::VARCHAR" for name in key)
    parts = [
        f"CASE WHEN d.{_KIND} = 'changed' AND d.{_FLAGS}[{number}] THEN "
        f"[o.{quote(name)}::VARCHAR, n.{quote(name)}::VARCHAR] END"
        for number, name in enumerate(rest, 1)
    ]
    joins = [
        f"LEFT JOIN {quote(relation)} AS {alias} ON "
        + " AND ".join(f"{alias}.{quote(name)} = d.{quote(name)}" for name in key)
        for relation, alias in zip(pair, "on", strict=True)
    ]
    order = ", ".join(f"d.{quote(name)}" for name in key)
    rows = con.execute(
        f"SELECT d.{_KIND}, concat_ws(', ', {label}) AS label{''.join(f', {part}' for part in parts)} "
        f"FROM {some} AS d {' '.join(joins)} "
        f"ORDER BY list_position(['changed', 'added', 'removed'], d.{_KIND}), {order}"
    ).fetchall()
    return tuple(
        Example(kind, text, {name: (pair[0], pair[1]) for name, pair in zip(rest, values, strict=True) if pair})
        for kind, text, *values in rows
    )


def _multisets(
    con: "duckdb.DuckDBPyConnection", pair: tuple[str, str], columns: Sequence[str], rows: int, most: int
) -> Differing:
    fields = _list(columns)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {quote(_DIFFERS)} AS SELECT {fields}, sum({_KIND})::BIGINT AS {_KIND} FROM "
        f"(SELECT {fields}, 1 AS {_KIND} FROM {quote(pair[1])} UNION ALL "
        f"SELECT {fields}, -1 FROM {quote(pair[0])}) GROUP BY {fields} HAVING sum({_KIND}) <> 0"
    )
    added = _number(con, f"SELECT coalesce(sum({_KIND}), 0) FROM {quote(_DIFFERS)} WHERE {_KIND} > 0")
    removed = _number(con, f"SELECT coalesce(-sum({_KIND}), 0) FROM {quote(_DIFFERS)} WHERE {_KIND} < 0")
    label = ", ".join(f"{literal(name + ' = ')} || coalesce({quote(name)}::VARCHAR, 'NULL')" for name in columns)
    kind = f"CASE WHEN {_KIND} > 0 THEN 'added' ELSE 'removed' END"
    shown = con.execute(
        f"SELECT {kind}, left(concat_ws(', ', {label}), 300) FROM {quote(_DIFFERS)} "
        f"QUALIFY row_number() OVER (PARTITION BY {_KIND} > 0 ORDER BY {fields}) <= {most} ORDER BY 1, 2"
    ).fetchall()
    con.execute(f"DROP TABLE {quote(_DIFFERS)}")
    return Differing(rows, added, removed, examples=tuple(Example(kind, text) for kind, text in shown))


def _list(columns: Sequence[str]) -> str:
    return ", ".join(quote(name) for name in columns)


def _number(con: "duckdb.DuckDBPyConnection", sql: str) -> int:
    row = con.execute(sql).fetchone()
    return int(row[0]) if row else 0
