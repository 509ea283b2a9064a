"""DuckDB's SELECTs as BigQuery runs them, with typed parameters; nothing is sent from here.

Floats are compared and sorted as DuckDB does it, for which NaN is the greatest number and equal to itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catchwater.adapters.warehouses.bigquery_types import held
from catchwater.errors import UseError
from catchwater.project.tables import Column

if TYPE_CHECKING:
    import duckdb
    from sqlglot import exp

Types = Mapping[str, str]
_FLOATS = ("FLOAT", "DOUBLE")
_FUNCTIONS = frozenset({
    "ACOS", "ACOSH", "ASIN", "ASINH", "ATAN", "ATAN2", "COS", "COSH", "COT", "SIN", "SINH", "TAN", "TANH", "ASCII",
    "INSTR", "SOUNDEX", "TRANSLATE", "IS_NAN", "IS_INF", "BIT_COUNT", "SQRT", "CBRT", "SAFE_DIVIDE",
})  # fmt: skip
_BARE = ((bool, "BOOLEAN"), (int, "BIGINT"), (float, "DOUBLE"))


@dataclass(frozen=True)
class Asked:
    """`parameters` are (BigQuery's type, value as text or None), in the order of @p0, @p1, …"""

    sql: str
    parameters: tuple[tuple[str, str | None], ...]


def parse(sql: str) -> "exp.Expr":
    """Raises UseError for what isn't one SELECT that can be moved to BigQuery."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        every = sqlglot.parse(sql, dialect="duckdb")
        found = [one for one in every if one is not None and not isinstance(one, exp.Semicolon)]
    except SqlglotError as error:
        raise UseError(
            f"this can't be written in BigQuery's SQL: {error}", next_step="write a plainer SELECT"
        ) from error
    if len(found) != 1 or not isinstance(found[0], exp.Query) or found[0].find(exp.Pivot):
        raise UseError("this can't be written in BigQuery's SQL", next_step="write one plain SELECT over the tables")
    portable(found[0])
    return found[0]


def portable(tree: "exp.Expr") -> None:
    """Raises UseError for a function that BigQuery doesn't have under this name."""
    from sqlglot import exp

    odd = {"LAMBDA"} if tree.find(exp.Lambda) else set()
    odd |= {one.name.upper() for one in tree.find_all(exp.Anonymous)} - _FUNCTIONS
    if odd:
        raise UseError(
            f"{', '.join(sorted(odd)).lower()} can't be written in BigQuery's SQL",
            next_step="use a function that both have, or make it a column of a model",
        )


def tables(tree: "exp.Expr") -> list["exp.Table"]:
    """The tables that are read, those that the statement names itself (WITH) left out."""
    from sqlglot import exp

    own = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    return [
        table
        for table in tree.find_all(exp.Table)
        if isinstance(table.this, exp.Identifier) and (table.db or table.name.lower() not in own)
    ]


def qualify(tree: "exp.Expr", path: tuple[str, str], known: Mapping[str, Types]) -> None:
    """Raises DuckDB's CatalogException for a table that isn't of the version that is read."""
    import duckdb
    from sqlglot import exp

    names = {name.lower(): name for name in known}
    for table in tables(tree):
        name = names.get(table.name.lower())
        if name is None or table.db:
            raise duckdb.CatalogException(f"Catalog Error: Table with name {table.name} does not exist!")
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
        table.set("this", exp.to_identifier(name, quoted=True))
        table.set("db", exp.to_identifier(path[1], quoted=True))
        table.set("catalog", exp.to_identifier(path[0], quoted=True))


def asked(tree: "exp.Expr", values: Sequence[Any], floats: Sequence[str], con: "duckdb.DuckDBPyConnection") -> Asked:
    """`floats` are the columns whose NaN is to be DuckDB's; `con` casts the values as DuckDB does.

    Raises UseError for what BigQuery has no words for.
    """
    from sqlglot import ErrorLevel
    from sqlglot.errors import SqlglotError

    parameters: list[tuple[str, str | None]] = []
    waiting = iter(values)
    tree = tree.transform(lambda node: _placed(node, waiting, parameters, con))
    if next(waiting, parameters) is not parameters:
        raise UseError("more values than the statement has places for", next_step="write a ? for each")
    tree = tree.transform(_like).transform(_kind)
    if floats:
        tree = tree.transform(_float_order(floats)).transform(_float_in(floats))
        tree = tree.transform(_float_compare(floats, parameters))
    try:
        sql = tree.sql(dialect="bigquery", unsupported_level=ErrorLevel.RAISE)
    except SqlglotError as error:
        raise UseError(
            f"this can't be written in BigQuery's SQL: {error}", next_step="write a plainer SELECT"
        ) from error
    return Asked(sql, tuple(parameters))


def _placed(node: "exp.Expr", values: Any, parameters: list[tuple[str, str | None]], con: Any) -> "exp.Expr":
    """`CAST(? AS type)` becomes a parameter of that type, its value as DuckDB reads it; a bare `?` has its value's."""
    from sqlglot import exp

    cast = isinstance(node, exp.Cast) and isinstance(node.this, exp.Placeholder)
    if not cast and not isinstance(node, exp.Placeholder):
        return node
    try:
        value = next(values)
    except StopIteration:
        raise UseError("fewer values than the statement has places for", next_step="give a value for each ?") from None
    bare = next((kind for type_, kind in _BARE if isinstance(value, type_)), "VARCHAR")
    kind = node.args["to"].sql(dialect="duckdb") if cast else bare
    name = f"p{len(parameters)}"
    parameters.append(_typed(value, kind, con))
    return exp.Parameter(this=exp.Var(this=name))


def _typed(value: Any, kind: str, con: "duckdb.DuckDBPyConnection") -> tuple[str, str | None]:
    kind = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE", "TEXT": "VARCHAR", "INT": "INTEGER", "REAL": "FLOAT"}.get(
        kind, kind
    )
    type_ = held("the value", Column("?", kind)).type.partition("(")[0]
    if value is None:
        return type_, None
    text = f"CAST(CAST(? AS {kind}) AS VARCHAR)"
    if type_ == "TIMESTAMP":
        text = f"strftime(CAST(? AS {kind}) AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%f') || '+00:00'"
    if type_ == "BYTES":
        text = f"base64(CAST(? AS {kind}))"
    found = con.execute(f"SELECT {text}", [value]).fetchone()
    return type_, str(found[0]) if found and found[0] is not None else None


