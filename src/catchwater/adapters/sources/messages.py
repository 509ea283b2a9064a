"""From messages to typed rows: each is checked against the declared JSON Schema; none is dropped without a reason."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catchwater.adapters.sources.embedded_topic import MAX_BYTES, Message
from catchwater.adapters.sources.scratch import exactly, select_list, to_parquet
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


def sort(messages: Sequence[Message], shape: MessageShape, problem: Callable[[Any], str | None], work: Path) -> Sorted:
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
                line = {"n": message.number, "i": message.message_id, "t": micros, "b": text}
                staged.write(encode(line) + "\n")
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
    """Make the table `typed`: n (number), i (id), t (microseconds), b (body), the table's columns as c0, c1, … and
    `reason`, why a value can't be held by its column's type (NULL where all can)."""
    columns = [c for c in shape.table.columns if not (shape.numbered and c.name == MESSAGE_ID)]
    wanted = json.dumps({c.name: "JSON" if c.name in shape.nested else "VARCHAR" for c in columns})
    texts = [f"s[{literal(c.name)}]" for c in columns]
    values = [_cast(c.type, text) for c, text in zip(columns, texts, strict=True)]
    reasons = [_reason(c, text) for c, text in zip(columns, texts, strict=True) if c.type != "VARCHAR"]
    reasons.append("CASE WHEN s IS NULL THEN 'text that UTF-8 cannot hold: half of a surrogate pair' END")
    if shape.numbered:
        values.insert(0, "i")
    fields = ", ".join(f"{value} AS c{number}" for number, value in enumerate(values))
    con.execute(
        f"CREATE TABLE typed AS SELECT n, i, t, b, {fields}, coalesce({', '.join([*reasons, 'NULL'])}) AS reason "
        f"FROM (SELECT *, CASE WHEN json_valid(b) THEN json_transform(b, {literal(wanted)}) END AS s FROM read_json("
        f"{exactly(found.staged)}, format = 'newline_delimited', maximum_object_size = {MAX_OBJECT}, "
        "columns = {n: 'BIGINT', i: 'VARCHAR', t: 'BIGINT', b: 'VARCHAR'}))"
    )


def _cast(kind: str, text: str) -> str:
    if kind == "VARCHAR":
        return text
    return f"TRY_CAST(upper({text}) AS {kind})" if kind == TIME else f"TRY_CAST({text} AS {kind})"


def _reason(column: Column, text: str) -> str:
    value = _cast(column.type, text)
    lost = f"{value} IS NULL"
    if column.type == "DOUBLE":
        # an integer above 2^53 would silently become its neighbour
        same = f"TRY_CAST({text} AS DECIMAL(38,0)) = TRY_CAST({value} AS DECIMAL(38,0))"
        whole = f"length({text}) > 15 AND regexp_full_match({text}, '-?[0-9]+')"
        lost = f"{lost} OR NOT isfinite({value}) OR ({whole} AND {same} IS NOT TRUE)"
    said = literal(f" can't be held exactly as {column.type}")
    return (
        f"CASE WHEN {text} IS NOT NULL AND ({lost}) "
        f"THEN concat({literal(column.name + ': ')}, left({text}, 100), {said}) END"
    )


def write(
    con: "duckdb.DuckDBPyConnection", shape: MessageShape, held: str | None, path: Path
) -> tuple[int, int, list[Refused]]:
    """Write the rows of `typed` in their order; those whose id `held` (a quoted relation) has are duplicates.

    Returns the rows written, the duplicates, and what was refused.
    """
    known = f"AND i NOT IN (SELECT _version FROM {held} WHERE _version IS NOT NULL)" if held else ""
    names = ", ".join(f"c{number} AS {quote(name)}" for number, name in enumerate(shape.table.names))
    rows = f"(SELECT {names}, t AS _at, i AS _version, n AS _seq FROM typed WHERE reason IS NULL {known})"
    chosen = select_list(shape.table, "make_timestamp(_at)", "_version")
    written = to_parquet(con, f"SELECT {chosen} FROM {rows} ORDER BY _seq", path)
    bad = con.execute(
        f"SELECT i, reason, left(b, {TEXT_KEPT}) FROM typed WHERE reason IS NOT NULL ORDER BY n"
    ).fetchall()
    whole = con.execute("SELECT count(*) FROM typed").fetchone()
    refused = [Refused(shape.table.name, f"message {i}", reason, text) for i, reason, text in bad]
    return written, (int(whole[0]) if whole else 0) - written - len(refused), refused
