"""A project that was found right before, taken again as long as its files are the same; nothing is judged here.

What checks a project file takes longer to be loaded than a run that finds nothing to do. No secret is in it: a project
file has none, and variables are read anew each time.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from catchwater import __version__
from catchwater.project.loaded import Loaded
from catchwater.project.variables import read as read_variables

if TYPE_CHECKING:
    from catchwater.project.schema import Project

FILE = "catchwater.yml"
_MODEL, _DICT, _LIST = "model", "dict", "list"


class Known:
    """One part of a project by the names of its fields; what can be done with one (`model_…`), the real one does."""

    def __init__(self, fields: Mapping[str, Any], whole: Callable[[], Any]) -> None:
        self.__dict__.update(fields)
        self.__dict__["#whole"] = whole

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("model_"):
            raise AttributeError(name)
        return getattr(self.__dict__["#whole"](), name)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a project doesn't change: {name}")


def same_as(folder: Path, environment: str) -> str:
    """The SHA-256 of what a project is read from, variables and declared schemas apart; '' where that can't be read."""
    found = hashlib.sha256(repr((__version__, environment)).encode())
    try:
        found.update(repr(_rules()).encode())
        found.update(repr((folder / FILE).read_bytes()).encode())
        for name, text in model_files(folder):
            found.update(repr((name, text)).encode())
    except OSError:
        return ""
    return found.hexdigest()


def _rules() -> list[tuple[str, int, int]]:
    """The modules that decide what a project and its plan are: between two releases they change without a number."""
    own = Path(__file__).parent
    found = [entry for room in (own, own.parent / "plan") for entry in os.scandir(room) if entry.name.endswith(".py")]
    return sorted((entry.name, entry.stat().st_mtime_ns, entry.stat().st_size) for entry in found)


def model_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a project's models and macros, in order."""
    root = folder / "models"
    for path in sorted(root.rglob("*.sql")):
        yield path.relative_to(folder).as_posix(), path.read_bytes()


def written(loaded: Loaded) -> bytes:
    """What `read` takes: the project as it stands in one environment, without any variable; its digest is known."""
    schemas = [getattr(source, "schema_file", None) for source in loaded.project.sources.values()]
    data = {
        "same_as": loaded.digest,
        "schemas": [name for name in schemas if name],
        "project": _tagged(loaded.project),
        "lines": [[list(trail), list(spot)] for trail, spot in loaded.lines.items()],
        "declared": loaded.project.model_dump(by_alias=True, exclude_unset=True, mode="json"),
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def read(
    folder: Path, environment: str, digest: str, file: Path, variables: Mapping[str, str] | None = None
) -> Loaded | None:
    """The project that was written to `file`, where its files still have this digest (`same_as`); else None.

    Raises ProjectError for a `.env` that can't be read."""
    try:
        data = json.loads(file.read_bytes())
        if not digest or data["same_as"] != digest or not _there(folder, data["schemas"]):
            return None
        project = cast("Project", _part(data["project"], lambda: _checked(data["declared"])))
        lines = {tuple(trail): (str(name), int(line), int(column)) for trail, (name, line, column) in data["lines"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Loaded(folder, environment, project, read_variables(folder, variables), lines, digest)


def _there(folder: Path, schemas: Iterable[str]) -> bool:
    root = folder.resolve()
    paths = [(root / name).resolve() for name in schemas]
    return all(path.is_relative_to(root) and path.is_file() for path in paths)


def _checked(declared: Any) -> "Project":
    from catchwater.project.schema import Project

    return Project.model_validate(declared, by_alias=True, by_name=False)


def _tagged(value: Any) -> Any:
    """Plain data in which a part with fields is told from a mapping."""
    if isinstance(value, dict):
        return {_DICT: {name: _tagged(item) for name, item in value.items()}}
    if isinstance(value, list | tuple):
        return {_LIST: [_tagged(item) for item in value]}
    if value is None or isinstance(value, str | int | float):
        return value
    fields = {name: _tagged(getattr(value, name)) for name in type(value).model_fields}
    own = [name for name, kind in vars(type(value)).items() if isinstance(kind, property)]
    return {_MODEL: fields | {name: _tagged(getattr(value, name)) for name in own}}


def _part(value: Any, whole: Callable[[], Any]) -> Any:
    if not isinstance(value, dict):
        return value
    ((tag, inner),) = value.items()
    if tag == _LIST:
        return [_part(item, _item(whole, at)) for at, item in enumerate(inner)]
    if tag == _DICT:
        return {name: _part(item, _item(whole, name)) for name, item in inner.items()}
    return Known({name: _part(item, _field(whole, name)) for name, item in inner.items()}, whole)


def _item(whole: Callable[[], Any], key: str | int) -> Callable[[], Any]:
    return lambda: whole()[key]


def _field(whole: Callable[[], Any], name: str) -> Callable[[], Any]:
    return lambda: getattr(whole(), name)
