"""Tables of the DuckDB warehouse when models change, and what stands beside them."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from catchwater.adapters.warehouses import files, pointer
from catchwater.adapters.warehouses.pointer import Pointer
from catchwater.errors import WarehouseBusy, WarehouseError
from catchwater.plan.plan import Model
from catchwater.ports import Version
from tests.support.loads import Chain, House, history, model, opened

T = model("t", {"id": "INTEGER", "v": "VARCHAR"})


@pytest.fixture
def house(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    with opened("duckdb", tmp_path, request) as made:
        yield made


def filled(house: House, of: Model, select: str) -> Chain:
    """A chain whose one batch is in both files."""
    log = house.chain(of)
    log.add(select)
    house.load(log)
    house.load(log)
    return log


def changed(log: Chain, to: Model) -> None:
    log.model = to
    log.batches = [replace(batch, model=to) for batch in log.batches]


def load(house: House, *models: Model, chains: Sequence[Chain] = ()) -> None:
    with house.warehouse.load({}) as session:
        session.retire([model.name for model in models])
        session.prepare(models)
        session.apply([batch for chain in chains for batch in chain.batches])


def test_added_columns_widen_in_place(house: House) -> None:
    log = filled(house, T, "SELECT 1 AS id, 'a' AS v")
    wide = model("t", {"id": "INTEGER", "v": "VARCHAR", "w": "DATE"})
    with house.warehouse.load({}) as session:
        session.prepare([wide])
        assert session.markers() == log.cut  # nothing is to be loaded again
    assert house.rows("SELECT id, v, w FROM t") == [(1, "a", None)]


@pytest.mark.parametrize(
    "other",
    [
        model("t", {"v": "VARCHAR", "id": "INTEGER"}),
        model("t", {"id": "BIGINT", "v": "VARCHAR"}),
        model("t", {"id": "INTEGER"}),
        model("t", {"id": "INTEGER", "v": "VARCHAR"}, ["id", "v"]),
        model("t", {"id": "INTEGER", "v": "VARCHAR"}, history=True, entity=("v",), order="id"),
    ],
)
def test_any_other_change_is_loaded_from_the_beginning(house: House, other: Model) -> None:
    log = filled(house, T, "SELECT 1 AS id, 'a' AS v, 'upsert' AS _op, now() AS _at")
    with house.warehouse.load({}) as session:
        session.prepare([other])
        assert session.markers() == {}
        changed(log, other)
        session.apply(log.batches)
    assert house.rows("SELECT id FROM t") == [(1,)]
    assert [row[0] for row in house.rows("SHOW TABLES")] == (["t", "t_current"] if other.history else ["t"])


def test_models_become_views_tables_and_bags(house: House) -> None:
    log = filled(house, T, "SELECT 1 AS id, 'a' AS v, 'h' AS _version, 1 AS _occurrence")
    view = model("t", {"id": "INTEGER"}, (), materialized="view", sql="SELECT 5 AS id")
    bag = model("t", {"id": "INTEGER", "v": "VARCHAR"}, ())
    for to, rows in ((view, [(5,)]), (bag, [(1, "a")]), (T, [(1, "a")]), (view, [(5,)]), (T, [(1, "a")])):
        changed(log, to)
        for _ in range(2):
            load(house, to, chains=[] if to is view else [log])
            assert house.rows("FROM t") == rows
    load(house, bag)
    load(house)
    load(house)
    assert house.rows("SHOW ALL TABLES") == [row for row in house.rows("SHOW ALL TABLES") if row[1] == "_catchwater"]


def test_descriptions_are_comments(house: House) -> None:
    said = replace(
        T, description="It's a table", columns=(replace(T.columns[0], description="it's a key"), T.columns[1])
    )
    fact = replace(history(), description="Facts")
    bag = replace(model("bag", {"a": "INTEGER"}, ()), description="A bag")
    for _ in range(2):
        load(house, said, fact, bag)
    assert house.rows("SELECT table_name, comment FROM duckdb_tables() WHERE schema_name = 'main' ORDER BY 1") == [
        ("fact", "Facts"),
        ("fact_current", "Facts"),
        ("t", "It's a table"),
    ]
    assert house.rows("SELECT comment FROM duckdb_views() WHERE view_name = 'bag'") == [("A bag",)]
    assert house.rows("SELECT comment FROM duckdb_columns() WHERE table_name = 't' ORDER BY column_index") == [
        ("it's a key",),
        (None,),
    ]
    load(house, T, fact, bag)
    assert house.rows("SELECT comment FROM duckdb_tables() WHERE table_name = 't'") == [(None,)]


def test_what_cant_be_prepared_is_named(house: House) -> None:
    broken = model("v", {"id": "INTEGER"}, (), materialized="view", sql="SELECT nothing FROM t", reads={"t": "t"})
    with pytest.raises(WarehouseError, match="v: Binder Error"):
        load(house, T, broken)
    assert house.warehouse.version() is None


def test_a_pointer_to_a_file_that_was_lost_is_forgotten_before_another_is_made(house: House) -> None:
    """A killed load could leave one of the same size, and readers would wait for a version that never comes."""
    filled(house, T, "SELECT 1 AS id, 'a' AS v")
    folder = house.folder / ".catchwater" / "warehouse"
    house.warehouse.close()
    (folder / files_of_pointer(folder)).unlink()
    with pytest.raises(RuntimeError, match="killed"), house.warehouse.load({}):
        assert not (folder / "current.json").exists()
        raise RuntimeError("killed")
    assert house.warehouse.version() is None


def files_of_pointer(folder: Path) -> str:
    now = pointer.read(folder)
    assert now
    return now.file


def test_a_wide_first_load_stays_within_its_memory(house: House) -> None:
    house.warehouse = house.open(loading="64MB")
    log = house.chain(model("t", {"id": "BIGINT", "v": "VARCHAR"}))
    log.add("SELECT range AS id, md5(range::VARCHAR) || md5(range::VARCHAR) AS v FROM range(400000)")
    house.load(log)
    log.add("SELECT range AS id, md5(range::VARCHAR) || 'x' AS v FROM range(0, 400000, 2)")
    done = house.load(log)
    assert (done.added, done.changed) == (0, 200_000)
    assert house.rows("SELECT count(*), count(DISTINCT id) FROM t") == [(400_000, 400_000)]


def test_numbers_of_versions_begin_with_the_clock_and_grow_after_a_loss(house: House) -> None:
    began = int(time.time())
    load(house, T)
    first = house.version().number
    assert began <= first <= time.time() + 1
    folder = house.folder / ".catchwater" / "warehouse"
    for _ in range(3):
        load(house, T)
        (folder / "current.json").unlink()
        load(house, T)
    assert house.version().number > first


@pytest.mark.parametrize(
    "text",
    [
        "[]", '"x"', "{}", '{"file": "../x.duckdb", "version": 1, "cut": {}, "models": {}, "size": 0}',
        '{"file": "left.duckdb", "version": "1", "cut": {}, "models": {}, "size": 0}',
        '{"file": "left.duckdb", "version": 1, "cut": [], "models": {}, "size": 0}',
        '{"file": "left.duckdb", "version": 1, "cut": {"a": [1]}, "models": {}, "size": 0}', "\0",
    ],
)  # fmt: skip
def test_a_pointer_that_makes_no_sense_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "left.duckdb").touch()
    (tmp_path / "current.json").write_text(text)
    assert pointer.read(tmp_path) is None


def test_a_pointer_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "right.duckdb").write_bytes(b"1234")
    given = Pointer("right.duckdb", Version(7, {"processed/ü": (3, "h")}, {"ü": "s"}), 4)
    pointer.stage(tmp_path, given).place()
    assert pointer.read(tmp_path) == given
    assert sorted(path.name for path in tmp_path.iterdir()) == ["current.json", "right.duckdb"]


def test_a_reader_that_never_gets_the_file_is_told_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    import duckdb

    load(house, T)
    house.warehouse.close()

    def held(*_: object, **__: object) -> None:
        raise duckdb.IOException(f'IO Error: Could not set lock on file "x": held in python (PID {os.getpid()})')

    monkeypatch.setattr(files, "attach", held)
    impatient = house.open(patience=0.05)
    with pytest.raises(WarehouseBusy, match=f"process {os.getpid()}"), impatient.read():
        pass
