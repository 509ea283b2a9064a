"""The rows of one table, out of Postgres and into Parquet files by one backend or two; nothing is compared here."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from catchwater.adapters.sources.postgres.catalog import Relation
from catchwater.adapters.sources.postgres.connection import Session
from catchwater.adapters.sources.postgres.errors import tell
from catchwater.adapters.sources.postgres.select import (
    XID,
    Field,
    is_odd,
    row_hash,
    row_sum,
    select_here,
    select_there,
)
from catchwater.errors import SourceBusy, SourceRefused
from catchwater.lake.parquet import options
from catchwater.lake.room import BY_BYTES
from catchwater.ports import Held
from catchwater.project import names

if TYPE_CHECKING:
    import duckdb

MOST_ODD_KEYS = 100_000
TWO_BACKENDS = 16_384


@dataclass(frozen=True)
class Wanted:
    """What is to be read of a table: `where` is a condition in Postgres ('' for all), whose rows are `count` (None:
    not counted); `blocks` are those of its heap from `start` on, which two backends may share."""

    relation: Relation
    at: str
    count: int | None = None
    where: str = ""
    start: int = 0
    blocks: int = 0


@dataclass
class Found:
    """What a table gave: files of new versions, `rows` in them (of which `revised` replace one that is held), `read`
    rows delivered, `gap` rows found below the position; `cut` means that there are more than a batch holds. `odd` are
    rows whose key can't be held, None when they weren't looked for."""

    files: list[Path] = field(default_factory=list)
    rows: int = 0
    read: int = 0
    gap: int = 0
    revised: int = 0
    cut: bool = False
    odd: list[tuple[str, str]] | None = None


class Reader:
    """Reads one table inside the transaction that `session` has open; `most` rows go into a batch."""

    def __init__(self, session: Session, wanted: Wanted, work: Path, most: int = 1 << 24) -> None:
        self.session, self.wanted, self.work, self.most = session, wanted, work, most
        self.con: duckdb.DuckDBPyConnection = session.con
        self.relation = wanted.relation
        self.found = Found()

    @property
    def fields(self) -> tuple[Field, ...]:
        return self.relation.fields

    @property
    def key_fields(self) -> tuple[Field, ...]:
        by_name = {field.name: field for field in self.fields}
        return tuple(by_name[name] for name in self.relation.key)

    @property
    def at(self) -> str:
        return f"{names.literal(self.wanted.at)}::TIMESTAMPTZ"

    @property
    def version(self) -> str:
        """In Postgres: what tells the versions of a row apart."""
        return XID if self.relation.key else row_hash(self.fields)

    def select(self, fields: Sequence[Field], where: str, *, hashed: bool = False) -> str:
        """The SELECT that Postgres runs; rows whose key can't be held are left out (see `odd_keys`)."""
        odd = is_odd(self.key_fields)
        conditions = [f"({text})" for text in (where, f"({odd}) IS NOT TRUE" if odd else "") if text]
        tail = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        leaf = ", x.tableoid::int8 AS t" if self.relation.leaves else ""
        more = f", {row_sum(self.key_fields)} AS h" if hashed else ""
        return f"SELECT {select_there(fields, self.version)}{leaf}{more} FROM {self.relation.rows_of} AS x{tail}"

    def fetch(self, where: str | None = None, *, hashed: bool = False) -> list[Path]:
        """Rows from Postgres in files of the final shape (with `_sum`, of each row, when `hashed`), all that are wanted
        or those of another condition; what it delivers is counted."""
        more = ", h AS _sum" if hashed else ""
        here = f"SELECT {select_here(self.fields)}, v::VARCHAR AS _version, 'upsert' AS _op, {self.at} AS _at{more}"
        halves = [self.wanted.where] if where is None else [where]
        if where is None and self.wanted.blocks >= TWO_BACKENDS:
            halves = self._halves()
        jobs = [(self.select(self.fields, half, hashed=hashed), self.work / f"{uuid4()}.parquet") for half in halves]

        def copy(session: Session, sql: str, path: Path) -> int:
            return self.copy(f"{here} FROM {session.scan(sql)}", path, session)

        self.found.read += sum(self._together(copy, jobs))
        return [path for _, path in jobs]

    def _halves(self) -> list[str]:
        if self.session.beside() is None:
            return [self.wanted.where]
        middle = self.wanted.start + self.wanted.blocks // 2
        below, above = f"x.ctid < '({middle},0)'::tid", f"x.ctid >= '({middle},0)'::tid"
        return [" AND ".join(text for text in (self.wanted.where, half) if text) for half in (below, above)]

    def _together(self, copy: Callable[[Session, str, Path], int], jobs: Sequence[tuple[str, Path]]) -> list[int]:
        second = self.session.beside() if len(jobs) > 1 else None
        if second is None:
            return [copy(self.session, *job) for job in jobs]
        with ThreadPoolExecutor(1) as pool:
            later = pool.submit(copy, second, *jobs[1])
            try:
                first = copy(self.session, *jobs[0])
            except BaseException:
                second.con.interrupt()
                raise
            return [first, later.result()]

    def complete(self, rows: int) -> None:
        """A partition attached after the snapshot shows in some queries only: then the reading begins again."""
        rows += len(self.odd_keys())
        if self.wanted.count is not None and rows != self.wanted.count:
            raise SourceBusy(
                f"{self.relation.full} changed its shape while it was read: {rows} rows instead of {self.wanted.count}",
                where=self.session.place.where,
                next_step="it is tried again",
            )

    def odd_keys(self) -> list[tuple[str, str]]:
        """Wanted rows whose key holds a value that its type can't: (key and version, the row), both as text."""
        if self.found.odd is None:
            odd = is_odd(self.key_fields)
            self.found.odd = self._odd_keys(odd) if odd else []
        return self.found.odd

    @property
    def mark(self) -> str:
        """In Postgres: what tells the versions of a row in quarantine apart."""
        return "'xmin=' || x.xmin"

    def _odd_keys(self, odd: str) -> list[tuple[str, str]]:
        key = ", ".join(f"{names.literal(field.name + '=')} || {field.text}" for field in self.key_fields)
        row = f"ROW({', '.join(field.there for field in self.fields)})::text"
        also = f" AND ({self.wanted.where})" if self.wanted.where else ""
        found = self.session.rows(
            f"SELECT concat_ws(' ', {key}, {self.mark}) AS k, left({row}, 16384) AS r "
            f"FROM {self.relation.rows_of} AS x WHERE ({odd}){also} ORDER BY 1 LIMIT {MOST_ODD_KEYS + 1}"
        )
        if len(found) > MOST_ODD_KEYS:
            raise SourceRefused(
                f"{self.relation.full} has over {MOST_ODD_KEYS:,} rows whose key its type can't hold",
                where=self.session.place.where,
                next_step="leave the table out with `tables:`, or choose another key for it",
            )
        return [(str(key), str(row)) for key, row in found]

    def keep(self, select: str) -> None:
        """The rows of a SELECT in DuckDB go into the batch, as many as it still holds."""
        path = self.work / f"{uuid4()}.parquet"
        room = self.most - self.found.rows
        rows = self.copy(f"{select} LIMIT {room}", path)
        self.found.cut = self.found.cut or rows == room
        self.add(path, rows)

    def add(self, path: Path, rows: int) -> None:
        if not rows:
            path.unlink()
            return
        self.found.files.append(path)
        self.found.rows += rows

    def copy(self, select: str, path: Path, session: Session | None = None) -> int:
        """The rows of a SELECT in DuckDB into a file; how many. Raises NoRoom and SourceRefused naming the table."""
        import duckdb

        con, how = (session or self.session).con, options([field.type for field in self.fields], BY_BYTES)
        try:
            return number(con, f"COPY ({select}) TO {names.literal(str(path))} {how}")
        except duckdb.Error as error:
            tell(self.relation.full, self.session.place.where, error)
            raise

    def count(self, relation: str) -> int:
        return number(self.con, f"SELECT count(*) FROM {relation}")


