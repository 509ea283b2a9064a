"""From the files of models to the plan's models: ordered, typed, grouped, or everything wrong with them at once."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from catchwater.errors import Problem, ProjectError
from catchwater.plan.declared import Declarations
from catchwater.plan.plan import Check, Model
from catchwater.plan.typed import Describe, Typed, columns_of, type_model, unportable
from catchwater.project.catalogue import CURRENT, Catalogue
from catchwater.project.models import Macros, ModelFile, read_models
from catchwater.project.resolve import Resolved, resolve
from catchwater.project.tables import Column, TableSchema


def load_models(
    folder: Path,
    sources: Mapping[str, Sequence[TableSchema]],
    describe: Describe,
    variables: Mapping[str, str],
    engine: str = "duckdb",
) -> tuple[Model, ...]:
    """The models of a project in the order in which they can be computed.

    `describe` is the Engine's; `engine` is what the process steps declare: what it computes otherwise than DuckDB is
    refused. Raises ProjectError with every problem of every file, each at its line and column."""
    files, macros, problems = read_models(folder, variables)
    problems += _wrong_macros(macros, describe)
    catalogue = Catalogue(sources, files)
    problems += _collisions(files, catalogue)
    resolved: dict[str, Resolved] = {}
    for model in files:
        found, wrong = resolve(model, catalogue)
        problems += wrong
        if found:
            resolved[model.name] = found
    order, wrong = _ordered(files, resolved)
    problems += wrong
    typed, wrong = _typed(order, resolved, describe, macros)
    problems += wrong
    if engine == "spark":
        problems += [problem for one in typed.values() for problem in unportable(one, typed)]
    declarations = Declarations(typed, [model.name for model in files], describe)
    models = [_model(one, typed, declarations) for one in typed.values()]
    problems += declarations.problems
    if problems:
        raise ProjectError(problems)
    return _grouped(models)


def _wrong_macros(macros: Macros, describe: Describe) -> Iterator[Problem]:
    """The first statement that DuckDB refuses; those after it may need it."""
    for count, (line, column, _) in enumerate(macros.statements, 1):
        try:
            describe("SELECT 1 AS one", {}, macros.first(count))
        except ProjectError as error:
            for problem in error.problems:
                yield Problem(macros.file, line, column, problem.message, problem.right)
            return


def _collisions(files: Sequence[ModelFile], catalogue: Catalogue) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for model in files:
        name = model.name.lower()
        if name in seen:
            yield model.at(model.head.spot("name"), f"{model.name} is also the model of {seen[name]}")
        seen[name] = model.file
    for name in sorted(catalogue.histories):
        if name + CURRENT in seen:
            other = catalogue.models[name + CURRENT]
            message = f"{other.name} is the table that {name} is published as beside itself"
            yield other.at(other.head.spot("name"), message, "name one of them otherwise")


def _upstream(resolved: Resolved) -> list[str]:
    return sorted({one.meaning.model for one in resolved.inputs if one.meaning.model})


def _ordered(files: Sequence[ModelFile], resolved: Mapping[str, Resolved]) -> tuple[list[ModelFile], list[Problem]]:
    """Models after what they read; each cycle is a problem of its first model, and stays out."""
    known = {model.name: model for model in files}
    order: list[ModelFile] = []
    problems: list[Problem] = []
    state: dict[str, str] = {}

    def visit(name: str, path: list[str]) -> None:
        if state.get(name) == "open":
            problems.append(_cycle(known, resolved, path[path.index(name) :]))
        if name in state or name not in resolved:
            return
        state[name] = "open"
        for above in _upstream(resolved[name]):
            visit(above, [*path, name])
        state[name] = "done"
        order.append(known[name])

    for name in sorted(resolved):
        visit(name, [])
    return order, problems


def _cycle(known: Mapping[str, ModelFile], resolved: Mapping[str, Resolved], path: list[str]) -> Problem:
    from sqlglot import exp

    first, second = path[0], (path[1:] or path[:1])[0]
    model = known[first]
    named = (second.lower(), second.lower() + CURRENT)
    spots = [
        table.this.meta["start"]
        for table in model.query.find_all(exp.Table)
        if table.name.lower() in named and "start" in table.this.meta
    ]
    return model.problem(min(spots, default=0), f"models read each other: {' → '.join([*path, first])}")


def _typed(
    order: Sequence[ModelFile], resolved: Mapping[str, Resolved], describe: Describe, macros: Macros
) -> tuple[dict[str, Typed], list[Problem]]:
    """Typed models by name; one whose upstream couldn't be typed is left out without a word of its own."""
    typed: dict[str, Typed] = {}
    problems: list[Problem] = []
    for model in order:
        if any(above not in typed for above in _upstream(resolved[model.name])):
            continue
        one, wrong = type_model(model, resolved[model.name], typed, describe, macros)
        problems += wrong
        if one.columns:
            typed[model.name] = one
    return typed, problems


