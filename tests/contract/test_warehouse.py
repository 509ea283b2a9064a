"""The contract of a warehouse, the same on DuckDB and Postgres: what was committed is what readers see, once."""

from dataclasses import replace
from pathlib import Path

import pytest

from catchwater.errors import ChainBroken, Corrupt, TableDiffers, WarehouseError
from catchwater.ports import LoadBatch
from catchwater.project.tables import Column
from tests.support.loading import Logs, Rig, history, logs, model, rig, view  # noqa: F401
from tests.support.postgres import postgres18  # noqa: F401

T = model("t", {"id": "INTEGER", "name": "VARCHAR"})
MULTI = model("loose", {"text": "VARCHAR", "n": "INTEGER"}, ())
ORDERS = history("orders", {"id": "INTEGER", "units": "INTEGER"}, ["id"])
AT = "TIMESTAMPTZ '2026-11-21 10:00:00+00'"


def versions(*rows: tuple[int, int, int | None, str]) -> str:
    values = ", ".join(f"({r}, {i}, {'NULL' if u is None else u}, '{op}', {AT})" for r, i, u, op in rows)
    return f"VALUES {values}"


def test_nothing_loaded_is_said(rig: Rig) -> None:
    assert rig.warehouse.version() is None
    with pytest.raises(WarehouseError, match="nothing is loaded yet"):
        rig.rows("SELECT 1")


def test_rows_are_added_changed_and_removed(rig: Rig) -> None:
    first = rig.put(T, "VALUES (1, 'a'), (2, 'b'), (3, NULL)")
    assert (first.added, first.changed, first.removed) == (3, 0, 0)
    second = rig.put(T, "VALUES (2, 'B'), (4, 'd')", "VALUES (1, 'a'), (9, 'never there')")
    assert (second.added, second.changed, second.removed) == (1, 1, 1)
    assert second.tables["t"].changed == 1
    assert rig.rows("SELECT id, name FROM t ORDER BY id") == [(2, "B"), (3, None), (4, "d")]
    again = rig.put(T, "VALUES (1, 'back')")
    assert (again.added, again.changed, again.removed) == (1, 0, 0)
    assert rig.rows("SELECT name FROM t WHERE id = 1") == [("back",)]


def test_the_version_grows_and_names_the_cut(rig: Rig) -> None:
    rig.put(T, "VALUES (1, 'a')")
    first = rig.warehouse.version()
    rig.put(T, "VALUES (2, 'b')")
    second = rig.warehouse.version()
    assert first is not None
    assert second is not None
    assert second.number == first.number + 1
    batches = rig.logs.batches["t"]
    assert dict(first.cut) == {"processed/t": (1, batches[0].hash)}
    assert dict(second.cut) == {"processed/t": (2, batches[1].hash)}
    assert dict(second.models) == {"t": T.shape}
    with rig.warehouse.read() as reading:
        assert reading.version == second


def test_an_applied_batch_applied_again_is_a_no_op(rig: Rig) -> None:
    batches = [rig.logs.batch(T, "VALUES (1, 'a')"), rig.logs.batch(T, "VALUES (1, 'b'), (2, 'x')", "VALUES (3, '')")]
    rig.load(*batches)
    rig.load(*batches)  # the other file of a DuckDB warehouse
    before = rig.markers()
    for given in (batches, batches[1:]):
        done = rig.load(*given)
        assert (done.added, done.changed, done.removed) == (0, 0, 0)
        assert rig.rows("SELECT * FROM t ORDER BY id") == [(1, "b"), (2, "x")]
    assert rig.markers() == before


def test_a_batch_twice_in_one_apply_is_refused_or_applied_once(rig: Rig) -> None:
    one = rig.logs.batch(T, "VALUES (1, 'a')")
    with pytest.raises(ChainBroken):
        rig.load(one, one)
    assert rig.warehouse.version() is None


@pytest.mark.parametrize("given", [(1,), (0, 2), (1, 0), (2,)])
def test_batches_out_of_order_are_refused_and_nothing_changes(rig: Rig, given: tuple[int, ...]) -> None:
    rig.put(T, "VALUES (1, 'a')")
    rig.catch_up(T)
    held = rig.markers()
    chain = [rig.logs.batch(T, f"VALUES (1, 'later {n}')") for n in range(3)]
    with pytest.raises(ChainBroken, match="follows"):
        rig.load(*(chain[number] for number in given if number or len(given) > 1), *([chain[2]] if given == (0,) else []))
    assert rig.markers() == held
    assert rig.rows("SELECT * FROM t") == [(1, "a")]


