"""One table's new versions, from what Postgres has and what the log holds; DuckDB compares, no row passes Python."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from catchwater.adapters.sources.postgres_catalog import Relation
from catchwater.adapters.sources.postgres_connection import Session
from catchwater.adapters.sources.postgres_select import Field, is_odd, row_hash, select_here, select_there
from catchwater.errors import SourceBusy, SourceRefused
from catchwater.ports import Held
from catchwater.project import names

MOST_ODD_KEYS = 100_000
KEYLESS = ("_version", "_occurrence")
PARQUET = "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"


@dataclass(frozen=True)
class Wanted:
    """One table to read: `candidates` is the condition, in Postgres, of the rows that may be new ('' for all)."""

    relation: Relation
    count: int
    at: str
    candidates: str = ""
    fresh_leaves: tuple[int, ...] = ()


@dataclass
class Found:
    """What a table gave: files of new versions, `read` rows delivered, `gap` rows found below the position."""

    files: list[Path] = field(default_factory=list)
    rows: int = 0
    read: int = 0
    gap: int = 0
    odd: list[tuple[str, str]] = field(default_factory=list)


class Table:
    """The comparison of one table, inside the transaction that `session` has open."""

    def __init__(self, session: Session, wanted: Wanted, work: Path) -> None:
        self.session, self.con, self.wanted, self.work = session, session.con, wanted, work
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
    def key(self) -> tuple[str, ...]:
        return self.relation.key or KEYLESS

    def first(self) -> Found:
        """The whole table, nothing of it being held."""
        staged = self._fetch("")
        self._complete(self.found.read)
        self._add(staged if self.relation.key else self._numbered(staged), self.found.read)
        return self.found

    def delta(self, held: Held) -> Found:
        """Rows whose (key, xmin) isn't held, and the last values of those whose key is gone."""
        self._hold(held, self.relation.key, values=False)
        self._there()
        need = self._count("need")
        if need:
            staged = self._fetch(self.wanted.candidates)
            got = self._count(f"need SEMI JOIN {_scan(staged)} AS f ON {self._same('need', 'f')}")
            if got < need:
                self.found.gap = need - got
                staged.unlink()
                staged = self._fetch("")
            self._keep(f"FROM {_scan(staged)} AS f SEMI JOIN need ON {self._same('f', 'need')}")
            staged.unlink()
        self._delete("keys", "server")
        return self.found

    def whole(self, held: Held) -> Found:
        """Every row whose version or content isn't the one held, and the last values of those that are gone."""
        staged = self._fetch("")
        if not self.relation.key:
            staged = self._numbered(staged)
        self._complete(self.found.read)
        self._hold(held, self.key, values=True)
        same = [self._on("f", "held"), "f._version = held._version", "f._exact IS NOT DISTINCT FROM held._exact"]
        for column in self.fields:
            name = names.quote(column.name)
            same.append(f"f.{name} IS NOT DISTINCT FROM held.{name}")
            if column.type in ("FLOAT", "DOUBLE"):
                same.append(f"signbit(f.{name}) IS NOT DISTINCT FROM signbit(held.{name})")
        self._keep(f"FROM {_scan(staged)} AS f ANTI JOIN held ON {' AND '.join(same)}")
        self._delete("held", _scan(staged))
        staged.unlink()
        return self.found

    def _sql(self, fields: Sequence[Field], where: str) -> str:
        """The SELECT that Postgres runs; rows whose key can't be held are left out (see `_odd_keys`)."""
        version = row_hash(self.fields) if not self.relation.key else "x.xmin::text"
        odd = is_odd(self.key_fields)
        conditions = [f"({text})" for text in (where, f"({odd}) IS NOT TRUE" if odd else "") if text]
        tail = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        leaf = ", x.tableoid::int8 AS t" if self.relation.leaves else ""
        return f"SELECT {select_there(fields, version)}{leaf} FROM {self.relation.rows_of} AS x{tail}"

    def _fetch(self, where: str) -> Path:
        """Rows from Postgres in a file of the final shape; what it delivers is counted."""
        path = self.work / f"{uuid4()}.parquet"
        columns = select_here(self.fields)
        self.found.read += self._copy(
            f"SELECT {columns}, v AS _version, 'upsert' AS _op, {self._at} AS _at "
            f"FROM {self.session.scan(self._sql(self.fields, where))}",
            path,
        )
        return path

    @property
    def _at(self) -> str:
        return f"{names.literal(self.wanted.at)}::TIMESTAMPTZ"

    def _numbered(self, staged: Path) -> Path:
        """The same rows with `_occurrence`, their number among equal rows; only hashes are sorted."""
        path = self.work / f"{uuid4()}.parquet"
        self.con.execute(
            "CREATE OR REPLACE TEMP TABLE numbers AS SELECT file_row_number AS n, "
            "row_number() OVER (PARTITION BY _version)::INTEGER AS _occurrence "
            f"FROM read_parquet({names.literal(str(staged))}, file_row_number = true)"
        )
        self._copy(
            "SELECT f.* EXCLUDE (file_row_number), numbers._occurrence "
            f"FROM read_parquet({names.literal(str(staged))}, file_row_number = true) AS f "
            "JOIN numbers ON numbers.n = f.file_row_number",
            path,
        )
        self.con.execute("DROP TABLE numbers")
        staged.unlink()
        return path

    def _hold(self, held: Held, key: Sequence[str], *, values: bool) -> None:
        """`held`: what is held in the table's shape of now, as a view (values) or as a table of key and version."""
        view = held.current(self.con, self.relation.name)
        there = {
            name.lower(): name for (name,) in self.con.execute(f"SELECT column_name FROM (DESCRIBE {view})").fetchall()
        }
        extra = [] if self.relation.key else ["_occurrence"]
        shape = {column.name: column.type for column in self.fields} | dict.fromkeys(extra, "INTEGER")
        parts = [
            f"TRY_CAST({names.quote(there[name.lower()])} AS {kind}) AS {names.quote(name)}"
            if name.lower() in there
            else f"NULL::{kind} AS {names.quote(name)}"
            for name, kind in shape.items()
        ]
        select = ", ".join([*parts, "_version", "_exact"])
        self.con.execute(f"CREATE OR REPLACE TEMP VIEW held AS SELECT {select} FROM {view}")
        if not values:
            columns = ", ".join(names.quote(name) for name in key)
            self.con.execute(f"CREATE OR REPLACE TEMP TABLE keys AS SELECT {columns}, _version FROM held")

    def _there(self) -> None:
        """`server`: the (key, version) of every row in Postgres; `need`: those of them that aren't held."""
        columns = select_here(self.key_fields)
        leaf = ", t" if self.relation.leaves else ""
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE server AS SELECT {columns}, v AS _version{leaf} "
            f"FROM {self.session.scan(self._sql(self.key_fields, ''))}"
        )
        self._complete(self._count("server"))
        fresh = ", ".join(str(oid) for oid in self.wanted.fresh_leaves)
        again = f" UNION SELECT server.* FROM server WHERE t IN ({fresh})" if fresh else ""
        self.con.execute(
            "CREATE OR REPLACE TEMP TABLE need AS "
            f"SELECT server.* FROM server ANTI JOIN keys ON {self._same('server', 'keys')}{again}"
        )

    def _delete(self, held: str, server: str) -> None:
        """The last values of held rows whose key isn't among the server's; whole rows are read only for those."""
        key = ", ".join(names.quote(name) for name in self.key)
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE gone AS SELECT {key} FROM {held} AS h ANTI JOIN {server} AS s "
            f"ON {self._on('h', 's')}"
        )
        if self._count("gone"):
            self._keep(
                f"SELECT held.*, 'delete' AS _op, {self._at} AS _at FROM held SEMI JOIN gone "
                f"ON {self._on('held', 'gone')}"
            )

    def _complete(self, rows: int) -> None:
        """A partition attached after the snapshot shows in some queries only: then the reading begins again."""
        rows += len(self._odd_keys())
        if rows != self.wanted.count:
            raise SourceBusy(
                f"{self.relation.full} changed its shape while it was read: {rows} rows instead of {self.wanted.count}",
                where=self.session.place.where,
                next_step="it is tried again",
            )

    def _odd_keys(self) -> list[tuple[str, str]]:
        """Rows whose key holds a value that its type can't: (key and version, the row), both as text."""
        odd = is_odd(self.key_fields)
        if odd and not self.found.odd:
            key = ", ".join(
                f"'{name.replace(chr(39), chr(39) * 2)}=' || {text}"
                for name, text in ((field.name, field.text) for field in self.key_fields)
            )
            row = f"ROW({', '.join(field.there for field in self.fields)})::text"
            found = self.session.rows(
                f"SELECT concat_ws(' ', {key}, 'xmin=' || x.xmin) AS k, left({row}, 16384) AS r "
                f"FROM {self.relation.rows_of} AS x WHERE {odd} ORDER BY 1 LIMIT {MOST_ODD_KEYS + 1}"
            )
            if len(found) > MOST_ODD_KEYS:
                raise SourceRefused(
                    f"{self.relation.full} has over {MOST_ODD_KEYS:,} rows whose key its type can't hold",
                    where=self.session.place.where,
                    next_step="leave the table out with `tables:`, or give it another unique index",
                )
            self.found.odd = [(str(key), str(row)) for key, row in found]
        return self.found.odd

    def _keep(self, select: str) -> None:
        path = self.work / f"{uuid4()}.parquet"
        self._add(path, self._copy(select, path))

    def _add(self, path: Path, rows: int) -> None:
        if not rows:
            path.unlink()
            return
        self.found.files.append(path)
        self.found.rows += rows

    def _copy(self, select: str, path: Path) -> int:
        return self._number(f"COPY ({select}) TO {names.literal(str(path))} {PARQUET}")

    def _count(self, relation: str) -> int:
        return self._number(f"SELECT count(*) FROM {relation}")

    def _number(self, sql: str) -> int:
        row = self.con.execute(sql).fetchone()
        return int(row[0]) if row else 0

    def _on(self, left: str, right: str) -> str:
        return " AND ".join(
            f"{left}.{names.quote(name)} IS NOT DISTINCT FROM {right}.{names.quote(name)}" for name in self.key
        )

    def _same(self, left: str, right: str) -> str:
        return f"{self._on(left, right)} AND {left}._version = {right}._version"


def _scan(path: Path) -> str:
    return f"read_parquet({names.literal(str(path))})"
