"""Batches of real Parquet files in a log, made from SELECTs."""

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import duckdb

from catchwater.lake.log import Log
from catchwater.lake.manifest import File, Manifest, TableBatch
from catchwater.project.names import literal, quote
from catchwater.project.tables import Column
from tests.support.lake import FixedClock, draft

SYSTEM = "'upsert' AS _op, TIMESTAMPTZ '2026-11-21 12:00:00+00' AS _at, '7' AS _version, "
SYSTEM += "NULL::MAP(VARCHAR, VARCHAR) AS _exact"
DELETE = SYSTEM.replace("upsert", "delete")


class Lake:
    """One log of one table, written SELECT by SELECT; each is a batch, each of its parts a file."""

    def __init__(self, log: Log, con: duckdb.DuckDBPyConnection, folder: Path, table: str = "t") -> None:
        self.log, self.con, self.folder, self.table = log, con, folder, table
        self.head: Manifest | None = None

    def put(self, *selects: str, columns: Sequence[Column], key: Sequence[str] = ("k",)) -> Manifest:
        files: list[File] = []
        for select in selects:
            path = self.folder / f"{uuid4().hex}.parquet"
            self.con.execute(f"COPY ({select}) TO {literal(str(path))} (FORMAT parquet)")
            (rows,) = self.con.execute(f"SELECT count(*) FROM ({select})").fetchone() or (0,)
            files.append(self.log.stage(path, rows, sum(file.rows for file in files)))
        batch = TableBatch(tuple(columns), tuple(key), sum(file.rows for file in files), tuple(files))
        self.head = self.log.commit(draft(FixedClock(), {self.table: batch}), self.head)
        return self.head


def rows(con: duckdb.DuckDBPyConnection, relation: str, columns: str = "*") -> list[tuple[object, ...]]:
    return con.execute(f"SELECT {columns} FROM {quote(relation)} ORDER BY ALL").fetchall()
