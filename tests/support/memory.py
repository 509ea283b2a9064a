"""How much memory a process has had since its program began; `ru_maxrss` counts what its parent had when it forked."""

from pathlib import Path


def most_memory(pid: int | str = "self") -> int:
    """The most resident memory, in KiB; 0 for a process that is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM")), 0)
