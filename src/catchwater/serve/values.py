"""How each type of value leaves the API, as SQL expressions; no value ever passes through Python here.

JSON keeps every digit: DECIMAL is a string, whole numbers beyond ±(2^53 - 1) are strings, NaN and the infinities are
the strings "NaN", "Infinity", "-Infinity"; TIMESTAMP WITH TIME ZONE ends with Z, TIMESTAMP has no offset because its
type has none; BLOB is base64; lists, structs and maps are arrays and objects of the same.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from catchwater.project.names import literal, quote
from catchwater.project.tables import Column

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType

SAFE = 2**53 - 1
PLAIN = frozenset({"boolean", "tinyint", "smallint", "integer", "utinyint", "usmallint", "uinteger", "varchar"})
LARGE = frozenset({"bigint", "ubigint", "hugeint", "uhugeint"})
NESTED = frozenset({"list", "array", "struct", "map"})
_LOCAL = frozenset({"timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"})
Leaf = Callable[[str, str], str]


@cache
def type_of(text: str) -> "DuckDBPyType":
    import duckdb

    if text in ('"NULL"', "NULL"):
        return duckdb.type("INTEGER")
    return duckdb.type(text)


def kind(column: Column) -> str:
    """DuckDB's name of the type without its parameters, e.g. `decimal`, `list`; `json` for JSON."""
    return "json" if column.type.upper() == "JSON" else str(type_of(column.type).id)


def _json_leaf(kind: str, value: str) -> str:
    if kind in LARGE:
        text = f"to_json(CAST({value} AS VARCHAR))"
        return f"CASE WHEN {value} BETWEEN -{SAFE} AND {SAFE} THEN to_json({value}) ELSE {text} END"
    if kind in ("float", "double"):
        odd = f"CASE WHEN isnan({value}) THEN 'NaN' WHEN {value} > 0 THEN 'Infinity' ELSE '-Infinity' END"
        finite = f"WHEN isfinite({value}) THEN to_json({value}) ELSE to_json({odd})"
        return f"CASE WHEN {value} IS NULL THEN NULL {finite} END"
    return value if kind in PLAIN or kind == "json" else text_leaf(kind, value)


def text_leaf(kind: str, value: str) -> str:
    """The value as VARCHAR, as it stands in CSV and in JSON strings."""
    text = f"CAST({value} AS VARCHAR)"
    if kind in _LOCAL:
        return f"replace({text}, ' ', 'T')"
    if kind == "timestamp with time zone":  # the cast to VARCHAR would follow the session's zone
        utc = f"replace(CAST(make_timestamp(epoch_us({value})) AS VARCHAR), ' ', 'T') || 'Z'"
        return f"CASE WHEN isfinite({value}) THEN {utc} ELSE {text} END"
    if kind == "blob":
        return f"base64({value})"
    if kind in ("float", "double"):
        odd = f"CASE WHEN isnan({value}) THEN 'NaN' WHEN {value} > 0 THEN 'Infinity' ELSE '-Infinity' END"
        return f"CASE WHEN {value} IS NULL THEN NULL WHEN isfinite({value}) THEN {text} ELSE {odd} END"
    return text


def _arrow_leaf(kind: str, value: str) -> str:
    """Arrow has no such type: text keeps the digits (DuckDB would hand over a double, or drop the offset)."""
    lossy = ("hugeint", "uhugeint", "bignum", "time with time zone", "bit", "uuid", "enum", "union")
    return f"CAST({value} AS VARCHAR)" if kind in lossy else value


def _rendered(kind: "DuckDBPyType", value: str, leaf: Leaf, depth: int = 0) -> str:
    """`value`, or an expression over it when some leaf inside needs one."""
    name, item = str(kind.id), f"x{depth}"
    if name not in NESTED or str(kind) == "JSON":
        return leaf("json" if str(kind) == "JSON" else name, value)
    if name in ("list", "array"):
        inner = _rendered(_child(kind, 0), item, leaf, depth + 1)
        return value if inner == item else f"list_transform({value}, lambda {item}: {inner})"
    if name == "map":
        return _map(kind, value, leaf, depth)
    parts = [(field, f"{value}.{quote(field)}", child) for field, child in _fields(kind)]
    fields = [(field, spot, _rendered(child, spot, leaf, depth + 1)) for field, spot, child in parts]
    if all(spot == inner for _, spot, inner in fields):
        return value
    packed = ", ".join(f"{quote(field)} := {inner}" for field, _, inner in fields)
    return f"CASE WHEN {value} IS NULL THEN NULL ELSE struct_pack({packed}) END"


