"""What readers see of a log: DuckDB views over the files that its manifests name, and over nothing else."""

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from catchwater.errors import Corrupt, LakeError, NotFound
from catchwater.lake.manifest import File, Manifest, TableBatch
from catchwater.ports import Store
from catchwater.project.names import literal, quote
from catchwater.project.tables import Column

if TYPE_CHECKING:
    import duckdb

HISTORY_COLUMNS = (
    Column("_seq", "BIGINT"),
    Column("_id", "BIGINT"),
    Column("_op", "VARCHAR"),
    Column("_at", "TIMESTAMP WITH TIME ZONE"),
    Column("_version", "VARCHAR"),
    Column("_exact", "MAP(VARCHAR, VARCHAR)"),
)
KEYLESS_KEY = ("_version", "_occurrence")
KEYLESS_COLUMNS = (Column("_version", "VARCHAR"), Column("_occurrence", "INTEGER"))
_SMALL = 4 << 20
_SAMPLE = 16
_READERS = 16
_hashed: set[tuple[Path, str]] = set()


@dataclass(frozen=True)
class _Piece:
    """One file of a table: where its bytes are, and the number of its first row."""

    path: Path
    base: int
    table: TableBatch


def paths(store: Store, manifests: Sequence[Manifest], table: str) -> list[Path]:
    """Local paths of a table's files, in order. The size is checked always; the SHA-256 the first time that this
    process reads a file, of small files all and of others one in sixteen. Raises Corrupt naming the key."""
    return [piece.path for piece in _pieces(store, manifests, table)]


def locate(store: Store, manifests: Sequence[Manifest], table: str, remote: bool) -> list[tuple[str, int, TableBatch]]:
    """Where a table's files are, in order, with the number of each one's first row and its shape: local paths, or URLs
    for an engine on other machines (`store.url`; only the sizes are compared then). Raises Corrupt."""
    if not remote:
        return [(str(piece.path), piece.base, piece.table) for piece in _pieces(store, manifests, table)]
    return [
        (_there(store, manifest, file), (manifest.seq << 24) + file.row_start, batch)
        for manifest, batch, file in _wanted(manifests, table)
    ]


def url_of(store: Store, key: str) -> str:
    """Where machines other than this one read and write an object; LakeError for a store that they don't see."""
    url = getattr(store, "url", None)
    if url is None:
        raise LakeError("only this machine sees this lake", next_step="put the lake on S3 or GCS")
    return str(url(key))


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
    then HISTORY_COLUMNS; `_id` is `_seq << 24 | row in batch`. A column that an older file lacks is NULL, one of
    another type is cast, and what can't be cast is NULL with its text in `_exact`. Returns the table's columns.
    Raises Corrupt, NotFound, and LakeError when neither batches nor `columns` tell the table's shape."""
    columns = tuple(columns) if columns is not None else schema(batches, table)
    extra = KEYLESS_COLUMNS[1:] if keyless(batches, table) else ()
    pieces = _pieces(store, batches, table)
    _create(con, view, [*columns, *extra, *HISTORY_COLUMNS], _history(pieces, columns, extra))
    return columns


