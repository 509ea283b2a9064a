"""A project's scalar macros put in where they are called, since another engine doesn't have them."""

from typing import TYPE_CHECKING

from catchwater.project.portable_types import Refused

if TYPE_CHECKING:
    from sqlglot import exp

_DEPTH = 20


def expanded(tree: "exp.Expr", macros: str) -> "exp.Expr":
    """The tree without calls of macros; Refused where a macro is of a table or has defaults."""
    from sqlglot import exp

    known = _known(macros, tree) if macros else {}
    for _ in range(_DEPTH):
        calls = [call for call in tree.find_all(exp.Anonymous) if str(call.name).lower() in known]
        if not calls:
            return tree
        for call in calls:
            call.replace(_body(call, *known[str(call.name).lower()]))
    raise Refused(tree, "macros that call each other without end", "write the expression itself")


def _known(macros: str, tree: "exp.Expr") -> "dict[str, tuple[list[str], exp.Expr]]":
    import sqlglot
    from sqlglot import exp

    try:
        statements = sqlglot.parse(macros, dialect="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise Refused(tree, "a macro with defaults or a shape of its own", "write the expression itself") from error
    found = {}
    for statement in statements:
        if not isinstance(statement, exp.Create) or not isinstance(statement.this, exp.UserDefinedFunction):
            continue
        body = statement.expression
        if isinstance(body, exp.Query | exp.Table) or body is None:
            continue  # a macro of a table: its call stands in FROM, and is refused there
        names = [part.name.lower() for part in statement.this.expressions]
        found[statement.this.this.name.lower()] = (names, body)
    return found


def _body(call: "exp.Expr", names: list[str], body: "exp.Expr") -> "exp.Expr":
    from sqlglot import exp

    if len(call.expressions) != len(names):
        raise Refused(call, f"{call.name} with other arguments than its macro has", "pass each by its place")
    given = dict(zip(names, call.expressions, strict=True))

    def put(part: "exp.Expr") -> "exp.Expr":
        if isinstance(part, exp.Column) and not part.table and part.name.lower() in given:
            return exp.Paren(this=given[part.name.lower()].copy())
        return part

    copy = body.copy()
    for part in copy.walk():
        part.meta.pop("start", None)  # its place is in another file
    return exp.Paren(this=copy.transform(put))
