"""A Glue job: its arguments become the handler's environment, and the step is woken once; nothing is decided here."""

import os
import sys
import time
from collections.abc import Callable, MutableMapping, Sequence

from catchwater.errors import UseError
from catchwater.runtimes.deployed import Deployed, answer, open_deployed, say

_AGAIN = 20  # wakes of one job run: what remains is left to the next trigger


def script() -> str:
    """The job's script, as it lies in the artifacts bucket; the package itself comes by --additional-python-modules."""
    return "import sys\n\nfrom catchwater.runtimes.glue import main\n\nsys.exit(main(sys.argv[1:]))\n"


def settings(argv: Sequence[str]) -> dict[str, str]:
    """`--CATCHWATER_STEP x --NAME=value …` as variables; what Glue adds for itself (`--JOB_NAME`, `--TempDir`,
    `--enable-…`) is kept out. Raises UseError for an argument without value."""
    found: dict[str, str] = {}
    waiting = ""
    for word in argv:
        if waiting:
            found[waiting], waiting = word, ""
        elif word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if equals:
                found[name] = value
            else:
                waiting = name
        else:
            raise UseError(f"not an argument of a job: {word[:60]}", next_step="write --NAME value")
    if waiting and _ours(waiting):
        raise UseError(f"the argument --{waiting} has no value", next_step="write --NAME value")
    return {name: value for name, value in found.items() if _ours(name)}


def _ours(name: str) -> bool:
    """Variables are upper case; Glue's own arguments are not, but for a few."""
    return name.replace("_", "").isalnum() and name == name.upper() and not name.startswith("JOB_")


def main(
    argv: Sequence[str],
    environ: MutableMapping[str, str] | None = None,
    open_step: Callable[[MutableMapping[str, str]], Deployed] | None = None,
) -> int:
    """The exit code: 0 when the step did what there was to do, 1 when it failed, so that Glue shows FAILED."""
    environ = os.environ if environ is None else environ
    environ.update(settings(argv))
    began = time.monotonic()
    deployed = (open_step or open_deployed)(environ)
    for _ in range(_AGAIN):
        left = deployed.step.timeout - (time.monotonic() - began)
        report = answer(deployed, "job", left, lambda: None)
        if report.state == "failed":
            return 1
        if left <= 0 or not any(outcome.more for outcome in report.outcomes):
            return 0
        if not report.moved:
            break
    say("warning", "more is left for the next trigger", step=deployed.step.name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
