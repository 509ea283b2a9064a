"""One table of a log written into large files, shape by shape, as its rows were written; nothing is committed here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from catchwater.lake.files import Piece, batch_pieces, rolled_pieces
from catchwater.lake.log import Log
from catchwater.lake.manifest import File, Rolled, TableBatch
from catchwater.lake.parquet import options_of
from catchwater.lake.read import loaded
from catchwater.lake.room import BY_BYTES, any_order
from catchwater.lake.span import Span, rolled
from catchwater.lake.versions import KEYLESS_COLUMNS, KEYLESS_KEY, casts, groups, own_number, revisions, scan, union
from catchwater.project.names import literal, quote
from catchwater.project.tables import Column

if TYPE_CHECKING:
    import duckdb

LARGE, HEAVY = 1 << 23, 1 << 28  # files of so many rows, or bytes, are never written again for being small
_GROUP = 122_880  # 120 of these, and what threads write beyond them, are fewer than 2^24 rows
_FILES = (f"ROW_GROUP_SIZE {_GROUP}", BY_BYTES, "ROW_GROUPS_PER_FILE 120", "RETURN_STATS true")

Shape = tuple[object, ...]
Files = dict[Shape, tuple[File, ...]]


@dataclass(frozen=True)
class _Table:
    """One table: the rows `before` (each key once), the pieces that came `later`; `held` is what was rolled before."""

    name: str
    head: TableBatch
    held: Rolled | None
    before: list[Piece]
    later: list[Piece]

    @property
    def key(self) -> list[Column]:
        known = {column.name.lower(): column for column in (*self.head.schema, *KEYLESS_COLUMNS)}
        return [Column(name, known[name.lower()].type) for name in self.head.key or KEYLESS_KEY]

    @property
    def revised(self) -> bool:
        return any(piece.revises for piece in self.later)

    def shapes(self) -> list[Shape]:
        """The shapes of all its files, the newest first."""
        found = [_shape(self.head.schema, bool(self.head.key))]
        older = (self.held, *self.held.older) if self.held else ()
        found += [_shape(one.schema, bool(one.key)) for one in older]
        found += [_shape(piece.schema, piece.keyed) for piece in (*self.before, *self.later)]
        return list(dict.fromkeys(found))

    def kept(self, shape: Shape, kind: str) -> tuple[File, ...]:
        for one in (self.held, *self.held.older) if self.held else ():
            if _shape(one.schema, bool(one.key)) == shape:
                return tuple(file for file in (one.current if kind == "current" else one.history) if file.rows)
        return ()


class Rolling:
    """The tables of one log up to the span's last batch; `folder` takes the files until they are staged."""

    def __init__(self, con: "duckdb.DuckDBPyConnection", log: Log, span: Span, folder: Path) -> None:
        self.con, self.log, self.span, self.folder = con, log, span, folder
        self.source = log.name.startswith("ingestion/")

    def table(self, name: str) -> Rolled:
        """All rows of a table: what was rolled before and needn't change stays as it is."""
        head, held = self.span[-1].tables[name], rolled(self.span, name)
        came = any(batch.tables[name].rows for batch in self.span if name in batch.tables)
        if held and not came and (held.key, held.schema) == (head.key, head.schema):
            return held
        table = self._table(name, head, held)
        self._create_moves(table)
        grown = not self._count_of([self._row(g, self._moved(table, g, "SEMI")) for g in groups(table.before)])
        current = self._current(table, grown=grown)
        history: Files = {}
        if self.source:
            history = current if grown and self._all_current(table) else self._history(table)
        return self._rolled(table, current, history)

    def _rolled(self, table: _Table, current: Files, history: Files) -> Rolled:
        made: list[Rolled] = []
        for shape in table.shapes():
            files = current.get(shape, ()), history.get(shape, ())
            if made and not any(files):
                continue
            columns = tuple(Column(*column) for column in shape[0])  # type: ignore[attr-defined]
            key = (table.head.key or ("",)) if shape[1] else ()
            made.append(Rolled(columns, key, sum(file.rows for file in files[0]), *files))
        first = made[0]
        if not any(one.current for one in made):
            first = replace(first, current=self._nothing(table))
        if self.source and not any(one.history for one in made):
            first = replace(first, history=self._nothing(table))
        return replace(first, rows=sum(one.rows for one in made), older=tuple(made[1:]))

    def _table(self, name: str, head: TableBatch, held: Rolled | None) -> _Table:
        store, whole = self.log.store, self.span.originals
        before = rolled_pieces(store, self.span, name, "current") if held else None
        if before is not None:
            return _Table(name, head, held, before, batch_pieces(store, self.span, name))
        first = loaded(whole, name)
        pieces = batch_pieces(store, whole[:first], name), batch_pieces(store, whole[first:], name)
        return _Table(name, head, None, *pieces)

    def _create_moves(self, table: _Table) -> None:
        """`#moved`: the keys that came later; `#revised`: versions replaced; `#newest`: numbers of the rows that are
        current among those that came and those that they may have replaced."""
        key = [Column(f"k{number}", column.type) for number, column in enumerate(table.key)]
        by = ", ".join(column.name for column in key)
        came = groups(table.later) if table.before else ()  # where nothing stood, nothing was moved
        keys = union([f"SELECT {self._keys(table, group)} FROM {scan(group)} AS b" for group in came], key)
        self._create("#moved", f"SELECT DISTINCT {by} FROM ({keys})")
        selects = [self._marks(table, group) for group in groups(table.later)]
        every = union(selects, [*key, Column("own", "BIGINT"), Column("id", "BIGINT"), Column("gone", "BOOLEAN")])
        if table.revised:
            self._create("#revised", revisions(table.later))
            selects += [self._marks(table, g, self._moved(table, g, "SEMI")) for g in groups(table.before)]
            every = (
                f"SELECT v.* FROM ({union(selects, [])}) AS v "
                'ANTI JOIN "#revised" AS r ON v.id = r.id AND v.own <> r.own'
            )
        newest = f"SELECT max(id) AS id FROM ({every}) GROUP BY {by}"
        self._create(
            "#newest", f"SELECT v.own FROM ({every}) AS v SEMI JOIN ({newest}) AS n ON v.id = n.id WHERE NOT v.gone"
        )

    def _marks(self, table: _Table, group: Sequence[Piece], join: str = "") -> str:
        """SELECT of a row's key, its own number, its version's, and whether it says that the key is gone."""
        gone = "_op = 'delete'" if self.source else "false" if group[0].rolled else "_removed IS TRUE"
        own = own_number(group)
        return (
            f"SELECT {self._keys(table, group)}, {own} AS own, {_version(group)} AS id, {gone} AS gone "
            f"FROM {scan(group)} AS b {join}"
        )

    def _keys(self, table: _Table, group: Sequence[Piece]) -> str:
        return ", ".join(f"{text} AS k{number}" for number, text in enumerate(casts(group[0], table.key, "b.")))

    def _moved(self, table: _Table, group: Sequence[Piece], how: str) -> str:
        same = [f"{text} = m.k{number}" for number, text in enumerate(casts(group[0], table.key, "b."))]
        return f'{how} JOIN "#moved" AS m ON {" AND ".join(same)}'

    def _current(self, table: _Table, *, grown: bool) -> Files:
        """The files of the current rows. Where no row that stood before has moved, what came is added."""
        found: Files = {}
        for shape in table.shapes():
            before, later = _of(table.before, shape), _of(table.later, shape)
            new = [self._row(group, _newest(group)) for group in groups(later)]
            if grown and table.held:
                found[shape] = self._added(table.kept(shape, "current"), before, new)
                continue
            stay = [self._row(group, self._moved(table, group, "ANTI")) for group in groups(before)]
            if table.revised:
                stay += [self._row(group, _newest(group)) for group in groups(before)]
            found[shape] = self._written([*stay, *new])
        return found

    def _history(self, table: _Table) -> Files:
        """The files of every version; those rolled before stay where no version was replaced."""
        held = rolled_pieces(self.log.store, self.span, table.name, "history") if table.held else None
        later = table.later
        if held is None:
            later = batch_pieces(self.log.store, self.span.originals, table.name)
        replaced = any(piece.revises for piece in later)
        if replaced:
            self._create("#revised", revisions(later))
        found: Files = {}
        for shape in table.shapes():
            old = _of(held or [], shape)
            new = [self._row(group, _unrevised(group) if replaced else "") for group in groups(_of(later, shape))]
            if held is None or replaced:
                found[shape] = self._written([*(self._row(group, _unrevised(group)) for group in groups(old)), *new])
            else:
                found[shape] = self._added(table.kept(shape, "history"), old, new)
        return found

    def _all_current(self, table: _Table) -> bool:
        """Whether every version is current, so that the same files serve for both."""
        same = table.held is None or all(one.current == one.history for one in (table.held, *table.held.older))
        came = self._count_of([f"FROM {scan(group)}" for group in groups(table.later)])
        return same and self._count_of(['FROM "#newest"']) == came

    def _added(self, kept: Sequence[File], old: Sequence[Piece], new: Sequence[str]) -> tuple[File, ...]:
        """The files held, and what came; small ones at the end are written once more with it, so that there are never
        many."""
        total = self._count_of(new)
        if not total:
            return tuple(kept)
        left, again = list(kept), []
        while left and left[-1].rows <= min(total, LARGE) and left[-1].bytes < HEAVY:
            total += left.pop().rows
            again.append(old[len(left)])
        return (*left, *self._written([*(self._row(group, "") for group in groups(again)), *new]))

    def _row(self, group: Sequence[Piece], join: str) -> str:
        """SELECT of rows as they were written (those of sources with their `_id`), kept or left out by a join."""
        piece = group[0]
        shown = [f"b.{quote(column.name)}" for column in piece.schema]
        if self.source:
            shown += [] if piece.keyed else ["b._occurrence"]
            shown += [f"{_version(group)} AS _id", "b._op", "b._at", "b._version", "b._exact"]
        else:
            shown += [] if piece.keyed else [f"b.{name}" for name in KEYLESS_KEY]
        return f"SELECT {', '.join(shown)} FROM {scan(group)} AS b {join}"

    def _written(self, selects: Sequence[str]) -> tuple[File, ...]:
        """The rows in files of at most 2^24, staged; none for no rows."""
        if not selects:
            return ()
        return tuple(self._files(" UNION ALL ".join(selects)))

    def _files(self, sql: str, *, empty: bool = False) -> list[File]:
        place = self.folder / uuid4().hex
        how = options_of(self.con, sql, *_FILES)
        with any_order(self.con):
            written = self.con.execute(f"COPY ({sql}) TO {literal(str(place))} {how}").fetchall()
        files = []
        for path, rows, *_ in sorted(written):
            if rows or empty:
                files.append(self.log.stage(Path(path), int(rows), folder="checkpoint"))
            Path(path).unlink(missing_ok=True)
        return files

    def _nothing(self, table: _Table) -> tuple[File, ...]:
        """A file without rows says that there are none; without a file, the originals would be read."""
        nothing = union([], [Column("k", "BIGINT")])
        return tuple(self._files(nothing, empty=True))

    def _create(self, name: str, sql: str) -> None:
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {quote(name)} AS {sql}")

    def _count_of(self, selects: Sequence[str]) -> int:
        if not selects:
            return 0
        counts = " UNION ALL ".join(f"SELECT count(*) AS n FROM ({select})" for select in selects)
        row = self.con.execute(f"SELECT sum(n) FROM ({counts})").fetchone()
        return int(row[0]) if row else 0


def _shape(schema: Sequence[Column], keyed: bool) -> Shape:
    return (tuple((column.name, column.type, column.nullable) for column in schema), keyed)


def _of(pieces: Sequence[Piece], shape: Shape) -> list[Piece]:
    return [piece for piece in pieces if _shape(piece.schema, piece.keyed) == shape]


def _version(group: Sequence[Piece]) -> str:
    return f"coalesce(_rev, {own_number(group)})" if group[0].revises else own_number(group)


def _newest(group: Sequence[Piece]) -> str:
    return f'SEMI JOIN "#newest" AS n ON {own_number(group)} = n.own'


def _unrevised(group: Sequence[Piece]) -> str:
    return f'ANTI JOIN "#revised" AS r ON {_version(group)} = r.id AND {own_number(group)} <> r.own'
