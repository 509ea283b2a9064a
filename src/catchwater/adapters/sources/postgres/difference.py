"""One table's new versions, from what Postgres has and what the log holds; DuckDB compares, no row passes Python."""

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from catchwater.adapters.sources.postgres.connection import both_cores
from catchwater.adapters.sources.postgres.reading import MOST_ODD_KEYS, Found, Reader, Wanted, drop, hold, scan
from catchwater.adapters.sources.postgres.select import columns_here
from catchwater.lake.hashed import content_hash, differing
from catchwater.ports import Held
from catchwater.project import names

__all__ = ["KEYLESS", "MOST_ODD_KEYS", "Found", "Table", "Wanted"]

KEYLESS = ("_version", "_occurrence")
EXACT = {"_exact": "MAP(VARCHAR, VARCHAR)"}
ORDERED = ("SMALLINT", "INTEGER", "BIGINT", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")


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
        with both_cores(self.con):
            self._judge(staged, same_server=same_server, deletes=deletes)
        news = (
            f"FROM {scan(staged)} AS f JOIN judged ON judged.file = f.file_index AND judged.place = f.file_row_number"
        )
        if self.count("judged WHERE replaces"):
            self.keep(f"SELECT f.* REPLACE (judged._at AS _at), judged._id AS _rev {news} WHERE judged.replaces")
            self.found.revised = self.found.rows
        if self.count("judged WHERE file IS NOT NULL AND NOT replaces"):
            self.keep(f"SELECT f.*{self._rev} {news} WHERE NOT judged.replaces")
        self.delete("(FROM judged WHERE file IS NULL) AS gone", "held._id = gone._id")
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
        key = ", ".join(f"h.{names.quote(name)}" for name in self.key)
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE gone AS SELECT {key} FROM keys AS h ANTI JOIN server AS s "
            f"ON {self.on('h', 's')}"
        )
        self.delete("gone", self.on("held", "gone"))
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
        return staged if self.relation.key else [self.numbered(staged)]

    def _judge(self, staged: Sequence[Path], *, same_server: bool, deletes: bool) -> None:
        """`judged`: which rows of `staged` are written, the `_id` and time of the version held under their key, and
        whether they replace it; with `deletes` also the versions held whose key has no row, without a file. Of each
        side are joined its key, a hash of its content, and its place: only those of keys among which something differs.
        """
        key = ", ".join(names.quote(name) for name in self.key)
        content = content_hash({f.name: f.type for f in self.fields if f.name not in self.relation.key} | EXACT)
        version = "TRY_CAST(_version AS BIGINT)" if self.relation.key else "0"
        among: str | None = self._among(staged)
        if deletes:
            among = differing(self.con, (scan(staged), "held"), f"hash({key})", f"hash({content}, {version})")
        keys = ", ".join(f"{names.quote(name)} AS k{i}" for i, name in enumerate(self.key))
        slim = f"SELECT {keys}, {content} AS content, {version} AS v"
        rows = " WHERE false" if among is None else among
        on = " AND ".join(f"f.k{i} IS NOT DISTINCT FROM h.k{i}" for i in range(len(self.key)))
        self.con.execute(
            "CREATE OR REPLACE TEMP TABLE judged AS SELECT file, place, _id, _at, "
            f"there AND {'alike <> known' if same_server else 'alike AND NOT known'} AS replaces FROM ("
            "SELECT f.file, f.place, h._id, h._at, h._id IS NOT NULL AND f.file IS NOT NULL AS there, "
            "COALESCE(f.v = h.v, false) AS known, COALESCE(f.content = h.content, false) AS alike "
            f"FROM ({slim}, file_index AS file, file_row_number AS place FROM {scan(staged)}{rows}) AS f "
            f"{'FULL' if deletes else 'LEFT'} JOIN ({slim}, _id, _at FROM held{rows}) AS h ON {on}) "
            "WHERE NOT (there AND alike AND known)"
        )

    def _among(self, staged: Sequence[Path]) -> str:
        """The condition of the held rows that a part of the table may meet: their files tell where those stand."""
        ordered = [field for field in self.key_fields[:1] if field.type in ORDERED]
        if not ordered:
            return ""
        name, kind = names.quote(ordered[0].name), ordered[0].type
        bounds = self.con.execute(f"SELECT min({name})::VARCHAR, max({name})::VARCHAR FROM {scan(staged)}").fetchone()
        if bounds is None or bounds[0] is None:
            return ""
        least, most = (f"CAST({names.literal(text)} AS {kind})" for text in bounds)
        return f" WHERE {name} BETWEEN {least} AND {most}"

    def numbered(self, staged: Sequence[Path]) -> Path:
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

    def delete(self, gone: str, on: str) -> None:
        """The last values of the held rows that `gone` names; whole rows are read only for those."""
        if self.count(gone):
            self.keep(
                f"SELECT held.* EXCLUDE (_id) REPLACE ({self.at} AS _at), 'delete' AS _op{self._rev} "
                f"FROM held SEMI JOIN {gone} ON {on}"
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
