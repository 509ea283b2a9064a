"""Models through whole runs while they and their rows change: the warehouse is always what a rebuild would give."""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from catchwater.lake import parquet
from catchwater.runtimes import planning
from catchwater.stages import compute
from tests.support import proof
from tests.support.commands import Result, catchwater
from tests.support.models import Bench, Clock, table
from tests.support.postgres import Database, db, postgres18  # noqa: F401

Rows = list[tuple[Any, ...]]


@dataclass
class Project:
    """A project over one Postgres table `t (id, k, v, s)` and one without key, `n (k, w)`."""

    folder: Path
    db: Database

    def model(self, name: str, sql: str, head: str = "", folder: str = "") -> None:
        for path in (self.folder / "models").rglob(f"{name}.sql"):
            path.unlink()
        target = self.folder / "models" / folder
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{name}.sql").write_text(f"/*---\n{head}\n---*/\n{sql}\n")

    def run(self, expect: int = 0) -> Result:
        done = catchwater("run", self.folder, "--json")
        assert done.exit == expect, done.out + done.err
        return done

    def rows(self, sql: str) -> Rows:
        done = catchwater("query", sql, self.folder, "--json")
        assert done.exit == 0, done.err
        return [tuple(row.values()) for row in done.json]

    def everything(self) -> dict[str, list[str]]:
        """The rows of every table and view, as text."""
        names = [
            row[0]
            for row in self.rows(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'main' ORDER BY ALL"
            )
        ]
        return {name: sorted(str(row) for row in self.rows(f'SELECT x::VARCHAR FROM "{name}" AS x')) for name in names}

    def rebuilt(self, expect: int = 0) -> dict[str, list[str]]:
        """The same of a copy whose models were computed again from the ingestion zone alone."""
        copy = Project(self.folder.with_name(f"{self.folder.name}-rebuilt"), self.db)
        shutil.rmtree(copy.folder, ignore_errors=True)
        shutil.copytree(self.folder, copy.folder)
        for part in ("lake/processed", "warehouse"):
            shutil.rmtree(copy.folder / ".catchwater" / part)
        copy.run(expect)
        return copy.everything()


@pytest.fixture
def shop(tmp_path: Path, db: Database) -> Project:
    db.run(
        "CREATE TABLE t (id int PRIMARY KEY, k text, v int, s text)",
        "CREATE TABLE n (k text, w int)",
        "INSERT INTO t VALUES (1, 'a', 10, 'abc'), (2, 'b', 20, '7'), (3, 'a', NULL, NULL)",
        "INSERT INTO n VALUES ('a', 10), ('b', 20)",
    )
    folder = tmp_path / "shop"
    (folder / "models").mkdir(parents=True)
    (folder / "catchwater.yml").write_text(
        f'project: shop\nsources:\n  src: {{kind: postgres, url: "{db.url()}"}}\nserve:\n  api: {{tables: all}}\n'
    )
    return Project(folder, db)


BECOMES: list[tuple[str, str, str, Rows]] = [
    ("SELECT id, v FROM src.t", "", "id, v", [(1, 10), (2, 20), (3, None)]),
    ("SELECT id FROM src.t", "", "id", [(1,), (2,), (3,)]),
    ("SELECT id, v FROM src.t", "", "id, v", [(1, 10), (2, 20), (3, None)]),  # v is back
    ("SELECT id, s FROM src.t", "", "id, s", [(1, "abc"), (2, "7"), (3, None)]),
    ("SELECT id, TRY_CAST(s AS INTEGER) AS s FROM src.t", "", "id, s", [(1, None), (2, 7), (3, None)]),
    ("SELECT id, {'s': s} AS s FROM src.t", "", "id, s.s", [(1, "abc"), (2, "7"), (3, None)]),
    ("SELECT k, v FROM src.t WHERE id < 3", "", "k, v", [("a", 10), ("b", 20)]),  # no key
    ("SELECT k, w FROM src.n", "", "k, w", [("a", 10), ("b", 20)]),  # equal texts of other columns
    ("SELECT w AS k, k AS w FROM src.n", "", "k, w", [(10, "a"), (20, "b")]),
    ("SELECT k, count(*) AS w FROM src.t GROUP BY k", "key: [k]", "k, w", [("a", 2), ("b", 1)]),
    ("SELECT _id >> 24 AS seq, t._id AS rid, id FROM src.t__history AS t", "", "id", [(1,), (2,), (3,)]),
    ("SELECT t._id AS rid, id, v FROM src.t__history AS t", "", "id, v", [(1, 10), (2, 20), (3, None)]),
    ("SELECT id, v AS Vv FROM src.t", "materialized: full", "id, vv", [(1, 10), (2, 20), (3, None)]),
]


