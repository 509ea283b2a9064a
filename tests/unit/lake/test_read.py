"""What readers see: history, current rows and a model's state, over odd names, changed schemas and damaged files."""

from pathlib import Path

import duckdb
import pytest

from catchwater.adapters.stores.local import LocalStore
from catchwater.errors import Corrupt, LakeError
from catchwater.lake import read
from catchwater.lake.log import Log
from catchwater.lake.manifest import File, Manifest, TableBatch
from catchwater.project.tables import Column
from tests.support.lake import FixedClock, draft
from tests.support.parquet import DELETE, SYSTEM, Lake, rows

K, V = Column("k", "BIGINT"), Column("v", "VARCHAR")
ODD = ["filename", "select", "a b", 'q"q', "Ünï", "h", "n", "newest", "v", "versions", "#id", "t", "'", "id"]
NAME = "a h'i\"s [*]"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    folder = tmp_path / "odd [1] it's" / "year=2024" / "a*b?"
    folder.mkdir(parents=True)
    log = Log(LocalStore(folder / "lake"), "ingestion/s", FixedClock())
    return Lake(log, duckdb.connect(), tmp_path)


@pytest.fixture
def model(lake: Lake) -> Lake:
    return Lake(Log(lake.log.store, "processed/t", FixedClock()), lake.con, lake.folder)


def history(lake: Lake, columns: list[Column] | None = None) -> None:
    read.create_history(lake.con, "h", lake.log.store, lake.log.batches(None), "t", columns)


def current(lake: Lake, key: tuple[str, ...] = ("k",)) -> None:
    history(lake)
    read.create_current(lake.con, "c", "h", key)


def test_rows_are_numbered_by_batch_and_place(lake: Lake) -> None:
    select = f"SELECT i AS k, 'v' || i AS v, {SYSTEM} FROM range({{}}, {{}}) AS t(i)"
    lake.put(select.format(0, 3), select.format(3, 5), columns=[K, V])
    lake.put(select.format(4, 6), columns=[K, V])
    assert read.create_history(lake.con, NAME, lake.log.store, lake.log.batches(None), "t") == (K, V)
    numbered = rows(lake.con, NAME, "_seq, _id - (_seq << 24), k, v, _op, _version, _exact")
    first = [(1, i, i, f"v{i}", "upsert", "7", None) for i in range(5)]
    assert numbered == [*first, *[(2, i - 4, i, f"v{i}", "upsert", "7", None) for i in (4, 5)]]
    names = [name for name, *_ in lake.con.execute(f'DESCRIBE "{NAME.replace(chr(34), chr(34) * 2)}"').fetchall()]
    assert names == ["k", "v", *(column.name for column in read.HISTORY_COLUMNS)]


def test_row_numbers_stand_under_filters_and_row_groups(lake: Lake) -> None:
    lake.put(f"SELECT i AS k, repeat('x', 20) AS v, {SYSTEM} FROM range(400_000) AS t(i)", columns=[K, V])
    history(lake)
    for k in (0, 122_879, 122_880, 399_999):
        assert lake.con.execute("SELECT _id FROM h WHERE k = ?", [k]).fetchall() == [((1 << 24) + k,)]


def test_current_is_the_newest_version_of_each_key_and_no_deleted_one(lake: Lake) -> None:
    lake.put(f"SELECT i AS k, 'old' AS v, {SYSTEM} FROM range(4) AS t(i)", columns=[K, V])
    lake.put(f"SELECT 1 AS k, 'new' AS v, {SYSTEM}", columns=[K, V])
    lake.put(f"SELECT i AS k, 'old' AS v, {DELETE} FROM range(2, 4) AS t(i)", columns=[K, V])
    lake.put(f"SELECT 3 AS k, 'again' AS v, {SYSTEM} UNION ALL SELECT 3, 'twice', {SYSTEM}", columns=[K, V])
    current(lake)
    assert rows(lake.con, "c", "k, v") == [(0, "old"), (1, "new"), (3, "twice")]


def test_a_table_without_key_is_current_by_version_and_occurrence(lake: Lake) -> None:
    def select(value: str, occurrence: int, op: str) -> str:
        return (
            f"SELECT '{value}' AS v, {op.replace(chr(39) + '7', chr(39) + value)}, {occurrence}::INTEGER AS _occurrence"
        )

    lake.put(*[select("a", n, SYSTEM) for n in (1, 2, 3)], select("b", 1, SYSTEM), columns=[V], key=())
    lake.put(select("a", 3, DELETE), select("b", 1, DELETE), columns=[V], key=())
    current(lake, ())
    assert rows(lake.con, "c", "v, _version, _occurrence") == [("a", "a", 1), ("a", "a", 2)]


