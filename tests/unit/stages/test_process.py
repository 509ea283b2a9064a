"""The process stage: what it commits, what it holds back, and that a second wake does nothing."""

from pathlib import Path

import pytest

from catchwater.errors import ChainBroken, GrantMissing, LostRace
from catchwater.lake import quarantine
from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest
from catchwater.plan.plan import Step
from catchwater.stages import commit
from catchwater.stages.process import process
from tests.support.models import Bench, table

ORDERS = table("orders", {"id": "INTEGER", "staff": "INTEGER", "units": "INTEGER", "text": "VARCHAR"}, ["id"])
STAFF = table("staff", {"staff_id": "INTEGER", "name": "VARCHAR"}, ["staff_id"])
NOTES = table("notes", {"note": "VARCHAR", "n": "INTEGER"})
EVENTS = table("events", {"e": "VARCHAR"}, ["e"])
FACT = "SELECT o._id AS record_id, o.id, o.staff, o.units FROM shop.orders__history AS o"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, {"shop": [ORDERS, STAFF, NOTES], "events": [EVENTS]})


def orders(*rows: tuple[object, ...]) -> str:
    values = ", ".join(f"({', '.join('NULL' if v is None else repr(v) for v in row)})" for row in rows)
    return f"SELECT * FROM (VALUES {values}) AS t(id, staff, units, text, _op)"


def test_a_star_schema_through_changes_and_deletes(bench: Bench) -> None:
    bench.write("fact_order", FACT, "references: {staff: dim_staff}\nchecks: [{not_null: [id]}, units > 0]")
    bench.write("dim_staff", "SELECT staff_id, upper(name) AS name FROM shop.staff")
    bench.write("by_staff", "SELECT staff, sum(units) AS units FROM fact_order_current GROUP BY ALL", "key: [staff]")
    bench.ingest("shop", {
        "orders": orders((1, 1, 10, "", "upsert"), (2, 1, 5, "", "upsert")),
        "staff": "SELECT 1 AS staff_id, 'ann' AS name",
    })  # fmt: skip
    outcome = bench.process()
    assert (outcome.failures, outcome.notes, outcome.added, outcome.rows_in) == ((), (), 4, 3)
    assert bench.rows("by_staff") == [(1, 15)]
    bench.ingest("shop", {"orders": orders((1, 1, 12, "", "upsert"), (2, 1, 5, "", "delete"))})
    outcome = bench.process()
    assert bench.rows("fact_order", current=True) == [(2 << 24, 1, 1, 12)]
    assert len(bench.rows("fact_order")) == 4
    assert bench.rows("by_staff") == [(1, 12)]
    assert {name: (t.added, t.changed, t.removed) for name, t in outcome.tables.items()} == {
        "fact_order": (2, 0, 0), "by_staff": (0, 1, 0), "dim_staff": (0, 0, 0),
    }  # fmt: skip
    assert bench.log("dim_staff")[-1].tables["dim_staff"].files == ()
    assert bench.log("dim_staff")[-1].tables["dim_staff"].count == 1


def test_a_second_wake_commits_nothing(bench: Bench) -> None:
    bench.write("fact_order", FACT)
    bench.write("n", "SELECT count(*) AS n FROM fact_order")
    bench.write("calendar", "SELECT d FROM range(3) AS t(d)", "key: [d]")
    bench.ingest("shop", {"orders": orders((1, 1, 10, "", "upsert"))})
    assert bench.process().moved
    again = bench.process()
    assert (again.batches, again.rows_in, again.tables) == ((), 0, {})


def test_every_batch_names_the_ingestion_offsets_behind_it(bench: Bench) -> None:
    bench.write("fact_order", FACT)
    bench.write("total", "SELECT sum(units) AS units FROM fact_order")
    bench.write("mixed", "SELECT count(*) AS n, (SELECT count(*) FROM events) AS e FROM total")
    shop = bench.ingest("shop", {"orders": orders((1, 1, 10, "", "upsert"))})
    outcome = bench.process()
    assert outcome.notes == ("mixed waits for the first batch of ingestion/events",)
    events = bench.ingest("events", {"events": "SELECT 'a' AS e"})
    bench.process()
    total = bench.log("total")[-1]
    assert {ref.log: ref for ref in total.inputs} == {
        "ingestion/shop": shop.ref, "processed/fact_order": bench.log("fact_order")[-1].ref,
    }  # fmt: skip
    assert set(bench.log("mixed")[-1].inputs) == {shop.ref, events.ref, total.ref}
    assert total.position["kind"] == "model"


