"""Terraform's language from plain data, as `terraform fmt` would write it; no file is written here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

INDENT = "  "


@dataclass(frozen=True)
class Raw:
    """An expression that stands as it is: `module.topic.arn`, `var.name`."""

    text: str


Value = Raw | str | bool | int | float | Sequence["Value"] | Mapping[str, "Value"] | None


def quoted(text: str) -> str:
    """A string literal; what looks like a template is taken as text."""
    body = json.dumps(text, ensure_ascii=False).replace("\u007f", "\\u007f")
    return body.replace("${", "$${").replace("%{", "%%{")


def expression(value: Value, depth: int = 0) -> str:
    """One value; lists and maps that hold more than one plain thing take a line for each."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return "null"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return _map(value, depth)
    return _list(value, depth)


def _list(values: Sequence[Value], depth: int) -> str:
    items = [expression(value, depth + 1) for value in values]
    plain = all(not isinstance(value, Mapping | list | tuple) for value in values)
    if plain and len(items) <= 2:
        return f"[{', '.join(items)}]"
    lead = INDENT * (depth + 1)
    return "[\n" + "".join(f"{lead}{item},\n" for item in items) + INDENT * depth + "]"


def _map(values: Mapping[str, Value], depth: int) -> str:
    if not values:
        return "{}"
    return "{\n" + "\n".join(attributes({_key(k): v for k, v in values.items()}, depth + 1)) + f"\n{INDENT * depth}}}"


def _key(name: str) -> str:
    return name if name.replace("_", "a").replace("-", "a").isalnum() and not name[0].isdigit() else quoted(name)


def attributes(values: Mapping[str, Value], depth: int) -> list[str]:
    """Lines `name = value` in the order given: single lines aligned, what takes several lines set apart."""
    lead = INDENT * depth
    lines: list[str] = []
    group: list[tuple[str, str]] = []

    def flush() -> None:
        width = max((len(name) for name, _ in group), default=0)
        lines.extend(f"{lead}{name.ljust(width)} = {text}" for name, text in group)
        group.clear()

    for name, value in values.items():
        text = expression(value, depth)
        if "\n" not in text:
            if lines and lines[-1] and not group:
                lines.append("")
            group.append((name, text))
            continue
        flush()
        if lines:
            lines.append("")
        lines += f"{lead}{name} = {text}".split("\n")
    flush()
    return lines


@dataclass(frozen=True)
class Block:
    """`kind "label" … { arguments, then blocks }`."""

    kind: str
    labels: tuple[str, ...] = ()
    arguments: Mapping[str, Value] | None = None
    blocks: tuple["Block", ...] = ()
    comment: str = ""

    def lines(self, depth: int = 0) -> list[str]:
        lead = INDENT * depth
        head = " ".join([self.kind, *map(quoted, self.labels)])
        body = attributes(self.arguments or {}, depth + 1)
        for block in self.blocks:
            body += ([""] if body else []) + block.lines(depth + 1)
        said = [f"{lead}# {line}" for line in self.comment.split("\n")] if self.comment else []
        return [*said, f"{lead}{head} {{", *body, f"{lead}}}"] if body else [*said, f"{lead}{head} {{}}"]


def document(blocks: Sequence[Block], comment: str = "") -> str:
    """A whole file."""
    said = "".join(f"# {line}\n" for line in comment.split("\n")) + "\n" if comment else ""
    return said + "\n\n".join("\n".join(block.lines()) for block in blocks) + "\n"
