"""The Postgres source: its tables, and every row of them, by SELECT rights alone; nothing is written there."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catchwater.adapters.sources.postgres import catalog
from catchwater.adapters.sources.postgres.capture import Capture, NotLocked, transaction
from catchwater.adapters.sources.postgres.catalog import Relation
from catchwater.adapters.sources.postgres.choice import choose, survey
from catchwater.adapters.sources.postgres.connection import Address, Session, address, attached, connection, with_room
from catchwater.adapters.sources.postgres.declared import UNLOCKABLE, Misdeclared, named, routed
from catchwater.adapters.sources.postgres.parts import rewound, unfinished
from catchwater.adapters.sources.postgres.pin import pinned
from catchwater.errors import CatchwaterError, Problem, ProjectError, UseError
from catchwater.ports import Compared, Extraction, Held, Settings, Survey
from catchwater.project import names
from catchwater.project.tables import TableSchema

if TYPE_CHECKING:
    from catchwater.project import schema


class PostgresSource:
    """A database. One capture at a time; `notes` is what `describe` left out, and why."""

    def __init__(self, name: str, spec: "schema.PostgresSource", settings: Settings) -> None:
        self.name, self.spec, self.settings = name, spec, settings
        self.notes: tuple[str, ...] = ()
        self._kinds: dict[str, str] = {}

    def describe(self) -> tuple[TableSchema, ...]:
        """The declared tables as they are now, by name.

        Raises SourceUnreachable, SourceRefused (naming each table that can't be read), SecretMissing, MissingExtra.
        """
        place = self._place()
        with closing(connection()) as con, attached(con, place) as session:
            chosen = self._chosen(session)
        return tuple(sorted((r.to_schema(chosen) for r in chosen), key=lambda table: table.name))

    def survey(self) -> Survey:
        """What this user can read of the database, and what not; raises SourceUnreachable."""
        with closing(connection()) as con, attached(con, self._place()) as session:
            with transaction(session):
                relations = catalog.relations(session.document(catalog.query()))
            chosen, left_out = survey(relations, session.place)
        tables = tuple(relation.to_schema(chosen) for relation in chosen)
        return Survey(tables, tuple(named(relation) for relation in chosen), tuple(left_out))

    def advice(self, every: float | None) -> tuple[str, ...]:
        """What is left out and why, and what would cost the database less, when read every `every` seconds."""
        from catchwater.adapters.sources.postgres import cost

        with closing(connection()) as con, attached(con, self._place()) as session:
            chosen = self._chosen(session)
            with transaction(session):
                return (*self.notes, *cost.advice(chosen, cost.weights(session, chosen), every))

    def capture(self, tables: Sequence[str], held: Held, work: Path) -> Extraction | None:
        """What is new in these tables since `held`, all of them as of one snapshot; None when nothing is.

        Raises SourceBusy (a lock that wasn't granted, a replica that lags), SourceRefused, SourceUnreachable.
        """
        if not tables:
            return None
        tables = unfinished(tables, {name: table.state for name, table in held.tables.items()}) or tables
        return with_room(lambda: self._captured(tables, held, work))

    def _captured(self, tables: Sequence[str], held: Held, work: Path) -> Extraction | None:
        place = self._place()
        with closing(connection()) as con, attached(con, place) as session:
            pairs = self._known(tables, held) or self._located(session, tables)
            try:
                return self._read(session, pairs, held, work)
            except NotLocked:
                now = self._located(session, tables)
                if now == pairs:
                    raise
                return self._read(session, now, held, work)

    def compare(self, tables: Sequence[str], held: Held, work: Path) -> Mapping[str, Compared]:
        """What is held of these tables against what is there, as of one snapshot. Raises as capture."""
        return with_room(lambda: self._compared(tables, held, work))

    def _compared(self, tables: Sequence[str], held: Held, work: Path) -> Mapping[str, Compared]:
        from catchwater.adapters.sources.postgres.verify import Comparison

        place = self._place()
        with closing(connection()) as con, attached(con, place) as session:
            pairs = self._located(session, tables)
            with transaction(session, self._locks(pairs)):
                return Comparison(session, held, work, routed(self.spec.capture, pairs)).run(pairs)

    def rewound(self, tables: Sequence[str], held: Held, since: datetime | None) -> dict[str, Any]:
        """The position by which these tables are compared by content with what is there, in parts where they are large.

        Raises UseError for a moment: a snapshot shows what is there now, whenever that was written.
        """
        if since is not None:
            raise UseError(
                "rows can't be read again since a moment: a snapshot doesn't say when they were written",
                where=f"source {self.name}",
                next_step="leave --since out; rows that are held as they are aren't written again",
            )
        return rewound(held, tables)

    def _chosen(self, session: Session) -> tuple[Relation, ...]:
        with transaction(session):
            relations = catalog.relations(session.document(catalog.query()))
        try:
            chosen, self.notes = choose(relations, self.spec.tables, session.place, self.spec.capture)
        except Misdeclared as error:
            raise self._told(error) from error
        return chosen

    def _told(self, error: Misdeclared) -> CatchwaterError:
        """The same with the lines of the project file, where they are known."""
        lines, problems = self.settings.lines, []
        for one in error.found:
            trail: tuple[str | int, ...] = ("sources", self.name, "capture", *one.trail)
            while trail and trail not in lines:
                trail = trail[:-1]
            if not trail:
                return error
            problems.append(Problem(*lines[trail], one.message, one.right))
        return ProjectError(problems)

    def _known(self, tables: Sequence[str], held: Held) -> dict[str, tuple[str, str]]:
        """Where the tables stood when they were read last; empty when that isn't known of each."""
        states = {name: held.tables[name].state for name in tables if name in held.tables}
        known = {name: (state["schema"], state["table"]) for name, state in states.items() if "schema" in state}
        self._kinds = {name: state.get("kind", "r") for name, state in states.items()}
        return known if len(known) == len(set(tables)) else {}

    def _located(self, session: Session, tables: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Where the tables stand by the catalog; raises SourceRefused naming those that can't be read."""
        with transaction(session):
            relations = catalog.relations(session.document(catalog.query()))
        if not isinstance(self.spec.tables, str):
            relations = choose(relations, self.spec.tables, session.place, self.spec.capture)[0]
        chosen = choose(relations, list(tables), session.place, self.spec.capture)[0]
        self._kinds = {relation.name: relation.kind for relation in chosen}
        return {relation.name: (relation.schema, relation.table) for relation in chosen}

    def _read(
        self, session: Session, pairs: Mapping[str, tuple[str, str]], held: Held, work: Path
    ) -> Extraction | None:
        hows = routed(self.spec.capture, pairs)
        with transaction(session, self._locks(pairs)):
            capture = Capture(session, held, work)
            if not hows:
                return pinned(capture.run(pairs), capture.pin, held.position or {})
            from catchwater.adapters.sources.postgres.routes import Routes

            routes = Routes(session, held, work, hows)
            return pinned(routes.add(capture.run(routes.rest(pairs))), capture.pin, held.position or {})

    def _locks(self, pairs: Mapping[str, tuple[str, str]]) -> list[str]:
        """What LOCK TABLE takes; a materialized view or a foreign table is locked by the first query."""
        return [
            f"{names.quote(space)}.{names.quote(table)}"
            for name, (space, table) in pairs.items()
            if self._kinds.get(name, "r") not in UNLOCKABLE
        ]

    def _place(self) -> Address:
        return address(self.name, self.spec, self.settings)
