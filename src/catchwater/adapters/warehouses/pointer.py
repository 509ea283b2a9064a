"""`current.json`: which of the two files is published; replaced whole, durable, and doubted when it doesn't fit."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from catchwater.ports import Version

FILES = ("left.duckdb", "right.duckdb")


@dataclass(frozen=True)
class Pointer:
    """`size` is that of the file when it was published, in bytes."""

    file: str
    version: Version
    size: int = 0


@dataclass(frozen=True)
class Staged:
    """A pointer written and synced under another name; `place` makes it the one."""

    path: Path
    target: Path
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", self.target.parent)

    def place(self) -> None:
        self.path.replace(self.target)
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read(folder: Path) -> Pointer | None:
    """None when there is no pointer, or one that can't be read, or whose file isn't as it was published.

    The file is only looked at, never opened: closing it would drop DuckDB's lock on it.
    """
    try:
        pointer = _parse(json.loads((folder / "current.json").read_bytes()))
        size = (folder / pointer.file).stat().st_size
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return pointer if size == pointer.size else None


def forget(folder: Path) -> None:
    """Before a file is made anew: a load that is killed could leave one of the size that an old pointer names."""
    (folder / "current.json").unlink(missing_ok=True)


def stage(folder: Path, pointer: Pointer) -> Staged:
    cut = {log: list(marker) for log, marker in pointer.version.cut.items()}
    data = {
        "file": pointer.file,
        "version": pointer.version.number,
        "cut": cut,
        "models": dict(pointer.version.models),
        "size": pointer.size,
    }
    path = folder / f".current-{uuid4().hex}.json"
    with path.open("w", encoding="utf-8") as file:
        json.dump(data, file, sort_keys=True, indent=2, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    return Staged(path, folder / "current.json")


def _parse(data: dict[str, object]) -> Pointer:
    file, number, cut, models, size = (data[key] for key in ("file", "version", "cut", "models", "size"))
    if file not in FILES or not isinstance(number, int) or not isinstance(size, int):
        raise ValueError("not a pointer")
    if not isinstance(cut, dict) or not isinstance(models, dict):
        raise ValueError("not a pointer")
    markers = {str(log): (int(seq), str(digest)) for log, (seq, digest) in cut.items()}
    return Pointer(str(file), Version(number, markers, {str(k): str(v) for k, v in models.items()}), size)
