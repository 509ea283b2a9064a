"""Holds the docs to the code: commands, options, keys and errors are named, links lead somewhere, lines would run."""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ROOT / "docs" / "commands.md"
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```[a-z]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def commands() -> dict[str, Any]:
    """Every command of the command line by its name, `keys create` for one within a group."""
    from typer.main import get_command

    from catchwater.cli.commands import app

    found: dict[str, Any] = {}
    top: Any = get_command(app)
    for name, command in top.commands.items():
        inner = getattr(command, "commands", {})
        found |= {f"{name} {below}": one for below, one in inner.items()} if inner else {name: command}
    return found


def keys() -> set[str]:
    """Every key that a project file may hold."""
    from catchwater.project.jsonschema import json_schema

    found: set[str] = set()

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            found.update(part.get("properties", {}))
            for value in part.values():
                walk(value)
        elif isinstance(part, list):
            for value in part:
                walk(value)

    schema = json_schema()
    walk(schema)
    return found


def errors() -> set[str]:
    """Every named error."""
    from catchwater import errors as tree

    return {
        name
        for name, value in vars(tree).items()
        if isinstance(value, type) and issubclass(value, tree.CatchwaterError)
    }


def unmentioned(docs: str) -> Iterator[str]:
    """What the docs should name and don't: commands as `catchwater NAME`, keys and errors in backticks."""
    for command in sorted(commands()):
        if not re.search(rf"\bcatchwater {command}\b", docs):
            yield f"the command `catchwater {command}` isn't in docs/"
    code = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", " ".join(re.findall(r"`([^`\n]+)`", docs))))
    for kind, wanted in (("key", keys()), ("error", errors())):
        yield from (f"the {kind} `{name}` isn't in docs/" for name in sorted(wanted - code))


def dead_links(page: Path) -> Iterator[str]:
    """Relative links of a page that lead to no file."""
    for match in LINK.finditer(FENCE.sub("", page.read_text())):
        target = (match[1] or match[2]).split("#")[0]
        if target and "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists():
            yield f"{page.relative_to(ROOT)}: {target} leads nowhere"


def options(docs: str) -> Iterator[str]:
    """Options that the section `## NAME` of docs/commands.md should name and doesn't."""
    parts = re.split(r"^## (.*)$", docs, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    for name, command in sorted(commands().items()):
        if name not in sections:
            yield f"docs/commands.md has no section `## {name}`"
            continue
        for option in (one.opts[0] for one in command.params if one.param_type_name == "option"):
            if not re.search(rf"{option}\b", sections[name]):
                yield f"docs/commands.md: `## {name}` doesn't name {option}"


def typed(block: str) -> Iterator[list[str]]:
    """The commands in a code block, split as a shell does; a quote may go on over lines."""
    lines = iter(block.splitlines())
    for line in lines:
        text = line.removeprefix("$ ")
        if not re.match(r"(catchwater|make) [a-z]", text):
            continue
        while True:
            try:
                words = shlex.split(text, comments=True)
                break
            except ValueError:
                text += "\n" + next(lines, '"')
        ends = [at for at, word in enumerate(words) if word in ("|", ">", "<", "&", "&&", "·", "…")]
        yield words[: min(ends, default=len(words))]


def refused(words: list[str], known: dict[str, Any]) -> str | None:
    """What the command line would say to these words, None when it would take them; nothing is run."""
    from typer.exceptions import TyperException

    name = next((name for name in (" ".join(words[1:3]), words[1]) if name in known), None)
    if name is None:
        return "doesn't exist"
    given = words[1 + len(name.split()) :]
    if "--help" in given:
        return None
    try:
        known[name].make_context(name, given)
    except TyperException as error:
        said: Any = error
        return str(said.format_message())
    return None


def impossible(page: Path) -> Iterator[str]:
    """Lines in a page's code blocks that begin with a command, options or a make target that doesn't exist."""
    known = commands()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for block in FENCE.findall(page.read_text()):
        for words in typed(block):
            there = words[1] in targets
            said = refused(words, known) if words[0] == "catchwater" else None if there else "doesn't exist"
            if said:
                yield f"{page.relative_to(ROOT)}: `{words[0]} {words[1]}` {said}"


def problems() -> list[str]:
    docs = sorted((ROOT / "docs").rglob("*.md"))
    pages = [*docs, *sorted(ROOT.glob("*.md")), *sorted((ROOT / "examples").rglob("README.md"))]
    found = [*unmentioned("\n".join(page.read_text() for page in docs)), *options(COMMANDS.read_text())]
    for page in pages:
        found += [*dead_links(page), *impossible(page)]
    return found


if __name__ == "__main__":
    wrong = problems()
    print("\n".join(wrong) or "docs: well")
    sys.exit(1 if wrong else 0)
