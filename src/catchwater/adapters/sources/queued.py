"""From messages of a cloud's queue to a batch: rows of a topic or of a webhook; what is taken isn't decided here."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catchwater.adapters.sources import github_table, messages, webhook
from catchwater.adapters.sources.embedded_topic import Message
from catchwater.adapters.sources.scratch import scratch
from catchwater.ports import Captured, Extraction, Held, Settings
from catchwater.project import schema
from catchwater.project.declared import message_shape
from catchwater.project.tables import TableSchema

if TYPE_CHECKING:
    import duckdb

Spec = schema.TopicSource | schema.GithubSource
SLACK = 30.0  # seconds by which one message may bear two times
EVER = datetime.fromtimestamp(0, UTC)


def taken(held: Held, oldest: float) -> set[str]:
    """The ids of messages that the log has, of those published at `oldest` (seconds) or later. Only the queue's own
    clock is asked, since those of the machines that commit may go back."""
    found: set[str] = set()
    for position in held.positions(EVER):
        if position.get("newest", oldest) < oldest - SLACK:
            break
        found.update(position.get("ids", ()))
    return found


def newest(held: Held, found: Sequence[Message]) -> float:
    """When the newest message of the log was published, these included: `newest` of the batch's position."""
    return max([float((held.position or {}).get("newest", 0.0)), *(message.received for message in found)])


def table(name: str, spec: Spec, settings: Settings) -> TableSchema:
    """The one table of a source that listens."""
    if isinstance(spec, schema.GithubSource):
        return github_table.deliveries(name)
    return message_shape(settings.folder, spec.schema_file, name, tuple(spec.key)).table


def extraction(
    name: str, spec: Spec, settings: Settings, found: Sequence[Message], way: tuple[Held, Path, dict[str, Any]]
) -> Extraction:
    """One batch of these messages; `way`: what the log holds, the folder to work in, and the batch's position.

    An id is taken once, the first message that has it; ids that publishers gave are compared with the rows held.
    """
    held, work, position = way
    work.mkdir(parents=True, exist_ok=True)
    once = list({message.message_id: message for message in reversed(found)}.values())[::-1]
    with scratch(work) as con:
        given = any(message.given for message in once) and name in held.tables
        view = held.current(con, name) if given else None
        make = _deliveries if isinstance(spec, schema.GithubSource) else _messages
        made = make(con, (name, spec, settings), once, (view, work))
    return Extraction(
        position | {"tables": {}},
        {name: made[0]},
        raw=made[1],
        refused=made[2],
        rows_read=len(once),
        notes=made[3],
    )


_Source = tuple[str, Any, Settings]
_Made = tuple[Captured, tuple[Path, ...], tuple[Any, ...], tuple[str, ...]]


def _messages(
    con: "duckdb.DuckDBPyConnection", source: _Source, found: Sequence[Message], where: tuple[str | None, Path]
) -> _Made:
    (name, spec, settings), (view, work) = source, where
    shape = message_shape(settings.folder, spec.schema_file, name, tuple(spec.key))
    sorted_ = messages.sort(found, shape, messages.validator(shape, spec.schema_file), work)
    path = work / "rows.parquet"
    messages.typed(con, sorted_, shape)
    rows, duplicates, refused = messages.write(con, shape, view, path)
    notes: tuple[str, ...] = (f"{duplicates} duplicates dropped",) if duplicates else ()
    if sorted_.undeclared:
        names = ", ".join(sorted(sorted_.undeclared)[:10])
        notes += (f"properties that the schema doesn't declare, kept in raw: {names}",)
    captured = Captured(shape.table, (path,) if rows else (), rows)
    return captured, (sorted_.kept,) if sorted_.kept_rows else (), (*sorted_.refused, *refused), notes


def _deliveries(
    con: "duckdb.DuckDBPyConnection", source: _Source, found: Sequence[Message], where: tuple[str | None, Path]
) -> _Made:
    (name, spec, settings), (view, work) = source, where
    made = table(name, spec, settings)
    staged, path = work / "staged.ndjson", work / "rows.parquet"
    refused = webhook.stage(found, made, staged)
    rows, bad = webhook.write(con, staged, made, (spec.repositories, view), path)
    return Captured(made, (path,) if rows else (), rows), (), (*refused, *bad), ()
