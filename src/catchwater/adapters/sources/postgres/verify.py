"""What is held of Postgres tables against what is there now, in one snapshot; nothing is captured or committed here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from catchwater.adapters.sources.postgres import catalog
from catchwater.adapters.sources.postgres.catalog import Relation
from catchwater.adapters.sources.postgres.connection import Session, both_cores
from catchwater.adapters.sources.postgres.declared import bound
from catchwater.adapters.sources.postgres.difference import EXACT
from catchwater.adapters.sources.postgres.position import HALF, candidates, form, same_server, snapshot_of, total
from catchwater.adapters.sources.postgres.reading import hold
from catchwater.adapters.sources.postgres.select import Field, is_odd, row_hash, select_here, select_there
from catchwater.errors import SourceBusy
from catchwater.lake.hashed import content_hash, differing
from catchwater.lake.parquet import options
from catchwater.lake.room import BY_BYTES
from catchwater.ports import Compared, Held, TableHeld
from catchwater.project import names
from catchwater.project.captures import TableCapture

NAMED = 10
WRONG = ("lost", "stale", "ghosts")
_CHANGED = "the table or its server isn't the one read last: differences wait for the next run, which reads it whole"
_CURSOR = "read by a cursor: rows that it can't see wait for the pass over the whole table"
_FULL = "read in full, without versions: what differs waits for the next run"


@dataclass(frozen=True)
class Known:
    """What explains a difference: `fresh` is the condition, in Postgres, of rows that the last capture can't have seen
    (`true` for all); `unmoved`: count and checksum say that nothing changed there since; `note` is for people."""

    fresh: str
    unmoved: bool
    note: str = ""


class Comparison:
    """One look at some tables (name → schema, table), inside a transaction that has their locks."""

    def __init__(self, session: Session, held: Held, work: Path, hows: Mapping[str, TableCapture]) -> None:
        self.session, self.held, self.work, self.hows = session, held, work, hows
        self.con, self.where = session.con, session.place.where

    def run(self, pairs: Mapping[str, tuple[str, str]]) -> dict[str, Compared]:
        """Raises SourceBusy for a server that is behind what was read last, or a table that is dropped meanwhile."""
        document = self.session.document(catalog.query(list(pairs.values())))
        self.snapshot = snapshot_of(document["snapshot"])
        then = self.held.position or {}
        self.same = same_server(then, self.snapshot)
        if self.same and (self.snapshot.xmax < then["xmax"] or self.snapshot.lsn < then["lsn"]):
            raise SourceBusy(
                f"this server is behind what was read at {then['at']}: nothing can be told from it",
                where=self.where,
                next_step="wait until the replica has caught up, or compare with the primary",
            )
        known = {(r.schema, r.table): r for r in catalog.relations(document)}
        found: dict[str, Compared] = {}
        for name, pair in pairs.items():
            relation = known.get(pair)
            if relation is None:
                raise SourceBusy(f"{name} was dropped meanwhile", where=self.where, next_step="catchwater verify")
            if name in self.hows:
                relation, _ = bound(relation, self.hows[name], name)
            found[name] = self._table(relation, self.held.tables[name])
        return found

    def _table(self, relation: Relation, held: TableHeld) -> Compared:
        if held.schema.key != relation.key:
            was, now = (", ".join(key) or "none" for key in (held.schema.key, relation.key))
            return Compared(0, note=f"not compared: it was captured by the key ({was}), and its key is now ({now})")
        known = self._known(relation, held)
        self._server(relation, known)
        hold(self.con, relation, self.held, ("_version", "_exact"))
        counts = self._multiset(known) if not relation.key else self._keyed(relation, known)
        return Compared(
            equal=counts["equal"],
            pending=counts["pending"],
            lost=counts["lost"],
            stale=counts["stale"],
            ghosts=counts["ghosts"],
            keys=tuple(self._named(relation)),
            note=known.note,
        )

    def _known(self, relation: Relation, held: TableHeld) -> Known:
        state = held.state
        if relation.name in self.hows:
            return Known("true", False, _CURSOR if self.hows[relation.name].cursor else _FULL)
        if not self._same(relation, held):
            return Known("true", False, _CHANGED)
        age = self.snapshot.xmax - int(state["xmin"])
        if age >= HALF:
            return Known("true", False, "its position is older than transaction numbers can be compared")
        sql = f"SELECT count(*) AS n, {total(relation)} AS s FROM {relation.rows_of} AS x"
        ((count, checksum),) = self.session.rows(sql)
        unmoved = state.get("sum") == form(relation) and (int(count), checksum) == (held.count, held.checksum)
        leaves = tuple(oid for oid, _, _ in relation.leaves if oid not in state["leaves"])
        return Known(candidates(int(state["xmin"]), age, leaves), unmoved)

    def _same(self, relation: Relation, held: TableHeld) -> bool:
        """Whether the table is the one that was read last, so that versions can be compared."""
        shape = {column.name: column.type for column in held.schema.columns}
        return (
            self.same
            and "xmin" in held.state
            and held.state.get("oid") == relation.oid
            and held.state.get("fingerprint") == relation.mark
            and shape == {field.name: field.type for field in relation.fields}
        )

    def _server(self, relation: Relation, known: Known) -> None:
        """The view `server`: every row there in the shape of the lake, with `_version`, `_exact`, and in `_op` whether
        it is fresh (names that no column of a table has)."""
        version = "x.xmin::text" if relation.versioned else row_hash(relation.fields)
        odd = is_odd(_keys(relation))
        tail = f" WHERE ({odd}) IS NOT TRUE" if odd and relation.key else ""
        sql = (
            f"SELECT {select_there(relation.fields, version)}, ({known.fresh}) AS f FROM {relation.rows_of} AS x{tail}"
        )
        path = self.work / f"{uuid4()}.parquet"
        how = options([field.type for field in relation.fields], BY_BYTES)
        self.con.execute(
            f"COPY (SELECT {select_here(relation.fields)}, v AS _version, f AS _op FROM {self.session.scan(sql)}) "
            f"TO {names.literal(str(path))} {how}"
        )
        self.con.execute(f"CREATE OR REPLACE TEMP VIEW server AS FROM read_parquet({names.literal(str(path))})")

    def _keyed(self, relation: Relation, known: Known) -> dict[str, int]:
        """`verdicts`: the key of every row that isn't equal, and what it is."""
        key = [names.quote(name) for name in relation.key]
        values = {field.name: field.type for field in relation.fields if field.name not in relation.key}
        row = content_hash(values | EXACT | {"_version": "VARCHAR"})
        among = self._among(f"hash({', '.join(key)})", row)
        match = " AND ".join(f"s.{name} = h.{name}" for name in key)
        keys = ", ".join(f"coalesce(s.{name}, h.{name}) AS {name}" for name in key)
        first = key[0]
        gone = "'ghosts'" if known.unmoved else "'pending'"
        fresh = "false" if known.unmoved else "s._op"
        other = f"s._version <> h._version OR ({_differs(relation)})"
        same = f"s._version = h._version AND ({_differs(relation)})"
        stale = f"WHEN {same} THEN 'stale'" if not known.note else ""
        verdict = f"CASE WHEN s.{first} IS NULL THEN {gone} {stale} WHEN {fresh} THEN 'pending' ELSE 'lost' END"
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE verdicts AS SELECT {keys}, {verdict} AS _op FROM (FROM server{among}) AS s "
            f"FULL JOIN (FROM held{among}) AS h ON {match} WHERE s.{first} IS NULL OR h.{first} IS NULL OR {other}"
        )
        counts = self._counts("SELECT _op, count(*) FROM verdicts GROUP BY ALL")
        not_equal = self._number(
            "SELECT count(*) FROM verdicts AS v SEMI JOIN server AS s ON "
            + " AND ".join(f"v.{name} = s.{name}" for name in key)
        )
        return counts | {"equal": self._number("SELECT count(*) FROM server") - not_equal}

    def _among(self, group: str, row: str) -> str:
        """The condition of the rows of groups that aren't the same on both sides: nothing else is joined."""
        with both_cores(self.con):
            among = differing(self.con, ("server", "held"), group, row)
        return " WHERE false" if among is None else among

    def _multiset(self, known: Known) -> dict[str, int]:
        """Rows without a key are told apart by the hash of their values alone."""
        fresh = "0" if known.unmoved else "least(there - here, fresh)"
        gone = "'ghosts'" if known.unmoved else "'pending'"
        among = self._among("hash(_version)", "hash(_version)")
        self.con.execute(
            "CREATE OR REPLACE TEMP TABLE sums AS SELECT _version, sum(there)::BIGINT AS there, "
            "sum(fresh)::BIGINT AS fresh, sum(here)::BIGINT AS here FROM ("
            f"SELECT _version, 1 AS there, _op::INTEGER AS fresh, 0 AS here FROM server{among} UNION ALL "
            f"SELECT _version, 0, 0, 1 FROM held{among}) GROUP BY _version"
        )
        self.con.execute(
            "CREATE OR REPLACE TEMP TABLE verdicts AS "
            f"SELECT _version, 'pending' AS _op, {fresh} AS n FROM sums WHERE there > here UNION ALL "
            f"SELECT _version, 'lost', there - here - {fresh} FROM sums WHERE there > here UNION ALL "
            f"SELECT _version, {gone}, here - there FROM sums WHERE here > there"
        )
        self.con.execute("DELETE FROM verdicts WHERE n = 0")
        counts = self._counts("SELECT _op, sum(n)::BIGINT FROM verdicts GROUP BY ALL")
        lacking = self._number("SELECT coalesce(sum(there - here), 0)::BIGINT FROM sums WHERE there > here")
        return counts | {"equal": self._number("SELECT count(*) FROM server") - lacking}

    def _named(self, relation: Relation) -> list[str]:
        """Some of the rows that are wrong: the verdict, then the key (of a row without one, its values)."""
        columns = relation.key or tuple(field.name for field in relation.fields)
        label = ", ".join(f"{names.literal(name + ' = ')} || b.{names.quote(name)}::VARCHAR" for name in columns)
        if relation.key:
            found = f"SELECT b._op, concat_ws(', ', {label}) AS _exact FROM verdicts AS b WHERE b._op IN {WRONG}"
        else:
            both = "(SELECT * EXCLUDE (_op) FROM server UNION ALL BY NAME FROM held)"
            found = (
                f"SELECT v._op, left(any_value(concat_ws(', ', {label})), 200) AS _exact FROM verdicts AS v "
                f"JOIN {both} AS b ON v._version = b._version WHERE v._op IN {WRONG} GROUP BY v._op, v._version"
            )
        rows = self.con.execute(f"{found} ORDER BY 1, 2 LIMIT {NAMED}").fetchall()
        return [f"{'ghost' if verdict == 'ghosts' else verdict}: {text}" for verdict, text in rows]

    def _counts(self, sql: str) -> dict[str, int]:
        found: dict[str, Any] = dict(self.con.execute(sql).fetchall())
        return {name: int(found.get(name, 0)) for name in ("pending", *WRONG)}

    def _number(self, sql: str) -> int:
        row = self.con.execute(sql).fetchone()
        return int(row[0]) if row else 0


def _keys(relation: Relation) -> Sequence[Field]:
    by_name = {field.name: field for field in relation.fields}
    return tuple(by_name[name] for name in relation.key)


def _differs(relation: Relation) -> str:
    """The condition that values differ; a zero with a sign isn't one without."""
    parts = ["s._exact IS DISTINCT FROM h._exact"]
    for field in relation.fields:
        name = names.quote(field.name)
        if field.name in relation.key:
            continue
        parts.append(f"s.{name} IS DISTINCT FROM h.{name}")
        if field.type in ("FLOAT", "DOUBLE"):
            parts.append(f"signbit(s.{name}) IS DISTINCT FROM signbit(h.{name})")
    return " OR ".join(parts)