def test_a_first_load_is_read_when_it_is_complete(bench: Bench) -> None:
    bench.write("o", "SELECT id, units FROM shop.orders")
    bench.ingest("shop", {"orders": orders((1, 1, 10, "", "upsert"))}, complete=False)
    assert bench.process().notes == ("o waits for the first batch of ingestion/shop",)
    bench.ingest("shop", {"orders": orders((2, 1, 20, "", "upsert"))})
    bench.process()
    assert bench.rows("o") == [(1, 10), (2, 20)]
    bench.ingest("shop", {"orders": orders((3, 1, 30, "", "upsert"))}, complete=False)
    assert not bench.process().moved


def test_a_failing_model_holds_back_what_reads_it_and_no_other_group(bench: Bench) -> None:
    bench.write("numbers", "SELECT id, text::INTEGER AS n FROM shop.orders")
    bench.write("total", "SELECT sum(n) AS n FROM numbers")
    bench.write("views", "SELECT n FROM total", "materialized: view")
    bench.write("beyond", "SELECT n FROM views")
    bench.write("others", "SELECT id FROM shop.orders")
    bench.ingest("shop", {"orders": orders((1, 1, 10, "7", "upsert"))})
    bench.process()
    bench.ingest("shop", {"orders": orders((1, 1, 10, "seven", "upsert"), (2, 1, 1, "1", "upsert"))})
    outcome = bench.process()
    (failure,) = outcome.failures
    assert (failure.what, failure.error) == ("numbers", "ModelFailed")
    assert failure.message.startswith("models/numbers.sql (numbers): Conversion Error")
    assert "'seven'" in failure.message
    assert outcome.skipped == ("total", "beyond")
    assert bench.rows("beyond") == [(7,)]
    assert bench.rows("others") == [(1,), (2,)]
    bench.ingest("shop", {"orders": orders((1, 1, 10, "70", "upsert"))})
    assert bench.process().failures == ()
    assert bench.rows("beyond") == [(71,)]


def test_checks_fail_by_name_with_samples_and_nothing_is_committed(bench: Bench) -> None:
    checks = "checks: [{not_null: [staff]}, {accepted: {text: [A, B]}}, {unique: [staff, text]}, units > 0]"
    bench.write("o", "SELECT id, staff, text, units FROM shop.orders", checks)
    for row, name in (
        ((2, None, 1, "A", "upsert"), "not_null staff"),
        ((2, 2, 1, "C", "upsert"), "accepted text"),
        ((2, 1, 1, "A", "upsert"), "unique staff text"),
        ((2, 2, 0, "A", "upsert"), "units > 0"),
    ):
        bench.ingest("shop", {"orders": orders((1, 1, 1, "A", "upsert"), row)})
        (failure,) = bench.process().failures
        assert (failure.what, failure.error, failure.check) == ("o", "CheckFailed", name)
        assert failure.sample[-1] == "id=2"
        assert failure.count == (2 if "unique" in name else 1)
        assert "models/o.sql:2: check" in failure.message
        assert bench.log("o") == []
    bench.ingest("shop", {"orders": orders((2, None, None, None, "delete"))})
    assert bench.process().failures == ()
    bench.ingest("shop", {"orders": orders((5, 1, 1, "A", "upsert"))})  # incremental: unique among all rows
    assert bench.process().failures[0].check == "unique staff text"


def test_a_key_is_unique_and_not_null(bench: Bench) -> None:
    bench.write("o", "SELECT staff, units FROM shop.orders", "key: [staff]")
    bench.ingest("shop", {"orders": orders((1, 7, 10, "", "upsert"), (2, 7, 5, "", "upsert"))})
    (failure,) = bench.process().failures
    assert failure.message.startswith("models/o.sql: the key staff isn't unique: 7 stands 2 times")
    bench.ingest("shop", {"orders": orders((1, None, 10, "", "upsert"), (2, 7, 5, "", "upsert"))})
    assert "the key staff is NULL in 1 row" in bench.process().failures[0].message


