"""Columns carried from Parquet files into another: the same rows, the same pages; what isn't known is refused."""

import random
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catchwater.lake import carried, thrift
from catchwater.lake.carried import Unfit, carry
from catchwater.lake.thrift import Reader, Unreadable, written
from catchwater.project.names import literal, quote

EVERY = {
    "i": "i", "t": "CASE WHEN i % 7 > 0 THEN 'v' || i % 50 END", "u": "md5(i::VARCHAR)", "f": "i / 3::DOUBLE",
    "d": "(i / 7)::DECIMAL(30, 5)", "b": "i % 2 = 0", "x": "md5(i::VARCHAR)::BLOB", "z": "uuidv5_of(i)",
    "w": "TIMESTAMPTZ '2026-11-21 00:00:00+00' + INTERVAL (i) SECOND", "day": "DATE '2026-11-21' + i::INTEGER",
    "l": "CASE WHEN i % 5 > 0 THEN [i, NULL, i + 1] END", "s": "{'a': i, 'b': {'c': ['x', i::VARCHAR]}}",
    "m": "CASE WHEN i % 3 > 0 THEN MAP {'k' || i: i} END", "n": "NULL::INTEGER", 'o"d.d é': "i % 3",
}  # fmt: skip


def write(path: Path, fields: dict[str, str], rows: tuple[int, int], options: str = "") -> Path:
    items = ", ".join(f"{sql} AS {quote(name)}" for name, sql in fields.items())
    with duckdb.connect() as con:
        con.execute("CREATE MACRO uuidv5_of(i) AS md5(i::VARCHAR)::UUID")
        con.execute(
            f"COPY (SELECT {items} FROM range({rows[0]}, {rows[1]}) AS t(i)) TO {literal(str(path))} "
            f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 2048{options})"
        )
    return path


def read(paths: list[Path], items: str) -> list[tuple[Any, ...]]:
    files = ", ".join(literal(str(path)) for path in paths)
    with duckdb.connect() as con:
        return con.execute(f"SELECT {items} FROM read_parquet([{files}])").fetchall()


def footer(path: Path) -> bytes:
    data = path.read_bytes()
    return data[-8 - int.from_bytes(data[-8:-4], "little") : -8]


def test_every_type_keeps_its_rows_in_their_order(tmp_path: Path) -> None:
    ones = [write(tmp_path / f"{n}.parquet", EVERY, (n * 5000, n * 5000 + 5000)) for n in range(2)]
    carry(ones, tmp_path / "made.parquet", [(name, name) for name in EVERY], "_removed")
    items = ", ".join(f"{quote(name)}::VARCHAR" for name in EVERY)
    assert read([tmp_path / "made.parquet"], items) == read(ones, items)
    assert read([tmp_path / "made.parquet"], "count(_removed), count_if(_removed)") == [(10_000, 0)]
    kinds = "SELECT column_name, column_type FROM (DESCRIBE FROM {})"
    with duckdb.connect() as con:
        made, first = (
            con.execute(kinds.format(literal(str(p)))).fetchall() for p in (tmp_path / "made.parquet", ones[0])
        )
    assert made == [*first, ("_removed", "BOOLEAN")]


def test_columns_are_chosen_named_and_doubled(tmp_path: Path) -> None:
    one = write(tmp_path / "1.parquet", {"a": "i", "b": "i + 1", "c": "'secret' || i"}, (0, 3000))
    carry([one], tmp_path / "made.parquet", [("b", "a"), ("a", "b"), ("a", "again")], "gone")
    assert read([tmp_path / "made.parquet"], "*")[:2] == [(1, 0, 0, False), (2, 1, 1, False)]
    assert b"secret" not in (tmp_path / "made.parquet").read_bytes()


def test_filters_find_by_statistics_and_bloom_filters_what_is_there(tmp_path: Path) -> None:
    one = write(tmp_path / "1.parquet", {"a": "i", "c": "'v' || i % 50", "d": "i"}, (0, 9000))
    made = tmp_path / "made.parquet"
    carry([one, one], made, [("d", "d"), ("c", "c")], "gone")
    with duckdb.connect() as con:
        for value, found in (("v7", 360), ("v77", 0)):
            assert con.execute(f"SELECT count(*) FROM {literal(str(made))} WHERE c = ?", [value]).fetchone() == (found,)
        probes = con.execute(f"SELECT bloom_filter_excludes FROM parquet_bloom_probe({literal(str(made))}, 'c', 'v7')")
        assert set(probes.fetchall()) == {(False,)}
        probes = con.execute(f"SELECT bloom_filter_excludes FROM parquet_bloom_probe({literal(str(made))}, 'c', 'v77')")
        assert set(probes.fetchall()) == {(True,)}
        assert con.execute(f"SELECT count(*) FROM {literal(str(made))} WHERE d = 8999").fetchone() == (2,)
        assert con.execute(f"SELECT count(*) FROM {literal(str(made))} WHERE gone").fetchone() == (0,)


