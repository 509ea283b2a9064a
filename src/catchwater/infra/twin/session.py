"""One run of the twin from its command: a folder of its own, one run at a time, and an end to everything it started."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from catchwater.errors import AlreadyRunning
from catchwater.infra.twin.receipt import Receipt
from catchwater.plan.plan import Plan
from catchwater.project.loaded import Loaded

if TYPE_CHECKING:
    from catchwater.infra.twin.standing import Beside

LEFT = ("beside", "terraform", "emulator/tmp", "state", "infra/artifacts")  # bulky, and of no use afterwards


@dataclass(frozen=True)
class Session:
    """`work` holds what the run leaves: the roots, Terraform's and the emulator's logs, receipt.json."""

    work: Path
    say: Callable[[str], None]

    def run(self, plan: Plan, loaded: Loaded, beside: "Beside", *, cut: str = "") -> Receipt:
        """The receipt; `cut` is `all`, or a text that the names of permissions to take away have in them. Raises what
        stands in the way of a trial: TerraformFailed, TwinFailed, UseError."""
        from catchwater.infra.twin.proving import broken, proven
        from catchwater.infra.twin.standing import Job
        from catchwater.infra.twin.trial import trial

        began = time.monotonic()
        with trial(Job(plan, loaded, self.work, beside, self.say)) as held:
            receipt = proven(held, began)
            if cut:
                chosen = broken(held, lambda one: cut == "all" or cut in one.name)
                receipt = replace(receipt, cut=chosen, seconds=time.monotonic() - began)
        (self.work / "receipt.json").write_text(json.dumps(receipt.as_dict(), indent=2) + "\n")
        return receipt


@contextmanager
def session(project: Path, environment: str, say: Callable[[str], None]) -> Iterator[Session]:
    """`.catchwater/twin/<environment>`, emptied; raises AlreadyRunning. Ends as it should on SIGTERM too."""
    work = (project / ".catchwater" / "twin" / environment).resolve()
    work.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with (work.parent / f"{environment}.lock").open("w") as guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AlreadyRunning(f"a twin of {environment} runs already", where=str(work)) from error
        shutil.rmtree(work)
        work.mkdir()
        with _ended():
            try:
                yield Session(work, lambda text: say(f"{time.monotonic() - began:6.1f} s  {text}"))
            finally:
                for name in LEFT:
                    shutil.rmtree(work / name, ignore_errors=True)


@contextmanager
def _ended() -> Iterator[None]:
    """SIGTERM ends the run as Ctrl-C does; gRPC's threads keep quiet about the processes that are started."""

    def end(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    before = None
    with contextlib.suppress(ValueError):  # not the main thread: whoever runs it there ends it
        before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)
