"""Holds the docs to the code: every command, key and error is mentioned, links lead somewhere, README's lines run."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```[a-z]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def commands() -> set[str]:
    """Every command of the command line, `keys create` for one within a group."""
    from typer.main import get_command

    from catchwater.cli import app

    found: set[str] = set()
    top: Any = get_command(app)
    for name, command in top.commands.items():
        inner = getattr(command, "commands", {})
        found |= {f"{name} {below}" for below in inner} if inner else {name}
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


def impossible(page: Path) -> Iterator[str]:
    """Lines in a page's code blocks that begin with a command or a make target that doesn't exist."""
    known = {command.split()[0] for command in commands()}
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for block in FENCE.findall(page.read_text()):
        for program, name in re.findall(r"^(?:\$ )?(catchwater|make) ([a-z][a-z_-]*)", block, re.MULTILINE):
            if name not in (known if program == "catchwater" else targets):
                yield f"{page.relative_to(ROOT)}: `{program} {name}` doesn't exist"


def problems() -> list[str]:
    docs = sorted((ROOT / "docs").rglob("*.md"))
    pages = [*docs, *sorted(ROOT.glob("*.md")), *sorted((ROOT / "examples").rglob("README.md"))]
    found = list(unmentioned("\n".join(page.read_text() for page in docs)))
    for page in pages:
        found += [*dead_links(page), *impossible(page)]
    return found


if __name__ == "__main__":
    wrong = problems()
    print("\n".join(wrong) or "docs: well")
    sys.exit(1 if wrong else 0)
