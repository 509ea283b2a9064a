"""The rows of a model as computed in full from the ingestion zone, whatever its log holds; nothing is committed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from catchwater.errors import ChainBroken, ModelFailed
from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest, Ref
from catchwater.plan.plan import Model, Plan
from catchwater.ports import Store
from catchwater.project.names import quote
from catchwater.stages.checks import BAD, NEW, Checked
from catchwater.stages.inputs import Inputs, held_columns, latest, table_reads, upstream
from catchwater.stages.work import EVERYTHING

if TYPE_CHECKING:
    import duckdb

SELF = "#self"
_CREATE = re.compile(r"\s*CREATE\s+(?!OR\b)", re.IGNORECASE)


def create_whole(
    con: "duckdb.DuckDBPyConnection",
    plan: Plan,
    stores: Mapping[str, Store],
    model: Model,
    upto: Mapping[str, Ref],
    name: str,
) -> None:
    """A temporary table, named `name` (unquoted), of the rows that `model` has of the ingestion batches up to `upto`
    (`ingestion/<source>` → batch), with `held_columns(model)`. The models that it reads are computed in the same way,
    and rows that a check sets aside are left out as by process.

    Views and tables that the connection has under the names that models read are replaced. Raises ModelFailed when an
    offset is missing, ChainBroken when a batch isn't in its log, and what the SELECTs raise."""
    whole = _Whole(con, plan, stores, _Until(stores, upto))
    whole.table(model)
    con.execute(f"DROP TABLE IF EXISTS {quote(name)}")
    con.execute(f"ALTER TABLE {quote(whole.made.pop(model.name))} RENAME TO {quote(name)}")
    for other in whole.made.values():
        con.execute(f"DROP TABLE {quote(other)}")


def offsets(manifest: Manifest, stores: Mapping[str, Store]) -> dict[str, Ref]:
    """The ingestion batches up to which a batch of a model's log was made, through the models that it read too."""
    found: dict[str, Ref] = {}
    for ref in manifest.inputs:
        if ref.log.startswith("ingestion/"):
            found[ref.log] = ref
    for ref in manifest.inputs:
        if ref.log.startswith("processed/"):
            above = Log(stores["processed"], ref.log).read(ref.seq)
            for log, behind in offsets(above, stores).items():
                found.setdefault(log, behind)
    return found


@dataclass
class _Until:
    """The batches of a log up to an offset of the ingestion zone."""

    stores: Mapping[str, Store]
    upto: Mapping[str, Ref]
    logs: dict[str, Log] = field(default_factory=dict)

    def __call__(self, name: str) -> Sequence[Manifest]:
        zone, _, _ = name.partition("/")
        log = self.logs.setdefault(name, Log(self.stores[zone], name))
        if zone != "ingestion":
            return log.span()
        ref = self.upto.get(name)
        if ref is None:
            raise ModelFailed("no offset says up to which batch to compute", where=name)
        if log.read(ref.seq).hash != ref.hash:
            raise ChainBroken(f"batch {ref.seq} isn't the one that was processed", where=name)
        return log.span(ref.seq)


@dataclass(frozen=True)
class _Whole(Inputs):
    """Inputs whose models are computed here; `made` leads a model to its table, `open` are those being made."""

    made: dict[str, str] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)

    def table(self, model: Model) -> str:
        """The table of a model's rows, made when it isn't there yet."""
        if model.name in self.made:
            return self.made[model.name]
        self.open.add(model.name)
        for read in table_reads(self.plan, model):
            above = upstream(self.plan, read)
            if above:
                self.table(above)
        targets = {target: self._target(model, target) for target in self._targets(model)}
        self._macros(model)
        self.create(model)
        self._compute(model, targets)
        name = f"#whole#{model.name}"
        self.con.execute(f"DROP TABLE IF EXISTS {quote(name)}")
        self.con.execute(f"ALTER TABLE {quote(NEW)} RENAME TO {quote(name)}")
        self.made[model.name] = name
        self.open.remove(model.name)
        return name

    def model(self, model: Model, alias: str, *, history: bool) -> None:
        """The rows of a model that was made before."""
        if model.name not in self.made:
            super().model(model, alias, history=history)
            return
        relation = self.made[model.name]
        names = ", ".join(quote(column.name) for column in held_columns(model))
        rows = quote(relation) if history or not model.history else f"({latest(model, relation)})"
        self._view(alias, f"SELECT {names} FROM {rows}")

    def _targets(self, model: Model) -> list[str]:
        return sorted({check.table for check in model.checks if check.table and check.severity == "quarantine"})

    def _target(self, model: Model, name: str) -> str:
        """A relation over the model that a check looks into: as committed where the two need each other."""
        target = self.plan.model(name)
        if name == model.name:
            return SELF if model.history else EVERYTHING
        if target.materialized != "view" and name not in self.open:
            self.table(target)
        relation = f"#target#{name}"
        if name in self.made:
            self.model(target, relation, history=False)
        elif target.materialized != "view":
            super().model(target, relation, history=False)
        return relation

    def _compute(self, model: Model, targets: dict[str, str]) -> None:
        """`#new`: the rows that stay."""
        columns = ", ".join(quote(column.name) for column in held_columns(model))
        self.con.execute(f"DROP VIEW IF EXISTS {quote(EVERYTHING)}")
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {quote(NEW)} AS SELECT {columns} FROM (\n{model.sql}\n)")
        asked = replace(model, checks=tuple(check for check in model.checks if self._asked(model, check.table)))
        checked = Checked(self.con, asked, EVERYTHING, targets)
        self._view(EVERYTHING, f"FROM {quote(NEW)}")
        if SELF in targets.values():
            self._view(SELF, latest(model, NEW))
        checked.quarantine()
        for view in (SELF, EVERYTHING):
            self.con.execute(f"DROP VIEW IF EXISTS {quote(view)}")
        self.con.execute(f"DROP TABLE IF EXISTS {quote(BAD)}")

    def _asked(self, model: Model, table: str) -> bool:
        return not table or table in self._targets(model)

    def _macros(self, model: Model) -> None:
        """Anew each time: another model, or the same one of another plan, may have left its own."""
        for statement in self.con.extract_statements(model.macros) if model.macros else ():
            self.con.execute(_CREATE.sub("CREATE OR REPLACE ", statement.query, count=1))
