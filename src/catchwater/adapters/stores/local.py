"""A zone in a folder of this machine: objects appear whole and at once, and nothing is ever overwritten."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from catchwater.adapters.stores.keys import TEMPORARY, parts
from catchwater.errors import AlreadyExists, LakeError, NotFound
from catchwater.ports import Stored


class LocalStore:
    """`folder` is made when first written to. An object is a hard link to a finished, synced file: whoever sees it
    sees all of it, and the second writer of a key gets AlreadyExists."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._recorded: set[Path] = set()

    def head(self, key: str) -> int | None:
        path = self._path(key)
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _refused(error, path) from error
        return status.st_size if path.is_file() else None

    def read(self, key: str) -> bytes:
        path = self._path(key)
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise NotFound("no such object", where=str(path)) from error
        except OSError as error:
            raise _refused(error, path) from error

    def create(self, key: str, data: bytes) -> None:
        self._place(self._path(key), lambda file: file.write(data))

    def upload(self, key: str, path: Path, *, ours: bool = False) -> None:
        if ours and self._take(path, self._path(key)):
            return

        def copy(file: BinaryIO) -> None:
            with path.open("rb") as source:
                shutil.copyfileobj(source, file, 1 << 20)

        self._place(self._path(key), copy)

    def fetch(self, key: str) -> Path:
        path = self._path(key)
        if self.head(key) is None:
            raise NotFound("no such object", where=str(path))
        return path

    def delete(self, key: str) -> None:
        """For the sweep alone: no stage sees it."""
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
            _sync(path.parent)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise _refused(error, path) from error

    def list(self, prefix: str) -> Iterator[Stored]:
        """Objects whose key begins with `prefix`, by key."""
        found = []
        for folder, _, names in os.walk(self._folder / prefix.rpartition("/")[0]):
            for name in names:
                path = Path(folder, name)
                key = path.relative_to(self._folder).as_posix()
                if not name.startswith(TEMPORARY) and key.startswith(prefix):
                    found.append((key, path))
        for key, path in sorted(found):
            status = path.stat()
            yield Stored(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def _path(self, key: str) -> Path:
        return self._folder.joinpath(*parts(key))

    def _make_folder(self, folder: Path) -> None:
        """Make a folder and those above it, each recorded on disk in the one that holds it: also one that another
        process has made, since nobody knows whether it lived to record it."""
        made = not folder.is_dir()
        if not made and (folder in self._recorded or not folder.is_relative_to(self._folder)):
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        if made or folder != self._folder:
            _sync(folder.parent)
        self._recorded.add(folder)

    def _take(self, made: Path, path: Path) -> bool:
        """The file itself, synced, as the object; false where it is on another file system."""
        try:
            self._make_folder(path.parent)
            _sync(made)
            _link(made, path)
            made.unlink()
            _sync(path.parent)
        except OSError as error:
            if error.errno == errno.EXDEV:
                return False
            raise _refused(error, path) from error
        return True

    def _place(self, path: Path, write: Callable[[BinaryIO], object]) -> None:
        temporary = path.with_name(TEMPORARY + uuid4().hex)
        try:
            self._make_folder(path.parent)
            try:
                with temporary.open("xb") as file:
                    write(file)
                    file.flush()
                    os.fsync(file.fileno())
                _link(temporary, path)
                _sync(path.parent)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise _refused(error, path) from error


def _link(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise AlreadyExists("the object exists", where=str(path)) from error


def _sync(path: Path) -> None:
    """A file or folder, as it is, on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refused(error: OSError, path: Path) -> LakeError:
    reason = error.strerror or str(error)
    return LakeError(
        f"the lake's folder can't be used: {reason}",
        where=str(path),
        next_step="see to free space, permissions and (for writing) a file system with hard links",
    )
