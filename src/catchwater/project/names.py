"""Names and how they are written: quoting, folding, durations. No name is checked anywhere else."""

import re
import unicodedata

SYSTEM_COLUMNS = ("_seq", "_id", "_op", "_at", "_version", "_exact", "_removed", "_occurrence")
FILE_COLUMNS = ("file_row_number", "file_index")  # DuckDB's own, by which readers number the rows of a file
_PLAIN = re.compile(r"^[a-z_][a-z0-9_]*$")
_UNITS = {
    "second": 1, "seconds": 1, "s": 1, "ms": 0.001, "minute": 60, "minutes": 60, "m": 60, "min": 60,
    "hour": 3600, "hours": 3600, "h": 3600, "day": 86400, "days": 86400, "d": 86400,
}  # fmt: skip


def quote(identifier: str) -> str:
    """An SQL identifier in double quotes, for DuckDB and Postgres."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string literal in single quotes, for DuckDB and for Postgres under standard_conforming_strings."""
    return "'" + text.replace("'", "''") + "'"


def fold(name: str) -> str:
    """A plain identifier: lower case, `[a-z0-9_]`, not beginning with a digit.

    Letters lose their accents; those of other scripts become their code points, so that 名 and 所 stay two names.
    """
    bare = "".join(map(_ascii, unicodedata.normalize("NFKD", name.strip().casefold())))
    plain = re.sub(r"[^a-z0-9_]+", "_", bare).strip("_") or "t"
    return f"_{plain}" if plain[0].isdigit() else plain


def _ascii(char: str) -> str:
    if char.isascii() or unicodedata.combining(char):
        return char if char.isascii() else ""
    return f" u{ord(char):x} " if char.isalnum() else " "


def is_plain(name: str) -> bool:
    return bool(_PLAIN.match(name))


def seconds(text: str) -> float | None:
    """`10 minutes`, `5 s`, `500 ms` in seconds; None when it isn't a duration above zero."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", text)
    if not match or match[2] not in _UNITS:
        return None
    return float(match[1]) * _UNITS[match[2]] or None


def secret_id(project: str, environment: str, name: str) -> str:
    """What a secret is called in a cloud's secret store: letters, digits, `_` and `-` only, at most 255."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", f"{project}-{environment}-{name}")[:255]