def test_another_batch_under_the_same_number_is_refused(rig: Rig) -> None:
    rig.put(T, "VALUES (1, 'a')")
    rig.catch_up(T)
    mine = rig.logs.batches["t"][0]
    other = replace(mine, hash="f" * 64)
    with pytest.raises(ChainBroken):
        rig.load(other)
    follower = LoadBatch(T, 2, "e" * 64, "f" * 64, ())
    with pytest.raises(ChainBroken):
        rig.load(follower)
    assert rig.markers() == {"processed/t": (1, mine.hash)}


def test_an_empty_batch_moves_the_marker_only(rig: Rig) -> None:
    rig.put(T, "VALUES (1, 'a')")
    done = rig.put(T)
    assert (done.added, done.changed, done.removed) == (0, 0, 0)
    assert rig.markers()["processed/t"][0] == 2
    assert rig.rows("FROM t") == [(1, "a")]
    empty = model("nothing", {"id": "INTEGER", "note": "VARCHAR"})
    rig.put(empty)
    assert rig.rows("FROM nothing") == []


def test_a_file_without_rows(rig: Rig) -> None:
    done = rig.put(T, "SELECT 1, 'a' WHERE false")
    assert (done.added, done.changed, done.removed) == (0, 0, 0)
    assert rig.rows("FROM t") == []


def test_several_batches_at_once_give_what_one_after_the_other_gives(rig: Rig) -> None:
    rig.put(T, "VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')")
    chain = [
        rig.logs.batch(T, "VALUES (1, 'a2'), (5, 'e')", "VALUES (2, 'b'), (3, 'c')"),
        rig.logs.batch(T, "VALUES (3, 'c3'), (5, 'e3')", "VALUES (1, 'a2')"),
        rig.logs.batch(T),
        rig.logs.batch(T, "VALUES (1, 'a4'), (6, 'f')", "VALUES (5, 'e3')"),
        rig.logs.batch(T, removed="VALUES (6, 'f')"),
    ]
    done = rig.load(*(rig.logs.batches["t"] if rig.kind == "duckdb" else chain))
    assert rig.rows("FROM t ORDER BY id") == [(1, "a4"), (3, "c3"), (4, "d")]
    assert rig.markers()["processed/t"] == (6, chain[-1].hash)
    if rig.kind == "postgres":
        assert (done.added, done.changed, done.removed) == (0, 2, 1)


def test_two_models_in_one_apply(rig: Rig) -> None:
    other = model("u", {"id": "INTEGER", "t_id": "INTEGER"})
    done = rig.load(rig.logs.batch(T, "VALUES (1, 'a')"), rig.logs.batch(other, "VALUES (1, 1), (2, 1)"))
    assert {name: table.added for name, table in done.tables.items()} == {"t": 1, "u": 2}
    assert done.added == 3
    assert rig.rows("SELECT count(*) FROM t JOIN u ON t.id = u.t_id") == [(2,)]


def test_rows_without_a_key_are_a_multiset(rig: Rig) -> None:
    rig.put(MULTI, "VALUES ('a', 1, 'ha', 1), ('a', 1, 'ha', 2), ('b', NULL, 'hb', 1), (NULL, 2, 'hn', 1)")
    held = rig.rows("SELECT text, n, count(*) FROM loose GROUP BY ALL ORDER BY ALL NULLS LAST")
    assert held == [("a", 1, 2), ("b", None, 1), (None, 2, 1)]
    done = rig.put(MULTI, "VALUES ('a', 1, 'ha', 3), ('c', 3, 'hc', 1)", "VALUES ('b', NULL, 'hb', 1)")
    assert (done.added, done.changed, done.removed) == (2, 0, 1)
    done = rig.put(MULTI, removed="VALUES ('a', 1, 'ha', 3), ('a', 1, 'ha', 2)")
    assert done.removed == 2
    held = rig.rows("SELECT text, n, count(*) FROM loose GROUP BY ALL ORDER BY ALL NULLS LAST")
    assert held == [("a", 1, 1), ("c", 3, 1), (None, 2, 1)]
    assert [name for name, *_ in rig.rows("DESCRIBE loose")] == ["text", "n"]


