"""What `snapshot` costs the database at each run, and what would cost less; it advises and blocks nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catchwater.adapters.sources.postgres.catalog import Relation
from catchwater.adapters.sources.postgres.choice import written
from catchwater.adapters.sources.postgres.connection import Session
from catchwater.adapters.sources.postgres.declared import NUMBERS, TIMES
from catchwater.project import names

DISK = 125_000_000  # bytes a second: what the usual disk of a cloud's database reads without more being paid for
MILLION = 0.1  # seconds for the count and checksum of a million rows
SHARE = 10  # a pass may take a tenth of the time between two runs
SHOWN = 5
UNITS = {12: "TB", 9: "GB", 6: "MB", 3: "kB", 0: "B"}
CHANGED = ("updat", "modif", "chang", "touch", "version")

# Sizes by the files (the main fork of each leaf), rows as last analyzed; of indexes their first column.
QUERY = """SELECT COALESCE(json_object_agg(r.oid, json_build_object(
    'bytes', (SELECT COALESCE(sum(pg_relation_size(l.oid)), 0) FROM pg_class l WHERE l.oid = ANY (parts.oids)),
    'rows', (SELECT COALESCE(sum(greatest(l.reltuples, 0)), 0)::int8 FROM pg_class l WHERE l.oid = ANY (parts.oids)),
    'indexed', (SELECT json_agg(DISTINCT a.attname) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
      JOIN pg_am m ON m.oid = x.relam JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
      WHERE i.indrelid = r.oid AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree'))), '{{}}')::text
  FROM pg_class r, LATERAL (SELECT CASE WHEN r.relkind = 'p'
    THEN ARRAY(SELECT relid FROM pg_partition_tree(r.oid) WHERE isleaf) ELSE ARRAY[r.oid] END::oid[] AS oids) AS parts
  WHERE r.oid IN ({oids}) AND r.relkind IN ('r', 'p')"""


@dataclass(frozen=True)
class Weight:
    """Of one table: bytes and rows as the server knows them, and the first columns of its indexes."""

    bytes: int
    rows: int
    indexed: frozenset[str]

    @property
    def seconds(self) -> float:
        """A pass over it, nothing being in memory."""
        return self.bytes / DISK + self.rows / 1_000_000 * MILLION


def weights(session: Session, relations: Sequence[Relation]) -> dict[int, Weight]:
    """What the relations weigh, by OID; of views nothing is known."""
    if not relations:
        return {}
    found: Mapping[str, Any] = session.document(QUERY.format(oids=", ".join(str(one.oid) for one in relations)))
    return {
        int(oid): Weight(int(one["bytes"]), int(one["rows"]), frozenset(one["indexed"] or ()))
        for oid, one in found.items()
    }


def advice(relations: Sequence[Relation], known: Mapping[int, Weight], every: float | None) -> tuple[str, ...]:
    """What is worth knowing before it runs every `every` seconds (None: by no schedule)."""
    notes = [note for one in relations if one.oid in known for note in _unindexed(one, known[one.oid])]
    passed = sorted(
        (one for one in relations if one.how is None and one.oid in known), key=lambda o: -known[o.oid].seconds
    )
    total = sum(known[one.oid].seconds for one in passed)
    if every is None or total <= every / SHARE:
        return tuple(notes)
    size = _size(sum(known[one.oid].bytes for one in passed))
    notes.append(
        f"each run reads every table once for its count and checksum: {size}, about {_time(total)} at "
        f"{DISK // 1_000_000} MB/s, more than a tenth of the {_time(every)} between two runs"
    )
    left = total
    for one in passed[:SHOWN]:
        if left <= every / SHARE:
            break
        notes.append(_proposal(one, known[one.oid]))
        left -= known[one.oid].seconds
    return tuple(notes)


def _unindexed(relation: Relation, weight: Weight) -> list[str]:
    cursor = relation.how.cursor if relation.how else None
    if cursor is None or cursor in weight.indexed:
        return []
    line = f"CREATE INDEX CONCURRENTLY ON {relation.quoted} ({names.quote(cursor)});"
    if relation.kind == "p":
        line = line.replace(" CONCURRENTLY", "")
    return [f"{relation.full}.{cursor} is no index's first column, so that every run reads the whole table: {line}"]


def _proposal(relation: Relation, weight: Weight) -> str:
    lead = f"{relation.full} ({_size(weight.bytes)}, {weight.rows:,} rows, {_time(weight.seconds)})"
    column = _column(relation, weight)
    if column is None:
        return (
            f"{lead} has no key, or no indexed NOT NULL column of times or integers to read it by: let it run less "
            "often, or from a replica"
        )
    how = f"capture: {{{written(relation)}: {{cursor: {column}, snapshot: 1 day}}}}"
    return (
        f"{lead}: `{how}` reads only new rows; what it may lose (late commits beyond its lag, changes that leave "
        f"{column} as it was, deletes) is found once a day"
    )


def _column(relation: Relation, weight: Weight) -> str | None:
    """The likeliest of the indexed columns: a time that says when a row changed, another time, an integer."""
    fit = [
        field
        for field in relation.fields
        if field.name in weight.indexed and not field.nullable and field.origin in NUMBERS + TIMES
    ]
    if not relation.key or not fit:
        return None
    return min(
        fit,
        key=lambda one: (
            one.origin in NUMBERS,
            not any(word in one.name.lower() for word in CHANGED),
            one.origin == "date",
            one.name,
        ),
    ).name


def _size(count: float) -> str:
    unit = next(unit for unit in (12, 9, 6, 3, 0) if count >= 10**unit or not unit)
    return f"{count / 10**unit:.3g} {UNITS[unit]}"


def _time(seconds: float) -> str:
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}{'' if round(seconds / size, 2) == 1 else 's'}"
    return f"{seconds:.3g} s"
