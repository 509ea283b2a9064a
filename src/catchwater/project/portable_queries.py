"""SELECTs, joins, set operations and VALUES as Spark computes them alike; scalars are translated by their rules."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from catchwater.project.names import quote
from catchwater.project.portable_casts import widen
from catchwater.project.portable_functions import ordered
from catchwater.project.portable_rules import Scalars
from catchwater.project.portable_types import NULL, Refused, Scope, is_float
from catchwater.project.tables import Column

if TYPE_CHECKING:
    import duckdb
    from sqlglot import exp

_CLAUSES = frozenset(
    {"expressions", "from_", "from", "joins", "where", "group", "having", "qualify", "distinct", "order", "limit",
     "offset", "with_", "with", "kind", "hint", "operation_modifiers"}
)  # fmt: skip


@dataclass
class Queries:
    """Translates one model's tree; what can't be is gathered in `refused`, and left out of the result."""

    con: "duckdb.DuckDBPyConnection"
    refused: list[Refused] = field(default_factory=list)

    def query(self, node: "exp.Expr", ctes: str = "") -> "exp.Expr":
        """A SELECT, a set operation or VALUES; `ctes` is DuckDB's text of the WITHs around it."""
        from sqlglot import exp

        ctes, made = self._with(node, ctes)
        if isinstance(node, exp.Subquery):
            inner = self.query(node.this, ctes)
        elif isinstance(node, exp.SetOperation):
            inner = self._set(node, ctes)
        elif isinstance(node, exp.Select):
            inner = self._select(node, ctes)
        else:
            raise Refused(node, f"{type(node).__name__.upper()} as a query", "write SELECT … FROM …")
        if made:
            inner.set("with_" if "with_" in inner.arg_types else "with", exp.With(expressions=made))
        return inner

    def _with(self, node: "exp.Expr", ctes: str) -> "tuple[str, list[exp.Expr]]":
        from sqlglot import exp

        found = node.args.get("with_") or node.args.get("with")
        if not found:
            return ctes, []
        if found.args.get("recursive"):
            raise Refused(found, "WITH RECURSIVE", "engine: duckdb")
        made: list[exp.Expr] = []
        for cte in found.expressions:
            if cte.args["alias"].columns:
                raise Refused(cte, "a WITH that names its columns in front", "name them with AS inside")
            made.append(exp.CTE(this=self.query(cte.this, ctes), alias=cte.args["alias"].copy()))
            text = f"{quote(cte.alias)} AS ({cte.this.sql('duckdb')})"
            ctes = f"{ctes}, {text}" if ctes else f"WITH {text}"
        return ctes, made

    def _set(self, node: "exp.Expr", ctes: str) -> "exp.Expr":
        if node.args.get("by_name") or node.args.get("order") or node.args.get("limit"):
            raise Refused(node, "BY NAME, ORDER BY or LIMIT of a set operation", "write it in a SELECT around")
        kinds = [column.type for column in Scope(self.con, ctes).columns(f"({_plain(node)})")]
        sides = [self._side(side, ctes, kinds) for side in (node.this, node.expression)]
        return type(node)(this=sides[0], expression=sides[1], distinct=bool(node.args.get("distinct")))

    def _side(self, node: "exp.Expr", ctes: str, kinds: list[str]) -> "exp.Expr":
        """One side of a set operation, its columns cast to those that both have."""
        from sqlglot import exp

        made = self.query(node, ctes)
        held = Scope(self.con, ctes).columns(f"({_plain(node)})")
        if any(is_float(kind) for kind in kinds) and not (isinstance(node.parent, exp.Union)):
            raise Refused(node, "DOUBLEs are compared as a whole", "cast them to DECIMAL")
        if [column.type for column in held] == kinds:
            return made
        items = []
        for column, kind in zip(held, kinds, strict=True):
            found = NULL if column.type == "INTEGER" and kind == "VARCHAR" else column.type
            name = exp.column(exp.to_identifier(column.name, quoted=True))
            items.append(exp.alias_(widen(node, name, found, kind), column.name, quoted=True))
        return exp.Select(expressions=items).from_(exp.Subquery(this=made, alias=exp.to_identifier("side")))

    def _select(self, node: "exp.Expr", ctes: str) -> "exp.Expr":
        for clause, value in node.args.items():
            if value and clause not in _CLAUSES:
                raise Refused(node, f"{clause.upper()} in a SELECT", "write it in the clauses that both engines have")
        return _Select(self, node, ctes).made()


def _plain(node: "exp.Expr") -> str:
    copy = node.copy()
    for key in ("with", "with_"):
        if key in copy.args and copy.args.get(key):
            copy.set(key, None)
    return str(copy.sql("duckdb"))


