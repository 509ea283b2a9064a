"""Large tables in parts: ranges of blocks, each read in a short transaction of its own; nothing is committed here."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from catchwater.adapters.sources.postgres.catalog import Relation
from catchwater.adapters.sources.postgres.connection import Session
from catchwater.adapters.sources.postgres.position import Sum, total
from catchwater.ports import Held

PART_BLOCKS = 131_072


@dataclass(frozen=True)
class Heap:
    """The blocks of one table by leaf (OID → number of the file, blocks in it), and `aside` those of long values."""

    leaves: Mapping[int, tuple[int, int]]
    aside: int = 0

    @property
    def blocks(self) -> int:
        return self.aside + sum(blocks for _, blocks in self.leaves.values())

    @property
    def longest(self) -> int:
        return max((blocks for _, blocks in self.leaves.values()), default=0)

    @property
    def files(self) -> dict[str, int]:
        return {str(oid): file for oid, (file, _) in self.leaves.items()}

    @property
    def step(self) -> int:
        """How many blocks of all leaves make a part of PART_BLOCKS, long values counted."""
        return PART_BLOCKS * (self.blocks - self.aside) // max(1, self.blocks)


@dataclass(frozen=True)
class Reading:
    """What is still to be read of a table: blocks from `next` up to `end` of each of its leaves, in the files that they
    had at the first part. `again`: some of it may be held; `other`: by versions of another server."""

    next: int
    end: int
    files: Mapping[str, int]
    again: bool = False
    other: bool = False

    def to_state(self) -> dict[str, Any]:
        return asdict(self)

    def stop(self, heap: Heap) -> int:
        """Where the next part ends, so that it has about PART_BLOCKS."""
        longer = sum(1 for _, blocks in heap.leaves.values() if blocks > self.next)
        return min(self.end, self.next + max(1, heap.step // max(1, longer)))

    def holds(self, heap: Heap) -> bool:
        """Whether no leaf was written anew since: in another file its rows stand elsewhere."""
        return all(self.files.get(leaf, file) == file for leaf, file in heap.files.items())


def begun(heap: Heap, *, again: bool = False, other: bool = False) -> Reading:
    """The whole table. Rows that come to stand beyond its end are of transactions that the snapshot doesn't see."""
    return Reading(0, heap.longest, heap.files, again, other)


def unfinished(tables: Sequence[str], states: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Those of the tables of which a part is still to be read."""
    return [name for name in tables if "reading" in states.get(name, {})]


def rewound(held: Held, tables: Sequence[str]) -> dict[str, Any]:
    """The position after which these tables count as never seen: what they hold is compared by content."""
    position = dict(held.position or {})
    states = {name: dict(state) for name, state in position.get("tables", {}).items()}
    for name in tables:
        state = states.get(name, {})
        states[name] = {key: state[key] for key in state if key not in ("fingerprint", "reading")}
    return position | {"tables": states, "parts": int(position.get("parts", 0)) + 1}


def heaps(session: Session, relations: Sequence[Relation]) -> dict[str, Heap]:
    """How large these tables are now, by name."""
    leaves = {r.name: [oid for oid, _, _ in r.leaves] if r.kind == "p" else [r.oid] for r in relations}
    listed = ", ".join(str(oid) for oids in leaves.values() for oid in oids)
    found: dict[int, tuple[int, int, int]] = {}
    if listed:
        size = "COALESCE(pg_relation_size({}), 0) / current_setting('block_size')::int8"
        sql = (
            "SELECT c.oid::int8 AS o, COALESCE(pg_relation_filenode(c.oid), 0)::int8 AS f, "
            f"{size.format('c.oid')} AS b, {size.format('NULLIF(c.reltoastrelid, 0)')} AS t "
            f"FROM pg_class c WHERE c.oid IN ({listed})"
        )
        found = {int(oid): (int(file), int(blocks), int(aside)) for oid, file, blocks, aside in session.rows(sql)}
    return {
        name: Heap({o: found[o][:2] for o in oids if o in found}, sum(found[o][2] for o in oids if o in found))
        for name, oids in leaves.items()
    }


def blocks_of(start: int, stop: int) -> str:
    """The condition, in Postgres, of the rows in these blocks; through the table, since its leaves may not be ours."""
    return f"x.ctid >= '({start},0)'::tid AND x.ctid < '({stop},0)'::tid"


def part(session: Session, relation: Relation, reading: Reading, heap: Heap, most: int) -> tuple[int, Sum]:
    """Where the next part stops so that it has no more than `most` rows, and their count and checksum."""
    stop = reading.stop(heap)
    while True:
        sql = f"SELECT count(*) AS n, {total(relation)} AS s FROM {relation.rows_of} AS x"
        ((rows, checksum),) = session.rows(f"{sql} WHERE {blocks_of(reading.next, stop)}")
        if rows <= most or stop <= reading.next + 1:
            return stop, Sum(int(rows), checksum)
        stop = reading.next + (stop - reading.next) // 2
