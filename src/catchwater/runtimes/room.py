"""Where this process puts the files that it works with, and what a killed one left there; no stage is known here."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LEFT = 24 * 3600.0  # seconds after which a folder belongs to nobody any more


@contextmanager
def room(state: Path) -> Iterator[None]:
    """Temporary files lie on the disk that has the project, unless TMPDIR names another place: /tmp is memory on many
    machines, and what is staged there would be copied once more."""
    if os.environ.get("TMPDIR"):
        yield
        return
    folder, before = state / "tmp", tempfile.tempdir
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def _sweep(folder: Path) -> None:
    for path in folder.glob("catchwater-*"):
        try:
            old = time.time() - path.stat().st_mtime > LEFT
        except OSError:
            continue  # its process has just ended
        if old:
            shutil.rmtree(path, ignore_errors=True)
