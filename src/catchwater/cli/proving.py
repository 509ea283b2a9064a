"""verify, backfill, replay, diff, sweep: that nothing is lost, and what to do when something is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catchwater.cli.options import Env, Json, ProjectFolder, emit
from catchwater.errors import UseError

if TYPE_CHECKING:
    from catchwater.wiring import Wiring

Tell = Callable[[str], object]


@contextmanager
def _telling() -> Iterator[Tell]:
    """A moving line on standard error, where that is a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: None
        return
    with console.status("") as status:
        yield lambda text: status.update(f"{text} …")


def verify(
    project: ProjectFolder = Path(),
    env: Env = "local",
    source: Annotated[list[str] | None, typer.Option("--source", help="Only this source; may be repeated.")] = None,
    model: Annotated[list[str] | None, typer.Option("--model", help="Only this model; may be repeated.")] = None,
    drop: Annotated[
        bool, typer.Option("--drop-checkpoints", help="First let go of what was rolled, and read every batch again.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Prove it: every file and chain, every row against its source, its model in full, and the warehouse.

    Changes nothing (but with --drop-checkpoints); exit 1 when anything is wrong, with what to do about it.
    """
    from catchwater.cli import proofs
    from catchwater.runtimes.opened import open_applied
    from catchwater.runtimes.verify import Only, drop_checkpoints
    from catchwater.runtimes.verify import verify as check

    wiring, plan = open_applied(project, env)
    only = Only(tuple(source or ()), tuple(model or ()))
    if drop:
        drop_checkpoints(plan, wiring, only)
    with _telling() as tell:
        found = check(plan, wiring, only, tell)
    emit(found) if as_json else typer.echo(proofs.verified(found))
    raise typer.Exit(1 if found["problems"] else 0)


Lake = Annotated[str, typer.Option("--env", "--lake", help="The environment whose lake is read.")]


def diff(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    project: ProjectFolder = Path(),
    against: Annotated[
        str, typer.Option("--against", help="A git commit, branch or tag that has the old SELECT.")
    ] = "HEAD",
    file: Annotated[Path | None, typer.Option("--against-file", help="A file that has the old SELECT.")] = None,
    examples: Annotated[int, typer.Option("--examples", min=0, max=1000, help="Rows shown of each kind.")] = 5,
    env: Lake = "local",
    form: Annotated[str, typer.Option("--format", help="text, json or markdown.")] = "text",
    as_json: Json = False,
) -> None:
    """What a changed model changes: rows, columns and measures, old SELECT against new over the same rows."""
    from catchwater.cli import proofs
    from catchwater.runtimes import diff as diffs
    from catchwater.runtimes.opened import open_applied

    forms = {"text": proofs.diffed, "markdown": proofs.diffed_as_markdown, "json": None}
    form = "json" if as_json else form
    if form not in forms:
        raise UseError(f"--format {form} isn't known", next_step=f"use one of: {', '.join(forms)}")
    wiring, plan = open_applied(project, env)
    with _telling() as tell:
        tell(f"computing {model} twice")
        found = diffs.diff(plan, wiring, model, diffs.Against(against, file), examples)
    write = forms[form]
    emit(diffs.as_dict(found)) if write is None else typer.echo(write(found))


Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]… [PROJECT]", help="What, then the project's folder.")
]


def _named(arguments: list[str] | None) -> tuple[list[str], Path]:
    """A last argument that is a project's folder, or can't be a name, is the project."""
    given = list(arguments or [])
    if given and ({"/", "."} & {given[-1][:1], given[-1][-1:]} or (Path(given[-1]) / "catchwater.yml").is_file()):
        return given[:-1], Path(given[-1])
    return given, Path()


def backfill(
    what: Names = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Only from this moment on: 2026-11-01, 2026-11-01T06:00Z.")
    ] = None,
    env: Env = "local",
    as_json: Json = False,
) -> None:
    """Read sources again, whole or since a moment, and write what differs; NAME is SOURCE or SOURCE.TABLE.

    May be stopped at any time: the next run goes on with it.
    """
    from catchwater.cli import proofs
    from catchwater.runtimes.backfill import again
    from catchwater.runtimes.opened import open_applied

    names, project = _named(what)
    wiring, plan = open_applied(project, env)
    led = again(plan, wiring, names, _moment(since))
    if wiring.loaded.project.in_cloud:
        _elsewhere([vars(one) for one in led], as_json)
        return
    report = _woken(wiring, {f"ingest:{one.source}" for one in led}, "backfill", as_json)
    if as_json:
        emit({"sources": [vars(one) for one in led], "run": report})
    else:
        for one in led:
            done = "were" if report["state"] != "failed" else "are to be"
            typer.echo(f"{one.source}: {len(one.tables)} tables {done} read again (from batch {one.batch} on)")
        typer.echo(proofs.read_again(report))
    raise typer.Exit({"done": 0, "failed": 1, "partly": 3}[report["state"]])


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UseError(
            f"--since {text} isn't a moment", next_step="write 2026-11-01 or 2026-11-01T06:00:00Z"
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _elsewhere(done: list[dict[str, Any]], as_json: bool) -> None:
    emit(done) if as_json else typer.echo("committed: the environment's own steps go on from here at their next wake")


def _woken(wiring: "Wiring", steps: set[str], trigger: str, quiet: bool) -> dict[str, Any]:
    from catchwater.cli.progress import Terminal
    from catchwater.runtimes.local import Runtime

    report = Runtime(wiring, None if quiet else Terminal()).wake(steps, trigger)
    wiring.close()
    return report.as_dict()


def replay(what: Names = None, env: Env = "local", as_json: Json = False) -> None:
    """Make models anew from the ingestion zone, and try rows again that sources set aside; NAME is a model or a source.

    Without a name, the rows that every source set aside. Keys and numbers of rows come out the same.
    """
    from catchwater.cli import proofs
    from catchwater.runtimes.opened import open_applied
    from catchwater.runtimes.replay import ingests, replayed, woken

    names, project = _named(what)
    wiring, plan = open_applied(project, env)
    with _telling() as tell:
        tell("replaying")
        done = replayed(plan, wiring, names)
    report: dict[str, Any] = {}
    if done.logs and not wiring.loaded.project.in_cloud:
        steps = woken(plan, done.logs) | {step.name for step in ingests(plan, done.logs)}
        report = _woken(wiring, steps, "replay", as_json)
    facts = {
        "sources": done.sources,
        "models": done.models,
        "failures": done.failures,
        "aside": done.aside,
        "run": report,
    }
    emit(facts) if as_json else typer.echo(proofs.replayed(facts))
    failed = done.failures or report.get("state") == "failed"
    raise typer.Exit(1 if failed else 3 if done.aside or report.get("state") == "partly" else 0)


def sweep(
    project: ProjectFolder = Path(),
    env: Env = "local",
    dry: Annotated[bool, typer.Option("--dry-run", help="Remove nothing; say what would go.")] = False,
    as_json: Json = False,
) -> None:
    """Remove files of the lake that no batch names and that are over a week old: what killed runs left behind."""
    from catchwater.cli import proofs
    from catchwater.runtimes.opened import open_applied
    from catchwater.runtimes.sweep import swept

    wiring, plan = open_applied(project, env)
    with _telling() as tell:
        tell("reading the logs")
        found = swept(plan, wiring, dry)
    emit({"dry": dry, "logs": found}) if as_json else typer.echo(proofs.swept(found, dry))


COMMANDS = {"verify": verify, "backfill": backfill, "replay": replay, "diff": diff, "sweep": sweep}