def create_current(con: "duckdb.DuckDBPyConnection", view: str, history_view: str, key: Sequence[str]) -> None:
    """A temporary view over the newest version of each key in a history view, deleted ones absent.

    Same columns as the history. An empty `key` means a table whose rows are kept as a multiset: its versions are
    identified by KEYLESS_KEY, `_version` being the row's hash and `_occurrence` its number among equal rows; a
    delete carries the same two. Only keys are aggregated, never whole versions."""
    source = quote(history_view)
    by = ", ".join(quote(name) for name in key or KEYLESS_KEY)
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW {quote(view)} AS SELECT h.* FROM {source} AS h "
        f"SEMI JOIN (SELECT max(_id) AS _id FROM {source} GROUP BY {by}) AS newest ON h._id = newest._id "
        "WHERE h._op <> 'delete'"
    )


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
    versions. `among`, a join clause that keeps or drops all versions of a key, is applied before that. Returns the
    model's columns. Raises as create_history."""
    columns = tuple(columns) if columns is not None else schema(batches, table)
    extra = () if key else KEYLESS_COLUMNS
    visible = [*columns, *extra]
    pieces = _pieces(store, batches, table)
    order, removed = (_unused(name, visible) for name in ("#id", "#removed"))
    outer = ", ".join(quote(column.name) for column in visible)
    inner = _union(
        [
            f"SELECT {', '.join(_plain(group[0].table, visible))}, {_number(group)} AS {quote(order)}, "
            f"_removed AS {quote(removed)} FROM {_scan(group)}"
            for group in _groups(pieces)
        ],
        [*visible, Column(order, "BIGINT"), Column(removed, "BOOLEAN")],
    )
    newest = ""
    if len({piece.base >> 24 for piece in pieces}) > 1:
        by = ", ".join(quote(name) for name in key or KEYLESS_KEY)
        latest = f"SELECT max({quote(order)}) AS id FROM versions GROUP BY {by}"
        newest = f"SEMI JOIN ({latest}) AS newest ON v.{quote(order)} = newest.id"
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW {quote(view)} AS "
        f"WITH versions AS NOT MATERIALIZED ({f'SELECT * FROM ({inner}) {among}' if among else inner}) "
        f"SELECT {outer} FROM versions AS v {newest} WHERE v.{quote(removed)} IS NOT TRUE"
    )
    return columns


def schema(batches: Sequence[Manifest], table: str) -> tuple[Column, ...]:
    """The table's columns in the newest of these batches that names it."""
    for manifest in reversed(batches):
        if table in manifest.tables:
            return manifest.tables[table].schema
    raise LakeError(f"no batch holds a table {table}", where=batches[-1].log if batches else "")


def keyless(batches: Sequence[Manifest], table: str) -> bool:
    """Whether the newest of these batches that names the table gives it no key."""
    return next((not m.tables[table].key for m in reversed(batches) if table in m.tables), False)


def verify(store: Store, manifest: Manifest) -> list[Corrupt]:
    """Every file of a batch whose bytes aren't those committed; empty when all are."""
    files = [*manifest.raw, *(file for table in manifest.tables.values() for file in table.files)]
    problems = []
    for file in files:
        try:
            _check(store, manifest, file, whole=True)
        except Corrupt as error:
            problems.append(error)
    return problems


def _wanted(manifests: Sequence[Manifest], table: str) -> list[tuple[Manifest, TableBatch, File]]:
    return [
        (manifest, manifest.tables[table], file)
        for manifest in manifests
        if table in manifest.tables
        for file in sorted(manifest.tables[table].files, key=lambda file: file.row_start)
        if file.rows
    ]


def _there(store: Store, manifest: Manifest, file: File) -> str:
    """The URL of a file that has the size that was committed."""
    size = store.head(file.path)
    if size != file.bytes:
        where = f"{manifest.log} batch {manifest.seq}: {file.path}"
        said = "is gone" if size is None else f"has {size} bytes, {file.bytes} were committed"
        raise Corrupt(f"the file {said}", where=where, next_step="restore the file from a copy of the lake")
    return url_of(store, file.path)


def _pieces(store: Store, manifests: Sequence[Manifest], table: str) -> list[_Piece]:
    wanted = _wanted(manifests, table)
    if not wanted:
        return []
    with ThreadPoolExecutor(min(_READERS, len(wanted))) as pool:
        found = list(pool.map(lambda item: _check(store, item[0], item[2]), wanted))
    return [
        _Piece(path, (manifest.seq << 24) + file.row_start, batch)
        for path, (manifest, batch, file) in zip(found, wanted, strict=True)
    ]


def _check(store: Store, manifest: Manifest, file: File, *, whole: bool = False) -> Path:
    where = f"{manifest.log} batch {manifest.seq}: {file.path}"
    step = "restore the file from a copy of the lake, or replay the source"
    try:
        path = store.fetch(file.path)
    except NotFound as error:
        raise Corrupt("the file is gone", where=where, next_step=step) from error
    size = path.stat().st_size
    if size != file.bytes:
        raise Corrupt(f"the file has {size} bytes, {file.bytes} were committed", where=where, next_step=step)
    known = (path, file.sha256)
    if whole or (known not in _hashed and (size <= _SMALL or secrets.randbelow(_SAMPLE) == 0)):
        with path.open("rb") as data:
            digest = hashlib.file_digest(data, "sha256").hexdigest()
        if digest != file.sha256:
            raise Corrupt("the file isn't the one committed: its SHA-256 differs", where=where, next_step=step)
        _hashed.add(known)
    return path


