"""Models that give a table's columns as they stand: their first rows are carried, and are those that the SELECT gives."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from catchwater.lake.carried import Unfit
from catchwater.lake.log import Log
from catchwater.lake.manifest import TableBatch
from catchwater.lake.read import paths
from catchwater.project.names import literal
from catchwater.stages import commit, plain
from tests.support.models import Bench, table
from tests.support.proof import seed

TABLE = table("t", {"k": "INTEGER", "a": "VARCHAR", "b": "VARCHAR", "n": "DECIMAL(9,2)", "h": "HUGEINT"}, ["k"])
ROWS = "SELECT i::INTEGER AS k, 'a' || i AS a, 'b' || i AS b, i / 4 AS n, i AS h FROM range({}, {}) AS t(i)"


class Counted(Bench):
    """Tables as a capture leaves them: with the number of rows, which later batches change without adding to them."""

    total = 0

    def _files(self, log: Log, source: str, name: str, selects: Sequence[str]) -> TableBatch:
        made = super()._files(log, source, name, selects)
        self.total += 0 if log.head() else made.rows
        return replace(made, count=self.total, checksum="c")

    def was_carried(self, model: str) -> bool:
        """The column that says that no row is removed is packed otherwise in files that were carried."""
        files = paths(self.ports.stores["processed"], self.log(model), model)
        listed = ", ".join(literal(str(path)) for path in files)
        sql = f"SELECT DISTINCT compression FROM parquet_metadata([{listed}]) WHERE path_in_schema = '_removed'"
        with duckdb.connect() as con:
            found = con.execute(sql).fetchall()
        return found == [("GZIP",)]

    def computed(self, sql: str) -> list[tuple[Any, ...]]:
        """What DuckDB makes of a SELECT over the rows as they were captured."""
        log = Log(self.ports.stores["ingestion"], "ingestion/s")
        listed = ", ".join(literal(str(path)) for path in paths(log.store, log.batches(None), "t"))
        with duckdb.connect() as con:
            con.execute("CREATE SCHEMA s")
            con.execute(f"CREATE VIEW s.t AS SELECT k, a, b, n, h FROM read_parquet([{listed}])")
            return con.execute(f"SELECT * FROM ({sql}) ORDER BY ALL").fetchall()


@pytest.fixture
def bench(tmp_path: Path) -> Counted:
    made = Counted(tmp_path, {"s": [TABLE]})
    made.ingest("s", {"t": [ROWS.format(0, 3000), ROWS.format(3000, 5000)]})
    return made


CARRIED = [
    "SELECT k, a, b, n FROM s.t",
    "FROM s.t SELECT K, t.A, n AS amount",
    "SELECT b AS a, a AS b, k, k AS again FROM s.t AS x",
    "SELECT x.k, x.b FROM s.t AS x",
]
OTHERS = [
    "SELECT * FROM s.t",  # a HUGEINT stands otherwise in the file of a model
    "SELECT k, upper(a) AS a FROM s.t",
    "SELECT k, a::VARCHAR AS a FROM s.t",
    "SELECT k, a FROM s.t WHERE k % 2 = 0",
    "SELECT DISTINCT k, a FROM s.t",
    "SELECT k, a FROM s.t ORDER BY k LIMIT 7",
    "SELECT any_value(a) AS a, k FROM s.t GROUP BY k",
    "SELECT k, a FROM s.t QUALIFY row_number() OVER (ORDER BY k) < 9",
    "WITH x AS (SELECT k, a FROM s.t WHERE k < 5) SELECT k, a FROM x",
    "SELECT k, a FROM s.t UNION ALL SELECT -1 - k, b FROM s.t",
    "SELECT k, COLUMNS('a|b') FROM s.t",
    "SELECT t.* EXCLUDE (h) REPLACE (upper(a) AS a) FROM s.t AS t",
    "SELECT k, 1 AS one FROM s.t",
    "SELECT k, _op AS op FROM s.t",
    "SELECT k, t AS whole FROM s.t AS t",
    "SELECT k, a.b AS a FROM (SELECT k, {'b': a} AS a FROM s.t) AS t",
    "SELECT t.k, u.a FROM s.t AS t JOIN s.t AS u USING (k)",
    "SELECT k, a FROM s.t USING SAMPLE 100 PERCENT (bernoulli)",
]


def test_plain_models_are_carried_and_no_others(bench: Counted) -> None:
    models = {f"m{number}": sql for number, sql in enumerate([*CARRIED, *OTHERS])}
    for name, sql in models.items():
        bench.write(name, sql, "key: [k]")
    assert not bench.process().failures
    assert [sql for name, sql in models.items() if bench.was_carried(name)] == CARRIED
    for name, sql in zip(models, CARRIED, strict=False):
        assert bench.rows(name) == bench.computed(sql)
        [batch] = bench.log(name)
        assert (batch.tables[name].rows, batch.tables[name].count) == (5000, 5000)


def test_all_columns_are_carried(tmp_path: Path) -> None:
    bench = Counted(tmp_path, {"s": [table("t", {"k": "INTEGER", "a": "VARCHAR", "b": "VARCHAR"}, ["k"])]})
    bench.ingest("s", {"t": "SELECT 1 AS k, 'x' AS a, NULL AS b"})
    bench.write("m", "SELECT * FROM s.t", "key: [k]")
    bench.write("more", "SELECT * FROM s.t AS t WHERE _id IS NOT NULL", "key: [k]")
    assert not bench.process().failures
    assert (bench.was_carried("m"), bench.was_carried("more")) == (True, False)
    assert bench.rows("m") == bench.rows("more") == [(1, "x", None)]


def test_rows_that_have_changed_since_are_not_carried(bench: Counted) -> None:
    bench.ingest("s", {"t": "SELECT 7 AS k, 'new' AS a, 'b' AS b, 1 AS n, 1 AS h"})
    bench.write("m", CARRIED[0], "key: [k]")
    assert not bench.process().failures
    assert bench.rows("m")[7] == (7, "new", "b", 1)


def test_a_count_that_says_less_is_believed(bench: Counted) -> None:
    bench.total -= 1
    bench.ingest("s", {"t": "SELECT 3 AS k, 'a' AS a, 'b' AS b, 1 AS n, 1 AS h, 'delete' AS _op"})
    bench.write("m", CARRIED[0], "key: [k]")
    assert not bench.process().failures
    assert not bench.was_carried("m")
    assert len(bench.rows("m")) == 4999


@pytest.mark.parametrize("error", [Unfit("odd"), OSError(28, "No space left")], ids=["odd", "full"])
def test_what_cannot_be_carried_is_computed(bench: Counted, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def unfit(*_: object) -> None:
        raise error

    monkeypatch.setattr(plain, "carry", unfit)
    bench.write("m", CARRIED[0], "key: [k]")
    assert not bench.process().failures
    assert not bench.was_carried("m")
    assert bench.rows("m") == bench.computed(CARRIED[0])


def test_what_a_check_sets_aside_is_not_carried(bench: Counted) -> None:
    bench.write("m", CARRIED[0], "key: [k]\nchecks: [{check: k <> 5, severity: quarantine}]")
    assert bench.process().quarantined == 1
    assert not bench.was_carried("m")


def test_a_check_that_fails_is_noticed_in_carried_rows(bench: Counted) -> None:
    bench.write("m", CARRIED[0], "key: [k]\nchecks: [{check: k <> 5}]")
    [failure] = bench.process().failures
    assert failure.count == 1
    assert bench.log("m") == []


def test_batches_hold_no_more_rows_than_they_may(bench: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "MAX_ROWS", 3500)
    monkeypatch.setattr(commit, "MAX_ROWS", 3500)
    bench.write("m", CARRIED[0], "key: [k]")
    bench.write("o", "SELECT k, upper(a) AS a FROM s.t", "key: [k]")
    assert not bench.process().failures
    assert [batch.tables["m"].rows for batch in bench.log("m")] == [3000, 2000]
    assert [batch.tables["o"].rows for batch in bench.log("o")] == [3500, 1500]
    assert [(batch.part, batch.complete) for batch in bench.log("m")] == [(0, False), (1, True)]
    assert bench.rows("m") == bench.computed(CARRIED[0])


def test_a_byte_that_differs_is_found_before_it_is_carried(bench: Counted) -> None:
    [file, _] = sorted((bench.folder / ".catchwater" / "lake" / "ingestion" / "s" / "data").iterdir())
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.chmod(0o600)
    file.write_bytes(data)
    bench.write("m", CARRIED[0], "key: [k]")
    [failure] = bench.process().failures
    assert failure.error == "Corrupt"
    assert "SHA-256" in failure.message


BROKEN = ("order", "rows", "")


def break_(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    real = plain.taken
    if how == "order":
        monkeypatch.setattr(plain, "taken", lambda *given: [*real(*given)[:1], *real(*given)[:0:-1]])
    elif how == "rows":
        monkeypatch.setattr(plain, "loaded", lambda batches, _: len(batches))


@pytest.mark.parametrize("broken", BROKEN, ids=["order", "rows", "right"])
def test_what_is_carried_is_what_the_select_gives(tmp_path: Path, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(seed())
    wrong = 0
    with monkeypatch.context() as patched:
        break_(patched, broken)
        for number in range(2):
            bench = Counted(tmp_path / str(number), {"s": [TABLE]})
            bench.ingest("s", {"t": ROWS.format(0, dice.randint(5, 3000))})
            bench.ingest("s", {"t": "SELECT 3 AS k, 'new' AS a, 'b' AS b, 1 AS n, 1 AS h"} if number % 2 else {})
            names = dice.sample(["a", "b"], 2)
            sql = f"SELECT k, {', '.join(f'{name} AS x{place}' for place, name in enumerate(names))} FROM s.t"
            bench.write("m", sql, "key: [k]")
            bench.process()
            kept = f"SELECT * FROM ({sql}) WHERE k <> 3 OR x0 = 'new' OR x1 = 'new'" if number % 2 else sql
            wrong += bench.rows("m") != bench.computed(kept)
    assert bool(wrong) == bool(broken)
