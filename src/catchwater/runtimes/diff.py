"""A model's old SELECT against its new one, over the same logs to the same offsets; nothing is committed here."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catchwater.errors import ModelFailed, ProjectError, UseError
from catchwater.lake.log import Log
from catchwater.lake.manifest import Ref
from catchwater.plan.explain import readers
from catchwater.plan.models import load_models
from catchwater.plan.plan import Model, Plan
from catchwater.project.known import model_files
from catchwater.project.names import quote
from catchwater.project.tables import Column
from catchwater.runtimes import commits
from catchwater.runtimes.compared import Differing, differing
from catchwater.runtimes.measured import Total, totals
from catchwater.runtimes.opened import complete
from catchwater.stages.compute import in_memory
from catchwater.stages.inputs import held_columns, latest
from catchwater.stages.whole import create_whole
from catchwater.wiring import Wiring

if TYPE_CHECKING:
    import duckdb

OLD, NEW, BEFORE = "#diff#old", "#diff#new", "#diff#before"


@dataclass(frozen=True)
class Against:
    """What the model is compared with: a `commit` of git, or a `file` that holds the old SELECT."""

    commit: str = "HEAD"
    file: Path | None = None


@dataclass(frozen=True)
class Columns:
    """What became of the columns: name → type, and for `retyped` (old, new); `readers` → who reads what goes."""

    added: Mapping[str, str] = field(default_factory=dict)
    dropped: Mapping[str, str] = field(default_factory=dict)
    retyped: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    readers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TableDiff:
    """One table of the warehouse: NAME, or NAME_current of a history; `key` is empty where rows are a multiset."""

    name: str
    key: tuple[str, ...]
    differing: Differing


@dataclass(frozen=True)
class ModelDiff:
    """The whole answer; `old` is None for a model that is new, `new` for one that is gone."""

    model: str
    against: str
    offsets: Mapping[str, int]
    columns: Columns
    tables: tuple[TableDiff, ...]
    measures: tuple[Total, ...]
    notes: tuple[str, ...] = ()


def diff(plan: Plan, wiring: Wiring, name: str, against: Against, examples: int = 5) -> ModelDiff:
    """The model (by its name, or its file under the folder) as it is now against the old one.

    Raises UseError for a model that neither has, ProjectError when either can't be read, ModelFailed when either can't
    be computed."""
    folder = wiring.loaded.folder
    with tempfile.TemporaryDirectory(prefix="catchwater-diff-") as made:
        said = _unpack(folder, name, against, Path(made))
        new = _models(plan, wiring, folder)
        old = _old_models(plan, wiring, Path(made), said)
    name = next((model.name for model in (*new, *old) if model.file == name), name)
    known = {model.name for model in (*old, *new)}
    if name not in known:
        raise UseError(f"there is no model {name}", next_step=f"use one of: {', '.join(sorted(known))}")
    return between(wiring, replace(plan, models=old), replace(plan, models=new), name, (said, examples))


def between(wiring: Wiring, old: Plan, new: Plan, name: str, told: tuple[str, int]) -> ModelDiff:
    """The same for two plans of one lake; `told` is what the old one is, in words, and how many examples to show."""
    import duckdb

    said, examples = told
    pair = _model(old, name), _model(new, name)
    offsets = _offsets(new, wiring)
    columns = _columns(new, pair)

    def compare(con: "duckdb.DuckDBPyConnection") -> tuple[tuple[TableDiff, ...], tuple[str, ...], tuple[Total, ...]]:
        _create(con, wiring, (old, pair[0], OLD), offsets)
        _create(con, wiring, (new, pair[1], NEW), offsets)
        return (*_tables(con, pair, examples), totals(con, pair, (OLD, NEW)))

    try:
        tables, notes, measures = in_memory(wiring.engine(), compare)
    except duckdb.Error as error:
        said = str(error).strip().split("\n\n")[0]
        raise ModelFailed(said[:2000], where=name, next_step="catchwater check") from error
    seqs = {log: ref.seq for log, ref in offsets.items()}
    return ModelDiff(name, said, seqs, columns, tables, measures, notes)


def _unpack(folder: Path, name: str, against: Against, into: Path) -> str:
    """The old project's models, written under `into`; what they are, in words."""
    if against.file is None:
        short = commits.resolved(folder, against.commit)
        commits.unpacked(folder, against.commit, "models", into)
        return short if short.startswith(against.commit) else f"{against.commit} ({short})"
    if not against.file.is_file():
        raise UseError(f"there is no file {against.file}", next_step="--against-file OLD.sql")
    place = name if name.endswith(".sql") else f"models/{name}.sql"
    files = {path: text for path, text in model_files(folder) if path != place and not path.endswith(f"/{name}.sql")}
    for path, text in (files | {place: against.file.read_bytes()}).items():
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        (into / path).write_bytes(text)
    return str(against.file)


def _old_models(plan: Plan, wiring: Wiring, folder: Path, said: str) -> tuple[Model, ...]:
    """Raises ProjectError that tells the old files from those of now."""
    try:
        return _models(plan, wiring, folder)
    except ProjectError as error:
        raise ProjectError([replace(one, file=f"{said}: {one.file}") for one in error.problems]) from error


def _models(plan: Plan, wiring: Wiring, folder: Path) -> tuple[Model, ...]:
    tables = {source.name: source.tables for source in plan.sources}
    return load_models(folder, tables, wiring.engine().describe, wiring.loaded.variables)


