"""The outermost SELECT of a model: what it walks over, whether it keeps rows one for one; it changes nothing."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from catchwater.project.functions import functions

if TYPE_CHECKING:
    from sqlglot import Token, exp

_ENDS = frozenset(
    {"FROM", "WHERE", "GROUP", "HAVING", "QUALIFY", "WINDOW", "ORDER", "LIMIT", "OFFSET", "USING", "UNION",
     "EXCEPT", "INTERSECT", "TABLESAMPLE", "GROUP BY", "ORDER BY"}
)  # fmt: skip


def driving_table(query: "exp.Expr") -> "exp.Table | None":
    """The table in FROM of a SELECT, when it is a table and not a subquery or function."""
    from sqlglot import exp

    origin = query.args.get("from_") if isinstance(query, exp.Select) else None
    table = origin.this if isinstance(origin, exp.From) else None
    return table if isinstance(table, exp.Table) and isinstance(table.this, exp.Identifier) else None


def joins_of(query: "exp.Expr") -> "list[exp.Join]":
    """The joins of a SELECT, in order; where FROM comes first they hang on the table."""
    table = driving_table(query)
    first = table.args.get("joins") or () if table is not None else ()
    return [*first, *(query.args.get("joins") or ())]


def own_nodes(query: "exp.Expr") -> "Iterator[exp.Expr]":
    """The nodes of a SELECT without those of the queries inside it."""
    from sqlglot import exp

    yield from query.walk(prune=lambda node: node is not query and isinstance(node, exp.Query))


def aggregates(query: "exp.Expr") -> "Iterator[exp.Expr]":
    """Aggregate calls of this SELECT that aren't windows."""
    from sqlglot import exp

    known = functions().aggregates
    for node in own_nodes(query):
        named = isinstance(node, exp.Anonymous) and node.name.lower() in known
        if (named or isinstance(node, exp.AggFunc)) and not _in_window(node):
            yield node


def _in_window(node: "exp.Expr") -> bool:
    from sqlglot import exp

    parent = node.parent
    while isinstance(parent, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
        parent = parent.parent
    return isinstance(parent, exp.Window)


def row_per_row(query: "exp.Expr") -> bool:
    """Whether each row of the driving table makes at most one row (joins aside: the key says it there)."""
    from sqlglot import exp

    if not isinstance(query, exp.Select):
        return False
    if any(query.args.get(part) for part in ("group", "distinct", "limit", "offset", "having", "sample")):
        return False
    return next(aggregates(query), None) is None


def appended_at(tokens: "Sequence[Token]") -> tuple[int, bool, bool]:
    """Where columns can be added to the outermost SELECT: the offset, whether a comma is needed before them, and
    whether there is no SELECT at all (FROM first; then they go before FROM)."""
    depth, select, last = 0, None, tokens[-1]
    for before, token in zip([None, *tokens], tokens, strict=False):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.text, 0)
        if depth:
            continue
        word = _word(token)
        if word == "SELECT" and select is None:
            select = token
        elif select is not None and before is not None and word in _ENDS and _is_clause(before, word):
            last = before
            break
    if select is None:
        return next(token.start for token in tokens if _word(token) == "FROM"), False, True
    return last.end + 1, last.text != ",", False


def _word(token: "Token") -> str:
    """The keyword that a token is; a quoted name or a text is none."""
    return "" if token.token_type.name in ("IDENTIFIER", "STRING") else token.text.upper()


def _is_clause(before: "Token", word: str) -> bool:
    """`IS DISTINCT FROM` isn't a FROM, and EXCEPT after a star isn't a set operation."""
    text = _word(before)
    return not ((word == "FROM" and text == "DISTINCT") or (word in ("EXCEPT", "USING") and text == "*"))
