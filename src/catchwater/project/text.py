"""A text with edits, whose positions lead back to the text before; no SQL is understood here."""

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, order=True)
class Edit:
    """`start` to `end` (exclusive) of a text becomes `new`."""

    start: int
    end: int
    new: str


@dataclass(frozen=True)
class Edited:
    """`text` after edits; `pieces` are (offset here, offset there) at which a run of copied text begins."""

    text: str
    pieces: tuple[tuple[int, int], ...] = field(default=((0, 0),), repr=False)

    def origin(self, offset: int) -> int:
        """Where a character of `text` stood before; one that was put in counts as the place it was put at."""
        at = bisect_right(self.pieces, offset, key=lambda piece: piece[0]) - 1
        here, there = self.pieces[at]
        limit = self.pieces[at + 1][1] if at + 1 < len(self.pieces) else None
        moved = there + offset - here
        return moved if limit is None else min(moved, limit)


def edit(text: str, edits: list[Edit]) -> Edited:
    """`text` with non-overlapping edits made."""
    parts: list[str] = []
    pieces = [(0, 0)]
    here = there = 0
    for change in sorted(edits):
        parts += [text[there : change.start], change.new]
        pieces.append((here + change.start - there, change.start))
        here += change.start - there + len(change.new)
        there = change.end
        pieces.append((here, there))
    parts.append(text[there:])
    return Edited("".join(parts), tuple(pieces))


def line_column(text: str, offset: int) -> tuple[int, int]:
    """Line and column from 1."""
    offset = min(offset, len(text))
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1


def offset_of(text: str, line: int, column: int) -> int:
    """The offset of a line and column, both from 1."""
    at = 0
    for _ in range(line - 1):
        found = text.find("\n", at)
        if found < 0:
            break
        at = found + 1
    return min(at + column - 1, len(text))


_PIECE = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|\$\{(?P<name>[^}]*)\}", re.DOTALL)
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def substitute(text: str, variables: Mapping[str, str]) -> tuple[Edited, list[tuple[int, str]]]:
    """`${NAME}` replaced outside comments (inside '…' and "…" with the quotes doubled), and (offset, name) of
    each that isn't set."""
    edits: list[Edit] = []
    unknown: list[tuple[int, str]] = []

    def put(start: int, found: re.Match[str], mark: str) -> None:
        value = variables.get(found[1].strip())
        if value is None:
            unknown.append((start + found.start(), found[1].strip()))
            return
        new = value.replace(mark, mark * 2) if mark else value
        edits.append(Edit(start + found.start(), start + found.end(), new))

    for piece in _PIECE.finditer(text):
        if piece["name"] is not None:
            put(piece.start(), _VARIABLE.match(piece[0]) or piece, "")
        elif piece[0][0] in "'\"":
            for found in _VARIABLE.finditer(piece[0]):
                put(piece.start(), found, piece[0][0])
    return edit(text, edits), unknown