def _model(typed: Typed, all_typed: Mapping[str, Typed], declarations: Declarations) -> Model:
    resolved, head = typed.resolved, typed.model.head
    checks = declarations.checks(typed)
    model = Model(
        name=typed.name,
        file=typed.model.file,
        sql=resolved.sql.text.strip(),
        reads=typed.reads,
        columns=tuple(replace(c, nullable=not _filled(c, typed, checks)) for c in typed.columns),
        materialized=typed.materialized,
        reason=typed.reason,
        key=typed.key,
        entity=typed.entity,
        order=typed.order,
        driving=resolved.driving if typed.materialized == "incremental" else "",
        history=resolved.history,
        references=declarations.references(typed),
        measures=declarations.measures(typed),
        checks=checks,
        description=head.description,
        lineage=typed.lineage,
        macros=typed.macros,
        driving_key=_driving_key(typed),
        joins=typed.joins if typed.materialized == "incremental" else (),
    )
    return replace(model, digest=_digest(model, typed, all_typed))


def _driving_key(typed: Typed) -> tuple[str, ...]:
    if typed.materialized != "incremental" or not typed.resolved.driving:
        return ()
    schema = typed.resolved.input(typed.resolved.driving).meaning.schema
    if typed.resolved.history:
        return (typed.order,) if typed.direct.get("_id") else (*_outputs(typed, schema), typed.order)
    return _outputs(typed, schema)


def _outputs(typed: Typed, schema: TableSchema | None) -> tuple[str, ...]:
    return tuple(typed.direct[name.lower()] for name in _identity(schema) if name.lower() in typed.direct)


def _views(typed: Typed, all_typed: Mapping[str, Typed]) -> list[str]:
    """The SQL of the views that a model reads: they have no log whose batches would tell of a change."""
    above = [all_typed[one.meaning.model] for one in typed.resolved.inputs if one.meaning.model]
    views = [one for one in above if one.materialized == "view"]
    return [text for one in views for text in (one.resolved.sql.text, *_views(one, all_typed))]


def _filled(column: Column, typed: Typed, checks: Sequence[Check]) -> bool:
    """A check says so, but not of a history, whose deletes carry the last values whatever they were."""
    never = {
        name for check in checks if check.kind == "not_null" and check.severity != "warn" for name in check.columns
    }
    return column.name in typed.key or (column.name in never and not typed.resolved.history)


def _digest(model: Model, typed: Typed, all_typed: Mapping[str, Typed]) -> str:
    """Of all that changes the rows: SQL, inputs with their types, columns, keys, and checks that leave rows out."""
    inputs = {
        one.alias: [[c.name, c.type] for c in columns_of(one, all_typed)] + [list(_identity(one.meaning.schema))]
        for one in typed.resolved.inputs
    }
    held = {
        "sql": model.sql,
        "macros": model.macros,
        "reads": [[read.log, read.table, read.alias, read.history] for read in model.reads],
        "inputs": inputs,
        "views": _views(typed, all_typed),
        "columns": [[column.name, column.type] for column in model.columns],
        "keys": [model.key, model.entity, model.order, model.history],
        "checks": [asdict(check) | {"line": 0} for check in model.checks if _leaves_out(model, check)],
    }
    return hashlib.sha256(json.dumps(held, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _leaves_out(model: Model, check: Check) -> bool:
    """Whether rows that break a check stay out: of a history also versions that a later one repaired."""
    of_rows = check.kind in ("not_null", "accepted", "condition")
    return check.severity == "quarantine" or (model.history and check.severity == "fail" and of_rows)


def _identity(schema: TableSchema | None) -> tuple[str, ...]:
    return schema.key if schema else ()


def _grouped(models: Sequence[Model]) -> tuple[Model, ...]:
    """Models connected by reading each other or by references form a group, named by its first fact or model."""
    root = {model.name: model.name for model in models}

    def find(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    for model in models:
        linked = {read.table for read in model.reads if read.log.startswith("processed/")}
        linked |= {reference.table for reference in model.references}
        linked |= {check.table for check in model.checks if check.table}
        for other in linked & set(root):
            root[find(model.name)] = find(other)
    members: dict[str, list[str]] = {}
    for model in models:
        members.setdefault(find(model.name), []).append(model.name)
    title = {key: min(names, key=lambda name: (not name.startswith("fact_"), name)) for key, names in members.items()}
    return tuple(replace(model, group=title[find(model.name)]) for model in models)
