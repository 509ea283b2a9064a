"""`check` on captures that the database doesn't bear out: everything at once, by line; and what it advises."""

from pathlib import Path

import pytest

from tests.support.commands import catchwater
from tests.support.postgres import Database, db, postgres18

__all__ = ["db", "postgres18"]

TABLES = (
    "CREATE TABLE sales (id int PRIMARY KEY, at timestamptz NOT NULL, updated_at timestamp NOT NULL, maybe int, r float8)",
    "CREATE INDEX ON sales (updated_at)",
    "CREATE TABLE bag (a int NOT NULL)",
    "CREATE VIEW w AS SELECT id, at FROM sales",
    "CREATE SCHEMA other",
    "CREATE TABLE other.twice (id int PRIMARY KEY)",
    "CREATE SCHEMA third",
    "CREATE TABLE third.twice (id int PRIMARY KEY)",
    "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY LIST (id)",
    "CREATE TABLE leaf PARTITION OF p DEFAULT",
)


def project(folder: Path, db: Database, monkeypatch: pytest.MonkeyPatch, *captures: str, every: str = "1 hour") -> Path:
    monkeypatch.setenv("SHOP_URL", db.url())
    lines = "".join(f"      {line}\n" for line in captures)
    capture = f"    capture:\n{lines}" if captures else ""
    (folder / "catchwater.yml").write_text(
        f'project: shop\nsources:\n  shop:\n    kind: postgres\n    url: "${{SHOP_URL}}"\n    every: {every}\n{capture}'
    )
    (folder / "models").mkdir()
    (folder / "models" / "bag.sql").write_text("/*---\nkey: [a]\n---*/\nSELECT a FROM shop.bag\n")
    return folder


def test_everything_wrong_is_said_at_once_with_its_line(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.run(*TABLES)
    folder = project(
        tmp_path, db, monkeypatch,
        "sales: {cursor: maybe, key: [nope]}",
        "bag: {cursor: b}",
        "w: {cursor: at, key: [id], lag: 5}",
        "salez: full",
        "twice: full",
        "leaf: full",
        "other.twice: {cursor: id, lag: 5 minutes}",
        "third.twice: snapshot",
    )  # fmt: skip
    done = catchwater("check", folder)
    assert done.exit == 2
    assert [line.removeprefix("catchwater.yml:") for line in done.err.splitlines()[1:]] == [
        '8:15: public.sales.maybe may be NULL, and a cursor never sees such a row; ALTER TABLE "public"."sales" '
        'ALTER COLUMN "maybe" SET NOT NULL, or another column, or `full`',
        "8:36: public.sales has no column nope; known here: at, id, maybe, r, updated_at",
        "9:7: public.bag has no key, and a cursor finds rows again by it; write `key: [COLUMN]`, or `full`",
        "9:13: public.bag has no column b; known here: a",
        "10:34: public.w.at is of type timestamptz; write lag: 10 minutes",
        "11:7: there is no table salez; did you mean sales?",
        "12:7: twice may be other.twice and third.twice; write the schema too",
        "13:7: leaf is a partition; name the partitioned table",
        "14:33: other.twice.id is of type int4; write lag: 1000",
    ]


def test_what_is_advised_and_what_is_left_out(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db.run(*TABLES, "INSERT INTO sales SELECT i, now(), now() FROM generate_series(1, 20000) i", "ANALYZE")
    folder = project(tmp_path, db, monkeypatch, "bag: {full: true, key: [a]}", every="20 ms")
    done = catchwater("check", folder)
    assert done.exit == 0
    notes = [line.removeprefix("note: shop: ") for line in done.out.splitlines() if line.startswith("note")]
    assert notes[0] == "public.w is a view: left out; `capture: {w: full}` reads it"
    assert notes[1].startswith("each run reads every table once for its count and checksum: 1")
    assert "`capture: {sales: {cursor: updated_at, snapshot: 1 day}}`" in notes[2]
    assert catchwater("check", folder, "--json").json["advice"] == [f"shop: {note}" for note in notes]
    assert all(note in catchwater("plan", folder).out for note in notes)
    shown = catchwater("plan", folder, "--defaults").out
    assert "sources.shop.capture.bag.key = ['a']" in shown
    assert "sources.shop.capture.bag.snapshot = 1 day" in shown
