"""Long texts that seldom repeat are packed by zstd at a first load of many rows; every value stays what it is."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import duckdb
import pytest

from catchwater.adapters.warehouses import apply, files, pointer
from catchwater.errors import WarehouseError
from catchwater.plan.plan import Model
from tests.support.loads import House, model, opened

COLUMNS = {"id": "INTEGER", "said": "VARCHAR", "kind": "VARCHAR", "code": "VARCHAR", "odd": "VARCHAR"}
T = model("t", COLUMNS)
SAID = "'it was said ' || md5((i + {})::VARCHAR)"
ODD = (
    "CASE i % 7 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN repeat('é', (i % 300)::INT) "
    "WHEN 3 THEN repeat(md5(i::VARCHAR), IF(i % 9001 = 3, 8000, 1)) ELSE chr(0) || md5(i::VARCHAR) || '🦆' END"
)
ROWS = f"SELECT i::INTEGER AS id, {SAID} AS said, 'k' || i % 9 AS kind, 'c' || i AS code, {ODD} AS odd FROM range({{}}, {{}}) t(i)"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """What many rows are is said to be less."""
    monkeypatch.setattr(apply, "_MANY", 4000)


@pytest.fixture
def house(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    with opened("duckdb", tmp_path, request) as made:
        yield made


def packing(house: House, table: str = "t") -> dict[str, set[str]]:
    """How the columns of the published file are packed."""
    house.warehouse.close()
    folder = house.folder / ".catchwater" / "warehouse"
    now = pointer.read(folder)
    assert now
    found: dict[str, set[str]] = {}
    with duckdb.connect(str(folder / now.file), read_only=True) as con:
        sql = "SELECT column_name, compression FROM pragma_storage_info(?) WHERE segment_type = 'VARCHAR'"
        for column, how in con.execute(sql, [table]).fetchall():
            found.setdefault(column, set()).add(how)
    return found


def digest(house: House) -> list[tuple[object, ...]]:
    return house.rows("SELECT count(*), bit_xor(hash(id, said, kind, code, odd)), sum(length(odd)) FROM t")


def expected(*selects: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as con:
        rows = " UNION ALL ".join(f"({select})" for select in selects)
        sql = f"SELECT count(*), bit_xor(hash(id, said, kind, code, odd)), sum(length(odd)) FROM ({rows})"
        return con.execute(sql).fetchall()


def test_long_texts_are_packed_as_such_and_keep_their_values(house: House) -> None:
    said = replace(T, columns=(T.columns[0], replace(T.columns[1], description="what was said"), *T.columns[2:]))
    log = house.chain(said)
    log.add(ROWS.format(0, 0, 130_000))
    house.load(log)
    found = packing(house)
    assert (found["said"], found["odd"]) == ({"ZSTD"}, {"ZSTD"})
    assert "ZSTD" not in found["kind"] | found["code"]
    assert digest(house) == expected(ROWS.format(0, 0, 130_000))
    log.add(ROWS.format(1, 100_000, 160_000))
    log.add(
        "SELECT i::INTEGER AS id, NULL AS said, NULL AS kind, NULL AS code, NULL AS odd, true AS _removed FROM range(0, 50000, 2) t(i)"
    )
    for _ in range(3):
        house.load(log)
    kept = f"SELECT * FROM ({ROWS.format(0, 0, 100_000)}) WHERE id >= 50000 OR id % 2 = 1"
    assert digest(house) == expected(kept, ROWS.format(1, 100_000, 160_000))
    comments = "SELECT comment FROM duckdb_columns() WHERE table_name = 't' AND column_name = 'said'"
    assert house.rows(comments) == [("what was said",)]


@pytest.mark.usefixtures("few")
def test_a_table_without_key_is_packed_behind_its_view(house: House) -> None:
    bag = model("bag", {"said": "VARCHAR"}, ())
    log = house.chain(bag)
    log.add(f"SELECT {SAID.format(0)} AS said, md5(i::VARCHAR) AS _version, 1 AS _occurrence FROM range(5000) t(i)")
    house.load(log)
    assert packing(house, "_catchwater.bag")["said"] == {"ZSTD"}
    assert house.rows("SELECT count(DISTINCT said) FROM bag") == [(5_000,)]
    wide = model("bag", {"said": "VARCHAR", "more": "INTEGER"}, ())
    with house.warehouse.load({}) as session:
        session.prepare([wide])
    assert house.rows("SELECT count(*) FROM bag") == [(0,)]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("of", "select"),
    [
        (T, ROWS.format(0, 0, 3000)),
        (model("t", {"id": "INTEGER", "w": "DECIMAL(38,0)"}), "SELECT i AS id, hash(i) AS w FROM range(5000) t(i)"),
    ],
    ids=["few rows", "no text"],
)
def test_all_others_are_left_to_duckdb(house: House, of: Model, select: str) -> None:
    log = house.chain(of)
    log.add(select)
    house.load(log)
    assert "ZSTD" not in {how for packed in packing(house).values() for how in packed}


@pytest.mark.usefixtures("few")
def test_columns_added_to_a_packed_table_are_filled(house: House) -> None:
    log = house.chain(T)
    log.add(ROWS.format(0, 0, 5_000))
    house.load(log)
    house.load(log)
    wide = model("t", COLUMNS | {"more": "VARCHAR"})
    with house.warehouse.load({}) as session:
        session.prepare([wide])
    assert house.rows("SELECT count(*), count(more), count(DISTINCT said) FROM t") == [(5_000, 0, 5_000)]


DOCUMENTS = model("t", {"id": "INTEGER", "page": "VARCHAR"})
PAGES = "SELECT i::INTEGER AS id, repeat(md5(i::VARCHAR), {1} // 32) AS page FROM range({0}) t(i)"


@pytest.mark.parametrize(("least", "how"), [(apply._DOCUMENT, {"ZSTD"}), (1 << 30, set())])
def test_documents_are_packed_however_few_unless_none_is_long_enough(
    house: House, monkeypatch: pytest.MonkeyPatch, least: int, how: set[str]
) -> None:
    monkeypatch.setattr(apply, "_DOCUMENT", least)
    log = house.chain(DOCUMENTS)
    log.add(PAGES.format(3_000, 8_192))
    house.load(log)
    assert packing(house)["page"] & {"ZSTD"} == how
    assert house.rows("SELECT count(*), sum(length(page)) FROM t") == [(3_000, 3_000 * 8_192)]


def test_documents_that_need_more_memory_get_it(house: House) -> None:
    log = house.chain(DOCUMENTS)
    log.add(PAGES.format(4_096, 51_200))
    with mock.patch.object(files, "give_room", return_value=None), pytest.raises(WarehouseError, match="Out of Memory"):
        house.load(log)
    house.load(log)
    assert house.rows("SELECT count(*), sum(length(page)) FROM t") == [(4_096, 4_096 * 51_200)]
