"""DuckDB's types as BigQuery holds them, how values cross, and names that both have; no connection here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from catchwater.errors import WarehouseError
from catchwater.project.names import literal, quote
from catchwater.project.tables import Column

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAKEN = ("_table_", "_file_", "_partition", "_row_timestamp", "__root__", "_colidentifier", "_change_")
_INTEGERS = dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"), "BIGINT")
_SAME = {
    "BOOLEAN": ("BOOL", "BOOLEAN"), "FLOAT": ("FLOAT64", "DOUBLE"), "DOUBLE": ("FLOAT64", "DOUBLE"),
    "VARCHAR": ("STRING", "VARCHAR"), "UUID": ("STRING", "VARCHAR"), "JSON": ("STRING", "VARCHAR"),
    "BIT": ("STRING", "VARCHAR"), "BLOB": ("BYTES", "BLOB"), "DATE": ("DATE", "DATE"), "TIME": ("TIME", "TIME"),
    "TIMESTAMP": ("DATETIME", "TIMESTAMP"), "TIMESTAMP_S": ("DATETIME", "TIMESTAMP"),
    "TIMESTAMP_MS": ("DATETIME", "TIMESTAMP"), "TIMESTAMP WITH TIME ZONE": ("TIMESTAMP", "TIMESTAMPTZ"),
    '"NULL"': ("INT64", "BIGINT"), "NULL": ("INT64", "BIGINT"),
    **{name: ("INT64", sent) for name, sent in _INTEGERS.items()},
}  # fmt: skip
_DIGITS = ("HUGEINT", "UHUGEINT")  # 39 digits, of which BIGNUMERIC takes all that they have
_MOMENTS = {"DATE": "DATE", "DATETIME": "TIMESTAMP", "TIMESTAMP": "TIMESTAMPTZ"}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_NUMERIC = re.compile(r"(BIG)?NUMERIC(?:\((\d+)(?:,\s*(\d+))?\))?")
_INSTEAD = {
    "INTERVAL": "epoch({name}), seconds as a number",
    "TIME WITH TIME ZONE": "CAST({name} AS TIME) beside the offset",
    "TIMESTAMP_NS": "CAST({name} AS TIMESTAMP), which holds microseconds",
    "BIGNUM": "CAST({name} AS DECIMAL(38,0))",
}


@dataclass(frozen=True)
class Held:
    """`type` is BigQuery's (as its INFORMATION_SCHEMA writes it), `sent` the DuckDB type in which values are staged,
    `staged` BigQuery's type of the staged column."""

    type: str
    sent: str
    staged: str

    def value(self, expression: str) -> str:
        """The staged value as it will be stored, in BigQuery's SQL."""
        name = self.type.partition("(")[0]
        return expression if self.staged == name else f"CAST({expression} AS {name})"

    def wrong(self, name: str) -> str:
        """A DuckDB condition that holds for values outside of BigQuery's years 1 to 9999; '' where none can be."""
        if self.type not in _MOMENTS:
            return ""
        kind = _MOMENTS[self.type]
        zone = "+00" if kind == "TIMESTAMPTZ" else ""
        first, last = ("0001-01-01", "9999-12-31")
        if kind != "DATE":
            first, last = f"{first} 00:00:00{zone}", f"{last} 23:59:59.999999{zone}"
        return f"{name} NOT BETWEEN {kind} {literal(first)} AND {kind} {literal(last)}"


def held(table: str, column: Column) -> Held:
    """Raises WarehouseError, with the portable form, for a type whose values BigQuery can't hold as they are."""
    kind = column.type
    if kind.startswith("ENUM"):
        return Held("STRING", "VARCHAR", "STRING")
    if kind in _DIGITS:
        return Held("BIGNUMERIC", "VARCHAR", "STRING")
    decimal = _DECIMAL.fullmatch("DECIMAL(20,0)" if kind == "UBIGINT" else kind)
    if decimal:
        return _decimal(int(decimal[1]), int(decimal[2]))
    if kind not in _SAME:
        raise _refused(table, column)
    type_, sent = _SAME[kind]
    return Held(type_, sent, type_)


def _decimal(precision: int, scale: int) -> Held:
    """NUMERIC has 29 digits before and 9 behind the point; the wider ones are staged as text, which is exact."""
    digits = f"({precision},{scale})" if scale else f"({precision})"
    if scale <= 9 and precision - scale <= 29:
        return Held(f"NUMERIC{digits}", f"DECIMAL({precision},{scale})", "NUMERIC")
    return Held(f"BIGNUMERIC{digits}", "VARCHAR", "STRING")


def _refused(table: str, column: Column) -> WarehouseError:
    name = quote(column.name)
    nested = column.type.endswith("]") or column.type.startswith(("STRUCT", "MAP", "UNION", "VARIANT"))
    instead = f"CAST(to_json({name}) AS VARCHAR)" if nested else _INSTEAD.get(column.type, "CAST({name} AS VARCHAR)")
    return WarehouseError(
        f"BigQuery can't hold the type {column.type} of column {column.name} as it is",
        where=table,
        next_step=f"write it in the model as {instead.format(name=name)}",
    )


def accepts(there: str, wanted: str) -> bool:
    """Whether a column of type `there` takes every value of type `wanted`, both as INFORMATION_SCHEMA writes them."""
    if there.replace(" ", "") == wanted.replace(" ", ""):
        return True
    if wanted == "INT64" and there == "FLOAT64":
        return False
    has, needs = _NUMERIC.fullmatch(there), _NUMERIC.fullmatch(wanted)
    if has is None:
        return False
    before, behind = _room(has)
    if wanted == "INT64":
        return before >= 19
    if needs is None:
        return False
    need_before, need_behind = _room(needs)
    return before >= need_before and behind >= need_behind


def _room(match: re.Match[str]) -> tuple[int, int]:
    """Digits before and behind the point."""
    big, precision, scale = match.groups()
    if precision is None:
        return (39, 38) if big else (29, 9)
    return int(precision) - int(scale or 0), int(scale or 0)


def check_names(table: str, columns: Sequence[str], file: str = "") -> None:
    """Raises WarehouseError for a table or column that BigQuery can't call so."""
    long = len(table) > 1000 or any(len(name) > 300 for name in columns)
    odd = [name for name in (table, *columns) if not _PLAIN.fullmatch(name)]
    taken = [name for name in columns if name.lower().startswith(_TAKEN)]
    if not (long or odd or taken):
        return
    names = ", ".join(repr(name[:60]) for name in (odd or taken or [table]))
    reason = "names are letters a to z, digits and underscores" if odd else "it is too long"
    reason = "it keeps such names for itself" if taken and not odd else reason
    raise WarehouseError(f"BigQuery can't hold the name {names}: {reason}", where=table, next_step=f"rename it {file}")


def tick(*names: str) -> str:
    """A path in BigQuery's SQL; a backtick can't be in what `check_names` and the schema let through."""
    return "`" + ".".join(name.replace("\\", "\\\\").replace("`", "\\`") for name in names) + "`"


def text(value: str) -> str:
    """A string literal in BigQuery's SQL, which reads backslashes."""
    plain = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return "'" + plain.replace("\0", "\\x00") + "'"
