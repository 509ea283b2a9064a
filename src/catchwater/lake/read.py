"""What readers see of a log: DuckDB views over the files that its manifests name, and over nothing else."""

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from catchwater.errors import LakeError
from catchwater.lake.files import Piece, batch_pieces, rolled_pieces
from catchwater.lake.files import forget as forget
from catchwater.lake.files import locate as locate
from catchwater.lake.files import paths as paths
from catchwater.lake.files import url_of as url_of
from catchwater.lake.files import verify as verify
from catchwater.lake.manifest import Manifest
from catchwater.lake.span import Span, originals, rolled
from catchwater.lake.versions import HISTORY_COLUMNS as HISTORY_COLUMNS
from catchwater.lake.versions import KEYLESS_COLUMNS as KEYLESS_COLUMNS
from catchwater.lake.versions import KEYLESS_KEY as KEYLESS_KEY
from catchwater.lake.versions import OWN, fields, groups, keys, own_number, revisions, scan, union, unused, versions
from catchwater.ports import Store
from catchwater.project.names import quote
from catchwater.project.tables import Column

if TYPE_CHECKING:
    import duckdb


def create_history(
    con: "duckdb.DuckDBPyConnection",
    view: str,
    store: Store,
    batches: Sequence[Manifest],
    table: str,
    columns: Sequence[Column] | None = None,
) -> tuple[Column, ...]:
    """A temporary view, named `view` (unquoted), over every version of a source's table in these batches.

    It has `columns` (default: the newest schema in the batches), for a table without key `_occurrence INTEGER`,
    then HISTORY_COLUMNS; `_id` is `_seq << 24 | row in batch`. A version stands there once: a revision of it gives its
    values and `_version` under its first number, also where the version itself is in none of these batches. A column
    that an older file lacks is NULL, one of another type is cast, and what can't be cast is NULL with its text in
    `_exact`. A Span is read from its checkpoint. Returns the table's columns.
    Raises Corrupt, NotFound, and LakeError when neither batches nor `columns` tell the table's shape."""
    columns = tuple(columns) if columns is not None else schema(batches, table)
    before, later = _split(store, batches, table, "history")
    _create(con, view, _each_version([*before, *later], columns, _extra(batches, table)))
    return columns


def create_current(con: "duckdb.DuckDBPyConnection", view: str, history_view: str, key: Sequence[str]) -> None:
    """A temporary view over the newest version of each key in a history view, deleted ones absent.

    Same columns as the history. An empty `key` means a table whose rows are kept as a multiset: its versions are
    identified by KEYLESS_KEY, `_version` being the row's hash and `_occurrence` its number among equal rows; a
    delete carries the same two. Only keys are aggregated, never whole versions; `create_rows` aggregates less."""
    _create(con, view, _newest(quote(history_view), key))


def create_rows(
    con: "duckdb.DuckDBPyConnection",
    view: str,
    store: Store,
    batches: Sequence[Manifest],
    table: str,
    columns: Sequence[Column] | None = None,
    key: Sequence[str] = (),
) -> tuple[Column, ...]:
    """A temporary view over the rows now current of a source's table: as `create_current` over `create_history`.

    Only the keys of the batches after the checkpoint (or after the first batches, where these have as many versions as
    the table had rows) are held in memory: what stands before is read past them. Returns, raises as create_history."""
    columns = tuple(columns) if columns is not None else schema(batches, table)
    extra = _extra(batches, table)
    before, later = _split(store, batches, table, "current")
    _create(con, view, current_rows(before, later, columns, extra, key))
    return columns


