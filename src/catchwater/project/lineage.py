"""Which columns a model's columns are made from, and which it uses at all, by sqlglot; types are not its business."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope


@dataclass(frozen=True)
class Lineage:
    """`columns`: output column (lower case) → (alias, column) pairs; `used`: alias → columns, None: all of them."""

    columns: dict[str, tuple[tuple[str, str], ...]]
    used: dict[str, frozenset[str] | None]


def lineage(sql: str, tables: Mapping[str, Sequence[str]]) -> Lineage:
    """Lineage of a SELECT over `tables` (alias → column names, in lower case in the answer).

    Where sqlglot can't tell, every column counts as used and the output has no lineage."""
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.scope import build_scope

    unknown = Lineage({}, dict.fromkeys(tables, None))
    try:
        tree = _qualified(sql, tables)
        scope = build_scope(tree)
    except SqlglotError:
        return unknown
    if scope is None:
        return unknown
    used = _used(scope, tables)
    names = [name.lower() for name in _names(scope.expression)]
    columns = {name: tuple(sorted(_trace(scope, at, frozenset()))) for at, name in enumerate(names)}
    return Lineage(columns, used)


def _qualified(sql: str, tables: Mapping[str, Sequence[str]]) -> "exp.Expr":
    import sqlglot
    from sqlglot.optimizer.qualify import qualify

    schema: dict[str, object] = {
        alias.lower(): {name.lower(): "VARCHAR" for name in columns} for alias, columns in tables.items()
    }
    tree = sqlglot.parse_one(sql, dialect="duckdb")
    return qualify(
        tree, schema=schema, dialect="duckdb", validate_qualify_columns=False, quote_identifiers=False,
        identify=False,
    )  # fmt: skip


def _names(query: "exp.Expr") -> list[str]:
    return [item.output_name for item in getattr(query, "selects", [])]


def _tables(scope: "Scope") -> dict[str, "exp.Table"]:
    from sqlglot import exp

    return {name.lower(): source for name, source in scope.sources.items() if isinstance(source, exp.Table)}


def _used(root: "Scope", tables: Mapping[str, Sequence[str]]) -> dict[str, frozenset[str] | None]:
    from sqlglot import exp

    used: dict[str, set[str]] = {alias: set() for alias in tables}
    known = {alias.lower(): {name.lower() for name in columns} for alias, columns in tables.items()}
    lost = root.expression.find(exp.Columns, exp.Star) is not None and bool(
        [star for star in root.expression.find_all(exp.Columns, exp.Star) if not isinstance(star.parent, exp.Count)]
    )
    for scope in root.traverse():
        held = _tables(scope)
        for column in scope.columns:
            table = held.get(column.table.lower())
            alias = table.name.lower() if table is not None else ""
            if alias in known and column.name.lower() in known[alias]:
                _put(used, alias, column.name.lower())
            elif not column.table:
                lost = True
    return {alias: None if lost else frozenset(names) for alias, names in used.items()}


def _put(used: dict[str, set[str]], alias: str, name: str) -> None:
    for held, names in used.items():
        if held.lower() == alias:
            names.add(name)


def _trace(scope: "Scope", at: int, seen: frozenset[tuple[int, int]]) -> set[tuple[str, str]]:
    """The (alias, column) pairs behind the output column at one place of a query."""
    if (id(scope), at) in seen:
        return set()
    seen |= {(id(scope), at)}
    if scope.set_operation_scopes:
        return {pair for branch in scope.set_operation_scopes for pair in _trace(branch, at, seen)}
    selects = getattr(scope.expression, "selects", [])
    return _behind(scope, selects[at], seen) if at < len(selects) else set()


def _behind(scope: "Scope", node: "exp.Expr", seen: frozenset[tuple[int, int]]) -> set[tuple[str, str]]:
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope

    found: set[tuple[str, str]] = set()
    for column in node.find_all(exp.Column):
        source = scope.sources.get(column.table)
        if isinstance(source, exp.Table):
            found.add((source.name.lower(), column.name.lower()))
        elif isinstance(source, Scope):
            names = [name.lower() for name in _names(source.expression)]
            if column.name.lower() in names:
                found |= _trace(source, names.index(column.name.lower()), seen)
    for inner in scope.subquery_scopes:
        if any(parent is node for parent in _ancestors(inner.expression)):
            for at in range(len(_names(inner.expression))):
                found |= _trace(inner, at, seen)
    return found


def _ancestors(node: "exp.Expr") -> "list[exp.Expr]":
    found = []
    parent = node.parent
    while parent is not None:
        found.append(parent)
        parent = parent.parent
    return found
