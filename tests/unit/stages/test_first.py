"""A model's first rows: whose keys needn't be compared, and what happens where little memory isn't enough."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from catchwater.adapters.engines import duckdb as engines
from catchwater.lake.log import Log
from catchwater.lake.manifest import TableBatch
from catchwater.stages import compute
from tests.support.models import Bench, table

TABLE = table("t", {"k": "INTEGER", "a": "INTEGER"}, ["k"])
PLAIN = "SELECT k, a FROM s.t"
WIDE = "SELECT t.k, len(list(r.range)) AS n FROM s.t AS t, range(4000000) AS r WHERE t.k = 7 GROUP BY t.k"


class Captured(Bench):
    """Tables as a capture leaves them: with the checksum of all that is held."""

    checksum: str | None = "c"

    def _files(self, log: Log, source: str, name: str, selects: Sequence[str]) -> TableBatch:
        return replace(super()._files(log, source, name, selects), checksum=self.checksum)


@pytest.fixture
def bench(tmp_path: Path) -> Captured:
    made = Captured(tmp_path, {"s": [TABLE]})
    made.ingest("s", {"t": "SELECT range::INTEGER AS k, 1 AS a FROM range(100)"})
    return made


def compared(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The keys that were compared when every model was processed once."""
    asked: list[Sequence[str]] = []
    check = compute.check_key

    def counted(con: duckdb.DuckDBPyConnection, relation: str, key: Sequence[str]) -> None:
        asked.append(key)
        check(con, relation, key)

    monkeypatch.setattr(compute, "check_key", counted)
    assert not bench.process().failures
    return asked


def test_rows_of_a_captured_table_keep_its_key(bench: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write("m", PLAIN, "key: [k]")
    assert compared(bench, monkeypatch) == []
    assert len(bench.rows("m")) == 100


@pytest.mark.parametrize(
    ("sql", "head"),
    [
        (PLAIN, "key: [k]\nmaterialized: full"),
        ("SELECT _id AS r, k, a FROM s.t__history", "key: [r]"),
        ("SELECT k % 1000 AS k, a FROM s.t", "key: [k]"),
    ],
    ids=["full", "history", "another key"],
)
def test_all_others_are_compared(bench: Captured, monkeypatch: pytest.MonkeyPatch, sql: str, head: str) -> None:
    bench.write("m", sql, head)
    assert len(compared(bench, monkeypatch)) == 1


def test_a_table_without_a_checksum_vouches_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Captured(tmp_path, {"s": [TABLE]})
    bench.checksum = None
    bench.ingest("s", {"t": "SELECT 1 AS k, 1 AS a"})
    bench.write("m", PLAIN, "key: [k]")
    assert compared(bench, monkeypatch) == [("k",)]


def test_what_doesn_t_fit_into_little_memory_gets_more(bench: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write("m", WIDE, "key: [k]")
    monkeypatch.setattr(engines, "_LITTLE", 16 << 20)
    assert not bench.process().failures
    assert bench.rows("m") == [(7, 4_000_000)]


def test_what_fits_into_no_memory_is_said(bench: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write("m", WIDE, "key: [k]")
    monkeypatch.setattr(engines, "_LITTLE", 16 << 20)
    monkeypatch.setattr(engines, "MOST", 16 << 20)
    [failure] = bench.process().failures
    assert failure.error == "ModelFailed"
    assert "filter before joins" in failure.message
