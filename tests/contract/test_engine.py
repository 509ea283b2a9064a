"""The Engine port, on every adapter: describes over empty tables, lends connections that are shut in."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from catchwater.adapters.engines.duckdb import memory_limit
from catchwater.errors import ProjectError
from catchwater.ports import Engine
from catchwater.project.tables import Column
from tests.support.models import engine

ENGINES: dict[str, Callable[[Path], Engine]] = {"duckdb": engine}
ORDERS = (Column("Order ID", "INTEGER"), Column("price", "DECIMAL(10,2)"), Column("moment", "TIMESTAMP WITH TIME ZONE"))


@pytest.fixture(params=ENGINES)
def port(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    return ENGINES[request.param](tmp_path)


def test_types_are_those_of_the_engine(port: Engine) -> None:
    sql = 'SELECT "Order ID", price, sum(price) AS s, price * 2 AS p, moment FROM "a b" GROUP BY ALL -- the end'
    assert [(c.name, c.type) for c in port.describe(sql, {"a b": ORDERS})] == [
        ("Order ID", "INTEGER"),
        ("price", "DECIMAL(10,2)"),
        ("s", "DECIMAL(38,2)"),
        ("p", "DECIMAL(18,2)"),
        ("moment", "TIMESTAMP WITH TIME ZONE"),
    ]


def test_macros_are_there(port: Engine) -> None:
    assert port.describe("SELECT one() AS a", {}, "CREATE MACRO one() AS 1;") == (Column("a", "INTEGER"),)


@pytest.mark.parametrize(
    ("sql", "line", "column", "message"),
    [
        ("SELECT price,\n  'é', prize FROM t", 2, 8, "no column prize"),
        ("SELECT 1 +", 1, 11, "syntax error at end of input"),
        ("SELECT * FROM nix", 1, 15, "Table with name nix does not exist"),
        ("SELECT * FROM read_csv('/etc/passwd')", 1, 15, 'Cannot access file "/etc/passwd"'),
        ("INSERT INTO t VALUES (1, 2, NULL)", 1, 1, "a model is one SELECT"),
        ("SELECT 1; SELECT 2", 1, 1, "a model is one SELECT"),
    ],
)
def test_errors_say_where(port: Engine, sql: str, line: int, column: int, message: str) -> None:
    with pytest.raises(ProjectError) as error:
        port.describe(sql, {"t": ORDERS})
    (problem,) = error.value.problems
    assert problem.message.startswith(message)
    assert (problem.line, problem.column) == (line, column)


def test_a_connection_reads_the_lake_and_nothing_else(port: Engine, tmp_path: Path) -> None:
    inside = tmp_path / ".catchwater" / "lake" / "a.parquet"
    inside.parent.mkdir(parents=True)
    con = port.connect()
    con.execute(f"COPY (SELECT 1 AS a) TO '{inside}'")
    assert con.execute(f"FROM read_parquet('{inside}')").fetchall() == [(1,)]
    with pytest.raises(duckdb.PermissionException):
        con.execute("FROM read_text('/etc/hostname')")
    with pytest.raises(duckdb.Error):
        con.execute("SET enable_external_access = true")
    with pytest.raises(duckdb.Error):
        con.execute("INSTALL httpfs")
    con.close()


def test_connections_are_private_limited_and_in_utc(port: Engine) -> None:
    one, other = port.connect(), port.connect()
    one.execute("CREATE TABLE t AS SELECT 1 AS a")
    with pytest.raises(duckdb.CatalogException):
        other.execute("FROM t")
    assert one.execute("SELECT current_setting('TimeZone')").fetchone() == ("UTC",)
    limit = one.execute("SELECT current_setting('memory_limit')").fetchone()
    assert limit is not None
    assert limit[0].endswith(("GiB", "MiB"))
    assert 0 < memory_limit() <= 4 << 30
    one.close()
    other.close()


def test_work_that_outgrows_memory_spills(port: Engine) -> None:
    con = port.connect()
    con.execute("SET memory_limit = '60MB'")
    con.execute("SET threads = 1")
    con.execute("CREATE TEMP TABLE t AS SELECT range AS a, hash(range)::VARCHAR AS b FROM range(2000000)")
    assert con.execute("SELECT count(*), count(DISTINCT b) FROM t").fetchone() == (2000000, 2000000)
    con.close()
