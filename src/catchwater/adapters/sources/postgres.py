"""The Postgres source: its tables, and every row of them, by SELECT rights alone; nothing is written there."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from catchwater.adapters.sources import postgres_catalog as catalog
from catchwater.adapters.sources.postgres_capture import Capture, transaction
from catchwater.adapters.sources.postgres_catalog import Relation
from catchwater.adapters.sources.postgres_connection import Address, Session, address, attached, root
from catchwater.errors import SourceBusy, SourceError, SourceRefused, SourceUnreachable
from catchwater.ports import Extraction, Held, Settings
from catchwater.project import schema
from catchwater.project.tables import TableSchema

if TYPE_CHECKING:
    import duckdb


class PostgresSource:
    """A database read by `capture: snapshot`. One capture at a time; `notes` is what `describe` left out, and why."""

    def __init__(self, name: str, spec: schema.PostgresSource, settings: Settings) -> None:
        self.name, self.spec, self.settings = name, spec, settings
        self.notes: tuple[str, ...] = ()
        self._root: duckdb.DuckDBPyConnection | None = None
        self._pairs: dict[str, tuple[str, str]] = {}

    def describe(self) -> tuple[TableSchema, ...]:
        """The declared tables as they are now, by name.

        Raises SourceUnreachable, SourceRefused (naming each table that can't be read), SecretMissing, MissingExtra.
        """
        place = self._place()
        with attached(self._connection(), place) as session:
            chosen = self._chosen(session)
        return tuple(sorted((r.to_schema(chosen) for r in chosen), key=lambda table: table.name))

    def capture(self, tables: Sequence[str], held: Held, work: Path) -> Extraction | None:
        """What is new in these tables since `held`, all of them as of one snapshot; None when nothing is.

        Raises SourceBusy (a lock that wasn't granted, a replica that lags), SourceRefused, SourceUnreachable.
        """
        if not tables:
            return None
        place = self._place()
        with attached(self._connection(), place) as session:
            pairs = self._locate(session, tables, held)
            try:
                return self._read(session, pairs, held, work)
            except _NotLocked as error:
                now = self._locate(session, tables, None)
                if now == pairs:
                    raise SourceBusy(
                        f"a lock wasn't granted: {place.scrub(str(error.__cause__)).splitlines()[0]}",
                        where=place.where,
                        next_step="it is tried again; look for a long ALTER, TRUNCATE or VACUUM FULL",
                    ) from error
                return self._read(session, now, held, work)

    def _read(
        self, session: Session, pairs: dict[str, tuple[str, str]], held: Held, work: Path
    ) -> Extraction | None:
        ...

    def _connection(self) -> "duckdb.DuckDBPyConnection":
        if self._root is None:
            self._root = root()
        return self._root

    def _place(self) -> Address:
        return address(self.name, self.spec, self.settings)
