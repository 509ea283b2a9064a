"""What BigQuery is told of types, names and texts: the parts of it that no emulator holds."""

import pytest

from catchwater.adapters.warehouses.bigquery_types import accepts, check_names, held, text, tick
from catchwater.errors import WarehouseError
from catchwater.project.tables import Column


@pytest.mark.parametrize(
    ("kind", "type_", "staged"),
    [
        ("INTEGER", "INT64", "INT64"), ("UBIGINT", "NUMERIC(20)", "NUMERIC"), ("HUGEINT", "BIGNUMERIC", "STRING"),
        ("DECIMAL(10,2)", "NUMERIC(10,2)", "NUMERIC"), ("DECIMAL(38,9)", "NUMERIC(38,9)", "NUMERIC"),
        ("DECIMAL(29,0)", "NUMERIC(29)", "NUMERIC"), ("DECIMAL(30,0)", "BIGNUMERIC(30)", "STRING"),
        ("DECIMAL(18,10)", "BIGNUMERIC(18,10)", "STRING"), ("DECIMAL(38,38)", "BIGNUMERIC(38,38)", "STRING"),
        ("TIMESTAMP", "DATETIME", "DATETIME"), ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP", "TIMESTAMP"),
        ("UUID", "STRING", "STRING"), ("ENUM('a', 'b')", "STRING", "STRING"), ("JSON", "STRING", "STRING"),
        ('"NULL"', "INT64", "INT64"), ("BLOB", "BYTES", "BYTES"),
    ],
)  # fmt: skip
def test_each_type_is_stored_without_loss(kind: str, type_: str, staged: str) -> None:
    found = held("t", Column("c", kind))
    assert (found.type, found.staged) == (type_, staged)
    name = type_.partition("(")[0]
    assert found.value("s.`c`") == ("s.`c`" if staged == name else f"CAST(s.`c` AS {name})")


@pytest.mark.parametrize(
    ("kind", "instead"),
    [
        ("INTERVAL", 'epoch("c")'), ("TIMESTAMP_NS", 'CAST("c" AS TIMESTAMP)'), ("INTEGER[3]", "to_json"),
        ("STRUCT(a INTEGER)", "to_json"), ("MAP(VARCHAR, INTEGER)", "to_json"), ("UNION(a INTEGER)", "to_json"),
        ("BIGNUM", "DECIMAL(38,0)"), ("TIME WITH TIME ZONE", "AS TIME"), ("GEOMETRY", 'CAST("c" AS VARCHAR)'),
    ],
)  # fmt: skip
def test_what_it_cannot_hold_is_refused_with_the_portable_form(kind: str, instead: str) -> None:
    with pytest.raises(WarehouseError, match="can't hold the type") as refused:
        held("t", Column("c", kind))
    assert instead in refused.value.next_step


@pytest.mark.parametrize(
    ("there", "wanted", "fits"),
    [
        ("INT64", "INT64", True), ("NUMERIC", "NUMERIC(10,2)", True), ("NUMERIC(10, 2)", "NUMERIC(10,2)", True),
        ("NUMERIC(9,2)", "NUMERIC(10,2)", False), ("NUMERIC(12,1)", "NUMERIC(10,2)", False),
        ("BIGNUMERIC", "BIGNUMERIC(38,38)", True), ("BIGNUMERIC", "NUMERIC(38,9)", True),
        ("NUMERIC", "BIGNUMERIC(30)", False), ("NUMERIC", "INT64", True), ("NUMERIC(10)", "INT64", False),
        ("FLOAT64", "INT64", False), ("STRING", "INT64", False), ("BIGNUMERIC", "BIGNUMERIC", True),
        ("TIMESTAMP", "DATETIME", False), ("NUMERIC", "STRING", False), ("BIGNUMERIC(38)", "NUMERIC(10,2)", False),
    ],
)  # fmt: skip
def test_a_column_that_is_there_takes_every_value_or_is_refused(there: str, wanted: str, fits: bool) -> None:
    assert accepts(there, wanted) is fits


@pytest.mark.parametrize(
    ("table", "columns", "said"),
    [
        ("a-b", (), "'a-b': names are letters"), ("t", ("a b",), "'a b'"), ("t", ("ü",), "'ü'"),
        ("t", ("_TABLE_SUFFIX",), "keeps such names"), ("t", ("_partitiontime",), "keeps such names"),
        ("t", ("x" * 301,), "too long"), ("t", ("a`b",), "names are letters"), ("2t", (), "'2t'"),
    ],
)  # fmt: skip
def test_a_name_that_it_cannot_hold_is_refused(table: str, columns: tuple[str, ...], said: str) -> None:
    with pytest.raises(WarehouseError, match="can't hold the name") as refused:
        check_names(table, columns, "models/t.sql")
    assert said in str(refused.value)
    assert refused.value.next_step == "rename it models/t.sql"
    check_names("t", ("select", "_op", "Upper", "x" * 300))


def test_texts_and_paths_end_where_they_should() -> None:
    assert text("it's \\ a\nb\r\0'") == "'it\\'s \\\\ a\\nb\\r\\x00\\''"
    assert tick("p-1", "d", "t`x\\") == "`p-1.d.t\\`x\\\\`"
