"""How Parquet files are written, and what stands in them for types that Parquet can't hold; nothing is read here."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from catchwater.project.names import quote
from catchwater.project.tables import Column

if TYPE_CHECKING:
    import duckdb

# As they come, Parquet would round HUGEINT to DOUBLE, cut microseconds off an INTERVAL and refuse a negative one, and
# move a TIME WITH TIME ZONE to UTC. DECIMAL is what other readers of the lake take for a sum of integers.
_INSTEAD = {
    "HUGEINT": "DECIMAL(38,0)", "UHUGEINT": "VARCHAR", "INTERVAL": "VARCHAR", "TIME WITH TIME ZONE": "VARCHAR",
}  # fmt: skip
# Level 1 is 3 % larger than level 3, and 6 % less work.
_ALWAYS = ("FORMAT parquet", "COMPRESSION zstd", "COMPRESSION_LEVEL 1")
_FEW_COLUMNS = 32
_FLOATING = re.compile(r"\b(?:FLOAT|DOUBLE|REAL)\b")
_WORDS = re.compile(
    r"\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'|"  # a field's name, an ENUM's value
    r"\b(?P<type>UHUGEINT|HUGEINT|INTERVAL|TIME WITH TIME ZONE)\b(?=\s*(?:[\[\],)]|$))"
)


def options(kinds: Sequence[str], *more: str) -> str:
    """What follows COPY … TO file, for columns of these DuckDB types.

    DuckDB's dictionaries take 0.0 and -0.0 for one value, so a file with such columns has none. Elsewhere one of over
    5,000 values saves no bytes and costs 9 % of the work; room for all of them is made in each column at once, so those
    of wide tables are DuckDB's to size."""
    if any(_FLOATING.search(kind) for kind in kinds):
        more = (*more, "DICTIONARY_SIZE_LIMIT 0")
    elif len(kinds) <= _FEW_COLUMNS:
        more = (*more, "DICTIONARY_SIZE_LIMIT 5000")
    return f"({', '.join((*_ALWAYS, *more))})"


def options_of(con: "duckdb.DuckDBPyConnection", select: str, *more: str) -> str:
    """The same for the columns that a SELECT gives."""
    return options([row[1] for row in con.execute(f"DESCRIBE {select}").fetchall()], *more)


def file_type(kind: str) -> str:
    """The DuckDB type in which a column of type `kind` is written; `kind` itself for most, nested ones too."""
    return _WORDS.sub(lambda found: _INSTEAD[found["type"]] if found["type"] else found[0], kind)


def written(column: Column) -> str:
    """The SELECT item that gives a column as it stands in a file."""
    name, kind = quote(column.name), file_type(column.type)
    return name if kind == column.type else f"CAST({name} AS {kind}) AS {name}"


def read_back(column: Column) -> str:
    """The SELECT item that gives a column of a file as it was before."""
    name = quote(column.name)
    return name if file_type(column.type) == column.type else f"CAST({name} AS {column.type}) AS {name}"
