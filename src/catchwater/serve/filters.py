"""The query string of a rows request, read and checked against the table's columns; no SQL is run here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from catchwater.project.names import quote
from catchwater.project.tables import Column
from catchwater.serve.catalog import Exposed
from catchwater.serve.problems import Refusal
from catchwater.serve.values import NESTED, kind, scale

RESERVED = ("select", "order", "limit", "cursor")
PAGE, MOST = 100, 10_000
_COMPARE = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
OPERATORS = (*_COMPARE, "in", "is", "like", "ilike")
_WHOLE = frozenset(f"{sign}{size}int" for sign in ("", "u") for size in ("tiny", "small", "big", "huge")) | {
    "integer",
    "uinteger",
    "bignum",
}
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?")
_FIXED = re.compile(r"[+-]?(\d+)(?:\.(\d*))?")
_OFFSET = re.compile(r"([zZ]|[+-]\d\d(:?\d\d)?)$")


@dataclass(frozen=True)
class Condition:
    """`sql` with one `?` for each of `values`; each value is cast to `type` in the SQL. `parameter` is its name in
    the query string."""

    sql: str
    values: tuple[str, ...]
    type: str
    parameter: str


@dataclass(frozen=True)
class Order:
    """One column to sort by. NULLs are last going up and first going down unless said otherwise."""

    column: Column
    descending: bool = False
    nulls_first: bool = False

    @property
    def sql(self) -> str:
        way = "DESC" if self.descending else "ASC"
        return f"{quote(self.column.name)} {way} NULLS {'FIRST' if self.nulls_first else 'LAST'}"


@dataclass(frozen=True)
class Asked:
    """A rows request. `limit` is None for the whole table."""

    columns: tuple[Column, ...]
    conditions: tuple[Condition, ...]
    order: tuple[Order, ...]
    limit: int | None
    cursor: str | None


def read(table: Exposed, pairs: Sequence[tuple[str, str]], whole: bool = False) -> Asked:
    """`pairs` as they came, decoded. Raises Refusal 400 that names the parameter."""
    options: dict[str, str] = {}
    conditions = []
    for name, value in pairs:
        if name in RESERVED:
            if name in options:
                raise Refusal(400, f"{name} is given twice", parameter=name)
            options[name] = value
        else:
            conditions.append(_condition(table, name, value))
    columns = _select(table, options["select"]) if "select" in options else table.columns
    order = _order(table, options["order"]) if "order" in options else ()
    limit = _limit(options["limit"]) if "limit" in options else (None if whole else PAGE)
    if limit is None and "cursor" in options:
        raise Refusal(400, "a cursor belongs to pages; the whole table has none", parameter="cursor")
    return Asked(columns, tuple(conditions), order, limit, options.get("cursor"))


def split(text: str, parameter: str) -> list[tuple[str, str, bool]]:
    """`a,"b,c".desc` as [("a", "", False), ("b,c", ".desc", True)]: items between commas, each a name, what follows
    its closing quote, and whether it was quoted. Inside double quotes a backslash keeps the next character."""
    found = []
    at = 0
    while True:
        if text[at : at + 1] == '"':
            name, at = _quoted(text, at, parameter)
            end = text.find(",", at)
            end = len(text) if end < 0 else end
            found.append((name, text[at:end], True))
        else:
            end = text.find(",", at)
            end = len(text) if end < 0 else end
            found.append((text[at:end], "", False))
        if end == len(text):
            return found
        at = end + 1


def _quoted(text: str, at: int, parameter: str) -> tuple[str, int]:
    name = []
    at += 1
    while at < len(text) and text[at] != '"':
        at += text[at] == "\\"
        name.append(text[at : at + 1])
        at += 1
    if at >= len(text):
        raise Refusal(400, 'a double quote stays open; inside quotes write \\" for one', parameter=parameter)
    return "".join(name), at + 1


def _named(table: Exposed, name: str, parameter: str) -> Column:
    column = table.column(name)
    if column is None:
        known = ", ".join(c.name for c in table.columns)
        raise Refusal(400, f"{table.name} has no column {name}; it has {known}", parameter=parameter)
    return column


def _select(table: Exposed, text: str) -> tuple[Column, ...]:
    columns = []
    for name, rest, _ in split(text, "select"):
        if rest:
            raise Refusal(400, f"{rest} after a quoted name", parameter="select")
        column = _named(table, name, "select")
        if column in columns:
            raise Refusal(400, f"{name} is named twice", parameter="select")
        columns.append(column)
    return tuple(columns)


def _order(table: Exposed, text: str) -> tuple[Order, ...]:
    found: list[Order] = []
    for name, rest, quoted in split(text, "order"):
        if rest and not rest.startswith("."):
            raise Refusal(400, f"{rest} after a quoted name", parameter="order")
        words = rest.split(".")[1:]
        while not quoted and table.column(name) is None and "." in name:
            name, _, word = name.rpartition(".")
            words.insert(0, word)
        column = _named(table, name, "order")
        if kind(column) in NESTED or kind(column) in ("union", "json"):
            raise Refusal(400, f"{name} is {column.type}: it has no order", parameter="order")
        if any(order.column == column for order in found):
            raise Refusal(400, f"{name} is named twice", parameter="order")
        found.append(_direction(column, words))
    return tuple(found)


def _direction(column: Column, words: list[str]) -> Order:
    descending = words[:1] == ["desc"]
    rest = words[1:] if words[:1] in (["asc"], ["desc"]) else words
    if len(rest) > 1 or (rest and rest[0] not in ("nullsfirst", "nullslast")):
        wrong = ".".join(words)
        raise Refusal(400, f"{wrong}: write .asc or .desc, then .nullsfirst or .nullslast", parameter="order")
    return Order(column, descending, rest[0] == "nullsfirst" if rest else descending)


def _limit(text: str) -> int | None:
    if text == "all":
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= MOST:
        raise Refusal(400, f"limit is a number from 1 to {MOST}, or all (the whole table, streamed)", parameter="limit")
    return int(text)


def _condition(table: Exposed, parameter: str, text: str) -> Condition:
    name, rest = parameter, ""
    if parameter.startswith('"'):
        name, end = _quoted(parameter, 0, parameter)
        rest = parameter[end:]
    if rest:
        raise Refusal(400, f"{rest} after a quoted name", parameter=parameter)
    column = _named(table, name, parameter)
    negated = text.startswith("not.")
    operator, dot, value = text.removeprefix("not.").partition(".")
    if not dot or operator not in OPERATORS:
        raise Refusal(400, f"write {name}=OPERATOR.VALUE, OPERATOR one of {', '.join(OPERATORS)}", parameter=parameter)
    found = _built(column, operator, value, parameter)
    return Condition(f"NOT ({found.sql})", found.values, found.type, parameter) if negated else found


def _built(column: Column, operator: str, value: str, parameter: str) -> Condition:
    name, what = quote(column.name), kind(column)
    if operator == "is":
        words = {"null": "IS NULL", "not_null": "IS NOT NULL"}
        words |= {"true": "IS TRUE", "false": "IS FALSE"} if what == "boolean" else {}
        if value not in words:
            raise Refusal(400, f"is takes {', '.join(words)}, not {value[:60]}", parameter=parameter)
        return Condition(f"{name} {words[value]}", (), column.type, parameter)
    if operator in ("like", "ilike"):
        return _like(column, operator, value, parameter)
    if what in NESTED or what in ("union", "json"):
        raise Refusal(400, f"{column.name} is {column.type}: only is.null and not.is.null apply", parameter=parameter)
    if operator == "in":
        values = tuple(_checked(column, one, parameter) for one in _listed(value, parameter))
        marks = ", ".join([f"CAST(? AS {column.type})"] * len(values))
        # an empty list matches nothing, and its negation every row that has a value
        return Condition(f"{name} IN ({marks})" if marks else f"{name} <> {name}", values, column.type, parameter)
    checked = _checked(column, value, parameter)
    return Condition(f"{name} {_COMPARE[operator]} CAST(? AS {column.type})", (checked,), column.type, parameter)


def _like(column: Column, operator: str, value: str, parameter: str) -> Condition:
    if kind(column) != "varchar":
        raise Refusal(400, f"{column.name} is {column.type}: {operator} is for VARCHAR", parameter=parameter)
    if re.search(r"(?<!\\)(\\\\)*\\$", value):
        raise Refusal(400, "the pattern ends with a single backslash", parameter=parameter)
    pattern = re.sub(r"\\.|\*", lambda m: "%" if m[0] == "*" else m[0].replace("\\*", "*"), value, flags=re.DOTALL)
    return Condition(f"{quote(column.name)} {operator.upper()} ? ESCAPE '\\'", (pattern,), "VARCHAR", parameter)


def _listed(text: str, parameter: str) -> list[str]:
    if not (text.startswith("(") and text.endswith(")")) or len(text) < 2:
        raise Refusal(
            400, "write in.(a,b); a value with a comma, quote or parenthesis goes in double quotes", parameter=parameter
        )
    found = split(text[1:-1], parameter) if len(text) > 2 else []
    for value, rest, quoted in found:
        if rest or (not quoted and set(value) & set('"()')):
            raise Refusal(400, f"quote this value: {value[:60]}{rest[:60]}", parameter=parameter)
    return [value for value, _, _ in found]


def _checked(column: Column, value: str, parameter: str) -> str:
    """The value as DuckDB's cast takes it without rounding; what else is wrong with it the cast says later."""
    what = kind(column)
    if what in _WHOLE:
        right = re.fullmatch(r"[+-]?[0-9]{1,80}", value) is not None
    elif what == "decimal":
        right = _fits(column, value)
    elif what in ("float", "double"):
        right = bool(_NUMBER.fullmatch(value)) or value in ("NaN", "Infinity", "-Infinity")
    elif what == "boolean":
        right = value in ("true", "false")
    elif what == "date":
        right = re.fullmatch(r"-?[0-9]{4,6}-[0-9]{1,2}-[0-9]{1,2}|-?infinity", value) is not None
    elif what == "timestamp with time zone":
        right = True
        value = value if _OFFSET.search(value[10:]) or "infinity" in value else f"{value}Z"
    else:
        right = True
    if not right:
        raise Refusal(400, f"{value[:60]} is no {column.type}, the type of {column.name}", parameter=parameter)
    return value


def _fits(column: Column, value: str) -> bool:
    """Digits beyond the column's scale would be rounded to a value that nobody asked for."""
    match = _FIXED.fullmatch(value)
    return match is not None and len((match[2] or "").rstrip("0")) <= scale(column)
