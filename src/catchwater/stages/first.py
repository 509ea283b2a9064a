"""The first rows of a model, written straight to the file that is committed; no row is compared or left out here."""

from dataclasses import replace

from catchwater.lake.difference import Counts
from catchwater.lake.parquet import read_back, written
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
    model, con = at.model, at.con
    path = at.folder / f"{model.name}-first.parquet"
    columns = held_columns(model)
    items = ", ".join(written(column) for column in columns)
    con.execute(
        f"COPY (SELECT {items}, false AS _removed FROM (\n{at.sql}\n)) TO {literal(str(path))} "
        "(FORMAT parquet, COMPRESSION zstd)"
    )
    back = ", ".join(map(read_back, columns))
    file = f"read_parquet({literal(str(path))}, hive_partitioning = false)"
    con.execute(f"CREATE TEMP VIEW {quote(NEW)} AS SELECT {back} FROM {file}")
    con.execute(f"CREATE TEMP VIEW {quote(INTO + '_upserts')} AS FROM {quote(NEW)}")
    con.execute(f"CREATE TEMP VIEW {quote(INTO + '_removed')} AS FROM {quote(NEW)} LIMIT 0")
    return replace(at, first=path)


def without_first(at: Computing) -> Computing:
    """Forget the file: some of its rows may not stay."""
    for name in (INTO + "_removed", INTO + "_upserts", NEW):
        at.con.execute(f"DROP VIEW {quote(name)}")
    return replace(at, first=None)


def first_counts(at: Computing) -> Counts:
    row = at.con.execute(f"SELECT count(*) FROM {quote(NEW)}").fetchone()
    return Counts(added=int(row[0]) if row else 0)