def _groups(pieces: Sequence[_Piece]) -> Iterator[list[_Piece]]:
    """Files of one shape, so that DuckDB opens one of them to bind a view and not all."""

    def shape(piece: _Piece) -> tuple[object, ...]:
        return (*((c.name, c.type) for c in piece.table.schema), bool(piece.table.key))

    gathered: dict[tuple[object, ...], list[_Piece]] = {}
    for key, group in groupby(pieces, shape):
        gathered.setdefault(key, []).extend(group)
    yield from gathered.values()


def _history(pieces: Sequence[_Piece], columns: Sequence[Column], extra: Sequence[Column]) -> list[str]:
    selects = []
    for group in _groups(pieces):
        number = _number(group)
        table = group[0].table
        fields = _plain(table, [*columns, *extra])
        selects.append(
            f"SELECT {', '.join(fields)}, {number} >> 24 AS _seq, {number} AS _id, _op::VARCHAR AS _op, "
            f"_at::TIMESTAMPTZ AS _at, _version::VARCHAR AS _version, {_exact(table, columns)} AS _exact "
            f"FROM {_scan(group)}"
        )
    return selects


def _plain(table: TableBatch, columns: Sequence[Column]) -> list[str]:
    """Select-list entries that give `columns` from a file of this table."""
    held = {column.name.lower(): column for column in table.schema}
    if not table.key:
        held |= {column.name: column for column in KEYLESS_COLUMNS}
    fields = []
    for column in columns:
        name, old = quote(column.name), held.get(column.name.lower())
        if old is None:
            fields.append(f"CAST(NULL AS {column.type}) AS {name}")
        else:
            cast = "CAST" if old.type == column.type else "TRY_CAST"
            fields.append(f"{cast}({quote(old.name)} AS {column.type}) AS {name}")
    return fields


def _exact(table: TableBatch, columns: Sequence[Column]) -> str:
    """`_exact` with the text of values that the newer type can't hold."""
    held = {column.name.lower(): column for column in table.schema}
    text = "_exact::MAP(VARCHAR, VARCHAR)"
    for column in columns:
        old = held.get(column.name.lower())
        if old is None or old.type == column.type:
            continue
        name = quote(old.name)
        lost = f"{name} IS NOT NULL AND TRY_CAST({name} AS {column.type}) IS NULL"
        entry = f"MAP {{{literal(column.name)}: {name}::VARCHAR}}"
        text = f"CASE WHEN {lost} THEN map_concat(coalesce({text}, MAP {{}}), {entry}) ELSE {text} END"
    return text


def _scan(group: Sequence[_Piece]) -> str:
    files = ", ".join(literal(_exactly(piece.path)) for piece in group)
    return f"read_parquet([{files}], hive_partitioning = false)"


def _number(group: Sequence[_Piece]) -> str:
    """The expression of `_id`: DuckDB knows the file's place in the list and the row's place in the file."""
    bases = ", ".join(str(piece.base) for piece in group)
    return f"(CAST([{bases}] AS BIGINT[])[file_index::BIGINT + 1] + file_row_number)"


def _exactly(path: Path) -> str:
    """A path in which DuckDB finds no pattern."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in str(path))


def _union(selects: Sequence[str], columns: Sequence[Column]) -> str:
    if selects:
        return " UNION ALL ".join(selects)
    nothing = ", ".join(f"CAST(NULL AS {column.type}) AS {quote(column.name)}" for column in columns)
    return f"SELECT {nothing} WHERE false"


def _create(con: "duckdb.DuckDBPyConnection", view: str, columns: Sequence[Column], selects: Sequence[str]) -> None:
    con.execute(f"CREATE OR REPLACE TEMP VIEW {quote(view)} AS {_union(selects, columns)}")


def _unused(name: str, columns: Sequence[Column]) -> str:
    taken = {column.name.lower() for column in columns}
    while name in taken:
        name = "#" + name
    return name


def forget() -> None:
    """Read every file's hash anew, as a new process would."""
    _hashed.clear()
