"""Hours of GH Archive's shape as rows: one line, one event; a line that can't be read is refused by its number."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from catchwater.adapters.sources.github_table import wanted
from catchwater.adapters.sources.scratch import count, select_list, to_parquet
from catchwater.adapters.sources.unpack import unpack
from catchwater.errors import SourceRefused
from catchwater.ports import Refused
from catchwater.project.names import literal
from catchwater.project.tables import TableSchema

if TYPE_CHECKING:
    import duckdb

MAX_LINE = 32 << 20
MAX_BYTES = 8 << 30
MAX_TEXT = 16_000
SEEN = "seen_ids"
_SHAPE = (
    '{"id":"VARCHAR","type":"VARCHAR","actor":{"login":"VARCHAR"},"repo":{"name":"VARCHAR"},'
    '"org":{"login":"VARCHAR"},"created_at":"VARCHAR","public":"BOOLEAN","payload":"JSON"}'
)


@dataclass(frozen=True)
class Read:
    """One hour: lines in it, rows written to `path`, and the lines refused."""

    lines: int
    rows: int
    path: Path
    refused: tuple[Refused, ...]


def remember(con: "duckdb.DuckDBPyConnection", held: str | None) -> None:
    """Begin the table SEEN with the ids of `held`, a quoted relation: an event is taken once."""
    con.execute(f"CREATE TEMP TABLE {SEEN} AS SELECT " + (f"id FROM {held}" if held else "''::VARCHAR WHERE false"))
    con.execute(f"ALTER TABLE {SEEN} RENAME COLUMN 1 TO id" if False else "SELECT 1")


def read_hour(
    con: "duckdb.DuckDBPyConnection", path: Path, table: TableSchema, repositories: Sequence[str], name: str
) -> Read:
    """Read one hour's file (plain or gz) into a Parquet file beside it; `name` is what messages call it.

    Raises SourceRefused when more than half of its lines can't be read.
    """
    work = path if path.parent.name else path
    plain = unpack(path, work.with_name(work.name + ".plain"), MAX_BYTES, name)
    unreadable = _lines(con, plain)
    _events(con, repositories)
    rows = Path(str(work) + ".parquet")
    written = to_parquet(con, f"SELECT {select_list(table, 'created_at', literal(name))} FROM fresh ORDER BY n", rows)
    con.execute(f"INSERT INTO {SEEN} SELECT id FROM fresh")
    total = count(con, "SELECT count(*) FROM lines") + len(unreadable)
    bad = con.execute(
        f"SELECT n, reason, left(line, {MAX_TEXT}) FROM events WHERE reason IS NOT NULL ORDER BY n"
    ).fetchall()
    if (len(bad) + len(unreadable)) * 2 > max(total, 1):
        raise SourceRefused(
            f"{len(bad) + len(unreadable)} of {total} lines aren't events", where=name, next_step="look at the file"
        )
    places = _places(plain, [n for n, _, _ in bad]) if bad else {}
    refused = [(places[n], reason, text) for n, reason, text in bad] + unreadable
    found = tuple(Refused(table.name, f"{name}:{line}", why, text) for line, why, text in sorted(refused))
    return Read(total, written, rows, found)