@pytest.mark.parametrize("how", ["full", "incremental"])
def test_quarantine_keeps_bad_rows_out_and_counts_each_once(bench: Bench, how: str) -> None:
    head = f"materialized: {how}\nchecks: [{{check: units > 0, severity: quarantine}}, {{not_null: [id]}}]"
    bench.write("o", "SELECT id, units FROM shop.orders", head)
    bench.ingest("shop", {"orders": orders((1, 1, 10, "", "upsert"), (2, 1, -5, "", "upsert"))})
    assert bench.process().quarantined == 1
    held = bench.log("o")[-1].quarantine
    assert held is not None
    (bad,) = quarantine.read(bench.ports.stores["processed"], held)
    assert (bad.table, bad.where, bad.reason, bad.text) == ("o", "id=2", "units > 0", '{"id":2,"units":-5}')
    bench.ingest("shop", {"orders": orders((3, 1, 3, "", "upsert"))})
    outcome = bench.process()
    assert (outcome.quarantined, bench.rows("o")) == (0, [(1, 10), (3, 3)])
    bench.ingest("shop", {"orders": orders((1, 1, -1, "", "upsert"))})
    outcome = bench.process()
    assert (outcome.quarantined, bench.rows("o")) == (1, [(3, 3)])
    bench.ingest("shop", {"orders": orders((1, 1, 1, "", "upsert"), (2, 1, 2, "", "upsert"))})
    outcome = bench.process()
    assert (outcome.quarantined, bench.rows("o")) == (0, [(1, 1), (2, 2), (3, 3)])


def test_references_warn_on_current_rows_and_may_fail(bench: Bench) -> None:
    bench.write("fact_order", FACT, "references: {staff: dim_staff}")
    bench.write("dim_staff", "SELECT staff_id, manager FROM (SELECT staff_id, 9 AS manager FROM shop.staff)",
                "key: [staff_id]\nreferences: {manager: dim_staff}")  # fmt: skip
    bench.ingest("shop", {
        "orders": orders((1, 8, 10, "", "upsert"), (2, None, 5, "", "upsert"), (3, 8, 1, "", "delete")),
        "staff": "SELECT 1 AS staff_id, 'ann' AS name",
    })  # fmt: skip
    outcome = bench.process()
    assert outcome.failures == ()
    assert outcome.notes == (
        "dim_staff: check references manager → dim_staff: 1 row, for example staff_id=1",
        "fact_order: check references staff → dim_staff: 1 row, for example record_id=16777216",
    )
    bench.write("fact_order", FACT, "checks: [{references: {staff: dim_staff}, severity: fail}]")
    bench.ingest("shop", {"orders": orders((2, 8, 5, "", "upsert"))})
    assert bench.process().failures[0].check == "references staff → dim_staff"


def test_values_that_do_not_fit_fail_unless_the_model_reads_exact(bench: Bench) -> None:
    bench.write("o", "SELECT id, units FROM shop.orders")
    bench.write("careless", "SELECT id, text FROM shop.orders")
    bench.write("careful", "SELECT id, coalesce(units, 0) AS units, _exact['units'] AS was FROM shop.orders")
    exact = "SELECT 1 AS id, 1 AS staff, NULL AS units, '' AS text, MAP {'units': 'NaN'} AS _exact"
    bench.ingest("shop", {"orders": exact})
    outcome = bench.process()
    (failure,) = outcome.failures
    assert (failure.what, failure.error, failure.count, failure.sample) == ("o", "CheckFailed", 1, ("NaN",))
    assert "orders.units fits its type" in failure.check
    assert bench.rows("careful") == [(1, 0, "NaN")]
    assert bench.rows("careless") == [(1, "")]


def test_rows_without_a_key_are_a_multiset(bench: Bench) -> None:
    bench.write("n", "SELECT note FROM shop.notes")
    rows = "SELECT 'a' AS note, 1 AS n, 'h' || i AS _version, 1 AS _occurrence FROM range({}) AS t(i)"
    bench.ingest("shop", {"notes": rows.format(3)})
    bench.process()
    assert bench.rows("n") == [("a",)] * 3
    bench.ingest("shop", {"notes": "SELECT 'a' AS note, 1 AS n, 'h2' AS _version, 1 AS _occurrence, 'delete' AS _op"})
    outcome = bench.process()
    assert (outcome.removed, bench.rows("n")) == (1, [("a",)] * 2)


