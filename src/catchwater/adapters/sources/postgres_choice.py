"""Which tables of a database are a source's: those asked for, or all; what can't be read is refused by name."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from catchwater.adapters.sources.postgres_catalog import Relation
from catchwater.adapters.sources.postgres_connection import Address
from catchwater.errors import SourceRefused
from catchwater.project import names

OTHER_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}


def choose(
    relations: Sequence[Relation], wanted: str | Sequence[str], place: Address
) -> tuple[tuple[Relation, ...], tuple[str, ...]]:
    """The tables to read, and a note for each thing left out; all that is wrong is in one SourceRefused."""
    if isinstance(wanted, str):
        chosen = [relation for relation in relations if _is_table(relation)]
        notes = [
            f"{relation.full} is {_other(relation)}: left out"
            for relation in relations
            if not relation.partition and not _is_table(relation)
        ]
    else:
        chosen, notes = _named(relations, wanted, place), []
    check(chosen, place)
    return tuple(chosen), tuple(notes)


def check(chosen: Iterable[Relation], place: Address) -> None:
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
    if problems:
        raise SourceRefused("; ".join(problems), where=place.where, next_step=" ".join(dict.fromkeys(steps)))


def _named(relations: Sequence[Relation], wanted: Sequence[str], place: Address) -> list[Relation]:
    chosen: dict[int, Relation] = {}
    problems = []
    for name in wanted:
        found = _called(relations, name)
        tables = [relation for relation in found if _is_table(relation)]
        if len(tables) == 1:
            chosen[tables[0].oid] = tables[0]
        elif tables:
            both = " and ".join(sorted(relation.full for relation in tables))
            problems.append(f"{name} may be {both}")
        elif found:
            problems.append(f"{name} is {_other(found[0])}, and only tables are read")
        else:
            problems.append(f"there is no table {name}")
    if problems:
        there = ", ".join(sorted(r.full for r in relations if _is_table(r))[:20]) or "none"
        raise SourceRefused("; ".join(problems), where=place.where, next_step=f"tables there are: {there}")
    return list(chosen.values())


def _called(relations: Sequence[Relation], name: str) -> list[Relation]:
    """By what the user may have written: schema.table, a table of public, our name for it, a table elsewhere."""
    for found in (
        [relation for relation in relations if relation.full == name],
        [relation for relation in relations if relation.schema == "public" and relation.table == name],
        [relation for relation in relations if relation.name == name and not relation.partition],
        [relation for relation in relations if relation.table == name],
    ):
        if found:
            return found
    return []


def _is_table(relation: Relation) -> bool:
    return relation.kind in ("r", "p") and not relation.partition and bool(relation.fields)


def _other(relation: Relation) -> str:
    return "a partition" if relation.partition else OTHER_KINDS.get(relation.kind, "a table without columns")


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
    if any(kind != "r" for _, kind, _ in relation.leaves):
        problems.append((f"{relation.full} has a foreign table as a partition", "leave it out with `tables:`"))
    if relation.kind == "r" and relation.method != "heap":
        problems.append((f"{relation.full} isn't stored in a heap", "leave it out with `tables:`"))
    return problems + _columns(relation)


def _columns(relation: Relation) -> list[tuple[str, str]]:
    problems = []
    seen: dict[str, str] = {}
    for field in relation.fields:
        low = field.name.lower()
        if low in names.SYSTEM_COLUMNS:
            problems.append((f"{relation.full} has a column {field.name}, which is a name of ours", "rename it"))
        if low in seen:
            problems.append(
                (f"{relation.full} has columns {seen[low]} and {field.name} that differ in case only", "rename one")
            )
        seen[low] = field.name
    return problems
