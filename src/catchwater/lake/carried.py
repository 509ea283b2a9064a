"""Columns of Parquet files carried into another file as they stand, packed as they are; no value is decoded here."""

import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from catchwater.lake.thrift import BINARY, I32, I64, LIST, STRUCT, Reader, Struct, Unreadable, number, written

# Fields of Parquet's footer, by the numbers of parquet.thrift.
_SCHEMA, _ROWS, _GROUPS, _PAIRS, _ORDERS, _ENCRYPTED = 2, 3, 4, 5, 7, 8
_REPETITION, _NAME, _CHILDREN = 3, 4, 5
_COLUMNS, _UNPACKED, _GROUP_ROWS, _BEGIN, _PACKED = 1, 2, 3, 5, 6
_META = 3
_PATH, _SIZE, _RAW_SIZE, _DATA, _INDEX, _DICTIONARY, _BLOOM, _BLOOM_SIZE = 3, 7, 6, 9, 10, 11, 14, 15
_ELSEWHERE = {1, 8, 9}  # the path of another file, and two of encryption
_BOOLEAN, _OPTIONAL, _PLAIN, _RLE, _GZIP = 0, 1, 0, 3, 2
_MAGIC = b"PAR1"
_BLOCK = 1 << 20
_FOOTERS = 2 << 20  # bytes of all footers together; in memory they are forty times as large


class Unfit(Exception):
    """Files whose columns can't be carried: the rows are to be read and written instead."""


@dataclass(frozen=True)
class Held:
    """One Parquet file to carry from: its footer, and the schema of each of its columns with what is within it."""

    path: Path
    footer: Struct
    columns: Mapping[str, tuple[Struct, ...]]


def rows_of(path: Path) -> int:
    """How many rows a Parquet file has. Raises Unfit."""
    try:
        return int(Reader(_footer(path)).struct(_ROWS)[_ROWS][1])
    except (Unreadable, KeyError) as error:
        raise Unfit(f"{path} isn't a Parquet file: {error!r}") from error


def carry(sources: Sequence[Path], target: Path, columns: Sequence[tuple[str, str]], marked: str) -> None:
    """Write `target` with all rows of the `sources`: `columns` as (name there, name here), then `marked`, a column
    that is false in each row. Row groups, encodings and statistics stay as they are.

    Raises Unfit when a file lacks a column, has it otherwise than the first one, or isn't of a kind that is known, and
    OSError; then there is no target."""
    try:
        footers = [_footer(path) for path in sources]
        if sum(map(len, footers)) > _FOOTERS:
            raise Unfit("the footers are too large for the memory that there is")
        held = [_held(path, data) for path, data in zip(sources, footers, strict=True)]
        _write(held, target, columns, marked)
    except (Unreadable, KeyError, IndexError, TypeError) as error:
        raise Unfit(f"its footer isn't as it is known: {error!r}") from error


def _write(held: Sequence[Held], target: Path, columns: Sequence[tuple[str, str]], marked: str) -> None:
    schema = _schema(held, columns, marked)
    try:
        with target.open("xb") as file:
            made = _Made(file, columns, marked)
            for one in held:
                made.take(one)
            made.end(held[0].footer, schema)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _footer(path: Path) -> bytes:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 8, 0))
        tail = file.read(8)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != _MAGIC or length + 12 > size:
            raise Unfit(f"{path} isn't a Parquet file")
        file.seek(size - 8 - length)
        return file.read(length)


def _held(path: Path, data: bytes) -> Held:
    footer = Reader(data).struct()
    if _ENCRYPTED in footer:
        raise Unfit(f"{path} is encrypted")
    return Held(path, footer, _top(footer))


def _top(footer: Struct) -> dict[str, tuple[Struct, ...]]:
    """The schema's elements by column; a nested one has those within it after its own."""
    elements = footer[_SCHEMA][1][1]
    found: dict[str, tuple[Struct, ...]] = {}
    at = 1
    while at < len(elements):
        end, open_ = at, 1
        while open_:
            open_ += elements[end].get(_CHILDREN, (I32, 0))[1] - 1
            end += 1
        found[elements[at][_NAME][1].decode()] = tuple(elements[at:end])
        at = end
    return found


def _schema(held: Sequence[Held], columns: Sequence[tuple[str, str]], marked: str) -> list[Struct]:
    """The elements of the file that is made."""
    first = held[0]
    for other in held:
        for there, _ in columns:
            if other.columns.get(there) != first.columns[there]:
                raise Unfit(f"{there} in {other.path} isn't what it is in {first.path}")
    root = first.footer[_SCHEMA][1][1][0]
    made = [root | {_CHILDREN: (I32, len(columns) + 1)}]
    for there, here in columns:
        top, *within = first.columns[there]
        made += [top | {_NAME: (BINARY, here.encode())}, *within]
    return [*made, {1: (I32, _BOOLEAN), _REPETITION: (I32, _OPTIONAL), _NAME: (BINARY, marked.encode())}]


