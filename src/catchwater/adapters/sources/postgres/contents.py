"""Rows of one relation compared with those held by what they hold, in DuckDB; no row passes Python."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from catchwater.adapters.sources.postgres.batch import set_aside
from catchwater.adapters.sources.postgres.catalog import Relation
from catchwater.adapters.sources.postgres.connection import Session
from catchwater.adapters.sources.postgres.difference import EXACT, Table
from catchwater.adapters.sources.postgres.position import another_key
from catchwater.adapters.sources.postgres.reading import Wanted, hold, scan
from catchwater.adapters.sources.postgres.select import row_hash, select_here
from catchwater.errors import SourceRefused
from catchwater.lake.hashed import content_hash, differing
from catchwater.ports import Captured, Held, Refused, TableHeld
from catchwater.project import names

BATCH = 1 << 24


@dataclass
class Read:
    """What one table gave: `captured` None when nothing of it is new, `state` for the position."""

    state: dict[str, Any]
    captured: Captured | None = None
    refused: list[Refused] = field(default_factory=list)
    rows: int = 0
    warnings: list[str] = field(default_factory=list)
    cut: bool = False


class Contents(Table):
    """One relation's rows beside those held, inside the transaction that `session` has open."""

    def __init__(self, session: Session, relation: Relation, at: str, work: Path) -> None:
        super().__init__(session, Wanted(relation, at), work)

    @property
    def version(self) -> str:
        """In Postgres: who wrote the row where that is known, else what it holds."""
        return "x.xmin::text" if self.relation.versioned else row_hash(self.fields)

    @property
    def mark(self) -> str:
        return f"'version=' || {self.version}"

    def read(self, where: str = "") -> tuple[Path, int]:
        """The rows there, in a file of the final shape; those whose key can't be held are left out (see `odd`)."""
        path = self.work / f"{uuid4()}.parquet"
        sql = self.select(self.fields, where)
        rows = self.copy(
            f"SELECT {select_here(self.fields)}, v AS _version, 'upsert' AS _op, {self.at} AS _at "
            f"FROM {self.session.scan(sql)}",
            path,
        )
        if self.relation.key:
            self._unique(path)
            return path, rows
        return self.numbered([path]), rows

    def news(self, staged: Path, held: Held, *, whole: bool) -> list[Path]:
        """The rows of `staged` that aren't held as they are; one that another version holds alike isn't new. They are
        the `whole` relation, or a few rows of it."""
        hold(self.con, self.relation, held, ("_version", "_exact"))
        self.among: str | None = ""
        if whole:
            group = f"hash({', '.join(names.quote(name) for name in self.key)})"
            self.among = differing(self.con, (scan([staged]), "held"), group, "hash(_version)")
        if self.among is None:
            return []
        known = "f._version = h._version"
        if self.relation.key and not self.relation.versioned:
            known += " OR f._exact = h._exact"
        slim = f"SELECT {self._keys}, _version, {self._content} AS _exact FROM"
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE fresh AS SELECT f.* EXCLUDE (_exact) "
            f"FROM ({slim} {scan([staged])}{self.among}) AS f "
            f"LEFT JOIN ({slim} held{self.among}) AS h ON {self.on('f', 'h')} WHERE ({known}) IS NOT TRUE"
        )
        if not self.count("fresh"):
            return []
        return self._kept(f"FROM {scan([staged])} AS f SEMI JOIN fresh ON {self.on('f', 'fresh')}")

    def gone(self, staged: Path) -> list[Path]:
        """The last values of held rows whose key isn't in `staged`, the whole relation; `news` is called before."""
        if self.among is None:
            return []
        key = ", ".join(f"h.{names.quote(name)}" for name in self.key)
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE gone AS SELECT {key} FROM (FROM held{self.among}) AS h "
            f"ANTI JOIN (FROM {scan([staged])}{self.among}) AS s ON {self.on('h', 's')}"
        )
        if not self.count("gone"):
            return []
        return self._kept(
            f"SELECT held.*, 'delete' AS _op, {self.at} AS _at FROM held SEMI JOIN gone ON {self.on('held', 'gone')}"
        )

    def odd(self, before: Sequence[str]) -> tuple[list[Refused], list[str]]:
        """Rows whose key holds what its type can't: those not refused `before`, and the marks of all of them."""
        return set_aside(self.relation.name, self.odd_keys(), before)

    def take(self, read: Read, files: Sequence[Path], total: int | None) -> None:
        """These new rows, or as many as a batch holds: then `read.cut`, and the next capture finds the others."""
        rows = sum(self.count(scan([path])) for path in files)
        read.cut = rows > BATCH
        if read.cut:
            listed = f"read_parquet([{', '.join(names.literal(str(path)) for path in files)}], union_by_name = true)"
            files, rows, total = self._kept(f"FROM {listed} LIMIT {BATCH}"), BATCH, None
        read.captured = Captured(self.relation.to_schema([self.relation]), tuple(files), rows, total, None)

    def same_key(self, held: TableHeld) -> None:
        """Raises SourceRefused for another key than that of the versions held."""
        if held.schema.key != self.relation.key:
            raise another_key(self.relation, held, self.session.place.where)

    def _refusal(self, message: str, step: str) -> SourceRefused:
        return SourceRefused(f"{self.relation.full}: {message}", where=self.session.place.where, next_step=step)

    def _unique(self, staged: Path) -> None:
        """A key that no index holds must be one all the same, or rows would stand for one another."""
        if not self.relation.declared:
            return
        said = f"the key ({', '.join(self.relation.key)})"
        nothing = " OR ".join(f"{names.quote(name)} IS NULL" for name in self.relation.key)
        if nulls := self.count(f"{scan([staged])} WHERE {nothing}"):
            raise self._refusal(f"{said} is NULL in {nulls:,} rows", "name columns that are always there")
        keys = ", ".join(names.quote(name) for name in self.relation.key)
        twice = self.con.execute(
            f"SELECT {keys}, count(*) AS n FROM {scan([staged])} GROUP BY {keys} HAVING n > 1 ORDER BY ALL LIMIT 1"
        ).fetchone()
        if twice:
            value = ", ".join(str(part) for part in twice[:-1])[:200]
            raise self._refusal(f"{said} isn't unique: {value} stands {twice[-1]} times", "name more columns")

    def _kept(self, select: str) -> list[Path]:
        path = self.work / f"{uuid4()}.parquet"
        return [path] if self.copy(select, path) else []

    @property
    def _keys(self) -> str:
        return ", ".join(names.quote(name) for name in self.key if name != "_version")

    @property
    def _content(self) -> str:
        return content_hash({f.name: f.type for f in self.fields if f.name not in self.relation.key} | EXACT)
