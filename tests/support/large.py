"""A large log, made and read by processes of their own, so that their memory can be told: `python -m tests.support.large`."""

import sys
from dataclasses import replace
from pathlib import Path

import duckdb

from catchwater.adapters.stores.local import LocalStore
from catchwater.lake.checkpoint import rolled_up
from catchwater.lake.log import Log
from catchwater.lake.manifest import TableBatch
from catchwater.lake.read import create_current, create_history, create_rows
from catchwater.project.names import literal
from catchwater.project.tables import Column
from tests.support.lake import FixedClock, draft
from tests.support.memory import most_memory

COLUMNS = (Column("k", "BIGINT"), Column("amount", "DECIMAL(12,2)"), Column("note", "VARCHAR"))
SYSTEM = "'upsert' AS _op, TIMESTAMPTZ '2026-11-21 12:00:00+00' AS _at, '7' AS _version"
PART = 5_000_000
CHANGES = 3


def connect(folder: Path, limit: str) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(config={"memory_limit": limit, "temp_directory": str(folder / "spill")})
    con.execute("SET TimeZone = 'UTC'")
    return con


def make(log: Log, folder: Path, rows: int) -> None:
    """Rows in parts, then three batches of changes to one in 1,333."""
    steps = [(start, min(rows, start + PART), 1) for start in range(0, rows, PART)]
    steps += [(start, rows, 1333) for start in range(CHANGES)]
    for number, (start, end, step) in enumerate(steps):
        path = folder / "part.parquet"
        with connect(folder, "1GB") as con:
            con.execute(
                f"COPY (SELECT (i * 7919) % {2 * rows + 1} AS k, ((i + {number}) % 100000 / 100)::DECIMAL(12,2) AS amount, "
                f"md5(i::VARCHAR) AS note, {SYSTEM}, NULL::MAP(VARCHAR, VARCHAR) AS _exact "
                f"FROM range({start}, {end}, {step}) AS t(i)) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)"
            )
        came = len(range(start, end, step))
        batch = TableBatch(COLUMNS, ("k",), came, (log.stage(path, came),), rows, None)
        log.commit(replace(draft(tables={"t": batch}), complete=end == rows), log.head())
        path.unlink(missing_ok=True)


def read(log: Log, folder: Path, limit: str, *, old: bool = False) -> None:
    """The current rows, counted and summed; `old`: by an aggregate over all versions."""
    with connect(folder, limit) as con:
        if old:
            create_history(con, "h", log.store, log.batches(None), "t")
            create_current(con, "c", "h", ("k",))
        else:
            create_rows(con, "c", log.store, log.span(), "t", None, ("k",))
        print(con.execute("SELECT count(*), sum(hash(k, amount, note, _id)::HUGEINT) FROM c").fetchone())


def roll(log: Log, folder: Path, limit: str) -> None:
    checkpoint = rolled_up(log, log.span(), lambda: connect(folder, limit))
    log.commit(replace(draft(), checkpoint=checkpoint), log.head())
    print(checkpoint.tables["t"].rows)


if __name__ == "__main__":
    mode, where, argument = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    the_log = Log(LocalStore(where / "lake"), "ingestion/s", FixedClock())
    if mode == "make":
        make(the_log, where, int(argument))
    elif mode == "roll":
        roll(the_log, where, argument)
    else:
        read(the_log, where, argument, old=mode == "old")
    print(most_memory() // 1024)
