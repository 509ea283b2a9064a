"""From messages to typed rows: each is checked against the declared JSON Schema; none is dropped without a reason."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catchwater.adapters.sources.embedded_topic import MAX_BYTES, Message
from catchwater.adapters.sources.scratch import select_list, to_parquet
from catchwater.errors import MissingExtra, Problem, ProjectError
from catchwater.ports import Refused
from catchwater.project.declared import MESSAGE_ID, TIME, MessageShape
from catchwater.project.names import literal, quote
from catchwater.project.tables import Column

if TYPE_CHECKING:
    import duckdb

MAX_DEPTH = 100
MAX_REASON = 500
MAX_OBJECT = 16 << 20
TEXT_KEPT = 60 << 10


class _Invalid(Exception):
    """Why a message can't be taken."""


@dataclass
class Sorted:
    """Messages as they were sorted: `taken` rows stand in `staged`, the refused and odd ones whole in `kept`."""

    staged: Path
    kept: Path
    taken: int = 0
    kept_rows: int = 0
    undeclared: set[str] = field(default_factory=set)
    refused: list[Refused] = field(default_factory=list)


def validator(shape: MessageShape, file: str) -> Callable[[Any], str | None]:
    """What tells why a value isn't valid, None when it is. Raises MissingExtra, ProjectError for a bad schema."""
    try:
        import jsonschema_rs
    except ImportError as error:
        raise MissingExtra("jsonschema-rs", "topic") from error
    try:
        checker = jsonschema_rs.validator_for(shape.document, validate_formats=True)
    except ValueError as error:
        said = str(error).splitlines()[0][:MAX_REASON]
        raise ProjectError([Problem(file, 0, 0, f"not a JSON Schema: {said}")]) from error

    def problem(value: Any) -> str | None:
        if checker.is_valid(value):
            return None
        found = next(iter(checker.iter_errors(value)), None)
        if found is None:
            return "not valid by the schema"
        path = ".".join(str(part) for part in found.instance_path)
        return f"{path}: {found.message}" if path else found.message

    return problem


def sort(
    messages: Sequence[Message], shape: MessageShape, problem: Callable[[Any], str | None], work: Path
) -> Sorted:
    """Stage the valid messages as NDJSON (number, id, time, text); refuse the others with their id and reason."""
    found = Sorted(work / "staged.ndjson", work / "messages.ndjson")
    encode = json.JSONEncoder(ensure_ascii=False).encode
    with (
        found.staged.open("w", encoding="utf-8", newline="\n") as staged,
        found.kept.open("w", encoding="utf-8", newline="\n") as kept,
    ):
        for message in messages:
            try:
                text, value = _decoded(message.body)
                reason = _problem(problem, value)
            except _Invalid as error:
                reason, value, text = str(error), {}, ""
            if reason is not None:
                found.refused.append(refuse(shape.table.name, message, reason))
                whole = len(message.body) > TEXT_KEPT or not text
            else:
                other = value.keys() - shape.declared
                found.undeclared |= other
                whole = bool(other)
                micros = round(message.received * 1_000_000)
                staged.write(f"[{message.number},{encode(message.message_id)},{micros},{encode(text)}]\n")
                found.taken += 1
            if whole:
                kept.write(_whole(message) + "\n")
                found.kept_rows += 1
    return found


def refuse(table: str, message: Message, reason: str) -> Refused:
    text = message.body[:TEXT_KEPT].decode("utf-8", "backslashreplace")
    return Refused(table, f"message {message.message_id}", reason[:MAX_REASON], text)


def _whole(message: Message) -> str:
    """A message as it came, in one line: `body`, or `body_base64` when it isn't UTF-8."""
    line = {"message_id": message.message_id, "received": _time(message.received)}
    try:
        line["body"] = message.body.decode("utf-8")
    except UnicodeDecodeError:
        line["body_base64"] = base64.b64encode(message.body).decode("ascii")
    return json.dumps(line, ensure_ascii=False)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _decoded(body: bytes) -> tuple[str, dict[str, Any]]:
    if len(body) > MAX_BYTES:
        raise _Invalid(f"{len(body)} bytes, {MAX_BYTES} are the most")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Invalid(f"not UTF-8: byte {error.start}") from error
    if text.count("{") + text.count("[") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise _Invalid(f"nested more than {MAX_DEPTH} deep")
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_constant)
    except ValueError as error:
        raise _Invalid(f"not JSON: {error}") from error
    except RecursionError as error:
        raise _Invalid("nested too deeply") from error
    if not isinstance(value, dict):
        raise _Invalid("not a JSON object")
    return text, value


def _depth(text: str) -> int:
    """How deep brackets nest, those inside strings left out."""
    deepest = depth = 0
    inside = escaped = False
    for char in text:
        if inside:
            inside = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            inside, escaped = True, False
        elif char in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "}]":
            depth -= 1
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise _Invalid(f"`{twice}` stands twice in one object")
    return found


def _constant(word: str) -> Any:
    raise _Invalid(f"not JSON: {word}")


def _problem(problem: Callable[[Any], str | None], value: dict[str, Any]) -> str | None:
    try:
        return problem(value)
    except (ValueError, OverflowError, RecursionError) as error:
        return f"can't be checked against the schema: {error}"


def typed(con: "duckdb.DuckDBPyConnection", found: Sorted, shape: MessageShape) -> None:
    """Make the table `typed`: number, id, micros, body, the table's columns, and `reason` where a value can't be
    held by its column's type (NULL where all can)."""
    fields = [column for column in shape.table.columns if not (shape.numbered and column.name == MESSAGE_ID)]
    shape_of = json.dumps({c.name: "JSON" if c.name in shape.nested else "VARCHAR" for c in fields})
    texts = {c.name: f"s[{number}]" for number, c in enumerate(fields, 1)}
    # an unnamed struct: property names never become SQL names that differ in case only
    casts = [f"{_cast(c, texts[c.name])} AS {quote(c.name)}" for c in fields]
    if shape.numbered:
        casts.insert(0, f"{quote('#id')} AS {quote(MESSAGE_ID)}")
    reasons = [
        f"CASE WHEN {_lost(c, texts[c.name])} THEN concat({literal(c.name + ': ')}, "
        f"left({texts[c.name]}, 100), {literal(f' can’t be held as {_said(c.type)}')}) END"
        for c in fields
        if c.type != "VARCHAR"
    ]
    reason = f"coalesce({', '.join([*reasons, 'NULL::VARCHAR'])})"
    con.execute(
        "CREATE TABLE lines AS SELECT (l->>0)::BIGINT AS n, l->>1 AS i, (l->>2)::BIGINT AS t, l->>3 AS b "
        f"FROM read_json_objects({literal(str(found.staged))}, format = 'newline_delimited', "
        f"maximum_object_size = {MAX_OBJECT}) AS x(l) ORDER BY n"
    )
    con.execute(
        f"CREATE TABLE typed AS SELECT n AS {quote('#n')}, i AS {quote('#id')}, t AS {quote('#t')}, "
        f"{', '.join(c.replace(quote('#id'), 'i') if c.startswith(quote('#id')) else c for c in casts)}, "
        f"{reason} AS {quote('#reason')} FROM (SELECT n, i, t, CASE WHEN json_valid(b) THEN "
        f"json_transform(b, {literal(shape_of)}) END AS s FROM lines) ORDER BY n"
    )


def _said(kind: str) -> str:
    return "a time" if kind == TIME else kind


def _cast(column: Column, text: str) -> str:
    return text