def _map(kind: "DuckDBPyType", value: str, leaf: Leaf, depth: int) -> str:
    item = f"x{depth}"
    key = item if leaf is _arrow_leaf else f"CAST({item} AS VARCHAR)"
    inner = _rendered(_child(kind, 1), item, leaf, depth + 1)
    keys = f"list_transform(map_keys({value}), lambda {item}: {key})"
    items = f"list_transform(map_values({value}), lambda {item}: {inner})"
    return f"CASE WHEN {value} IS NULL THEN NULL ELSE map({keys}, {items}) END"


def _child(kind: "DuckDBPyType", number: int) -> Any:
    return kind.children[number][1]


def _fields(kind: "DuckDBPyType") -> list[tuple[str, Any]]:
    return list(kind.children)


def scale(column: Column) -> int:
    """Digits behind the point of a DECIMAL."""
    return int(dict(_fields(type_of(column.type)))["scale"])


def json_row(columns: tuple[Column, ...]) -> str:
    """One VARCHAR per row: a JSON object with the columns in order."""
    rendered = ((c, _rendered(type_of(c.type), quote(c.name), _json_leaf)) for c in columns)
    pairs = ", ".join(
        f"{quote(c.name)} := {'CAST(' + v + ' AS JSON)' if kind(c) == 'json' else v}" for c, v in rendered
    )
    return f"CAST(to_json(struct_pack({pairs})) AS VARCHAR)"


def csv_columns(columns: tuple[Column, ...]) -> str:
    """Numbers and booleans as they are, everything else as text; nested values as JSON."""
    return ", ".join(f"{_csv(column)} AS {quote(column.name)}" for column in columns)


def _csv(column: Column) -> str:
    value, name = quote(column.name), kind(column)
    if name in NESTED:
        inner = _rendered(type_of(column.type), value, _json_leaf)
        return f"CASE WHEN {value} IS NULL THEN NULL ELSE CAST(to_json({inner}) AS VARCHAR) END"
    as_is = name in PLAIN or name in ("bigint", "ubigint", "json")
    return value if as_is else text_leaf(name, value)


def arrow_columns(columns: tuple[Column, ...]) -> str:
    rendered = ((c, _rendered(type_of(c.type), quote(c.name), _arrow_leaf)) for c in columns)
    return ", ".join(f"{value} AS {quote(c.name)}" for c, value in rendered)


def json_schema(column: Column) -> dict[str, Any]:
    """What `json_row` writes for this column, as JSON Schema."""
    return _schema(type_of(column.type), kind(column) == "json")


def _schema(kind: "DuckDBPyType", is_json: bool = False) -> dict[str, Any]:
    name = str(kind.id)
    if is_json or str(kind) == "JSON":
        return {}
    if name in ("list", "array"):
        return {"type": ["array", "null"], "items": _schema(_child(kind, 0))}
    if name == "struct":
        return {"type": ["object", "null"], "properties": {f: _schema(child) for f, child in _fields(kind)}}
    if name == "map":
        return {"type": ["object", "null"], "additionalProperties": _schema(_child(kind, 1))}
    if name in LARGE:
        return {"type": ["integer", "string", "null"], "description": "a string beyond ±(2^53 - 1)"}
    if name in ("float", "double"):
        return {"type": ["number", "string", "null"], "description": '"NaN", "Infinity" and "-Infinity" are strings'}
    if name == "boolean":
        return {"type": ["boolean", "null"]}
    if name in PLAIN and name != "varchar":
        return {"type": ["integer", "null"]}
    return {"type": ["string", "null"], "description": literal(str(kind))[1:-1]}
