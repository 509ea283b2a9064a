"""What a source's `capture` says of its relations, held against the catalog; nothing is read of a table here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Protocol, TypeVar

from catchwater.adapters.sources.postgres.catalog import Relation, folded
from catchwater.errors import SourceRefused
from catchwater.project import names

if TYPE_CHECKING:
    from catchwater.project.captures import Capture, TableCapture

NUMBERS = ("int2", "int4", "int8", "numeric")
UNLOCKABLE = ("m", "f")
TIMES = ("date", "timestamp", "timestamptz")


@dataclass(frozen=True)
class Wrong:
    """One thing wrong in a declaration: where it stands below `capture`, what it is, and what would be right."""

    trail: tuple[str | int, ...]
    message: str
    right: str


class Misdeclared(SourceRefused):
    """A `capture` that the database doesn't bear out; `found` has everything that is wrong."""

    found: Sequence[Wrong] = ()


class Named(Protocol):
    @property
    def schema(self) -> str: ...
    @property
    def table(self) -> str: ...
    @property
    def partition(self) -> bool: ...


@dataclass(frozen=True)
class Place:
    """Where a table stands: what is known of it without the catalog."""

    schema: str
    table: str
    partition: bool = False


N = TypeVar("N", bound=Named)


def called(places: Sequence[N], name: str) -> list[N]:
    """By what the user may have written: schema.table, a table of public, our name for it, a table elsewhere."""
    for found in (
        [one for one in places if f"{one.schema}.{one.table}" == name],
        [one for one in places if one.schema == "public" and one.table == name],
        [one for one in places if folded(one.schema, one.table) == name and not one.partition],
        [one for one in places if one.table == name],
    ):
        if found:
            return found
    return []


def named(place: Named) -> str:
    """How the project file names a table."""
    return place.table if place.schema == "public" else f"{place.schema}.{place.table}"


@cache
def whole() -> "TableCapture":
    """`full`; what checks declarations is loaded for those who declared something."""
    from catchwater.project.captures import TableCapture

    return TableCapture(full=True)


def routed(capture: "Capture", pairs: Mapping[str, tuple[str, str]]) -> "dict[str, TableCapture]":
    """Those of the tables (name → schema, table) that aren't read by `snapshot`, and how they are."""
    if isinstance(capture, str):
        return dict.fromkeys(pairs, whole()) if capture == "full" else {}
    places = {Place(*pair): name for name, pair in pairs.items()}
    found: dict[str, TableCapture] = {}
    for name, how in capture.items():
        for place in called(list(places), name)[:1]:
            if how != "snapshot":
                found[places[place]] = whole() if how == "full" else how
    return found


def declared(relations: Sequence[Relation], capture: "Capture") -> tuple[list[Relation], list[Wrong]]:
    """The relations, each with its capture and the key that is declared, and what is wrong with the declaration."""
    if isinstance(capture, str):
        return [replace(one, how=whole()) if capture == "full" else one for one in relations], []
    by_oid = {one.oid: one for one in relations}
    problems: list[Wrong] = []
    for name, how in capture.items():
        found = called(relations, name)
        if len(found) != 1 or found[0].partition:
            problems.append(_unclear(relations, found, name))
        elif how != "snapshot":
            relation, wrong = bound(found[0], whole() if how == "full" else how, name)
            problems += wrong
            by_oid[relation.oid] = relation
    return list(by_oid.values()), problems


def bound(relation: Relation, how: "TableCapture", name: str) -> tuple[Relation, list[Wrong]]:
    """A relation with its capture, written under `name`, and the key that this declares; what is wrong with it."""
    given = replace(relation, how=how)
    return _keyed(given, tuple(how.key)), list(_wrong(given, name))


def _keyed(relation: Relation, key: tuple[str, ...]) -> Relation:
    if not key or key == relation.key:
        return relation
    fields = tuple(replace(one, nullable=one.nullable and one.name not in key) for one in relation.fields)
    return replace(relation, key=key, fields=fields, declared=True)


def _unclear(relations: Sequence[Relation], found: Sequence[Relation], name: str) -> Wrong:
    if not found:
        return Wrong((name,), f"there is no table {name}", _nearest(name, map(named, relations)))
    if len(found) > 1:
        both = " and ".join(sorted(one.full for one in found))
        return Wrong((name,), f"{name} may be {both}", "write the schema too")
    return Wrong((name,), f"{name} is a partition", "name the partitioned table")


def _wrong(relation: Relation, name: str) -> Iterator[Wrong]:
    columns = {field.name: field for field in relation.fields}
    how = relation.how or whole()
    for number, column in enumerate(how.key):
        if column not in columns:
            said = f"{relation.full} has no column {column}"
            yield Wrong((name, "key", number), said, _nearest(column, columns))
    if how.cursor is None:
        return
    if not how.key and not relation.key:
        said = f"{relation.full} has no key, and a cursor finds rows again by it"
        yield Wrong((name,), said, "write `key: [COLUMN]`, or `full`")
    if how.cursor not in columns:
        said = f"{relation.full} has no column {how.cursor}"
        yield Wrong((name, "cursor"), said, _nearest(how.cursor, columns))
    else:
        yield from _cursor(relation, name, how, how.cursor)


def _cursor(relation: Relation, name: str, how: "TableCapture", cursor: str) -> Iterator[Wrong]:
    field = next(field for field in relation.fields if field.name == cursor)
    where = (name, "cursor")
    if field.origin not in NUMBERS + TIMES:
        kind = f" ({field.origin})" if field.origin else ""
        right = "a column of integers, numeric, dates or timestamps is wanted, or `full`"
        yield Wrong(where, f"{relation.full}.{cursor}{kind} doesn't count upwards exactly", right)
        return
    if field.nullable and relation.kind in ("r", "p"):
        line = f"ALTER TABLE {relation.quoted} ALTER COLUMN {names.quote(cursor)} SET NOT NULL"
        right = f"{line}, or another column, or `full`"
        yield Wrong(where, f"{relation.full}.{cursor} may be NULL, and a cursor never sees such a row", right)
    if how.lag is not None and isinstance(how.lag, int) is not (field.origin in NUMBERS):
        right = "lag: 1000" if field.origin in NUMBERS else "lag: 10 minutes"
        yield Wrong((name, "lag"), f"{relation.full}.{cursor} is of type {field.origin}", f"write {right}")


def _nearest(word: str, known: Iterable[str]) -> str:
    from catchwater.project.words import nearest

    return nearest(word, list(known))
