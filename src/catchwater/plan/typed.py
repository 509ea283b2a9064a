"""One model typed: its columns from DESCRIBE, its key, order and lineage; other models' heads are not looked at."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from catchwater.errors import Problem, ProjectError
from catchwater.plan.plan import Read
from catchwater.project.catalogue import VALIDITY
from catchwater.project.incremental import Candidate, Obstacle, obstacle, offset
from catchwater.project.joins import joins, renamed, sides
from catchwater.project.lineage import Lineage, lineage
from catchwater.project.models import Macros, ModelFile
from catchwater.project.names import FILE_COLUMNS, SYSTEM_COLUMNS
from catchwater.project.resolve import Input, Resolved
from catchwater.project.shape import driving_table, joins_of, row_per_row
from catchwater.project.tables import Column, Join
from catchwater.project.text import line_column, offset_of

if TYPE_CHECKING:
    from sqlglot import exp

Describe = Callable[[str, Mapping[str, Sequence[Column]], str], tuple[Column, ...]]
_TAKEN = frozenset({*SYSTEM_COLUMNS, *FILE_COLUMNS, *VALIDITY})


@dataclass
class Typed:
    """A model on its way to the plan; `direct` leads a driving column (lower case) to its output column."""

    model: ModelFile
    resolved: Resolved
    macros: str
    columns: tuple[Column, ...] = ()
    direct: dict[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    entity: tuple[str, ...] = ()
    order: str = ""
    materialized: str = ""
    reason: str = ""
    reads: tuple[Read, ...] = ()
    lineage: dict[str, tuple[str, ...]] = field(default_factory=dict)
    joins: tuple[Join, ...] = ()

    @property
    def name(self) -> str:
        return self.model.name

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)

    @property
    def current_key(self) -> tuple[str, ...]:
        """The key by which the latest rows are told apart."""
        return self.entity if self.resolved.history else self.key


def columns_of(one: Input, upstream: Mapping[str, Typed]) -> tuple[Column, ...]:
    """The columns that an input has under its alias, system columns last."""
    schema = one.meaning.schema
    declared = schema.columns if schema else upstream[one.meaning.model].columns
    system = one.meaning.system()
    return (*declared, *(Column(name, system[name]) for name in one.system))


def type_model(
    model: ModelFile, resolved: Resolved, upstream: Mapping[str, Typed], describe: Describe, macros: Macros
) -> tuple[Typed, list[Problem]]:
    """The model with its columns, key, order, materialization and lineage, and what is wrong with it."""
    tables = {one.alias: columns_of(one, upstream) for one in resolved.inputs}
    used = {token.text.lower() for token in model.tokens} & macros.names
    typed = Typed(model, resolved, macros.sql if used else "")
    try:
        described = describe(resolved.sql.text, tables, typed.macros)
    except ProjectError as error:
        return typed, [_moved(model, resolved, problem) for problem in error.problems]
    typed.columns = described[:-2] if resolved.history else described
    problems = list(_wrong_columns(typed))
    if problems:
        return typed, problems
    typed.direct = _direct(typed, tables)
    problems = list(_keys(typed, upstream))
    problems += _materialize(typed, macros, _candidate(typed, macros, tables, upstream))
    _trace(typed, tables, upstream)
    return typed, problems


def unportable(typed: Typed, upstream: Mapping[str, Typed]) -> list[Problem]:
    """What Spark would compute otherwise than DuckDB, where it stands in the file."""
    from catchwater.project import portable

    tables = {one.alias: columns_of(one, upstream) for one in typed.resolved.inputs}
    found = portable.problems(typed.resolved.sql.text, tables, typed.macros)
    return [_moved(typed.model, typed.resolved, problem) for problem in found]


def _moved(model: ModelFile, resolved: Resolved, problem: Problem) -> Problem:
    at = offset_of(resolved.sql.text, problem.line, problem.column)
    return model.problem(resolved.sql.origin(at), problem.message, problem.right)


def _wrong_columns(typed: Typed) -> Iterator[Problem]:
    seen: set[str] = set()
    for column in typed.columns:
        name = column.name.lower()
        at = _item(typed.model, name, last=name in seen)
        if name in seen:
            yield typed.model.problem(at, f"two columns are named {column.name}", "name one of them with AS")
        elif name in _TAKEN:
            right = f"write {column.name} AS {name.strip('_')}_of_record"
            yield typed.model.problem(at, f"{column.name} is Catchwater's own column name", right)
        seen.add(name)


def _item(model: ModelFile, name: str, *, last: bool) -> int:
    """Where the output column of that name stands in the SELECT."""
    start = int(model.tokens[0].start)
    items = [item for item in getattr(model.query, "selects", []) if item.output_name.lower() == name]
    stars = [item for item in getattr(model.query, "selects", []) if item.is_star]
    found = items or stars
    return offset(found[-1 if last else 0], start) if found else start


def _direct(typed: Typed, tables: Mapping[str, Sequence[Column]]) -> dict[str, str]:
    """Columns of the driving table that are output columns just as they are."""
    resolved = typed.resolved
    table = driving_table(typed.model.query)
    if not resolved.driving or table is None or renamed(table):
        return {}
    own = {column.name.lower() for column in tables[resolved.driving]}
    others = {c.name.lower() for alias, columns in tables.items() if alias != resolved.driving for c in columns}
    alone = not joins_of(typed.model.query)
    found: dict[str, str] = {}
    for item in getattr(typed.model.query, "expressions", []):
        for name, output, of in _passed(item, own):
            mine = of == resolved.driving_name.lower() or (not of and (alone or name not in others))
            held = typed.column(output)
            if name in own and mine and held:
                found.setdefault(name, held.name)
    return found


def _passed(item: "exp.Expr", own: set[str]) -> Iterator[tuple[str, str, str]]:
    """(column, output name, table as written) of each column that a SELECT item hands on unchanged."""
    from sqlglot import exp

    star = item.this if isinstance(item, exp.Column) else item
    column = item.this if isinstance(item, exp.Alias) else item
    if isinstance(star, exp.Star):
        table = item.table.lower() if isinstance(item, exp.Column) else ""
        kept = {one.name.lower() for one in star.args.get("except_") or ()}
        kept |= {one.alias.lower() for one in star.args.get("replace") or ()}
        renamed = {one.this.name.lower(): one.alias for one in star.args.get("rename") or ()}
        for name in own - kept - set(SYSTEM_COLUMNS):
            yield name, renamed.get(name, name), table
    elif isinstance(column, exp.Column):
        yield column.name.lower(), item.output_name, column.table.lower()


def _keys(typed: Typed, upstream: Mapping[str, Typed]) -> Iterator[Problem]:
    head, model = typed.model.head, typed.model
    driving = _driving_key(typed, upstream)
    passed = tuple(typed.direct[name.lower()] for name in driving if name.lower() in typed.direct)
    inherited = passed if driving and len(passed) == len(driving) else ()
    if typed.resolved.history:
        typed.order = typed.direct.get("_id") or typed.direct.get("_seq", "")
        typed.entity = yield from _named(typed, "entity", head.entity)
        typed.entity = typed.entity or (() if head.entity else inherited)
        yield from _history_problems(typed)
    elif head.entity:
        yield model.at(head.spot("entity"), "entity is for a model over a __history", "remove it, or use key")
    typed.key = yield from _named(typed, "key", head.key)
    if not head.key:
        typed.key = _default_key(typed, inherited)


def _driving_key(typed: Typed, upstream: Mapping[str, Typed]) -> tuple[str, ...]:
    if not typed.resolved.driving:
        return ()
    meaning = typed.resolved.input(typed.resolved.driving).meaning
    if meaning.schema:
        return meaning.schema.key
    above = upstream[meaning.model]
    return above.key if meaning.history or not above.resolved.history else above.entity


def _named(typed: Typed, what: str, declared: Sequence[str]) -> Generator[Problem, None, tuple[str, ...]]:
    found = []
    for name in declared:
        column = typed.column(name)
        if column:
            found.append(column.name)
        else:
            yield typed.model.at(typed.model.head.spot(what), f"{what}: no column {name}", nearest(name, typed))
    return tuple(found)


def nearest(name: str, typed: Typed) -> str:
    """What a wrong column name may have meant."""
    from difflib import get_close_matches

    known = {column.name.lower(): column.name for column in typed.columns}
    close = [known[one] for one in get_close_matches(name.lower(), list(known), n=3, cutoff=0.5)]
    return f"did you mean {', '.join(close)}?" if close else f"there is {', '.join(known.values())}"[:200]


def _history_problems(typed: Typed) -> Iterator[Problem]:
    table = driving_table(typed.model.query)
    at = offset(table, 0) if table is not None else 0
    if not typed.order:
        right = f"add {typed.resolved.driving_name}._id AS record_id"
        yield typed.model.problem(at, "a model over a history needs _id or _seq of it as a column", right)
    if not typed.entity and not typed.model.head.entity:
        message = "which rows are versions of one thing isn't known: the source's key isn't among the columns"
        yield typed.model.problem(at, message, "declare entity: [column]")


def _default_key(typed: Typed, inherited: tuple[str, ...]) -> tuple[str, ...]:
    from sqlglot import exp

    query = typed.model.query
    if typed.resolved.history:
        if typed.direct.get("_id"):
            return (typed.order,)
        return (*typed.entity, typed.order) if typed.order else ()
    many = query.find(exp.Unnest, exp.Explode, exp.Lateral) is not None
    plain = row_per_row(query) and not joins_of(query) and not many
    return inherited if plain else ()


def _candidate(
    typed: Typed, macros: Macros, tables: Mapping[str, Sequence[Column]], upstream: Mapping[str, Typed]
) -> Candidate:
    read = {one.alias: one.meaning for one in typed.resolved.inputs}
    views = frozenset(a for a, m in read.items() if m.model and upstream[m.model].materialized == "view")
    keys = {alias: meaning.schema.key for alias, meaning in read.items() if meaning.schema}
    # the newest versions of a model over a history are told apart by its entity, which a version may change
    keys |= {a: upstream[m.model].key for a, m in read.items() if m.model and not upstream[m.model].resolved.history}
    held = sides(typed.resolved, tables, keys, views) if typed.resolved.driving else []
    return Candidate(typed.model, typed.resolved, typed.key, typed.direct, macros.names, held)


def _materialize(typed: Typed, macros: Macros, candidate: Candidate) -> Iterator[Problem]:
    head, model = typed.model.head, typed.model
    found = obstacle(candidate)
    typed.materialized = head.materialized or ("full" if found else "incremental")
    if found:
        line, _ = _spot(model, found)
        typed.reason = f"{found.reason} (line {line})"
    else:
        typed.joins, _ = joins(model.query, candidate.sides)
        typed.reason = _by_rows([str(side) for side in candidate.sides], typed.joins)
    if head.materialized in ("full", "view"):
        typed.reason = "declared"
    if head.materialized == "incremental" and found:
        problem = Problem(model.file, *_spot(model, found), f"can't be incremental: {found.reason}")
        yield replace(problem, right="materialized: full")
    if head.materialized == "view":
        yield from _view_problems(typed)


def _spot(model: ModelFile, found: Obstacle) -> tuple[int, int]:
    return found.spot or line_column(model.text, model.select.origin(found.offset))


def _by_rows(tables: Sequence[str], joined: Sequence[Join]) -> str:
    """Why new rows are enough, for people."""
    current = dict.fromkeys(name for name, join in zip(tables[1:], joined, strict=True) if not join.as_of)
    more = f"; rows that join a changed row of {', '.join(current)} are made again" if current else ""
    return f"each row of {tables[0]} makes its own row{more}"


def _view_problems(typed: Typed) -> Iterator[Problem]:
    model, spot = typed.model, typed.model.head.spot("materialized")
    if any(one.meaning.schema for one in typed.resolved.inputs):
        yield model.at(spot, "a view reads models only: the warehouse has no source tables", "materialized: full")
    if typed.macros:
        yield model.at(spot, "a view can't use macros: the warehouse doesn't have them", "materialized: full")


def _trace(typed: Typed, tables: Mapping[str, Sequence[Column]], upstream: Mapping[str, Typed]) -> None:
    found = lineage(typed.resolved.sql.text, {alias: [c.name for c in held] for alias, held in tables.items()})
    names = {alias.lower(): alias for alias in tables}
    typed.lineage = {
        column.name: tuple(sorted(set(_origins(typed, found, column.name, names, upstream))))
        for column in typed.columns
    }
    typed.reads = tuple(_read(one, tables[one.alias], found) for one in typed.resolved.inputs)


def _origins(
    typed: Typed, found: Lineage, column: str, names: Mapping[str, str], upstream: Mapping[str, Typed]
) -> Iterator[str]:
    for alias, name in found.columns.get(column.lower(), ()):
        if alias not in names:
            continue
        meaning = typed.resolved.input(names[alias]).meaning
        if meaning.schema:
            known = next((one.name for one in meaning.schema.columns if one.name.lower() == name), name)
            yield f"{meaning.log.partition('/')[2]}.{meaning.table}.{known}"
        else:
            held = upstream[meaning.model].column(name)
            yield from upstream[meaning.model].lineage.get(held.name if held else name, ())


def _read(one: Input, columns: Sequence[Column], found: Lineage) -> Read:
    used = found.used.get(one.alias)
    names = tuple(
        column.name for column in columns if used is None or column.name.lower() in used or column.name in one.system
    )
    return Read(one.meaning.log, one.meaning.table, one.alias, one.meaning.history, names)