def test_a_changed_model_is_computed_anew_and_commits_its_difference(bench: Bench) -> None:
    bench.write("o", "SELECT id, units FROM shop.orders")
    bench.ingest("shop", {"orders": orders((1, 1, 10, "", "upsert"), (2, 1, 0, "", "upsert"))})
    bench.process()
    bench.write("o", "SELECT id, greatest(units, 1) AS units FROM shop.orders")
    outcome = bench.process()
    assert (outcome.added, outcome.changed, outcome.removed) == (0, 1, 0)
    bench.write("o", "SELECT id, units, text FROM shop.orders")
    assert bench.process().changed == 2
    assert bench.rows("o") == [(1, 10, ""), (2, 0, "")]
    bench.write("o", "SELECT DISTINCT staff FROM shop.orders", "key: [staff]")
    bench.process()
    assert bench.log("o")[-1].position["reset"] is True
    assert bench.rows("o") == [(1,)]
    assert not bench.process().moved


def test_a_changed_key_begins_anew(bench: Bench) -> None:
    bench.write("o", "SELECT id, staff, units FROM shop.orders")
    bench.ingest("shop", {"orders": orders((1, 7, 10, "", "upsert"), (2, 7, 5, "", "upsert"), (3, 9, 1, "", "upsert"))})
    bench.process()
    bench.write("o", "SELECT staff, units FROM shop.orders WHERE units > 5", "key: [staff]")
    outcome = bench.process()
    assert (outcome.added, outcome.removed, bench.rows("o")) == (1, 0, [(7, 10)])
    assert bench.log("o")[-1].tables["o"].count == 1
    bench.write("o", "SELECT staff, units FROM shop.orders WHERE units > 5 AND id + 0 > 0")
    bench.process()
    assert (bench.log("o")[-1].tables["o"].key, bench.rows("o")) == ((), [(7, 10)])


def test_views_are_read_through_and_a_changed_view_is_noticed(bench: Bench) -> None:
    bench.write("o", "SELECT id, units FROM shop.orders")
    bench.write("large", "SELECT id FROM o WHERE units > 5", "materialized: view")
    bench.write("n", "SELECT count(*) AS n FROM large")
    bench.ingest("shop", {"orders": orders((1, 1, 10, "", "upsert"), (2, 1, 5, "", "upsert"))})
    bench.process()
    assert bench.rows("n") == [(1,)]
    bench.write("large", "SELECT id FROM o WHERE units > 4", "materialized: view")
    bench.process()
    assert bench.rows("n") == [(2,)]


def test_macros_and_variables(bench: Bench) -> None:
    (bench.folder / "models" / "_macros.sql").write_text("CREATE OR REPLACE MACRO twice(x) AS x * ${TIMES};")
    bench.variables = {"TIMES": "2", "WHO": "O'Neil"}
    bench.write("o", "SELECT id, twice(units) AS units, '${WHO}' AS who FROM shop.orders")
    bench.ingest("shop", {"orders": orders((1, 1, 10, "", "upsert"))})
    bench.process()
    assert bench.rows("o") == [(1, 20, "O'Neil")]


def test_validity_of_versions(bench: Bench) -> None:
    bench.write("v", "SELECT _id AS r, id, _valid_from::TIMESTAMP AS a, _valid_to::TIMESTAMP AS b, _is_current AS c "
                     "FROM shop.orders__history")  # fmt: skip
    bench.ingest("shop", {"orders": orders((1, 1, 10, "", "upsert"), (2, 1, 10, "", "upsert"))})
    bench.process()
    bench.ingest("shop", {"orders": orders((1, 1, 11, "", "upsert"), (2, 1, 10, "", "delete"))})
    outcome = bench.process()
    assert (outcome.added, outcome.changed) == (2, 2)
    assert [(row[1], row[2].minute, row[3] and row[3].minute, row[4]) for row in bench.rows("v")] == [
        (1, 1, 2, False), (2, 1, 2, False), (1, 2, None, True), (2, 2, None, False),
    ]  # fmt: skip


def test_a_series_of_batches_when_there_are_too_many_rows(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "MAX_ROWS", 4)
    bench.write("d", "SELECT d FROM range(10) AS t(d)", "key: [d]")
    bench.process()
    assert [(m.part, m.complete, m.tables["d"].rows) for m in bench.log("d")] == [
        (0, False, 4), (1, False, 4), (2, True, 2),
    ]  # fmt: skip
    assert bench.rows("d") == [(d,) for d in range(10)]
    assert not bench.process().moved


