"""Incremental models with joins: which rows are read and made again, and what their checks then see."""

from pathlib import Path

import pytest

from catchwater.lake.manifest import Manifest
from catchwater.lake.read import create_state
from catchwater.plan.plan import Model
from catchwater.stages.process import rebuild
from tests.support.models import Bench, table

ORDERS = table("orders", {"id": "INTEGER", "staff": "INTEGER", "units": "INTEGER"}, ["id"])
STAFF = table("staff", {"staff": "INTEGER", "name": "VARCHAR"}, ["staff"])
JOINED = "SELECT o.id, o.units, s.name FROM shop.orders AS o LEFT JOIN shop.staff AS s ON s.staff = o.staff"
VERSIONS = (
    "SELECT o._id AS r, o.id, o.units, s.name FROM shop.orders__history AS o LEFT JOIN shop.staff AS s "
    "ON s.staff = o.staff"
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path, {"shop": [ORDERS, STAFF]})
    made.ingest("shop", {"orders": _orders((1, 1, 5), (2, 2, 5), (3, 9, 5)), "staff": _staff((1, "ann"), (2, "bob"))})
    return made


def _orders(*rows: tuple[int, int, int]) -> str:
    return f"SELECT * FROM (VALUES {', '.join(map(str, rows))}) v(id, staff, units)"


def _staff(*rows: tuple[int, str]) -> str:
    return f"SELECT * FROM (VALUES {', '.join(map(str, rows))}) v(staff, name)"


def _last(bench: Bench, name: str) -> Manifest:
    return bench.log(name)[-1]


def _model(bench: Bench, name: str = "m") -> Model:
    return next(model for model in bench.models() if model.name == name)


def test_only_rows_that_join_a_changed_key_are_written(bench: Bench) -> None:
    bench.write("m", JOINED, "key: [id]\nmaterialized: incremental")
    bench.process()
    bench.ingest("shop", {"staff": _staff((2, "eve"), (9, "zoe"), (7, "none"))})
    assert bench.process().failures == ()
    assert bench.rows("m") == [(1, 5, "ann"), (2, 5, "eve"), (3, 5, "zoe")]
    assert (_last(bench, "m").tables["m"].rows, _last(bench, "m").tables["m"].count) == (2, 3)


def test_a_history_is_made_again_with_all_versions_of_a_key(bench: Bench) -> None:
    """The old version breaks a check that a later one repaired: it stays aside, and stops nothing."""
    bench.write("m", VERSIONS, "checks: [units > 0, {references: {name: n}}]")
    bench.write("n", "SELECT name FROM shop.staff WHERE name <> 'eve'", "key: [name]")
    bench.process()
    bench.ingest("shop", {"orders": _orders((1, 1, -1))})
    assert [failure.error for failure in bench.process().failures] == ["CheckFailed"]
    bench.ingest("shop", {"orders": _orders((1, 1, 6))})
    assert bench.process().failures == ()
    bench.ingest("shop", {"staff": _staff((1, "eve"))})
    done = bench.process()
    assert done.failures == ()
    assert [(row[2], row[3]) for row in bench.rows("m") if row[1] == 1] == [(5, "eve"), (6, "eve")]
    assert [note for note in done.notes if "1 row, " in note]  # the latest version alone refers to nothing


def test_a_check_added_to_a_history_leaves_out_what_was_repaired(bench: Bench) -> None:
    """As it would if the model were computed from the beginning."""
    bench.write("m", VERSIONS)
    bench.ingest("shop", {"orders": _orders((1, 1, -1))})
    bench.ingest("shop", {"orders": _orders((1, 1, 6))})
    bench.process()
    bench.write("m", VERSIONS, "checks: [units > 0]")
    assert bench.process().failures == ()
    assert [row[2] for row in bench.rows("m") if row[1] == 1] == [5, 6]


def test_unique_looks_at_the_rows_that_stay_too(bench: Bench) -> None:
    bench.write("m", JOINED, "key: [id]\nchecks: [{unique: [name]}]")
    assert bench.process().failures == ()
    bench.ingest("shop", {"staff": _staff((2, "ann"))})
    (failure,) = bench.process().failures
    assert failure.check == "unique name"


def test_a_model_begun_anew_is_read_in_full_once(bench: Bench) -> None:
    bench.write("d", "SELECT staff, name FROM shop.staff", "key: [staff]")
    bench.write("m", "SELECT o.id, d.name FROM shop.orders AS o LEFT JOIN d ON d.staff = o.staff", "key: [id]")
    bench.process()
    assert _model(bench).materialized == "incremental"
    plan = bench.plan()
    bench.ingest("shop", {"staff": "SELECT 1 AS staff, 'ann' AS name, 'delete' AS _op"})
    assert rebuild(bench.ports, plan, plan.steps[0], "d", "run").failures == ()
    bench.ingest("shop", {"orders": _orders((4, 2, 1))})
    assert bench.process(plan).failures == ()
    assert bench.rows("m") == [(1, None), (2, "bob"), (3, None), (4, "bob")]


def test_every_check_that_fails_is_told(bench: Bench) -> None:
    bench.write("m", JOINED, "key: [id]\nchecks: [units > 9, {not_null: [name]}, {accepted: {name: [ann, bob]}}]")
    failures = bench.process().failures
    assert [(failure.what, failure.check, failure.count) for failure in failures] == [
        ("m", "units > 9", 3), ("m", "not_null name", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["'0.0'", "'-0.0'", "'nan'"])
def test_a_value_that_is_equal_and_not_the_same_is_committed(value: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"s": [table("t", {"k": "INTEGER", "v": "DOUBLE", "i": "VARCHAR"}, ["k"])]})
    bench.write(
        "m",
        "SELECT k, v, i::INTERVAL AS i, [v] AS many, b COLLATE NOCASE AS t FROM (SELECT *, i AS b FROM s.t)",
        "key: [k]",
    )
    bench.ingest("s", {"t": "SELECT 1 AS k, 0.0::DOUBLE AS v, '1 month' AS i"})
    bench.process()
    bench.ingest("s", {"t": f"SELECT 1 AS k, {value}::DOUBLE AS v, '1 MONTH' AS i"})
    bench.process()
    bench.ingest("s", {"t": f"SELECT 1 AS k, {value}::DOUBLE AS v, '30 days' AS i"})
    bench.process()
    model, log = _model(bench), bench.log("m")
    with bench.engine.connect() as con:  # as text: to sort by a number would take the sign off a zero
        create_state(con, "held", bench.ports.stores["processed"], log, "m", model.columns, model.key)
        seen = con.execute("SELECT v::VARCHAR, many::VARCHAR, i::VARCHAR, t FROM held").fetchall()
    zero = value.strip("'")
    assert seen == [(zero, f"[{zero}]", "30 days", "30 days")]
    assert [batch.tables["m"].rows for batch in log] == [1, 1, 1]
