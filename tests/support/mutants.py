"""Wrong versions of a module, made mechanically: renamed arguments, wrong types, values that a rule refuses."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from catchwater.infra.hcl import expression
from catchwater.infra.offline.rules import Rule
from catchwater.infra.offline.values import rules

_OPENED = re.compile(r'^( *)(?:resource "(\w+)" "\w+"|dynamic "(\w+)"|(\w+)) \{$')
_SAID = re.compile(r"^( *)(\w+) +?= ?(.*)$")
META = {"count", "for_each", "depends_on", "provider", "lifecycle"}


@dataclass(frozen=True)
class Argument:
    """One argument of a resource in a formatted file: lines from `start` to `end`, counted from 0, the last included.

    `dynamic`: it stands in a dynamic block, or in a block beside one; nobody sees its value while a for_each is unknown.
    """

    type: str
    path: tuple[str, ...]
    start: int
    end: int
    dynamic: bool

    @property
    def name(self) -> str:
        return self.path[-1]

    @property
    def dotted(self) -> str:
        return ".".join(self.path)


def arguments(text: str) -> list[Argument]:
    """Every argument of every resource, those in blocks and in the content of dynamic blocks too."""
    found = list(_scanned(text))
    dynamic = {(one.type, one.path[0]) for one in found if one.dynamic}
    return [replace(one, dynamic=(one.type, one.path[0]) in dynamic) for one in found]


def _scanned(text: str) -> Iterator[Argument]:
    lines, number = text.split("\n"), 0
    open_blocks: list[tuple[str, bool]] = []
    resource = ""
    while number < len(lines):
        line = lines[number]
        if found := _OPENED.match(line):
            resource = (found[2] or resource) if found[2] or found[1] else ""
            if not found[2]:
                name = found[3] or found[4]
                open_blocks.append(("" if name == "content" else name, bool(found[3])))
            else:
                open_blocks.append(("", False))
        elif line.strip() == "}":
            if open_blocks:
                open_blocks.pop()
            resource = resource if open_blocks else ""
        elif found := _SAID.match(line):
            end = _ended(lines, number)
            path = (*(name for name, _ in open_blocks if name), found[2])
            meta = found[2] in META or "lifecycle" in path or (bool(open_blocks) and open_blocks[-1][1])
            if resource and not meta and found[2] != "for_each":
                yield Argument(resource, path, number, end, any(one for _, one in open_blocks))
            number = end
        number += 1


def _ended(lines: list[str], start: int) -> int:
    """The last line of an expression: where its brackets are closed again."""
    depth = 0
    for number in range(start, len(lines)):
        plain = re.sub(r'"(?:\\.|\$\{[^}]*\}|[^"\\])*"', '""', lines[number].split(" # ")[0])
        depth += sum(map(plain.count, "([{")) - sum(map(plain.count, ")]}"))
        if depth <= 0:
            return number
    raise AssertionError(f"line {start + 1} isn't closed")


def renamed(text: str, chosen: Iterable[Argument]) -> str:
    """Each argument with `_x` behind its name."""
    lines = text.split("\n")
    for one in chosen:
        lines[one.start] = lines[one.start].replace(one.name, f"{one.name}_x", 1)
    return "\n".join(lines)


def valued(text: str, values: dict[Argument, str]) -> str:
    """The text with the expressions of these arguments replaced; line numbers stay."""
    lines = text.split("\n")
    for one, value in values.items():
        lead = re.match(r" *", lines[one.start])
        assert lead
        lines[one.start] = f"{lead[0]}{one.name} = {value}"
        lines[one.start + 1 : one.end + 1] = [""] * (one.end - one.start)
    return "\n".join(lines)


def mistyped(text: str, chosen: Iterable[Argument]) -> str:
    """Each argument as an object that holds a list: no argument of ours takes that."""
    return valued(text, dict.fromkeys(chosen, '{ wrong = ["type"] }'))


def ruled(text: str, chosen: Iterable[Argument]) -> str:
    """Each argument with a value that its rule refuses."""
    return valued(text, {one: _wrong(one) for one in chosen})


def rule(one: Argument) -> Rule | None:
    """The rule about an argument, or about each element of it."""
    return rules(one.type).get(one.dotted) or rules(one.type).get(f"{one.dotted}.*")


def _wrong(one: Argument) -> str:
    found = rule(one)
    assert found
    listed = one.dotted not in rules(one.type)
    return expression([found.wrong] if listed else found.wrong).replace("\n", " ")
