"""Waiting for something that another process or thread does, with a deadline."""

import time
from collections.abc import Callable
from typing import Any

DEADLINE = 60.0


def until(what: Callable[[], Any], said: str, deadline: float = DEADLINE) -> Any:
    """What `what` returns once that is true; AssertionError with `said` when it never is."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(said)
