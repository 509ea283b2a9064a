"""Tables and views of a Postgres warehouse: made, adopted or widened, and never dropped; no row is touched here."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from catchwater.adapters.warehouses.changes import Table, table_of, view_reads
from catchwater.adapters.warehouses.postgres_types import accepts, held
from catchwater.errors import TableDiffers, WarehouseError
from catchwater.plan.plan import Model
from catchwater.project.names import literal, quote
from catchwater.project.tables import Column

MARKERS, MODELS, VERSIONS = "_catchwater_markers", "_catchwater_models", "_catchwater_versions"
OWN = (MARKERS, MODELS, VERSIONS)
_LONGEST = 63


@dataclass(frozen=True)
class Found:
    """One column that is there: its type as format_type writes it."""

    name: str
    type: str
    required: bool


@dataclass(frozen=True)
class There:
    """What the schema holds under one name; `kind` is pg_class's relkind."""

    kind: str
    columns: tuple[Found, ...]


def setup(schema: str) -> str:
    """The statements that make the tables of our own."""
    own = f"{quote(schema)}."
    return (
        f"CREATE TABLE IF NOT EXISTS {own}{MARKERS} (log text PRIMARY KEY, seq bigint NOT NULL, hash text NOT NULL); "
        f"CREATE TABLE IF NOT EXISTS {own}{MODELS} (name text PRIMARY KEY, shape text NOT NULL); "
        f"CREATE TABLE IF NOT EXISTS {own}{VERSIONS} (number bigint PRIMARY KEY)"
    )


def catalog(schema: str) -> str:
    """A query of every column in the schema: relation, relkind, column, type, whether a value is required."""
    return (
        "SELECT c.relname AS relation, c.relkind::text AS kind, a.attname AS name, "
        "format_type(a.atttypid, a.atttypmod) AS type, (a.attnotnull AND NOT a.atthasdef "
        "AND a.attidentity = '' AND a.attgenerated = '') AS required "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
        f"WHERE n.nspname = {literal(schema)} AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1, a.attnum"
    )


def relations(rows: Sequence[tuple[str, str, str, str, bool]]) -> dict[str, There]:
    found: dict[str, There] = {}
    for relation, kind, name, type_, required in rows:
        before = found.get(relation, There(kind, ()))
        found[relation] = There(kind, (*before.columns, Found(name, type_, required)))
    return found


def stored(table: Table) -> str:
    """The table that holds the rows: that of a model without key is hidden behind a view."""
    return table.model.name if table.model.key else f"_catchwater_rows_{table.model.name}"


