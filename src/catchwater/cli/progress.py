"""Progress in a terminal: what is being done, while it is done, and a line for every step that did something."""

import typer
from rich.console import Console

from catchwater.cli import show
from catchwater.plan.plan import Step
from catchwater.runtimes.local import Progress
from catchwater.stages.outcome import Outcome


class Terminal(Progress):
    """Lines go to standard output; the moving line to standard error, and only where that is a terminal."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._status = console.status("") if console.is_terminal else None

    def begun(self, step: Step) -> None:
        if self._status:
            self._status.update(f"{step.name} …")
            self._status.start()

    def done(self, outcome: Outcome) -> None:
        if self._status:
            self._status.stop()
        if outcome.moved or outcome.failed:
            typer.echo(show.outcome(outcome))
