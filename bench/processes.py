"""Processes timed from start to end, and what the database server spent meanwhile."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Timing:
    """Seconds of wall clock, of the client's CPU and of the server's; megabytes of the client at its peak."""

    wall: float
    cpu: float
    server: float
    megabytes: float


def _environment() -> dict[str, str]:
    """This process's own; bytecode is kept, as in an installation: else programs compile themselves each time."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Clock:
    """Times processes against one server, whose data lies in `data`."""

    def __init__(self, data: Path, output: Path) -> None:
        self._postmaster = int((data / "postmaster.pid").read_text().split()[0])
        self.output = output

    def timed(self, command: list[str], env: dict[str, str] | None = None) -> Timing:
        """One process from start to end; its output is shown only when it fails."""
        before, began = self._server(), time.perf_counter()
        with self.output.open("wb") as output:
            child = subprocess.Popen(command, stdout=output, stderr=output, env={**_environment(), **(env or {})})
            _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        if child.returncode:
            sys.exit(f"{' '.join(command)} ended with {child.returncode}\n{self.output.read_text()[-4000:]}")
        cpu = usage.ru_utime + usage.ru_stime
        return Timing(wall, cpu, self._server() - before, usage.ru_maxrss / 1024)

    def _server(self) -> float:
        """CPU seconds of the postmaster, of its processes, and of those that have ended."""
        ticks = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended: the postmaster counts it
            if int(path.parent.name) == self._postmaster:
                ticks += sum(map(int, fields[11:15]))
            elif int(fields[1]) == self._postmaster:
                ticks += sum(map(int, fields[11:13]))
        return ticks / _TICKS
