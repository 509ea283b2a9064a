"""What type each part of a model's SELECT has, asked of DuckDB over empty tables; nothing is translated here."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from catchwater.project.names import quote
from catchwater.project.tables import Column

if TYPE_CHECKING:
    import duckdb
    from sqlglot import exp

_PLAIN = {
    "BOOLEAN": "BOOLEAN", "TINYINT": "TINYINT", "SMALLINT": "SMALLINT", "INTEGER": "INT", "BIGINT": "BIGINT",
    "UTINYINT": "SMALLINT", "USMALLINT": "INT", "UINTEGER": "BIGINT", "UBIGINT": "DECIMAL(20,0)",
    "HUGEINT": "DECIMAL(38,0)", "FLOAT": "FLOAT", "DOUBLE": "DOUBLE", "VARCHAR": "STRING", "JSON": "STRING",
    "BLOB": "BINARY", "DATE": "DATE", "TIMESTAMP": "TIMESTAMP_NTZ", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
    "MAP(VARCHAR, VARCHAR)": "MAP<STRING, STRING>",
}  # fmt: skip
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_WIDTH = {
    "TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19, "UTINYINT": 3, "USMALLINT": 5, "UINTEGER": 10,
    "UBIGINT": 20, "HUGEINT": 38,
}  # fmt: skip
SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
NULL = '"NULL"'


class Refused(Exception):
    """One part of a SELECT that another engine may compute otherwise; `right` is the form that both compute alike."""

    def __init__(self, node: "exp.Expr", message: str, right: str = "") -> None:
        super().__init__(message)
        self.node, self.message, self.right = node, message, right


def spark_type(kind: str) -> str | None:
    """The Spark type that holds every value of a DuckDB type; None where there is none."""
    return kind.replace(" ", "") if _DECIMAL.fullmatch(kind) else _PLAIN.get(kind)


def digits(kind: str) -> tuple[int, int] | None:
    """Precision and scale of an exact number; None for what isn't one."""
    found = _DECIMAL.fullmatch(kind)
    if found:
        return int(found[1]), int(found[2])
    return (_WIDTH[kind], 0) if kind in _WIDTH else None


def is_float(kind: str) -> bool:
    return kind in ("FLOAT", "DOUBLE")


@dataclass
class Scope:
    """One SELECT's surroundings: `relations` is the text after FROM, `ctes` the text before SELECT, both DuckDB's."""

    con: "duckdb.DuckDBPyConnection"
    ctes: str = ""
    relations: str = ""
    _known: dict[str, str] = field(default_factory=dict)

    def columns(self, relation: str) -> tuple[Column, ...]:
        """The columns of something that may stand after FROM."""
        rows = self.con.execute(f"DESCRIBE {self.ctes} SELECT * FROM {relation}").fetchall()
        return tuple(Column(row[0], row[1]) for row in rows)

    def type(self, node: "exp.Expr") -> str:
        """DuckDB's type of a scalar; `Refused` when it has none on its own (a correlated subquery, a lambda)."""
        from sqlglot import exp

        if isinstance(node, exp.Null):
            return NULL
        text = _alone(node).sql("duckdb")
        if text not in self._known:
            self._known[text] = self._described(node, text)
        return self._known[text]

    def text(self, node: "exp.Expr") -> str:
        """The text of a constant as both engines read it."""
        import duckdb

        try:
            row = self.con.execute(f"SELECT CAST({node.sql('duckdb')} AS VARCHAR)").fetchone()
        except duckdb.Error as error:
            raise Refused(node, "it is no value of that type", "correct the text") from error
        said = str(row[0]) if row else ""
        return f"{said}:00" if self.type(node) == "TIMESTAMP WITH TIME ZONE" else said

    def _described(self, node: "exp.Expr", text: str) -> str:
        import duckdb

        after = f" FROM {self.relations}" if self.relations else ""
        try:
            row = self.con.execute(f"DESCRIBE {self.ctes} SELECT {text}{after}").fetchone()
        except duckdb.Error as error:
            right = "name its columns with their tables, or cast them"
            raise Refused(node, "it has no type on its own", right) from error
        return str(row[1]) if row else NULL


def _alone(node: "exp.Expr") -> "exp.Expr":
    """An expression over aggregates as it may stand without its GROUP BY."""
    from sqlglot import exp

    if isinstance(node, exp.AggFunc | exp.Window | exp.Filter) or not node.find(exp.AggFunc):
        return node
    copy = node.copy()
    for column in list(copy.find_all(exp.Column)):
        if not column.find_ancestor(exp.AggFunc, exp.Filter) and column is not copy:
            column.replace(exp.Anonymous(this="any_value", expressions=[column.copy()]))
    return copy


def empty_tables(con: "duckdb.DuckDBPyConnection", tables: Mapping[str, Sequence[Column]]) -> None:
    for alias, columns in tables.items():
        body = ", ".join(f"{quote(column.name)} {column.type}" for column in columns)
        con.execute(f"CREATE TABLE {quote(alias)} ({body})")
