"""What changed in a table, at the cost of what changed; nothing here compares the whole of it."""

from collections.abc import Sequence
from pathlib import Path

from catchwater.adapters.sources.postgres.connection import both_cores
from catchwater.adapters.sources.postgres.deletes import Deletes
from catchwater.adapters.sources.postgres.difference import Table
from catchwater.adapters.sources.postgres.position import WRAP, Sum
from catchwater.adapters.sources.postgres.reading import number, scan
from catchwater.adapters.sources.postgres.select import as_array, pairs_sum
from catchwater.ports import Held
from catchwater.project import names

SLICE = 5_000
MOST_PAIRS = 200_000


class Pairs:
    """The (key, version) pairs of one table that stand in the temporary table `name`."""

    def __init__(self, table: Table, name: str) -> None:
        self.table, self.con, self.name = table, table.con, name
        self.count = table.count(name)

    def sum(self) -> int:
        """The sum of them, as Postgres itself hashes them."""
        fields = self.table.key_fields
        arrays = [as_array(field, names.quote(field.name)) for field in fields]
        arrays.append("'{' || string_agg(_version::VARCHAR, ',') || '}'")
        slices = self.con.execute(
            f"SELECT {', '.join(arrays)} FROM (SELECT *, rowid // {SLICE} AS slice FROM {self.name}) GROUP BY slice"
        ).fetchall()
        return sum(int(self.table.session.rows(pairs_sum(fields, texts))[0][0]) for texts in slices)


def held_under(table: Table, rows: str) -> Pairs:
    """`old`: the pairs held under the keys of some rows; the table's `held` is there."""
    key = ", ".join(f"held.{names.quote(name)}" for name in table.key)
    on = " AND ".join(f"held.{names.quote(name)} = f.{names.quote(name)}" for name in table.key)
    with both_cores(table.con):
        table.con.execute(
            f"CREATE OR REPLACE TEMP TABLE old AS SELECT {key}, TRY_CAST(held._version AS BIGINT) AS _version "
            f"FROM held SEMI JOIN {rows} AS f ON {on}"
        )
    return Pairs(table, "old")


class Change:
    """The rows that may be new of one table, and the count and checksum that it must have with them.

    The sum of what is held, less what it holds under the keys of these rows and of those that were deleted, plus these
    rows, is the sum of the server exactly when nothing else differs: 64 bits per row, added without an order."""

    def __init__(self, table: Table, held: Held, before: Sum) -> None:
        self.table, self.held, self.before = table, held, before
        self.con = table.con
        self.staged: list[Path] = []
        self.news = self.missing = 0

    def explains(self, candidates: Sequence[str], now: Sum) -> bool:
        """Whether one of these conditions, each wider than the one before, gives all that is new; its rows are staged
        then, and those of the last one otherwise."""
        self.table.hold(self.held)
        return any(self._explains(condition, now) for condition in candidates)

    def keep(self) -> None:
        """The staged rows that aren't held go into the batch, and the last values of those that are gone."""
        table = self.table
        if self.news:
            table.keep(f"SELECT {table.shape} FROM {scan(self.staged)} AS f ANTI JOIN old ON {table.same('f', 'old')}")
        if self.missing:
            table.delete("gone", table.on("held", "gone"))

    def _explains(self, condition: str, now: Sum) -> bool:
        for path in self.staged:
            path.unlink()
        self.staged = self.table.fetch(condition, hashed=True)
        self.news = self.table.count(scan(self.staged))
        if self.news > MOST_PAIRS:
            return False
        old = held_under(self.table, scan(self.staged))
        self.missing = self.before.count - old.count + self.news - now.count
        if self.missing and not Deletes(self.table, self.staged).find(self.missing):
            return False
        added = number(self.con, f"SELECT COALESCE(sum(_sum), 0) FROM {scan(self.staged)}")
        gone = Pairs(self.table, "gone").sum() if self.missing else 0
        return int(self.before.checksum) - old.sum() - gone + added == int(now.checksum)


def late_pairs(table: Table, held: Held, since: int, age: int) -> Sum | None:
    """Of the versions held under keys that came again: rows of the batch written since the first part. None when there
    are so many that all versions must be compared."""
    if not table.found.files:
        return Sum(0, "0")
    distance = f"((_version::BIGINT - {since % WRAP} + {WRAP}) % {WRAP})"
    rows = f"(FROM {scan(table.found.files)} WHERE {distance} < {age})"
    if table.count(rows) > MOST_PAIRS:
        return None
    table.hold(held)
    pairs = held_under(table, rows)
    return Sum(pairs.count, str(pairs.sum()))