def _all_of_it(shop: Project) -> None:
    for number, (sql, head, columns, expected) in enumerate(BECOMES):
        shop.model("m", sql, head, folder=("", "deep/er")[number % 2])
        shop.model("above", "SELECT count(*) AS n FROM m", "materialized: view")
        done = shop.run()
        notes = [note for step in done.json["steps"] for note in step["notes"]]
        assert (shop.rows(f"SELECT {columns} FROM m ORDER BY ALL"), notes) == (expected, []), sql
        assert shop.rows("FROM above") == [(len(expected),)]
    assert shop.run().json["steps"][-1]["state"] == "nothing"


def test_a_model_may_become_any_other(shop: Project) -> None:
    _all_of_it(shop)


def test_rows_of_other_columns_must_not_be_compared(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "begins_anew", lambda work, log: False)
    with pytest.raises(AssertionError):
        _all_of_it(shop)


EXACT = """SELECT k, sum(9007199254740993::BIGINT) AS total, md5_number(k) AS digest, '10:11:12+05:30'::TIMETZ AS t,
  INTERVAL '-1 month -1 second' + INTERVAL 1 microsecond AS i, [9007199254740993::HUGEINT] AS l,
  {'HUGEINT': 9007199254740993::HUGEINT} AS s
FROM src.t GROUP BY k"""
EXACT_ROWS = [
    ("a", "18014398509481986", "10:11:12+05:30", "-1 month -00:00:00.999999", "[9007199254740993]",
     "{'HUGEINT': 9007199254740993}"),
    ("b", "9007199254740993", "10:11:12+05:30", "-1 month -00:00:00.999999", "[9007199254740993]",
     "{'HUGEINT': 9007199254740993}"),
]  # fmt: skip
AS_TEXT = (
    "SELECT k, total::VARCHAR AS o, t::VARCHAR AS t, i::VARCHAR AS i, l::VARCHAR AS l, s::VARCHAR AS s "
    "FROM {} ORDER BY k"
)


def _exact(shop: Project) -> None:
    shop.model("keyed", EXACT, "key: [k]")
    shop.model("bag", EXACT)
    shop.run()
    for name in ("keyed", "bag"):
        assert shop.rows(AS_TEXT.format(name)) == EXACT_ROWS
        assert shop.rows(f"SELECT count(*) FROM {name} WHERE digest = md5_number(k)") == [(2,)]
    shop.db.run("UPDATE t SET v = 11 WHERE id = 1")
    written = {step["name"]: step["written"] for step in shop.run().json["steps"]}
    assert (written["process:keyed"], written["process:bag"]) == (0, 0)


def test_values_that_parquet_would_round_stay_exact(shop: Project) -> None:
    _exact(shop)


def test_as_parquet_has_them_they_would_not(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "file_type", lambda kind: kind)
    with pytest.raises(AssertionError):
        _exact(shop)


