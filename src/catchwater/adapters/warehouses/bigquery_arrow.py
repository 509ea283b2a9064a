"""The rows of a BigQuery result as a stream of Arrow batches that DuckDB can scan; no query is written here."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from catchwater.adapters.warehouses.bigquery_place import Place
from catchwater.errors import MissingExtra

if TYPE_CHECKING:
    import pyarrow as pa


def batches(at: Place, result: Any) -> "pa.RecordBatchReader":
    """`result` is a job's row iterator; small ones come with the answer, large ones through the Storage Read API."""
    import pyarrow as pa

    found = result.to_arrow_iterable(bqstorage_client=_storage(at), max_queue_size=4, max_stream_count=1)
    with at.errors():
        first = next(iter_ := iter(found), None)
    schema = first.schema if first is not None else _schema(result.schema)
    plain = pa.schema([(field.name, _plain(field.type)) for field in schema])
    every = chain([first], iter_) if first is not None else iter(())
    return pa.RecordBatchReader.from_batches(plain, _cast(at, every, plain))


def _cast(at: Place, found: Iterator["pa.RecordBatch"], schema: "pa.Schema") -> Iterator["pa.RecordBatch"]:
    with at.errors():
        for batch in found:
            yield batch if batch.schema.equals(schema) else batch.cast(schema)


def _plain(kind: "pa.DataType") -> "pa.DataType":
    """DuckDB scans no decimals of 256 bits: their text has every digit."""
    import pyarrow as pa

    return pa.string() if pa.types.is_decimal256(kind) else kind


def _schema(fields: Any) -> "pa.Schema":
    """Of a result without rows."""
    import pyarrow as pa

    kinds = {
        "INTEGER": pa.int64(), "INT64": pa.int64(), "FLOAT": pa.float64(), "FLOAT64": pa.float64(),
        "BOOLEAN": pa.bool_(), "BOOL": pa.bool_(), "NUMERIC": pa.decimal128(38, 9), "DATE": pa.date32(),
        "DATETIME": pa.timestamp("us"), "TIMESTAMP": pa.timestamp("us", "UTC"), "TIME": pa.time64("us"),
        "BYTES": pa.binary(),
    }  # fmt: skip
    return pa.schema([(field.name, kinds.get(field.field_type, pa.string())) for field in fields])


def _storage(at: Place) -> Any:
    """Raises MissingExtra."""
    if at.storage is None:
        return None
    try:
        from google.cloud.bigquery_storage import BigQueryReadClient
        from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport
    except ImportError as error:
        raise MissingExtra("google-cloud-bigquery-storage", "google") from error
    if not at.storage:
        return BigQueryReadClient(credentials=at.client._credentials)  # type: ignore[no-untyped-call]
    import grpc

    transport = BigQueryReadGrpcTransport(channel=grpc.insecure_channel(at.storage))
    return BigQueryReadClient(transport=transport)  # type: ignore[no-untyped-call]
