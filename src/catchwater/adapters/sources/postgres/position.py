"""Where a capture stands: what its snapshot sees and of which server, and what that says of older ones; no query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from catchwater.adapters.sources.postgres.catalog import Relation
from catchwater.adapters.sources.postgres.select import XID, checksum, row_checksum
from catchwater.errors import SourceRefused
from catchwater.ports import TableHeld

HALF = 1 << 31
WRAP = 1 << 32
STALE_XIDS = 10_000_000
STALE_SECONDS = 86_400
PINNED_XIDS = 10_000
MOST_RUNNING = 1_000
MOST_STARTS = 16


@dataclass(frozen=True)
class Snapshot:
    """What one transaction sees, and of which server; xids have 64 bits, `at` is the server's clock (RFC 3339), by
    which it `started`."""

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


def snapshot_of(found: Mapping[str, Any]) -> Snapshot:
    return Snapshot(
        system=found["system"],
        timeline=int(found["timeline"]),
        started=found["started"],
        xmin=int(found["xmin"]),
        xmax=int(found["xmax"]),
        lsn=int(found["lsn"] or 0),
        at=found["at"],
    )


def same_server(position: Mapping[str, Any] | None, snapshot: Snapshot) -> bool:
    then = position or {}
    return (then.get("system"), then.get("timeline")) == (snapshot.system, snapshot.timeline)


def recognised(state: Mapping[str, Any], snapshot: Snapshot) -> bool:
    """Whether a table was read from this very server, or from a replica or a restart of it since compared: a copy that
    was restored has the same identifier, and what it wrote since has numbers that the lost rows had."""
    same = state.get("server") == [snapshot.system, snapshot.timeline]
    return same and snapshot.started in state.get("starts", ())


def _starts(state: Mapping[str, Any], snapshot: Snapshot) -> list[str]:
    """The last few starts of this server and its replicas at which the table was compared."""
    then = state.get("starts", []) if state.get("server") == [snapshot.system, snapshot.timeline] else []
    return [*(start for start in then if start != snapshot.started), snapshot.started][-MOST_STARTS:]


def stale(position: Mapping[str, Any] | None, snapshot: Snapshot) -> bool:
    """Whether the position alone is worth a batch: xids wrap, an old one makes every reading long, and what was read
    in parts becomes complete by it."""
    if not position or position.get("parts") or not same_server(position, snapshot):
        return True
    return snapshot.xmin - position["xmin"] >= STALE_XIDS or seconds(position["at"], snapshot.at) >= STALE_SECONDS


def seconds(then: str, now: str) -> float:
    return (datetime.fromisoformat(now) - datetime.fromisoformat(then)).total_seconds()


def total(relation: Relation) -> str:
    """The checksum of a whole table, in Postgres."""
    if not relation.key:
        return row_checksum(relation.fields)
    by_name = {field.name: field for field in relation.fields}
    return checksum([by_name[name] for name in relation.key])


def form(relation: Relation) -> str:
    """Which checksum a position holds: one that was computed otherwise says nothing."""
    return sha256(total(relation).encode()).hexdigest()[:8]


def candidates(position: int, age: int, fresh: Sequence[int] = ()) -> str:
    """Rows written by a transaction that the last reading can't have seen whole, xids counted modulo 2^32."""
    distance = f"(({XID} - {position % WRAP} + {WRAP}) % {WRAP}) < {age}"
    return f"{distance} OR x.tableoid IN ({', '.join(map(str, fresh))})" if fresh else distance


def recent(state: Mapping[str, Any], now: int) -> list[str]:
    """What to read first, where an open transaction holds the position back: the rows of transactions that came after
    the last snapshot or were open in it. What their subtransactions wrote is missed, so the sum has to agree."""
    then, running = int(state.get("xmax", 0)), state.get("running", ())
    if then - int(state["xmin"]) < PINNED_XIDS or then > now:
        return []
    open_then = ", ".join(f"'{int(xid) % WRAP}'::xid" for xid in running)
    also = f" OR x.xmin = ANY (ARRAY[{open_then}])" if running else ""
    return [candidates(then, now - then) + also]


def state_of(relation: Relation, snapshot: Snapshot, before: Mapping[str, Any]) -> dict[str, Any]:
    """What the position says of one table, and what it said `before`: `xmin` is where its next reading begins."""
    return {
        "schema": relation.schema,
        "table": relation.table,
        "oid": relation.oid,
        "fingerprint": relation.mark,
        "leaves": [oid for oid, _, _ in relation.leaves],
        "xmin": snapshot.xmin,
        "xmax": snapshot.xmax,
        "sum": form(relation),
        "refused": sorted(before.get("refused", ())),
        "server": [snapshot.system, snapshot.timeline],
        "starts": _starts(before, snapshot),
    }


def drift(relation: Relation, held: TableHeld) -> list[str]:
    """What changed in a table's shape since it was read last, for people."""
    old = {column.name: column.type for column in held.schema.columns}
    new = {field.name: field.type for field in relation.fields}
    said = [f"column {name} was dropped; versions held keep its values" for name in old if name not in new]
    said += [f"column {name} was added" for name in new if name not in old]
    moved = [name for name in new if old.get(name, new[name]) != new[name]]
    said += [f"column {name} was {old[name]} and is {new[name]}" for name in moved]
    return [f"{relation.name}: {text}" for text in said]


def another_key(relation: Relation, held: TableHeld, where: str) -> SourceRefused:
    old, new = (", ".join(key) or "none" for key in (held.schema.key, relation.key))
    return SourceRefused(
        f"{relation.full} was captured by the key ({old}), and its key is now ({new})",
        where=where,
        next_step="give the source another name in catchwater.yml, so that a new log begins",
    )