def _like(node: "exp.Expr") -> "exp.Expr":
    """BigQuery's LIKE has no ESCAPE, its escape is the backslash."""
    from sqlglot import exp

    if not isinstance(node, exp.Escape):
        return node
    if node.expression.name != "\\":
        raise UseError("LIKE … ESCAPE takes a backslash only on BigQuery", next_step="write ESCAPE '\\'")
    like: exp.Expr = node.this
    return like


def _kind(node: "exp.Expr") -> "exp.Expr":
    """Whole numbers of DuckDB that BigQuery has no type for."""
    from sqlglot import exp

    if not isinstance(node, exp.DataType):
        return node
    name = node.sql(dialect="duckdb")
    wider = {"UTINYINT", "USMALLINT", "UINTEGER", "TINYINT"}
    to = "BIGNUMERIC" if name in ("HUGEINT", "UHUGEINT", "INT128") else "INT64" if name in wider else ""
    return exp.DataType.build(to, dialect="bigquery") if to else node


def _is_nan(column: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    return exp.Anonymous(this="IS_NAN", expressions=[column.copy()])


def _float_order(floats: Sequence[str]) -> Callable[["exp.Expr"], "exp.Expr"]:
    """BigQuery sorts NaN below every number."""
    from sqlglot import exp

    def change(node: "exp.Expr") -> "exp.Expr":
        if not isinstance(node, exp.Order):
            return node
        terms = []
        for term in node.expressions:
            if isinstance(term.this, exp.Column) and term.this.name in floats:
                first = term.copy()
                first.set("this", _is_nan(term.this))
                terms.append(first)
            terms.append(term)
        return exp.Order(this=node.this, expressions=terms)

    return change


def _float_in(floats: Sequence[str]) -> Callable[["exp.Expr"], "exp.Expr"]:
    from sqlglot import exp

    def change(node: "exp.Expr") -> "exp.Expr":
        if not (isinstance(node, exp.In) and isinstance(node.this, exp.Column) and node.this.name in floats):
            return node
        one = [exp.EQ(this=node.this.copy(), expression=value.copy()) for value in node.expressions]
        return exp.Paren(this=exp.or_(*one)) if one else node

    return change


def _float_compare(
    floats: Sequence[str], parameters: Sequence[tuple[str, str | None]]
) -> Callable[["exp.Expr"], "exp.Expr"]:
    from sqlglot import exp

    def change(node: "exp.Expr") -> "exp.Expr":
        if not isinstance(node, exp.EQ | exp.NEQ | exp.GT | exp.GTE | exp.LT | exp.LTE | exp.NullSafeEQ):
            return node
        column, value = node.this, node.expression
        if not (isinstance(column, exp.Column) and column.name in floats and isinstance(value, exp.Parameter)):
            return node
        text = parameters[int(value.name[1:])][1]
        if text != "nan":
            more = isinstance(node, exp.GT | exp.GTE)
            return exp.Paren(this=exp.or_(node.copy(), _is_nan(column))) if more else node
        return _with_nan(node, column)

    return change


def _with_nan(node: "exp.Expr", column: "exp.Expr") -> "exp.Expr":
    """A comparison with NaN, without it; NULL stays NULL."""
    from sqlglot import exp

    if isinstance(node, exp.NullSafeEQ):
        return exp.Coalesce(this=_is_nan(column), expressions=[exp.false()])
    if isinstance(node, exp.EQ | exp.GTE):
        return _is_nan(column)
    if isinstance(node, exp.NEQ | exp.LT):
        return exp.Not(this=_is_nan(column))
    always = exp.true() if isinstance(node, exp.LTE) else exp.false()
    return exp.If(this=exp.Is(this=column.copy(), expression=exp.Null()), true=exp.Null(), false=always)


def floats(columns: Sequence[Column]) -> list[str]:
    return [column.name for column in columns if column.type in _FLOATS]
