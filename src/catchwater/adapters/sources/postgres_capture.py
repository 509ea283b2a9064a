"""One capture: lock, look, sum, and read what differs, in one transaction; nothing is committed here."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from catchwater.adapters.sources import postgres_catalog as catalog
from catchwater.adapters.sources import postgres_choice as choice
from catchwater.adapters.sources.postgres_catalog import Relation
from catchwater.adapters.sources.postgres_connection import Session
from catchwater.adapters.sources.postgres_difference import Found, Table, Wanted
from catchwater.adapters.sources.postgres_select import checksum, row_checksum
from catchwater.errors import SourceBusy, SourceRefused
from catchwater.ports import Captured, Extraction, Held, Refused, TableHeld

# Everything that decides how a value is written as text, whose rows are seen, and how long we may stand in the way.
SETTINGS = """SET LOCAL search_path = pg_catalog; SET LOCAL row_security = off; SET LOCAL lock_timeout = '2s';
SET LOCAL statement_timeout = '1h'; SET LOCAL idle_in_transaction_session_timeout = '15min';
SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL TimeZone = 'UTC';
SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL lc_monetary = 'C'; SET LOCAL jit = off;
SET LOCAL standard_conforming_strings = on"""

MOST_ROWS = 1 << 24
HALF = 1 << 31
WRAP = 1 << 32
STALE_XIDS = 10_000_000
STALE_SECONDS = 86_400
SUMS_PER_QUERY = 100
MOST_STARTS = 16


@dataclass(frozen=True)
class Snapshot:
    """What one transaction sees, and of which server; xids have 64 bits, `at` is the server's clock (RFC 3339).

    `started` is when the server was: a backup that is restored has the same system and timeline, and never that."""

    system: str
    timeline: int
    started: str
    xmin: int
    xmax: int
    lsn: int
    at: str


@dataclass(frozen=True)
class Sum:
    """Of one whole table: how many rows, and the order-free checksum over their versions."""

    count: int
    checksum: str


@contextmanager
def transaction(session: Session, locks: Sequence[str] = ()) -> Iterator[None]:
    """REPEATABLE READ, READ ONLY, with `locks` (as after LOCK TABLE) held before a query takes the snapshot."""
    import duckdb

    session.begin()
    try:
        try:
            session.execute(SETTINGS + (f"; LOCK TABLE {', '.join(locks)} IN ACCESS SHARE MODE" if locks else ""))
        except duckdb.Error as error:
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
        self.snapshot = _snapshot(document["snapshot"])
        known = {(r.schema, r.table): r for r in catalog.relations(document)}
        relations = {name: self._readable(name, known.get(pair)) for name, pair in pairs.items()}
        self._forward()
        sums = self._sums(relations)
        found = {name: self._table(relations[name], sums[name]) for name in relations}
        changed = {name: one for name, one in found.items() if one is not None}
        if not changed and not self._stale():
            return None
        return self._extraction(relations, sums, changed)

    def _readable(self, name: str, relation: Relation | None) -> Relation:
        if relation is None:
            raise SourceBusy(f"{name} was dropped while it was read", where=self.where, next_step="it is tried again")
        choice.check([relation], self.session.place)
        if not all(locked for _, _, locked in relation.leaves):
            raise SourceBusy(
                f"{relation.full} got a partition while it was read", where=self.where, next_step="it is tried again"
            )
        return relation

    @property
    def _server(self) -> list[Any]:
        return [self.snapshot.system, self.snapshot.timeline]

    def _same_server(self) -> bool:
        then = self.held.position or {}
        return (then.get("system"), then.get("timeline")) == (self.snapshot.system, self.snapshot.timeline)

    def _forward(self) -> None:
        """A replica that lags behind the one read last shows a past in which newer rows don't exist."""
        then, now = self.held.position, self.snapshot
        if then and self._same_server() and (now.xmax < then["xmax"] or now.lsn < then["lsn"]):
            raise SourceBusy(
                f"this server is behind what was read at {then['at']}",
                where=self.where,
                next_step="wait until the replica has caught up, or read from the primary",
            )

    def _sums(self, relations: Mapping[str, Relation]) -> dict[str, Sum]:
        names_ = list(relations)
        sums: dict[str, Sum] = {}
        for start in range(0, len(names_), SUMS_PER_QUERY):
            part = names_[start : start + SUMS_PER_QUERY]
            sql = " UNION ALL ".join(
                f"SELECT {i}::int4 AS i, count(*) AS n, {_checksum(relations[name])} AS s "
                f"FROM {relations[name].rows_of} AS x"
                for i, name in enumerate(part)
            )
            sums |= {part[i]: Sum(int(n), s) for i, n, s in self.session.rows(sql)}
        return sums

    def _table(self, relation: Relation, total: Sum) -> Found | None:
        held = self.held.tables.get(relation.name)
        wanted = Wanted(relation, total.count, self.snapshot.at)
        if held is None:
            self._fits(relation, total.count)
            return Table(self.session, wanted, self.work).first()
        if held.schema.key != relation.key:
            raise _another_key(relation, held, self.where)
        state = held.state
        age = self.snapshot.xmax - int(state.get("xmin", 0))
        known = self._known(relation, held) and age < HALF  # one round later xmin may be the same of another version
        if known and (held.count, held.checksum) == (total.count, total.checksum):
            return None
        if not known or not relation.key:
            self._fits(relation, total.count)
            return Table(self.session, wanted, self.work).whole(self.held)
        fresh = tuple(oid for oid, _, _ in relation.leaves if oid not in state["leaves"])
        wanted = Wanted(relation, total.count, self.snapshot.at, _candidates(int(state["xmin"]), age, fresh), fresh)
        found = Table(self.session, wanted, self.work).delta(self.held)
        self._fits(relation, found.rows)
        return found

    def _known(self, relation: Relation, held: TableHeld) -> bool:
        """Whether the table is the one that was read last: else versions say nothing, and contents are compared."""
        shape = {column.name: column.type for column in held.schema.columns}
        return (
            self._recognised(held.state)
            and "xmin" in held.state
            and held.state.get("oid") == relation.oid
            and held.state.get("fingerprint") == relation.mark
            and shape == {field.name: field.type for field in relation.fields}
        )

    def _recognised(self, state: Mapping[str, Any]) -> bool:
        """Whether a table was read from this very server, or from a replica or a restart of it since compared."""
        return state.get("server") == self._server and self.snapshot.started in state.get("starts", ())

    def _starts(self, state: Mapping[str, Any]) -> list[str]:
        """The last few starts of this server and its replicas at which the table was compared."""
        then = state.get("starts", []) if state.get("server") == self._server else []
        return [*(start for start in then if start != self.snapshot.started), self.snapshot.started][-MOST_STARTS:]

    def _fits(self, relation: Relation, rows: int) -> None:
        if rows > MOST_ROWS:
            raise SourceRefused(
                f"{relation.full} would give {rows:,} rows in one batch, and a batch holds {MOST_ROWS:,}",
                where=self.where,
                next_step="leave the table out with `tables:`, or split it",
            )

    def _stale(self) -> bool:
        """Whether the position alone is worth a batch: xids wrap, and an old one makes every reading long."""
        then = self.held.position
        if not then:
            return True
        seconds = (datetime.fromisoformat(self.snapshot.at) - datetime.fromisoformat(then["at"])).total_seconds()
        return not self._same_server() or self.snapshot.xmin - then["xmin"] >= STALE_XIDS or seconds >= STALE_SECONDS

    def _extraction(
        self, relations: Mapping[str, Relation], sums: Mapping[str, Sum], found: Mapping[str, Found]
    ) -> Extraction:
        states = dict((self.held.position or {}).get("tables", {}))
        refused: list[Refused] = []
        for name, relation in relations.items():
            before = set(states.get(name, {}).get("refused", ()))
            odd = found[name].odd if name in found else []
            marks = [sha256(key.encode()).hexdigest()[:32] for key, _ in odd]
            new = [pair for pair, mark in zip(odd, marks, strict=True) if mark not in before]
            refused += [Refused(name, where, "a key holds a value its type can't", text) for where, text in new]
            state = _state(relation, self.snapshot, sorted(marks if name in found else before))
            states[name] = state | {"server": self._server, "starts": self._starts(states.get(name, {}))}
        others = list(relations.values())
        return Extraction(
            position={"kind": "postgres", **asdict(self.snapshot), "tables": states},
            tables={
                name: Captured(
                    relations[name].to_schema(others), tuple(one.files), one.rows, sums[name].count, sums[name].checksum
                )
                for name, one in found.items()
            },
            refused=tuple(refused),
            rows_read=sum(one.read for one in found.values()),
            notes=tuple(
                f"{name}: {one.gap} rows older than the position weren't held; all were read again"
                for name, one in found.items()
                if one.gap
            ),
        )


