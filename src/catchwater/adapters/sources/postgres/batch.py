"""What a capture found, as the batch that is committed; nothing is read here."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

from catchwater.adapters.sources.postgres.catalog import Relation
from catchwater.adapters.sources.postgres.position import Snapshot, Sum
from catchwater.adapters.sources.postgres.reading import Found
from catchwater.ports import Captured, Extraction, Refused


@dataclass
class Taken:
    """What a capture has of one table: `found` None when nothing is new, `state` for the position, `total` what the
    table has once this is committed (None: not known); `part` when there is more to come."""

    state: dict[str, Any]
    total: Sum | None = None
    found: Found | None = None
    part: bool = False
    notes: list[str] = field(default_factory=list)


def extraction(
    position: Mapping[str, Any] | None,
    snapshot: Snapshot,
    relations: Mapping[str, Relation],
    taken: Mapping[str, Taken],
    running: Sequence[int],
) -> Extraction:
    """The batch of these tables after `position`; `running` are the transactions open while one holds it far back."""
    then = position or {}
    refused = [row for name, one in taken.items() for row in _refused(name, one)]
    states = dict(then.get("tables", {})) | {name: one.state for name, one in taken.items()}
    incomplete = any(one.part for one in taken.values())
    for one in taken.values():
        if running and not one.part:
            one.state["running"] = list(running)
    number = int(then.get("parts", 0)) + 1
    now = {"kind": "postgres", **asdict(snapshot), "tables": states}
    found = {name: one.found for name, one in taken.items() if one.found is not None}
    return Extraction(
        position=now | ({"parts": number} if incomplete else {}),
        tables={name: _captured(relations, name, one, taken[name].total) for name, one in found.items()},
        refused=tuple(refused),
        rows_read=sum(one.read for one in found.values()),
        notes=tuple(note for one in taken.values() for note in one.notes),
        warnings=tuple(
            f"{name}: {one.gap} rows older than the position weren't held; all were read again"
            for name, one in found.items()
            if one.gap
        ),
        part=number if incomplete or number > 1 else None,
        complete=not incomplete,
        more=incomplete,
    )


def _captured(relations: Mapping[str, Relation], name: str, found: Found, total: Sum | None) -> Captured:
    return Captured(
        relations[name].to_schema(list(relations.values())),
        tuple(found.files),
        found.rows,
        total.count if total else None,
        total.checksum if total else None,
        found.revised,
    )


def _refused(name: str, taken: Taken) -> list[Refused]:
    """The rows in quarantine that are new; which ones are there stands in the state, by marks."""
    before = taken.state.get("refused", ())
    if taken.found is None or taken.found.odd is None:
        return []
    refused, marks = set_aside(name, taken.found.odd, before)
    taken.state["refused"] = sorted({*before, *marks}) if taken.part else marks
    return refused


def set_aside(name: str, odd: Sequence[tuple[str, str]], before: Collection[str]) -> tuple[list[Refused], list[str]]:
    """Of the rows whose key can't be held, (key and version, the row), those not refused `before`; the marks of all."""
    marks = {sha256(key.encode()).hexdigest()[:32]: (key, text) for key, text in odd}
    refused = [
        Refused(name, where, "a key holds a value its type can't", text)
        for mark, (where, text) in marks.items()
        if mark not in before
    ]
    return refused, sorted(marks)