def test_a_history_gets_over_a_bad_version_and_never_loses_a_delete(shop: Project) -> None:
    checks = "checks: [{not_null: [k]}, {check: v < 100, severity: %s}, {unique: [k, v]}]"
    for severity in ("fail", "quarantine"):
        shop.model(severity, "SELECT t._id AS rid, id, k, v FROM src.t__history AS t", checks % severity)
    shop.run()
    shop.db.run("UPDATE t SET v = 500 WHERE id = 1", "UPDATE t SET v = 500 WHERE id = 2")
    failed = shop.run(expect=1)
    assert "check v < 100: 2 rows" in str(failed.json["error"])
    for name in ("fail_current", "quarantine_current"):  # the last good state
        assert shop.rows(f"SELECT id, v FROM {name} ORDER BY id") == [(1, 10), (2, 20), (3, None)]
    shop.db.run("UPDATE t SET v = 12 WHERE id = 1", "DELETE FROM t WHERE id = 2")
    repaired = shop.run(expect=3)
    assert repaired.json["quarantined"] == 2
    for name in ("fail_current", "quarantine_current"):
        assert shop.rows(f"SELECT id, v FROM {name} ORDER BY id") == [(1, 12), (3, None)]
        versions = shop.rows(f"SELECT id, v, _op FROM {name.removesuffix('_current')} WHERE id < 3 ORDER BY rid")
        assert versions == [(1, 10, "upsert"), (2, 20, "upsert"), (1, 12, "upsert"), (2, 500, "delete")]
    assert shop.everything() == shop.rebuilt(expect=3)
    shop.run()


def test_a_key_that_repeats_fails_alone_and_recovers(shop: Project) -> None:
    shop.model("by_k", "SELECT k, v FROM src.t WHERE v IS NOT NULL", "key: [k]")
    shop.model("fine", "SELECT id, v FROM src.t")
    shop.run()
    shop.db.run("UPDATE t SET k = 'a' WHERE id = 2")
    assert "the key k isn't unique: 'a' stands 2 times" in shop.run(expect=1).json["error"]
    assert shop.rows("SELECT k, v FROM by_k ORDER BY k") == [("a", 10), ("b", 20)]
    shop.db.run("UPDATE t SET k = NULL WHERE id = 2")
    failed = shop.run(expect=1)
    assert "the key k is NULL in 1 row" in failed.json["error"]
    assert "next: choose a key that is always there" in failed.json["error"]
    shop.db.run("UPDATE t SET k = 'c', v = 21 WHERE id = 2")
    shop.run()
    assert shop.rows("SELECT k, v FROM by_k ORDER BY k") == [("a", 10), ("c", 21)]
    assert shop.rows("SELECT v FROM fine WHERE id = 2") == [(21,)]


KINDS: dict[str, tuple[str, str]] = {
    "row": ("SELECT * FROM src.t", ""),
    "some": ("SELECT v, id FROM src.t WHERE v IS NULL OR v < 60", ""),
    "wider": ("SELECT id, v::DECIMAL(20,3) AS v, k FROM src.t", "key: [id]"),
    "renamed": ('SELECT id AS ident, k AS "Kay Kay", v FROM src.t', ""),
    "two keys": ("SELECT id, id + 1 AS id2, k FROM src.t", "key: [id2, id]"),
    "bag": ("SELECT k, v FROM src.t", ""),
    "other bag": ("SELECT k, w FROM src.n", ""),
    "sums": ("SELECT k, sum(v) AS s, count(*) AS n FROM src.t GROUP BY k", "key: [k]"),
    "history": ("SELECT t._id AS rid, id, k, v FROM src.t__history AS t", ""),
    "by number": ("SELECT t._seq AS s, id, v FROM src.t__history AS t", "key: [id, s]"),
    "validity": ("SELECT t._id AS rid, id, _valid_to AS until, _is_current AS now FROM src.t__history AS t", ""),
    "by k": ("SELECT t._id AS rid, id, k, v FROM src.t__history AS t", "entity: [k]"),
    "joined": ("SELECT t.id, c FROM src.t LEFT JOIN (SELECT k, count(*) AS c FROM src.n GROUP BY k) USING (k)",
               "key: [id]"),
    "nested": ("SELECT {'k': k, 'v': [v]} AS st, MAP {'a': v} AS mp FROM src.t", ""),
    "running": ("SELECT id, sum(v) OVER (PARTITION BY k ORDER BY id) AS run FROM src.t", "key: [id]"),
}  # fmt: skip
ABOVE = [
    ("SELECT count(*) AS n FROM {}", ""), ("SELECT * FROM {}", "materialized: view"),
    ("SELECT * FROM {} ORDER BY ALL LIMIT 4", ""), ("SELECT count(*) AS n FROM {}", "materialized: view"),
]  # fmt: skip
CHANGES = [
    "UPDATE t SET v = v + 1 WHERE id % 3 = {0}", "DELETE FROM t WHERE id % 5 = {0}", "INSERT INTO n VALUES ('a', {0})",
    "INSERT INTO t VALUES ({0}, 'k{0}', {0}) ON CONFLICT (id) DO UPDATE SET k = 'z'", "DELETE FROM n WHERE w = {0}",
    "UPDATE t SET id = id + 50 WHERE id = {0}", "UPDATE t SET v = NULL WHERE id = {0}",
]  # fmt: skip


