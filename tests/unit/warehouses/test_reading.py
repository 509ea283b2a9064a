"""What readers of a warehouse may ask: attacked with statements that write, reach outside or change the instance."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from catchwater.adapters.warehouses.reading import ReadingCursor
from catchwater.errors import UseError

NOT_RUN = """
CREATE TEMP TABLE x AS SELECT 1
CREATE MACRO f() AS 1
CREATE TYPE mood AS ENUM ('a')
CREATE TYPE mood AS ENUM (SELECT 'a')
CREATE SECRET (TYPE s3)
INSERT INTO t VALUES (1)
UPDATE t SET id = 2
DELETE FROM t
TRUNCATE t
MERGE INTO t USING (SELECT 1 AS id) s ON t.id = s.id WHEN MATCHED THEN DELETE
ALTER TABLE t ADD COLUMN x INT
COMMENT ON TABLE t IS 'x'
WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x
SELECT 1; DROP TABLE t
SELECT 1; /* ; */ -- ;
PREPARE p AS SELECT 1
EXECUTE p
DEALLOCATE p
COPY t TO 'FOLDER/a.csv'
COPY (SELECT 1) TO 'FOLDER/a.csv'
COPY t FROM 'FOLDER/a.csv'
EXPORT DATABASE 'FOLDER'
ATTACH 'FOLDER/x.duckdb'
DETACH memory
USE memory
INSTALL httpfs
LOAD httpfs
SET threads = 1
SET VARIABLE a = 1
RESET threads
PRAGMA enable_profiling
CALL pragma_version()
CALL enable_logging()
VACUUM
CHECKPOINT
BEGIN
COMMIT
EXPLAIN DELETE FROM t
EXPLAIN ANALYZE DELETE FROM t
/* c */ EXPLAIN ANALYZE INSERT INTO t VALUES (1)
EXPLAIN ANALYZE COPY t TO 'FOLDER/c.csv'
EXPLAIN ANALYZE PIVOT t ON id
FROM enable_logging('QueryLog', storage='file', storage_config={'path': 'FOLDER/log'})
SELECT * FROM t WHERE id IN (SELECT 1 FROM Enable_Logging())
WITH a AS (FROM enable_logging()) FROM a
FROM system.main."enable_LOGGING"()
FROM t, LATERAL (FROM enable_logging())
DESCRIBE FROM enable_logging()
SUMMARIZE FROM enable_logging()
EXPLAIN ANALYZE FROM enable_logging()
PIVOT (SELECT 1 AS id, * FROM enable_logging()) ON id USING count(*)
PIVOT (SELECT 1 AS id, * FROM "enable_logging" /* /* */ */ ()) ON id USING count(*)
PRAGMA json_execute_serialized_sql(json_serialize_sql('FROM enable_logging()'))
FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))
FROM enable_profiling(format='json', save_location='FOLDER/profile.json')
FROM query('SELECT 42')
FROM query('FROM postgres' || '_query(''warehouse'', ''SELECT 1'')')
FROM postgres_query('warehouse', 'SELECT 1')
FROM postgres_execute('warehouse', 'DROP TABLE t')
FROM pg_clear_cache()
FROM checkpoint()
FROM duckdb_secrets()
FROM duckdb_logs()
FROM read_csv('/etc/passwd')
FROM read_text('/etc/passwd')
FROM read_blob('/proc/self/environ')
FROM glob('/etc/*')
FROM sniff_csv('/etc/passwd')
FROM parquet_metadata('/etc/passwd')
FROM read_duckdb('FOLDER/x.duckdb')
FROM sqlite_scan('x', 'y')
SELECT (SELECT count(*) FROM read_text('/etc/passwd'))
""".strip().splitlines()

RUN = {
    "SELECT id FROM t": [(1,)],
    "FROM t": [(1,)],
    "TABLE t": [(1,)],
    "VALUES (1), (2)": [(1,), (2,)],
    "SELECT 1;;": [(1,)],
    "-- c\nSELECT 1": [(1,)],
    "PIVOT t ON id USING count(*)": [(1,)],
    "PIVOT t ON id IN (1) USING count(*)": [(1,)],
    "SELECT * FROM (PIVOT t ON id USING count(*))": [(1,)],
    "UNPIVOT t ON id": [("id", 1)],
    "SHOW TABLES": [("t",)],
    "DESCRIBE t": [("id", "INTEGER", "YES", None, None, None)],
    "WITH RECURSIVE a AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM a WHERE x < 2) FROM a": [(1,), (2,)],
    "FROM range(2)": [(0,), (1,)],
    "SELECT unnest([1, 2])": [(1,), (2,)],
    "SELECT value FROM json_each('[7]')": [("7",)],
    "SELECT table_name FROM information_schema.tables": [("t",)],
    'SELECT \'x","type":"TABLE_FUNCTION", "function_name":"enable_logging"\' AS "a""function_name"': [
        ('x","type":"TABLE_FUNCTION", "function_name":"enable_logging"',)
    ],
    "SELECT 'FROM enable_logging()'": [("FROM enable_logging()",)],
}


@pytest.fixture
def cursor() -> Iterator[ReadingCursor]:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t AS SELECT 1 AS id")
        yield ReadingCursor(con.cursor())


@pytest.mark.parametrize("sql", NOT_RUN)
def test_what_does_more_than_read_is_not_run(cursor: ReadingCursor, sql: str, tmp_path: Path) -> None:
    text = sql.replace("FOLDER", str(tmp_path))
    if sql.startswith("SELECT 1; /*"):
        assert cursor.execute(text).fetchall() == [(1,)]
        return
    for ask in (cursor.execute, cursor.sql, cursor.query, cursor.cursor().execute):
        with pytest.raises((UseError, duckdb.Error)) as refused:
            ask(text)
        said = isinstance(refused.value, UseError) or "DEALLOCATE" in text or "PRAGMA" in text
        assert said, refused.value
    assert list(tmp_path.iterdir()) == []
    assert cursor.execute("FROM t").fetchall() == [(1,)]


@pytest.mark.parametrize("sql", RUN)
def test_what_reads_is_run(cursor: ReadingCursor, sql: str) -> None:
    assert cursor.execute(sql).fetchall() == RUN[sql]
    assert cursor.sql(sql).fetchall() == RUN[sql]


def test_values_are_bound_and_errors_are_duckdbs(cursor: ReadingCursor) -> None:
    assert cursor.execute("SELECT * FROM t WHERE id = ?", [1]).fetchall() == [(1,)]
    assert cursor.executemany("SELECT $1", [[1], [2]]).fetchall() == [(2,)]
    assert str(cursor.execute("EXPLAIN SELECT 1").fetchall())
    with pytest.raises(duckdb.ParserException):
        cursor.execute("SELECT FROM WHERE")
    with pytest.raises(UseError, match="not EXPLAIN"):
        cursor.execute("EXPLAIN (FORMAT json) SELECT 1")
    [statement] = duckdb.extract_statements("SELECT 5")
    assert cursor.execute(statement).fetchall() == [(5,)]


def test_a_closed_reader_reads_no_more(cursor: ReadingCursor) -> None:
    with cursor.cursor() as other:
        assert other.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(duckdb.ConnectionException):
        other.execute("SELECT 1")
