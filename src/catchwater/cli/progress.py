"""Progress in a terminal: what is being done, while it is done, and a line for every step that did something."""

import sys

from catchwater.cli import show
from catchwater.plan.plan import Step
from catchwater.runtimes.local import Progress
from catchwater.stages.outcome import Outcome


def say(text: str) -> None:
    """One or more lines to standard output, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Terminal(Progress):
    """Lines go to standard output; the moving line to standard error, and only where that is a terminal."""

    def __init__(self) -> None:
        self._status = None
        if sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True).status("")

    def begun(self, step: Step) -> None:
        if self._status:
            self._status.update(f"{step.name} …")
            self._status.start()

    def done(self, outcome: Outcome) -> None:
        if self._status:
            self._status.stop()
        if outcome.moved or outcome.failed:
            say(show.outcome(outcome))
