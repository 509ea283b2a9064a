"""Variables and references to them: the one place where the environment is read; values are never in a message."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catchwater.errors import Problem, ProjectError, SecretMissing

if TYPE_CHECKING:
    from catchwater.project.loaded import Loaded

DOTENV = ".env"
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_LINE = re.compile(rf"(?:export\s+)?({_NAME})\s*=\s*(.*)")
_QUOTED = re.compile(r"""(?:'([^']*)'|"((?:[^"\\]|\\.)*)")\s*(?:#.*)?""")
_REFERENCE = re.compile(rf"\$(?:(\$)|\{{({_NAME})\}}|\{{secret:([A-Za-z0-9_][A-Za-z0-9_./-]*)\}}|(\{{))")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def read(folder: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a project: its `.env`, overlaid by `environ` (this process's own when None).

    Raises ProjectError with every line of `.env` that isn't NAME=value.
    """
    path = folder / DOTENV
    try:
        text = path.read_text("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        text = ""
    except UnicodeDecodeError as error:
        raise ProjectError([Problem(DOTENV, 0, 0, "not UTF-8", "save the file as UTF-8")]) from error
    except OSError as error:
        raise ProjectError([Problem(DOTENV, 0, 0, f"can't be read: {error.strerror}")]) from error
    return {**parse(text), **(os.environ if environ is None else environ)}


def parse(text: str) -> dict[str, str]:
    """The lines `NAME=value` of a `.env`, with `export`, quotes and comments; raises ProjectError by line."""
    found: dict[str, str] = {}
    problems = []
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(stripped)
        value = _value(match[2]) if match else None
        if match is None or value is None:
            said = "a quote that isn't closed" if match else "not a variable"
            problems.append(Problem(DOTENV, number, 1, said, "write NAME=value, or NAME='value'"))
        else:
            found[match[1]] = value
    if problems:
        raise ProjectError(problems)
    return found


def _value(text: str) -> str | None:
    if text[:1] not in ("'", '"'):
        return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()
    match = _QUOTED.fullmatch(text)
    if match is None:
        return None
    if match[1] is not None:
        return match[1]
    return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), match[2])


def line(name: str, value: str) -> str:
    """One line of a `.env` that `parse` reads back as this value."""
    if "'" not in value and "\n" not in value and "\r" not in value:
        return f"{name}='{value}'\n"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'{name}="{escaped}"\n'


def malformed(text: str) -> bool:
    """Whether a text holds a `${` that is neither `${NAME}` nor `${secret:NAME}`."""
    return any(match[4] for match in _REFERENCE.finditer(text))


def references(text: str) -> tuple[set[str], set[str]]:
    """The names of the variables and of the secrets that a text refers to."""
    matches = list(_REFERENCE.finditer(text))
    return {match[2] for match in matches if match[2]}, {match[3] for match in matches if match[3]}


def replaced(text: str, by: str) -> str:
    """`text` with `by` in place of every reference and `$$` as `$`."""
    return _REFERENCE.sub(lambda match: "$" if match[1] else match[0] if match[4] else by, text)


def resolve(
    text: str, variables: Mapping[str, str], secrets: Callable[[str], str] | None = None, where: str = ""
) -> str:
    """`text` with `${NAME}` and `${secret:NAME}` replaced and `$$` as `$`; what is put in isn't looked at again.

    `where` is file and line for the message of SecretMissing, which never holds a value.
    """

    def put(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        if match[2]:
            return _variable(match[2], variables, where)
        if match[3]:
            return _secret(match[3], secrets, where)
        raise SecretMissing(
            "a `${` that isn't a reference",
            where=where,
            next_step="write ${NAME}, ${secret:NAME}, or $${ for itself",
        )

    return _REFERENCE.sub(put, text)


def _variable(name: str, variables: Mapping[str, str], where: str) -> str:
    if not variables.get(name):
        state = "is empty" if name in variables else "isn't set"
        step = f"export {name}=…   (or a line {name}=… in {DOTENV} beside catchwater.yml)"
        raise SecretMissing(f"the variable {name} {state}", where=where, next_step=step)
    return variables[name]


def _secret(name: str, secrets: Callable[[str], str] | None, where: str) -> str:
    if secrets is None:
        raise SecretMissing(f"the secret {name} can't be read here: no secret store is at hand", where=where)
    try:
        return secrets(name)
    except SecretMissing as error:
        raise SecretMissing(error.message, where=error.where or where, next_step=error.next_step) from error


def resolver(loaded: "Loaded", secrets: Callable[[str], str] | None = None) -> Callable[[str], str]:
    """`resolve` for the texts of one project: SecretMissing then names the file and line of the text."""

    def resolved(text: str) -> str:
        try:
            return resolve(text, loaded.variables, secrets)
        except SecretMissing as error:
            where = error.where or _where(loaded, text)
            raise SecretMissing(error.message, where=where, next_step=error.next_step) from error

    return resolved


def _where(loaded: "Loaded", text: str) -> str:
    declared = loaded.project.model_dump(by_alias=True, exclude_unset=True)
    for trail, value in texts(declared):
        if value == text and trail in loaded.lines:
            file, line, _ = loaded.lines[trail]
            return f"{file}:{line}"
    return ""


def texts(data: Any, trail: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text in plain data, with the keys that lead to it."""
    if isinstance(data, str):
        yield trail, data
    elif isinstance(data, dict | list | tuple):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from texts(value, (*trail, key))
