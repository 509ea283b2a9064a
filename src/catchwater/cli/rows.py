"""How a query's rows are printed, as table, CSV or JSON; DuckDB makes the text, in pieces, so a result may be large.

Values in CSV and JSON are those of the API (serve/values.py): every digit is kept, and NaN is the string "NaN".
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from catchwater.errors import UseError
from catchwater.project.names import quote
from catchwater.project.tables import Column

if TYPE_CHECKING:
    import duckdb

PIECE = 5000
Rows = Iterator[Sequence[str | None]]
_VIEW = "_catchwater_result"


def write(con: "duckdb.DuckDBPyConnection", sql: str, form: str, out: TextIO) -> None:
    """Run one statement and print its rows. Raises UseError for none or several, duckdb.Error for one that's wrong."""
    import duckdb

    statements = con.extract_statements(sql)
    pivots = any(statement.type == duckdb.StatementType.CREATE and not statement.query for statement in statements)
    if len(statements) - pivots != 1:  # a PIVOT makes its type in a statement of its own
        said = "several statements" if statements else "no statement"
        raise UseError(f"{said}: one at a time is run", next_step='catchwater query "SHOW TABLES"')
    found = con.sql(sql)
    if found is None:
        raise UseError("this statement has no rows", next_step='catchwater query "SHOW TABLES"')
    columns = tuple(Column(name, str(kind)) for name, kind in zip(_unique(found.columns), found.dtypes, strict=True))
    shown, printed = _FORMS[form]
    alias = f"AS {_VIEW}({', '.join(quote(column.name) for column in columns)})"
    wrapped = shown(columns, f"(\n{sql.strip().removesuffix(';')}\n) {alias}")
    again = not getattr(con, "elsewhere", False) and _parses(con, wrapped)
    rows = con.execute(wrapped) if again else found.query(_VIEW, shown(columns, f"{_VIEW} {alias}"))
    printed(list(found.columns), _each(rows), out)


def _parses(con: "duckdb.DuckDBPyConnection", sql: str) -> bool:
    """EXPLAIN, PIVOT without a list and a comment behind a semicolon can't stand in a FROM."""
    import duckdb

    try:
        return len(con.extract_statements(sql)) == 1
    except duckdb.Error:
        return False


def _each(result: Any) -> Rows:
    while rows := result.fetchmany(PIECE):
        yield from rows


def _unique(names: Sequence[str]) -> list[str]:
    """The names with a number behind one that was there: no column is lost in JSON."""
    found: list[str] = []
    for name in names:
        one, number = name, 0
        while one.lower() in {each.lower() for each in found}:
            number += 1
            one = f"{name}_{number}"
        found.append(one)
    return found


def _json(columns: tuple[Column, ...], source: str) -> str:
    from catchwater.serve.values import json_row

    return f"SELECT {json_row(columns)} FROM {source}"


def _csv(columns: tuple[Column, ...], source: str) -> str:
    from catchwater.serve.values import csv_columns

    return _texts(columns, f"(SELECT {csv_columns(columns)} FROM {source})")


def _texts(columns: tuple[Column, ...], source: str) -> str:
    return f"SELECT {', '.join(f'CAST({quote(column.name)} AS VARCHAR)' for column in columns)} FROM {source}"


def _print_json(names: Sequence[str], rows: Rows, out: TextIO) -> None:
    before = "["
    for row in rows:
        out.write(f"{before}\n  {row[0]}")
        before = ","
    out.write("[]\n" if before == "[" else "\n]\n")


def _print_csv(names: Sequence[str], rows: Rows, out: TextIO) -> None:
    """A header and the rows; NULL is an empty field, an empty text is `""`."""
    out.write(",".join(map(_field, names)) + "\n")
    out.writelines(",".join(map(_field, row)) + "\n" for row in rows)


def _field(text: str | None) -> str:
    if text is None:
        return ""
    needs = not text or any(char in text for char in ',"\r\n')
    return '"' + text.replace('"', '""') + '"' if needs else text


def _print_table(names: Sequence[str], rows: Rows, out: TextIO) -> None:
    """Columns as wide as the first PIECE rows want them."""
    from itertools import islice

    from catchwater.cli import show

    if list(names) == ["explain_key", "explain_value"]:
        out.writelines(f"{row[1]}\n" for row in rows)
        return
    first = [[show.cell(value) for value in row] for row in islice(rows, PIECE)]
    heads = [show.cell(name) for name in names]
    widths = show.widths([heads, *first])
    out.write(show.line(heads, widths) + "\n" + "  ".join("─" * width for width in widths) + "\n")
    out.writelines(show.line(cells, widths) + "\n" for cells in first)
    out.writelines(show.line([show.cell(value) for value in row], widths) + "\n" for row in rows)


Shown = Callable[[tuple[Column, ...], str], str]
Printed = Callable[[Sequence[str], Rows, TextIO], None]
_FORMS: dict[str, tuple[Shown, Printed]] = {
    "table": (_texts, _print_table),
    "csv": (_csv, _print_csv),
    "json": (_json, _print_json),
}
FORMS = tuple(_FORMS)
