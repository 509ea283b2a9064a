"""SQL over the Parquet files of a table: their rows in one shape, with its number; what is current isn't known."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from catchwater.lake.files import Piece
from catchwater.project.names import literal, quote
from catchwater.project.tables import Column

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
OWN = "file_row_number"  # a row's own number, where `_id` is that of the version that it replaces


def versions(pieces: Sequence[Piece], columns: Sequence[Column], extra: Sequence[Column], *, own: bool = False) -> str:
    """A SELECT of every row of the pieces: `columns`, `extra`, HISTORY_COLUMNS, and with `own` OWN."""
    selects = []
    for group in groups(pieces):
        number, first = own_number(group), group[0]
        identity = f"coalesce(_rev, {number})" if first.revises else number
        mark = f", {number} AS {quote(OWN)}" if own else ""
        selects.append(
            f"SELECT {', '.join(fields(first, [*columns, *extra]))}, {identity} >> 24 AS _seq, {identity} AS _id, "
            f"_op::VARCHAR AS _op, _at::TIMESTAMPTZ AS _at, _version::VARCHAR AS _version, "
            f"{_exact(first, columns)} AS _exact{mark} FROM {scan(group)}"
        )
    mark_column = [Column(OWN, "BIGINT")] if own else []
    return union(selects, [*columns, *extra, *HISTORY_COLUMNS, *mark_column])


def revisions(pieces: Sequence[Piece]) -> str:
    """A SELECT of `id`, a version that some row of the pieces replaces, and `own`, the newest such row's number."""
    selects = [
        f"SELECT _rev AS id, {own_number(group)} AS own FROM {scan(group)} WHERE _rev IS NOT NULL"
        for group in groups([piece for piece in pieces if piece.revises])
    ]
    return f"SELECT id, max(own) AS own FROM ({' UNION ALL '.join(selects)}) GROUP BY id"


def keys(pieces: Sequence[Piece], columns: Sequence[Column]) -> str:
    """A SELECT of `columns` alone, of every row of the pieces."""
    return union([f"SELECT {', '.join(fields(g[0], columns))} FROM {scan(g)}" for g in groups(pieces)], columns)


def groups(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Files of one shape, so that DuckDB opens one of them to bind a view and not all."""

    def shape(piece: Piece) -> tuple[object, ...]:
        return (*((c.name, c.type) for c in piece.schema), piece.keyed, piece.revises, piece.rolled)

    gathered: dict[tuple[object, ...], list[Piece]] = {}
    for key, group in groupby(pieces, shape):
        gathered.setdefault(key, []).extend(group)
    yield from gathered.values()


def fields(piece: Piece, columns: Sequence[Column]) -> list[str]:
    """Select-list entries that give `columns` from a file of this shape."""
    return [f"{text} AS {quote(c.name)}" for text, c in zip(casts(piece, columns), columns, strict=True)]


def casts(piece: Piece, columns: Sequence[Column], relation: str = "") -> list[str]:
    """The expressions that give `columns` from a file of this shape, read as `relation`."""
    held = {column.name.lower(): column for column in piece.schema}
    if not piece.keyed:
        held |= {column.name: column for column in KEYLESS_COLUMNS}
    found = []
    for column in columns:
        old = held.get(column.name.lower())
        cast = "CAST" if old is None or old.type == column.type else "TRY_CAST"
        value = "NULL" if old is None else relation + quote(old.name)
        found.append(f"{cast}({value} AS {column.type})")
    return found


def scan(group: Sequence[Piece]) -> str:
    files = ", ".join(literal(_exactly(piece.path)) for piece in group)
    return f"read_parquet([{files}], hive_partitioning = false)"


def own_number(group: Sequence[Piece]) -> str:
    """The number of a row: DuckDB knows the file's place in the list and the row's place in the file."""
    if group[0].rolled:
        return "_id"
    bases = ", ".join(str(piece.base) for piece in group)
    return f"(CAST([{bases}] AS BIGINT[])[file_index::BIGINT + 1] + file_row_number)"


def union(selects: Sequence[str], columns: Sequence[Column]) -> str:
    if selects:
        return " UNION ALL ".join(selects)
    nothing = ", ".join(f"CAST(NULL AS {column.type}) AS {quote(column.name)}" for column in columns)
    return f"SELECT {nothing} WHERE false"


def unused(name: str, columns: Sequence[Column]) -> str:
    taken = {column.name.lower() for column in columns}
    while name in taken:
        name = "#" + name
    return name


def _exact(piece: Piece, columns: Sequence[Column]) -> str:
    """`_exact` with the text of values that the newer type can't hold."""
    held = {column.name.lower(): column for column in piece.schema}
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


def _exactly(path: Path) -> str:
    """A path in which DuckDB finds no pattern."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in str(path))