@dataclass
class _Select:
    """One SELECT; names are led to their tables first, so that no rule of either engine about names matters."""

    queries: Queries
    node: "exp.Expr"
    ctes: str
    tables: "dict[str, tuple[Column, ...]]" = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    aliases: "dict[str, exp.Expr]" = field(default_factory=dict)

    def made(self) -> "exp.Expr":
        from sqlglot import exp

        relations = self._relations()
        self.scope = Scope(self.queries.con, self.ctes, self._text())
        self.scalars = Scalars(self.scope)
        items = [item for each in self.node.expressions for item in self._items(each)]
        self.aliases = {item.alias_or_name.lower(): item.unalias() for item in items if item.alias_or_name}
        made = exp.Select(expressions=[self._item(item) for item in items])
        for key, value in relations.items():
            made.set(key, value)
        self._clauses(made, items)
        return made

    def _relations(self) -> "dict[str, object]":
        from sqlglot import exp

        start = self.node.args.get("from_") or self.node.args.get("from")
        if start is None:
            return {}
        key = "from_" if "from_" in self.node.args else "from"
        made: dict[str, object] = {key: exp.From(this=self._relation(start.this))}
        joins = [self._join(join) for join in self.node.args.get("joins") or ()]
        return made | ({"joins": joins} if joins else {})

    def _text(self) -> str:
        start = self.node.args.get("from_") or self.node.args.get("from")
        joins = " ".join(join.sql("duckdb") for join in self.node.args.get("joins") or ())
        return f"{start.this.sql('duckdb')} {joins}" if start is not None else ""

    def _relation(self, node: "exp.Expr") -> "exp.Expr":
        from sqlglot import exp

        if node.args.get("joins") or node.args.get("laterals") or node.args.get("pivots") or node.args.get("sample"):
            raise Refused(node, "a join in parentheses, PIVOT or a sample", "write it as a SELECT of its own")
        columns = Scope(self.queries.con, self.ctes).columns(node.sql("duckdb"))
        if not node.alias_or_name:
            raise Refused(node, "a query in FROM without a name", "name it with AS")
        self.tables[node.alias_or_name.lower()] = columns
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            named = exp.to_identifier(node.alias_or_name, quoted=True)
            alias = exp.TableAlias(this=named)
            if node.args.get("alias") and node.args["alias"].columns:
                raise Refused(node, "a table whose columns are renamed in FROM", "rename them in a SELECT")
            return exp.Table(this=exp.to_identifier(node.name, quoted=True), alias=alias)
        if isinstance(node, exp.Subquery) and not node.args["alias"].columns:
            return exp.Subquery(this=self.queries.query(node.this, self.ctes), alias=node.args["alias"].copy())
        if isinstance(node, exp.Values):
            return self._values(node, columns)
        raise Refused(node, f"{node.sql('duckdb')[:60]} in FROM", "read tables, SELECTs and VALUES")

    def _values(self, node: "exp.Expr", columns: tuple[Column, ...]) -> "exp.Expr":
        """VALUES as rows of SELECTs, so that each value has the column's type."""
        from sqlglot import exp

        scalars = Scalars(Scope(self.queries.con, self.ctes))
        rows: exp.Expr | None = None
        for row in node.expressions:
            values = zip(row.expressions, columns, strict=True)
            items = [exp.alias_(scalars.to(v, c.type), c.name, quoted=True) for v, c in values]
            one = exp.Select(expressions=items)
            rows = one if rows is None else exp.Union(this=rows, expression=one, distinct=False)
        return exp.Subquery(this=rows, alias=exp.to_identifier(node.alias, quoted=True))

    def _join(self, join: "exp.Expr") -> "exp.Expr":
        from sqlglot import exp

        kinds = {str(join.args.get(key) or "").upper() for key in ("method", "side", "kind")} - {""}
        if kinds - {"INNER", "LEFT", "RIGHT", "FULL", "OUTER", "CROSS", "SEMI", "ANTI"}:
            raise Refused(join, f"a {' '.join(sorted(kinds))} JOIN", "write an ordinary join")
        before = dict(self.tables)
        relation = self._relation(join.this)
        parts = {key: join.args[key] for key in ("side", "kind") if join.args.get(key)}
        if join.args.get("using"):
            self.shared |= {name.name.lower() for name in join.args["using"]}
            return exp.Join(this=relation, using=[name.copy() for name in join.args["using"]], **parts)
        condition = join.args.get("on")
        if condition is None:
            return exp.Join(this=relation, **(parts or {"kind": "CROSS"}))
        scope = Scope(self.queries.con, self.ctes, self._upto(join))
        scalars = Scalars(scope)
        made = exp.Join(this=relation, on=scalars.of(self._named(condition)), **parts)
        if kinds & {"SEMI", "ANTI"}:
            self.tables = before
        return made

    def _upto(self, join: "exp.Expr") -> str:
        """The tables up to a join, as a cross product: enough to know the types in its condition."""
        start = self.node.args.get("from_") or self.node.args.get("from")
        joins = self.node.args["joins"]
        names = [*([start.this] if start is not None else ()), *(one.this for one in joins[: joins.index(join) + 1])]
        return ", ".join(name.sql("duckdb") for name in names)

    def _items(self, node: "exp.Expr") -> "Iterator[exp.Expr]":
        """The output columns, stars written out."""
        from sqlglot import exp

        if not node.is_star:
            yield (
                node
                if isinstance(node, exp.Alias | exp.Column)
                else exp.alias_(node.copy(), self._output(node), quoted=True)
            )
            return
        star = node if isinstance(node, exp.Star) else node.this
        if any(star.args.get(key) for key in ("except_", "except", "replace", "rename")) or self.shared:
            raise Refused(node, "a star with changes, or over USING", "name the columns")
        if isinstance(node, exp.Column) and not isinstance(node.this, exp.Star):
            raise Refused(node, "COLUMNS(…)", "name the columns")
        wanted = [node.table.lower()] if isinstance(node, exp.Column) else list(self.tables)
        for table in wanted:
            for column in self.tables[table]:
                yield exp.column(exp.to_identifier(column.name, quoted=True), exp.to_identifier(table, quoted=True))

    def _output(self, node: "exp.Expr") -> str:
        held = self.scope.columns(f"(SELECT {node.sql('duckdb')} FROM {self.scope.relations})") if (
            self.scope.relations
        ) else self.scope.columns(f"(SELECT {node.sql('duckdb')})")  # fmt: skip
        return held[0].name

    def _item(self, item: "exp.Expr") -> "exp.Expr":
        from sqlglot import exp

        name = item.alias_or_name
        value = self._of(item.unalias())
        return exp.alias_(value, name, quoted=True)

    def _of(self, node: "exp.Expr") -> "exp.Expr":
        """A translated scalar; when it is refused, that is noted and NULL stands for it."""
        from sqlglot import exp

        try:
            return self.scalars.of(self._named(node))
        except Refused as refused:
            self.queries.refused.append(refused)
            return exp.Null()

    def _named(self, node: "exp.Expr", *, alias_first: bool = False) -> "exp.Expr":
        """Columns with their tables, and aliases of other output columns replaced by what they stand for."""
        from sqlglot import exp

        def lead(part: "exp.Expr") -> "exp.Expr":
            if not isinstance(part, exp.Column) or part.table or part.find_ancestor(exp.Query):
                return part
            found = [t for t, held in self.tables.items() if part.name.lower() in {c.name.lower() for c in held}]
            alias = self.aliases.get(part.name.lower())
            if alias is not None and (alias_first or not found) and alias is not part:
                return exp.Paren(this=self._named(alias))
            if len(found) == 1:
                part = part.copy()
                part.set("table", exp.to_identifier(found[0], quoted=True))
            return part

        return node.copy().transform(lead, copy=False)

    def _clauses(self, made: "exp.Expr", items: "list[exp.Expr]") -> None:
        from sqlglot import exp

        args = self.node.args
        for key, kind in (("where", exp.Where), ("having", exp.Having), ("qualify", exp.Qualify)):
            if args.get(key):
                made.set(key, kind(this=self._of(args[key].this)))
        if args.get("group"):
            made.set("group", exp.Group(expressions=[self._grouped(key) for key in self._keys(args["group"], items)]))
        if args.get("distinct"):
            if args["distinct"].args.get("on"):
                raise Refused(args["distinct"], "DISTINCT ON", "keep row_number() OVER (…) = 1")
            made.set("distinct", exp.Distinct())
            for item in items:
                self._refuse_float(item, "DISTINCT")
        self._limit(made)

    def _keys(self, group: "exp.Expr", items: "list[exp.Expr]") -> "list[exp.Expr]":
        from sqlglot import exp

        if any(group.args.get(key) for key in ("grouping_sets", "cube", "rollup", "totals")):
            raise Refused(group, "GROUPING SETS, CUBE or ROLLUP", "write a UNION ALL of SELECTs")
        if group.args.get("all"):
            return [item.unalias() for item in items if not item.find(exp.AggFunc)]
        numbered = {str(place): item.unalias() for place, item in enumerate(items, 1)}
        return [numbered.get(key.name, key) if isinstance(key, exp.Literal) else key for key in group.expressions]

    def _grouped(self, key: "exp.Expr") -> "exp.Expr":
        self._refuse_float(key, "GROUP BY")
        return self._of(key)

    def _refuse_float(self, key: "exp.Expr", clause: str) -> None:
        try:
            kind = self.scope.type(self._named(key.unalias()))
        except Refused:
            return  # told where it stands in the SELECT
        if is_float(kind):
            self.queries.refused.append(
                Refused(key, f"{clause} a {kind}: 0.0 and -0.0 are one group, under either name", "group a DECIMAL")
            )

    def _limit(self, made: "exp.Expr") -> None:
        from sqlglot import exp

        order, limit, offset = (self.node.args.get(key) for key in ("order", "limit", "offset"))
        if not limit and not offset:
            return  # a table has no order
        if not order or any(not isinstance(one.expression, exp.Literal) for one in (limit, offset) if one):
            raise Refused(self.node, "LIMIT without ORDER BY, or by more than a number", "say which rows: ORDER BY")
        keys = [ordered(self.scalars, self._sorted(one)) for one in order.expressions]
        made.set("order", exp.Order(expressions=keys))
        for key, one in (("limit", limit), ("offset", offset)):
            if one:
                made.set(key, one.copy())

    def _sorted(self, key: "exp.Expr") -> "exp.Expr":
        copy = key.copy()
        copy.set("this", self._named(key.this, alias_first=True))
        return copy
