"""DuckDB's types as Postgres holds them, and how values cross; no connection here."""

import re
from dataclasses import dataclass

from catchwater.errors import WarehouseError
from catchwater.project.tables import Column

_INTEGERS = ("smallint", "integer", "bigint")
_SAME = {
    "BOOLEAN": "boolean", "TINYINT": "smallint", "SMALLINT": "smallint", "UTINYINT": "smallint",
    "INTEGER": "integer", "USMALLINT": "integer", "BIGINT": "bigint", "UINTEGER": "bigint",
    "FLOAT": "real", "DOUBLE": "double precision", "VARCHAR": "text", "UUID": "uuid", "BLOB": "bytea",
    "DATE": "date", "TIME": "time without time zone", "TIME WITH TIME ZONE": "time with time zone",
    "TIMESTAMP": "timestamp without time zone", "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    "INTERVAL": "interval", '"NULL"': "integer", "NULL": "integer",
}  # fmt: skip
_MOMENTS = {"TIMESTAMP_S": "TIMESTAMP", "TIMESTAMP_MS": "TIMESTAMP", "TIMESTAMP_NS": "TIMESTAMP"}
_WIDER = {"TINYINT": "SMALLINT", "UTINYINT": "SMALLINT", "USMALLINT": "INTEGER", "UINTEGER": "BIGINT"}
_DIGITS = {"UBIGINT": "numeric(20,0)", "HUGEINT": "numeric(39,0)", "UHUGEINT": "numeric(39,0)", "BIGNUM": "numeric"}
_NUMERIC = re.compile(r"(?:numeric|DECIMAL)\((\d+),\s*(\d+)\)")


@dataclass(frozen=True)
class Held:
    """`type` is Postgres's name; `sent` the DuckDB type in which values cross, `staged` what receives them."""

    type: str
    sent: str
    staged: str

    def sending(self, name: str) -> str:
        """The DuckDB expression that sends a quoted column."""
        if self.type == "jsonb":
            return f"CAST(to_json({name}) AS VARCHAR)"
        return f"CAST({name} AS {self.sent})"


def held(table: str, column: Column) -> Held:
    """Raises WarehouseError for a type that Postgres can't hold."""
    kind = column.type
    if kind == "JSON" or kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION", "VARIANT")):
        return Held("jsonb", "VARCHAR", "text")
    if kind.startswith("ENUM") or kind == "BIT":
        return Held("text", "VARCHAR", "text")
    if kind in _DIGITS:
        return Held(_DIGITS[kind], "VARCHAR", "text")
    decimal = _NUMERIC.fullmatch(kind)
    if decimal:
        precision, scale = int(decimal[1]), int(decimal[2])
        numeric = f"numeric({precision},{scale})"
        return Held(numeric, "VARCHAR", "text") if _overflows(precision, scale) else Held(numeric, kind, numeric)
    if kind in _MOMENTS:
        return Held(_SAME[_MOMENTS[kind]], _MOMENTS[kind], _SAME[_MOMENTS[kind]])
    if kind not in _SAME:
        raise WarehouseError(
            f"Postgres can't hold the type {kind} of column {column.name}",
            where=table,
            next_step=f"cast {column.name} in the model, for example to VARCHAR",
        )
    sent = "INTEGER" if kind in ('"NULL"', "NULL") else _WIDER.get(kind, kind)
    return Held(_SAME[kind], sent, _SAME[kind])


def _overflows(precision: int, scale: int) -> bool:
    """Whether DuckDB 1.5 sends wrong digits: it widens the fraction to a multiple of four digits, in the integer that
    holds the value."""
    digits = next(held for held in (4, 9, 18, 38) if precision <= held)
    return (scale + 3) // 4 * 4 > digits


def accepts(there: str, wanted: str) -> bool:
    """Whether a column of type `there` (as format_type writes it) takes every value of type `wanted`."""
    if there == wanted:
        return True
    if wanted == "text":
        return there.startswith(("character varying", "text"))  # a length is Postgres's to hold
    if wanted == "jsonb":
        return there == "json"
    if there in _INTEGERS and wanted in _INTEGERS:
        return _INTEGERS.index(there) >= _INTEGERS.index(wanted)
    if there == "double precision":
        return wanted == "real"
    return _digits(there, wanted)


def _digits(there: str, wanted: str) -> bool:
    if there == "numeric":
        return wanted.startswith("numeric") or wanted in _INTEGERS
    held, need = _NUMERIC.fullmatch(there), _NUMERIC.fullmatch(wanted)
    if not held or not need:
        return False
    before = int(held[1]) - int(held[2]) >= int(need[1]) - int(need[2])
    return before and int(held[2]) >= int(need[2])
