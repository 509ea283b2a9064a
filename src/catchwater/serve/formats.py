"""The forms in which rows are sent, and which one a request wants; Arrow batches become bytes, never Python rows."""

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catchwater.project.tables import Column
from catchwater.serve import values
from catchwater.serve.problems import Refusal

if TYPE_CHECKING:
    import pyarrow as pa

Batches = Iterable["pa.RecordBatch"]


@dataclass(frozen=True)
class Format:
    """`render` gives the SELECT list, `write` the bytes of its batches (schema first, for forms with a head)."""

    name: str
    media_type: str
    render: Callable[[tuple[Column, ...]], str]
    write: Callable[["pa.Schema", Batches], Iterator[bytes]]

    def columns(self, asked: tuple[Column, ...]) -> int:
        """How many columns the SELECT list makes."""
        return 1 if self.name in ("json", "ndjson") else len(asked)


def _text(batch: "pa.RecordBatch") -> bytes:
    """The bytes of a column of text, one after the other as Arrow holds them."""
    column = batch.column(0)
    _, offsets, data = column.buffers()
    if data is None or not len(column):
        return b""
    starts = memoryview(offsets).cast("i")
    first, last = starts[column.offset], starts[column.offset + len(column)]
    return memoryview(data)[first:last].tobytes()


def _ndjson(schema: "pa.Schema", batches: Batches) -> Iterator[bytes]:
    return (_text(batch) for batch in batches)


def _json(schema: "pa.Schema", batches: Batches) -> Iterator[bytes]:
    """Each row ends with a line feed, which becomes the comma between two batches and the end after the last."""
    lead = b"["
    for batch in batches:
        if batch.num_rows:
            yield lead + _text(batch)[:-2]
            lead = b",\n"
    yield b"[]\n" if lead == b"[" else b"]\n"


def _csv(schema: "pa.Schema", batches: Batches) -> Iterator[bytes]:
    import pyarrow as pa
    from pyarrow import csv

    sink = pa.BufferOutputStream()
    csv.CSVWriter(sink, schema).close()
    yield sink.getvalue().to_pybytes()
    plain = csv.WriteOptions(include_header=False)
    for batch in batches:
        sink = pa.BufferOutputStream()
        csv.write_csv(batch, sink, plain)
        yield sink.getvalue().to_pybytes()


def _arrow(schema: "pa.Schema", batches: Batches) -> Iterator[bytes]:
    import pyarrow as pa

    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            yield _drained(sink)
    yield _drained(sink)


def _drained(sink: io.BytesIO) -> bytes:
    data = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return data


FORMATS = {
    "json": Format("json", "application/json", lambda c: f"{values.json_row(c)} || e',\\n'", _json),
    "ndjson": Format("ndjson", "application/x-ndjson", lambda c: f"{values.json_row(c)} || chr(10)", _ndjson),
    "csv": Format("csv", "text/csv; charset=utf-8", values.csv_columns, _csv),
    "arrow": Format("arrow", "application/vnd.apache.arrow.stream", values.arrow_columns, _arrow),
}
_ALIASES = {"application/ndjson": "ndjson", "application/jsonl": "ndjson", "application/problem+json": ""}
_WILD = {"*/*": "json", "application/*": "json", "text/*": "csv"}


def wanted(suffix: str | None, accept: str) -> Format:
    """The form by suffix, else by Accept with its weights. Raises Refusal 404, 406."""
    if suffix is not None:
        if suffix not in FORMATS:
            raise Refusal(404, f"no form .{suffix}; there are {', '.join('.' + name for name in FORMATS)}")
        return FORMATS[suffix]
    if not accept.strip():
        return FORMATS["json"]
    names = {form.media_type.partition(";")[0]: name for name, form in FORMATS.items()} | _ALIASES | _WILD
    best: tuple[float, str] = (0.0, "")
    for part in accept.lower().split(","):
        kind, _, options = part.partition(";")
        name, weight = names.get(kind.strip(), ""), _weight(options)
        if name and weight > best[0]:
            best = (weight, name)
    if not best[1]:
        types = ", ".join(form.media_type.partition(";")[0] for form in FORMATS.values())
        raise Refusal(406, f"rows come as {types}")
    return FORMATS[best[1]]


def _weight(options: str) -> float:
    for option in options.split(";"):
        name, _, value = option.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
