"""Tables that are rewritten, replaced and reshaped while they are captured, and what may then stand in the lake."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catchwater.errors import SourceBusy, SourceRefused
from catchwater.project.names import quote
from tests.support.moments import Change, Moments, watched
from tests.support.postgres import Database, Lake, there

Statement = str | tuple[str, str]
Row = Mapping[str, str | None]
LINES = "".join(f"{i}\tcopied {i}\t{i}\tok\t(1,y)\n" for i in range(3, 50))
COLUMNS = "(id int PRIMARY KEY, v text, n int, m mood, c pair)"
SPARSE = "WITH (fillfactor = 10)"  # a few rows a block, so that few rows are several parts
FILL = "SELECT i, 'v' || i, i, 'sad'::mood, (i, 'x')::pair FROM generate_series({}) i"

SCHEMA = (
    "DROP SCHEMA public CASCADE",
    "CREATE SCHEMA public",
    "GRANT USAGE ON SCHEMA public TO PUBLIC",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    "CREATE TYPE mood AS ENUM ('sad', 'ok')",
    "CREATE TYPE pair AS (a int, b text)",
    f"CREATE TABLE t {COLUMNS} {SPARSE}",
    f"CREATE TABLE new {COLUMNS} {SPARSE}",
    f"CREATE TABLE p {COLUMNS} PARTITION BY RANGE (id)",
    f"CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100) {SPARSE}",
    f"CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (200) {SPARSE}",
    f"CREATE TABLE p3 {COLUMNS} {SPARSE}",
    f"CREATE TABLE other {COLUMNS} {SPARSE}",
    f"INSERT INTO p3 {FILL.format('201, 220')}",
    f"INSERT INTO other {FILL.format('101, 140')}",
    f"INSERT INTO t {FILL.format('1, 40')}",
    f"INSERT INTO p {FILL.format('1, 40')}",
    f"INSERT INTO p {FILL.format('101, 140')}",
    f"INSERT INTO new {FILL.format('5, 60')}",
    "UPDATE new SET v = 'swapped in'",
    "UPDATE other SET v = 'swapped in'",
)
PENDING = tuple(
    statement
    for table in ("t", "p")
    for statement in (
        f"UPDATE {table} SET v = 'changed', n = NULL WHERE id IN (3, 4, 5)",
        f"INSERT INTO {table} {FILL.format('41, 43')}",
        f"DELETE FROM {table} WHERE id IN (1, 2)",
    )
)


@dataclass(frozen=True)
class Rewrite:
    """What is done to `table`; `alone` can't stand in a transaction, `after` lets it be read again (row security)."""

    table: str
    statements: tuple[Statement, ...]
    alone: bool = False
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


