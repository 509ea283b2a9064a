"""What is sent to Postgres is understood by PostgreSQL 13, the oldest that is supported; no server of it is here."""

import re
from pathlib import Path

import pytest

from catchwater.adapters.sources.postgres.connection import Session
from catchwater.stages.ingest import held
from tests.support.postgres import Database, Lake, db, postgres18, source  # noqa: F401

# Functions and syntax of PostgreSQL 14 and newer that one might reach for.
NEWER = {
    14: "bit_count string_to_table date_bin range_agg range_intersect_agg trim_array unistr pg_get_catalog_foreign_keys "
    "pg_stat_get_wal pg_locks_waitstart multirange",
    15: "regexp_count regexp_instr regexp_like regexp_substr pg_settings_get_flags has_parameter_privilege",
    16: "any_value array_sample array_shuffle random_normal pg_input_is_valid system_user json_arrayagg json_objectagg "
    "json_array json_object erf date_add pg_get_wal_resource_managers",
    17: "to_bin to_oct xmltext uuid_extract_timestamp uuid_extract_version json_scalar json_serialize json_table "
    "pg_basetype pg_column_toast_chunk_id has_largeobject_privilege json_exists json_query json_value",
    18: "uuidv7 uuidv4 casefold array_reverse array_sort crc32 crc32c gamma lgamma pg_get_acl",
}  # fmt: skip
SYNTAX = re.compile(
    r"\b(GROUP BY (DISTINCT|ALL)|NULLS NOT DISTINCT|MERGE INTO|CYCLE \w+ SET|SEARCH (DEPTH|BREADTH))\b", re.I
)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    scan, execute = Session.scan, Session.execute
    monkeypatch.setattr(Session, "scan", lambda self, sql: found.append(sql) or scan(self, sql))
    monkeypatch.setattr(Session, "execute", lambda self, sql: found.append(sql) or execute(self, sql))
    return found


def newer(statements: list[str]) -> set[str]:
    """What of these statements PostgreSQL 13 lacks."""
    text = re.sub(r"'(?:[^']|'')*'", "''", "\n".join(statements))
    called = {name.lower() for name in re.findall(r"\b([a-z_][a-z0-9_]*)\s*\(", text, re.I)}
    later = {word for words in NEWER.values() for word in words.split()}
    return (called & later) | {found[0] for found in SYNTAX.findall(text)}


def test_all_that_is_sent_is_known_to_postgres_13(db: Database, tmp_path: Path, sent: list[str]) -> None:
    db.run(
        "CREATE TABLE t (id int, u uuid, v text, d date, n numeric(10,2), PRIMARY KEY (id, u))",
        "INSERT INTO t SELECT i, lpad(i::text, 32, '0')::uuid, 'v', now(), 1 FROM generate_series(1, 50) i",
        "CREATE TABLE c (id int PRIMARY KEY, at timestamptz NOT NULL)", "INSERT INTO c SELECT 1, now()",
        "CREATE TABLE k (v text)", "INSERT INTO k VALUES ('a'), ('a')",
        "CREATE TABLE p (id text PRIMARY KEY) PARTITION BY HASH (id)",
        "CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 1, REMAINDER 0)", "INSERT INTO p VALUES ('a'), ('b')",
        "CREATE VIEW w AS SELECT * FROM t",
    )  # fmt: skip
    lake = Lake(db, tmp_path, ["t", "c", "k", "p", "w"])
    capture = {"c": {"cursor": "at", "snapshot": "1 day"}, "w": {"full": True, "key": ["id", "u"]}}
    lake.source = source(db.url(), ["t", "c", "k", "p", "w"], capture=capture)
    lake.ingest()
    db.run(
        "DELETE FROM t WHERE id = 3", "UPDATE t SET v = 'n' WHERE id = 4", "INSERT INTO c VALUES (2, now())",
        "DELETE FROM p WHERE id = 'a'", "DELETE FROM k",
    )  # fmt: skip
    lake.ingest()
    lake.source.advice(60.0)
    lake.source.survey()
    (tmp_path / "work").mkdir()
    lake.source.compare(["t", "c", "k", "p", "w"], held(lake.log, lake.log.head(), lake.store), tmp_path / "work")
    assert len(sent) > 30
    assert newer(sent) == set()
    assert any("uuid_send" in sql for sql in sent), "the deletes were sought by groups"


def test_what_is_newer_would_be_found() -> None:
    assert newer(["SELECT any_value (x), 'bit_count(x)', count(*) FROM t GROUP BY DISTINCT a"]) == {
        "any_value",
        "GROUP BY DISTINCT",
    }
