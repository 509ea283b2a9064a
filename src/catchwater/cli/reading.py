"""query, status, runs, logs, alerts: what is there and what happened; nothing is changed."""

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from catchwater.cli.options import Env, Json, ProjectFolder, emit
from catchwater.errors import UseError, WarehouseError

FOLLOWED = 0.5


def query(
    sql: Annotated[str, typer.Argument(help="A SELECT in DuckDB's SQL.")],
    project: ProjectFolder = Path(),
    env: Env = "local",
    form: Annotated[str, typer.Option("--format", help="table, csv or json.")] = "table",
    as_json: Json = False,
) -> None:
    """Read the warehouse as last published."""
    import duckdb

    from catchwater.cli import rows
    from catchwater.runtimes.planning import open_project

    form = "json" if as_json else form
    if form not in rows.FORMS:
        raise UseError(f"--format {form} isn't known", next_step=f"use one of: {', '.join(rows.FORMS)}")
    wiring = open_project(project, env, again=True)
    with wiring.warehouse().read() as reading, _ended_by_ctrl_c():
        try:
            rows.write(reading.connection, sql, form, sys.stdout)
        except duckdb.Error as error:
            raise WarehouseError(str(error).strip(), next_step="catchwater query 'SHOW TABLES'") from error
    wiring.close()


@contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
    """While DuckDB works on rows it looks at no signal, and reading has nothing to tidy up: let SIGINT just end it."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def status(project: ProjectFolder = Path(), env: Env = "local", as_json: Json = False) -> None:
    """How fresh, how many rows, what fails."""
    from catchwater.cli import show
    from catchwater.runtimes import status as facts
    from catchwater.runtimes.planning import applied_plan, open_project
    from catchwater.runtimes.records import Records

    wiring = open_project(project, env, again=True)
    plan = applied_plan(wiring.state)
    if plan is None:
        raise UseError("nothing has run here yet", next_step=f"catchwater run {project}")
    found = facts.status(plan, wiring, Records(wiring.state))
    wiring.close()
    emit(found) if as_json else typer.echo(show.status(found))


def _which(first: str | None, second: Path | None) -> tuple[int | None, Path]:
    """[NUMBER] [PROJECT]: a first argument that isn't a number is the project."""
    if first is not None and first.isdigit():
        return int(first), second or Path()
    if first is not None and second is not None:
        raise UseError(f"{first} isn't a run's number", next_step="catchwater runs")
    return None, Path(first) if first else Path()


Number = Annotated[str | None, typer.Argument(help="A run's number.", metavar="[NUMBER]")]
Where = Annotated[Path | None, typer.Argument(help="The project's folder.", metavar="[PROJECT]")]


def runs(
    number: Number = None,
    project: Where = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many, newest first.")] = 20,
    quarantine: Annotated[bool, typer.Option("--quarantine", help="What the run set aside, and why.")] = False,
    env: Env = "local",
    as_json: Json = False,
) -> None:
    """The runs, or one of them in full, or what it set aside."""
    from catchwater.cli import show
    from catchwater.runtimes.planning import open_project
    from catchwater.runtimes.quarantined import quarantined
    from catchwater.runtimes.records import Records

    which, folder = _which(number, project)
    wiring = open_project(folder, env, again=True)
    records = Records(wiring.state)
    if which is None:
        found = records.runs(limit)
        emit(found) if as_json else typer.echo(show.runs(found))
        return
    one = records.run(which)
    if one is None:
        raise UseError(f"there is no run {which}", next_step="catchwater runs")
    if quarantine:
        rows = quarantined(wiring, one)
        emit(rows) if as_json else typer.echo(show.quarantine(rows))
        return
    emit(one) if as_json else typer.echo(show.run(one))


def logs(
    number: Number = None,
    project: Where = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many lines, the newest.")] = 200,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new lines (--json: an object a line).")
    ] = False,
    env: Env = "local",
    as_json: Json = False,
) -> None:
    """What was logged, by run or newest."""
    from catchwater.cli import show
    from catchwater.runtimes.planning import open_project
    from catchwater.runtimes.records import Records

    which, folder = _which(number, project)
    records = Records(open_project(folder, env, again=True).state)
    found = records.logs(which, limit)
    if as_json and not follow:
        emit(found)
        return
    after = 0
    while True:
        for line in found:
            typer.echo(json.dumps(line, ensure_ascii=False) if as_json else show.log(line))
            after = line["id"]
        if not follow:
            return
        sys.stdout.flush()
        time.sleep(FOLLOWED)
        found = records.logs_after(which, after)


def alerts(
    project: ProjectFolder = Path(),
    env: Env = "local",
    test: Annotated[bool, typer.Option("--test", help="Send one to every receiver now.")] = False,
    as_json: Json = False,
) -> None:
    """What was sent to whom; --test tries every receiver."""
    from catchwater.cli import show
    from catchwater.runtimes.alerts import Alerts
    from catchwater.runtimes.planning import open_project, plan_project
    from catchwater.runtimes.records import Records

    wiring = open_project(project, env, again=True)
    records = Records(wiring.state)
    if test:
        plan = plan_project(wiring).plan
        refused = Alerts(plan, records, wiring.notifier).test()
        if refused:
            raise refused[0]
    found = records.alerts()
    emit(found) if as_json else typer.echo(show.alerts(found))


COMMANDS = {
    "query": query, "status": status, "runs": runs, "logs": logs, "alerts": alerts,
}  # fmt: skip
