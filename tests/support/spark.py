"""Spark under test: one session per process, the same SELECT by both engines, and the values that break engines."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pytest

from catchwater.adapters.engines.spark import SparkEngine
from catchwater.lake.log import Log
from catchwater.lake.parquet import read_back, written
from catchwater.lake.read import create_state
from catchwater.plan.plan import Model
from catchwater.ports import Piece, Relation, Selection, Settings, Store
from catchwater.project.names import literal, quote
from catchwater.project.tables import Column
from catchwater.stages.inputs import held_columns, since_reset

TEXTS = [
    "", " ", "a", "A", "z", "abc", "ABC", "a%b", "a_b", "a'b", 'a"b', "a\\b", "a\nb", "a\tb", "  two  ", "é", "ß", "Σ",
    "日本語", "😀x", "e\u0301", "\u00a0", "null", "NULL", "true", "0", "-1", "1.5", "1e3", "xxabcxx", "$1", "{0}", "a,b",
    "[1,2]", '{"a":1}', "ab" * 300,
]  # fmt: skip
WHOLE = [0, 1, -1, 2, -2, 3, 7, -7, 10, 100, 127, -128, 128, 255, 256, 32767, -32768, 65535, 10**6, -(10**6), 2**31 - 1,
         -(2**31)]  # fmt: skip
LONG = [*WHOLE, 2**31, 2**53, 2**53 + 1, -(2**53) - 1, 10**15, 10**18, 2**63 - 1, -(2**63)]
DOUBLES = ["0.0", "-0.0", "1.0", "-1.0", "0.1", "0.30000000000000004", "0.5", "1.5", "2.5", "-2.5", "1e-300", "1e300",
           "5e-324", "1.7976931348623157e308", "123456789.125", "1e15", "9007199254740993", "nan", "inf", "-inf"]  # fmt: skip
DECIMALS = ["0.00", "0.01", "-0.01", "0.50", "-0.50", "1.00", "1.25", "1.50", "2.50", "-2.50", "9.99", "10.00", "99.99",
            "-99.99", "1234567.89", "99999999.99", "-99999999.99"]  # fmt: skip
DATES = ["0001-01-01", "1582-10-04", "1582-10-15", "1899-12-31", "1969-12-31", "1970-01-01", "2000-02-29", "2020-01-31",
         "2020-02-29", "2021-01-03", "2021-01-04", "2021-12-31", "9999-12-31"]  # fmt: skip
TIMES = ["00:00:00", "00:00:00.000001", "01:02:03.5", "12:00:00", "23:59:59.999999"]


def needs_java() -> None:
    """Skips a test where Spark can't run; in CI that is a failure."""
    if not shutil.which("java"):
        pytest.skip("java: not on this machine: apt install default-jre-headless")


