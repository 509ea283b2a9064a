"""Incremental equals full: random histories of inserts, updates, deletes and re-inserts, over several shapes."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from catchwater.plan.plan import Plan
from catchwater.stages import commit, compute
from tests.support.models import Bench, table

TABLE = table("t", {"k": "INTEGER", "K two": "VARCHAR", "a": "INTEGER", "b": "VARCHAR"}, ["k", "K two"])
SHAPES = {
    "plain": "SELECT * FROM s.t",
    "filtered": "SELECT k, \"K two\", a FROM s.t WHERE a > 0 AND b <> 'x'",
    "computed": "SELECT t.\"K two\" AS two, k AS one, a * 2 AS a2, coalesce(b, '-') AS b, _id AS r, _seq AS s FROM s.t",
    "history": "SELECT _id AS r, * FROM s.t__history",
    "history_filtered": 'SELECT _id AS r, k, "K two", a, _valid_from AS since FROM s.t__history WHERE a IS NOT NULL',
    "history_by_seq": 'SELECT _seq AS r, k, "K two" AS z, a FROM s.t__history',
}
HEADS = {"history_by_seq": "key: [k, z, r]"}
CHANGE = st.tuples(
    st.integers(0, 2), st.sampled_from(["", "q"]), st.sampled_from([None, -1, 0, 5]), st.sampled_from([None, "x", "y"]),
    st.sampled_from(["upsert", "upsert", "delete"]),
)  # fmt: skip
BATCH = st.lists(CHANGE, max_size=4, unique_by=lambda change: change[:2])


def _bench(folder: Path) -> Bench:
    bench = Bench(folder, {"s": [TABLE]})
    for name, sql in SHAPES.items():
        bench.write(f"{name}_i", sql, HEADS.get(name, "") + "\nmaterialized: incremental")
        bench.write(f"{name}_f", sql, HEADS.get(name, "") + "\nmaterialized: full")
    return bench


def _literal(value: Any) -> str:
    return "NULL" if value is None else repr(value)


def _ingest(bench: Bench, batch: list[tuple[Any, ...]]) -> None:
    values = ", ".join(f"({', '.join(map(_literal, change))})" for change in batch)
    empty = "SELECT 0 AS k, '' AS \"K two\", 0 AS a, '' AS b WHERE false"
    sql = f'SELECT * FROM (VALUES {values}) AS t(k, "K two", a, b, _op)' if batch else empty
    bench.ingest("s", {"t": sql})


def _differences(bench: Bench) -> list[str]:
    found = []
    for name in SHAPES:
        one, other = bench.rows(f"{name}_i"), bench.rows(f"{name}_f")
        counts = [bench.log(f"{name}_{how}")[-1].tables[f"{name}_{how}"].count for how in "if"]
        if one != other or counts != [len(one)] * 2:
            found.append(f"{name}: {one} {other} {counts}")
    return found


@cache
def _plan() -> Plan:
    with tempfile.TemporaryDirectory() as folder:
        return _bench(Path(folder)).plan()


def _run(batches: list[tuple[list[tuple[Any, ...]], bool]]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        bench = _bench(Path(folder))
        plan = _plan()
        bench.models = lambda: plan.models  # type: ignore[method-assign]  # typed once is enough
        found = []
        for batch, process in [*batches, ([], True)]:
            _ingest(bench, batch)
            if process:
                outcome = bench.process(plan)
                assert not outcome.failures
                found += _differences(bench)
        return found


@settings(
    max_examples=5, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(st.lists(st.tuples(BATCH, st.booleans()), min_size=1, max_size=4))
def test_incremental_equals_full(batches: list[tuple[list[tuple[Any, ...]], bool]]) -> None:
    assert _run(batches) == []


FIXED = [
    ([(1, "", 5, "y", "upsert"), (2, "q", -1, "y", "upsert"), (2, "", 5, "y", "upsert")], True),
    ([(1, "", -1, "y", "upsert"), (2, "", 5, "y", "delete"), (2, "q", 5, "y", "upsert")], True),
    ([(1, "", 5, "x", "upsert"), (2, "", 0, None, "upsert")], False),
    ([(1, "", 5, "y", "delete")], True),
]


def test_a_history_of_all_kinds() -> None:
    assert _run(FIXED) == []


@pytest.mark.parametrize("broken", ["held", "counts"])
def test_a_broken_variant_is_caught(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if broken == "held":  # forgets the rows that a deleted or filtered key had
        real = compute.create_held

        def forgetful(at: Any) -> None:
            real(at)
            if at.work.incremental and not at.model.history:
                at.con.execute('DELETE FROM "#held"')

        monkeypatch.setattr(compute, "create_held", forgetful)
    else:
        monkeypatch.setattr(commit, "count_before", lambda work: 0)
    assert _run(FIXED) != []
