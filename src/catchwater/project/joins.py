"""What the joins of a SELECT must be, so that changed keys tell which rows change; no data is read here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catchwater.project.catalogue import SYSTEM, VALIDITY, Meaning
from catchwater.project.resolve import Resolved
from catchwater.project.shape import joins_of
from catchwater.project.tables import Column, Join

if TYPE_CHECKING:
    from sqlglot import exp

_WHOLE = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
)  # fmt: skip
_PLAIN = _WHOLE | {"UHUGEINT", "VARCHAR", "BOOLEAN", "DATE", "TIME", "UUID", "BLOB", "TIMESTAMP WITH TIME ZONE"}


@dataclass(frozen=True)
class Side:
    """One table of the outermost SELECT: the name it has in the SQL, what it means, its columns, and the key that
    tells its rows apart (empty: nothing does). `view`: a model that has no log."""

    shown: str
    alias: str
    meaning: Meaning
    columns: Sequence[Column]
    key: tuple[str, ...]
    view: bool = False

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)

    def __str__(self) -> str:
        return f"{self.meaning.table}{'__history' * self.meaning.history}"


@dataclass(frozen=True)
class Refused:
    """Why a join is none of those allowed, and the node where the reason stands."""

    reason: str
    node: "exp.Expr"


def exact(kind: str) -> bool:
    """Whether two values of a type are equal only when they are the same: keys of other types aren't compared alike
    by joins and by groups (0.0 and -0.0, a month and thirty days)."""
    return kind in _PLAIN or kind.startswith(("DECIMAL(", "TIMESTAMP", "ENUM("))


def sides(resolved: Resolved, columns: Mapping[str, Sequence[Column]], keys: Mapping[str, tuple[str, ...]],
          views: frozenset[str]) -> list[Side]:  # fmt: skip
    """The driving table, then the tables joined to it in order, up to the first that isn't a table by name."""
    found = []
    for alias, shown in ((resolved.driving, resolved.driving_name), *resolved.joined):
        if not alias:
            break
        found.append(
            Side(shown, alias, resolved.input(alias).meaning, columns[alias], keys.get(alias, ()), alias in views)
        )
    return found


def joins(query: "exp.Expr", tables: Sequence[Side]) -> "tuple[tuple[Join, ...], Refused | None]":
    """The joins of a SELECT whose tables are `tables` (the driving one first), or why one of them isn't allowed."""
    found: list[Join] = []
    for place, node in enumerate(joins_of(query), 1):
        refused = _kind(node) or (None if place < len(tables) else Refused("a join with what is no table", node))
        if refused:
            return (), refused
        one = _Reading(node, tables[: place + 1])
        refused = next(one.refused(), None)
        if refused:
            return (), refused
        found.append(one.join())
    return tuple(found), None


def renamed(table: "exp.Expr") -> bool:
    """Whether a table's columns are given other names: `t AS u(a, b)`."""
    given = table.args.get("alias")
    return bool(given is not None and given.args.get("columns"))


def _kind(node: "exp.Expr") -> Refused | None:
    from sqlglot import exp

    side, kind, method = (str(node.args.get(part) or "").upper() for part in ("side", "kind", "method"))
    words = " ".join(word for word in (method, side, kind) if word)
    table = node.this
    if side not in ("", "LEFT") or kind not in ("", "INNER", "OUTER") or method not in ("", "ASOF"):
        return Refused(f"a join that is neither inner nor left ({words} JOIN)", node)
    if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier) or table.args.get("joins"):
        return Refused("a join with what is no table", node)
    if renamed(table):
        return Refused("a join with renamed columns", node)
    if not node.args.get("on") and not node.args.get("using"):
        return Refused("a join without a condition", node)
    return None


