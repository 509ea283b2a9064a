"""The plan: frozen data that the runtimes execute, the compilers compile and `plan` prints; it never acts."""

import hashlib
from dataclasses import dataclass, field

from catchwater.project import plain
from catchwater.project.tables import Column, Join, Reference, TableSchema


@dataclass(frozen=True)
class Measure:
    name: str
    sql: str
    label: str = ""
    format: str = ""
    over: str = "current"
    description: str = ""


@dataclass(frozen=True)
class Check:
    """`kind`: not_null | unique | accepted | references | condition; `severity`: fail | quarantine | warn."""

    kind: str
    columns: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    table: str = ""
    condition: str = ""
    severity: str = "fail"
    line: int = 0

    @property
    def name(self) -> str:
        return self.condition or " ".join([self.kind, *self.columns, *([f"→ {self.table}"] if self.table else [])])


@dataclass(frozen=True)
class Read:
    """One table that a model reads: `log` is `ingestion/<source>` or `processed/<model>`.

    `table` is the table inside that log; `alias` the name it has in the model's SQL; `history` means every
    version; `columns` are the columns that the model uses of it (empty: all).
    """

    log: str
    table: str
    alias: str
    history: bool = False
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """One table of the warehouse.

    `sql` is the SELECT with its inputs renamed to the aliases of `reads`, and, over a history, with `_op` and
    `_at` of the driving row added as the last two columns. `order` is the output column that holds `_id` or
    `_seq` of the driving row (history models only), by which versions are ordered. `driving` is the alias of the
    driving table of an incremental model. `digest` is the SHA-256 of everything that changes the rows.
    `driving_key` are the output columns that hold the key of an incremental model's driving table, in its order; over
    a history `_id`, or that key and `_seq`. `joins` are the tables that an incremental model joins, in its order.
    `macros` are the statements that make the macros its SQL uses (empty when it uses none).
    `lineage` maps an output column to the `source.table.column`s that it is made from.
    """

    name: str
    file: str
    sql: str
    reads: tuple[Read, ...]
    columns: tuple[Column, ...]
    materialized: str
    reason: str
    key: tuple[str, ...] = ()
    entity: tuple[str, ...] = ()
    order: str = ""
    driving: str = ""
    history: bool = False
    references: tuple[Reference, ...] = ()
    measures: tuple[Measure, ...] = ()
    checks: tuple[Check, ...] = ()
    description: str = ""
    lineage: dict[str, tuple[str, ...]] = field(default_factory=dict)
    digest: str = ""
    group: str = ""
    macros: str = ""
    driving_key: tuple[str, ...] = ()
    joins: tuple[Join, ...] = ()

    @property
    def shape(self) -> str:
        """The SHA-256 of what the model's table looks like in the warehouse, its rows apart."""
        columns = [(column.name, column.type, column.description) for column in self.columns]
        reads = [(read.alias, read.log, read.table, read.history) for read in self.reads]
        view = (self.sql, reads) if self.materialized == "view" else ()
        parts = (self.name, self.description, columns, self.key, self.entity, self.order, self.history, view)
        return hashlib.sha256(repr(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Trigger:
    """`kind`: schedule | batch | message | deployment | request; `detail` is the duration, cron, log or path."""

    step: str
    kind: str
    detail: str = ""


@dataclass(frozen=True)
class Grant:
    """`action`: read | create | list | apply | publish | consume, on one resource (`*` only at its end)."""

    step: str
    action: str
    resource: str
    because: str = ""


@dataclass(frozen=True)
class AlertRule:
    notify: str
    to: str
    events: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """`name` is `ingest:<source>`, `process:<group>`, `load:<warehouse>`, `serve:api` or `serve:console`.

    `place` is local | aws | google, or empty for a step that the environment's clouds don't run (`unplaced` says
    why); `compute` is process (on one machine), lambda, glue, function, service or dataflow; `memory` in MB;
    `seconds` is what a wake is counted with: its declared timeout, else what that compute is assumed to take.
    """

    name: str
    stage: str
    source: str = ""
    models: tuple[str, ...] = ()
    engine: str = "duckdb"
    timeout: float = 900.0
    place: str = "local"
    compute: str = "process"
    memory: int = 0
    unplaced: str = ""
    seconds: float = 1.0


@dataclass(frozen=True)
class SourcePlan:
    """A source as declared (`${…}` unresolved) and the tables that it has."""

    name: str
    kind: str
    declared: dict[str, object]
    tables: tuple[TableSchema, ...]


@dataclass(frozen=True)
class Plan:
    """`clouds` holds the environment's `aws` and `google` mappings as declared (none: it runs on one machine)."""

    project: str
    environment: str
    sources: tuple[SourcePlan, ...]
    models: tuple[Model, ...]
    steps: tuple[Step, ...]
    triggers: tuple[Trigger, ...]
    grants: tuple[Grant, ...]
    alerts: tuple[AlertRule, ...]
    warehouse: dict[str, object]
    serve: dict[str, object]
    promise: dict[str, object]
    lake: dict[str, object]
    clouds: dict[str, dict[str, object]] = field(default_factory=dict)
    ci: str = "github_actions"
    credentials: str = "oidc"
    state_lock: str = "native"
    names: dict[str, str] = field(default_factory=dict)
    format: int = 2

    def model(self, name: str) -> Model:
        return next(model for model in self.models if model.name == name)

    def source(self, name: str) -> SourcePlan:
        return next(source for source in self.sources if source.name == name)

    def step(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)

    @property
    def schema_files(self) -> tuple[str, ...]:
        """The project's files, besides the plan, that a handler needs: the schemas that its sources declare."""
        return tuple(sorted({str(s.declared["schema"]) for s in self.sources if s.declared.get("schema")}))

    def granted(self, step: str) -> tuple[Grant, ...]:
        return tuple(grant for grant in self.grants if grant.step == step)

    def to_bytes(self) -> bytes:
        """Sorted-key UTF-8 JSON, two spaces; the same plan gives the same bytes."""
        import json
        from dataclasses import asdict

        return (json.dumps(asdict(self), sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.to_bytes()).hexdigest()


def from_bytes(data: bytes) -> Plan:
    """The plan that `to_bytes` wrote; raises ValueError on anything else."""
    import json

    return plain.read(Plan, json.loads(data))
