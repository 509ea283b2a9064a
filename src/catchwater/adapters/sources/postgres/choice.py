"""Which tables of a database are a source's: those asked for, or all; what can't be read is refused by name."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from catchwater.adapters.sources.postgres.catalog import Relation
from catchwater.adapters.sources.postgres.connection import Address
from catchwater.adapters.sources.postgres.declared import Misdeclared, Wrong, called, declared, named
from catchwater.errors import SourceRefused
from catchwater.project import names

if TYPE_CHECKING:
    from catchwater.project.captures import Capture

OTHER_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}


def choose(
    relations: Sequence[Relation], wanted: str | Sequence[str], place: Address, capture: "Capture" = "snapshot"
) -> tuple[tuple[Relation, ...], tuple[str, ...]]:
    """The tables to read, and a note for each thing left out; all that is wrong is in one SourceRefused.

    Raises Misdeclared where `capture` names what isn't there.
    """
    relations, wrong = declared(relations, capture)
    if isinstance(wanted, str):
        named = set() if isinstance(capture, str) else {one.oid for name in capture for one in called(relations, name)}
        chosen = [one for one in relations if _is_table(one) and (_usual(one) or one.oid in named)]
        taken = {one.oid for one in chosen}
        notes = [_left_out(one) for one in relations if not one.partition and one.oid not in taken]
    else:
        chosen, notes = _named(relations, wanted, place), []
    check(chosen, place, wrong)
    return tuple(chosen), tuple(notes)


def survey(relations: Sequence[Relation], place: Address) -> tuple[list[Relation], list[str]]:
    """The tables that this user can read, and of each other one why not and what would help."""
    readable: dict[str, Relation] = {}
    left_out = []
    for one in sorted((one for one in relations if _is_table(one) and _usual(one)), key=lambda one: one.full):
        problems = _problems(one, place.user)
        if one.name in readable:
            both = f"{readable[one.name].full} and {one.full} would both be called {one.name}"
            problems.append((both, "list one of them under `tables:`"))
        if problems:
            left_out.append("; ".join(f"{problem} ({step})" for problem, step in problems))
        else:
            readable[one.name] = one
    return list(readable.values()), left_out


def check(chosen: Iterable[Relation], place: Address, wrong: Sequence[Wrong] = ()) -> None:
    """Raises SourceRefused with everything that keeps these tables from being read, and what would help."""
    problems, steps = [], []
    by_name = defaultdict(set)
    for relation in chosen:
        by_name[relation.name].add(relation.full)
        for problem, step in _problems(relation, place.user):
            problems.append(problem)
            steps.append(step)
    for name, full in by_name.items():
        if len(full) > 1:
            problems.append(f"{' and '.join(sorted(full))} would both be called {name}")
            steps.append("list the tables you want under `tables:`, without one of them")
    found = [*wrong, *(Wrong((), problem, step) for problem, step in zip(problems, steps, strict=True))]
    if found:
        kind = Misdeclared if wrong else SourceRefused
        said = "; ".join(one.message for one in found)
        error = kind(
            said, where=place.where, next_step=" ".join(dict.fromkeys(one.right for one in found if one.right))
        )
        if isinstance(error, Misdeclared):
            error.found = found
        raise error


def _named(relations: Sequence[Relation], wanted: Sequence[str], place: Address) -> list[Relation]:
    chosen: dict[int, Relation] = {}
    problems, steps = [], []
    for name in wanted:
        found = called(relations, name)
        tables = [relation for relation in found if _is_table(relation)]
        if len(tables) == 1:
            chosen[tables[0].oid] = tables[0]
        elif tables:
            both = " and ".join(sorted(relation.full for relation in tables))
            problems.append(f"{name} may be {both}")
        elif found and found[0].kind in OTHER_KINDS and found[0].fields:
            problems.append(f"{name} is {_other(found[0])}, whose rows don't say when they were written")
            steps.append(f"write `capture: {{{_written(name)}: full}}`")
        elif found:
            problems.append(f"{name} is {_other(found[0])}, and only tables are read")
        else:
            problems.append(f"there is no table {name}")
    if problems:
        there = ", ".join(sorted(r.full for r in relations if _is_table(r))[:20]) or "none"
        raise SourceRefused(
            "; ".join(problems), where=place.where, next_step="; ".join([*steps, f"tables there are: {there}"])
        )
    return list(chosen.values())


def _is_table(relation: Relation) -> bool:
    """Whether it can be read: a table, or another relation whose capture is declared."""
    routed = relation.how is not None and relation.kind in OTHER_KINDS
    return (relation.kind in ("r", "p") or routed) and not relation.partition and bool(relation.fields)


def _usual(relation: Relation) -> bool:
    """Whether `all` means it."""
    return relation.kind in ("r", "p") and not relation.extension


def _other(relation: Relation) -> str:
    if relation.partition:
        return "a partition"
    if relation.extension:
        return "a part of an extension"
    return OTHER_KINDS.get(relation.kind, "a table") if relation.fields else "a table without columns"


def _left_out(relation: Relation) -> str:
    said = f"{relation.full} is {_other(relation)}: left out"
    if relation.extension or relation.kind not in OTHER_KINDS or not relation.fields:
        return said
    return f"{said}; `capture: {{{written(relation)}: full}}` reads it"


def written(relation: Relation) -> str:
    """How a line of the project file names a table."""
    return _written(named(relation))


def _written(name: str) -> str:
    plain = all(names.is_plain(part) for part in name.split("."))
    return name if plain else json.dumps(name, ensure_ascii=False)


def _problems(relation: Relation, user: str) -> list[tuple[str, str]]:
    who = names.quote(user) if user else "CURRENT_USER"
    problems = []
    if not relation.usage:
        schema = names.quote(relation.schema)
        problems.append(
            (f"no USAGE on schema {relation.schema} of {relation.full}", f"GRANT USAGE ON SCHEMA {schema} TO {who};")
        )
    if not relation.select:
        problems.append((f"no SELECT on {relation.full}", f"GRANT SELECT ON {relation.quoted} TO {who};"))
    if relation.hidden:
        problems.append(
            (f"row security hides rows of {relation.full}", f"ALTER ROLE {who} BYPASSRLS; or leave the table out")
        )
    if relation.absent:
        step = "read the primary, or leave it out with `tables:`"
        problems.append((f"{relation.full} is unlogged, and a standby has nothing of it", step))
    if relation.how is None and not relation.heap:
        why = "isn't stored in a heap"
        if any(kind == "f" for _, kind, _ in relation.leaves):
            why = "has a foreign table as a partition"
        step = f"write `capture: {{{written(relation)}: full}}`, or leave it out with `tables:`"
        problems.append((f"{relation.full} {why}", step))
    return problems + _columns(relation)


def _columns(relation: Relation) -> list[tuple[str, str]]:
    problems = []
    seen: dict[str, str] = {}
    for field in relation.fields:
        low = field.name.lower()
        if low in (*names.SYSTEM_COLUMNS, *names.FILE_COLUMNS):
            problems.append((f"{relation.full} has a column {field.name}, which is a name of ours", "rename it"))
        if low in seen:
            problems.append(
                (f"{relation.full} has columns {seen[low]} and {field.name} that differ in case only", "rename one")
            )
        seen[low] = field.name
    return problems