class _Reading:
    """One join: its table is the last of `tables`, those before it stand to its left."""

    def __init__(self, node: "exp.Expr", tables: Sequence[Side]) -> None:
        self.node, self.tables, self.own = node, tables, tables[-1]
        self.as_of = str(node.args.get("method") or "").upper() == "ASOF"
        self.pairs = list(self._pairs())

    def refused(self) -> Iterator[Refused]:
        node, own = self.node, self.own
        if own.view:
            yield Refused(f"a join with the view {own}, which has no log", node)
        if own.alias == self.tables[0].alias:
            yield Refused(f"a join of {own} with itself", node)
        if not own.key:
            yield Refused(f"a join with {own}, which has no key", node)
        yield from self._history()
        compared = {key for key, _, _ in self.pairs}
        lacking = [name for name in own.key if name.lower() not in compared]
        if lacking:
            yield Refused(f"a join that doesn't equate the key of {own} ({', '.join(lacking)}) with columns", node)
        if all(place is None for _, place, _ in self.pairs):
            yield Refused(f"a join with one row of {own} for all", node)
        yield from self._types()

    def join(self) -> Join:
        """The columns of one table to the left suffice: those of others make the rows fewer, never more."""
        places = [place for _, place, _ in self.pairs if place is not None]
        parent = 0 if 0 in places else max(sorted(set(places)), key=places.count)
        chosen = [(key, name) for key, place, name in self.pairs if place == parent]
        real = {column.name.lower(): column.name for column in self.own.columns}
        left = self.tables[parent]
        return Join(
            read=self.own.alias,
            key=tuple(real[key] for key, _ in chosen),
            parent=parent - 1,
            columns=tuple(column.name for _, name in chosen if (column := left.column(name))),
            as_of=self.as_of,
        )

    def _history(self) -> Iterator[Refused]:
        own, log = self.own, self.tables[0].meaning.log
        if own.meaning.history and not self.as_of:
            yield Refused(f"a join with every version of {own.meaning.table}", self.node)
        elif own.meaning.model and own.meaning.history:
            yield Refused(f"an ASOF join with the model {own.meaning.table}", self.node)
        elif self.as_of and not own.meaning.history:
            yield Refused("an ASOF join with rows that aren't a __history", self.node)
        elif self.as_of and own.meaning.log != log:
            yield Refused(f"an ASOF join with {own}, whose source numbers its batches otherwise", self.node)
        elif self.as_of and not self._ordered():
            wanted = f"{self.tables[0].shown}._seq >= {own.shown}._seq"
            yield Refused(f"an ASOF join by something else than {wanted}", self.node)

    def _ordered(self) -> bool:
        """Whether the one inequality is between the `_seq` of the driving row and that of the version."""
        from sqlglot import exp

        found = [part for part in self._conjuncts() if isinstance(part, exp.GT | exp.GTE | exp.LT | exp.LTE)]
        if len(found) != 1:
            return False
        more, less = found[0].this, found[0].expression
        if isinstance(found[0], exp.LT | exp.LTE):
            more, less = less, more
        last = len(self.tables) - 1
        return self._owner(more) == (0, "_seq") and self._owner(less) == (last, "_seq")

    def _types(self) -> Iterator[Refused]:
        for key, place, name in self.pairs:
            own = self.own.column(key)
            if own is None or key not in {one.lower() for one in self.own.key}:
                continue
            if not exact(own.type):
                yield Refused(f"a join by {self.own}.{own.name}, a key of type {own.type}", self.node)
            left = self.tables[place].column(name) if place is not None else None
            if left and left.type != own.type and not {left.type, own.type} <= _WHOLE:
                yield Refused(f"a join that compares {left.type} with {own.type} ({own.name})", self.node)

    def _conjuncts(self) -> Iterator["exp.Expr"]:
        from sqlglot import exp

        waiting = [self.node.args["on"]] if self.node.args.get("on") else []
        while waiting:
            part = waiting.pop(0)
            if isinstance(part, exp.Paren):
                waiting.insert(0, part.this)
            elif isinstance(part, exp.And):
                waiting[:0] = [part.this, part.expression]
            else:
                yield part

    def _pairs(self) -> Iterator[tuple[str, int | None, str]]:
        """(own column, place of the table to the left, its column) of each equation; None for a constant."""
        from sqlglot import exp

        last = len(self.tables) - 1
        for part in self._conjuncts():
            if not isinstance(part, exp.EQ):
                continue
            for mine, other in ((part.this, part.expression), (part.expression, part.this)):
                own = self._owner(mine)
                if own is None or own[0] != last:
                    continue
                left = self._owner(other)
                if left and left[0] != last:
                    yield own[1], left[0], left[1]
                elif isinstance(other, exp.Literal):
                    yield own[1], None, ""
        for name in self.node.args.get("using") or ():
            places = [place for place, table in enumerate(self.tables[:-1]) if table.column(name.name)]
            if len(places) == 1:
                yield name.name.lower(), places[0], name.name.lower()

    def _owner(self, node: "exp.Expr") -> tuple[int, str] | None:
        """The place of the table whose column this is, and the column in lower case; None for anything else."""
        from sqlglot import exp

        while isinstance(node, exp.Paren):
            node = node.this
        if not isinstance(node, exp.Column) or isinstance(node.this, exp.Star):
            return None
        name, of = node.name.lower(), node.table.lower()
        system = name in SYSTEM or name in VALIDITY
        found = [
            place
            for place, table in enumerate(self.tables)
            if (table.shown.lower() == of if of else True) and (system or table.column(name))
        ]
        return (found[0], name) if len(found) == 1 else None
