"""`catchwater run` in its plain form, which schedulers start all day: it waits for no library of the command line."""

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catchwater.runtimes.local import Runtime


@dataclass
class Asked:
    """What `catchwater run` is told."""

    project: Path = Path()
    env: str = "local"
    as_json: bool = False


def asked(arguments: Sequence[str]) -> Asked | None:
    """`run [PROJECT] [--env ENV] [--json]`; None for anything else, wrong or right."""
    if not arguments or arguments[0] != "run":
        return None
    found, folders, rest = Asked(), [], list(arguments[1:])
    while rest:
        word = rest.pop(0)
        if word == "--json":
            found.as_json = True
        elif word == "--env" and rest and not rest[0].startswith("-"):
            found.env = rest.pop(0)
        elif not word.startswith("-"):
            folders.append(word)
        else:
            return None
    if len(folders) > 1:
        return None
    found.project = Path(*folders)
    return found


def quick(wanted: Asked) -> int:
    """The exit code; errors are told as for every command."""
    try:
        code = once(wanted)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        from catchwater.cli.commands import ended

        return ended(error)
    return code


def once(wanted: Asked) -> int:
    """Every stage until nothing is left to do; the exit code (3: partly done, and it says what)."""
    from catchwater.runtimes.room import room
    from catchwater.runtimes.warm import warm

    state = wanted.project / ".catchwater"
    with ExitStack() as stack:
        if state.is_dir():  # what is begun early takes its room here too
            stack.enter_context(room(state))
            warm(state / "project.json")
        return _once(wanted, stack)


def _once(wanted: Asked, stack: ExitStack) -> int:
    """In the order in which others wait for it: the sources are asked what they have while the rest is imported."""
    from catchwater.runtimes.planning import ask, open_project
    from catchwater.runtimes.room import room
    from catchwater.runtimes.warm import rest

    wiring = open_project(wanted.project, wanted.env, again=True)
    stack.enter_context(room(wiring.state))
    asked_for = ask(wiring)
    from catchwater.cli import show
    from catchwater.cli.progress import Terminal, say
    from catchwater.runtimes.local import Runtime

    runtime = Runtime(wiring, None if wanted.as_json else Terminal(), described=asked_for)
    rest(wiring)
    report = runtime.run()
    wiring.close()
    if wanted.as_json:
        say(json.dumps(report.as_dict(), ensure_ascii=False, indent=2, default=str))
    else:
        _after(runtime, report.moved, show.report(report, str(wanted.project)), wanted.project)
    return report.exit_code


def _after(runtime: "Runtime", moved: bool, text: str, project: Path) -> None:
    from catchwater.cli.progress import say

    if not moved and not text:
        say("nothing new")
    if text:
        say(text)
    models = [model for model in runtime.plan.models if model.materialized != "view"]
    if models:
        model = next((m for m in models if m.references), models[0])
        name = f"{model.name}_current" if model.history else model.name
        where = "" if str(project) == "." else f" {project}"
        say(f"next: catchwater query {_from(name)}{where}  ·  catchwater up{where}")


def _from(name: str) -> str:
    """A query to try, as a shell takes it; a name that SQL keeps for itself is quoted."""
    import duckdb

    from catchwater.project import names

    plain = names.is_plain(name) and duckdb.tokenize(name) == [(0, duckdb.token_type.identifier)]
    return f'"from {name} limit 5"' if plain else f"'from {names.quote(name)} limit 5'"
