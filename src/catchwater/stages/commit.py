"""A model's difference written to files and committed to its log; what the difference is was found before."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from catchwater.lake.difference import Counts
from catchwater.lake.manifest import MAX_ROWS, Draft, Manifest
from catchwater.lake.parquet import options_of, written
from catchwater.lake.room import BY_BYTES, any_order, keys_hashed
from catchwater.plan.plan import Model
from catchwater.project.names import literal, quote
from catchwater.stages.checks import NEW
from catchwater.stages.inputs import held_columns
from catchwater.stages.work import INTO, KEYLESS, OUT, Computing, Part, count_before, table_batch

if TYPE_CHECKING:
    import duckdb

MOST_SORTED = 64 << 20  # bytes of rows: more wouldn't find room beside the tables they stand in
_LONG = ("VARCHAR", "BLOB", "BIT", "JSON", "[", "MAP", "STRUCT", "UNION")


def commit(at: Computing, draft: Draft, counts: Counts) -> tuple[tuple[Manifest, ...], int]:
    """The difference as one batch, or as several of which only the last is complete when it has too many rows."""
    model, con = at.model, at.con
    if at.anew:
        draft = replace(draft, position=draft.position | {"reset": True})
    total = counts.upserts + counts.removed
    count = _count_after(at, counts)
    _create_out(con, model)
    committed: list[Manifest] = []
    slices = _slices(at, total)
    for number, (part, start, rows) in enumerate(slices):
        last = number == len(slices) - 1
        path = part.path if rows == part.rows else _slice(at, part.path, start, rows)
        file = at.log.stage(path, rows) if rows else None
        one = replace(
            draft,
            part=number if len(slices) > 1 else None,
            complete=last,
            tables={model.name: table_batch(model, count if last else None, (file,) if file else ())},
            quarantine=draft.quarantine if last else None,
        )
        committed.append(at.log.commit(one, committed[-1] if committed else at.work.head))
        draft = replace(draft, position={k: v for k, v in draft.position.items() if k != "reset"})
    return tuple(committed), total


def _slices(at: Computing, total: int) -> list[tuple[Part, int, int]]:
    """What each batch has: a file, the first of its rows and how many; all of a file that isn't too large for one."""
    if not total:
        return [(Part(Path(), 0), 0, 0)]
    parts = at.first or (Part(_written(at), total),)
    return [
        (part, start, min(MAX_ROWS, part.rows - start)) for part in parts for start in range(0, part.rows, MAX_ROWS)
    ]


def _count_after(at: Computing, counts: Counts) -> int:
    if at.work.incremental:
        return count_before(at.work) + counts.added - counts.removed
    row = at.con.execute(f"SELECT count(*) FROM {quote(NEW)}").fetchone()
    return int(row[0]) if row else 0


def _create_out(con: "duckdb.DuckDBPyConnection", model: Model) -> None:
    """`#out`: what is written."""
    columns = ", ".join(written(column) for column in (*held_columns(model), *(() if model.key else KEYLESS)))
    con.execute(
        f"CREATE TEMP VIEW {quote(OUT)} AS SELECT {columns}, false AS _removed FROM {quote(INTO + '_upserts')} "
        f"UNION ALL SELECT {columns}, true FROM {quote(INTO + '_removed')}"
    )


def _order(model: Model) -> str:
    """An order that depends on the rows alone."""
    first = (model.order,) if model.order else ()
    names = (*first, *(model.key or [column.name for column in KEYLESS]))
    return f"ORDER BY _removed DESC, {', '.join(map(quote, names))}"


def _written(at: Computing) -> Path:
    """A file of the difference, in order as long as that finds room in little memory."""
    path = at.folder / f"{at.model.name}.parquet"
    out = f"FROM {quote(OUT)}"
    with keys_hashed(at.con):
        if _size(at) <= MOST_SORTED:
            return _copy(at, f"{out} {_order(at.model)}", path)
        with any_order(at.con):
            return _copy(at, out, path, BY_BYTES)


def _copy(at: Computing, select: str, path: Path, *more: str) -> Path:
    at.con.execute(f"COPY ({select}) TO {literal(str(path))} {options_of(at.con, select, *more)}")
    return path


def _size(at: Computing) -> int:
    """Bytes of the rows that are written, unpacked."""
    columns = held_columns(at.model)
    long = [quote(column.name) for column in columns if any(word in column.type for word in _LONG)]
    lengths = " + ".join(["0", *(f"coalesce(strlen({name}::VARCHAR), 0)" for name in long)])
    row = at.con.execute(f"SELECT coalesce(sum({8 * len(columns)} + {lengths}), 0) FROM {quote(OUT)}").fetchone()
    return int(row[0]) if row else 0


def _slice(at: Computing, whole: Path, start: int, rows: int) -> Path:
    """Some rows of a file, from its row `start` on, in a file of their own."""
    path = at.folder / f"{at.model.name}-{start}.parquet"
    file = f"read_parquet({literal(str(whole))}, hive_partitioning = false, file_row_number = true)"
    select = (
        f"SELECT * EXCLUDE (file_row_number) FROM {file} WHERE file_row_number >= {start} AND "
        f"file_row_number < {start + rows}"
    )
    with any_order(at.con):
        return _copy(at, select, path, BY_BYTES)
