"""From a project folder to its plan on this machine: load, describe the sources, type the models, apply."""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from catchwater import __version__
from catchwater.errors import CatchwaterError, LakeError, SecretMissing, SourceError, UseError
from catchwater.plan.graph import make
from catchwater.plan.plan import Plan, from_bytes
from catchwater.ports import Settings
from catchwater.project.load import load
from catchwater.project.schema import PostgresSource
from catchwater.project.tables import TableSchema
from catchwater.project.variables import resolver
from catchwater.wiring import Wiring, adapter

_VARIABLE = re.compile(rb"\$\{([^}]*)\}")


@dataclass(frozen=True)
class Planned:
    """A plan, the sources that couldn't be described now (their last known tables stand in), and the digest of what
    the plan's models were made from."""

    plan: Plan
    unreachable: Mapping[str, CatchwaterError]
    inputs: str = ""


def open_project(folder: Path, environment: str = "local", variables: Mapping[str, str] | None = None) -> Wiring:
    """The project's parts, none of them opened yet; raises ProjectError with everything wrong in the file."""
    loaded = load(folder, environment, variables)
    return Wiring(loaded, lambda text, read: resolver(loaded, read)(text))


def plan_project(wiring: Wiring) -> Planned:
    """The plan as of now; a source that can't be reached keeps the tables of the plan last applied.

    A cloud's environment is planned with the tables of the plan last applied on this machine, so that no
    connection to it is made; a source that was never planned here is asked.
    """
    applied = applied_plan(wiring.state)
    tables: dict[str, Sequence[TableSchema]] = {}
    unreachable: dict[str, CatchwaterError] = {}
    away = bool(wiring.loaded.project.aws or wiring.loaded.project.google)
    for name in wiring.loaded.project.sources:
        known = next((source for source in applied.sources if source.name == name), None) if applied else None
        if known is not None and away:
            tables[name] = known.tables
            continue
        try:
            tables[name] = wiring.source(name).describe()
        except SourceError as error:
            if known is None:
                raise
            tables[name] = known.tables
            unreachable[name] = error
        except SecretMissing as error:
            if away:
                raise UseError(
                    f"the tables of {name} aren't known here: {error.message}",
                    next_step="catchwater run   (once, here), or set the variable so that they can be read",
                ) from error
            raise
    made_of = inputs(wiring.loaded.folder, tables, wiring.loaded.variables)
    if applied and made_of == remembered(wiring.state):
        models = applied.models
    else:
        from catchwater.plan.models import load_models

        models = load_models(wiring.loaded.folder, tables, wiring.engine().describe, wiring.loaded.variables)
    return Planned(make(wiring.loaded.project, wiring.loaded.environment, tables, models), unreachable, made_of)


def describe_url(name: str, url: str, folder: Path) -> tuple[TableSchema, ...]:
    """The tables of a Postgres that no project declares yet."""
    spec = PostgresSource(kind="postgres", url="${URL}")
    settings = Settings(folder, folder / ".catchwater", "local", lambda text: url if text == "${URL}" else text)
    found: tuple[TableSchema, ...] = adapter("source", "postgres")(name, spec, settings).describe()
    return found


def applied_plan(state: Path) -> Plan | None:
    """The plan last applied here; raises LakeError when its file isn't one."""
    path = state / "plan.json"
    if not path.exists():
        return None
    try:
        return from_bytes(path.read_bytes())
    except ValueError as error:
        raise LakeError(
            "the last applied plan can't be read", where=str(path), next_step=f"delete it: rm {path}"
        ) from error


def apply(plan: Plan, state: Path, made_of: str = "") -> bool:
    """Write the plan as applied; True when that is a change. `made_of` is `inputs` of the Planned that it is from."""
    path = state / "plan.json"
    data = plan.to_bytes()
    changed = not path.exists() or path.read_bytes() != data
    if changed:
        _replace(path, data)
    if made_of and remembered(state) != made_of:
        _replace(path.with_suffix(".inputs"), f"{made_of} {hashlib.sha256(data).hexdigest()}\n".encode())
    return changed


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_bytes(data)
    fresh.replace(path)


def inputs(folder: Path, tables: Mapping[str, Sequence[TableSchema]], variables: Mapping[str, str]) -> str:
    """The SHA-256 of all that the models of a plan depend on: files, variables in them, source tables, versions."""
    found = hashlib.sha256()
    versions = [__version__, *(version(name) for name in ("duckdb", "sqlglot"))]
    found.update(repr((versions, sorted((name, tuple(held)) for name, held in tables.items()))).encode())
    for path in sorted((folder / "models").rglob("*.sql")):
        text = path.read_bytes()
        names = sorted({name.decode(errors="replace").strip() for name in _VARIABLE.findall(text)})
        found.update(repr((path.relative_to(folder).as_posix(), [(n, variables.get(n)) for n in names], text)).encode())
    return found.hexdigest()


def remembered(state: Path) -> str | None:
    """The inputs of the plan last applied; None where they aren't known, or were those of another plan."""
    try:
        made_of, _, plan = (state / "plan.inputs").read_text(encoding="utf-8").strip().partition(" ")
        return made_of if plan == hashlib.sha256((state / "plan.json").read_bytes()).hexdigest() else None
    except (OSError, UnicodeDecodeError):
        return None
