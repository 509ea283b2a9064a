"""Which casts Spark does as DuckDB does, and how; the others are refused with the form that both do alike."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from catchwater.project.portable_types import NULL, SIGNED, Refused, digits, is_float, spark_type

if TYPE_CHECKING:
    from sqlglot import exp

_INTEGER = "^[+-]?[0-9]{1,18}$"
_FRACTION = "^[+-]?[0-9]{1,30}([.][0-9]{1,30})?$"
_TRUE, _FALSE = "'true', 't', 'yes', 'y', '1'", "'false', 'f', 'no', 'n', '0'"
# Texts that both read alike; DuckDB reads more than these (' 42 ', '1e3', '1_000'), and Spark others.
_FORMS = {
    "FLOAT": "^[+-]?[0-9]{1,30}([.][0-9]{1,30})?([eE][+-]?[0-9]{1,3})?$",
    "DOUBLE": "^[+-]?[0-9]{1,30}([.][0-9]{1,30})?([eE][+-]?[0-9]{1,3})?$",
    "DATE": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "TIMESTAMP": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?$",
    "TIMESTAMP WITH TIME ZONE": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?"
    "(Z|[+-][0-9]{2}:[0-9]{2})$",
}
_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")


def template(sql: str, **parts: "exp.Expr | str") -> "exp.Expr":
    """Spark SQL with `:name` replaced by parts of a tree."""
    import sqlglot
    from sqlglot import exp

    return exp.replace_placeholders(sqlglot.parse_one(sql, dialect="spark"), **parts)


def as_type(node: "exp.Expr", kind: str) -> "exp.Expr":
    """A cast that Spark does exactly, between types of one kind."""
    from sqlglot import exp

    target = spark_type(kind)
    if target is None:
        raise Refused(node, f"Spark has no type for {kind}", "cast it to VARCHAR")
    return exp.Cast(this=node, to=exp.DataType.build(target, dialect="spark"))


def widen(source: "exp.Expr", node: "exp.Expr", kind: str, to: str) -> "exp.Expr":
    """What DuckDB does of its own accord where two types meet; only between numbers, and from NULL."""
    if kind in (to, NULL):
        return as_type(node, to) if kind == NULL else node
    exact, wanted = digits(kind), digits(to)
    if exact and wanted and wanted[0] - wanted[1] >= exact[0] - exact[1] and wanted[1] >= exact[1]:
        return as_type(node, to)
    if (exact and to == "DOUBLE") or (kind, to) == ("FLOAT", "DOUBLE"):
        return cast(source, node, kind, to)
    raise Refused(source, f"{kind} meets {to}", f"write CAST(… AS {to})")


def cast(source: "exp.Expr", node: "exp.Expr", kind: str, to: str) -> "exp.Expr":
    """`source` is where it stands in the model, `node` the translated operand, of DuckDB's type `kind`."""
    if kind in (to, NULL) or (kind, to) == ("JSON", "VARCHAR"):
        return as_type(node, to)
    found = _number(source, node, kind, to) or _text(node, kind, to) or _time(node, kind, to)
    if found is None:
        raise Refused(source, f"Spark casts {kind} to {to} otherwise than DuckDB", _portable(kind, to))
    return found


def _number(source: "exp.Expr", node: "exp.Expr", kind: str, to: str) -> "exp.Expr | None":
    exact, wanted = digits(kind), digits(to)
    if to in SIGNED and kind == "DOUBLE":
        return as_type(template("RINT(:x)", x=node), to)
    if kind == "FLOAT" and to == "DOUBLE":
        return as_type(node, to)
    if not exact:
        return as_type(node, to) if kind == "BOOLEAN" and to in SIGNED else None
    if to == "BOOLEAN":
        return template("(:x <> 0)", x=node)
    if to == "DOUBLE":
        return _double(source, node, kind)
    if wanted and exact[1] and not wanted[1]:
        return as_type(template("ROUND(:x, 0)", x=node), to)
    return as_type(node, to) if wanted else None


def _double(source: "exp.Expr", node: "exp.Expr", kind: str) -> "exp.Expr":
    """DuckDB divides the digits by a power of ten, which is the nearest number only while both are exact."""
    precision, scale = digits(kind) or (0, 0)
    if precision <= 15 or (not scale and precision <= 19):
        return as_type(node, "DOUBLE")
    limit = "9223372036854775807" if not scale else f"{'9' * (15 - min(scale, 14))}"
    if scale > 14:
        raise Refused(source, f"{kind} becomes a DOUBLE by another rounding", "cast to DECIMAL(15,…) first")
    said = "'a number too large to be the same DOUBLE in Spark and DuckDB'"
    guarded = template(f"CASE WHEN ABS(:x) <= {limit} OR :x IS NULL THEN :x ELSE RAISE_ERROR({said}) END", x=node)
    return as_type(guarded, "DOUBLE")


def _text(node: "exp.Expr", kind: str, to: str) -> "exp.Expr | None":
    if to == "VARCHAR":
        plain = digits(kind) or kind in ("BOOLEAN", "DATE", "TIMESTAMP")
        if kind == "TIMESTAMP WITH TIME ZONE":
            return template("CONCAT(CAST(:x AS STRING), '+00')", x=node)
        return as_type(node, to) if plain else None
    if kind != "VARCHAR":
        return None
    if to == "BOOLEAN":
        return template(
            f"CASE WHEN :x IS NULL THEN CAST(NULL AS BOOLEAN) WHEN LOWER(:x) IN ({_TRUE}) THEN TRUE "
            f"WHEN LOWER(:x) IN ({_FALSE}) THEN FALSE ELSE CAST(RAISE_ERROR('no BOOLEAN') AS BOOLEAN) END", x=node
        )  # fmt: skip
    number = digits(to)
    form = _FORMS.get(to) if not number else _FRACTION if number[1] else _INTEGER
    if form is None or to == "HUGEINT":
        return None
    return as_type(
        template(
            f"CASE WHEN :x IS NULL OR :x RLIKE '{form}' THEN :x "
            f"ELSE RAISE_ERROR('a text that Spark may not read as {to} as DuckDB does') END", x=node
        ), to
    )  # fmt: skip


def _time(node: "exp.Expr", kind: str, to: str) -> "exp.Expr | None":
    return as_type(node, to) if kind in _TIMES and to in _TIMES else None


def _portable(kind: str, to: str) -> str:
    if is_float(kind) and digits(to):
        return "keep it a DOUBLE, or cast it to BIGINT"
    if is_float(kind) and to == "VARCHAR":
        return "round it to a whole number (BIGINT) before it becomes a text"
    return "cast it to VARCHAR, a number or a time in two steps that are allowed"


Cast = Callable[["exp.Expr", "exp.Expr", str, str], "exp.Expr"]
