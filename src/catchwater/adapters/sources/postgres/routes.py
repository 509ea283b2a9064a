"""The tables of a capture that aren't read by `snapshot`: in full, or by a cursor, in the same transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from catchwater.adapters.sources.postgres import catalog, choice
from catchwater.adapters.sources.postgres.catalog import Relation
from catchwater.adapters.sources.postgres.connection import Session
from catchwater.adapters.sources.postgres.contents import Contents, Read
from catchwater.adapters.sources.postgres.cursor import Cursor, Seen, pass_due, read_from
from catchwater.adapters.sources.postgres.declared import bound
from catchwater.adapters.sources.postgres.position import Snapshot, recognised, snapshot_of
from catchwater.errors import SourceBusy
from catchwater.ports import Captured, Extraction, Held
from catchwater.project.captures import TableCapture

Pairs = Mapping[str, tuple[str, str]]


class Routes:
    """Some tables (name → how they are captured), inside a transaction whose snapshot is that of the others."""

    def __init__(self, session: Session, held: Held, work: Path, hows: Mapping[str, TableCapture]) -> None:
        self.session, self.held, self.work, self.hows = session, held, work, hows
        self.relations: dict[str, Relation] = {}
        self.passing: set[str] = set()

    def rest(self, pairs: Pairs) -> dict[str, tuple[str, str]]:
        """The tables that are to be read by `snapshot` now: all others, and those whose cursor is to be proved."""
        mine = {name: pairs[name] for name in self.hows}
        document = self.session.document(catalog.query(list(mine.values())))
        self.snapshot = snapshot_of(document["snapshot"])
        known = {(one.schema, one.table): one for one in catalog.relations(document)}
        self.relations = {name: self._relation(name, known.get(pair)) for name, pair in mine.items()}
        self.passing = {name for name, one in self.relations.items() if one.versioned and self._due(name, one)}
        return {name: pair for name, pair in pairs.items() if name not in mine or name in self.passing}

    def add(self, extraction: Extraction | None) -> Extraction | None:
        """What `snapshot` gave, and what these tables give; None when nothing is new in any.

        Raises SourceRefused for NULL cursors and keys that don't hold, SourceBusy.
        """
        if extraction is not None and not extraction.complete:
            return extraction
        position = dict(extraction.position if extraction else self.held.position or {})
        states = dict(position.get("tables", {}))
        found = {name: self._read(name, states, extraction) for name in self.hows}
        moved = any(read.state != states.get(name) for name, read in found.items())
        if extraction is None and not moved and not any(read.captured or read.refused for read in found.values()):
            return None
        position["tables"] = states | {name: read.state for name, read in found.items()}
        return _joined(extraction or Extraction(position, {}), position, found)

    def _relation(self, name: str, relation: Relation | None) -> Relation:
        if relation is None:
            raise SourceBusy(
                f"{name} was dropped while it was read", where=self.session.place.where, next_step="it is tried again"
            )
        given, wrong = bound(relation, self.hows[name], name)
        choice.check([given], self.session.place, wrong)
        return given

    def _seen(self, name: str) -> Seen | None:
        held = self.held.tables.get(name)
        seen = held.state.get("cursor") if held else None
        return Seen(**seen) if seen else None

    def _due(self, name: str, relation: Relation) -> bool:
        how = self.hows[name]
        return not self._known(name, relation) or pass_due(self._seen(name), how, self.snapshot.at)

    def _known(self, name: str, relation: Relation) -> bool:
        """Whether server and table are those read last: else a cursor's last maximum says nothing."""
        held = self.held.tables.get(name)
        if held is None or not recognised(held.state, self.snapshot):
            return False
        leaves = sorted(oid for oid, _, _ in relation.leaves)
        return (
            held.state.get("oid") == relation.oid
            and held.state.get("fingerprint") == relation.mark
            and sorted(held.state.get("leaves", leaves)) == leaves
            and [(c.name, c.type) for c in held.schema.columns] == [(f.name, f.type) for f in relation.fields]
        )

    def _read(self, name: str, states: Mapping[str, Any], extraction: Extraction | None) -> Read:
        relation, how = self.relations[name], self.hows[name]
        if name in self.passing:
            return self._passed(name, dict(states[name]), extraction.tables.get(name) if extraction else None)
        contents = Contents(self.session, relation, self.snapshot.at, self.work)
        if name in self.held.tables:
            contents.same_key(self.held.tables[name])
        then = self._seen(name)
        if how.cursor and then and not self._due(name, relation):
            seen, read = read_from(contents, Cursor(self.session, relation, how), then, self.held)
            read.state["cursor"] = asdict(seen)
            return read
        read = self._whole(contents)
        if how.cursor and not read.cut:
            cursor = Cursor(self.session, relation, how)
            self._lost(read, cursor, name, read.captured)
            read.state["cursor"] = asdict(cursor.seen(self.snapshot.at))
        return read

    def _passed(self, name: str, state: dict[str, Any], captured: Captured | None) -> Read:
        """What a pass over the whole table found beside the cursor: `snapshot` has captured it."""
        cursor = Cursor(self.session, self.relations[name], self.hows[name])
        read = Read(state | {"cursor": asdict(cursor.seen(self.snapshot.at))})
        self._lost(read, cursor, name, captured)
        return read

    def _lost(self, read: Read, cursor: Cursor, name: str, captured: Captured | None) -> None:
        then = self._seen(name)
        if captured is None or then is None or not self._known(name, self.relations[name]):
            return
        lost = cursor.behind(captured.files, then)
        if lost:
            read.warnings.append(
                f"{name}: {lost:,} rows that the cursor {then.column} can't have seen since {then.compared}; "
                "they are captured now"
            )

    def _whole(self, contents: Contents) -> Read:
        """The whole relation, by what it holds: what is new, what is gone."""
        relation = contents.relation
        before = self.held.tables.get(relation.name)
        refused, marks = contents.odd(before.state.get("refused", ()) if before else ())
        staged, rows = contents.read()
        read = Read(_state(relation, self.snapshot, marks), refused=refused, rows=rows)
        if before is None:
            files: Sequence[Path] = [staged] if rows else []
        else:
            files = [*contents.news(staged, self.held, whole=True), *contents.gone(staged)]
        if files or before is None:
            contents.take(read, files, rows)
        return read


def _state(relation: Relation, snapshot: Snapshot, marks: Sequence[str]) -> dict[str, Any]:
    return {
        "schema": relation.schema,
        "table": relation.table,
        "kind": relation.kind,
        "oid": relation.oid,
        "fingerprint": relation.mark,
        "leaves": [oid for oid, _, _ in relation.leaves],
        "refused": list(marks),
        "server": [snapshot.system, snapshot.timeline],
        "starts": [snapshot.started],
    }


def _joined(extraction: Extraction, position: dict[str, Any], found: Mapping[str, Read]) -> Extraction:
    if any(read.cut for read in found.values()):
        number = extraction.part or 1
        position["parts"] = number
        extraction = replace(extraction, part=number, complete=False, more=True)
    return replace(
        extraction,
        position=position,
        tables=extraction.tables | {name: read.captured for name, read in found.items() if read.captured},
        refused=(*extraction.refused, *(one for read in found.values() for one in read.refused)),
        rows_read=extraction.rows_read + sum(read.rows for read in found.values()),
        warnings=(*extraction.warnings, *(text for read in found.values() for text in read.warnings)),
    )
