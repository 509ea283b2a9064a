"""A YAML file as a tree that keeps where each key and value stands; nothing here knows what the keys mean."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catchwater.errors import Problem

MAX_BYTES = 1 << 20
MAX_VALUES = 100_000
MAX_DEPTH = 50
Trail = tuple[str | int, ...]
Spot = tuple[str, int, int]
_TAG = "tag:yaml.org,2002:"
_TEXTS = ("str", "timestamp")
_SCALARS = ("null", "bool", "int", "float", *_TEXTS)


@dataclass(frozen=True)
class Value:
    """A scalar, or a list or mapping of values. `spot` is where it stands: file, line and column from 1."""

    spot: Spot
    data: Any

    def plain(self) -> Any:
        """The same without positions."""
        if isinstance(self.data, dict):
            return {key: entry.value.plain() for key, entry in self.data.items()}
        if isinstance(self.data, list):
            return [item.plain() for item in self.data]
        return self.data

    def at(self, *trail: str | int) -> "Value | None":
        """The value under these keys and list numbers, None where there is none."""
        found: Value | None = self
        for step in trail:
            if found is not None and isinstance(found.data, dict) and isinstance(step, str):
                found = found.data[step].value if step in found.data else None
            elif found is not None and isinstance(found.data, list) and isinstance(step, int):
                found = found.data[step] if 0 <= step < len(found.data) else None
            else:
                return None
        return found

    def entries(self) -> "dict[str, Entry]":
        return self.data if isinstance(self.data, dict) else {}

    def items(self) -> "list[Value]":
        return self.data if isinstance(self.data, list) else []

    def walk(self, trail: Trail = ()) -> "Iterator[tuple[Trail, Spot, Value]]":
        """Every value below this one, with its trail and where its key (in a list: itself) stands."""
        for key, entry in self.entries().items():
            yield (*trail, key), entry.spot, entry.value
            yield from entry.value.walk((*trail, key))
        for number, item in enumerate(self.items()):
            yield (*trail, number), item.spot, item
            yield from item.walk((*trail, number))


@dataclass(frozen=True)
class Entry:
    """One `key: value` of a mapping; `spot` is the key's."""

    spot: Spot
    value: Value


@dataclass
class _Reader:
    file: str
    problems: list[Problem] = field(default_factory=list)
    left: int = MAX_VALUES

    def value(self, node: Any, above: tuple[int, ...] = ()) -> Value:
        spot = (self.file, node.start_mark.line + 1, node.start_mark.column + 1)
        self.left -= 1
        if self.left < 0 or len(above) > MAX_DEPTH:
            raise _TooMuch(spot)
        if id(node) in above:
            self.refuse(spot, "an alias inside what it stands for", "write the value out")
            return Value(spot, None)
        above = (*above, id(node))
        if node.id != "scalar" and str(node.tag) not in (f"{_TAG}map", f"{_TAG}seq"):
            self.refuse(spot, f"a tag (`{node.tag}`) has no meaning here", "leave it out")
        if node.id == "mapping":
            return Value(spot, self.mapping(node, above))
        if node.id == "sequence":
            return Value(spot, [self.value(item, above) for item in node.value])
        return Value(spot, self.scalar(node, spot))

    def mapping(self, node: Any, above: tuple[int, ...]) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        for key, value in node.value:
            spot = (self.file, key.start_mark.line + 1, key.start_mark.column + 1)
            tag = str(key.tag).removeprefix(_TAG)
            if key.id != "scalar" or tag not in _TEXTS:
                self.refuse(spot, *_KEYS.get(tag, ("a key must be text", "put it in quotes")))
            elif key.value in entries:
                first = entries[key.value].spot[1]
                self.refuse(spot, f"`{key.value}` is written twice, first in line {first}", "keep one of them")
            else:
                held = self.value(value, above)
                unwritten = value.id == "scalar" and value.start_mark.index == value.end_mark.index
                entries[key.value] = Entry(spot, Value(spot, held.data) if unwritten else held)
        return entries

    def scalar(self, node: Any, spot: Spot) -> Any:
        tag = str(node.tag).removeprefix(_TAG)
        if tag not in _SCALARS:
            self.refuse(spot, f"a tag (`{node.tag}`) has no meaning here", "leave it out")
            return None
        try:
            return _scalar(tag, node.value)
        except ValueError:
            self.refuse(spot, f"not a {tag}", "put it in quotes")
            return None

    def refuse(self, spot: Spot, message: str, right: str) -> None:
        self.problems.append(Problem(*spot, message, right))


class _TooMuch(Exception):
    def __init__(self, spot: Spot) -> None:
        super().__init__(spot)
        self.spot = spot


_KEYS = {
    "merge": ("`<<` isn't read here", "write the keys out; an environment may say `like: NAME`"),
    "bool": ("YAML reads this key as true or false, not as a word", "put it in quotes"),
    "null": ("YAML reads this key as null, not as a word", "put it in quotes"),
}


def _scalar(tag: str, text: str) -> Any:
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    if tag == "int":
        digits = text.replace("_", "")
        based = digits.lstrip("+-")[:2].lower() in ("0x", "0o", "0b")
        return int(digits, 0) if based else int(digits)
    if tag == "float":
        return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
    return text


def read(path: Path, name: str) -> tuple[Value | None, list[Problem]]:
    """The tree of a YAML file and what is wrong with it; the tree is None when it can't be read at all.

    `name` is what problems call the file.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None, [
            Problem(name, 0, 0, f"there is no such file in {path.parent.absolute()}", "`catchwater init` writes one")
        ]
    except OSError as error:
        return None, [Problem(name, 0, 0, f"can't be read: {error.strerror}")]
    if len(data) > MAX_BYTES:
        return None, [Problem(name, 0, 0, f"larger than {MAX_BYTES // 1024} KiB", "a project file is short")]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        return None, [Problem(name, line, column, "not UTF-8", "save the file as UTF-8")]
    return parse(text, name)


def parse(text: str, name: str) -> tuple[Value | None, list[Problem]]:
    """`read`, of a text."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor that is used again is legal YAML
            node = YAML(typ="safe", pure=True).compose(text)
    except YAMLError as error:
        return None, [_syntax(error, text, name)]
    except RecursionError:
        return None, [Problem(name, 0, 0, "nested too deeply")]
    if node is None or node.id != "mapping":
        return None, [Problem(name, 1, 1, "not a mapping", "begin with `project: NAME`")]
    reader = _Reader(name)
    try:
        tree = reader.value(node)
    except _TooMuch as error:
        right = "aliases may not multiply what they stand for"
        return None, [Problem(*error.spot, f"more than {MAX_VALUES} values, or nested too deeply", right)]
    return tree, reader.problems


def _syntax(error: Exception, text: str, name: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        position = getattr(error, "position", 0) or 0
        line = text.count("\n", 0, position) + 1
        column = position - (text.rfind("\n", 0, position) + 1) + 1
        return Problem(name, line, column, "a control character", "remove it")
    said = str(getattr(error, "problem", "") or "not YAML").splitlines()[0]
    if "'\\t'" in said:
        return Problem(name, mark.line + 1, mark.column + 1, "a tab", "indent with spaces")
    if "another document" in said:
        return Problem(name, mark.line + 1, mark.column + 1, "a second document", "remove `---`")
    context = getattr(error, "context", None)
    return Problem(name, mark.line + 1, mark.column + 1, f"not YAML: {said}" + (f" {context}" if context else ""))
