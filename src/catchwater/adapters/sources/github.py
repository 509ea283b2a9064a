"""GitHub activity as a source: hours of an archive, or the signed deliveries of a webhook."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from catchwater.adapters.sources import github_archive, github_table, webhook
from catchwater.adapters.sources.embedded_topic import EmbeddedTopic
from catchwater.adapters.sources.github_hours import HOUR, Hour, hour_in, hours, read_hour, spell
from catchwater.adapters.sources.http_fetch import Limits
from catchwater.adapters.sources.scratch import scratch
from catchwater.adapters.sources.topic import only, position, waiting
from catchwater.errors import SecretMissing, SourceRefused, SourceUnreachable, UseError
from catchwater.ports import Captured, Extraction, Held, Settings
from catchwater.project.tables import TableSchema

if TYPE_CHECKING:
    from catchwater.project import schema

BATCH_HOURS = 24
BATCH_BYTES = 512 << 20


def _now() -> datetime:
    return datetime.now(UTC)


class GithubSource:
    """One table of the source's name: events (`from: archive`) or deliveries (`from: webhook`)."""

    limits = Limits()
    now = staticmethod(_now)

    def __init__(self, name: str, spec: "schema.GithubSource", settings: Settings) -> None:
        self._name, self._spec, self._settings = name, spec, settings

    def describe(self) -> tuple[TableSchema, ...]:
        return (self._table(),)

    def _table(self) -> TableSchema:
        archive = self._spec.origin == "archive"
        return github_table.events(self._name) if archive else github_table.deliveries(self._name)

    def capture(self, tables: Sequence[str], held: Held, work: Path) -> Extraction | None:
        """The hours after the log's position, or the deliveries stored since; None when there are none."""
        only(self._name, tables)
        work.mkdir(parents=True, exist_ok=True)
        if self._spec.origin == "archive":
            return self._archive(held, work)
        return self._webhook(held, work)

    def accept(self, headers: Mapping[str, str], body: bytes) -> str:
        """Store one delivery and return its id once it is on disk; a redelivery is stored once.

        Raises PermissionError (unsigned or forged), UseError (not a delivery), SecretMissing, SourceBusy.
        """
        if self._spec.secret is None:
            step = f"secret: {self._name}-webhook"
            raise SecretMissing("no secret is declared to check deliveries with", where=self._name, next_step=step)
        secret = self._settings.resolve("${secret:" + self._spec.secret + "}")
        delivery, event = webhook.check(headers, body, secret)
        self._queue().publish([webhook.envelope(event, body)], [delivery])
        return delivery

    def rewound(self, tables: Sequence[str], held: Held, since: datetime | None) -> dict[str, Any]:
        """The hour before `since`, else before the first event held: every hour after it is read again. Raises UseError
        for deliveries, which GitHub alone can make again."""
        if self._spec.origin != "archive":
            raise UseError(
                "deliveries are sent once",
                where=self._name,
                next_step="have GitHub deliver them again: Settings, Webhooks, Recent deliveries",
            )
        first, position = since or self._first(held), dict(held.position or {})
        reached = read_hour(str(position.get("hour", "")))
        if first is None or reached is None:
            return position
        return {**position, "hour": spell(min(first.astimezone(UTC) - HOUR, reached))}

    def _first(self, held: Held) -> datetime | None:
        """The first hour that gave a row: its file is the version of what came from it."""
        if self._name not in held.tables:
            return None
        with TemporaryDirectory(prefix="catchwater-") as work, scratch(Path(work)) as con:
            files = con.execute(f"SELECT DISTINCT _version FROM {held.current(con, self._name)}").fetchall()
        return min((hour for (name,) in files if (hour := hour_in(str(name)))), default=None)

    def _queue(self) -> EmbeddedTopic:
        return EmbeddedTopic(self._settings.state, self._name, webhook.MAX_BYTES + 200)

    def _webhook(self, held: Held, work: Path) -> Extraction | None:
        queue = self._queue()
        newest = queue.newest()
        found, notes = waiting(queue, held)
        if not found:
            return None
        table = self._table()
        staged, path = work / "staged.ndjson", work / "rows.parquet"
        refused = webhook.stage(found, table, staged)
        with scratch(work) as con:
            view = held.current(con, self._name) if self._name in held.tables else None
            rows, bad = webhook.write(con, staged, table, (self._spec.repositories, view), path)
        return Extraction(
            position(queue, found, "github"),
            {self._name: Captured(table, (path,) if rows else (), rows)},
            refused=(*refused, *bad),
            rows_read=len(found),
            more=found[-1].number < newest,
            notes=notes,
        )

    def _archive(self, held: Held, work: Path) -> Extraction | None:
        last = read_hour(str((held.position or {}).get("hour", "")))
        url = self._settings.resolve(self._spec.url) if self._spec.url else None
        place = hours(self._name, url, self._settings.folder, self._spec.private, self.limits)
        found, more = _some(place.after(last, self.now(), work))
        if not found:
            return None
        done = self._read(found, held, work)
        newest = {"kind": "github", "hour": spell(found[-1].start), "tables": {}}
        table = self._table()
        rows = sum(each.rows for each in done)
        gone = [each.name for each in found if each.path is None]
        return Extraction(
            newest,
            {self._name: Captured(table, tuple(each.path for each in done if each.rows), rows)},
            refused=tuple(bad for each in done for bad in each.refused),
            rows_read=sum(each.lines for each in done),
            more=more,
            notes=(f"hours that aren't in the archive, passed over: {', '.join(gone)}",) if gone else (),
        )

    def _read(self, found: Sequence[Hour], held: Held, work: Path) -> list[github_archive.Read]:
        table = self._table()
        rows = work / "rows"
        rows.mkdir(exist_ok=True)
        with scratch(work) as con:
            known = held.current(con, self._name) if self._name in held.tables else None
            github_archive.remember(con, known)
            return [
                github_archive.read_hour(con, each.path, table, self._spec.repositories, rows)
                for each in found
                if each.path is not None
            ]


def _some(place: Iterable[Hour]) -> tuple[list[Hour], bool]:
    """At most BATCH_HOURS and about BATCH_BYTES; whether there may be more. What came before a cut line is kept."""
    found: list[Hour] = []
    size = 0
    each = iter(place)
    while True:
        if len(found) >= BATCH_HOURS or size >= BATCH_BYTES:
            return found, True
        try:
            hour = next(each)
        except StopIteration:
            return found, False
        except (SourceRefused, SourceUnreachable):
            if not found:
                raise
            return found, True
        found.append(hour)
        size += hour.path.stat().st_size if hour.path else 0
