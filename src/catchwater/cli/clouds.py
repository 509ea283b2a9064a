"""build, package, twin: what a project is in a cloud, as files, and tried here."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catchwater.cli.options import Json, ProjectFolder, emit
from catchwater.errors import UseError

if TYPE_CHECKING:
    from catchwater.plan.plan import Plan

CloudEnv = Annotated[str, typer.Option("--env", help="The environment, one that is in a cloud.")]


def build(
    project: ProjectFolder = Path(),
    env: CloudEnv = "",
    out: Annotated[Path | None, typer.Option("--out", help="Where to write (default: the project).")] = None,
    stale: Annotated[bool, typer.Option("--check", help="Write nothing; fail when what is there is stale.")] = False,
    as_json: Json = False,
) -> None:
    """Write Terraform, CI and a README for one environment. Touches nothing else, and no cloud."""
    from catchwater.infra.compile import build as compiled
    from catchwater.runtimes.planning import clouds

    plan = planned(project, env)
    target = out or project
    files = compiled(plan, project, clouds(project, plan))
    changed = [name for name, data in files.items() if _held(target / name) != data]
    if stale and changed:
        raise UseError(f"stale: {', '.join(changed)}", next_step=f"catchwater build --env {env}")
    for name in changed:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(files[name])
    for name in _left(target, env, files):
        typer.echo(f"{typer.style('warning', fg='yellow')}: {name} is no longer made: delete it", err=True)
    if as_json:
        emit({"folder": str(target), "files": sorted(files), "changed": changed})
        return
    typer.echo(f"{target}: {len(files)} files, {len(changed)} changed")
    typer.echo(f"next: read {target / 'infra' / env / 'README.md'}")


def _left(target: Path, env: str, files: Mapping[str, bytes]) -> list[str]:
    """Roots of this environment that are there and no longer made: Terraform still holds what they created."""
    made = {name.rpartition("/")[0] for name in files}
    found = (target / "infra" / env).glob("*/**/main.tf")
    names = [path.relative_to(target).as_posix() for path in sorted(found) if ".terraform" not in path.parts]
    return [name for name in names if name.rpartition("/")[0] not in made]


def planned(project: Path, env: str) -> "Plan":
    """The plan of an environment that is in a cloud."""
    from catchwater.runtimes.planning import open_project, plan_project

    wiring = open_project(project, named(env))
    if not wiring.loaded.project.in_cloud:
        raise UseError(f"{env} is in no cloud", next_step="give it `aws:` or `google:` in catchwater.yml")
    return plan_project(wiring).plan


def named(env: str) -> str:
    if not env:
        raise UseError("--env is missing", next_step="name an environment that has `aws:` or `google:`")
    return env


def _held(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def package(project: ProjectFolder = Path(), env: CloudEnv = "", as_json: Json = False) -> None:
    """Write the archives of an environment's functions under infra/ENV/artifacts: the same bytes each time."""
    from catchwater.infra.package import package as packaged

    made = [(str(path), path.stat().st_size) for path in packaged(planned(project, env), project)]
    if as_json:
        emit({"archives": [{"path": path, "bytes": size} for path, size in made]})
        return
    for path, size in made:
        typer.echo(f"{path}: {size / 1e6:.1f} MB")
    if not made:
        typer.echo(f"{env} has no function that runs from an archive")


def twin(
    project: ProjectFolder = Path(),
    env: CloudEnv = "",
    cut: Annotated[str, typer.Option("--break", help="Then take grants away in turn: all, or those named so.")] = "",
    as_json: Json = False,
) -> None:
    """Try an environment as a cloud on this machine: Terraform, roles, functions, alarms; ends with a receipt."""
    from catchwater.infra.twin.environment import require

    require()
    from catchwater.infra.twin.session import session
    from catchwater.runtimes.planning import open_project, plan_project
    from catchwater.runtimes.stand_ins import stand_ins

    open_project(project, named(env))
    said = session(project, env, lambda text: typer.echo(text, err=True))
    with said as held, stand_ins(project, held.work / "beside") as beside:
        wiring = open_project(project, env, beside.variables)
        receipt = held.run(plan_project(wiring).plan, wiring.loaded, beside, cut=cut)
    if as_json:
        emit(receipt.as_dict())
    else:
        typer.echo(receipt.text(), nl=False)
    raise typer.Exit(0 if receipt.clean else 1)


COMMANDS = {"build": build, "package": package, "twin": twin}
