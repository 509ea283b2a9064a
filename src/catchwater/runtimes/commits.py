"""Files of a project as they stand in a commit of git; git is asked, nothing of it is changed."""

import io
import subprocess
import tarfile
from pathlib import Path

from catchwater.errors import UseError


def resolved(folder: Path, commit: str) -> str:
    """The commit's short name; raises UseError for one that isn't there, or a folder that git doesn't know."""
    if commit.startswith("-"):
        raise UseError(f"not a commit: {commit}")
    try:
        found = _git(folder, "rev-parse", "--verify", "--quiet", "--short", f"{commit}^{{commit}}")
    except FileNotFoundError as error:
        raise UseError("git isn't installed", next_step="compare with a file: --against-file OLD.sql") from error
    if found.returncode:
        raise UseError(
            f"git knows no commit {commit} here",
            where=str(folder),
            next_step="name a branch, a tag or a commit, or compare with a file: --against-file OLD.sql",
        )
    return found.stdout.decode().strip()


def unpacked(folder: Path, commit: str, path: str, into: Path) -> None:
    """Write what the commit has of `path` (a folder of the project) under `into`; nothing when it has none."""
    found = _git(folder, "archive", "--format=tar", commit, path)
    if found.returncode:
        return
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        archive.extractall(into, filter="data")


def _git(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True)
