"""Rows of one relation compared with those held by what they hold, in DuckDB; no row passes Python."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from catchwater.adapters.sources.postgres_catalog import Relation
from catchwater.adapters.sources.postgres_connection import Session
from catchwater.adapters.sources.postgres_difference import KEYLESS, MOST_ODD_KEYS
from catchwater.adapters.sources.postgres_reading import hold
from catchwater.adapters.sources.postgres_select import Field, is_odd, row_hash, select_here, select_there
from catchwater.errors import SourceRefused
from catchwater.lake.parquet import UNORDERED
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


class Contents:
    """One relation's rows beside those held, inside the transaction that `session` has open."""

    def __init__(self, session: Session, relation: Relation, at: str, work: Path) -> None:
        self.session, self.con, self.relation, self.at, self.work = session, session.con, relation, at, work

    @property
    def key(self) -> tuple[str, ...]:
        return self.relation.key or KEYLESS

    @property
    def key_fields(self) -> tuple[Field, ...]:
        by_name = {field.name: field for field in self.relation.fields}
        return tuple(by_name[name] for name in self.relation.key)

    @property
    def version(self) -> str:
        """In Postgres: who wrote the row where that is known, else what it holds."""
        return "x.xmin::text" if self.relation.versioned else row_hash(self.relation.fields)

    def fetch(self, where: str = "") -> tuple[Path, int]:
        """The rows there, in a file of the final shape; those whose key can't be held are left out (see `odd`)."""
        path = self.work / f"{uuid4()}.parquet"
        fields, odd = self.relation.fields, is_odd(self.key_fields)
        conditions = [f"({text})" for text in (where, f"({odd}) IS NOT TRUE" if odd else "") if text]
        tail = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        sql = f"SELECT {select_there(fields, self.version)} FROM {self.relation.rows_of} AS x{tail}"
        rows = self._copy(
            f"SELECT {select_here(fields)}, v AS _version, 'upsert' AS _op, {self._at} AS _at "
            f"FROM {self.session.scan(sql)}",
            path,
        )
        if self.relation.key:
            self._unique(path)
            return path, rows
        return self._numbered(path), rows

    def news(self, staged: Path, held: Held) -> list[Path]:
        """The rows of `staged` that aren't held as they are; one that another version holds alike isn't new."""
        self._hold(held)
        scan = _scan(staged)
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE fresh AS SELECT {self._keys('f')} FROM {scan} AS f "
            f"ANTI JOIN keys ON {self._on('f', 'keys')} AND f._version = keys._version"
        )
        if not self._count("fresh"):
            return []
        if self.relation.key and not self.relation.versioned:
            self._alike(scan)
        return self._keep(f"FROM {scan} AS f SEMI JOIN fresh ON {self._on('f', 'fresh')}")

    def gone(self, staged: Path) -> list[Path]:
        """The last values of held rows whose key isn't in `staged`; `news` is called before."""
        scan = _scan(staged)
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE gone AS SELECT {self._keys('h')} FROM keys AS h ANTI JOIN {scan} AS s "
            f"ON {self._on('h', 's')}"
        )
        if not self._count("gone"):
            return []
        return self._keep(
            f"SELECT held.*, 'delete' AS _op, {self._at} AS _at FROM held SEMI JOIN gone ON {self._on('held', 'gone')}"
        )

    def odd(self, where: str, before: Sequence[str]) -> tuple[list[Refused], list[str]]:
        """Rows whose key holds what its type can't: those not refused `before`, and the marks of all of them."""
        odd = is_odd(self.key_fields)
        if not odd:
            return [], []
        key = ", ".join(f"{names.literal(field.name + '=')} || {field.text}" for field in self.key_fields)
        row = f"ROW({', '.join(field.there for field in self.relation.fields)})::text"
        also = f" AND ({where})" if where else ""
        found = self.session.rows(
            f"SELECT concat_ws(' ', {key}, 'version=' || {self.version}) AS k, left({row}, 16384) AS r "
            f"FROM {self.relation.rows_of} AS x WHERE ({odd}){also} ORDER BY 1 LIMIT {MOST_ODD_KEYS + 1}"
        )
        if len(found) > MOST_ODD_KEYS:
            raise self.refusal(f"over {MOST_ODD_KEYS:,} rows hold a key that its type can't", "choose another `key`")
        marks = {sha256(str(text).encode()).hexdigest()[:32]: (str(text), str(shown)) for text, shown in found}
        reason = "a key holds a value its type can't"
        return [
            Refused(self.relation.name, text, reason, shown)
            for mark, (text, shown) in marks.items()
            if mark not in before
        ], sorted(marks)

    def take(self, read: Read, files: Sequence[Path], total: int | None) -> None:
        """These new rows, or as many as a batch holds: then `read.cut`, and the next capture finds the others."""
        rows = sum(self._count(_scan(path)) for path in files)
        read.cut = rows > BATCH
        if read.cut:
            scan = f"read_parquet([{', '.join(names.literal(str(path)) for path in files)}], union_by_name = true)"
            files, rows, total = self._keep(f"FROM {scan} LIMIT {BATCH}"), BATCH, None
        read.captured = Captured(self.relation.to_schema([self.relation]), tuple(files), rows, total, None)

    def refusal(self, message: str, step: str) -> SourceRefused:
        return SourceRefused(f"{self.relation.full}: {message}", where=self.session.place.where, next_step=step)

    def same_key(self, held: TableHeld) -> None:
        """Raises SourceRefused for another key than that of the versions held."""
        if held.schema.key != self.relation.key:
            then, now = (", ".join(key) or "none" for key in (held.schema.key, self.relation.key))
            raise self.refusal(
                f"its key changed from ({then}) to ({now}), and the versions held are known by the old one",
                "give the source another name in catchwater.yml, so that a new log begins",
            )

    @property
    def _at(self) -> str:
        return f"{names.literal(self.at)}::TIMESTAMPTZ"

    def _unique(self, staged: Path) -> None:
        """A key that no index holds must be one all the same, or rows would stand for one another."""
        if not self.relation.declared:
            return
        said = f"the key ({', '.join(self.relation.key)})"
        nothing = " OR ".join(f"{names.quote(name)} IS NULL" for name in self.relation.key)
        if nulls := self._count(f"{_scan(staged)} WHERE {nothing}"):
            raise self.refusal(f"{said} is NULL in {nulls:,} rows", "name columns that are always there")
        keys = ", ".join(names.quote(name) for name in self.relation.key)
        twice = self.con.execute(
            f"SELECT {keys}, count(*) AS n FROM {_scan(staged)} GROUP BY {keys} HAVING n > 1 ORDER BY ALL LIMIT 1"
        ).fetchone()
        if twice:
            value = ", ".join(str(part) for part in twice[:-1])[:200]
            raise self.refusal(f"{said} isn't unique: {value} stands {twice[-1]} times", "name more columns")

    def _numbered(self, staged: Path) -> Path:
        """The same rows with `_occurrence`, their number among equal rows; only hashes are sorted."""
        path = self.work / f"{uuid4()}.parquet"
        rows = f"read_parquet({names.literal(str(staged))}, file_row_number = true)"
        self._copy(
            "SELECT f.* EXCLUDE (file_row_number), numbers._occurrence "
            f"FROM {rows} AS f JOIN (SELECT file_row_number AS n, "
            f"row_number() OVER (PARTITION BY _version)::INTEGER AS _occurrence FROM {rows}) AS numbers "
            "ON numbers.n = f.file_row_number",
            path,
        )
        staged.unlink()
        return path

    def _hold(self, held: Held) -> None:
        """The view `held`: what is held, in the relation's shape of now; `keys`: its keys and versions."""
        hold(self.con, self.relation, held, ("_version", "_exact"))
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE keys AS SELECT {self._keys('h')} FROM held AS h")

    def _alike(self, scan: str) -> None:
        """Takes out of `fresh` what is held with the same values under another version."""
        same = [self._on("f", "held"), "f._exact IS NOT DISTINCT FROM held._exact"]
        for column in self.relation.fields:
            name = names.quote(column.name)
            same.append(f"f.{name} IS NOT DISTINCT FROM held.{name}")
            if column.type in ("FLOAT", "DOUBLE"):
                same.append(f"signbit(f.{name}) IS NOT DISTINCT FROM signbit(held.{name})")
        self.con.execute(
            "CREATE OR REPLACE TEMP TABLE fresh AS SELECT fresh.* FROM fresh ANTI JOIN "
            f"(SELECT f.* FROM {scan} AS f SEMI JOIN held ON {' AND '.join(same)}) AS alike "
            f"ON {self._on('fresh', 'alike')}"
        )

    def _keep(self, select: str) -> list[Path]:
        path = self.work / f"{uuid4()}.parquet"
        return [path] if self._copy(select, path) else []

    def _copy(self, select: str, path: Path) -> int:
        row = self.con.execute(f"COPY ({select}) TO {names.literal(str(path))} {UNORDERED}").fetchone()
        return int(row[0]) if row else 0

    def _count(self, relation: str) -> int:
        row = self.con.execute(f"SELECT count(*) FROM {relation}").fetchone()
        return int(row[0]) if row else 0

    def _keys(self, alias: str) -> str:
        """The key, and `_version`, which is a part of it where there is no other."""
        return ", ".join(f"{alias}.{names.quote(name)}" for name in dict.fromkeys([*self.key, "_version"]))

    def _on(self, left: str, right: str) -> str:
        return " AND ".join(
            f"{left}.{names.quote(name)} IS NOT DISTINCT FROM {right}.{names.quote(name)}" for name in self.key
        )


def _scan(path: Path) -> str:
    return f"read_parquet({names.literal(str(path))})"
