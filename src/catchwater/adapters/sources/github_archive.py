"""Hours of GH Archive's shape as rows: one line, one event; a line that can't be read is refused by its number."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from catchwater.adapters.sources.github_table import wanted
from catchwater.adapters.sources.scratch import count, exactly, select_list, to_parquet
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
    con.execute(f"CREATE TEMP TABLE {SEEN} (id VARCHAR)")
    if held:
        con.execute(f"INSERT INTO {SEEN} SELECT id FROM {held}")


def read_hour(
    con: "duckdb.DuckDBPyConnection", path: Path, table: TableSchema, repositories: Sequence[str], work: Path
) -> Read:
    """Read one hour's file (plain or gz) into Parquet under `work`, where nothing else of its name may be.

    Raises SourceRefused when more than half of its lines can't be read.
    """
    plain = unpack(path, work / f"{path.name}.plain", MAX_BYTES, path.name)
    plain, unreadable = _lines(con, plain, work / f"{path.name}.clean")
    _events(con, repositories)
    rows = work / f"{path.name}.parquet"
    fields = select_list(table, "created_at", literal(path.name))
    written = to_parquet(con, f"SELECT {fields} FROM fresh ORDER BY n", rows)
    con.execute(f"INSERT INTO {SEEN} SELECT id FROM fresh")
    total = count(con, "SELECT count(*) FROM lines") + len(unreadable)
    bad = con.execute(
        f"SELECT n, reason, left(line, {MAX_TEXT}) FROM events WHERE reason IS NOT NULL ORDER BY n"
    ).fetchall()
    if (len(bad) + len(unreadable)) * 2 > max(total, 1):
        raise SourceRefused(
            f"{len(bad) + len(unreadable)} of {total} lines aren't events",
            where=path.name,
            next_step="look at the file; the events held stay",
        )
    places = _places(plain, {n for n, _, _ in bad})
    refused = sorted([(places[n], reason, text) for n, reason, text in bad] + unreadable)
    return Read(
        total, written, rows, tuple(Refused(table.name, f"{path.name}:{n}", why, text) for n, why, text in refused)
    )


def _lines(con: "duckdb.DuckDBPyConnection", plain: Path, clean: Path) -> tuple[Path, list[tuple[int, str, str]]]:
    """The table `lines` (n counts lines that aren't empty); lines that can't be text are taken out beforehand."""
    import duckdb

    try:
        _read_lines(con, plain)
    except duckdb.InvalidInputException:
        bad = _cleaned(plain, clean)
        _read_lines(con, clean)
        return clean, bad
    return plain, []


def _read_lines(con: "duckdb.DuckDBPyConnection", plain: Path) -> None:
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE lines AS SELECT row_number() OVER () AS n, line FROM read_csv("
        f"{exactly(plain)}, columns = {{line: 'VARCHAR'}}, auto_detect = false, header = false, compression = 'none', "
        f"delim = '\x01\x02', quote = '', escape = '', nullstr = '\x01\x03', parallel = false, "
        f"new_line = '\\n', max_line_size = {MAX_LINE}, buffer_size = {MAX_LINE * 2}, strict_mode = false)"
    )


def _cleaned(plain: Path, clean: Path) -> list[tuple[int, str, str]]:
    """Copy the file with an empty line for each that isn't UTF-8 or too long; returns those."""
    bad = []
    with plain.open("rb") as file, clean.open("wb") as out:
        number = 0
        while line := file.readline(MAX_LINE):
            number += 1
            reason = _unreadable(line)
            if reason:
                bad.append((number, reason, line[:MAX_TEXT].decode("utf-8", "backslashreplace")))
                while line and not line.endswith(b"\n"):
                    line = file.readline(MAX_LINE)
                line = b""
            out.write(line.rstrip(b"\r\n").replace(b"\r", b" ") + b"\n")
    return bad


def _unreadable(line: bytes) -> str | None:
    if len(line) >= MAX_LINE // 2:
        return f"longer than {MAX_LINE >> 21} MiB"
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"not UTF-8: byte {error.start + 1} of the line"
    return None


def _events(con: "duckdb.DuckDBPyConnection", repositories: Sequence[str]) -> None:
    """The tables `events` (a reason where a line isn't an event of a wanted repository) and `fresh` (those taken)."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE events AS SELECT *, CASE "
        "WHEN e IS NULL THEN 'not a JSON object' "
        f"WHEN NOT coalesce({wanted('e.repo.name', repositories)}, false) THEN NULL "
        "WHEN coalesce(e.id, '') = '' THEN 'no id' "
        "WHEN happened IS NULL THEN 'no created_at that is a time' END AS reason "
        "FROM (SELECT *, TRY_CAST(e.created_at AS TIMESTAMPTZ) AS happened FROM (SELECT n, line, "
        f"CASE WHEN json_valid(line) AND json_type(line) = 'OBJECT' THEN json_transform(line, {literal(_SHAPE)}) END "
        "AS e FROM lines))"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE fresh AS SELECT n, e.id AS id, e.type AS type, e.actor.login AS actor, "
        "e.repo.name AS repo, e.org.login AS org, happened AS created_at, e.public AS public, e.payload AS payload "
        "FROM events WHERE e IS NOT NULL AND reason IS NULL "
        f"AND coalesce({wanted('e.repo.name', repositories)}, false) AND e.id NOT IN (FROM {SEEN}) "
        "QUALIFY row_number() OVER (PARTITION BY e.id ORDER BY n) = 1"
    )


def _places(plain: Path, wanted_lines: set[int]) -> dict[int, int]:
    """Line numbers in the file of lines counted without the empty ones."""
    found: dict[int, int] = {}
    count_of = 0
    if not wanted_lines:
        return found
    with plain.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.rstrip(b"\r\n"):
                count_of += 1
                if count_of in wanted_lines:
                    found[count_of] = number
    return found
