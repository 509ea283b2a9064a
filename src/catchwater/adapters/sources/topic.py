"""A topic as a source: what is taken, and acknowledged, follows from the position in the log alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catchwater.adapters.sources import messages
from catchwater.adapters.sources.embedded_topic import EmbeddedTopic, Message
from catchwater.adapters.sources.scratch import scratch
from catchwater.errors import SourceRefused
from catchwater.ports import Aside, Captured, Extraction, Held, Settings
from catchwater.project.declared import MessageShape, message_shape
from catchwater.project.tables import TableSchema

if TYPE_CHECKING:
    from catchwater.project import schema

__all__ = ["EmbeddedTopic", "TopicSource", "position", "waiting"]

BATCH_MESSAGES = 50_000
BATCH_BYTES = 64 << 20


class TopicSource:
    """JSON messages against a declared JSON Schema; the table has the source's name."""

    def __init__(self, name: str, spec: "schema.TopicSource", settings: Settings) -> None:
        self._name, self._spec, self._settings = name, spec, settings

    def describe(self) -> tuple[TableSchema, ...]:
        return (self._shape().table,)

    def _shape(self) -> MessageShape:
        return message_shape(self._settings.folder, self._spec.schema_file, self._name, tuple(self._spec.key))

    def capture(self, tables: Sequence[str], held: Held, work: Path) -> Extraction | None:
        """The messages after the log's position, at most BATCH_MESSAGES and BATCH_BYTES; those before are deleted."""
        only(self._name, tables)
        queue = EmbeddedTopic(self._settings.state, self._name)
        newest = queue.newest()
        found, notes = waiting(queue, held)
        if not found or not tables:
            return None
        done = self._extraction(queue, found, held, (work, notes))
        return replace(done, more=found[-1].number < newest)  # what came since wakes the next batch, or none would end

    def replay(self, aside: Aside, held: Held, work: Path) -> Extraction:
        """Messages that were refused, against the schema of now; one whose id the log has by now is a duplicate."""
        from catchwater.adapters.sources import queued
        from catchwater.adapters.sources.replayed import messages_of

        found, parts = messages_of(aside)
        made = queued.extraction(self._name, self._spec, self._settings, found, (held, work, {}))
        return replace(made, refused=(*parts, *made.refused))

    def _extraction(
        self, queue: EmbeddedTopic, found: list[Message], held: Held, way: tuple[Path, tuple[str, ...]]
    ) -> Extraction:
        work, notes = way
        work.mkdir(parents=True, exist_ok=True)
        shape = self._shape()
        sorted_ = messages.sort(found, shape, messages.validator(shape, self._spec.schema_file), work)
        path = work / "rows.parquet"
        with scratch(work) as con:
            messages.typed(con, sorted_, shape)
            check = any(message.given for message in found) and self._name in held.tables
            view = held.current(con, self._name) if check else None
            rows, duplicates, refused = messages.write(con, shape, view, path)
        if duplicates:
            notes += (f"{duplicates} duplicates dropped",)
        if sorted_.undeclared:
            names = ", ".join(sorted(sorted_.undeclared)[:10])
            notes += (f"properties that the schema doesn't declare, kept in raw: {names}",)
        return Extraction(
            position(queue, found, "topic"),
            {self._name: Captured(shape.table, (path,) if rows else (), rows)},
            raw=(sorted_.kept,) if sorted_.kept_rows else (),
            refused=(*sorted_.refused, *refused),
            rows_read=len(found),
            notes=notes,
        )


def only(name: str, tables: Sequence[str]) -> None:
    """Raises SourceRefused for a table other than the source's one."""
    other = [table for table in tables if table != name]
    if other:
        raise SourceRefused(f"there is no table {other[0]}", where=name, next_step=f"its one table is {name}")


def waiting(queue: EmbeddedTopic, held: Held) -> tuple[list[Message], tuple[str, ...]]:
    """Acknowledge what the log holds, then read what follows; the note tells of a queue that isn't the log's."""
    identity = queue.identity()
    known = held.position or {}
    if known.get("queue", identity) != identity:
        return queue.take(0, BATCH_MESSAGES, BATCH_BYTES), ("the queue is a new one: its file was lost or moved",)
    upto = int(known.get("upto", 0))
    queue.acknowledge(upto)
    return queue.take(upto, BATCH_MESSAGES, BATCH_BYTES), ()


def position(queue: EmbeddedTopic, found: list[Message], kind: str) -> dict[str, Any]:
    return {"kind": kind, "queue": queue.identity(), "upto": found[-1].number, "tables": {}}