def current_rows(
    before: Sequence[Piece],
    later: Sequence[Piece],
    columns: Sequence[Column],
    extra: Sequence[Column],
    key: Sequence[str],
) -> str:
    """The SELECT of the current rows, `before` having each key once and `later` any versions that followed."""
    if not later:
        return versions(before, columns, extra)
    newest = _newest(f"({_each_version(later, columns, extra)})", key)
    if not before:
        return newest
    by = key or KEYLESS_KEY
    using = ", ".join(map(quote, by))
    moved = f"SELECT {using} FROM ({keys(later, _only(by, columns))})"
    kept = f"SELECT b.* FROM ({versions(before, columns, extra)}) AS b ANTI JOIN ({moved}) AS m USING ({using})"
    # a revision may replace what stands before, which may be the newest all the same
    if any(piece.revises for piece in later):
        every = versions(before, columns, extra, own=True)
        same = f"SELECT b.* FROM ({every}) AS b SEMI JOIN ({moved}) AS m USING ({using})"
        newest = _newest(f"({_each_version(later, columns, extra, same)})", key)
    return f"{kept} UNION ALL ({newest})"


def create_state(
    con: "duckdb.DuckDBPyConnection",
    view: str,
    store: Store,
    batches: Sequence[Manifest],
    table: str,
    columns: Sequence[Column] | None = None,
    key: Sequence[str] = (),
    among: str = "",
) -> tuple[Column, ...]:
    """A temporary view over the rows now in a model: the newest per key of its log, removed ones absent.

    It has the model's `columns` (default: the newest schema), and `_version`, `_occurrence` when `key` is empty.
    Within one batch each key stands at most once, so that a log of one batch is read without looking for newer
    versions; a Span is read from its checkpoint, past the keys of later batches. `among`, a join clause that keeps or
    drops all versions of a key, is applied before that. Returns the model's columns. Raises as create_history."""
    columns = tuple(columns) if columns is not None else schema(batches, table)
    before, later = _split(store, batches, table, "current")
    _create(con, view, state_rows(before, later, columns, key, among))
    return columns


def state_rows(
    before: Sequence[Piece], later: Sequence[Piece], columns: Sequence[Column], key: Sequence[str], among: str = ""
) -> str:
    """The SELECT of a model's rows, `before` having each key once and `later` any batches that followed."""
    visible = [*columns, *(() if key else KEYLESS_COLUMNS)]
    order, removed = (unused(name, visible) for name in ("#id", "#removed"))
    outer = ", ".join(quote(column.name) for column in visible)
    by = ", ".join(quote(name) for name in key or KEYLESS_KEY)
    kept = union(
        [f"SELECT {', '.join(fields(group[0], visible))} FROM {scan(group)}" for group in groups(before)], visible
    )
    if not later:
        return f"SELECT * FROM ({kept}) {among}"
    newest = _union_state(later, visible, order, removed)
    versions_ = f"SELECT * FROM ({newest}) {among}" if among else newest
    semi = ""
    if len({piece.base >> 24 for piece in later}) > 1:
        latest = f"SELECT max({quote(order)}) AS id FROM versions GROUP BY {by}"
        semi = f"SEMI JOIN ({latest}) AS newest ON v.{quote(order)} = newest.id"
    parts = [
        f"WITH versions AS NOT MATERIALIZED ({versions_}) "
        f"SELECT {outer} FROM versions AS v {semi} WHERE v.{quote(removed)} IS NOT TRUE"
    ]
    if before:
        moved = keys(later, _only(key or KEYLESS_KEY, visible))
        some = f"SELECT * FROM ({kept}) {among}" if among else kept
        parts.append(f"SELECT b.* FROM ({some}) AS b ANTI JOIN ({moved}) AS m USING ({by})")
    return " UNION ALL ".join(f"({part})" for part in parts) if len(parts) > 1 else parts[0]


def schema(batches: Sequence[Manifest], table: str) -> tuple[Column, ...]:
    """The table's columns in the newest of these batches that names it."""
    for manifest in reversed(batches):
        if table in manifest.tables:
            return manifest.tables[table].schema
    held = rolled(batches, table)
    if held is None:
        raise LakeError(f"no batch holds a table {table}", where=batches[-1].log if batches else "")
    return held.schema