def _change_and_compare(shop: Project, rounds: int) -> None:
    chance = random.Random(proof.seed())
    shop.db.run("INSERT INTO t SELECT g, 'k' || g % 4, g FROM generate_series(4, 30) g")
    told = []
    for _ in range(rounds):
        kind, (above, head) = chance.choice(list(KINDS)), chance.choice(ABOVE)
        shop.model("m", *KINDS[kind], folder=chance.choice(["", "deep"]))
        shop.model("above", above.format("m"), head)
        changes = [chance.choice(CHANGES).format(chance.randrange(30)) for _ in range(chance.randrange(3))]
        shop.db.run(*changes)
        told.append((kind, above, head, changes))
        shop.run()
        assert shop.everything() == shop.rebuilt(), told


def test_after_any_changes_the_warehouse_is_what_a_rebuild_gives(shop: Project) -> None:
    _change_and_compare(shop, 4)


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_after_very_many_changes_too(shop: Project) -> None:
    _change_and_compare(shop, proof.KILLS)


def test_a_model_that_asks_the_time_is_computed_once_a_day(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"s": [table("t", {"id": "INTEGER", "day": "DATE"}, ["id"])]})
    bench.write("recent", "SELECT id FROM s.t WHERE day >= current_date - 7", "key: [id]")
    bench.write("luck", "SELECT id, random() AS r FROM s.t")
    bench.ingest("s", {"t": "SELECT 1 AS id, DATE '2026-11-20' AS day"})
    bench.process()
    assert bench.process().batches == ()

    class Later(Clock):
        def now(self) -> datetime:
            return datetime(2026, 11, 21, tzinfo=UTC) + timedelta(days=1)

    bench.ports = replace(bench.ports, clock=Later())
    assert [ref.log for ref in bench.process().batches] == ["processed/recent"]
    assert bench.process().batches == ()


def test_too_little_memory_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from catchwater.adapters.engines import duckdb

    monkeypatch.setattr(duckdb, "memory_limit", lambda roomy: 8 << 20)
    bench = Bench(tmp_path, {})
    bench.write("m", "SELECT list(md5(r::VARCHAR)) AS l FROM range(2000000) AS t(r)")
    [failure] = bench.process().failures
    assert (failure.error, "run where there is more memory" in failure.message) == ("ModelFailed", True)


def test_models_are_typed_again_only_when_something_changed(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from catchwater.plan import models

    typed: list[int] = []
    real: Callable[..., Any] = models.load_models

    def counted(*given: Any) -> Any:
        typed.append(1)
        return real(*given)

    monkeypatch.setattr(models, "load_models", counted)
    monkeypatch.setenv("LIMIT_V", "15")
    shop.model("m", "SELECT id, v FROM src.t WHERE v < ${LIMIT_V}")
    shop.run()
    shop.run()
    assert len(typed) == 1
    monkeypatch.setenv("LIMIT_V", "25")
    shop.run()
    assert (len(typed), shop.rows("SELECT id FROM m ORDER BY id")) == (2, [(1,), (2,)])
    shop.db.run("ALTER TABLE t ALTER v TYPE bigint")
    assert (shop.run().exit, shop.run().exit) == (0, 0)
    applied = planning.applied_plan(shop.folder / ".catchwater")
    assert applied
    assert applied.model("m").columns[1].type == "BIGINT"
    before = len(typed)
    plan = shop.folder / ".catchwater" / "plan.json"
    plan.write_bytes(plan.read_bytes().replace(b'"BIGINT"', b'"TINYINT"'))  # not the plan that those inputs made
    shop.run()
    assert len(typed) == before + 1
    shop.model("broken", "SELECT nothing FROM src.t")
    assert shop.run(expect=2).json["error"] == "ProjectError"