SCALARS = r"""
t || u
concat(t, u, NULL)
length(t)
substring(t, 2, 3)
substring(t, 2)
replace(t, 'a', 'bb')
replace(t, u, '-')
starts_with(t, 'a')
ends_with(t, 'b')
contains(t, u)
t LIKE 'a%'
t LIKE '%_b%'
t NOT LIKE 'a_b'
trim(t, ' ')
ltrim(t, 'xa')
rtrim(t, ' b')
md5(t)
t = u
t < u
t <> 'abc'
t IN ('a', 'A', '')
t IN ('a', NULL)
t BETWEEN 'A' AND 'a'
t IS NOT DISTINCT FROM u
coalesce(t, u, 'none')
nullif(t, 'a')
greatest(t, u)
least(t, u, 'm')
CASE WHEN t = 'a' THEN 1 WHEN t = 'b' THEN 2 END
CASE t WHEN 'a' THEN 1.5 ELSE i END
CASE WHEN y THEN p ELSE q END
if(y, i, b)
i / j
b / j
p / q
d / e
d * e
d + e
d - e
f * f
i // (j * j + 1)
i // greatest(j, 0)
b // greatest(j, 0)
i % greatest(j, 0)
-i::BIGINT
-p
-d
i::BIGINT + j
i::BIGINT * j
s + s::INTEGER
p + q
p - i
p * j
p * 1.234567
q * 3
i = b
i < p
p >= q
d = e
d < e
d > i
b > d
i BETWEEN -1 AND 100
i IN (1, 2, 3000000000)
p IN (1, 1.5, 9.99)
abs(i::BIGINT)
abs(p)
abs(q)
round(p, 1)
round(p, 0)
round(q, 3)
round(p)
floor(p)
ceil(q)
floor(p)::INTEGER
p::INTEGER
q::BIGINT
q::DECIMAL(10,2)
p::DECIMAL(20,4)
p::DECIMAL(12,1)
i::BIGINT
i::DOUBLE
b::DOUBLE
p::DOUBLE
i::DECIMAL(12,2)
i::VARCHAR
b::VARCHAR
p::VARCHAR
q::VARCHAR
y::VARCHAR
y::INTEGER
i::BOOLEAN
ub::VARCHAR
h::VARCHAR
ub::HUGEINT
h
ub
x
f
s
f::DOUBLE
dt::VARCHAR
ts::VARCHAR
tz::VARCHAR
dt::TIMESTAMP
ts::DATE
tz::DATE
tz::TIMESTAMP
ts::TIMESTAMPTZ
dt::TIMESTAMPTZ
tz AT TIME ZONE 'UTC'
ts AT TIME ZONE 'UTC'
CAST(tz AT TIME ZONE 'UTC' AS DATE)
year(dt)
month(ts)
day(tz)
extract(hour FROM ts)
extract(minute FROM tz)
extract(quarter FROM dt)
date_trunc('month', dt)
date_trunc('week', ts)
date_trunc('hour', tz)
date_trunc('quarter', tz)
date_trunc('year', ts)
date_trunc('day', tz)
CASE WHEN year(dt) < 9000 THEN dt + INTERVAL 1 MONTH END
CASE WHEN year(dt) > 1 THEN dt - INTERVAL 3 DAY END
CASE WHEN year(ts) BETWEEN 2 AND 9000 THEN ts + INTERVAL 90 MINUTE END
CASE WHEN year(tz) BETWEEN 2 AND 9000 THEN tz - INTERVAL 1 YEAR END
dt - DATE '2000-01-01'
date_diff('day', dt, ts)
dt < DATE '2000-01-01'
ts >= TIMESTAMP '2000-01-01 00:00:00'
tz = TIMESTAMPTZ '2021-03-28 00:00:00+00'
dt IS NULL
y AND i > 0
y OR t = 'a'
NOT y
y IS TRUE
y IS NOT FALSE
1.5
3000000000
99999999999999999999
1e3
'it''s'
'back\slash'
NULL::INTEGER
-5
-1.5
CASE WHEN t IN ('0', '-1') THEN t::INTEGER END
CASE WHEN t IN ('0', '-1', '1.5') THEN t::DECIMAL(10,3) END
CASE WHEN t IN ('0', '-1', '1.5', '1e3') THEN t::DOUBLE END
CASE WHEN t IN ('true', '0') THEN t::BOOLEAN END
CASE WHEN abs(i::BIGINT) < 1000 THEN (i / 4)::INTEGER END
(dt::VARCHAR)::DATE
lower('ABC' || i::VARCHAR)
upper(i::VARCHAR)
""".strip().splitlines()


def values() -> str:
    """A SELECT of the odd values of every type, `k` its number; NULL in each column in the last rows."""

    def listed(items: Sequence[str], kind: str) -> str:
        return f"[{', '.join(f'CAST({item} AS {kind})' for item in items)}]"

    stamps = [f"{date} {TIMES[i % len(TIMES)]}" for i, date in enumerate(DATES)] + [f"2021-03-28 {t}" for t in TIMES]
    columns = {
        "t": listed([literal(text) for text in TEXTS], "VARCHAR"),
        "u": listed([literal(text) for text in TEXTS[::-1]], "VARCHAR"),
        "i": listed([str(n) for n in WHOLE], "INTEGER"),
        "j": listed([str(n) for n in [5, 0, -3, 1, 2, -1, 4, 7, 11, 13, 0, 9]], "INTEGER"),
        "b": listed([f"'{n}'" for n in LONG], "BIGINT"),
        "s": listed([str(n) for n in [0, 1, -1, 127, -128]], "TINYINT"),
        "ub": listed([f"'{n}'" for n in [0, 1, 2**63, 2**64 - 1]], "UBIGINT"),
        "h": listed([f"'{n}'" for n in [0, 1, -(10**20), 10**27, 5]], "HUGEINT"),
        "d": listed([f"'{n}'" for n in DOUBLES], "DOUBLE"),
        "e": listed([f"'{n}'" for n in DOUBLES[::-1][1:]], "DOUBLE"),
        "f": listed([f"'{n}'" for n in ["0.1", "1.5", "-2.25", "nan", "inf", "3.4e38"]], "FLOAT"),
        "p": listed([f"'{n}'" for n in DECIMALS], "DECIMAL(10,2)"),
        "q": listed([f"'{n}'" for n in ["0.000000", "0.000001", "1.234567", "-1.999999", "12345.5"]], "DECIMAL(18,6)"),
        "dt": listed([f"'{n}'" for n in DATES], "DATE"),
        "ts": listed([f"'{n}'" for n in stamps], "TIMESTAMP"),
        "tz": listed([f"'{n}+00'" for n in stamps], "TIMESTAMPTZ"),
        "y": listed(["true", "false"], "BOOLEAN"),
        "x": listed(["'\\x00\\xFF'::BLOB", "'a'::BLOB"], "BLOB"),
    }
    fields = [f"({body})[1 + r.k % (1 + len({body}))] AS {name}" for name, body in columns.items()]
    return f"SELECT r.k::INTEGER AS k, {', '.join(fields)} FROM range(0, 190) AS r(k)"