def test_a_history_and_its_latest_versions(rig: Rig) -> None:
    rig.put(ORDERS, versions((1, 7, 10, "upsert"), (2, 8, 5, "upsert")))
    assert rig.rows("SELECT id, units FROM orders_current ORDER BY id") == [(7, 10), (8, 5)]
    rig.put(ORDERS, versions((3, 7, 12, "upsert"), (4, 8, 5, "delete")))
    assert rig.rows("SELECT id, units FROM orders_current") == [(7, 12)]
    assert rig.rows("SELECT record, _op FROM orders ORDER BY record") == [
        (1, "upsert"), (2, "upsert"), (3, "upsert"), (4, "delete"),
    ]  # fmt: skip
    rig.put(ORDERS, versions((5, 8, 6, "upsert"), (6, 9, 1, "upsert"), (7, 9, 2, "upsert"), (8, 9, 2, "delete")))
    assert rig.rows("SELECT id, units, record FROM orders_current ORDER BY id") == [(7, 12, 3), (8, 6, 5)]
    rig.put(ORDERS, versions((9, 7, 13, "upsert"), (10, 7, 14, "upsert"), (11, None and 0 or 9, 3, "upsert")))
    assert rig.rows("SELECT id, units FROM orders_current ORDER BY id") == [(7, 14), (8, 6), (9, 3)]
    assert rig.rows("SELECT count(*), count(_at) FROM orders") == [(11, 11)]


def test_a_version_taken_back_uncovers_the_one_before(rig: Rig) -> None:
    rig.put(ORDERS, versions((1, 7, 10, "upsert"), (2, 7, 12, "upsert"), (3, 8, 1, "upsert")))
    rig.put(ORDERS, removed=versions((2, 7, 12, "upsert"), (3, 8, 1, "upsert")))
    assert rig.rows("SELECT id, units FROM orders_current") == [(7, 10)]
    rig.put(ORDERS, versions((1, 8, 11, "upsert")))  # the version now belongs to another entity
    assert rig.rows("SELECT id, units FROM orders_current") == [(8, 11)]


def test_an_entity_of_nulls_and_of_several_columns(rig: Rig) -> None:
    pairs = history("pairs", {"a": "INTEGER", "b": "VARCHAR", "v": "INTEGER"}, ["a", "b"])
    row = "({}, {}, {}, {}, 'upsert', " + AT + ")"
    rig.put(pairs, "VALUES " + ", ".join([row.format(1, 1, "NULL", 1), row.format(2, "NULL", "'x'", 1)]))
    rig.put(pairs, "VALUES " + ", ".join([row.format(3, 1, "NULL", 2), row.format(4, "NULL", "NULL", 9)]))
    found = rig.rows("SELECT a, b, v FROM pairs_current ORDER BY ALL NULLS LAST")
    assert found == [(1, None, 2), (None, "x", 1), (None, None, 9)]


def test_an_order_shared_by_rows_is_settled_by_key(rig: Rig) -> None:
    lines = model(
        "lines", {"seq": "BIGINT", "line": "INTEGER", "id": "INTEGER"}, ("seq", "line"),
        entity=("id",), order="seq", history=True,
    )  # fmt: skip
    rig.put(lines, f"VALUES (1, 1, 7, 'upsert', {AT}), (1, 2, 7, 'upsert', {AT}), (1, 3, 8, 'delete', {AT})")
    assert rig.rows("SELECT seq, line, id FROM lines_current") == [(1, 2, 7)]


def test_views_over_tables_and_views(rig: Rig) -> None:
    big = view("big", "SELECT id, name FROM t WHERE id > 1", {"id": "INTEGER", "name": "VARCHAR"}, t="t")
    named = view("named", "SELECT name AS n FROM b1", {"n": "VARCHAR"}, b1="big")
    chain = [rig.logs.batch(T, "VALUES (1, 'a'), (2, 'b')")]
    rig.load(*chain, models=[T, big, named])
    assert rig.rows("FROM named") == [("b",)]
    changed = replace(big, sql="SELECT id, name FROM t WHERE id < 2")
    rig.load(*chain, models=[T, changed, named])
    assert rig.rows("FROM named") == [("a",)]
    assert rig.rows("FROM big") == [(1, "a")]


def test_a_wider_model_widens_the_table(rig: Rig) -> None:
    rig.put(T, "VALUES (1, 'a')")
    rig.put(T, "VALUES (2, 'b')")
    wider = replace(T, columns=(*T.columns, Column("more", "DECIMAL(5,2)"), Column("last", "DATE")))
    rig.put(wider, "VALUES (2, 'b', 1.5, DATE '2026-01-01'), (3, 'c', NULL, NULL)")
    found = rig.rows("SELECT id, more::VARCHAR, last::VARCHAR FROM t ORDER BY id")
    assert found == [(1, None, None), (2, "1.50", "2026-01-01"), (3, None, None)]
    orders = replace(ORDERS, columns=(*ORDERS.columns, Column("note", "VARCHAR")))
    rig.put(ORDERS, versions((1, 7, 10, "upsert")))
    rig.put(ORDERS, versions((2, 8, 10, "upsert")))
    rig.put(orders, f"VALUES (3, 7, 11, 'new', 'upsert', {AT})")
    assert rig.rows("SELECT id, note FROM orders_current ORDER BY id") == [(7, "new"), (8, None)]


