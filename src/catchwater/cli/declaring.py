"""init, check, plan, lookml, schema, keys: what is declared, before anything runs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catchwater.cli.options import Env, Json, ProjectFolder, emit
from catchwater.errors import UseError

if TYPE_CHECKING:
    from catchwater.plan.explain import Change
    from catchwater.plan.plan import Plan
    from catchwater.serve.access import Keys
    from catchwater.wiring import Wiring


def _ask(value: str | None, question: str, flag: str) -> str:
    if value:
        return value
    if not sys.stdin.isatty():
        raise UseError(f"{flag} is missing", next_step="catchwater init NAME --url postgres://…")
    return str(typer.prompt(question))


def init(
    name: Annotated[str | None, typer.Argument(help="The project's name.")] = None,
    folder: Annotated[Path | None, typer.Argument(help="Where to write it.", metavar="[DIR]")] = None,
    url: Annotated[str | None, typer.Option("--url", help="The database: postgres://user:password@host/db")] = None,
    as_json: Json = False,
) -> None:
    """Write a project that runs, from a database: its source, and a model per table."""
    from catchwater.runtimes.init import init as write

    named = _ask(name, "Name of the project", "NAME")
    asked = _ask(url, "URL of the database", "--url")
    target = folder or Path(named)
    written, left_out = write(named, asked, target)
    if as_json:
        emit({"project": named, "folder": str(target), "files": [str(path) for path in written], "left_out": left_out})
        return
    models = sum(path.suffix == ".sql" for path in written)
    typer.echo(f"{target}: {models} models, and the URL in a .env that git ignores")
    _advised([f"left out: {said}" for said in left_out])
    typer.echo(f"next: catchwater run {target}")


def check(
    project: ProjectFolder = Path(),
    env: Env = "local",
    keep: Annotated[
        bool, typer.Option("--save", help="Write the databases' tables to tables/, to compile from.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read everything, reach the sources, and say all that is wrong at once."""
    from catchwater.runtimes.advice import advice, told
    from catchwater.runtimes.planning import open_project, plan_project
    from catchwater.runtimes.tables import FOLDER, save

    wiring = open_project(project, env)
    told(wiring)
    planned = plan_project(wiring)
    for error in planned.unreachable.values():
        raise error
    plan = planned.plan
    tables = sum(len(source.tables) for source in plan.sources)
    databases = [source for source in plan.sources if source.kind == "postgres"] if keep else []
    written = [f"{FOLDER}/{one.name}.json" for one in databases if save(project, one.name, one.tables)]
    advised = advice(wiring, plan)
    if as_json:
        emit(
            {
                "project": plan.project,
                "environment": env,
                "tables": tables,
                "models": len(plan.models),
                "saved": written,
                "advice": advised,
            }
        )
        return
    typer.echo(f"{plan.project}: {len(plan.sources)} sources, {tables} tables, {len(plan.models)} models: well")
    _advised(advised)
    for name in written:
        typer.echo(f"saved {name}: commit it, clouds are compiled from it")


def _advised(found: "list[str]") -> None:
    for said in found:
        typer.echo(f"{typer.style('note', fg='cyan')}: {said}")


def plan(
    project: ProjectFolder = Path(),
    env: Env = "local",
    defaults: Annotated[bool, typer.Option("--defaults", help="Show every setting and its value.")] = False,
    whole: Annotated[bool, typer.Option("--all", help="Show the whole plan, not what differs.")] = False,
    diagram: Annotated[bool, typer.Option("--diagram", help="Print the plan as an SVG picture.")] = False,
    against: Annotated[
        str | None, typer.Option("--against", help="A git commit whose built plan is the old one.")
    ] = None,
    rows: Annotated[bool, typer.Option("--rows", help="Compute changed models, and say how many rows differ.")] = False,
    as_json: Json = False,
) -> None:
    """Say what would run, and what differs: data, infrastructure, grants, network, freshness, cost. Changes nothing.

    One machine's plan is compared with the one last applied here, a cloud's with the one last built.
    """
    from catchwater.plan import explain
    from catchwater.plan.diagram import svg
    from catchwater.runtimes.advice import advice
    from catchwater.runtimes.planning import before as plan_before
    from catchwater.runtimes.planning import open_project, plan_project

    wiring = open_project(project, env)
    if defaults:
        settings = wiring.loaded.project.model_dump(by_alias=True, mode="json")
        typer.echo("\n".join(explain.defaults(settings)))
        return
    planned = plan_project(wiring)
    if diagram:
        typer.echo(svg(planned.plan), nl=False)
        return
    old, said = plan_before(wiring, against)
    shown = None if whole else old
    infra = _infra(shown, planned.plan, project)
    differ = _rows(wiring, old, planned.plan) if rows else {}
    advised = advice(wiring, planned.plan)
    if as_json:
        emit(explain.as_dict(shown, planned.plan, infra, differ) | {"advice": advised})
        return
    for name, error in planned.unreachable.items():
        typer.echo(
            f"{typer.style('warning', fg='yellow')}: {name} wasn't reached, its last known tables stand: {error}"
        )
    typer.echo(f"{planned.plan.project} in {env}, against: {said}")
    typer.echo("\n".join(explain.summary(planned.plan)))
    typer.echo("\n".join([*explain.lines(shown, planned.plan, infra, differ), *explain.bounds(planned.plan)]))
    _advised(advised)


