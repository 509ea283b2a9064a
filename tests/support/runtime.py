"""A runtime over a small project, in this process, with what it was told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catchwater.runtimes.local import RunReport, Runtime
from catchwater.runtimes.planning import open_project
from catchwater.runtimes.sweep import STEP
from catchwater.runtimes.up import Loop


@contextmanager
def runtime(folder: Path, **variables: str) -> Iterator[Runtime]:
    wiring = open_project(folder, variables=variables)
    made = Runtime(wiring)
    yield made
    for thread in threading.enumerate():
        if thread.name == STEP:  # a sweep that a loop has begun
            thread.join(30)
    made.records.close()
    wiring.close()


def loop(made: Runtime) -> tuple[Loop, list[RunReport]]:
    """A loop that isn't running, and the reports that it tells."""
    told: list[RunReport] = []
    return Loop(made, told.append), told


def steps(report: RunReport) -> dict[str, str]:
    return {step["name"]: step["state"] for step in report.as_dict()["steps"]}
