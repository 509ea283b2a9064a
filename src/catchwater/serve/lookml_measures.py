"""The measures of a model as LookML's own types, so that its symmetric aggregates hold under joins; nothing is run."""

from typing import TYPE_CHECKING, Any

from catchwater.errors import Problem, ProjectError
from catchwater.plan.plan import Measure
from catchwater.project import names
from catchwater.serve.lookml_fields import Fields, sentence, words

if TYPE_CHECKING:
    from sqlglot import exp

FORMATS = {
    "gbp": "gbp", "usd": "usd", "eur": "eur", "percent": "percent_2", "decimal": "decimal_2", "integer": "decimal_0",
}  # fmt: skip
DIALECTS = {"bigquery": "bigquery", "postgres": "postgres"}


class Measures:
    """Collects the measures of one view; a part of a formula becomes a hidden measure of its own."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.made: list[dict[str, Any]] = []
        self._by_sql: dict[str, str] = {}
        self._dimensions = frozenset(fields.taken)

    def add(self, measures: tuple[Measure, ...]) -> list[dict[str, Any]]:
        """LookML of all measures: plain aggregates first, since formulas refer to them; then rows counted."""
        parsed = [(measure, _parse(self.fields, measure)) for measure in measures]
        simple = [(m, tree, self._native(tree)) for m, tree in parsed]
        for measure, tree, native in simple:
            if native is not None:
                name = self._append(measure.name, native, _shown(measure))
                self._by_sql.setdefault(tree.sql("duckdb"), name)
        for measure, tree, native in simple:
            if native is None:
                body = {"type": "number", "sql": self._formula(measure.name, tree)}
                self._append(measure.name, body, _shown(measure))
        self._count()
        return sorted(self.made, key=lambda one: one.get("hidden", "no"))

    def _append(self, name: str, body: dict[str, Any], shown: dict[str, Any]) -> str:
        folded = names.fold(name)
        taken = self.fields.claim(f"{folded}_measure" if folded in self._dimensions else folded)
        self.made.append({"name": taken, **body, **shown})
        return taken

    def _count(self) -> None:
        if any(one["type"] == "count" for one in self.made):
            return
        shown = {
            "label": "Rows",
            "description": sentence(f"How many rows of {self.fields.table.name}."),
            "value_format_name": "decimal_0",
        }
        self._append("count", {"type": "count"}, shown)

    def _native(self, tree: "exp.Expr") -> dict[str, Any] | None:
        """Type and SQL where the whole measure is one aggregate that LookML knows; else None."""
        from sqlglot import exp

        condition = tree.args["expression"].this if isinstance(tree, exp.Filter) else None
        call = tree.this if isinstance(tree, exp.Filter) else tree
        if isinstance(call, exp.Count):
            return self._counted(call, condition)
        kinds: dict[type, str] = {
            exp.Sum: "sum", exp.Avg: "average", exp.Min: "min", exp.Max: "max", exp.Median: "median",
        }  # fmt: skip
        kind = kinds.get(type(call))
        if kind is None or isinstance(call.this, exp.Distinct) or call.find(exp.Order) or call.expressions:
            return None
        if kind in ("min", "max") and not self._numeric(call.this):
            return None
        return {"type": kind, "sql": self._sql(_when(condition, call.this))}

    def _counted(self, call: "exp.Expr", condition: "exp.Expr | None") -> dict[str, Any] | None:
        from sqlglot import exp

        if isinstance(call.this, exp.Distinct):
            only = call.this.expressions
            return {"type": "count_distinct", "sql": self._sql(_when(condition, only[0]))} if len(only) == 1 else None
        everything = call.this is None or isinstance(call.this, exp.Star | exp.Literal)
        if everything and condition is None:
            return {"type": "count"}
        one: exp.Expr = exp.Literal.number(1)
        if not everything:
            one = exp.Case(ifs=[exp.If(this=call.this.is_(exp.null()), true=_zero())], default=one)
        return {"type": "sum", "sql": self._sql(_when(condition, one, otherwise=_zero()))}

    def _numeric(self, value: "exp.Expr") -> bool:
        """LookML's min and max take numbers only; a column of another type needs its own SQL."""
        from sqlglot import exp

        types = {column.name.lower(): column.type for column in self.fields.table.columns}
        used = [types.get(column.name.lower(), "") for column in value.find_all(exp.Column)]
        return all(kind and not kind.startswith(("VARCHAR", "DATE", "TIME", "BOOL", "UUID")) for kind in used)

    def _formula(self, name: str, tree: "exp.Expr") -> str:
        """The SQL of a formula, each aggregate in it replaced by the measure that computes it."""
        from sqlglot import exp

        parts: dict[str, str] = {}

        def part(node: "exp.Expr") -> "exp.Expr":
            if not isinstance(node, exp.AggFunc | exp.Filter) or isinstance(node.parent, exp.Filter):
                return node
            native = self._native(node)
            if native is None:
                return node
            key = node.sql("duckdb")
            if key not in self._by_sql:
                self._by_sql[key] = self._append(f"{name}_part", native, {"hidden": "yes"})
            parts[f"catchwater_part_{len(parts)}"] = f"${{{self._by_sql[key]}}}"
            return exp.column(f"catchwater_part_{len(parts) - 1}")

        return self._sql(tree.copy().transform(part, copy=False), parts)

    def _sql(self, tree: "exp.Expr", parts: dict[str, str] | None = None) -> str:
        """SQL of the warehouse's dialect with `${field}` for each column, and `parts` by their placeholder."""
        from sqlglot import exp

        known = {column.name.lower(): column.name for column in self.fields.table.columns}
        written: dict[str, str] = dict(parts or {})

        def named(node: "exp.Expr") -> "exp.Expr":
            if not isinstance(node, exp.Column) or node.name in written:
                return node
            column = known.get(node.name.lower(), node.name)
            place = f"catchwater_field_{len(written)}"
            written[place] = self.fields.of(column)
            return exp.column(place)

        text = tree.copy().transform(named, copy=False).sql(DIALECTS.get(self.fields.table.dialect, "duckdb"))
        for place in sorted(written, key=len, reverse=True):
            text = text.replace(place, written[place])
        return text


