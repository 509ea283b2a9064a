"""One table's new versions, from what Postgres has and what the log holds; DuckDB compares, no row passes Python."""

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from catchwater.adapters.sources.postgres_reading import MOST_ODD_KEYS, PARQUET, Found, Reader, Wanted, drop, hold, scan
from catchwater.adapters.sources.postgres_select import columns_here
from catchwater.ports import Held
from catchwater.project import names

__all__ = ["KEYLESS", "MOST_ODD_KEYS", "PARQUET", "Found", "Table", "Wanted"]

KEYLESS = ("_version", "_occurrence")
MOST_JUDGED = 500_000  # rows that are joined with what is held at once: whole rows, in a fixed share of memory


class Table(Reader):
    """The comparison of one table with what is held of it, inside the transaction that `session` has open."""

    @property
    def key(self) -> tuple[str, ...]:
        return self.relation.key or KEYLESS

    def first(self) -> Found:
        """All that is wanted, nothing of it being held."""
        staged = self._staged()
        if self.found.read > self.most:
            self.keep(f"FROM {scan(staged)}")
            drop(staged)
            return self.found
        for path in staged:
            self.add(path, self.count(scan([path])) if len(staged) > 1 else self.found.read)
        return self.found

    def whole(self, held: Held, *, same_server: bool, deletes: bool = True) -> Found:
        """Every wanted row whose version and content aren't those held, and the last values of those that are gone.

        A row that differs from the one held under its key in one of the two alone replaces it, and is no new version:
        its values were written anew (an added column), or another server has the same ones (a restored dump)."""
        staged = self._staged()
        self.hold(held)
        self._judge(staged, same_server)
        news = f"FROM {scan(staged)} AS f JOIN news ON news.file = f.file_index AND news.place = f.file_row_number"
        if self.count("news WHERE _rev IS NOT NULL"):
            replaced = f"SELECT f.* REPLACE (news._at AS _at), news._rev {news} WHERE news._rev IS NOT NULL"
            self.keep(replaced)
            self.found.revised = self.found.rows
        self.keep(f"SELECT f.*{self._rev} {news} WHERE news._rev IS NULL")
        if deletes:
            self.delete("held", scan(staged))
        drop(staged)
        return self.found

    def pairs(self, held: Held, staged: list[Path], candidates: str, fresh: Sequence[int]) -> Found:
        """Rows whose (key, xmin) isn't held, or that stand in a `fresh` leaf, and the last values of those whose key is
        gone. `staged` are rows already here; others are read by `candidates`, and when that has not all of them, whole.
        """
        self.hold(held)
        key = ", ".join(names.quote(name) for name in self.key)
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE keys AS SELECT {key}, TRY_CAST(_version AS BIGINT) AS _version FROM held"
        )
        self._there(fresh)
        need = self.count("need")
        if need:
            staged, got = self._needed(staged, candidates, need)
            if got < need:
                self.found.gap = need - got
                drop(staged)
                staged = self.fetch("")
            self.keep(f"SELECT {self.shape} FROM {scan(staged)} AS f SEMI JOIN need ON {self.same('f', 'need')}")
        drop(staged)
        self.delete("keys", "server")
        return self.found

    def _needed(self, staged: list[Path], candidates: str, need: int) -> tuple[list[Path], int]:
        """Files that hold as many of the needed rows as the rows that may be new are; and how many."""
        got = self._got(staged)
        if got < need:
            drop(staged)
            staged = self.fetch(candidates)
            got = self._got(staged)
        return staged, got

    def _got(self, staged: Sequence[Path]) -> int:
        return self.count(f"need SEMI JOIN {scan(staged)} AS f ON {self.same('f', 'need')}") if staged else 0

    def _staged(self) -> list[Path]:
        staged = self.fetch()
        self.complete(self.found.read)
        return staged if self.relation.key else [self._numbered(staged)]

    def _judge(self, staged: Sequence[Path], same_server: bool) -> None:
        """`news`: which rows of `staged` are written, and the `_id` and time of the version that they replace."""
        same = ["f._exact IS NOT DISTINCT FROM held._exact"]
        for column in self.fields:
            name = names.quote(column.name)
            same.append(f"f.{name} IS NOT DISTINCT FROM held.{name}")
            if column.type in ("FLOAT", "DOUBLE"):
                same.append(f"signbit(f.{name}) IS NOT DISTINCT FROM signbit(held.{name})")
        replaces = "there AND alike <> known" if same_server else "there AND alike AND NOT known"
        key = ", ".join(names.quote(name) for name in self.key)
        slices = self.found.read // MOST_JUDGED + 1
        for number in range(slices):
            among = f"WHERE hash({key}) % {slices} = {number}" if slices > 1 else ""
            start = "INSERT INTO news" if number else "CREATE OR REPLACE TEMP TABLE news AS"
            self.con.execute(
                f"{start} SELECT file, place, CASE WHEN replaces THEN _id END AS _rev, _at "
                f"FROM (SELECT *, {replaces} AS replaces FROM ("
                "SELECT f.file_index AS file, f.file_row_number AS place, held._id, held._at, "
                "held._id IS NOT NULL AS there, COALESCE(f._version = held._version, false) AS known, "
                f"{' AND '.join(same)} AS alike "
                f"FROM (SELECT *, file_index, file_row_number FROM {scan(staged)} {among}) AS f "
                f"LEFT JOIN (FROM held {among}) AS held ON {self.on('f', 'held')})) "
                "WHERE NOT (there AND alike AND known)"
            )

    def _numbered(self, staged: Sequence[Path]) -> Path:
        """The same rows with `_occurrence`, their number among equal rows; only hashes are sorted."""
        path = self.work / f"{uuid4()}.parquet"
        self.con.execute(
            "CREATE OR REPLACE TEMP TABLE numbers AS SELECT file_index AS file, file_row_number AS place, "
            f"row_number() OVER (PARTITION BY _version)::INTEGER AS _occurrence FROM {scan(staged)}"
        )
        self.copy(
            f"SELECT f.*, numbers._occurrence FROM {scan(staged)} AS f "
            "JOIN numbers ON numbers.file = f.file_index AND numbers.place = f.file_row_number",
            path,
        )
        self.con.execute("DROP TABLE numbers")
        drop(staged)
        return path

    def hold(self, held: Held) -> None:
        """`held`: a view of what is held, in the table's shape of now."""
        hold(self.con, self.relation, held, ("_id", "_at", "_version", "_exact"))

    def _there(self, fresh: Sequence[int]) -> None:
        """`server`: the (key, version) of every row in Postgres; `need`: those of them that aren't held."""
        leaf = ", t" if self.relation.leaves else ""
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE server AS SELECT {columns_here(self.key_fields)}, v AS _version{leaf} "
            f"FROM {self.session.scan(self.select(self.key_fields, self.wanted.where))}"
        )
        self.complete(self.count("server"))
        again = f" UNION SELECT server.* FROM server WHERE t IN ({', '.join(map(str, fresh))})" if fresh else ""
        self.con.execute(
            "CREATE OR REPLACE TEMP TABLE need AS "
            f"SELECT server.* FROM server ANTI JOIN keys ON {self.same('server', 'keys')}{again}"
        )

    def delete(self, held: str, server: str) -> None:
        """The last values of held rows whose key isn't among the server's; whole rows are read only for those."""
        key = ", ".join(names.quote(name) for name in self.key)
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE gone AS SELECT {key} FROM {held} AS h ANTI JOIN {server} AS s "
            f"ON {self.on('h', 's')}"
        )
        if self.count("gone"):
            self.keep(
                f"SELECT held.* EXCLUDE (_id) REPLACE ({self.at} AS _at), 'delete' AS _op{self._rev} "
                f"FROM held SEMI JOIN gone ON {self.on('held', 'gone')}"
            )

    @property
    def _rev(self) -> str:
        """Beside rows that replace a version, all others of the batch say that they don't."""
        return ", NULL::BIGINT AS _rev" if self.found.revised else ""

    @property
    def shape(self) -> str:
        """The columns of a file of the batch; those fetched for a comparison may have one more."""
        columns = [*(f"f.{names.quote(column.name)}" for column in self.fields), "f._exact", "f._version", "f._op"]
        return ", ".join([*columns, "f._at"])

    def on(self, left: str, right: str) -> str:
        return " AND ".join(
            f"{left}.{names.quote(name)} IS NOT DISTINCT FROM {right}.{names.quote(name)}" for name in self.key
        )

    def same(self, left: str, right: str) -> str:
        """Rows of one version: of a table with a key, whose versions are numbers in some of our tables."""
        return f"{self.on(left, right)} AND {left}._version::BIGINT = {right}._version::BIGINT"
