"""Which rows were deleted, found by counts of groups of keys on both sides; that these are all isn't proven here."""

from collections.abc import Sequence
from pathlib import Path

from catchwater.adapters.sources.postgres.difference import Table
from catchwater.adapters.sources.postgres.reading import scan
from catchwater.adapters.sources.postgres.select import Field, columns_here, is_odd
from catchwater.project import names

GROUPS = 65_521  # a prime: numbers that count in steps of a power of two, or of ten, still spread
MOST = GROUPS // 4
WHOLE = ("SMALLINT", "INTEGER", "BIGINT")


class Deletes:
    """The rows held of one table that have no key in Postgres, beside the rows that changed: `held` is there, and
    `old`, what was held under the keys of the `staged` ones."""

    def __init__(self, table: Table, staged: Sequence[Path]) -> None:
        self.table, self.con, self.staged = table, table.con, staged
        self.fields = [field for field in table.key_fields if field.type in (*WHOLE, "UUID")]

    def find(self, missing: int) -> bool:
        """`gone`: the (key, version) of `missing` held rows whose key isn't there. False where counts don't tell: keys
        without a column that both sides count alike, more rows than groups, rows that came."""
        if not self.fields or not 0 < missing <= MOST:
            return False
        self._differing()
        less, more = self._sums("groups WHERE n > 0"), self._sums("groups WHERE n < 0")
        if less != missing or more:
            return False
        self._compare()
        return self.table.count("gone") == missing

    def _sums(self, groups: str) -> int:
        found = self.con.execute(f"SELECT COALESCE(sum(n), 0)::BIGINT FROM {groups}").fetchone()
        return int(found[0]) if found else 0

    def _differing(self) -> None:
        """`groups`: those of keys that hold more or fewer rows than they have in Postgres, and by how many."""
        odd = is_odd(self.table.key_fields)
        tail = f" WHERE ({odd}) IS NOT TRUE" if odd else ""
        there = f"SELECT {self._there} AS g, count(*) AS n FROM {self.table.relation.rows_of} AS x{tail} GROUP BY 1"
        counted = f"SELECT {self._here} AS g, {{}}count(*) AS n FROM {{}} GROUP BY 1"
        sides = [counted.format("", "held"), counted.format("-", "old"), f"SELECT g, -n FROM {self._scan(there)}"]
        if self.staged:
            sides.append(counted.format("", scan(self.staged)))
        self.con.execute(
            "CREATE OR REPLACE TEMP TABLE groups AS "
            f"SELECT g, sum(n)::BIGINT AS n FROM ({' UNION ALL '.join(sides)}) GROUP BY g HAVING sum(n) <> 0"
        )

    def _compare(self) -> None:
        """`gone`: held rows of these groups that aren't there. Only the keys of these groups are read."""
        table = self.table
        wanted = ",".join(str(g) for (g,) in self.con.execute("SELECT g FROM groups").fetchall())
        there = table.select(table.key_fields, f"{self._there} IN (SELECT unnest('{{{wanted}}}'::int8[]))")
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE server AS SELECT {columns_here(table.key_fields)} FROM {self._scan(there)}"
        )
        key = ", ".join(f"h.{names.quote(name)}" for name in table.key)
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE gone AS SELECT {key}, TRY_CAST(h._version AS BIGINT) AS _version "
            f"FROM (FROM held WHERE {self._here} IN (SELECT g FROM groups)) AS h "
            f"ANTI JOIN server AS s ON {table.on('h', 's')}"
        )

    def _scan(self, sql: str) -> str:
        return self.table.session.scan(sql)

    @property
    def _there(self) -> str:
        """The group of a row, in Postgres."""
        last = "(get_byte(uuid_send({0}), 14) * 256 + get_byte(uuid_send({0}), 15))"
        return _group([(last if field.type == "UUID" else "{0}::int8").format(field.there) for field in self.fields])

    @property
    def _here(self) -> str:
        """The same in DuckDB."""
        return _group([_value(field) for field in self.fields])


def _value(field: Field) -> str:
    name = names.quote(field.name)
    return f"('0x' || right({name}::VARCHAR, 4))::BIGINT" if field.type == "UUID" else f"{name}::BIGINT"


def _group(values: Sequence[str]) -> str:
    group = f"{values[0]} % {GROUPS}"
    for value in values[1:]:
        group = f"({group} * 31 + {value} % {GROUPS}) % {GROUPS}"
    return f"({group})"
