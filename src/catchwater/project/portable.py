"""A model's SELECT for another engine: translated when that engine computes it as DuckDB does, else refused by place.

What may pass is listed, kind by kind, in the `portable_…` files; each was compared with DuckDB value by value. The
rest is refused, with the form that both compute alike.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from catchwater.errors import Problem, ProjectError
from catchwater.project.names import quote
from catchwater.project.portable_types import Refused, Scope, empty_tables, spark_type
from catchwater.project.tables import Column
from catchwater.project.text import line_column

if TYPE_CHECKING:
    import duckdb
    from sqlglot import exp

Tables = Mapping[str, Sequence[Column]]


def spark(sql: str, tables: Tables, macros: str = "") -> str:
    """The SELECT in Spark's SQL, over relations named as in `tables`, its output columns of exactly the types that
    `spark_type` gives for DuckDB's. Raises ProjectError with line and column of `sql` for all that isn't known to
    be computed alike; needs a session with ANSI mode and the time zone UTC."""
    import duckdb

    with duckdb.connect(":memory:", config={"autoload_known_extensions": False}) as con:
        con.execute("SET TimeZone = 'UTC'")
        empty_tables(con, tables)
        made, refused = _translated(con, sql, macros)
    problems = [_problem(sql, one) for one in refused]
    if problems or made is None:
        raise ProjectError(problems)
    return str(made.sql("spark"))


def problems(sql: str, tables: Tables, macros: str = "") -> list[Problem]:
    """What `spark` refuses; their file is empty."""
    try:
        spark(sql, tables, macros)
    except ProjectError as error:
        return error.problems
    return []


def _translated(con: "duckdb.DuckDBPyConnection", sql: str, macros: str) -> "tuple[exp.Expr | None, list[Refused]]":
    import duckdb
    import sqlglot
    from sqlglot import exp

    from catchwater.project.portable_macros import expanded
    from catchwater.project.portable_queries import Queries

    queries = Queries(con)
    try:
        tree = expanded(sqlglot.parse_one(sql, dialect="duckdb"), macros)
        made = queries.query(tree)
        if queries.refused:
            return None, queries.refused
        made = _typed(con, made, tree.sql("duckdb") if macros else sql)
    except Refused as refused:
        return None, [*queries.refused, refused]
    except (sqlglot.errors.SqlglotError, duckdb.Error) as error:
        return None, [*queries.refused, Refused(exp.Null(), f"it isn't understood: {str(error).splitlines()[0]}")]
    return made, queries.refused


def _typed(con: "duckdb.DuckDBPyConnection", made: "exp.Expr", sql: str) -> "exp.Expr":
    """The columns by their names, each of a type that Spark has."""
    from sqlglot import exp

    columns = Scope(con).columns(f"({sql})")
    for column in columns:
        if spark_type(column.type) is None:
            raise Refused(made, f"the column {column.name} is {column.type}, which Spark doesn't have", "cast it")
    items = [
        exp.alias_(
            exp.Cast(
                this=exp.column(exp.to_identifier(column.name, quoted=True)),
                to=exp.DataType.build(spark_type(column.type) or "", dialect="spark"),
            ),
            column.name,
            quoted=True,
        )
        for column in columns
    ]
    return exp.Select(expressions=items).from_(exp.Subquery(this=made, alias=exp.to_identifier("model")))


def _problem(sql: str, refused: Refused) -> Problem:
    from catchwater.project.incremental import offset

    line, column = line_column(sql, offset(refused.node, 0))
    return Problem("", line, column, f"engine: spark: {refused.message}", refused.right)


def named(name: str) -> str:
    """An identifier in Spark's SQL."""
    return "`" + name.replace("`", "``") + "`"


__all__ = ["Tables", "named", "problems", "quote", "spark", "spark_type"]
