"""Explores from references: many to one, on the whole key, aliased where a table is joined twice; no fields here."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from catchwater.project import names
from catchwater.project.tables import Reference
from catchwater.serve.lookml_fields import Table, reference, sentence, words

DEPTH = 4


@dataclass
class Explore:
    """`joins` are alias → view, in the order of joining; `written` is the LookML."""

    name: str
    history: bool = False
    joins: dict[str, str] = field(default_factory=dict)
    written: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Link:
    """One reference met on the way from an explore's table; `parent` is None at the table itself."""

    parent: "_Link | None"
    reference: Reference
    target: str
    alias: str = ""

    @property
    def path(self) -> tuple[str, ...]:
        return (*(self.parent.path if self.parent else ()), self.target)


def explores_of(tables: dict[str, Table], views: dict[str, dict[str, Any]]) -> list[Explore]:
    """One for each table that refers to others, and for each that no other refers to."""
    current = {table.model.name: table.name for table in tables.values() if not table.history}
    told = {current[ref.table] for table in tables.values() for ref in table.model.references}
    found = []
    for name, table in sorted(tables.items()):
        if table.model.references or name not in told:
            found.append(_explore(table, tables, current, views))
    return found


def _explore(
    table: Table, tables: dict[str, Table], current: dict[str, str], views: dict[str, dict[str, Any]]
) -> Explore:
    links = list(_links(table, tables, current))
    _alias(table.name, links)
    joins = [_join(table.name, link, tables, views) for link in links]
    written: dict[str, Any] = {"name": table.name, "label": sentence(table.label)}
    if table.model.description:
        written["description"] = sentence(table.model.description)
    if joins:
        written["joins"] = joins
    return Explore(table.name, table.history, {link.alias: link.target for link in links}, written)


def _links(table: Table, tables: dict[str, Table], current: dict[str, str]) -> Iterator[_Link]:
    """Breadth first; no table is met twice on one way, so a circle of references ends."""
    waiting: list[_Link | None] = [None]
    while waiting:
        parent = waiting.pop(0)
        seen = (table.name, *parent.path) if parent else ()
        for one in tables[parent.target if parent else table.name].model.references:
            link = _Link(parent, one, current[one.table])
            if link.target in seen or len(link.path) > DEPTH:
                continue
            yield link
            waiting.append(link)


def _alias(base: str, links: list[_Link]) -> None:
    """A table joined once has its own name, else the column's: `created_date` and `last_updated_date`."""
    times = Counter([base, *(link.target for link in links)])
    taken = {base, *(target for target, count in times.items() if count == 1)}
    for link in links:
        if times[link.target] == 1:
            link.alias = link.target
            continue
        stem = "_".join(re.sub(r"_id$", "", names.fold(column)) for column in link.reference.columns)
        if link.parent:
            stem = f"{link.parent.alias}_{stem}"
        link.alias = next(name for name in _tries(stem, link.target) if name not in taken)
        taken.add(link.alias)


def _tries(stem: str, target: str) -> Iterator[str]:
    yield stem
    yield f"{stem}_{target}"
    number = 2
    while True:
        yield f"{stem}_{target}_{number}"
        number += 1


def _join(base: str, link: _Link, tables: dict[str, Table], views: dict[str, dict[str, Any]]) -> dict[str, Any]:
    near = link.parent.target if link.parent else base
    near_alias = link.parent.alias if link.parent else base
    pairs = zip(link.reference.columns, link.reference.to_columns, strict=True)
    conditions = [
        f"${{{near_alias}.{_field(tables[near], views[near], own)}}}"
        f" = ${{{link.alias}.{_field(tables[link.target], views[link.target], other)}}}"
        for own, other in pairs
    ]
    whole = set(tables[link.target].key) <= set(link.reference.to_columns)
    join: dict[str, Any] = {"name": link.alias}
    if link.alias != link.target:
        join["from"] = link.target
        join["view_label"] = sentence(words(link.alias))
    return {
        **join,
        "type": "left_outer",
        "relationship": "many_to_one" if whole and tables[link.target].key else "many_to_many",
        "sql_on": " AND ".join(conditions),
    }


def _field(table: Table, view: dict[str, Any], column: str) -> str:
    """The field of a view that is exactly this column, uncast."""
    sql = reference(table, column)
    for one in view["dimensions"]:
        if one["sql"] == sql:
            return str(one["name"])
    group = next(one for one in view["dimension_groups"] if one["sql"] == sql)
    return f"{group['name']}_raw"
