"""From a file as it came to plain bytes: gz, zip, and text encodings; bounded, whatever the archive claims."""

import codecs
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from catchwater.errors import SourceRefused

RATIO = 1000
FREE = 64 << 20
_CHUNK = 1 << 20


def unpack(path: Path, target: Path, max_bytes: int, where: str) -> Path:
    """The plain file: `path` itself, or `target`. At most `max_bytes`, and over FREE bytes RATIO times the packed.

    Raises SourceRefused for a damaged, encrypted or many-file archive, and for one that unpacks to too much.
    """
    with path.open("rb") as file:
        magic = file.read(4)
    if magic[:2] == b"\x1f\x8b":
        opened = _gunzipped(path, where)
    elif magic == b"PK\x03\x04":
        opened = _unzipped(path, where)
    else:
        return path
    _write(opened, target, min(max_bytes, max(FREE, path.stat().st_size * RATIO)), where)
    return target


def to_utf8(path: Path, target: Path, encoding: str, where: str) -> Path:
    """The file in UTF-8 (`path` itself when it is declared to be); SourceRefused where it isn't in `encoding`."""
    if encoding == "utf-8":
        return path
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file, target.open("wb") as out:
            while data := file.read(_CHUNK):
                out.write(decoder.decode(data).encode("utf-8"))
            out.write(decoder.decode(b"", final=True).encode("utf-8"))
    except UnicodeError as error:
        raise SourceRefused(f"the file isn't {encoding}", where=where, next_step="declare its encoding") from error
    return target


def _gunzipped(path: Path, where: str) -> Iterator[bytes]:
    with path.open("rb") as file:
        decoder = zlib.decompressobj(31)
        data = file.read(_CHUNK)
        while data or not decoder.eof:
            if decoder.eof:
                decoder = zlib.decompressobj(31)
            try:
                plain = decoder.decompress(data, _CHUNK)
            except zlib.error as error:
                raise SourceRefused(f"the gz file is damaged: {error}", where=where) from error
            if not data and not plain:
                raise SourceRefused("the gz file ends too early", where=where, next_step="fetch it again")
            yield plain
            data = decoder.unconsumed_tail or decoder.unused_data or file.read(_CHUNK)


def _unzipped(path: Path, where: str) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            inside = [
                each for each in archive.infolist() if not each.is_dir() and not each.filename.startswith("__MACOSX/")
            ]
            if len(inside) != 1:
                raise SourceRefused(f"the zip holds {len(inside)} files, not one", where=where)
            if inside[0].flag_bits & 1:
                raise SourceRefused("the zip is encrypted", where=where)
            with archive.open(inside[0]) as file:
                while data := file.read(_CHUNK):
                    yield data
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise SourceRefused(f"the zip is damaged: {error}", where=where) from error


def _write(data: Iterator[bytes], target: Path, limit: int, where: str) -> None:
    size = 0
    with target.open("wb") as out:
        for chunk in data:
            size += len(chunk)
            if size > limit:
                raise SourceRefused(
                    f"the file unpacks to more than {limit} bytes",
                    where=where,
                    next_step="raise the source's max_bytes if it should be",
                )
            out.write(chunk)
