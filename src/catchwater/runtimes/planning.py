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
from catchwater.plan.refusals import refuse
from catchwater.project.load import environments, load
from catchwater.project.tables import TableSchema
from catchwater.project.variables import resolver
from catchwater.runtimes.tables import saved
from catchwater.wiring import Wiring

Tables = dict[str, Sequence[TableSchema]]
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


def plan_project(wiring: Wiring, known: Plan | None = None) -> Planned:
    """The plan as of now; a source that can't be reached keeps the tables of the plan last applied.

    A cloud's environment is planned with the tables saved in the project, else with those of the plan last applied
    on this machine, last built, or `known`, so that no connection to it is made; only a source that was never seen is
    asked.
    """
    applied = applied_plan(wiring.state)
    unreachable: dict[str, CatchwaterError] = {}
    if wiring.loaded.project.in_cloud:
        tables = _held_tables(wiring, applied or known or before(wiring)[0])
    else:
        tables, unreachable = _tables(wiring, applied)
    made_of = inputs(wiring.loaded.folder, tables, wiring.loaded.variables)
    engine = wiring.loaded.project.steps.process.engine
    if applied and engine == "duckdb" and made_of == remembered(wiring.state):
        models = applied.models
    else:
        from catchwater.plan.models import load_models

        models = load_models(wiring.loaded.folder, tables, wiring.engine().describe, wiring.loaded.variables, engine)
    plan = make(wiring.loaded.project, wiring.loaded.environment, tables, models)
    refuse(plan, wiring.loaded)
    return Planned(plan, unreachable, made_of)


def _tables(wiring: Wiring, applied: Plan | None) -> tuple[Tables, dict[str, CatchwaterError]]:
    tables: Tables = {}
    unreachable: dict[str, CatchwaterError] = {}
    for name in wiring.loaded.project.sources:
        try:
            tables[name] = wiring.source(name).describe()
        except SourceError as error:
            held = _planned(applied, name)
            if held is None:
                raise
            tables[name] = held
            unreachable[name] = error
    return tables, unreachable


def _planned(plan: Plan | None, source: str) -> tuple[TableSchema, ...] | None:
    return next((each.tables for each in plan.sources if each.name == source), None) if plan else None


def _held_tables(wiring: Wiring, known: Plan | None) -> Tables:
    tables: Tables = {}
    for name, source in wiring.loaded.project.sources.items():
        held = None
        if source.kind == "postgres":
            held = saved(wiring.loaded.folder, name) or _planned(known, name)
        try:
            tables[name] = held or wiring.source(name).describe()
        except SecretMissing as error:
            said = f"the tables of {name} aren't known here: {error.message}"
            raise UseError(said, next_step="catchwater check --save   (where the source can be reached)") from error
    return tables


def clouds(folder: Path, own: Plan) -> list[Plan]:
    """The plans of every environment of a project that is in a cloud, in the order declared, `own` among them."""
    opened = [open_project(folder, name) for name in environments(folder)]
    away = [wiring for wiring in opened if wiring.loaded.project.in_cloud]
    return [own if w.loaded.environment == own.environment else plan_project(w, own).plan for w in away]


def applied_plan(state: Path) -> Plan | None:
    """The plan last applied here; raises LakeError when its file isn't one."""
    path = state / "plan.json"
    return read_plan(path) if path.exists() else None


def read_plan(path: Path) -> Plan:
    """A plan that was written to a file; raises LakeError when it isn't one."""
    try:
        return from_bytes(path.read_bytes())
    except FileNotFoundError as error:
        raise UseError(f"there is no plan {path}", next_step="catchwater build --env ENV") from error
    except ValueError as error:
        raise LakeError("this plan can't be read", where=str(path), next_step=f"delete it: rm {path}") from error


def before(wiring: Wiring, against: str | None = None) -> tuple[Plan | None, str]:
    """The plan to compare with, and what it is: applied on this machine, or built for a cloud (`against`: in that
    commit of git). Raises UseError for a commit that isn't there."""
    loaded = wiring.loaded
    built = f"infra/{loaded.environment}/plan.json"
    if against is not None:
        return _committed(loaded.folder, against, built), f"{built} of {against}"
    if loaded.project.in_cloud:
        path = loaded.folder / built
        there = read_plan(path) if path.exists() else None
        return there, "nothing built yet" if there is None else f"built {there.digest[:5]}"
    applied = applied_plan(wiring.state)
    return applied, "nothing was applied yet" if applied is None else f"applied {applied.digest[:5]}"


def _committed(folder: Path, commit: str, path: str) -> Plan | None:
    import subprocess

    if commit.startswith("-"):
        raise UseError(f"not a commit: {commit}")
    where = ["git", "-C", str(folder)]
    known = subprocess.run([*where, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"], capture_output=True)
    if known.returncode:
        raise UseError(f"git knows no commit {commit} here", next_step="name a branch, a tag or a commit")
    shown = subprocess.run([*where, "show", f"{commit}:./{path}"], capture_output=True)
    return from_bytes(shown.stdout) if shown.returncode == 0 else None


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
