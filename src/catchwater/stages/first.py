"""The first rows of a model, written straight to the file that is committed; no row is compared or left out here."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from catchwater.lake.difference import Counts
from catchwater.lake.parquet import OPTIONS, read_back, written
from catchwater.project.names import literal, quote
from catchwater.stages.checks import NEW
from catchwater.stages.inputs import held_columns
from catchwater.stages.work import INTO, Computing


def is_first(at: Computing) -> bool:
    """Whether all rows are new and may stay: then no table of them is needed, however many they are."""
    leaves_out = any(check.severity == "quarantine" for check in at.model.checks)
    return (at.work.head is None or at.anew) and bool(at.model.key) and not leaves_out


def write_first(at: Computing) -> Computing:
    """`#new` as a view over a file, which is the difference too."""
    con, path = at.con, write_new(at)
    con.execute(f"CREATE TEMP VIEW {quote(INTO + '_upserts')} AS FROM {quote(NEW)}")
    con.execute(f"CREATE TEMP VIEW {quote(INTO + '_removed')} AS FROM {quote(NEW)} LIMIT 0")
    return replace(at, first=path)


def write_new(at: Computing) -> Path:
    """`#new` as a view over a file."""
    model, con = at.model, at.con
    path = at.folder / f"{model.name}-new.parquet"
    columns = held_columns(model)
    items = ", ".join(written(column) for column in columns)
    with _any_order(at):
        con.execute(f"COPY (SELECT {items}, false AS _removed FROM (\n{at.sql}\n)) TO {literal(str(path))} {OPTIONS}")
    back = ", ".join(map(read_back, columns))
    file = f"read_parquet({literal(str(path))}, hive_partitioning = false)"
    con.execute(f"CREATE TEMP VIEW {quote(NEW)} AS SELECT {back} FROM {file}")
    return path


@contextmanager
def _any_order(at: Computing) -> Iterator[None]:
    """The rows of a row-wise model are the same in whatever order they are read, and need no room to wait in."""
    free = at.model.materialized == "incremental"
    if free:
        at.con.execute("SET preserve_insertion_order = false")
    yield
    if free:
        at.con.execute("RESET preserve_insertion_order")


def keeps_keys(at: Computing) -> bool:
    """Whether no two rows can have the same key: each row is of one row of a captured table, whose key it has, and a
    capture that compares checksums holds each key once."""
    model = at.model
    if at.first is None or model.materialized != "incremental" or model.history or not model.driving_key:
        return False
    driving = next(read for read in model.reads if read.alias == model.driving)
    tables = [batch.tables[driving.table] for batch in at.work.whole(driving.log) if driving.table in batch.tables]
    return set(model.driving_key) <= set(model.key) and bool(tables) and tables[-1].checksum is not None


def without_first(at: Computing) -> Computing:
    """Forget the file: some of its rows may not stay."""
    for name in (INTO + "_removed", INTO + "_upserts", NEW):
        at.con.execute(f"DROP VIEW {quote(name)}")
    return replace(at, first=None)


def first_counts(at: Computing) -> Counts:
    row = at.con.execute(f"SELECT count(*) FROM {quote(NEW)}").fetchone()
    return Counts(added=int(row[0]) if row else 0)
