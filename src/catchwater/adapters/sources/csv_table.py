"""From a CSV file to typed rows: DuckDB reads and casts; a value that its type can't hold exactly is refused."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from catchwater.adapters.sources import csv_lines
from catchwater.adapters.sources.csv_lines import Bad
from catchwater.adapters.sources.scratch import count, exactly
from catchwater.errors import SourceRefused
from catchwater.ports import Refused
from catchwater.project.declared_files import FileShape
from catchwater.project.names import literal, quote
from catchwater.project.tables import Column

if TYPE_CHECKING:
    import duckdb

ROWS = "new_rows"
PROTECTED = "unreadable_keys"
NEWLINE = r"\n"
_NOTHING = "\x01\x02"
_LAST = "\x01\x03"
_NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)"
FORMS = {
    "BIGINT": "[+-]?[0-9]+",
    "INTEGER": "[+-]?[0-9]+",
    "SMALLINT": "[+-]?[0-9]+",
    "DOUBLE": _NUMBER,
    "BOOLEAN": "(?i)(true|false|t|f|yes|no|y|n|1|0)",
    "DATE": _DATE,
    "TIMESTAMP": f"{_DATE}{_CLOCK}?",
    "TIMESTAMP WITH TIME ZONE": f"{_DATE}{_CLOCK}(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)",
}


@dataclass(frozen=True)
class Loaded:
    """Records of the file, and those refused; the others are the table ROWS (the declared columns)."""

    records: int
    refused: tuple[Refused, ...]


def load(con: "duckdb.DuckDBPyConnection", path: Path, shape: FileShape, where: str) -> Loaded:
    """Make the table ROWS of a plain UTF-8 file, and PROTECTED: keys of rows whose line can't be taken.

    `where` names the file in messages. Raises SourceRefused for an empty file, another header, and a file of which
    more than half can't be taken.
    """
    order = _order(path, shape, where)
    if _read_whole(con, path, shape, order) and not _wrong(con, shape):
        bad: list[Bad] = []
    else:
        bad = _read_by_line(con, path, shape, order)
    fields = ", ".join(f"c{number} AS {quote(name)}" for number, name in enumerate(shape.table.names))
    con.execute(f"CREATE TABLE {ROWS} AS SELECT {fields} FROM typed WHERE reason IS NULL AND first")
    records = count(con, f"SELECT count(*) FROM {ROWS}") + len(bad)
    _enough(records, bad, where)
    _protect(con, shape, order, bad)
    refused = [Refused(shape.table.name, f"{where}:{each.line}", each.reason, each.text) for each in bad]
    return Loaded(records, tuple(refused))


def _order(path: Path, shape: FileShape, where: str) -> list[int]:
    """For each column of the file, the number of the declared column that it is."""
    declared = list(shape.table.names)
    found = csv_lines.header(path, shape, where)
    if found is None:
        raise SourceRefused(
            "the file is empty", where=where, next_step="see what the server delivers; the rows held stay"
        )
    if not shape.header:
        return list(range(len(declared)))
    missing = [name for name in declared if name not in found]
    extra = [name for name in found if name not in declared]
    twice = sorted({name for name in found if found.count(name) > 1})
    parts = [
        f"{word}: {', '.join(names)}"
        for word, names in (("missing", missing), ("extra", extra), ("twice", twice))
        if names
    ]
    if parts:
        raise SourceRefused(
            f"the header isn't the declared one; {'; '.join(parts)}"[:2000],
            where=f"{where}:1",
            next_step="change the declared columns if the file is right; the rows held stay",
        )
    return [declared.index(name) for name in found]


def _options(columns: Sequence[str], end: str, *, header: bool = False) -> str:
    """`end` of lines is never left to be guessed: a return inside a field would be taken for one."""
    held = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in columns)
    return (
        f"auto_detect = false, header = {str(header).lower()}, columns = {{{held}}}, nullstr = {literal(_NOTHING)}, "
        f"strict_mode = true, max_line_size = {csv_lines.MAX_LINE * 4}, new_line = '{end}', compression = 'none'"
    )


def _read_whole(con: "duckdb.DuckDBPyConnection", path: Path, shape: FileShape, order: Sequence[int]) -> bool:
    """Read the file at once; False when anything is wrong in its form.

    DuckDB drops an empty field too many, a last record with an open quote, and a return that ends no line, without a
    word: hence a column more than there are, in which nothing may stand, a last row that must arrive, and none of
    those returns.
    """
    import duckdb

    end = _end(path)
    if end is None:
        return False
    names = [f"t{number}" for number in order]
    marks = f"delim = {literal(shape.delimiter)}, quote = {literal(shape.quote)}, escape = {literal(shape.quote)}"
    options = _options([*names, "beyond"], end, header=shape.header)
    try:
        with _ended(path, shape.delimiter.join([_LAST] * len(names)), end):
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE texts AS SELECT NULL::BIGINT AS line, * FROM read_csv("
                f"{exactly(path)}, {options}, {marks}, null_padding = true, parallel = false)"
            )
    except (duckdb.InvalidInputException, duckdb.ConversionException):
        return False
    arrived = " AND ".join(f"{name} = {literal(_LAST)}" for name in names)
    last = f"DELETE FROM texts WHERE rowid = (SELECT max(rowid) FROM texts) AND {arrived}"
    if not count(con, last) or count(
        con, f"SELECT count(*) FROM texts WHERE beyond IS NOT NULL OR {names[-1]} IS NULL"
    ):
        return False
    _type(con, shape)
    return True


@contextmanager
def _ended(path: Path, record: str, end: str) -> Iterator[None]:
    """The file with one more record at its end, for as long as the block lasts."""
    size = path.stat().st_size
    line = "\r\n" if end != NEWLINE else "\n"
    with path.open("r+b") as file:
        file.seek(size)
        file.write(f"{line}{record}{line}".encode())
    try:
        yield
    finally:
        os.truncate(path, size)


def _end(path: Path) -> str | None:
    """How lines end, as DuckDB spells it; None when not all of them end alike."""
    returns = pairs = 0
    last = b""
    with path.open("rb") as file:
        first = file.readline(csv_lines.MAX_LINE)
        file.seek(0)
        while data := file.read(1 << 20):
            returns += data.count(b"\r")
            pairs += data.count(b"\r\n") + (last == b"\r" and data[:1] == b"\n")
            last = data[-1:]
    if not returns:
        return NEWLINE
    return r"\r\n" if first.endswith(b"\r\n") and returns == pairs else None


def _wrong(con: "duckdb.DuckDBPyConnection", shape: FileShape) -> bool:
    return count(con, "SELECT count(*) FROM typed WHERE reason IS NOT NULL OR NOT first") > 0


def _read_by_line(con: "duckdb.DuckDBPyConnection", path: Path, shape: FileShape, order: Sequence[int]) -> list[Bad]:
    good = path.with_name("good.csv")
    found = csv_lines.scan(path, good, shape, len(order))
    names = ["line", *(f"t{number}" for number in order)]
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE texts AS SELECT * REPLACE (line::BIGINT AS line) FROM read_csv("
        f"{exactly(good)}, {_options(names, NEWLINE)}, delim = ',', quote = '\"', escape = '\"')"
    )
    _type(con, shape)
    texts = ", ".join(f"t{number}" for number in order)
    wrong = con.execute(
        "SELECT line, coalesce(reason, concat('the key stands before, in line ', first_line)), "
        f"list_transform([{texts}], lambda x: left(x, 1000)) FROM typed "
        "WHERE reason IS NOT NULL OR NOT first ORDER BY line"
    ).fetchall()
    mark = shape.delimiter
    bad = [Bad(line, reason, mark.join(fields), tuple(fields)) for line, reason, fields in wrong]
    return sorted([*found.bad, *bad], key=lambda each: each.line)


def _type(con: "duckdb.DuckDBPyConnection", shape: FileShape) -> None:
    """The table `typed`: line, the texts, c0, c1, …, `reason`, and whether the row is the first of its key."""
    columns = shape.table.columns
    nulls = ", ".join(literal(text) for text in shape.nulls)
    clean = [_clean(column, f"t{number}", nulls) for number, column in enumerate(columns)]
    values = ", ".join(f"{_value(column, f'v{n}', shape)} AS c{n}" for n, column in enumerate(columns))
    reasons = ", ".join(_reason(column, n, shape) for n, column in enumerate(columns))
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE casts AS SELECT *, coalesce({reasons}, NULL) AS reason FROM (SELECT *, {values} "
        f"FROM (SELECT *, {', '.join(f'{text} AS v{n}' for n, text in enumerate(clean))} FROM texts))"
    )
    key = ", ".join(f"c{shape.table.names.index(name)}" for name in shape.table.key)
    if not key:
        con.execute("CREATE OR REPLACE TEMP VIEW typed AS SELECT *, true AS first, NULL AS first_line FROM casts")
        return
    # the line says which came first; where there are no lines it only matters that there are two
    window = f"OVER (PARTITION BY reason IS NULL, {key} ORDER BY line)"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE typed AS SELECT *, reason IS NOT NULL OR row_number() {window} = 1 AS first, "
        f"first_value(line) {window} AS first_line FROM casts"
    )


def _clean(column: Column, text: str, nulls: str) -> str:
    value = text if column.type == "VARCHAR" else f"trim({text})"
    return f"CASE WHEN {value} IN ({nulls}) THEN NULL ELSE {value} END" if nulls else value


def _value(column: Column, text: str, shape: FileShape) -> str:
    if column.type == "VARCHAR":
        return text
    form = shape.formats.get(column.name)
    if form:
        return f"try_cast(try_strptime({text}, {literal(form)}) AS {column.type})"
    if column.type.startswith("DECIMAL"):
        scale = int(column.type.rstrip(")").split(",")[1])
        pattern = rf"[+-]?([0-9]+(\.[0-9]{{0,{scale}}}0*)?|\.[0-9]{{1,{max(scale, 1)}}}0*)"
    else:
        pattern = FORMS[column.type]
    # DuckDB wants seconds before an offset, and a colon in it
    full = text
    if "TIME ZONE" in column.type:
        full = (
            f"regexp_replace(regexp_replace({text}, '^(.{{16}})([Z+-].*)$', '\\1:00\\2'), '([+-]..)(..)$', '\\1:\\2')"
        )
    return f"CASE WHEN regexp_full_match({text}, {literal(pattern)}) THEN TRY_CAST({full} AS {column.type}) END"


def _reason(column: Column, number: int, shape: FileShape) -> str:
    text, value = f"v{number}", f"c{number}"
    name = literal(f"{column.name}: ")
    reasons = []
    if not column.nullable:
        reasons.append(f"WHEN {text} IS NULL THEN concat({name}, 'no value, and one is needed')")
    if column.type != "VARCHAR":
        lost = f"{value} IS NULL" + (f" OR NOT isfinite({value})" if column.type == "DOUBLE" else "")
        said = literal(f"' can't be held as {column.type}")
        reasons.append(f"WHEN {text} IS NOT NULL AND ({lost}) THEN concat({name}, '''', left({text}, 100), {said})")
    return f"CASE {' '.join(reasons)} END" if reasons else "NULL::VARCHAR"


def _enough(records: int, bad: Sequence[Bad], where: str) -> None:
    if len(bad) * 2 > records:
        raise SourceRefused(
            f"{len(bad)} of {records} lines can't be taken, the first in line {bad[0].line}: {bad[0].reason}",
            where=where,
            next_step="see what the server delivers, and the declared columns; the rows held stay",
        )


def _protect(con: "duckdb.DuckDBPyConnection", shape: FileShape, order: Sequence[int], bad: Sequence[Bad]) -> None:
    """The keys that stand in refused lines: their rows are still in the file, so they aren't deleted."""
    key = [shape.table.names.index(name) for name in shape.table.key]
    if not key:
        return
    types = ", ".join(f"k{number} VARCHAR" for number in key)
    con.execute(f"CREATE TEMP TABLE bad_keys ({types})")
    places = [list(order).index(number) for number in key]
    rows = [[(each.fields[place] or "").strip() for place in places] for each in bad if len(each.fields) > max(places)]
    if rows:
        con.executemany(f"INSERT INTO bad_keys VALUES ({', '.join('?' * len(key))})", rows)
    values = ", ".join(
        f"{_value(shape.table.columns[n], f'k{n}', shape)} AS {quote(shape.table.names[n])}" for n in key
    )
    con.execute(f"CREATE TABLE {PROTECTED} AS SELECT DISTINCT {values} FROM bad_keys")