def keyless(batches: Sequence[Manifest], table: str) -> bool:
    """Whether the newest of these batches that names the table gives it no key."""
    held = rolled(batches, table)
    without = held is not None and not held.key
    return next((not m.tables[table].key for m in reversed(batches) if table in m.tables), without)


def each_once(batches: Sequence[Manifest], table: str) -> bool:
    """Whether every version in these batches is current, as after a first load."""
    return bool(batches) and not rolled(batches, table) and loaded(batches, table) == len(batches)


def loaded(batches: Sequence[Manifest], table: str) -> int:
    """How many of the first batches of a log have together as many versions as the table had rows then: so each is of
    another row, and none a delete. Rows in quarantine are counted by some sources and held by none."""
    if not batches or batches[0].seq != 1:
        return 0
    held = [batch.tables.get(table) for batch in batches]
    sums = list(accumulate(batch.rows if batch else 0 for batch in held))
    last = 0
    for number, (batch, total) in enumerate(zip(held, sums, strict=True), 1):
        if batches[number - 1].quarantine or (batch and batch.revised):
            break
        if batch and batch.count == total and batches[number - 1].complete:
            last = number
    return last


def _split(store: Store, batches: Sequence[Manifest], table: str, kind: str) -> tuple[list[Piece], list[Piece]]:
    """The files in which each key is once, and those of the batches after them; `history` may have keys twice."""
    if isinstance(batches, Span):
        before = rolled_pieces(store, batches, table, kind)
        if before is not None:
            return before, batch_pieces(store, batches, table)
    whole = originals(batches)
    first = loaded(whole, table)
    return batch_pieces(store, whole[:first], table), batch_pieces(store, whole[first:], table)


def _extra(batches: Sequence[Manifest], table: str) -> tuple[Column, ...]:
    return KEYLESS_COLUMNS[1:] if keyless(batches, table) else ()


def _only(names: Sequence[str], columns: Sequence[Column]) -> list[Column]:
    known = {column.name.lower(): column for column in (*columns, *KEYLESS_COLUMNS)}
    return [Column(name, known[name.lower()].type) for name in names]


def _each_version(pieces: Sequence[Piece], columns: Sequence[Column], extra: Sequence[Column], more: str = "") -> str:
    """The SELECT of the newest revision of each version; without revisions, of every row."""
    if not any(piece.revises for piece in pieces):
        return versions(pieces, columns, extra)
    shown = ", ".join(f"v.{quote(column.name)}" for column in (*columns, *extra, *HISTORY_COLUMNS))
    every = versions(pieces, columns, extra, own=True) + (f" UNION ALL {more}" if more else "")
    return (
        f"SELECT {shown} FROM ({every}) AS v ANTI JOIN ({revisions(pieces)}) AS r "
        f"ON v._id = r.id AND v.{quote(OWN)} <> r.own"
    )


def _newest(source: str, key: Sequence[str]) -> str:
    by = ", ".join(quote(name) for name in key or KEYLESS_KEY)
    return (
        f"SELECT h.* FROM {source} AS h SEMI JOIN (SELECT max(_id) AS _id FROM {source} GROUP BY {by}) AS newest "
        "ON h._id = newest._id WHERE h._op <> 'delete'"
    )


def _union_state(pieces: Sequence[Piece], visible: Sequence[Column], order: str, removed: str) -> str:
    return union(
        [
            f"SELECT {', '.join(fields(group[0], visible))}, {own_number(group)} AS {quote(order)}, "
            f"_removed AS {quote(removed)} FROM {scan(group)}"
            for group in groups(pieces)
        ],
        [*visible, Column(order, "BIGINT"), Column(removed, "BOOLEAN")],
    )


def _create(con: "duckdb.DuckDBPyConnection", view: str, sql: str) -> None:
    con.execute(f"CREATE OR REPLACE TEMP VIEW {quote(view)} AS {sql}")
