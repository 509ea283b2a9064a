"""Beam: reads, casts, checks and writes anew the files of batches, many at once; a warehouse's session loads them.

What becomes of one file is DuckDB's work, so that its values are those of the embedded engine.
"""

import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from catchwater.adapters.engines.duckdb import DuckdbEngine
from catchwater.errors import MissingExtra, WarehouseError
from catchwater.lake.parquet import options_of, written
from catchwater.ports import Rewrite, Settings
from catchwater.project.names import literal, quote
from catchwater.project.tables import Column

if TYPE_CHECKING:
    import duckdb

_REMOVED = Column("_removed", "BOOLEAN")


class BeamEngine:
    """Engine and Preparing. `rewrite` runs a pipeline on Beam's direct runner and waits for it; on Dataflow the
    pipeline is around the step, and each of its machines calls `rewritten` for its own files."""

    def __init__(self, name: str, spec: object, settings: Settings) -> None:
        self.name, self.spec, self.settings = name, spec, settings
        self._driver = DuckdbEngine(name, spec, settings)

    def describe(self, sql: str, tables: Mapping[str, Sequence[Column]], macros: str = "") -> tuple[Column, ...]:
        return self._driver.describe(sql, tables, macros)

    def connect(self, *, roomy: bool = False) -> "duckdb.DuckDBPyConnection":
        return self._driver.connect(roomy=roomy)

    def rewrite(self, files: Sequence[Rewrite]) -> None:
        """Raises WarehouseError. One file needs no pipeline: so it is on a machine that is part of one already."""
        if len(files) < 2:
            for file in files:
                rewritten(file)
            return
        try:
            beam: Any = import_module("apache_beam")
            from apache_beam.options.pipeline_options import PipelineOptions
        except ImportError as error:
            raise MissingExtra("apache-beam", "beam") from error
        options = PipelineOptions(["--runner=DirectRunner", "--direct_running_mode=in_memory"])
        try:
            with beam.Pipeline(options=options) as pipeline:
                items = pipeline | "files" >> beam.Create(list(files))
                _ = items | "spread" >> beam.Reshuffle() | "rewritten" >> beam.Map(rewritten)
        except WarehouseError:
            raise
        except Exception as error:  # Beam wraps what a machine raised, and keeps its words
            raise WarehouseError(f"Beam: {_first(error)}", next_step="catchwater verify, then load again") from error


def rewritten(file: Rewrite) -> str:
    """One file written anew; its path. Raises WarehouseError when a value doesn't fit its column, or a row has no
    identity: nothing is left out and nothing becomes NULL in silence."""
    import duckdb

    with duckdb.connect(":memory:", config={"autoload_known_extensions": False, "threads": 1}) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute("SET temp_directory = ?", [tempfile.gettempdir()])
        try:
            con.execute(f"CREATE TEMP VIEW rewritten AS {_select(con, file)}")
            _check(con, file)
            items = ", ".join(written(column) for column in (*file.columns, _REMOVED))
            select = f"SELECT {items} FROM rewritten"
            con.execute(f"COPY ({select}) TO {literal(file.target)} {options_of(con, select)}")
        except duckdb.Error as error:
            said = str(error).strip().splitlines()[0][:500]
            raise WarehouseError(said, where=file.where, next_step="catchwater verify") from error
    return file.target


def _select(con: "duckdb.DuckDBPyConnection", file: Rewrite) -> str:
    scan = f"read_parquet({literal(file.source)}, hive_partitioning = false)"
    present = {row[0].lower() for row in con.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()}
    fields = [
        f"CAST({quote(column.name) if column.name.lower() in present else 'NULL'} AS {column.type}) "
        f"AS {quote(column.name)}"
        for column in (*file.columns, _REMOVED)
    ]
    return f"SELECT {', '.join(fields)} FROM {scan}"


def _check(con: "duckdb.DuckDBPyConnection", file: Rewrite) -> None:
    """Every row says what it is about, and whether it is removed."""
    missing = " OR ".join(f"{quote(name)} IS NULL" for name in (*file.identity, "_removed"))
    row = con.execute(f"SELECT count(*) FROM rewritten WHERE {missing}").fetchone()
    if row and row[0]:
        names = ", ".join((*file.identity, "_removed"))
        raise WarehouseError(f"{row[0]} rows have no value of {names}", where=file.where, next_step="catchwater verify")


def _first(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:500] if str(error).strip() else type(error).__name__