@pytest.mark.parametrize("seed", range(4))
def test_random_tables_come_through(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    names = dice.sample(sorted(EVERY), dice.randint(1, 8))
    fields = {name: EVERY[name] for name in names}
    ones = [
        write(tmp_path / f"{n}.parquet", fields, (0, dice.randint(1, 6000)), dice.choice(["", ", PARQUET_VERSION v2"]))
        for n in range(3)
    ]
    chosen = [(name, name) for name in dice.sample(names, dice.randint(1, len(names)))]
    carry(ones, tmp_path / "made.parquet", chosen, "_removed")
    items = ", ".join(f"{quote(name)}::VARCHAR" for name, _ in chosen)
    assert read([tmp_path / "made.parquet"], items) == read(ones, items)


def test_files_that_differ_are_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "1.parquet", {"a": "i", "b": "i"}, (0, 10))
    for fields in ({"a": "i::VARCHAR", "b": "i"}, {"a": "[i]", "b": "i"}, {"b": "i"}):
        other = write(tmp_path / "2.parquet", fields, (0, 10))
        with pytest.raises(Unfit, match=r"a in .*2\.parquet"):
            carry([one, other], tmp_path / "made.parquet", [("a", "a")], "_removed")
    with pytest.raises(Unfit, match="'c'"):
        carry([one], tmp_path / "made.parquet", [("c", "c")], "_removed")


def test_footers_that_take_much_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = write(tmp_path / "1.parquet", {"a": "i"}, (0, 3000))
    monkeypatch.setattr(carried, "_FOOTERS", 2 * len(footer(one)) - 1)
    carry([one], tmp_path / "made.parquet", [("a", "a")], "_removed")
    with pytest.raises(Unfit, match="too large"):
        carry([one, one], tmp_path / "too.parquet", [("a", "a")], "_removed")


def test_what_is_no_plain_parquet_file_is_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "1.parquet", {"a": "i"}, (0, 3000))
    data = one.read_bytes()
    tail = data[-8 - len(footer(one)) :]
    odd = {"cut": data[:-1], "no footer": data[-8:], "short": data[:4] + tail, "hidden": data[:-4] + b"PARE"}
    for name, content in odd.items():
        path = tmp_path / f"{name}.parquet"
        path.write_bytes(content)
        with pytest.raises(Unfit):
            carry([path], tmp_path / f"made {name}.parquet", [("a", "a")], "_removed")
        assert not (tmp_path / f"made {name}.parquet").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda footer: footer.update({8: (thrift.STRUCT, {})}),
        lambda footer: footer[4][1][1][0][1][1][1][0].update({1: (thrift.BINARY, b"elsewhere")}),
        lambda footer: footer.pop(4),
        lambda footer: footer.update({2: (thrift.I32, 1)}),
    ],
    ids=["encrypted", "in another file", "no row groups", "no schema"],
)
def test_footers_of_other_kinds_are_refused(tmp_path: Path, change: Any) -> None:
    one = write(tmp_path / "1.parquet", {"a": "i"}, (0, 10))
    found = Reader(footer(one)).struct()
    change(found)
    new = written(found)
    one.write_bytes(one.read_bytes()[: -8 - len(footer(one))] + new + len(new).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(Unfit):
        carry([one], tmp_path / "made.parquet", [("a", "a")], "_removed")


def test_a_footer_is_written_as_it_was_read(tmp_path: Path) -> None:
    one = footer(write(tmp_path / "1.parquet", EVERY, (0, 5000)))
    assert written(Reader(one).struct()) == one


def values(kind: int) -> st.SearchStrategy[Any]:
    if kind in (thrift.TRUE, thrift.FALSE):
        return st.booleans()
    if kind == thrift.BYTE:
        return st.integers(0, 255)
    if kind in (thrift.I16, thrift.I32, thrift.I64):
        return st.integers(-(1 << 63), (1 << 63) - 1)
    return st.binary(min_size=8, max_size=8) if kind == thrift.DOUBLE else st.binary(max_size=200)


PLAIN = [thrift.TRUE, thrift.BYTE, thrift.I16, thrift.I32, thrift.I64, thrift.DOUBLE, thrift.BINARY]
scalars = st.sampled_from(PLAIN).flatmap(lambda kind: st.tuples(st.just(kind), values(kind)))
lists = st.sampled_from(PLAIN).flatmap(lambda kind: st.tuples(st.just(kind), st.lists(values(kind), max_size=20)))
flat = st.dictionaries(st.integers(1, 3000), scalars | st.tuples(st.just(thrift.LIST), lists), max_size=8)
structs = st.dictionaries(
    st.integers(1, 40),
    scalars
    | st.tuples(st.just(thrift.STRUCT), flat)
    | st.tuples(st.just(thrift.SET), st.tuples(st.just(thrift.STRUCT), st.lists(flat, max_size=17))),
    max_size=8,
)


def same(one: Any, other: Any) -> bool:
    """Whether two structs hold the same; a truth value's type says which it is."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[field][1], other[field][1]) for field in one)
    if isinstance(one, tuple):
        return all(same(a, b) for a, b in zip(one[1], other[1], strict=True))
    return bool(one == other)


@settings(max_examples=60, deadline=None)
@given(flat | structs, st.integers(0))
def test_structs_come_back(struct: thrift.Struct, cut: int) -> None:
    data = written(struct)
    again = Reader(data).struct()
    assert written(again) == data
    assert same(struct, again)
    with pytest.raises(Unreadable):
        Reader(data[: cut % len(data)]).struct()


def test_maps_are_refused() -> None:
    with pytest.raises(Unreadable, match="type 11"):
        Reader(bytes([0x10 | thrift.MAP, 0, 0])).struct()
