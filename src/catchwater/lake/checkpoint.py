"""Checkpoints: what a log holds, rolled into large files beside it. Originals stay, and decide where both differ."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from catchwater.errors import CatchwaterError, Corrupt, LakeError
from catchwater.lake.files import verify_rolled
from catchwater.lake.hashed import content_hash
from catchwater.lake.log import Log
from catchwater.lake.manifest import Checkpoint, Manifest, Rolled
from catchwater.lake.read import create_history, create_rows, create_state
from catchwater.lake.span import Span, since_reset
from catchwater.lake.versions import HISTORY_COLUMNS, KEYLESS_COLUMNS
from catchwater.ports import Engine, Store
from catchwater.project.tables import Column

if TYPE_CHECKING:
    import duckdb

BATCHES = 64  # never more often
STEP = 16  # whether it is time is asked each so many batches, since it costs a look at all of them
NONE = Checkpoint(0, "", {})

Connect = Callable[[], "duckdb.DuckDBPyConnection"]


def roll(log: Log, head: Manifest | None, engine: Engine) -> tuple[Checkpoint | None, tuple[str, ...]]:
    """The checkpoint for the batch that is to follow `head`, when it is time for one, and notes for people.

    It is time after 64 batches or more, when a quarter as many rows came as stood at the last checkpoint, or when
    reading the manifests costs as much as rolling (64·batches² rows). Whatever goes wrong is a note: the batch is
    committed all the same, with the checkpoint before, and sixteen batches later it is tried again."""
    if head is None:
        return None, ()
    since = head.seq - (head.checkpoint.seq if head.checkpoint else 0)
    if since < BATCHES or since % STEP:
        return None, ()
    import duckdb

    try:
        batches = since_reset(log.span(head.seq))
        span = batches if isinstance(batches, Span) else Span(batches)
        return (rolled_up(log, span, engine.connect) if due(span) else None), ()
    except (CatchwaterError, duckdb.Error, OSError) as error:
        return None, (f"{log.name} isn't rolled up to batch {head.seq}: {error}",)


def due(span: Span) -> bool:
    tables = span.checkpoint.tables if span.checkpoint else {}
    came: dict[str, int] = {}
    for batch in span:
        for name, table in batch.tables.items():
            came[name] = came.get(name, 0) + table.rows
    stood = sum(tables[name].rows for name, rows in came.items() if rows and name in tables)
    return 4 * sum(came.values()) >= stood or 64 * len(span) ** 2 >= stood


def rolled_up(log: Log, span: Span, connect: Connect) -> Checkpoint:
    """Everything up to the span's last batch, written and staged; it holds once a manifest names it."""
    from catchwater.lake.rolling import Rolling

    head = span[-1]
    con = connect()
    try:
        with TemporaryDirectory(prefix="catchwater-") as folder:
            rolling = Rolling(con, log, span, Path(folder))
            tables = {name: rolling.table(name) for name in head.tables}
    finally:
        con.close()
    return Checkpoint(head.seq, head.hash, tables)


def verify_checkpoint(store: Store, log: Log, connect: Connect | None = None) -> list[Corrupt]:
    """What is wrong with the log's newest checkpoint: files that aren't those committed; tables whose rows aren't those
    of the original batches. Raises what reading the originals raises."""
    head = log.head()
    checkpoint = head.checkpoint if head else None
    if head is None or checkpoint is None or not checkpoint.seq:
        return []
    problems = verify_rolled(store, log.name, checkpoint)
    if problems:
        return problems
    log.span(head.seq)
    originals = Span(since_reset(log.batches(None, checkpoint.seq)))
    rolled = Span((), checkpoint, log=log.name)
    con = _open() if connect is None else connect()
    try:
        for name, table in checkpoint.tables.items():
            for shape in (table, *table.older):
                problems += _compared(con, store, (originals, rolled), name, replace(shape, key=table.key))
    finally:
        con.close()
    return problems


def _compared(
    con: "duckdb.DuckDBPyConnection", store: Store, both: tuple[Span, Span], name: str, shape: Rolled
) -> list[Corrupt]:
    """The rows of a table in one of its shapes, from the originals and from the checkpoint."""
    log = both[1].log
    wrong = []
    for kind in ("current", "history"):
        sums = [_sum(con, store, span, name, shape, kind) for span in both]
        if sums[0] != sums[1]:
            wrong.append(
                Corrupt(
                    f"{sums[1][0]} rows of the {kind} of {name} were rolled, and the batches have {sums[0][0]}"
                    + ("" if sums[0][0] != sums[1][0] else " with other values"),
                    where=f"{log} checkpoint of batch {both[1].checkpoint.seq if both[1].checkpoint else 0}",
                    next_step="run catchwater verify --drop-checkpoints: the batches are then read in its place",
                )
            )
        if log.startswith("processed/"):
            break
    return wrong


def _sum(
    con: "duckdb.DuckDBPyConnection", store: Store, span: Span, name: str, shape: Rolled, kind: str
) -> tuple[int, int]:
    """How many rows, and the sum of their hashes: the same for the same rows in any order."""
    columns: list[Column] = list(shape.schema)
    if span.log.startswith("processed/"):
        create_state(con, "compared", store, span, name, columns, shape.key)
        extra = () if shape.key else KEYLESS_COLUMNS
    else:
        extra = (*(() if shape.key else KEYLESS_COLUMNS[1:]), *HISTORY_COLUMNS)
        if kind == "current":
            create_rows(con, "compared", store, span, name, columns, shape.key)
        else:
            create_history(con, "compared", store, span, name, columns)
    values = content_hash({column.name: column.type for column in (*columns, *extra)})
    row = con.execute(f"SELECT count(*), coalesce(sum(({values})::HUGEINT), 0) FROM compared").fetchone()
    if row is None:
        raise LakeError("a count gave no row", where=name)
    return int(row[0]), int(row[1])


def _open() -> "duckdb.DuckDBPyConnection":
    import duckdb

    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    return con
