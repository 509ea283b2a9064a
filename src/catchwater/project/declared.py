"""A topic's declared schema (JSON Schema) as columns; nothing here reads a message."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catchwater.errors import Problem, ProjectError
from catchwater.project.document import Value, parse
from catchwater.project.names import FILE_COLUMNS, SYSTEM_COLUMNS
from catchwater.project.tables import Column, TableSchema

MAX_BYTES = 1 << 20
MESSAGE_ID = "message_id"
TIME = "TIMESTAMP WITH TIME ZONE"
_PLAIN = {"string": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}
_FORMATS = {"date-time": TIME, "date": "DATE"}
_OF = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}


@dataclass(frozen=True)
class MessageShape:
    """A topic's table, and how its messages are read.

    `nested` are the columns that hold JSON text, `declared` the property names; a message with other properties is
    valid unless `document` (the JSON Schema) refuses them. `numbered` means that the key is the message's id.
    """

    table: TableSchema
    document: dict[str, Any]
    nested: frozenset[str]
    declared: frozenset[str]
    numbered: bool


@dataclass
class _Reading:
    file: str
    tree: Value | None
    root: dict[str, Any]
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, trail: tuple[str, ...], message: str, right: str = "") -> None:
        found = None
        for end in range(len(trail), -1, -1):
            found = self.tree.at(*trail[:end]) if self.tree else None
            if found is not None:
                break
        spot = found.spot if found else (self.file, 0, 0)
        self.problems.append(Problem(*spot, message, right))


def message_shape(folder: Path, file: str, name: str, key: tuple[str, ...]) -> MessageShape:
    """The shape of the topic `name` by its JSON Schema `folder/file`.

    Raises ProjectError with everything wrong in the file, by line.
    """
    text, problems = _text(folder / file, file)
    if problems:
        raise ProjectError(problems)
    try:
        document = json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise ProjectError([Problem(file, error.lineno, error.colno, f"not JSON: {error.msg}")]) from error
    except RecursionError as error:
        raise ProjectError([Problem(file, 0, 0, "nested too deeply")]) from error
    except _Twice as error:
        raise ProjectError([_twice(error, text, file)]) from error
    if not isinstance(document, dict):
        raise ProjectError([Problem(file, 1, 1, "not a JSON object", 'begin with {"type": "object", …}')])
    tree, _ = parse(text.replace("\t", " "), file)
    reading = _Reading(file, tree, document)
    shape = _shape(reading, name, key)
    if reading.problems:
        raise ProjectError(reading.problems)
    return shape


def _text(path: Path, file: str) -> tuple[str, list[Problem]]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return "", [Problem(file, 0, 0, "there is no such file", "write the topic's JSON Schema there")]
    except OSError as error:
        return "", [Problem(file, 0, 0, f"can't be read: {error.strerror}")]
    if len(data) > MAX_BYTES:
        return "", [Problem(file, 0, 0, f"larger than {MAX_BYTES // 1024} KiB")]
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return "", [Problem(file, line, 0, "not UTF-8", "save the file as UTF-8")]


class _Twice(Exception):
    """A name that stands twice in one object."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Twice(name)
        found[name] = value
    return found


def _twice(error: _Twice, text: str, file: str) -> Problem:
    _, problems = parse(text.replace("\t", " "), file)
    found = next((problem for problem in problems if "twice" in problem.message), None)
    return found or Problem(file, 0, 0, f"`{error.args[0]}` is written twice", "keep one of them")


def _shape(reading: _Reading, name: str, key: tuple[str, ...]) -> MessageShape:
    root = reading.root
    if root.get("type", "object") != "object":
        reading.refuse(("type",), "a message must be an object", '"type": "object"')
    properties = root.get("properties")
    if not isinstance(properties, dict) or not properties:
        reading.refuse(("properties",), "no properties are declared", 'write "properties": {NAME: {"type": …}}')
        properties = {}
    required = root.get("required", [])
    if not isinstance(required, list) or not all(isinstance(word, str) for word in required):
        reading.refuse(("required",), "`required` is a list of property names")
        required = []
    columns, nested = [], set()
    for word, declared in properties.items():
        kind, null = _type(reading, ("properties", word), declared)
        if kind == "JSON":
            nested.add(word)
        column = Column(word, "VARCHAR" if kind == "JSON" else kind, null or word not in required, _said(declared))
        columns.append(column)
    _names(reading, columns, numbered=not key)
    _key(reading, columns, nested, key)
    if not key:
        columns.insert(0, Column(MESSAGE_ID, "VARCHAR", False, "The id under which the message was published."))
    table = TableSchema(name, tuple(columns), key or (MESSAGE_ID,))
    return MessageShape(table, root, frozenset(nested), frozenset(properties), not key)