def test_no_files_are_an_empty_table_with_its_types(lake: Lake, model: Lake) -> None:
    odd = Column('Ü "x"', "DECIMAL(10,2)[]")
    lake.put(columns=[K, odd])
    model.put(columns=[K, odd])
    model.put(
        'SELECT 1::BIGINT AS k, [1.5::DECIMAL(10,2)] AS "Ü ""x""", false AS _removed WHERE false',
        columns=[K, odd],
    )
    current(lake)
    read.create_state(model.con, "s", model.log.store, model.log.batches(None), "t", key=["k"])
    described = [(name, kind) for name, kind, *_ in lake.con.execute("DESCRIBE c").fetchall()]
    assert described == [(column.name, column.type) for column in (K, odd, *read.HISTORY_COLUMNS)]
    assert [row[:2] for row in lake.con.execute("DESCRIBE s").fetchall()] == described[:2]
    assert rows(lake.con, "c") == rows(lake.con, "s") == []
    with pytest.raises(LakeError, match="no batch holds a table u"):
        read.create_history(lake.con, "h", lake.log.store, lake.log.batches(None), "u")
    assert read.create_history(lake.con, "h", lake.log.store, [], "u", [K]) == (K,)
    assert rows(lake.con, "h") == []


def test_columns_come_go_and_change_their_type(lake: Lake) -> None:
    lake.put(f"SELECT 1::BIGINT AS k, '12' AS v, 1 AS gone, {SYSTEM}", columns=[K, V, Column("gone", "INTEGER")])
    lake.put(f"SELECT 2::BIGINT AS k, 'a''b' AS \"V\", {SYSTEM}", columns=[K, Column("V", "VARCHAR")])
    lake.put(
        f"SELECT 3::BIGINT AS k, 9 AS v, 'x' AS came, {SYSTEM}",
        columns=[K, Column("v", "INTEGER"), Column("came", "VARCHAR")],
    )
    history(lake)
    assert rows(lake.con, "h", "k, v, came, _exact") == [
        (1, 12, None, None),
        (2, None, None, {"v": "a'b"}),
        (3, 9, "x", None),
    ]


def test_text_kept_beside_a_value_outlives_a_change_of_type(lake: Lake) -> None:
    exact = SYSTEM.replace("NULL::MAP(VARCHAR, VARCHAR)", "MAP {'k': 'NaN'}")
    lake.put(f"SELECT NULL::BIGINT AS k, 'x' AS v, {exact}", columns=[K, V])
    lake.put(columns=[K, Column("v", "DATE")])
    history(lake)
    assert rows(lake.con, "h", "k, v, _exact") == [(None, None, {"k": "NaN", "v": "x"})]


@pytest.mark.parametrize(
    "name", ["filename", "select", "a b", 'q"q', "Ünï", "h", "n", "newest", "v", "versions", "#id", "t", "'"]
)
def test_odd_column_names_are_read(lake: Lake, model: Lake, name: str) -> None:
    odd, quoted = Column(name, "INTEGER"), '"' + name.replace('"', '""') + '"'
    lake.put(f"SELECT 1::BIGINT AS k, 5 AS {quoted}, {SYSTEM}", columns=[K, odd])
    lake.put(f"SELECT 2::BIGINT AS k, 6 AS {quoted}, 0 AS more, {SYSTEM}", columns=[K, odd, Column("more", "INTEGER")])
    for number in (5, 6):
        model.put(f"SELECT 1::BIGINT AS k, {number} AS {quoted}, false AS _removed", columns=[K, odd], key=(name,))
    current(lake, ("k", name))
    read.create_state(model.con, "s", model.log.store, model.log.batches(None), "t", key=[name])
    assert rows(lake.con, "c", f"k, {quoted}") == [(1, 5), (2, 6)]
    assert rows(lake.con, "s", quoted) == [(5,), (6,)]


@pytest.mark.parametrize("name", ["_seq", "_ID", "_op", "_exact", "file_row_number", "File_Index", "K"])
def test_a_column_that_readers_could_not_tell_apart_is_refused_by_name(lake: Lake, name: str) -> None:
    with pytest.raises(LakeError, match=f"ingestion/s table t: column {name} is .*\n.*rename"):
        lake.put(columns=[K, Column(name, "INTEGER")])


def test_models_may_have_the_columns_of_a_history_but_not_their_own_marks(model: Lake) -> None:
    system = [Column(name, "BIGINT") for name in ("_id", "_seq", "_op", "_at")]
    model.put("SELECT 1 AS k, 1 AS _id, 1 AS _seq, 1 AS _op, 1 AS _at, false AS _removed", columns=[K, *system])
    read.create_state(model.con, "s", model.log.store, model.log.batches(None), "t", key=["k"])
    assert rows(model.con, "s") == [(1, 1, 1, 1, 1)]
    for name, key in (("_removed", ("k",)), ("_version", ()), ("_occurrence", ())):
        with pytest.raises(LakeError, match=name):
            model.put(columns=[K, Column(name, "BIGINT")], key=key)


