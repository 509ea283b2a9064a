"""Arrow batches of BigQuery as DuckDB can scan them: 76 digits as text, and a result without rows has its types."""

from decimal import Decimal
from typing import Any, cast

import duckdb
import pyarrow as pa
from google.cloud.bigquery import SchemaField

from catchwater.adapters.warehouses.bigquery_arrow import batches
from catchwater.adapters.warehouses.bigquery_place import Place


class Result:
    """A job's row iterator with these batches."""

    def __init__(self, schema: list[SchemaField], given: list[pa.RecordBatch]) -> None:
        self.schema, self.given = schema, given

    def to_arrow_iterable(self, **_: Any) -> Any:
        return iter(self.given)


AT = Place(cast("Any", None), "p", "d", None)


def test_wide_decimals_are_scanned_as_texts() -> None:
    exact = ["99999999999999999999999999999999999999", "-0.00000000000000000000000000000000000001", None]
    values = [Decimal(text) if text else None for text in exact]
    given = [pa.record_batch({"n": pa.array([value], pa.decimal256(76, 38))}) for value in values]
    reader = batches(AT, Result([SchemaField("n", "BIGNUMERIC")], given))
    whole = reader.read_all()
    assert whole.schema.field("n").type == pa.string()
    with duckdb.connect() as con:
        con.register("rows", whole)
        found = con.execute("SELECT CAST(n AS DECIMAL(38,0))::VARCHAR, n FROM rows").fetchall()
    assert found[0][0] == exact[0]
    assert [Decimal(text) if text else None for _, text in found] == values


def test_a_result_without_rows_has_the_types_of_its_columns() -> None:
    kinds = {
        "a": ("INTEGER", pa.int64()), "b": ("FLOAT", pa.float64()), "c": ("BOOLEAN", pa.bool_()),
        "d": ("NUMERIC", pa.decimal128(38, 9)), "e": ("TIMESTAMP", pa.timestamp("us", "UTC")),
        "f": ("DATETIME", pa.timestamp("us")), "g": ("DATE", pa.date32()), "h": ("TIME", pa.time64("us")),
        "i": ("BYTES", pa.binary()), "j": ("STRING", pa.string()), "k": ("BIGNUMERIC", pa.string()),
    }  # fmt: skip
    reader = batches(AT, Result([SchemaField(name, kind) for name, (kind, _) in kinds.items()], []))
    assert {field.name: field.type for field in reader.schema} == {name: kind for name, (_, kind) in kinds.items()}
    assert reader.read_all().num_rows == 0
