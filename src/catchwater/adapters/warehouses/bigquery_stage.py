"""Batches into a staging table of BigQuery: one Parquet file made of theirs, one load job; no target is touched."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catchwater.adapters.warehouses import changes
from catchwater.adapters.warehouses.bigquery_apply import stage_name, stored
from catchwater.adapters.warehouses.bigquery_place import WAIT, Place, silent
from catchwater.adapters.warehouses.bigquery_types import held
from catchwater.adapters.warehouses.changes import REMOVED, Table
from catchwater.errors import WarehouseError
from catchwater.lake.parquet import options_of
from catchwater.ports import LoadBatch
from catchwater.project.names import literal, quote

if TYPE_CHECKING:
    import duckdb

KEPT = timedelta(hours=24)
TRIES = 3


def load(at: Place, table: Table, batches: Sequence[LoadBatch], folder: Path) -> tuple[str, int]:
    """The staging table, and how many of its rows aren't removals. Raises Corrupt, WarehouseError."""
    name, file = stage_name(table, batches), folder / "stage.parquet"
    written = write(table, batches, file)
    for again in reversed(range(TRIES)):
        try:
            _job(at, table, name, file)
            break
        except Exception as error:
            if not (again and silent(error)):  # the same job twice leaves the same table
                raise
    return name, written


def write(table: Table, batches: Sequence[LoadBatch], file: Path) -> int:
    """What the batches say last of each identity, typed for BigQuery, as one file; how many rows aren't removals."""
    import duckdb

    name = stored(table)
    kinds = {column.name: held(name, column) for column in table.stored}
    values = ", ".join(f"CAST({quote(c)} AS {kind.sent}) AS {quote(c)}" for c, kind in kinds.items())
    with duckdb.connect(config=_settings(file.parent)) as con:
        con.execute("SET TimeZone = 'UTC'")
        source = changes.select(con, table, batches)
        try:
            select = f"SELECT {values}, {REMOVED} FROM ({source})"
            con.execute(f"COPY ({select}) TO {literal(str(file))} {options_of(con, select)}")
            _check_years(con, table, file)
            found = con.execute(
                f"SELECT count(*) FILTER (WHERE NOT {REMOVED}) FROM read_parquet({literal(str(file))})"
            ).fetchone()
        except duckdb.Error as error:
            raise WarehouseError(str(error), where=table.model.name, next_step="catchwater run") from error
    return int(found[0]) if found else 0


def _check_years(con: "duckdb.DuckDBPyConnection", table: Table, file: Path) -> None:
    """BigQuery has the years 1 to 9999 and no infinity. Raises WarehouseError naming the columns."""
    name = stored(table)
    wrong = {c.name: held(name, c).wrong(quote(c.name)) for c in table.stored}
    checks = {column: check for column, check in wrong.items() if check}
    if not checks:
        return
    marks = ", ".join(f"bool_or({check})" for check in checks.values())
    found = con.execute(f"SELECT {marks} FROM read_parquet({literal(str(file))})").fetchone() or ()
    odd = [column for column, has in zip(checks, found, strict=True) if has]
    if odd:
        raise WarehouseError(
            f"BigQuery holds the years 1 to 9999, and column {', '.join(odd)} has others or infinity",
            where=table.model.name,
            next_step="make them NULL in the model, or cast the column to VARCHAR",
        )


def _settings(folder: Path) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "memory_limit": "512MB",
        "preserve_insertion_order": "false",
        "temp_directory": str(folder / "tmp"),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }


def _job(at: Place, table: Table, name: str, file: Path) -> None:
    """Replaces whatever stands under the name. Raises google.api_core's errors."""
    from google.cloud.bigquery import LoadJobConfig, SchemaField
    from google.cloud.bigquery import Table as Remote

    fields = [SchemaField(c.name, held(stored(table), c).staged) for c in table.stored]
    fields.append(SchemaField(REMOVED, "BOOL"))
    target = f"{at.project}.{at.dataset}.{name}"
    made: Any = Remote(target, schema=fields)
    made.expires = datetime.now(UTC) + KEPT
    at.client.create_table(made, exists_ok=True, retry=at.again)
    config = LoadJobConfig(source_format="PARQUET", schema=fields, write_disposition="WRITE_TRUNCATE")
    with file.open("rb") as data:
        job = at.client.load_table_from_file(data, target, job_config=config, num_retries=0, timeout=WAIT)
    job.result(timeout=WAIT, retry=at.again)