def test_state_is_what_a_model_holds_now(model: Lake) -> None:
    model.put("SELECT i AS k, 'a' AS v, i = 9 AS _removed FROM range(3) AS t(i)", columns=[K, V])
    read.create_state(model.con, "s", model.log.store, model.log.batches(None), "t", key=["k"])
    assert rows(model.con, "s") == [(0, "a"), (1, "a"), (2, "a")]
    model.put("SELECT 1 AS k, 'b' AS v, false AS _removed", "SELECT 2 AS k, 'a' AS v, true AS _removed", columns=[K, V])
    model.put(columns=[K, V])
    read.create_state(model.con, "s", model.log.store, model.log.batches(None), "t", key=["k"])
    assert rows(model.con, "s") == [(0, "a"), (1, "b")]
    model.put("SELECT 2 AS k, 'c' AS v, false AS _removed", columns=[K, V])
    read.create_state(model.con, "s", model.log.store, model.log.batches(None), "t", key=["k"])
    assert rows(model.con, "s") == [(0, "a"), (1, "b"), (2, "c")]


def test_state_of_a_model_without_key_counts_equal_rows(model: Lake) -> None:
    select = "SELECT 'a' AS v, 'h' AS _version, {}::INTEGER AS _occurrence, {} AS _removed"
    model.put(select.format(1, "false"), select.format(2, "false"), columns=[V], key=())
    model.put(select.format(2, "true"), columns=[V], key=())
    read.create_state(model.con, "s", model.log.store, model.log.batches(None), "t")
    assert rows(model.con, "s") == [("a", "h", 1)]


def damaged(lake: Lake) -> tuple[Path, Manifest]:
    manifest = lake.put(f"SELECT i AS k, 'v' AS v, {SYSTEM} FROM range(1000) AS t(i)", columns=[K, V])
    return lake.log.store.fetch(manifest.tables["t"].files[0].path), manifest


def test_a_damaged_file_is_named_and_gives_no_rows(lake: Lake) -> None:
    path, manifest = damaged(lake)
    assert read.verify(lake.log.store, manifest) == []
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for data, message in ((bytes(flipped), "SHA-256 differs"), (whole[:-1], "bytes"), (b"", "0 bytes"), (None, "gone")):
        path.unlink()
        if data is not None:
            path.write_bytes(data)
        read.forget()
        key = manifest.tables["t"].files[0].path
        with pytest.raises(Corrupt, match=f"ingestion/s batch 1: {key}: .*{message}"):
            history(lake)
        assert [type(problem) for problem in read.verify(lake.log.store, manifest)] == [Corrupt]
        path.write_bytes(whole)


def test_verify_hashes_what_reading_only_samples(lake: Lake) -> None:
    path, manifest = damaged(lake)
    history(lake)
    data = bytearray(path.read_bytes())
    data[50] ^= 1
    path.write_bytes(data)
    history(lake)
    assert len(read.verify(lake.log.store, manifest)) == 1


def test_two_thousand_batches_are_read_as_one(lake: Lake) -> None:
    source = lake.folder / "one.parquet"
    lake.con.execute(f"COPY (SELECT i AS k, 'v' AS v, {SYSTEM} FROM range(10) AS t(i)) TO '{source}'")
    file = lake.log.stage(source, 10)
    manifests = []
    for seq in range(1, 2001):
        batch = TableBatch((K, V), ("k",), 10, (File(file.path, file.sha256, 10, file.bytes),))
        manifests.append(Manifest("ingestion/s", seq, "w", None, "ingest", "1", "r", "", "", tables={"t": batch}))
    read.create_history(lake.con, "h", lake.log.store, manifests, "t")
    read.create_current(lake.con, "c", "h", ["k"])
    assert rows(lake.con, "c", "k, _seq") == [(k, 2000) for k in range(10)]
    assert lake.con.execute("SELECT count(DISTINCT _id) FROM h").fetchall() == [(20_000,)]


def test_a_broken_reader_that_takes_file_order_for_row_order_would_be_seen(lake: Lake) -> None:
    """The numbering above holds only because `row_start` is added: without it two rows share an `_id`."""
    select = f"SELECT i AS k, 'v' AS v, {SYSTEM} FROM range({{}}, {{}}) AS t(i)"
    manifest = lake.put(select.format(0, 3), select.format(3, 5), columns=[K, V])
    history(lake)
    assert lake.con.execute("SELECT count(DISTINCT _id) FROM h").fetchall() == [(5,)]
    flat = [File(f.path, f.sha256, f.rows, f.bytes, 0) for f in manifest.tables["t"].files]
    with pytest.raises(LakeError, match="don't begin where"):
        lake.log.commit(draft(FixedClock(), {"t": TableBatch((K, V), ("k",), 5, tuple(flat))}), manifest)
