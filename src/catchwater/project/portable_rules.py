"""The scalar expressions that Spark computes as DuckDB does, one rule per kind of node; all others are refused."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catchwater.project.portable_casts import as_type, cast, template, widen
from catchwater.project.portable_types import NULL, Refused, Scope, digits, is_float, spark_type

if TYPE_CHECKING:
    from sqlglot import exp

# What a node may hold besides; a rule would lose anything else in silence.
_PARTS = frozenset(
    {"alias", "big_int", "binary", "coalesce", "date_part_boundary", "decimals", "default", "encoding", "end",
     "end_side", "expression", "expressions", "false", "high", "ifs", "ignore_nulls", "is_string", "kind",
     "length", "low", "negate", "null", "offset", "only_json_types", "order", "over", "partition_by", "position",
     "quoted", "replacement", "safe", "scalar_only", "spec", "start", "start_side", "table", "this", "to", "true",
     "typed", "unit", "zero_based", "zone"}
)  # fmt: skip
_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")


@dataclass(frozen=True)
class Scalars:
    """Translates the scalars of one SELECT: what `of` gives has exactly the Spark type of DuckDB's type of it."""

    scope: Scope

    def type(self, node: "exp.Expr") -> str:
        return self.scope.type(node)

    def of(self, node: "exp.Expr") -> "exp.Expr":
        rule = rules().get(type(node))
        strange = {key for key, value in node.args.items() if value} - _PARTS
        if rule is None or strange:
            raise Refused(node, f"Spark's {_name(node)} isn't known to be DuckDB's", _portable(node))
        return rule(self, node)

    def to(self, node: "exp.Expr", kind: str) -> "exp.Expr":
        """An operand as DuckDB converts it where it meets others."""
        return widen(node, self.of(node), self.type(node), kind)

    def text(self, node: "exp.Expr") -> "exp.Expr":
        if self.type(node) not in ("VARCHAR", NULL):
            raise Refused(node, f"{self.type(node)} is taken for a text", "write CAST(… AS VARCHAR)")
        return as_type(self.of(node), "VARCHAR") if self.type(node) == NULL else self.of(node)


def _name(node: "exp.Expr") -> str:
    from sqlglot import exp

    if isinstance(node, exp.Anonymous):
        return str(node.name).lower()
    return node.sql_name().lower() if isinstance(node, exp.Func) else type(node).__name__.upper()


def _portable(node: "exp.Expr") -> str:
    from sqlglot import exp

    told: dict[type[exp.Expr], str] = {
        exp.Avg: "write sum(x) / count(x)",
        exp.TryCast: "test the text with LIKE or a CASE first, then CAST",
        exp.ILike: "write lower(x) LIKE …",
        exp.AnyValue: "write min(x)",
        exp.First: "write min(x)",
    }
    return told.get(type(node), "use the functions that docs/engines.md lists, or engine: duckdb")


