"""One capture: lock, look, sum, and read what differs, in one transaction; nothing is committed here."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from catchwater.adapters.sources.postgres import catalog, choice, parts, position
from catchwater.adapters.sources.postgres.batch import Taken, extraction
from catchwater.adapters.sources.postgres.catalog import Relation
from catchwater.adapters.sources.postgres.change import Change, late_pairs
from catchwater.adapters.sources.postgres.connection import Session
from catchwater.adapters.sources.postgres.difference import Table
from catchwater.adapters.sources.postgres.errors import gone
from catchwater.adapters.sources.postgres.parts import Heap, Reading
from catchwater.adapters.sources.postgres.position import HALF, Sum
from catchwater.adapters.sources.postgres.reading import Found, Wanted
from catchwater.errors import SourceBusy
from catchwater.ports import Extraction, Held, TableHeld

# Everything that decides how a value is written as text, whose rows are seen, and how long we may stand in the way.
SETTINGS = """SET LOCAL search_path = pg_catalog; SET LOCAL row_security = off; SET LOCAL lock_timeout = '2s';
SET LOCAL statement_timeout = '1h'; SET LOCAL idle_in_transaction_session_timeout = '15min';
SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL TimeZone = 'UTC';
SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL lc_monetary = 'C'; SET LOCAL jit = off;
SET LOCAL standard_conforming_strings = on"""

MOST_ROWS = 1 << 24
SUMS_PER_QUERY = 100


@contextmanager
def transaction(session: Session, locks: Sequence[str] = ()) -> Iterator[None]:
    """REPEATABLE READ, READ ONLY, with `locks` (as after LOCK TABLE) held before a query takes the snapshot."""
    import duckdb

    try:
        try:
            session.open(SETTINGS + (f"; LOCK TABLE {', '.join(locks)} IN ACCESS SHARE MODE" if locks else ""))
        except duckdb.Error as error:
            if gone(str(error)):
                raise
            raise NotLocked(
                f"a lock wasn't granted: {session.place.scrub(str(error)).rpartition('ERROR:')[2].strip()}",
                where=session.place.where,
                next_step="it is tried again; look for a long ALTER, TRUNCATE or VACUUM FULL",
            ) from error
        yield
    finally:
        session.end()


class NotLocked(SourceBusy):
    """LOCK TABLE failed: the lock is taken, or the table is gone, or the right is; only the catalog tells."""


class Capture:
    """One reading of some tables (name → schema, table), inside a transaction that has their locks."""

    def __init__(self, session: Session, held: Held, work: Path) -> None:
        self.session, self.held, self.work = session, held, work
        self.where = session.place.where

    def run(self, pairs: Mapping[str, tuple[str, str]]) -> Extraction | None:
        """None when nothing is new; raises SourceBusy, SourceRefused."""
        document = self.session.document(catalog.query(list(pairs.values())))
        self.snapshot, self.pin = position.snapshot_of(document["snapshot"]), document["snapshot"]["pin"]
        known = {(r.schema, r.table): r for r in catalog.relations(document)}
        relations = {name: self._readable(name, known.get(pair)) for name, pair in pairs.items()}
        self._forward()
        self._heaps = self._sizes(relations)
        readings = {name: self._reading(relation) for name, relation in relations.items()}
        sums = self._sums({name: relation for name, relation in relations.items() if readings[name] is None})
        taken = {name: self._taken(relation, readings[name], sums.get(name)) for name, relation in relations.items()}
        if all(one.found is None for one in taken.values()) and not position.stale(self.held.position, self.snapshot):
            return None
        return extraction(self.held.position, self.snapshot, relations, taken, self._running())

    def _readable(self, name: str, relation: Relation | None) -> Relation:
        if relation is None:
            raise SourceBusy(f"{name} was dropped while it was read", where=self.where, next_step="it is tried again")
        choice.check([relation], self.session.place)
        if not all(locked for _, _, locked in relation.leaves):
            raise SourceBusy(
                f"{relation.full} got a partition while it was read", where=self.where, next_step="it is tried again"
            )
        held = self.held.tables.get(name)
        if held is not None and held.schema.key != relation.key:
            raise position.another_key(relation, held, self.where)
        return relation

    def _same_server(self) -> bool:
        return position.same_server(self.held.position, self.snapshot)

    def _forward(self) -> None:
        """A replica that lags behind the one read last shows a past in which newer rows don't exist."""
        then, now = self.held.position, self.snapshot
        if then and self._same_server() and (now.xmax < then["xmax"] or now.lsn < then["lsn"]):
            raise SourceBusy(
                f"this server is behind what was read at {then['at']}",
                where=self.where,
                next_step="wait until the replica has caught up, or read from the primary",
            )

    def _sizes(self, relations: Mapping[str, Relation]) -> dict[str, Heap]:
        """The heaps of the tables that may be read whole."""
        wanted = [r for r in relations.values() if "reading" in self._state(r.name) or not self._near(r)]
        return parts.heaps(self.session, wanted)

    def _state(self, name: str) -> Mapping[str, Any]:
        held = self.held.tables.get(name)
        return held.state if held else {}

    def _known(self, relation: Relation) -> bool:
        """Whether the table is the one that was read last: else versions say nothing, and contents are compared."""
        held = self.held.tables.get(relation.name)
        if held is None:
            return False
        shape = {column.name: column.type for column in held.schema.columns}
        return (
            self._recognised(held.state)
            and "xmin" in held.state
            and held.state.get("oid") == relation.oid
            and held.state.get("fingerprint") == relation.mark
            and shape == {field.name: field.type for field in relation.fields}
        )

    def _recognised(self, state: Mapping[str, Any]) -> bool:
        return position.recognised(state, self.snapshot)

    def _near(self, relation: Relation) -> bool:
        """Whether versions can be told apart by their distance from the position."""
        return self._known(relation) and self.snapshot.xmax - int(self._state(relation.name)["xmin"]) < HALF

    def _reading(self, relation: Relation) -> Reading | None:
        """The parts that this table is read in; None when it is read, or compared, at once."""
        heap, held = self._heaps.get(relation.name), self.held.tables.get(relation.name)
        if heap is None or not relation.key:
            return None
        if held is None:
            return parts.begun(heap) if heap.blocks > parts.PART_BLOCKS else None
        if "reading" in held.state:
            reading = Reading(**held.state["reading"])
            if self._near(relation) and reading.holds(heap):
                return reading
            return parts.begun(heap, again=True, other=reading.other or not self._recognised(held.state))
        if not self._near(relation) and heap.blocks > parts.PART_BLOCKS:
            return parts.begun(heap, again=True, other=not self._recognised(held.state))
        return None

    def _sums(self, relations: Mapping[str, Relation]) -> dict[str, Sum]:
        names_ = list(relations)
        sums: dict[str, Sum] = {}
        for start in range(0, len(names_), SUMS_PER_QUERY):
            some = names_[start : start + SUMS_PER_QUERY]
            sql = " UNION ALL ".join(
                f"SELECT {i}::int4 AS i, count(*) AS n, {position.total(relations[name])} AS s "
                f"FROM {relations[name].rows_of} AS x"
                for i, name in enumerate(some)
            )
            sums |= {some[i]: Sum(int(n), s) for i, n, s in self.session.rows(sql)}
        return sums

    def _taken(self, relation: Relation, reading: Reading | None, total: Sum | None) -> Taken:
        held = self.held.tables.get(relation.name)
        if total is not None and reading is None and held is None and relation.key and total.count > MOST_ROWS:
            reading = parts.begun(self._heaps[relation.name])
        if reading is not None:
            return self._part(relation, reading, held)
        assert total is not None  # noqa: S101 (a table that isn't read in parts was summed)
        if held is None:
            taken = self._whole_table(relation, total)
            taken.found = self._table(relation, total.count).first()
        else:
            taken = self._compared(relation, total, held)
        return self._cut(taken, relation)

    def _whole_table(self, relation: Relation, total: Sum | None) -> Taken:
        return Taken(position.state_of(relation, self.snapshot, self._state(relation.name)), total)

    def _compared(self, relation: Relation, total: Sum, held: TableHeld) -> Taken:
        taken = self._whole_table(relation, total)
        taken.notes += position.drift(relation, held)
        same = self._near(relation) and held.state.get("sum") == taken.state["sum"]
        fresh = tuple(oid for oid, _, _ in relation.leaves if oid not in held.state.get("leaves", ()))
        gone = len(held.state.get("leaves", ())) + len(fresh) != len(relation.leaves)
        if same and not fresh and not gone and (held.count, held.checksum) == (total.count, total.checksum):
            return taken
        if not self._near(relation) or not relation.key:
            table = self._table(relation, total.count)
            taken.found = table.whole(self.held, same_server=self._recognised(held.state))
        else:
            before = Sum(held.count, held.checksum) if same and held.count is not None and held.checksum else None
            taken.found = self._changed(relation, total, None if fresh or gone else before, fresh)
        return taken

    def _changed(self, relation: Relation, total: Sum, before: Sum | None, fresh: Sequence[int]) -> Found:
        """By what changed, as long as that explains the sum; else by all versions there are."""
        state, now = self._state(relation.name), self.snapshot.xmax
        table = self._table(relation, total.count)
        since = int(state["xmin"])
        wide = position.candidates(since, now - since, fresh)
        if before is None:
            return table.pairs(self.held, [], wide, fresh)
        change = Change(table, self.held, before)
        if change.explains([*position.recent(state, now), wide], total):
            change.keep()
            return table.found
        return table.pairs(self.held, change.staged, wide, fresh)

    def _part(self, relation: Relation, reading: Reading, held: TableHeld | None) -> Taken:
        """The next part of a table: what stands in the position is the snapshot of the first one."""
        heap, begins = self._heaps[relation.name], reading.next == 0 or held is None
        stop, there = parts.part(self.session, relation, reading, heap, MOST_ROWS)
        taken = self._whole_table(relation, None)
        if held is not None:
            taken.notes += position.drift(relation, held)
            if not begins:
                taken.state = {key: value for key, value in held.state.items() if key != "reading"}
        where = parts.blocks_of(reading.next, stop)
        wanted = Wanted(relation, self.snapshot.at, there.count, where, reading.next, stop - reading.next)
        table = Table(self.session, wanted, self.work, MOST_ROWS)
        if reading.again:
            taken.found = table.whole(self.held, same_server=not reading.other, deletes=False)
        else:
            taken.found = table.first()
            taken.total = there if held is None else self._sum_with(table, held, there)
        taken.part = True
        taken.notes.append(f"{relation.name}: blocks {reading.next} to {stop} of {reading.end}")
        if stop < reading.end:
            taken.state["reading"] = replace(reading, next=stop).to_state()
        return taken

    def _sum_with(self, table: Table, held: TableHeld, there: Sum) -> Sum | None:
        """Of what is held once this part is: rows of earlier parts that were written since come again in it."""
        if held.count is None or held.checksum is None:
            return None
        since = int(held.state["xmin"])
        old = late_pairs(table, self.held, since, self.snapshot.xmax - since)
        if old is None:
            return None
        checksum = int(held.checksum) - int(old.checksum) + int(there.checksum)
        return Sum(held.count - old.count + there.count, str(checksum))

    def _running(self) -> list[int]:
        """The transactions that are open while one of them holds the position far back; see `position.recent`."""
        if self.snapshot.xmax - self.snapshot.xmin < position.PINNED_XIDS:
            return []
        sql = f"SELECT pg_snapshot_xip(pg_current_snapshot())::text AS x LIMIT {position.MOST_RUNNING}"
        return [int(xid) for (xid,) in self.session.rows(sql)]

    def _table(self, relation: Relation, count: int) -> Table:
        heap = self._heaps.get(relation.name)
        wanted = Wanted(relation, self.snapshot.at, count, blocks=heap.longest if heap else 0)
        return Table(self.session, wanted, self.work, MOST_ROWS)

    def _cut(self, taken: Taken, relation: Relation) -> Taken:
        """More rows than a batch holds: the position stays, and the next capture finds the others."""
        if taken.found is not None and taken.found.cut:
            taken.part, taken.total = True, None
            keep = self._state(relation.name) or {k: v for k, v in taken.state.items() if k != "fingerprint"}
            taken.state = dict(keep)
            taken.notes.append(f"{relation.name}: {taken.found.rows} rows, and more to come")
        return taken
