"""Tables and views of a BigQuery warehouse: made, adopted or widened, and never dropped; no row is touched here."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from catchwater.adapters.warehouses.bigquery_apply import GENESIS, MARKER, VERSION, listed, stored
from catchwater.adapters.warehouses.bigquery_sql import parse
from catchwater.adapters.warehouses.bigquery_types import accepts, check_names, held, text, tick
from catchwater.adapters.warehouses.changes import Table, log_of, table_of, view_reads
from catchwater.errors import TableDiffers, UseError, WarehouseError
from catchwater.plan.plan import Model
from catchwater.project.names import quote
from catchwater.project.tables import Column


@dataclass(frozen=True)
class There:
    """What the dataset holds under one name: TABLE, VIEW or another kind, and name → (type, whether required); `ours`:
    the warehouse root made it, as its label `managed-by: catchwater` says."""

    kind: str
    columns: Mapping[str, tuple[str, bool]]
    ours: bool = False


def there(table: Any) -> There:
    """From the client's description of a table."""
    columns = {one.name: (_type(one), one.mode == "REQUIRED") for one in table.schema}
    return There(table.table_type, columns, (table.labels or {}).get("managed-by") == "catchwater")


def _type(column: Any) -> str:
    """As INFORMATION_SCHEMA writes it."""
    standard = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}
    name = standard.get(column.field_type, column.field_type)
    if column.mode == "REPEATED":
        return f"ARRAY<{name}>"
    digits = [str(number) for number in (column.precision, column.scale) if number]
    return f"{name}({','.join(digits)})" if digits else str(name)


def setup(path: tuple[str, str]) -> str:
    """What makes the one row that says what readers see; whoever comes second changes nothing."""
    row = "SELECT 0 AS number, '' AS load, '{}' AS cut, '{}' AS models"
    return f"CREATE TABLE IF NOT EXISTS {tick(*path, VERSION)} AS {row}"


def marker(path: tuple[str, str], model: Model) -> str:
    return tick(*path, f"{MARKER}{model.name}")


