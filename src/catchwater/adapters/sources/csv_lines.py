"""A CSV file read record by record, with line numbers: only for files in which DuckDB found something wrong."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from catchwater.errors import SourceRefused
from catchwater.project.declared_files import FileShape

MAX_LINE = 8 << 20
MAX_RECORD_LINES = 1000
MAX_BAD = 100_000
MAX_KEPT = 60 << 10


@dataclass(frozen=True)
class Bad:
    """A record that can't be taken: its first line, why, its text, and the fields that could be made out."""

    line: int
    reason: str
    text: str
    fields: tuple[str, ...] = ()


@dataclass
class Scanned:
    """How many records were well formed, and those that weren't."""

    good: int = 0
    bad: list[Bad] = field(default_factory=list)


class _Open(Exception):
    """A quoted field that isn't closed in this text."""


class _Malformed(Exception):
    """Why a text isn't a record."""


@dataclass
class _Lines:
    """Physical lines by number, and back: a record that turns out malformed gives its later lines back."""

    file: BinaryIO
    number: int = 0
    waiting: list[bytes] = field(default_factory=list)

    def next(self) -> bytes | None:
        data = self.waiting.pop() if self.waiting else self._read()
        if data:
            self.number += 1
        return data or None

    def back(self, lines: list[bytes]) -> None:
        self.waiting.extend(reversed(lines))
        self.number -= len(lines)

    def _read(self) -> bytes:
        data = self.file.readline(MAX_LINE)
        if len(data) == MAX_LINE and not data.endswith(b"\n"):
            while (rest := self.file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                pass
            data += b"\0"
        return data


def scan(path: Path, good: Path, shape: FileShape, width: int) -> Scanned:
    """Write well-formed records to `good` as CSV, all quoted, their line number first; return the others.

    A record with the wrong number of fields is refused as a whole; one with a quote out of place only in its first
    line, and reading goes on with the next. Raises SourceRefused over MAX_BAD.
    """
    found = Scanned()
    with path.open("rb") as file, good.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
        lines = _Lines(file)
        if shape.header:
            next(_records(lines, shape), None)
        for record in _records(lines, shape):
            if isinstance(record, Bad):
                found.bad.append(record)
            elif len(record[1]) != width:
                line, fields, text = record
                reason = f"{len(fields)} fields, {width} are declared"
                found.bad.append(Bad(line, reason, text[:MAX_KEPT], tuple(fields)))
            else:
                writer.writerow([record[0], *record[1]])
                found.good += 1
            if len(found.bad) > MAX_BAD:
                raise SourceRefused(f"more than {MAX_BAD} bad lines, the first: {found.bad[0].reason}")
    return found


def header(path: Path, shape: FileShape, where: str) -> list[str] | None:
    """The first record's fields; None for a file without any. Raises SourceRefused when it can't be read."""
    with path.open("rb") as file:
        record = next(_records(_Lines(file), shape), None)
    if isinstance(record, Bad):
        raise SourceRefused(f"the header can't be read: {record.reason}", where=f"{where}:{record.line}")
    if record is None:
        return None
    return [word.strip() for word in record[1]]


def _records(lines: _Lines, shape: FileShape) -> Iterator[Bad | tuple[int, list[str], str]]:
    """Line number, fields and text of each record; empty lines are none."""
    while (first := lines.next()) is not None:
        number = lines.number
        data = first.removeprefix(b"\xef\xbb\xbf") if number == 1 else first
        if data.rstrip(b"\r\n"):
            yield _record(lines, data, number, shape)


def _record(lines: _Lines, first: bytes, number: int, shape: FileShape) -> Bad | tuple[int, list[str], str]:
    taken: list[bytes] = []
    data, mark = first, shape.quote.encode()
    while True:
        try:
            text = _text(data)
            return number, fields_of(text, shape.delimiter, shape.quote), text
        except _Malformed as error:
            lines.back(taken)
            return _bad(number, str(error), first, shape)
        except _Open:
            more = _until(lines, mark, MAX_RECORD_LINES - len(taken), MAX_LINE - len(data))
            taken += more
            if not more or mark not in more[-1]:
                lines.back(taken)
                return _bad(number, "a quote that isn't closed", first, shape)
            data += b"".join(more)


def _until(lines: _Lines, mark: bytes, most: int, room: int) -> list[bytes]:
    """The lines up to the next one with a quote."""
    found: list[bytes] = []
    while len(found) < most and room > 0 and (line := lines.next()) is not None:
        found.append(line)
        room -= len(line)
        if mark in line:
            break
    return found


def _text(data: bytes) -> str:
    if len(data) >= MAX_LINE:
        raise _Malformed(f"longer than {MAX_LINE >> 20} MiB")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Malformed(f"not UTF-8: byte {error.start + 1} of the line") from error
    return text.removesuffix("\n").removesuffix("\r")


def _bad(number: int, reason: str, data: bytes, shape: FileShape) -> Bad:
    text = data[:MAX_KEPT].decode("utf-8", "backslashreplace").rstrip("\r\n")
    fields = tuple(part.strip(f" {shape.quote}") for part in text.split(shape.delimiter)[:1000])
    return Bad(number, reason, text, fields)


def fields_of(text: str, delimiter: str, quote: str) -> list[str]:
    """The fields of one record; raises _Open when a quoted field isn't closed, _Malformed for text after a quote."""
    if quote not in text:
        return text.split(delimiter)
    fields: list[str] = []
    at = 0
    while True:
        start = at
        while text[start : start + 1] == " " and delimiter != " ":
            start += 1
        if text[start : start + 1] == quote:
            value, at = _quoted(text, start + 1, quote)
            while text[at : at + 1] == " " and delimiter != " ":
                at += 1
            if at < len(text) and text[at] != delimiter:
                raise _Malformed("text after a closing quote")
        else:
            end = text.find(delimiter, at)
            end = len(text) if end < 0 else end
            value, at = text[at:end], end
        fields.append(value)
        if at >= len(text):
            return fields
        at += 1


def _quoted(text: str, at: int, quote: str) -> tuple[str, int]:
    """The value of a quoted field that begins at `at`, and the place after its closing quote."""
    start = at
    while True:
        end = text.find(quote, at)
        if end < 0:
            raise _Open
        if text[end + 1 : end + 2] != quote:
            return text[start:end].replace(quote * 2, quote), end + 1
        at = end + 2