def _rows(wiring: "Wiring", old: "Plan | None", new: "Plan") -> dict[str, tuple[str, str]]:
    from catchwater.runtimes.diff import changed_rows
    from catchwater.runtimes.opened import locate

    locate(wiring)
    return changed_rows(wiring, old, new) if old else {}


def _infra(old: "Plan | None", new: "Plan", project: Path) -> "list[Change]":
    if not new.clouds:
        return []
    from catchwater.infra.changes import changes

    return changes(old, new, project)


def lookml(
    project: ProjectFolder = Path(),
    env: Env = "local",
    stale: Annotated[bool, typer.Option("--check", help="Write nothing; fail when looker/ is stale.")] = False,
    made: Annotated[
        Path | None, typer.Option("--plan", help="A built plan.json to write from, where no source is.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write looker/ from the models: manifest, model, views, explores, a dashboard."""
    from catchwater.runtimes.planning import open_project, plan_project, read_plan
    from catchwater.serve.lookml import lookml as make
    from catchwater.serve.lookml_rules import problems

    files = make(read_plan(made) if made else plan_project(open_project(project, env)).plan)
    if found := problems(files):
        raise UseError("the LookML breaks its own rules:\n" + "\n".join(found))
    folder = project / "looker"
    there = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    changed = [name for name, text in files.items() if name not in there or there[name].read_text() != text]
    gone = [name for name in there if name not in files and name.endswith((".lkml", ".lookml"))]
    if stale:
        if changed or gone:
            raise UseError(f"looker/ is stale: {', '.join([*changed, *gone])}", next_step="catchwater lookml")
    else:
        for name in changed:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(files[name])
        for name in gone:
            there[name].unlink()
    if as_json:
        emit({"folder": str(folder), "files": sorted(files), "changed": changed, "removed": gone})
        return
    typer.echo(f"{folder}: {len(files)} files, {len(changed)} changed, {len(gone)} removed")


def schema() -> None:
    """Print the JSON Schema of catchwater.yml."""
    from catchwater.project.jsonschema import json_schema

    emit(json_schema())


keys = typer.Typer(no_args_is_help=True, help="Keys of the API: stored hashed, shown once.")
KeyName = Annotated[str, typer.Argument(help="The key's name.")]


def _held(project: Path) -> "Keys":
    from catchwater.runtimes.planning import open_project
    from catchwater.serve.access import Keys

    return Keys(open_project(project).state / "keys.json")


@keys.command("create")
def create_key(
    name: KeyName,
    project: ProjectFolder = Path(),
    scope: Annotated[list[str] | None, typer.Option("--scope", help="read, publish, operate or metrics.")] = None,
    role: Annotated[str | None, typer.Option("--role", help="A role of serve.api.roles.")] = None,
    as_json: Json = False,
) -> None:
    """Make a key and show it, this once."""
    token = _held(project).create(name, scope or ["read"], role)
    if as_json:
        emit({"name": name, "token": token})
    else:
        typer.echo(f"{name}: {token}\nkeep it, it isn't shown again")


@keys.command("list")
def list_keys(project: ProjectFolder = Path(), as_json: Json = False) -> None:
    """The keys that there are, without their secrets."""
    found = _held(project).list()
    if as_json:
        emit(found)
    else:
        typer.echo("\n".join(f"{key['name']}  {', '.join(key['scopes'])}" for key in found) or "no keys yet")


@keys.command("revoke")
def revoke_key(name: KeyName, project: ProjectFolder = Path()) -> None:
    """End a key at once."""
    _held(project).revoke(name)
    typer.echo(f"{name}: revoked")


COMMANDS = {"init": init, "check": check, "plan": plan, "lookml": lookml, "schema": schema}