class Both:
    """One relation `v` in a file; `same` computes a SELECT of it with either engine and compares all values."""

    def __init__(self, folder: Path, select: str) -> None:
        self.folder = folder
        self.engine = SparkEngine("spark", None, Settings(folder, folder / ".catchwater", "local", str))
        self.file = folder / f"{uuid4().hex}.parquet"
        with _duck() as con:
            rows = con.execute(f"DESCRIBE {select}").fetchall()
            self.columns = tuple(Column(row[0], row[1]) for row in rows)
            items = ", ".join(map(written, self.columns))
            target = literal(str(self.file))
            con.execute(f"COPY (SELECT {items}, false AS _removed FROM ({select})) TO {target} (FORMAT parquet)")

    def relation(self) -> Relation:
        own = (Column("_removed", "BOOLEAN"),)
        piece = Piece(str(self.file), 1 << 24, (*self.columns, *own), True)
        return Relation("v", self.columns, "state", (piece,), ("k",))

    def duckdb(self, sql: str, macros: str = "") -> tuple[tuple[Column, ...], list[tuple[Any, ...]]]:
        with _duck() as con:
            con.execute(macros)
            items = ", ".join(map(read_back, self.columns))
            con.execute(f"CREATE VIEW v AS SELECT {items} FROM read_parquet({literal(str(self.file))})")
            columns = tuple(Column(row[0], row[1]) for row in con.execute(f"DESCRIBE {sql}").fetchall())
            return columns, con.execute(_texts(columns, f"({sql})")).fetchall()

    def spark(self, sql: str, columns: Sequence[Column], macros: str = "") -> list[tuple[Any, ...]]:
        place = self.folder / uuid4().hex
        self.engine.select(Selection(sql, (self.relation(),), tuple(columns), macros), str(place))
        files = f"read_parquet({literal(str(place / 'rows' / '*.parquet'))})"
        back = ", ".join(f"{quote(c.name)}::{c.type} AS {quote(c.name)}" for c in columns)
        with _duck() as con:
            return con.execute(_texts(columns, f"(SELECT {back} FROM {files})")).fetchall()

    def same(self, sql: str, macros: str = "") -> int:
        """How many rows both gave; AssertionError names the first columns that differ."""
        columns, expected = self.duckdb(sql, macros)
        found = self.spark(sql, columns, macros)
        assert len(found) == len(expected), sql
        for one, other in zip(expected, found, strict=True):
            differ = {c.name: (a, b) for c, a, b in zip(columns, one, other, strict=True) if a != b}
            assert not differ, f"DuckDB and Spark differ: {differ} in {one[:1]}"
        return len(found)


def _texts(columns: Sequence[Column], relation: str) -> str:
    """Every value as its exact text, in the order of all of them; a DOUBLE with the sign of zero."""
    names = ", ".join(
        f"replace({quote(c.name)}::VARCHAR, '-nan', 'nan')"
        if c.type in ("DOUBLE", "FLOAT")
        else f"{quote(c.name)}::VARCHAR"
        for c in columns
    )
    return f"SELECT {names} FROM {relation} ORDER BY ALL"


@contextmanager
def _duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        yield con


def stop() -> None:
    """End this process's session and its JVM."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()
    session.stop()
    gateway = SparkContext._gateway
    if gateway is not None:
        gateway.shutdown()
        process: Any = gateway.proc
        process.stdin.close()
        process.wait(30)
        SparkContext._gateway = SparkContext._jvm = None


def rows_of_log(store: Store, model: Model) -> list[tuple[Any, ...]]:
    """The committed rows of a model as texts, in the order of all their columns; none before the first batch."""
    batches = since_reset(Log(store, f"processed/{model.name}").batches(None))
    if not batches:
        return []
    columns = held_columns(model)
    with _duck() as con:
        create_state(con, "state", store, batches, model.name, columns, model.key)
        return con.execute(_texts(columns, "state")).fetchall()