def test_killed_between_two_batches_of_a_series(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "MAX_ROWS", 4)
    bench.write("d", "SELECT d FROM range(10) AS t(d)", "key: [d]")
    really = Log.commit

    def killed(self: Log, draft: object, after: Manifest | None) -> Manifest:
        if after is not None:
            raise KeyboardInterrupt
        return really(self, draft, after)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Log, "commit", killed)
        with pytest.raises(KeyboardInterrupt):
            bench.process()
    bench.process()
    assert bench.rows("d") == [(d,) for d in range(10)]
    assert bench.log("d")[-1].complete
    assert bench.log("d")[-1].tables["d"].count == 10


def test_an_ingestion_log_that_was_replaced_is_refused_by_name(bench: Bench) -> None:
    bench.write("o", "SELECT id, units FROM shop.orders")
    for units in (1, 2):
        bench.ingest("shop", {"orders": orders((1, 1, units, "", "upsert"))})
    bench.process()
    lake = bench.folder / ".catchwater" / "lake" / "ingestion"
    lake.rename(lake.with_name("lost"))
    (failure,) = bench.process().failures
    assert failure.error == ChainBroken.__name__
    for units in (3, 4, 5):
        bench.ingest("shop", {"orders": orders((1, 1, units, "", "upsert"))})
    (failure,) = bench.process().failures
    assert failure.error == ChainBroken.__name__
    assert bench.rows("o") == [(1, 2)]


def test_losing_a_race_is_a_note_and_another_wake(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write("o", "SELECT id, units FROM shop.orders")
    bench.write("n", "SELECT count(*) AS n FROM o")
    bench.ingest("shop", {"orders": orders((1, 1, 1, "", "upsert"))})

    def lost(self: Log, draft: object, after: object) -> Manifest:
        raise LostRace("another writer committed this batch first")

    with monkeypatch.context() as patch:
        patch.setattr(Log, "commit", lost)
        outcome = bench.process()
    assert (outcome.more, outcome.failures, outcome.skipped) == (True, (), ("n",))
    assert bench.process().failures == ()
    assert bench.rows("n") == [(1,)]


def test_a_missing_grant_is_raised(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write("o", "SELECT id, units FROM shop.orders")
    bench.ingest("shop", {"orders": orders((1, 1, 1, "", "upsert"))})
    plan = bench.plan()

    def refuse(*_: object) -> None:
        raise GrantMissing("process:o", "read", "ingestion/shop/*")

    monkeypatch.setattr(type(bench.ports.stores["ingestion"]), "fetch", refuse)
    with pytest.raises(GrantMissing):
        process(bench.ports, plan, Step("process:o", "process", models=("o",)), "run")


def test_a_model_that_varies_is_computed_again_when_its_inputs_move(bench: Bench) -> None:
    bench.write("o", "SELECT id, random() AS r FROM shop.orders")
    bench.ingest("shop", {"orders": orders((1, 1, 1, "", "upsert"))})
    bench.process()
    first = bench.rows("o")
    bench.ingest("shop", {"staff": "SELECT 1 AS staff_id, 'ann' AS name"})
    assert bench.process().changed == 1
    assert bench.rows("o") != first


def test_odd_names_and_reserved_words(tmp_path: Path) -> None:
    odd = table('Odd "T', {"select": "INTEGER", "Größe": "VARCHAR", 'q"q': "VARCHAR"}, ["select"])
    bench = Bench(tmp_path, {"odd": [odd]})
    bench.write("order", 'SELECT _id AS r, * FROM odd."Odd ""T__history"', "checks: [{not_null: [select]}]")
    bench.write("plain", 'SELECT t."select" AS "group", "q""q" FROM odd."Odd ""T" AS t')
    bench.ingest("odd", {'Odd "T': 'SELECT 1 AS "select", \'x\' AS "Größe", \'y\' AS "q""q"'})
    assert bench.process().failures == ()
    assert bench.rows("order", current=True) == [(1 << 24, 1, "x", "y")]
    bench.ingest("odd", {'Odd "T': 'SELECT 1 AS "select", \'x\' AS "Größe", \'z\' AS "q""q"'})
    bench.process()
    assert bench.rows("plain") == [(1, "z")]
    assert len(bench.rows("order")) == 2
