"""From a project folder to its plan on this machine: load, describe the sources, type the models, apply."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from catchwater.errors import CatchwaterError, LakeError, SourceError
from catchwater.plan.graph import make
from catchwater.plan.models import load_models
from catchwater.plan.plan import Plan, from_bytes
from catchwater.ports import Settings
from catchwater.project.load import load
from catchwater.project.schema import PostgresSource
from catchwater.project.tables import TableSchema
from catchwater.project.variables import resolver
from catchwater.wiring import Wiring, adapter


@dataclass(frozen=True)
class Planned:
    """A plan, and the sources that couldn't be described now (their last known tables stand in)."""

    plan: Plan
    unreachable: Mapping[str, CatchwaterError]


def open_project(folder: Path, environment: str = "local", variables: Mapping[str, str] | None = None) -> Wiring:
    """The project's parts, none of them opened yet; raises ProjectError with everything wrong in the file."""
    loaded = load(folder, environment, variables)
    return Wiring(loaded, lambda text, read: resolver(loaded, read)(text))


def plan_project(wiring: Wiring) -> Planned:
    """The plan as of now; a source that can't be reached keeps the tables of the plan last applied."""
    applied = applied_plan(wiring.state)
    tables: dict[str, Sequence[TableSchema]] = {}
    unreachable: dict[str, CatchwaterError] = {}
    for name in wiring.loaded.project.sources:
        try:
            tables[name] = wiring.source(name).describe()
        except SourceError as error:
            known = next((source for source in applied.sources if source.name == name), None) if applied else None
            if known is None:
                raise
            tables[name] = known.tables
            unreachable[name] = error
    models = load_models(
        wiring.loaded.folder,
        tables,
        wiring.engine().describe,
        wiring.loaded.variables,
    )
    return Planned(make(wiring.loaded.project, wiring.loaded.environment, tables, models), unreachable)


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


def apply(plan: Plan, state: Path) -> bool:
    """Write the plan as applied; True when that is a change."""
    path = state / "plan.json"
    data = plan.to_bytes()
    if path.exists() and path.read_bytes() == data:
        return False
    state.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(data)
    fresh.replace(path)
    return True
