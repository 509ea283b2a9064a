"""What may not stand in a project's files as it is: passwords and logins, since plans hold what was declared."""

import re
from collections.abc import Iterator
from pathlib import Path

from catchwater.errors import Problem
from catchwater.project import variables
from catchwater.project.document import Trail, Value
from catchwater.project.text import substitute
from catchwater.project.words import dotted

MAX_BYTES = 1 << 20
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_POSTGRES = re.compile(r"postgres(ql)?", re.IGNORECASE)
_PARAMETER = re.compile(r"(?i)(?<![a-z0-9_])(?:ssl)?password\s*=\s*([^&\s]*)")
_SECRET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")
_HELD = "\0"


def problems(tree: Value, folder: Path) -> list[Problem]:
    """Every literal secret of a whole project file, its environments included; no value is repeated."""
    found = [problem for trail, _, value in tree.walk() for problem in _literal(trail, value)]
    return [*found, *_models(tree, folder)]


def _literal(trail: Trail, value: Value) -> Iterator[Problem]:
    if not isinstance(value.data, str | int | float) or isinstance(value.data, bool):
        return
    text = str(value.data)
    name = _owner(trail)
    if name and trail[-1] == "password" and _shown(text):
        yield _refuse(value, trail, "a password may not stand here", f"{name}_PASSWORD")
    elif name and trail[-1] == "secret" and not _SECRET.fullmatch(text):
        right = "write a name such as shop-database; `${NAME}` isn't read here"
        yield Problem(*value.spot, f"`{dotted(trail)}`: not the name of a secret", right)
    elif _login(text):
        yield _refuse(value, trail, "a URL may not hold a login here", f"{name or str(trail[-1]).upper()}_URL")


def _owner(trail: Trail) -> str:
    """The name, for a variable, of the source or warehouse whose own key this is; else nothing."""
    if len(trail) >= 3 and trail[-3] == "sources":
        return re.sub(r"[^A-Z0-9]+", "_", str(trail[-2]).upper())
    return "WAREHOUSE" if len(trail) >= 2 and trail[-2] == "warehouse" else ""


def _refuse(value: Value, trail: Trail, message: str, variable: str) -> Problem:
    secret = variable.lower().replace("_", "-")
    right = f'write "${{{variable}}}" and a line {variable}=… in {variables.DOTENV}, or "${{secret:{secret}}}"'
    return Problem(*value.spot, f"`{dotted(trail)}`: {message}", right)


def _shown(text: str) -> str:
    """What of a text is there to read: the rest, once every reference is taken out."""
    return variables.replaced(text, "")


def _login(text: str) -> bool:
    """Whether a URL holds a password of its own, or, over HTTP, any login; references may stand in its place."""
    plain = variables.replaced(text, _HELD)
    match = _URL.match(plain)
    if match is None:
        return False
    if _POSTGRES.fullmatch(match[1]):  # its passwords may hold / and @: the last @ ends the login
        login = match[2].rpartition("@")[0]
        given = [login.partition(":")[2], *_PARAMETER.findall(match[2])]
        return any(part.strip(_HELD) for part in given)
    login = re.split(r"[/?#]", match[2], maxsplit=1)[0].rpartition("@")[0]
    secret = login if match[1].lower() in ("http", "https") else login.partition(":")[2]
    return bool(secret.strip(f"{_HELD}:"))


def _models(tree: Value, folder: Path) -> Iterator[Problem]:
    """Models that read a variable which the file uses for a login: a model's SQL stands in the plan."""
    hidden = set(_hidden(tree))
    for path in sorted((folder / "models").rglob("*.sql")) if hidden else ():
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            continue
        text = path.read_text("utf-8", errors="replace")
        for offset, name in substitute(text, {})[1]:
            if name in hidden:
                line, column = text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
                said = f"the variable {name} holds a login, and the plan holds a model's SQL"
                yield Problem(path.relative_to(folder).as_posix(), line, column, said, "read another variable")


def _hidden(tree: Value) -> Iterator[str]:
    for trail, _, value in tree.walk():
        owned = bool(_owner(trail)) and trail[-1] in ("url", "password")
        told = len(trail) >= 3 and trail[-3] == "alerts" and trail[-1] == "to"
        if isinstance(value.data, str) and (told or (owned and not _public(tree, trail))):
            yield from variables.references(value.data)[0]


def _public(tree: Value, trail: Trail) -> bool:
    """Files and archives are fetched from addresses that anybody may know."""
    kind = tree.at(*trail[:-1], "kind")
    return kind is not None and kind.data in ("http_files", "github")
