"""Which tables, columns and rows a role may read, from the plan alone; no request and no data is known here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catchwater.errors import Problem, ProjectError
from catchwater.plan.plan import Model, Plan
from catchwater.project.names import quote
from catchwater.project.tables import Column

_TAIL = (Column("_op", "VARCHAR"), Column("_at", "TIMESTAMP WITH TIME ZONE"))


@dataclass(frozen=True)
class Exposed:
    """One table as one role sees it: `key` is empty when a key column is hidden or not unique for sure;
    `condition` is the role's row filter."""

    name: str
    model: Model
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    condition: str = ""

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    @property
    def description(self) -> str:
        if self.name == self.model.name:
            return self.model.description
        return f"The latest version in {self.model.name} per {', '.join(self.model.entity)}."

    @property
    def relation(self) -> str:
        """What to select from: the rows that the role may see. The condition ends with its line, comment or not."""
        if not self.condition:
            return quote(self.name)
        return f"(SELECT * FROM {quote(self.name)} WHERE (\n{self.condition}\n)) AS {quote(self.name)}"


Catalog = Mapping[str, Exposed]


def catalogs(plan: Plan) -> dict[str | None, Catalog]:
    """Per role (None: no role) the tables by name. Raises ProjectError for a condition that isn't one."""
    api = plan.serve.get("api")
    if not isinstance(api, Mapping):
        return {None: {}}
    everything = _tables(plan, api.get("tables", "all"))
    found: dict[str | None, Catalog] = {None: everything}
    problems: list[Problem] = []
    for name, role in (api.get("roles") or {}).items():
        found[name] = _narrowed(everything, role)
        problems += _wrong(name, role, found[name])
    if problems:
        raise ProjectError(problems)
    return found


def _tables(plan: Plan, declared: Any) -> dict[str, Exposed]:
    found = {}
    for model in plan.models:
        names = [model.name, *([f"{model.name}_current"] if model.history and model.entity else [])]
        for name in names:
            if declared == "all" or name in declared or model.name in declared:
                found[name] = _exposed(name, model)
    return dict(sorted(found.items()))


def _exposed(name: str, model: Model) -> Exposed:
    taken = {column.name.lower() for column in model.columns}
    tail = tuple(c for c in _TAIL if model.history and c.name not in taken)
    key = model.key if name == model.name else model.entity
    # nothing holds a view to its key, and a page must not lose the second of two rows with one key
    unique = () if model.materialized == "view" else key
    return Exposed(name, model, model.columns + tail, unique)


def _narrowed(everything: Catalog, role: Mapping[str, Any]) -> Catalog:
    """What is said of a history model holds for its `_current` table unless that is named itself."""
    tables, limits = role.get("tables", "all"), role.get("columns") or {}
    found = {}
    for name, table in everything.items():
        if tables != "all" and name not in tables and table.model.name not in tables:
            continue
        wanted = limits.get(name, limits.get(table.model.name))
        columns = tuple(c for c in table.columns if wanted is None or c.name in wanted)
        names = {column.name for column in columns}
        key = table.key if set(table.key) <= names else ()
        found[name] = Exposed(name, table.model, columns, key, role.get("rows") or "")
    return found


def _wrong(name: str, role: Mapping[str, Any], tables: Catalog) -> list[Problem]:
    where = f"serve.api.roles.{name}"
    problems = []
    models = {table.model.name for table in tables.values()} | set(tables)
    for table, wanted in (role.get("columns") or {}).items():
        if table not in models:
            problems.append(_problem(f"{where}.columns: {table} is no table of this role"))
            continue
        has = {c.name for t in tables.values() if table in (t.name, t.model.name) for c in t.model.columns + _TAIL}
        problems += [_problem(f"{where}.columns.{table}: no column {c}") for c in wanted if c not in has]
    if role.get("rows"):
        problems += _wrong_condition(where, str(role["rows"]), tables)
    return problems


def _wrong_condition(where: str, condition: str, tables: Catalog) -> list[Problem]:
    import duckdb
    import sqlglot
    from sqlglot import exp

    try:
        parsed = sqlglot.parse_one(f"SELECT 1 WHERE (\n{condition}\n)", dialect="duckdb")
        inner = parsed.args["where"].this if isinstance(parsed, exp.Select) else None
    except (sqlglot.errors.SqlglotError, AttributeError, KeyError):
        inner = None
    if not isinstance(inner, exp.Paren) or inner.find(exp.Query, exp.Command):
        return [_problem(f"{where}.rows: not one condition over the table's columns: {condition}")]
    problems = []
    for table in tables.values():
        con = duckdb.connect(config={"enable_external_access": "false"})
        with con:
            try:
                columns = ", ".join(f"{quote(c.name)} {c.type}" for c in _exposed(table.name, table.model).columns)
                con.execute(f"CREATE TABLE {quote(table.name)} ({columns})")
                found = con.execute(f"DESCRIBE SELECT (\n{condition}\n) AS c FROM {table.relation}").fetchall()
                if found[0][1] != "BOOLEAN":
                    problems.append(_problem(f"{where}.rows is {found[0][1]}, not a condition: {condition}"))
            except duckdb.Error as error:
                problems.append(_problem(f"{where}.rows on {table.name}: {str(error).splitlines()[0]}"))
    return problems


def _problem(message: str) -> Problem:
    return Problem("catchwater.yml", 0, 0, message)