def _said(declared: Any) -> str:
    said = declared.get("description", "") if isinstance(declared, dict) else ""
    return said if isinstance(said, str) else ""


def _type(reading: _Reading, trail: tuple[str, ...], declared: Any) -> tuple[str, bool]:
    """The column's type (`JSON` for what is kept as JSON text) and whether it may be null."""
    declared = _followed(reading, trail, declared)
    if declared is None:
        return "JSON", True
    words, null = _words(reading, trail, declared)
    if len(words) != 1:
        return "JSON", null
    word = words[0]
    if word == "string":
        return _FORMATS.get(str(declared.get("format")), "VARCHAR"), null
    return _PLAIN.get(word, "JSON"), null


def _followed(reading: _Reading, trail: tuple[str, ...], declared: Any) -> dict[str, Any] | None:
    """The declaration with its `$ref` within the file followed; None when it says nothing."""
    for _ in range(20):
        if not isinstance(declared, dict):
            if declared is not True:
                reading.refuse(trail, "a property is declared by an object", '{"type": "string"}')
            return None
        target = declared.get("$ref")
        if target is None:
            return declared
        found: Any = reading.root
        for part in str(target).removeprefix("#/").split("/") if str(target).startswith("#/") else ["\0"]:
            part = part.replace("~1", "/").replace("~0", "~")
            found = found.get(part) if isinstance(found, dict) else None
        if found is None:
            reading.refuse((*trail, "$ref"), f"`{target}` isn't in this file", "write #/$defs/NAME, and declare it")
            return None
        declared = found
    reading.refuse(trail, "a `$ref` that leads to itself")
    return None


def _words(reading: _Reading, trail: tuple[str, ...], declared: dict[str, Any]) -> tuple[list[str], bool]:
    """The JSON types that a value may have, and whether null is one of them."""
    said = declared.get("type")
    if said is None:
        values = declared.get("enum", [declared["const"]] if "const" in declared else [])
        words = list(dict.fromkeys(_OF.get(type(v), "null") for v in values)) if isinstance(values, list) else []
        null = "null" in words or not words
    else:
        words = said if isinstance(said, list) else [said]
        null = "null" in words
    known = {*_OF.values(), "null"}
    for word in words:
        if word not in known:
            reading.refuse((*trail, "type"), f"`{word}` isn't a JSON type", f"one of {', '.join(sorted(known))}")
    rest = [word for word in words if word != "null"]
    return (["number"] if sorted(rest) == ["integer", "number"] else rest), null


def _names(reading: _Reading, columns: list[Column], *, numbered: bool) -> None:
    seen: dict[str, str] = {}
    for column in columns:
        trail, folded = ("properties", column.name), column.name.lower()
        if not column.name or "\0" in column.name:
            reading.refuse(trail, "a column needs a name")
        elif folded in (*SYSTEM_COLUMNS, *FILE_COLUMNS):
            reading.refuse(trail, f"`{column.name}` is a name that Catchwater uses itself", "rename the property")
        elif folded in seen:
            message = f"`{column.name}` and `{seen[folded]}` differ in upper and lower case only"
            reading.refuse(trail, message, "rename one of them: they would be one column")
        elif numbered and folded == MESSAGE_ID:
            reading.refuse(trail, "without a key the message's id is a column of this name", f"key: [{column.name}]")
        seen.setdefault(folded, column.name)


def _key(reading: _Reading, columns: list[Column], nested: set[str], key: tuple[str, ...]) -> None:
    held = {column.name: column for column in columns}
    for word in key:
        trail = ("properties", word)
        if word not in held:
            right = f"one of {', '.join(held)}" if held else ""
            reading.refuse(("properties",), f"the key `{word}` isn't a declared property", right)
        elif held[word].nullable:
            reading.refuse(trail, f"the key `{word}` may be missing or null", f'"required": ["{word}"], without null')
        elif word in nested:
            reading.refuse(trail, f"the key `{word}` isn't one plain value", "choose a string or an integer")