def _same(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    return node.copy()


def _column(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    if spark_type(at.type(node)) is None:
        raise Refused(node, f"the column is {at.type(node)}, which Spark doesn't have", "or engine: duckdb")
    return node.copy()


def _literal(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    return node.copy() if node.args["is_string"] else as_type(_quoted(node.name), at.type(node))


def _quoted(text: str) -> "exp.Expr":
    from sqlglot import exp

    return exp.Literal.string(text)


def _paren(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    return exp.Paren(this=at.of(node.this))


def _logic(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    for side in (node.this, node.args.get("expression")):
        if side is not None and at.type(side) not in ("BOOLEAN", NULL):
            raise Refused(side, f"{at.type(side)} is taken for a BOOLEAN", "write the comparison, such as x <> 0")
    parts = {key: at.of(side) for key in ("this", "expression") if (side := node.args.get(key)) is not None}
    return type(node)(**parts)


def common(at: Scalars, nodes: "Sequence[exp.Expr]") -> str:
    """The type in which DuckDB compares these, when Spark compares them alike."""
    kinds = list(dict.fromkeys(at.type(node) for node in nodes if at.type(node) != NULL))
    if len(kinds) <= 1:
        return kinds[0] if kinds else "BOOLEAN"
    exact = [digits(kind) for kind in kinds]
    if all(exact):
        scale = max(s for _, s in exact)  # type: ignore[misc]
        whole = max(p - s for p, s in exact)  # type: ignore[misc]
        if scale + whole <= 38:
            return f"DECIMAL({scale + whole},{scale})"
    elif all(is_float(kind) or digits(kind) for kind in kinds) and "DOUBLE" in kinds:
        return "DOUBLE"
    raise Refused(nodes[0], f"{' and '.join(kinds)} are compared", "cast both sides to one type")


def _compare(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    kind = common(at, [node.this, node.expression])
    _comparable(node, kind)
    return type(node)(this=at.to(node.this, kind), expression=at.to(node.expression, kind))


def _comparable(node: "exp.Expr", kind: str) -> None:
    if kind in ("JSON", "BLOB") or ("(" in kind and not digits(kind)):
        raise Refused(node, f"values of type {kind} are compared", "compare texts: CAST(… AS VARCHAR)")


def _between(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    low, high = node.args["low"], node.args["high"]
    kind = common(at, [node.this, low, high])
    _comparable(node, kind)
    return exp.Between(this=at.to(node.this, kind), low=at.to(low, kind), high=at.to(high, kind))


def _is(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    if not isinstance(node.expression, exp.Null | exp.Boolean):
        raise Refused(node, "IS is followed by something else than NULL, TRUE or FALSE", "write IS NOT DISTINCT FROM")
    if isinstance(node.expression, exp.Boolean) and at.type(node.this) != "BOOLEAN":
        raise Refused(node, f"IS TRUE is asked of {at.type(node.this)}", "compare it first")
    return exp.Is(this=at.of(node.this), expression=node.expression.copy())


def _in(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    """A list; over a query Spark forgets in a SELECT what NULL means."""
    from sqlglot import exp

    items = node.expressions
    if not items:
        raise Refused(node, "IN isn't followed by a list", "write the values, or a SEMI or ANTI JOIN with the query")
    kind = common(at, [node.this, *items])
    _comparable(node, kind)
    return exp.In(this=at.to(node.this, kind), expressions=[at.to(item, kind) for item in items])


def _arithmetic(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    """Sums and products in the type that DuckDB gives them; both engines fail when it overflows."""
    kind = at.type(node)
    left, right = at.type(node.this), at.type(node.expression)
    if kind == "FLOAT" or (digits(kind) and digits(kind)[1] == 0 and "DECIMAL" not in left + right):  # type: ignore[index]
        if kind == "HUGEINT":
            raise Refused(node, "HUGEINT is calculated with", "cast it to BIGINT or DECIMAL(28,0) first")
        made = type(node)(this=at.to(node.this, kind), expression=at.to(node.expression, kind))
        return as_type(made, kind)
    if kind == "DOUBLE":
        return type(node)(this=at.to(node.this, kind), expression=at.to(node.expression, kind))
    if digits(kind) and digits(left) and digits(right):
        return as_type(_decimals(at, node), kind)
    raise Refused(node, f"{left} and {right} are calculated with", "cast both to a number first")


def _decimals(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    (lp, ls), (rp, rs) = (digits(at.type(side)) or (0, 0) for side in (node.this, node.expression))
    width = lp + rp + 1 if isinstance(node, exp.Mul) else max(ls, rs) + max(lp - ls, rp - rs) + 1
    if width > 38:
        raise Refused(node, "the result has more than 38 digits", "cast both sides to shorter DECIMALs")
    sides = [as_type(at.of(side), at.type(side)) for side in (node.this, node.expression)]
    return type(node)(this=sides[0], expression=sides[1])


def _add(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    left, right = node.this, node.expression
    if isinstance(right, exp.Interval):
        return _moved(at, node, right)
    kinds = (at.type(left), at.type(right))
    if isinstance(node, exp.Sub) and kinds == ("DATE", "DATE"):
        return as_type(template("DATEDIFF(:a, :b)", a=at.of(left), b=at.of(right)), "BIGINT")
    return _arithmetic(at, node)


def _moved(at: Scalars, node: "exp.Expr", by: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    unit = str(by.args.get("unit") or "").upper().rstrip("S")
    number = by.this.name if isinstance(by.this, exp.Literal) else ""
    units = ("SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "YEAR")
    if not number.isdigit() or unit not in units or at.type(node.this) not in _TIMES:
        raise Refused(node, "this INTERVAL is added", "write a whole number of SECOND, …, YEAR")
    sign = "-" if isinstance(node, exp.Sub) else "+"
    moved = template(f":x {sign} INTERVAL '{int(number)}' {unit}", x=as_type(at.of(node.this), at.type(node)))
    return as_type(exp.Paren(this=moved), at.type(node))


def _divide(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    """DuckDB divides to a DOUBLE, and by zero to infinity or NaN; Spark would fail, or keep a DECIMAL."""
    if at.type(node) != "DOUBLE":
        raise Refused(node, f"{at.type(node)} is divided", "cast both sides to DOUBLE")
    return template(
        "CASE WHEN :b <> CAST(0 AS DOUBLE) THEN :a / :b WHEN :a IS NULL OR :b IS NULL THEN CAST(NULL AS DOUBLE) "
        "WHEN :a = CAST(0 AS DOUBLE) OR ISNAN(:a) THEN CAST('NaN' AS DOUBLE) "
        "WHEN (:a > CAST(0 AS DOUBLE)) = (CAST(:b AS STRING) = '0.0') THEN CAST('Infinity' AS DOUBLE) "
        "ELSE CAST('-Infinity' AS DOUBLE) END",
        a=at.to(node.this, "DOUBLE"), b=at.to(node.expression, "DOUBLE"),
    )  # fmt: skip


def _whole(operator: str) -> "Callable[[Scalars, exp.Expr], exp.Expr]":
    def rule(at: Scalars, node: "exp.Expr") -> "exp.Expr":
        """Of whole numbers; by zero it is NULL."""
        kind = at.type(node)
        if kind not in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT"):
            raise Refused(node, f"{operator} of {kind}", "cast both sides to BIGINT")
        a, b = at.to(node.this, kind), at.to(node.expression, kind)
        return as_type(template(f"CASE WHEN :b <> 0 THEN :a {operator} :b END", a=a, b=b), kind)

    return rule


def _negative(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    if not (digits(at.type(node)) or is_float(at.type(node))):
        raise Refused(node, f"minus {at.type(node)}", "cast it to a number")
    if isinstance(node.this, exp.Literal):
        return as_type(_quoted(f"-{node.this.name}"), at.type(node))
    return as_type(exp.Neg(this=exp.Paren(this=at.to(node.this, at.type(node)))), at.type(node))


def _cast(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    if isinstance(node.this, exp.Literal) and node.this.is_string and at.type(node) != "VARCHAR":
        return as_type(_quoted(at.scope.text(node)), at.type(node))
    return cast(node, at.of(node.this), at.type(node.this), at.type(node))


def _zone(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    zone = node.args["zone"]
    if getattr(zone, "name", "").upper() != "UTC" or at.type(node.this) not in _TIMES[1:]:
        raise Refused(node, "the two keep different tables of time zones", "use AT TIME ZONE 'UTC'")
    return as_type(at.of(node.this), at.type(node))


def _case(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    kind = at.type(node)
    kind = "INTEGER" if kind == NULL else kind
    branches = []
    for branch in node.args["ifs"]:
        condition = branch.this
        if node.this is not None:
            condition = exp.EQ(this=node.this.copy(), expression=condition.copy())
        branches.append(exp.If(this=_condition(at, condition), true=at.to(branch.args["true"], kind)))
    otherwise = node.args.get("default")
    return exp.Case(ifs=branches, default=at.to(otherwise, kind) if otherwise is not None else None)


def _condition(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    if at.type(node) not in ("BOOLEAN", NULL):
        raise Refused(node, f"{at.type(node)} is taken for a BOOLEAN", "write the comparison, such as x <> 0")
    return at.of(node)


def _if(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    otherwise = node.args.get("false")
    return _case(at, exp.Case(ifs=[exp.If(this=node.this, true=node.args["true"])], default=otherwise))


def _choice(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    kind = at.type(node)
    items = [at.to(item, kind) for item in (node.this, *node.expressions)]
    return type(node)(this=items[0], expressions=items[1:])


def _null_if(at: Scalars, node: "exp.Expr") -> "exp.Expr":
    same = _compare(at, _equal(node))
    return template("CASE WHEN :same THEN NULL ELSE :x END", same=same, x=at.to(node.this, at.type(node)))


def _equal(node: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    return exp.EQ(this=node.this.copy(), expression=node.expression.copy())


Rule = Callable[[Scalars, "exp.Expr"], "exp.Expr"]


def rules() -> "dict[type[exp.Expr], Rule]":
    """Every kind of node that is translated."""
    from sqlglot import exp

    from catchwater.project.portable_functions import functions

    return {
        exp.Column: _column, exp.Boolean: _same, exp.Null: _same, exp.Literal: _literal, exp.Paren: _paren,
        exp.And: _logic, exp.Or: _logic, exp.Not: _logic, exp.Is: _is, exp.In: _in, exp.Between: _between,
        **dict.fromkeys((exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ), _compare),
        exp.Add: _add, exp.Sub: _add, exp.Mul: _arithmetic, exp.Div: _divide, exp.IntDiv: _whole("DIV"),
        exp.Mod: _whole("%"), exp.Neg: _negative, exp.Cast: _cast, exp.AtTimeZone: _zone, exp.Case: _case, exp.If: _if,
        exp.Coalesce: _choice, exp.Greatest: _choice, exp.Least: _choice, exp.Nullif: _null_if,
        **functions(),
    }  # fmt: skip
