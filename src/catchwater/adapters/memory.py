"""How much memory one DuckDB of this process may take; what it does beyond is spilled, and that is its own affair."""

import os
from pathlib import Path

MOST = 4 << 30  # bytes that are tried where little memory is too little
SHARE = 0.6  # of what the process may have: the rest is Python's, and what DuckDB takes outside its own limit
REST = 256 << 20  # which is at least so much (a comparison of 20 M rows took 200 MB more than its limit)
_LAMBDA = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def limit(most: int) -> int:
    """Bytes: SHARE of the machine's memory, of the function's or of the container's, whichever is least, and all but
    REST of it (where it is very little, a quarter), at most `most`."""
    there = min(_machine(), _function(), *map(_container, _CGROUPS))
    return min(most, int(there * SHARE), max(there - REST, there // 4))


def _machine() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _function() -> int:
    """What Lambda says, in MB; a number without end elsewhere."""
    told = os.environ.get(_LAMBDA, "")
    return int(told) << 20 if told.isdecimal() and int(told) else 1 << 62


def _container(told: Path) -> int:
    try:
        text = told.read_text().strip()
    except OSError:
        return 1 << 62
    return int(text) if text.isdecimal() and int(text) else 1 << 62