REWRITES: dict[str, Rewrite] = {
    "another type": Rewrite("t", ("ALTER TABLE t ALTER COLUMN n TYPE bigint",)),
    "another kind of type": Rewrite("t", ("ALTER TABLE t ALTER COLUMN n TYPE text USING 'n' || n",)),
    "volatile default": Rewrite("t", ("ALTER TABLE t ADD COLUMN w float8 DEFAULT random()",)),
    "default": Rewrite("t", ("ALTER TABLE t ADD COLUMN w int DEFAULT 7",)),
    "column dropped": Rewrite("t", ("ALTER TABLE t DROP COLUMN v",)),
    "truncate and copy freeze": Rewrite("t", ("TRUNCATE t", ("COPY t FROM STDIN (FREEZE)", LINES))),
    "drop and create": Rewrite("t", ("DROP TABLE t", f"CREATE TABLE t {COLUMNS}", f"INSERT INTO t {FILL.format('3, 50')}")),
    "renamed in": Rewrite("t", ("ALTER TABLE t RENAME TO old", "ALTER TABLE new RENAME TO t")),
    "partition attached": Rewrite("p", ("ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM (200) TO (300)",)),
    "partition detached": Rewrite("p", ("ALTER TABLE p DETACH PARTITION p2",)),
    "partition detached concurrently": Rewrite("p", ("ALTER TABLE p DETACH PARTITION p2 CONCURRENTLY",), alone=True),
    "partitions swapped": Rewrite("p", (
        "ALTER TABLE p DETACH PARTITION p2", "ALTER TABLE p ATTACH PARTITION other FOR VALUES FROM (100) TO (200)",
    )),
    "vacuum full": Rewrite("t", ("VACUUM FULL t",), alone=True),
    "cluster": Rewrite("t", ("CLUSTER t USING t_pkey",)),
    "enum value renamed": Rewrite("t", ("ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",)),
    "attribute added": Rewrite("t", ("ALTER TYPE pair ADD ATTRIBUTE z int",)),
    "truncated": Rewrite("t", ("TRUNCATE t",)),
    "row security on": Rewrite(
        "t", ("CREATE POLICY few ON t USING (id > 20)", "ALTER TABLE t ENABLE ROW LEVEL SECURITY"),
        after=("ALTER TABLE t DISABLE ROW LEVEL SECURITY",),
    ),
    "policy widened": Rewrite(
        "t", ("ALTER POLICY few ON t USING (true)", "ALTER TABLE t DISABLE ROW LEVEL SECURITY"),
        before=("CREATE POLICY few ON t USING (id > 20)", "ALTER TABLE t ENABLE ROW LEVEL SECURITY"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class State:
    """A table at one moment: its rows by key, each value as Postgres writes it."""

    rows: dict[str, Row]


def state(db: Database, table: str) -> State:
    names = [str(name) for [name] in db.run(
        f"SELECT attname::text FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 "
        "AND NOT attisdropped ORDER BY attnum"
    )]  # fmt: skip
    return _state(names, there(db, quote(table), names))


def _state(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> State:
    made = [dict(zip(names, row, strict=True)) for row in rows]
    found = {str(row["id"]): row for row in made}
    assert len(found) == len(made), "a key stands twice"
    return State(found)


def held(lake: Lake, table: str) -> State | None:
    """What the lake shows now; None while it has nothing of the table that is complete."""
    head = lake.log.head()
    if head is None or table not in head.tables or not head.complete:
        return None  # a part of a first load isn't read by models
    names = [column.name for column in head.tables[table].schema]
    return _state(names, lake.texts(table, names))


class Trial:
    """One rewrite of one table at one moment of one capture; `problems` is everything that came out wrong."""

    def __init__(self, db: Database, folder: Path, rewrite: Rewrite, *, first: bool = False) -> None:
        self.db, self.rewrite = db, rewrite
        self.problems: list[str] = []
        db.run(*SCHEMA)
        self.lake = Lake(db, folder, ["t", "p"], user=reader(db))
        self.states: list[State] = []
        if not first:
            self.lake.ingest()
            self.states.append(state(db, rewrite.table))
        db.run(*PENDING, *rewrite.before)
        self.states.append(state(db, rewrite.table))

    def moments(self) -> int:
        """How many moments a capture has when nothing happens."""
        with watched(Moments()) as moments:
            self.attempt()
        return len(moments.passed)

    def at(self, moment: int) -> None:
        """The rewrite is let go at that moment, and waits where it must."""
        change = Change(self.db, self.statements())
        with watched(Moments(moment, change.let_go)) as moments:
            self.attempt()
        if moment >= len(moments.passed):
            change.let_go()
        change.finish()
        self.check(moments.passed[moment] if moment < len(moments.passed) else "at the end")

    def while_held(self) -> None:
        """The rewrite is done and not committed when the capture begins, and is committed once that one waits."""
        change = Change(self.db, self.statements())
        change.hold()
        self.attempt()
        change.finish()
        self.check("held")

    def statements(self) -> tuple[Statement, ...]:
        if self.rewrite.alone:
            return self.rewrite.statements
        return ("BEGIN", *self.rewrite.statements, "COMMIT")

    def attempt(self) -> None:
        with suppress(SourceBusy, SourceRefused):
            self.lake.ingest()

    def check(self, moment: str) -> None:
        now = held(self.lake, self.rewrite.table)
        self.db.run(*self.rewrite.after)
        after = state(self.db, self.rewrite.table)
        self.states.append(after)
        if now is not None and not self._one_of(now):
            self.problems.append(f"{moment}: what was committed is neither the state before nor after")
        self.lake.ingest()
        if held(self.lake, self.rewrite.table) != after:
            self.problems.append(f"{moment}: the next capture doesn't mend it")
        self._history(moment)

    def _one_of(self, now: State) -> bool:
        """The names of enum values and attributes follow no snapshot: while one changes, either may be read."""
        if "ALTER TYPE" in str(self.rewrite.statements):
            return any(now.rows.keys() == one.rows.keys() for one in self.states)
        return now in self.states

    def _history(self, moment: str) -> None:
        """No delete of a row that was always there, and no value that the row never had."""
        table = self.rewrite.table
        names = [column.name for column in self.lake.log.head().tables[table].schema]  # type: ignore[union-attr]
        gone = {str(key) for (key,) in self.lake.rows(f"SELECT id FROM {table}__history WHERE _op = 'delete'", table)}
        always = set.intersection(*(set(one.rows) for one in self.states))
        if false := gone & always:
            self.problems.append(f"{moment}: rows deleted that are there: {sorted(false)[:5]}")
        for row in _versions(self.lake, table, names):
            key = str(row["id"])
            for name, value in row.items():
                had = {one.rows[key].get(name) for one in self.states if key in one.rows}
                if value not in had:
                    self.problems.append(f"{moment}: {table} {key} has {name} = {value!r}, and had {had}")
                    return


def _versions(lake: Lake, table: str, names: Sequence[str]) -> list[Row]:
    among = f"{quote(table + '__history')} WHERE _op = 'upsert'"
    return [dict(zip(names, row, strict=True)) for row in lake.texts(table, names, among)]


def reader(db: Database) -> str:
    """A role with no more than SELECT, to whom row security applies."""
    name = f"reader_{db.name}"
    if not db.run(f"SELECT FROM pg_roles WHERE rolname = '{name}'"):
        db.run(f"CREATE ROLE {name} LOGIN")
    return name
