"""The commands and what they share: project, environment, --json, errors and exit codes."""

import json
import os
import sys
import traceback
from typing import Any

import typer

from catchwater import __version__
from catchwater.cli import clouds, declaring, proving, reading, running
from catchwater.errors import CatchwaterError, ProjectError, UseError

STOPPED = 130  # by Ctrl-C, as a shell says it
Misuse: Any = typer.BadParameter.__base__  # the command line's own errors, from whichever click typer has

app = typer.Typer(
    name="catchwater",
    help="Bring data from production systems to the people who use it: captured, modelled, loaded, served.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)
for module in (declaring, running, reading, proving, clouds):
    for name, command in module.COMMANDS.items():
        app.command(name)(command)
app.add_typer(declaring.keys, name="keys")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"catchwater {__version__}")
        raise typer.Exit


@app.callback()
def top(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Bring data from production systems to the people who use it: captured, modelled, loaded, served."""


def main() -> None:
    """Run a command; a user's mistake ends with words and exit code 1 or 2, never with a stack trace."""
    sys.exit(_run())


def _run() -> int:
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        return ended(error)
    if code == STOPPED:
        typer.echo("stopped", err=True)
    return code if isinstance(code, int) else 0


def ended(error: BaseException) -> int:
    """Tell how a command ended that didn't come through; the exit code."""
    if isinstance(error, CatchwaterError):
        _tell(error)
        return error.exit_code
    if isinstance(error, Misuse):
        return _misused(error)
    if isinstance(error, typer.Abort | KeyboardInterrupt):
        typer.echo("stopped", err=True)
        return STOPPED
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    if isinstance(error, OSError):
        where = str(error.filename or "")
        _tell(CatchwaterError(f"the system refuses: {error.strerror or error}", where=where))
        return 1
    return _fault(error)


def _fault(fault: BaseException) -> int:
    if os.environ.get("CATCHWATER_DEBUG"):
        traceback.print_exception(fault)
    _say({"error": type(fault).__name__, "message": str(fault)}, f"a fault in Catchwater itself: {fault!r}")
    typer.echo("  next: CATCHWATER_DEBUG=1 shows where; please report it", err=True)
    return 1


def _misused(error: Any) -> int:
    if "--json" in sys.argv:
        _say({"error": UseError.__name__, "message": error.format_message()}, "")
    else:
        error.show()
    return int(error.exit_code)


def _tell(error: CatchwaterError) -> None:
    data: dict[str, Any] = {"error": type(error).__name__, "message": str(error)}
    if isinstance(error, ProjectError):
        data["problems"] = [vars(problem) for problem in error.problems]
    _say(data, str(error))


def _say(data: dict[str, Any], text: str) -> None:
    if "--json" in sys.argv:
        typer.echo(json.dumps(data, ensure_ascii=False))
    else:
        typer.echo(f"{typer.style('error', fg='red', bold=True)}: {text}", err=True)
