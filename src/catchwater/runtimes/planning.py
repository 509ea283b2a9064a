"""From a project folder to its plan on this machine: load, describe the sources, type the models, apply."""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from catchwater import __version__
from catchwater.errors import CatchwaterError, LakeError, SecretMissing, SourceError, UseError
from catchwater.plan.plan import Plan, from_bytes
from catchwater.project import known as known_before
from catchwater.project.tables import TableSchema
from catchwater.project.variables import resolver
from catchwater.runtimes.tables import saved
from catchwater.wiring import Wiring

Tables = dict[str, Sequence[TableSchema]]
Described = Mapping[str, "Future[tuple[TableSchema, ...]]"]
ASKED = 8
KNOWN = "project.json"
_VARIABLE = re.compile(rb"\$\{([^}]*)\}")


@dataclass(frozen=True)
class Planned:
    """A plan, the sources that couldn't be described now (their last known tables stand in), and the digest of what
    the plan's models were made from; `applied`: it is the plan last applied, since nothing that it is made from moved.
    """

    plan: Plan
    unreachable: Mapping[str, CatchwaterError]
    inputs: str = ""
    applied: bool = False


def open_project(
    folder: Path, environment: str = "local", variables: Mapping[str, str] | None = None, *, again: bool = False
) -> Wiring:
    """The project's parts, none of them opened yet; raises ProjectError with everything wrong in the file.

    `again`: files that were found right when their plan was applied here aren't looked through once more."""
    digest = known_before.same_as(folder, environment) if again else ""
    loaded = known_before.read(folder, environment, digest, folder / ".catchwater" / KNOWN, variables)
    if loaded is None:
        from catchwater.project.load import load

        loaded = replace(load(folder, environment, variables), digest=digest)
    return Wiring(loaded, lambda text, read: resolver(loaded, read)(text))


def ask(wiring: Wiring) -> Described:
    """What the sources have, asked all at once, for the plan that is made next."""
    names = list(wiring.loaded.project.sources)
    if wiring.loaded.project.in_cloud or not names:
        return {}
    with_threads = ThreadPoolExecutor(min(ASKED, len(names)), "catchwater-ask")
    found = {name: with_threads.submit(_describe, wiring, name) for name in names}
    with_threads.shutdown(wait=False)
    return found


def _describe(wiring: Wiring, name: str) -> tuple[TableSchema, ...]:
    return wiring.source(name).describe()


def plan_project(wiring: Wiring, known: Plan | None = None, described: Described | None = None) -> Planned:
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
        tables, unreachable = _tables(wiring, applied, described or {})
    made_of = inputs(wiring.loaded.folder, tables, wiring.loaded.variables)
    before_, digest = remembered(wiring.state) or ("", "")
    if applied and made_of == before_ and digest and digest == wiring.loaded.digest:
        return Planned(applied, unreachable, made_of, applied=True)
    return Planned(_made(wiring, tables, applied if made_of == before_ else None), unreachable, made_of)


def _made(wiring: Wiring, tables: Tables, alike: Plan | None) -> Plan:
    """The plan; `alike` has the same models."""
    from catchwater.plan.graph import make
    from catchwater.plan.refusals import refuse

    loaded = wiring.loaded
    engine = loaded.project.steps.process.engine
    if alike and engine == "duckdb":
        models = alike.models
    else:
        from catchwater.plan.models import load_models

        models = load_models(loaded.folder, tables, wiring.engine().describe, loaded.variables, engine)
    plan = make(loaded.project, loaded.environment, tables, models)
    refuse(plan, loaded)
    return plan


def _tables(wiring: Wiring, applied: Plan | None, described: Described) -> tuple[Tables, dict[str, CatchwaterError]]:
    tables: Tables = {}
    unreachable: dict[str, CatchwaterError] = {}
    for name in wiring.loaded.project.sources:
        try:
            tables[name] = described[name].result() if name in described else _describe(wiring, name)
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
    from catchwater.project.load import environments

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


def apply(plan: Plan, state: Path, made_of: str = "", digest: str = "") -> bool:
    """Write the plan as applied; True when that is a change. `made_of` is `inputs` of the Planned that it is from,
    `digest` that of the project."""
    path = state / "plan.json"
    data = plan.to_bytes()
    changed = not path.exists() or path.read_bytes() != data
    if changed:
        _replace(path, data)
    if made_of and remembered(state) != (made_of, digest):
        words = f"{made_of} {hashlib.sha256(data).hexdigest()} {digest}".strip()
        _replace(path.with_suffix(".inputs"), f"{words}\n".encode())
    return changed


def remember(wiring: Wiring) -> None:
    """Keep the project as it was found right, for `open_project(…, again=True)`."""
    loaded = wiring.loaded
    if loaded.digest and not loaded.project.in_cloud and not isinstance(loaded.project, known_before.Known):
        _replace(wiring.state / KNOWN, known_before.written(loaded))


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_bytes(data)
    fresh.replace(path)


def inputs(folder: Path, tables: Mapping[str, Sequence[TableSchema]], variables: Mapping[str, str]) -> str:
    """The SHA-256 of all that the models of a plan depend on: files, variables in them, source tables, versions."""
    found = hashlib.sha256()
    versions = [__version__, *map(_installed, ("duckdb", "sqlglot"))]
    found.update(repr((versions, sorted((name, tuple(held)) for name, held in tables.items()))).encode())
    try:
        for path, text in known_before.model_files(folder):
            names = sorted({name.decode(errors="replace").strip() for name in _VARIABLE.findall(text)})
            found.update(repr((path, [(name, variables.get(name)) for name in names], text)).encode())
    except OSError as error:  # said with all else that is wrong, once the models are read
        found.update(repr(error).encode())
    return found.hexdigest()


def _installed(package: str) -> tuple[str, int, int]:
    """Which one of a package there is; its version is told by files that take longer to read than all others here."""
    found = find_spec(package)
    path = Path(found.origin or "") if found else Path()
    return str(path), path.stat().st_mtime_ns, path.stat().st_size


def remembered(state: Path) -> tuple[str, str] | None:
    """The inputs of the plan last applied and the digest of its project (empty where that isn't known); None where they
    aren't known, or were those of another plan."""
    try:
        words = (state / "plan.inputs").read_text(encoding="utf-8").split()
        plan = hashlib.sha256((state / "plan.json").read_bytes()).hexdigest()
    except (OSError, UnicodeDecodeError):
        return None
    made_of, of_plan, digest = (*words, "", "", "")[:3]
    return (made_of, digest) if of_plan == plan else None
