"""The first rows of a model, put straight into the files that are committed; no row is compared or left out here."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

from catchwater.lake.difference import Counts
from catchwater.lake.parquet import file_type, options, read_back, written
from catchwater.lake.room import BY_BYTES, any_order
from catchwater.project.names import literal, quote
from catchwater.stages.checks import NEW
from catchwater.stages.inputs import Inputs, held_columns
from catchwater.stages.plain import carried
from catchwater.stages.work import INTO, Computing, Part


def is_first(at: Computing) -> bool:
    """Whether all rows are new and may stay: then no table of them is needed, however many they are."""
    leaves_out = any(check.severity == "quarantine" for check in at.model.checks)
    return (at.work.head is None or at.anew) and bool(at.model.key) and not leaves_out


def write_first(at: Computing, inputs: Inputs) -> Computing:
    """`#new` as a view over files, which are the difference too."""
    con, parts = at.con, () if at.rows else carried(inputs, at.model, at.folder)
    if parts and _stands(at, parts):
        _create_new(at, parts)
    else:
        parts = (write_new(at),)
    con.execute(f"CREATE TEMP VIEW {quote(INTO + '_upserts')} AS FROM {quote(NEW)}")
    con.execute(f"CREATE TEMP VIEW {quote(INTO + '_removed')} AS FROM {quote(NEW)} LIMIT 0")
    return replace(at, first=parts)


def write_new(at: Computing) -> Part:
    """`#new` as a view over a file."""
    path = at.folder / f"{at.model.name}-new.parquet"
    columns = held_columns(at.model)
    items = ", ".join(map(written, columns))
    select = f"SELECT {items}, false AS _removed FROM (\n{at.sql}\n)"
    types = [file_type(column.type) for column in columns]
    free = at.model.materialized == "incremental"  # a row-wise model has the same rows in whatever order it reads
    how = options(types, BY_BYTES) if free else options(types)
    with any_order(at.con) if free else nullcontext():
        row = at.con.execute(f"COPY ({select}) TO {literal(str(path))} {how}").fetchone()
    part = Part(path, int(row[0]) if row else 0)
    _create_new(at, [part])
    return part


def _create_new(at: Computing, parts: Sequence[Part]) -> None:
    back = ", ".join(map(read_back, held_columns(at.model)))
    at.con.execute(f"CREATE TEMP VIEW {quote(NEW)} AS SELECT {back} FROM {_scan(parts)}")


def _stands(at: Computing, parts: Sequence[Part]) -> bool:
    """Whether DuckDB finds in these files the columns that the plan names, and as many rows."""
    found = [(row[0], row[1]) for row in at.con.execute(f"DESCRIBE FROM {_scan(parts)}").fetchall()]
    row = at.con.execute(f"SELECT count(*) FROM {_scan(parts)}").fetchone()
    wanted = [(column.name, column.type) for column in held_columns(at.model)]
    return found == [*wanted, ("_removed", "BOOLEAN")] and row == (sum(part.rows for part in parts),)


def _scan(parts: Sequence[Part]) -> str:
    files = ", ".join(literal(str(part.path)) for part in parts)
    return f"read_parquet([{files}], hive_partitioning = false)"


def keeps_keys(at: Computing) -> bool:
    """Whether no two rows can have the same key: each row is of one row of a captured table, whose key it has, and a
    capture that compares checksums holds each key once."""
    model = at.model
    if not at.first or model.materialized != "incremental" or model.history or not model.driving_key:
        return False
    driving = next(read for read in model.reads if read.alias == model.driving)
    tables = [batch.tables[driving.table] for batch in at.work.whole(driving.log) if driving.table in batch.tables]
    return set(model.driving_key) <= set(model.key) and bool(tables) and tables[-1].checksum is not None


def without_first(at: Computing) -> Computing:
    """Forget the files: some of its rows may not stay."""
    for name in (INTO + "_removed", INTO + "_upserts", NEW):
        at.con.execute(f"DROP VIEW {quote(name)}")
    return replace(at, first=())


def first_counts(at: Computing) -> Counts:
    return Counts(added=sum(part.rows for part in at.first))
