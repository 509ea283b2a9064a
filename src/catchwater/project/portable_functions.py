"""The functions, aggregates and windows that Spark computes as DuckDB does; see portable_rules for operators."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from catchwater.project.portable_casts import as_type, template
from catchwater.project.portable_types import Refused, digits

if TYPE_CHECKING:
    from sqlglot import exp

    from catchwater.project.portable_rules import Rule, Scalars

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FRACTION = "^-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?$"
_UNITS = ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND")
_PARTS = ("YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE")
_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")


def _texts(name: str, *keys: str) -> "Rule":
    """A function of texts that gives what DuckDB's gives."""

    def rule(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
        parts = {f"p{i}": at.text(node.args[key]) for i, key in enumerate(keys)}
        made = template(f"{name}({', '.join(':' + part for part in parts)})", **parts)
        return as_type(made, at.type(node))

    return rule


def _letters(name: str) -> "Rule":
    """Java and DuckDB know different letters outside ASCII, so that there the step fails by name."""

    def rule(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
        return template(
            f"CASE WHEN :x IS NULL OR OCTET_LENGTH(:x) = CHAR_LENGTH(:x) THEN {name}(:x) "
            f"ELSE RAISE_ERROR('{name} of letters outside ASCII, which Spark and DuckDB change differently') END",
            x=at.text(node.this),
        )

    return rule


def _concat(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    empty = [template("COALESCE(:x, '')", x=at.text(part)) for part in node.expressions]
    return exp.Anonymous(this="CONCAT", expressions=empty)


def _joined(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
    return template("(:a || :b)", a=at.text(node.this), b=at.text(node.expression))


def _substring(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    ends = [node.args.get("start"), node.args.get("length")]
    if any(not isinstance(end, exp.Literal) or not end.name.isdigit() for end in ends if end is not None):
        raise Refused(node, "substring from a place that isn't a plain number", "write numbers from 1 on")
    if ends[0] is None or ends[0].name == "0":
        raise Refused(node, "substring from 0", "begin at 1")
    parts = ", ".join(end.name for end in ends if end is not None)
    return template(f"SUBSTRING(:x, {parts})", x=at.text(node.this))


def _like(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    pattern = node.expression
    if not (isinstance(pattern, exp.Literal) and pattern.is_string) or "\\" in pattern.name:
        raise Refused(node, "LIKE a pattern with a backslash, or one that isn't written out", "use contains()")
    made = exp.Like(this=at.text(node.this), expression=pattern.copy())
    return exp.Not(this=made) if node.args.get("negate") else made


def _trim(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    letters = node.expression
    if not (isinstance(letters, exp.Literal) and letters.is_string and letters.name.isascii()) or not letters.name:
        raise Refused(node, "the two trim other characters", "name them: trim(x, ' ')")
    side = str(node.args.get("position") or "BOTH").upper()
    return template(f"TRIM({side} :c FROM :x)", c=letters.copy(), x=at.text(node.this))


def _part(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    of, part = (node.expression, node.this.name) if isinstance(node, exp.Extract) else (node.this, type(node).__name__)
    if part.upper() not in _PARTS or at.type(of) not in _TIMES:
        raise Refused(node, f"{part.lower()} of {at.type(of)}", f"ask for one of {', '.join(_PARTS).lower()}")
    return as_type(template(f"EXTRACT({part.upper()} FROM :x)", x=at.of(of)), at.type(node))


def _truncated(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
    unit = str(node.args["unit"].name).upper()
    if unit not in _UNITS or at.type(node.this) not in _TIMES:
        raise Refused(node, f"date_trunc to {unit.lower()}", f"use one of {', '.join(_UNITS).lower()}")
    moment = as_type(at.of(node.this), "TIMESTAMP WITH TIME ZONE")
    return as_type(template(f"DATE_TRUNC('{unit}', :x)", x=moment), at.type(node))


def _days(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
    if str(node.args["unit"].name).upper() != "DAY" or {at.type(node.this), at.type(node.expression)} - set(_TIMES):
        raise Refused(node, "a difference of times", "use date_diff('day', a, b)")
    ends = {name: as_type(at.of(end), "DATE") for name, end in (("a", node.this), ("b", node.expression))}
    return as_type(template("DATEDIFF(:a, :b)", **ends), at.type(node))


def _rounded(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    exact, places = digits(at.type(node.this)), node.args.get("decimals")
    whole = places is None or (isinstance(places, exp.Literal) and places.name.isdigit())
    if not exact or not whole:
        raise Refused(node, f"{at.type(node.this)} is rounded", "round a DECIMAL to a written number of places")
    return as_type(template(f"ROUND(:x, {places.name if places else 0})", x=at.of(node.this)), at.type(node))


def _exact(name: str) -> "Rule":
    """ABS, FLOOR and CEIL of whole numbers and DECIMALs."""

    def rule(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
        if not digits(at.type(node.this)) or not digits(at.type(node)):
            raise Refused(node, f"{name.lower()} of {at.type(node.this)}", "cast it to a DECIMAL first")
        return as_type(template(f"{name}(:x)", x=at.of(node.this)), at.type(node))

    return rule


def _count(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    inside = node.this
    if isinstance(inside, exp.Star) or inside is None:
        return template("COUNT(*)")
    if not isinstance(inside, exp.Distinct):
        return exp.Count(this=at.of(inside))
    if len(inside.expressions) != 1:
        raise Refused(node, "count(DISTINCT …) of several columns", "count the rows of a SELECT DISTINCT")
    counted = inside.expressions[0]
    return exp.Count(this=exp.Distinct(expressions=[at.of(counted)]))


def _sum(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
    """Exact numbers only: a sum of DOUBLEs depends on the order of its rows, in DuckDB too."""
    from sqlglot import exp

    inside = node.this
    distinct = isinstance(inside, exp.Distinct)
    value = inside.expressions[0] if distinct else inside
    exact = digits(at.type(value))
    if not exact or (exact[0] > 28 and at.type(value) != "HUGEINT"):
        raise Refused(node, f"a sum of {at.type(value)}", "write sum(CAST(x AS DECIMAL(28,…)))")
    number = as_type(at.of(value), f"DECIMAL(28,{exact[1]})")
    return as_type(exp.Sum(this=exp.Distinct(expressions=[number]) if distinct else number), at.type(node))


def _extreme(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
    if node.expressions or at.type(node.this) in ("JSON", "BLOB"):
        raise Refused(node, f"{type(node).__name__.lower()} of {at.type(node.this)}", "of one text, number or time")
    return type(node)(this=at.of(node.this))


def _truths(name: str) -> "Rule":
    def rule(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
        if at.type(node.this) != "BOOLEAN":
            raise Refused(node, f"{name.lower()} of {at.type(node.this)}", "write the comparison")
        return template(f"{name}(:x)", x=at.of(node.this))

    return rule


def _filter(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
    """Spark wants the aggregate itself before FILTER; the casts around it stay outside."""
    from sqlglot import exp

    made = at.of(node.this)
    kept = exp.Where(this=at.of(node.expression.this))
    inner = made.this if isinstance(made, exp.Cast) else made
    filtered = exp.Filter(this=inner.copy(), expression=kept)
    return as_type(filtered, at.type(node)) if inner is not made else filtered


def ordered(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
    """NULLS LAST unless said otherwise, which is DuckDB's rule and not Spark's."""
    from sqlglot import exp

    first = bool(node.args.get("nulls_first"))
    return exp.Ordered(this=at.of(node.this), desc=bool(node.args.get("desc")), nulls_first=first)


def _window(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    function, order, spec = node.this, node.args.get("order"), node.args.get("spec")
    if node.args.get("alias") or (spec is not None and not _simple(spec)):
        raise Refused(node, "this window's frame", "write ROWS BETWEEN … AND … in the OVER itself")
    if isinstance(function, exp.RowNumber | exp.Rank | exp.DenseRank):
        made: exp.Expr = type(function)()
    elif isinstance(function, exp.Lag | exp.Lead | exp.FirstValue | exp.LastValue):
        made = _neighbour(at, function)
    elif isinstance(function, exp.Sum | exp.Count | exp.Min | exp.Max):
        made = at.of(function)
    else:
        raise Refused(node, f"the window function {function.sql('duckdb')}", "use row_number, rank, lag, lead, sum, …")
    inner = made.this if isinstance(made, exp.Cast) else made
    over = exp.Window(
        this=inner.copy(), partition_by=[at.of(part) for part in node.args.get("partition_by") or ()],
        order=exp.Order(expressions=[ordered(at, part) for part in order.expressions]) if order else None,
        spec=spec.copy() if spec is not None else None, over="OVER",
    )  # fmt: skip
    return as_type(over, at.type(node))


def _neighbour(at: "Scalars", function: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    offset = function.args.get("offset")
    if function.args.get("default") is not None or (offset is not None and not isinstance(offset, exp.Literal)):
        raise Refused(function, "lag or lead with a default", "wrap it in coalesce()")
    parts = {"this": at.of(function.this)} | ({"offset": offset.copy()} if offset is not None else {})
    return type(function)(**parts)


def _simple(spec: "exp.Expr") -> bool:
    from sqlglot import exp

    ends = (spec.args.get("start"), spec.args.get("end"))
    plain = all(end is None or isinstance(end, str | exp.Literal) for end in ends)
    return plain and str(spec.args.get("kind")).upper() == "ROWS" and not spec.args.get("exclude")


def path(node: "exp.Expr") -> tuple[str, ...]:
    """The names of `$.a.b`; other paths are refused."""
    from sqlglot import exp

    parts = getattr(node.expression, "expressions", [])
    names = [part.this for part in parts[1:]] if parts else []
    plain = all(isinstance(part, exp.JSONPathKey) for part in parts[1:])
    if not names or not plain or not all(isinstance(name, str) and _NAME.fullmatch(name) for name in names):
        raise Refused(node, "this path into JSON", "write '$.name.name' with plain names")
    return tuple(names)


def _json(at: "Scalars", node: "exp.Expr") -> "tuple[exp.Expr, tuple[str, ...]]":
    if at.type(node.this) not in ("VARCHAR", "JSON"):
        raise Refused(node, f"JSON out of {at.type(node.this)}", "cast it to JSON")
    return at.of(node.this), path(node)


def _leaf(names: tuple[str, ...], kind: str) -> str:
    """The value at a path when it has that type, else NULL."""
    schema = kind
    for name in reversed(names):
        schema = f"STRUCT<`{name}`: {schema}>"
    return f"FROM_JSON(:j, '{schema}').{'.'.join(f'`{name}`' for name in names)}"


def _json_text(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
    """The text at a path. A number with a fraction or an object is written otherwise by the two, and a text that
    isn't JSON is NULL in Spark: there the step fails by name, as DuckDB does for the last."""
    source, names = _json(at, node)
    where = "$." + ".".join(names)
    text = f"GET_JSON_OBJECT(:j, '{where}')"
    said = f"at {where} stands a number with a fraction or an object, which Spark writes otherwise than DuckDB"
    odd = (
        f"({text} RLIKE '{_FRACTION}' AND NOT {text} RLIKE '^-?[0-9]+$' AND {_leaf(names, 'DOUBLE')} IS NOT NULL) OR "
        f"(STARTSWITH({text}, '{{') AND {_leaf(names, 'MAP<STRING, STRING>')} IS NOT NULL) OR "
        f"(STARTSWITH({text}, '[') AND {_leaf(names, 'ARRAY<STRING>')} IS NOT NULL)"
    )
    return template(
        f"CASE WHEN {odd} THEN RAISE_ERROR('{said}') WHEN {text} IS NOT NULL THEN {text} "
        "WHEN :j IS NOT NULL AND GET_JSON_OBJECT(:j, '$') IS NULL THEN RAISE_ERROR('malformed JSON') END",
        j=source,
    )  # fmt: skip


def _json_length(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
    """Of an array its length, of anything else that is there 0, NULL of what isn't there."""
    from sqlglot import exp

    inside = node.expressions[0] if len(node.expressions) == 1 else node
    if not isinstance(inside, exp.JSONExtract):
        raise Refused(node, "an array's length by another path", "json_array_length(json_extract(x, '$.name'))")
    source, names = _json(at, inside)
    above = "$" + "".join(f".{name}" for name in names[:-1])
    array = _leaf(names, "ARRAY<STRING>")
    made = template(
        f"CASE WHEN {array} IS NOT NULL THEN SIZE({array}) WHEN :j IS NOT NULL AND GET_JSON_OBJECT(:j, '$') IS NULL "
        f"THEN CAST(RAISE_ERROR('malformed JSON') AS INT) WHEN MAP_CONTAINS_KEY(FROM_JSON(GET_JSON_OBJECT(:j, "
        f"'{above}'), 'MAP<STRING, STRING>'), '{names[-1]}') THEN 0 END", j=source,
    )  # fmt: skip
    return as_type(made, at.type(node))


_NAMED: "dict[str, Callable[[Scalars, exp.Expr], exp.Expr]]" = {"json_array_length": _json_length}


def _anonymous(at: "Scalars", node: "exp.Expr") -> "exp.Expr":
    rule = _NAMED.get(str(node.name).lower())
    if rule is None:
        raise Refused(node, f"Spark's {str(node.name).lower()} isn't known to be DuckDB's", "or engine: duckdb")
    return rule(at, node)


def functions() -> "dict[type[exp.Expr], Rule]":
    from sqlglot import exp

    return {
        exp.Lower: _letters("LOWER"), exp.Upper: _letters("UPPER"), exp.Length: _texts("CHAR_LENGTH", "this"),
        exp.Concat: _concat, exp.DPipe: _joined, exp.Substring: _substring, exp.Like: _like, exp.Trim: _trim,
        exp.Replace: _texts("REPLACE", "this", "expression", "replacement"), exp.MD5: _texts("MD5", "this"),
        exp.StartsWith: _texts("STARTSWITH", "this", "expression"),
        exp.EndsWith: _texts("ENDSWITH", "this", "expression"),
        exp.Contains: _texts("CONTAINS", "this", "expression"),
        exp.Extract: _part, exp.Year: _part, exp.Month: _part, exp.Day: _part,
        exp.TimestampTrunc: _truncated, exp.DateTrunc: _truncated, exp.DateDiff: _days,
        exp.Round: _rounded, exp.Abs: _exact("ABS"), exp.Floor: _exact("FLOOR"), exp.Ceil: _exact("CEIL"),
        exp.Count: _count, exp.Sum: _sum, exp.Min: _extreme, exp.Max: _extreme, exp.Filter: _filter,
        exp.LogicalAnd: _truths("BOOL_AND"), exp.LogicalOr: _truths("BOOL_OR"), exp.Window: _window,
        exp.JSONExtractScalar: _json_text, exp.Anonymous: _anonymous,
    }  # fmt: skip