def _parse(fields: Fields, measure: Measure) -> "exp.Expr":
    """The tree of a measure's SQL; raises ProjectError when it isn't an expression over the table's columns."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    def wrong(message: str, right: str) -> ProjectError:
        return ProjectError([Problem(fields.table.model.file, 0, 0, f"measure {measure.name}: {message}", right)])

    try:
        tree: exp.Expr = sqlglot.parse_one(measure.sql, read="duckdb")
    except SqlglotError as error:
        raise wrong("isn't an SQL expression", "for example sum(units_sold)") from error
    known = {column.name.lower() for column in fields.table.columns} | set(names.SYSTEM_COLUMNS)
    unknown = sorted({c.name for c in tree.find_all(exp.Column) if c.name.lower() not in known})
    if unknown:
        raise wrong(f"no column {', '.join(unknown)}", f"{fields.table.model.name} has no such output column")
    return tree


def _shown(measure: Measure) -> dict[str, Any]:
    label = measure.label or words(measure.name)
    shown = {
        "label": sentence(label),
        "description": sentence(measure.description or f"{label}: {measure.sql}"),
    }
    if measure.format:
        shown["value_format_name"] = FORMATS.get(measure.format, measure.format)
    return shown


def _when(condition: "exp.Expr | None", value: "exp.Expr", otherwise: "exp.Expr | None" = None) -> "exp.Expr":
    from sqlglot import exp

    if condition is None:
        return value
    return exp.Case(ifs=[exp.If(this=condition.copy(), true=value.copy())], default=otherwise)


def _zero() -> "exp.Expr":
    from sqlglot import exp

    return exp.Literal.number(0)