@dataclass
class Preparation:
    """What must be executed, in order, so that models can be loaded; `made` are the models whose table wasn't there.

    `names` are the tables that exist, `find` describes one, `known` the models loaded before with what was kept of
    them, `standing` those that haven't changed since."""

    path: tuple[str, str]
    names: Collection[str]
    find: Callable[[str], There]
    known: Mapping[str, Mapping[str, Any]]
    standing: Collection[str]
    statements: list[str] = field(default_factory=list)
    made: list[Model] = field(default_factory=list)
    ours: set[str] = field(default_factory=set)
    _differs: list[str] = field(default_factory=list)

    def add(self, models: Sequence[Model], view: Callable[[Model], str]) -> None:
        """Raises TableDiffers naming every column that differs, WarehouseError for what BigQuery can't hold."""
        for model in models:
            if model.materialized != "view":
                self._tables(table_of(model))
        views = [(model, view(model)) for model in models if model.materialized == "view"]
        for model, sql in views:
            check_names(model.name, [column.name for column in model.columns], model.file)
            self._view(model, sql)
        if self._differs:
            raise TableDiffers(
                "tables that are there differ from the models:\n" + "\n".join(f"  {d}" for d in self._differs),
                where=".".join(self.path),
                next_step="change the model or the table, by column; nothing was changed",
            )

    def _tables(self, table: Table) -> None:
        model, name = table.model, stored(table)
        check_names(name, table.names, model.file)
        tables = [one for one in (name, table.current) if one]
        missing = [one for one in tables if one not in self.names]
        sequence, digest = GENESIS
        own = marker(self.path, model)
        if f"{MARKER}{model.name}" not in self.names:
            first = f"SELECT {sequence} AS seq, {text(digest)} AS hash"
            self.statements.append(f"CREATE TABLE IF NOT EXISTS {own} AS {first}")
        elif missing:
            self.statements.append(f"UPDATE {own} SET seq = {sequence}, hash = {text(digest)} WHERE TRUE")
        if missing:
            self.made.append(model)
        before = self.known.get(model.name, {})
        if before.get("ours") or name in missing:
            self.ours.add(model.name)
        for one in tables:
            if one in missing:
                self._create(one, table)
            elif model.name not in self.standing:
                self._adopt(one, table)
        if not model.key:
            names = listed([column.name for column in table.columns])
            self._view(model, f"SELECT {names} FROM {tick(*self.path, name)}")

    def _create(self, name: str, table: Table) -> None:
        columns = ", ".join(_column(name, column) for column in table.stored)
        described = table.model.description
        options = f" OPTIONS(description={text(described)})" if described else ""
        self.statements.append(f"CREATE TABLE IF NOT EXISTS {tick(*self.path, name)} ({columns}){options}")

    def _adopt(self, name: str, table: Table) -> None:
        found = self.find(name)
        if found.kind != "TABLE":
            self._differs.append(f"{name}: is no table ({found.kind})")
            return
        if found.ours:
            self.ours.add(table.model.name)
        columns = {one.lower(): told for one, told in found.columns.items()}
        added = []
        for column in table.stored:
            wanted, told = held(name, column).type, columns.get(column.name.lower())
            if told is None and (column.name in ("_op", "_at") or table.model.name in self.known):
                added.append(f"ADD COLUMN IF NOT EXISTS {_column(name, column)}")
            elif told is None:
                self._differs.append(f"{name}.{column.name}: missing; the model has {wanted}")
            elif not accepts(told[0], wanted):
                self._differs.append(f"{name}.{column.name}: is {told[0]}; the model has {wanted}")
        declared = {one.lower() for one in table.names}
        self._differs += [
            f"{name}.{one}: needs a value; the model has no such column"
            for one, (_, required) in found.columns.items()
            if required and one.lower() not in declared
        ]
        if added:
            self.statements.append(f"ALTER TABLE {tick(*self.path, name)} {', '.join(added)}")

    def _view(self, model: Model, sql: str) -> None:
        if model.name in self.names and model.name not in self.known:
            self._differs.append(f"{model.name}: is there already and isn't ours; rename the model")
            return
        if model.name in self.standing and model.name in self.names:
            return
        described = f" OPTIONS(description={text(model.description)})" if model.description else ""
        self.statements.append(f"CREATE OR REPLACE VIEW {tick(*self.path, model.name)}{described} AS {sql}")


def _column(table: str, column: Column) -> str:
    described = f" OPTIONS(description={text(column.description)})" if column.description else ""
    return f"{tick(column.name)} {held(table, column).type}{described}"


def view_sql(path: tuple[str, str], among: Sequence[Model], model: Model) -> str:
    """A view's SELECT in BigQuery's SQL. Raises WarehouseError when it can't be written so."""
    from sqlglot import ErrorLevel
    from sqlglot.errors import SqlglotError

    aliases = ", ".join(
        f"{quote(alias)} AS (SELECT * FROM {'.'.join(map(quote, (*path, table)))})"
        for alias, table in view_reads(model, among)
    )
    sql = f"WITH {aliases} SELECT * FROM ({model.sql}) AS rows_of_it" if aliases else model.sql
    try:
        found = parse(sql).sql(dialect="bigquery", identify=True, unsupported_level=ErrorLevel.RAISE)
    except (SqlglotError, UseError) as error:
        raise WarehouseError(
            f"the view can't be written in BigQuery's SQL: {error}",
            where=model.name,
            next_step=f"change {model.file}, or make it a table: materialized: full",
        ) from error
    return found


def kept(model: Model, ours: bool) -> dict[str, Any]:
    """What is kept of a model beside the version that readers see."""
    tables = table_of(model)
    columns = [[column.name, column.type] for column in tables.columns]
    return {"shape": model.shape, "ours": ours, "columns": columns, "current": tables.current, "log": log_of(model)}