class Preparation:
    """What must be executed so that models can be loaded; `made` are the models whose table wasn't there.

    `known` are the models loaded before, `standing` those of them that haven't changed."""

    def __init__(
        self, schema: str, there: Mapping[str, There], known: Collection[str], standing: Collection[str]
    ) -> None:
        self._schema, self._there, self._known, self._standing = quote(schema), there, known, standing
        self._hides: list[tuple[str, str]] = []
        self.statements: list[str] = []
        self.made: list[Model] = []
        self._differs: list[str] = []

    def add(self, models: Sequence[Model], view: Callable[[Model], str]) -> None:
        """Raises TableDiffers naming every column that differs, WarehouseError for what Postgres can't hold."""
        for model in models:
            if model.materialized != "view":
                self._tables(table_of(model))
        if self._differs:
            raise TableDiffers(
                "tables that are there differ from the models:\n" + "\n".join(f"  {d}" for d in self._differs),
                where=self._schema,
                next_step="change the model or the table, by column, or drop the table and catchwater replay MODEL; "
                "nothing was changed",
            )
        self._views([(m.name, view(m)) for m in models if m.materialized == "view"])

    def _tables(self, table: Table) -> None:
        name = stored(table)
        _check_names([name, *table.names])
        if name in self._there:
            self._adopt(name, table, adopting=bool(table.model.key))
        else:
            self.made.append(table.model)
            self._create(name, table.stored, table.identity, table.model.description)
            if table.current:
                self._index(name, table.model.entity)
        if not table.model.key:
            self._hidden(table)
        if table.current and table.current in self._there:
            self._adopt(table.current, table, adopting=True)
        elif table.current:
            _check_names([table.current])
            self._create(table.current, table.stored, (), table.model.description)
            self._index(table.current, table.model.entity)
            self.made += [table.model] if name in self._there else []

    def _create(self, name: str, columns: Sequence[Column], key: Sequence[str], description: str) -> None:
        lines = [f"{quote(column.name)} {held(name, column).type}" for column in columns]
        lines += [f"PRIMARY KEY ({', '.join(map(quote, key))})"] if key else []
        target = f"{self._schema}.{quote(name)}"
        self.statements.append(f"CREATE TABLE {target} ({', '.join(lines)})")
        if description:
            self.statements.append(f"COMMENT ON TABLE {target} IS {literal(description)}")
        for column in columns:
            if column.description:
                path = f"{target}.{quote(column.name)}"
                self.statements.append(f"COMMENT ON COLUMN {path} IS {literal(column.description)}")

    def _index(self, name: str, columns: Sequence[str]) -> None:
        target = f"{self._schema}.{quote(name)}"
        self.statements.append(f"CREATE INDEX ON {target} ({', '.join(map(quote, columns))})")

    def _adopt(self, name: str, table: Table, *, adopting: bool) -> None:
        there = self._there[name]
        if there.kind not in ("r", "p"):
            self._differs.append(f"{name}: is no table (relkind {there.kind})")
            return
        columns = {column.name: column for column in there.columns}
        added = []
        for column in table.stored:
            wanted = held(name, column).type
            found = columns.get(column.name)
            if found is None and self._may_add(name, column):
                added.append(f"ADD COLUMN {quote(column.name)} {wanted}")
            elif found is None:
                self._differs.append(f"{name}.{column.name}: missing; the model has {wanted}")
            elif not accepts(found.type, wanted):
                self._differs.append(f"{name}.{column.name}: is {found.type}; the model has {wanted}")
        declared = set(table.names)
        for column_there in there.columns if adopting else ():
            if column_there.name not in declared and column_there.required:
                self._differs.append(f"{name}.{column_there.name}: needs a value; the model has no such column")
        if added:
            self.statements.append(f"ALTER TABLE {self._schema}.{quote(name)} {', '.join(added)}")

    def _may_add(self, name: str, column: Column) -> bool:
        """A table that was loaded before is widened, one that is somebody's only by the two columns of a history."""
        model = name.removeprefix("_catchwater_rows_")
        return column.name in ("_op", "_at") or model in self._known or model.removesuffix("_current") in self._known

    def _hidden(self, table: Table) -> None:
        """A view over the table of a model without key, its hidden columns left out."""
        names = ", ".join(quote(column.name) for column in table.columns)
        self._hides.append((table.model.name, f"SELECT {names} FROM {self._schema}.{quote(stored(table))}"))

    def _views(self, views: Sequence[tuple[str, str]]) -> None:
        """All of a group's views are dropped, the last first, and made again when one of them changed."""
        all_views = [*self._hides, *views]
        for name, _ in all_views:
            there = self._there.get(name)
            if there and (there.kind != "v" or name not in self._known):
                what = "a view" if there.kind == "v" else "no view"
                raise TableDiffers(
                    f"{name} is there already and is {what} of ours", where=self._schema, next_step="rename the model"
                )
        if all(name in self._standing and name in self._there for name, _ in all_views):
            return
        for name, _ in reversed(all_views):
            self.statements.append(f"DROP VIEW IF EXISTS {self._schema}.{quote(name)}")
        for name, sql in all_views:
            _check_names([name])
            self.statements.append(f"CREATE VIEW {self._schema}.{quote(name)} AS {sql}")


def view_sql(schema: str, among: Sequence[Model], model: Model) -> str:
    """A view's SELECT in Postgres's SQL. Raises WarehouseError when it can't be written so."""
    import sqlglot
    from sqlglot.errors import SqlglotError

    aliases = [
        f"{quote(alias)} AS (SELECT * FROM {quote(schema)}.{quote(table)})" for alias, table in view_reads(model, among)
    ]
    try:
        sql = sqlglot.transpile(model.sql, read="duckdb", write="postgres", identify=True)[0]
    except SqlglotError as error:
        raise WarehouseError(
            f"the view can't be written in Postgres's SQL: {error}", where=model.name, next_step=f"change {model.file}"
        ) from error
    return f"WITH {', '.join(aliases)} SELECT * FROM ({sql}) AS rows" if aliases else sql


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if len(name.encode()) > _LONGEST or "\0" in name:
            raise WarehouseError(
                f"Postgres can't hold the name {name!r}: it has more than {_LONGEST} bytes",
                next_step="give the table or column a shorter name",
            )
