"""What stands in Parquet files for DuckDB's types that Parquet can't hold; readers cast back, nothing is read here."""

import re

from catchwater.project.names import quote
from catchwater.project.tables import Column

# As they come, Parquet would round HUGEINT to DOUBLE, cut microseconds off an INTERVAL and refuse a negative one, and
# move a TIME WITH TIME ZONE to UTC. DECIMAL is what other readers of the lake take for a sum of integers.
_INSTEAD = {
    "HUGEINT": "DECIMAL(38,0)", "UHUGEINT": "VARCHAR", "INTERVAL": "VARCHAR", "TIME WITH TIME ZONE": "VARCHAR",
}  # fmt: skip
OPTIONS = "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"  # 3 % larger than level 3, 6 % less work
# Where rows are in no order, groups end by bytes too: 122,880 wide rows wouldn't find room in little memory.
UNORDERED = OPTIONS.replace(")", ", ROW_GROUP_SIZE_BYTES '16MB')")
FEW_COLUMNS = 32
_WORDS = re.compile(
    r"\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'|"  # a field's name, an ENUM's value
    r"\b(?P<type>UHUGEINT|HUGEINT|INTERVAL|TIME WITH TIME ZONE)\b(?=\s*(?:[\[\],)]|$))"
)


def for_columns(options: str, columns: int) -> str:
    """The same for a table of so many columns. A dictionary of over 5,000 values saves no bytes and costs 9 % of the
    work; but DuckDB makes room for all of it in each column at once, so it sizes those of wide tables by itself."""
    return options.replace(")", ", DICTIONARY_SIZE_LIMIT 5000)") if columns <= FEW_COLUMNS else options


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
