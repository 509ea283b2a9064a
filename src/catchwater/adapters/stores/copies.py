"""Copies of a remote zone's objects on this disk, kept for good since no object ever changes; it knows no store."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from catchwater.adapters.stores.keys import TEMPORARY, parts
from catchwater.errors import LakeError


def copy(cache: Path, key: str, download: Callable[[str, Path], None]) -> Path:
    """The object's bytes under `cache`: there already, or written by `download(key, path)` and then renamed, so that a
    copy is whole or isn't there. Raises LakeError when the disk refuses, and what `download` raises."""
    target = cache.joinpath(*parts(key))
    if target.is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(TEMPORARY + uuid4().hex)
        try:
            download(key, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise LakeError(f"the cache can't be written: {error.strerror}", where=str(target)) from error
    return target