def hold(con: "duckdb.DuckDBPyConnection", relation: Relation, held: Held, system: Sequence[str]) -> None:
    """The view `held`: what is held of a relation, in its shape of now, and these system columns."""
    view = held.current(con, relation.name)
    there = {name.lower(): name for (name,) in con.execute(f"SELECT column_name FROM (DESCRIBE {view})").fetchall()}
    extra = {} if relation.key else {"_occurrence": "INTEGER"}
    shape = {column.name: column.type for column in relation.fields} | extra
    parts = [
        f"TRY_CAST({names.quote(there[name.lower()])} AS {kind}) AS {names.quote(name)}"
        if name.lower() in there
        else f"NULL::{kind} AS {names.quote(name)}"
        for name, kind in shape.items()
    ]
    con.execute(f"CREATE OR REPLACE TEMP VIEW held AS SELECT {', '.join([*parts, *system])} FROM {view}")


def number(con: "duckdb.DuckDBPyConnection", sql: str) -> int:
    row = con.execute(sql).fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def scan(paths: Sequence[Path], *, numbered: bool = False) -> str:
    """What stands after FROM in DuckDB's SQL for the rows of these files."""
    listed = ", ".join(names.literal(str(path)) for path in paths)
    return f"read_parquet([{listed}]{', file_row_number = true' if numbered else ''})"


def drop(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink()