def _snapshot(found: Mapping[str, Any]) -> Snapshot:
    return Snapshot(
        system=found["system"],
        timeline=int(found["timeline"]),
        started=found["started"],
        xmin=int(found["xmin"]),
        xmax=int(found["xmax"]),
        lsn=int(found["lsn"] or 0),
        at=found["at"],
    )


def _checksum(relation: Relation) -> str:
    if not relation.key:
        return row_checksum(relation.fields)
    by_name = {field.name: field for field in relation.fields}
    return checksum([by_name[name] for name in relation.key], bool(relation.leaves))


def _candidates(position: int, age: int, fresh: Sequence[int]) -> str:
    """Rows written by a transaction that the last reading can't have seen whole, xids counted modulo 2^32."""
    distance = f"((x.xmin::text::int8 - {position % WRAP} + {WRAP}) % {WRAP}) < {age}"
    return f"{distance} OR x.tableoid IN ({', '.join(map(str, fresh))})" if fresh else distance


def _state(relation: Relation, snapshot: Snapshot, refused: Sequence[str]) -> dict[str, Any]:
    return {
        "schema": relation.schema,
        "table": relation.table,
        "oid": relation.oid,
        "fingerprint": relation.mark,
        "leaves": [oid for oid, _, _ in relation.leaves],
        "xmin": snapshot.xmin,
        "refused": list(refused),
    }


def _another_key(relation: Relation, held: TableHeld, where: str) -> SourceRefused:
    old, new = (", ".join(key) or "none" for key in (held.schema.key, relation.key))
    return SourceRefused(
        f"{relation.full} was captured by the key ({old}), and its key is now ({new})",
        where=where,
        next_step="give the source another name in catchwater.yml, so that a new log begins",
    )