def _model(plan: Plan, name: str) -> Model | None:
    return next((model for model in plan.models if model.name == name), None)


def _offsets(plan: Plan, wiring: Wiring) -> dict[str, Ref]:
    """Per source the newest batch that completes its series."""
    found = {}
    for source in plan.sources:
        head = complete(Log(wiring.store("ingestion"), f"ingestion/{source.name}"))
        if head is not None:
            found[head.log] = head.ref
    if not found:
        raise UseError("the lake has no rows yet", next_step="catchwater run")
    return found


def _create(
    con: "duckdb.DuckDBPyConnection", wiring: Wiring, what: tuple[Plan, Model | None, str], offsets: Mapping[str, Ref]
) -> None:
    plan, model, relation = what
    stores = {zone: wiring.store(zone) for zone in ("ingestion", "processed")}
    if model is not None:
        create_whole(con, plan, stores, model, offsets, relation)


def _columns(new: Plan, pair: tuple[Model | None, Model | None]) -> Columns:
    old, now = pair
    if old is None or now is None:
        return Columns()
    before = {column.name: column.type for column in old.columns}
    after = {column.name: column.type for column in now.columns}
    retyped = {name: (before[name], kind) for name, kind in after.items() if name in before and before[name] != kind}
    dropped = {name: kind for name, kind in before.items() if name not in after}
    reads = {name: readers(new, f"{now.name}.{name}") for name in (*dropped, *retyped)}
    return Columns({n: k for n, k in after.items() if n not in before}, dropped, retyped, reads)


def _tables(
    con: "duckdb.DuckDBPyConnection", pair: tuple[Model | None, Model | None], examples: int
) -> tuple[tuple[TableDiff, ...], tuple[str, ...]]:
    old, new = pair
    model = new or old
    assert model is not None  # noqa: S101 (one of them has the name that was looked up)
    if old is None or new is None:
        relation = NEW if new else OLD
        row = con.execute(f"SELECT count(*) FROM {quote(relation)}").fetchone()
        rows = int(row[0]) if row else 0
        only = Differing(rows, added=rows) if new else Differing(0, removed=rows)
        return (TableDiff(model.name, model.key, only),), (f"{model.name} is {'new' if new else 'gone'}",)
    found, notes = _table(con, (model.name, model.key), (held_columns(old), held_columns(new)), examples)
    if not (old.history and new.history):
        return (found,), notes
    for one, relation in ((old, OLD), (new, NEW)):
        con.execute(f"CREATE TEMP TABLE {quote(relation + '#now')} AS {latest(one, relation)}")
        con.execute(f"ALTER TABLE {quote(relation)} RENAME TO {quote(relation + '#all')}")
        con.execute(f"ALTER TABLE {quote(relation + '#now')} RENAME TO {quote(relation)}")
    now, more = _table(con, (f"{model.name}_current", new.entity), (old.columns, new.columns), examples)
    return (found, now), (*notes, *more)


def _table(
    con: "duckdb.DuckDBPyConnection",
    what: tuple[str, tuple[str, ...]],
    shapes: tuple[Sequence[Column], Sequence[Column]],
    examples: int,
) -> tuple[TableDiff, tuple[str, ...]]:
    """The columns that both have, compared in the type of now."""
    name, key = what
    before = {column.name: column.type for column in shapes[0]}
    both = {column.name: column.type for column in shapes[1] if column.name in before}
    fields = ", ".join(
        f"{'CAST' if before[column] == kind else 'TRY_CAST'}({quote(column)} AS {kind}) AS {quote(column)}"
        for column, kind in both.items()
    )
    con.execute(f"CREATE OR REPLACE TEMP VIEW {quote(BEFORE)} AS SELECT {fields} FROM {quote(OLD)}")
    by = key if set(key) <= both.keys() else ()
    notes = () if by == key else (f"{name}: its key is another one, so rows are compared by all their columns",)
    try:
        return TableDiff(name, by, differing(con, (BEFORE, NEW), both, by, examples)), notes
    except ModelFailed as error:
        notes = (f"{name}: {error.message}; rows are compared by all their columns",)
        return TableDiff(name, (), differing(con, (BEFORE, NEW), both, (), examples)), notes


def changed_rows(wiring: Wiring, old: Plan, new: Plan) -> dict[str, tuple[str, str]]:
    """For each model whose SELECT changed between two plans: the table that people read, and what differs in it."""
    before = {model.name: model for model in old.models}
    found = {}
    for model in new.models:
        if model.name in before and before[model.name].digest != model.digest:
            last = between(wiring, replace(new, models=old.models), new, model.name, ("", 0)).tables[-1]
            found[model.name] = (last.name, counted(last.differing))
    return found


def counted(found: Differing) -> str:
    """`312 of 48,210 rows differ (unit_price)`, and rows that come and go."""
    if not found.total:
        return f"none of {found.rows:,} rows differs"
    parts = []
    if found.changed:
        parts.append(f"{found.changed:,} of {found.rows:,} rows differ ({', '.join(found.columns)})")
    if found.added:
        parts.append(f"{found.added:,} rows are new")
    if found.removed:
        parts.append(f"{found.removed:,} rows go")
    return ", ".join(parts)


def as_dict(found: ModelDiff) -> dict[str, Any]:
    """The answer as plain data."""
    from dataclasses import asdict

    return asdict(found)