@dataclass
class _Made:
    """The file that is made, with the row groups written so far."""

    file: BinaryIO
    columns: Sequence[tuple[str, str]]
    marked: str
    groups: list[Struct] = field(default_factory=list)
    rows: int = 0

    def __post_init__(self) -> None:
        self.file.write(_MAGIC)

    def take(self, held: Held) -> None:
        """All row groups of a file, then the Bloom filters of their columns."""
        with held.path.open("rb") as source:
            taken = [self._group(source, group) for group in held.footer[_GROUPS][1][1]]
            for group in taken:
                self._blooms(source, group)
        self.groups += taken
        self.rows += held.footer[_ROWS][1]

    def end(self, footer: Struct, schema: list[Struct]) -> None:
        leaves = sum(1 for element in schema if _CHILDREN not in element)
        whole = footer | {
            _SCHEMA: (LIST, (STRUCT, schema)),
            _ROWS: (I64, self.rows),
            _GROUPS: (LIST, (STRUCT, self.groups)),
            _ORDERS: (LIST, (STRUCT, [{1: (STRUCT, {})}] * leaves)),
        }
        whole.pop(_PAIRS, None)
        data = written(whole)
        self.file.write(data + len(data).to_bytes(4, "little") + _MAGIC)

    def _group(self, source: BinaryIO, group: Struct) -> Struct:
        held: dict[str, list[Struct]] = {}
        for chunk in group[_COLUMNS][1][1]:
            held.setdefault(chunk[_META][1][_PATH][1][1][0].decode(), []).append(chunk)
        rows, began = group[_GROUP_ROWS][1], self.file.tell()
        runs, chunks = _Runs(source, self.file), []
        for there, here in self.columns:
            chunks += [_moved(chunk, here, runs.place(*_place(chunk))) for chunk in held[there]]
        runs.end()
        chunks.append(self._false(rows))
        sizes = [chunk[_META][1] for chunk in chunks]
        return {
            _COLUMNS: (LIST, (STRUCT, chunks)),
            _UNPACKED: (I64, sum(meta[_RAW_SIZE][1] for meta in sizes)),
            _GROUP_ROWS: (I64, rows),
            _BEGIN: (I64, began),
            _PACKED: (I64, sum(meta[_SIZE][1] for meta in sizes)),
        }

    def _blooms(self, source: BinaryIO, group: Struct) -> None:
        for chunk in group[_COLUMNS][1][1]:
            meta = chunk[_META][1]
            if _BLOOM not in meta:
                continue
            runs = _Runs(source, self.file)
            meta[_BLOOM] = (I64, runs.place(meta[_BLOOM][1], meta[_BLOOM_SIZE][1]))
            runs.end()

    def _false(self, rows: int) -> Struct:
        """The chunk of the column that is false in each row: one page of a bit for each, none of them NULL."""
        levels = number(rows << 1) + b"\x01"
        page = len(levels).to_bytes(4, "little") + levels + bytes((rows + 7) // 8)
        packer = zlib.compressobj(wbits=31)
        packed = packer.compress(page) + packer.flush()
        values = {1: (I32, rows), 2: (I32, _PLAIN), 3: (I32, _RLE), 4: (I32, _RLE)}
        head = written({1: (I32, 0), 2: (I32, len(page)), 3: (I32, len(packed)), 5: (STRUCT, values)})
        at = self.file.tell()
        self.file.write(head + packed)
        meta = {
            1: (I32, _BOOLEAN), 2: (LIST, (I32, [_PLAIN, _RLE])), _PATH: (LIST, (BINARY, [self.marked.encode()])),
            4: (I32, _GZIP), 5: (I64, rows), _RAW_SIZE: (I64, len(head) + len(page)),
            _SIZE: (I64, len(head) + len(packed)), _DATA: (I64, at),
            12: (STRUCT, {3: (I64, 0), 5: (BINARY, b"\0"), 6: (BINARY, b"\0")}),
        }  # fmt: skip
        return {2: (I64, 0), _META: (STRUCT, meta)}


class _Runs:
    """Bytes of one file on their way into another, those that lie behind each other taken at once."""

    def __init__(self, source: BinaryIO, target: BinaryIO) -> None:
        self.source, self.target = source, target
        self.start, self.size, self.at = 0, 0, target.tell()

    def place(self, start: int, size: int) -> int:
        """Where these bytes will stand."""
        if start != self.start + self.size:
            self.end()
            self.start = start
        self.size += size
        return self.at + self.size - size

    def end(self) -> None:
        self.source.seek(self.start)
        left = self.size
        while left:
            block = self.source.read(min(left, _BLOCK))
            if not block:
                raise Unfit("a file ends before its columns do")
            self.target.write(block)
            left -= len(block)
        self.at, self.size = self.at + self.size, 0


def _place(chunk: Struct) -> tuple[int, int]:
    """Where a column's pages begin in their file, and how long they are."""
    meta = chunk[_META][1]
    begins = [meta[name][1] for name in (_DICTIONARY, _DATA) if name in meta]
    return min(begins), meta[_SIZE][1]


def _moved(chunk: Struct, here: str, at: int) -> Struct:
    """The same chunk under its new name and at its new place; without the indexes that lie elsewhere in its file."""
    if chunk.keys() & _ELSEWHERE:
        raise Unfit("its columns lie in another file, or are encrypted")
    meta = dict(chunk[_META][1])
    shift = at - _place(chunk)[0]
    for name in (_DATA, _DICTIONARY):
        if name in meta:
            meta[name] = (I64, meta[name][1] + shift)
    meta.pop(_INDEX, None)
    if _BLOOM_SIZE not in meta:
        meta.pop(_BLOOM, None)
    kind, path = meta[_PATH][1]
    meta[_PATH] = (LIST, (kind, [here.encode(), *path[1:]]))
    return {2: (I64, 0), _META: (STRUCT, meta)}