def test_models_that_are_gone_are_retired(rig: Rig) -> None:
    rig.put(T, "VALUES (1, 'a')")
    rig.put(MULTI, "VALUES ('a', 1, 'h', 1)")
    rig.put(ORDERS, versions((1, 7, 10, "upsert")))
    for _ in range(2):
        with rig.warehouse.load({}) as session:
            session.prepare([T])
            session.retire({"t"})
    version = rig.warehouse.version()
    assert version is not None
    assert set(version.models) == {"t"}
    assert set(version.cut) == {"processed/t"}
    if rig.kind == "duckdb":
        assert rig.rows("SHOW TABLES") == [("t",)]
    else:
        assert rig.rows("FROM loose") == [("a", 1)]  # tables in somebody's database stay


def test_a_load_that_fails_changes_nothing_for_readers(rig: Rig) -> None:
    rig.put(T, "VALUES (1, 'a')")
    rig.put(T, "VALUES (2, 'b')")
    before, held = rig.warehouse.version(), rig.rows("FROM t ORDER BY id")
    bad = rig.logs.folder / "bad.parquet"
    bad.write_bytes(b"PAR1 not at all")
    batch = rig.logs.commit(T, [bad])
    with pytest.raises(Corrupt, match="Parquet"):
        rig.load(batch)
    del rig.logs.batches["t"][-1]
    other = model("t", {"id": "INTEGER"})
    lacking = rig.logs.commit(T, [rig.logs.write(replace(other, columns=(Column("other", "INTEGER"),)), "VALUES (1)")])
    with pytest.raises(Corrupt, match="no column id"):
        rig.load(lacking)
    assert rig.rows("FROM t ORDER BY id") == held
    after = rig.warehouse.version()
    assert after is not None
    assert before is not None
    assert after.cut == before.cut


def test_a_missing_column_of_a_file_is_null(rig: Rig) -> None:
    rig.put(T, "VALUES (1, 'a')")
    rig.logs.commit(T, [rig.logs.write(replace(T, columns=T.columns[:1]), "VALUES (2)")])
    rig.catch_up(T)
    assert rig.rows("FROM t ORDER BY id") == [(1, "a"), (2, None)]


def test_a_table_that_differs_is_rebuilt_or_refused_by_column(rig: Rig) -> None:
    rig.put(T, "VALUES (1, 'a')")
    rig.catch_up(T)
    other = replace(T, columns=(Column("id", "BIGINT"), Column("title", "VARCHAR"), Column("name", "DATE")))
    if rig.kind == "duckdb":
        with rig.warehouse.load({}) as session:
            session.prepare([other])
            assert session.markers() == {}
        assert rig.rows("FROM t") == []
        return
    with pytest.raises(TableDiffers) as refused:
        rig.load(models=[other])
    text = str(refused.value)
    assert "t.id: is integer; the model has bigint" in text
    assert "t.name: is text; the model has date" in text
    assert rig.rows("FROM t") == [(1, "a")]


def test_reset_begins_a_model_anew(rig: Rig) -> None:
    rig.put(ORDERS, versions((1, 7, 10, "upsert")))
    rig.put(T, "VALUES (1, 'a')")
    with rig.warehouse.load({}) as session:
        session.prepare([ORDERS, T])
        if rig.kind == "postgres":
            with pytest.raises(WarehouseError, match="kept until you drop them"):
                session.reset(ORDERS)
            return
        session.reset(ORDERS)
        assert "processed/orders" not in session.markers()
        again = rig.logs.batches["orders"] = []
        rig.logs.batch(ORDERS, versions((5, 9, 1, "upsert")))
        session.apply(again)
        session.apply(rig.logs.batches["t"])
    assert rig.rows("SELECT record FROM orders") == [(5,)]
    assert rig.rows("SELECT id FROM orders_current") == [(9,)]
    assert rig.rows("FROM t") == [(1, "a")]


def test_readers_keep_their_version_while_a_load_goes_on(rig: Rig) -> None:
    rig.put(T, "VALUES (1, 'a')")
    with rig.warehouse.read() as reading:
        assert reading.connection.execute("FROM t").fetchall() == [(1, "a")]
        rig.put(T, "VALUES (1, 'b')")
        assert reading.connection.execute("FROM t").fetchall() == [(1, "a")]
        assert rig.rows("FROM t") == [(1, "b")]


def test_paths_with_odd_characters(rig: Rig, tmp_path: Path) -> None:
    odd = tmp_path / "it's [a] *folder* ?=é" / "x=1"
    odd.mkdir(parents=True)
    rig.logs = Logs(odd)
    rig.put(T, "VALUES (1, 'a')")
    assert rig.rows("FROM t") == [(1, "a")]
