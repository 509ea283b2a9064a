"""Files over HTTP as a source: good lines are the table, the others are refused by line, and faults are named."""

import gzip
import io
import random
import string
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catchwater.adapters.sources import csv_lines
from catchwater.adapters.sources import http_files as module
from catchwater.adapters.sources.http_address import refusal
from catchwater.adapters.sources.http_fetch import Limits
from catchwater.adapters.sources.http_files import HttpFilesSource
from catchwater.errors import ProjectError, SourceError, SourceRefused, SourceUnreachable
from catchwater.project import schema
from catchwater.runtimes.embedded_files import FileServer
from tests.support.feeds import Flow, Handler, body, cut, faulty, settings

DECLARED = """
key: [id]
nulls: ["", NA]
columns:
  - {name: id, type: integer}
  - {name: name, type: string, nullable: false}
  - {name: lat, type: number}
"""
HEADER = b"id,name,lat\n"
GOOD = HEADER + b"1,one,1.5\n2,two,\n3,three,-3e2\n"


def flow(folder: Path, url: str, declared: str = DECLARED, **options: Any) -> Flow:
    (folder / "stations.yml").write_text(declared)
    spec = schema.HttpFilesSource(kind="http_files", url=url, schema="stations.yml", **{"private": True, **options})
    source = HttpFilesSource("stations", spec, settings(folder))
    source.limits = Limits(attempts=3, connect=2, read=0.3, total=20, wait=0.01)
    return Flow(folder, "stations", source)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Flow, Path]]:
    folder = tmp_path / "served"
    folder.mkdir()
    with FileServer(folder) as server:
        yield flow(tmp_path, server.url("f.csv")), folder / "f.csv"


def test_rows_changes_deletions_and_nothing_new(served: tuple[Flow, Path]) -> None:
    held, file = served
    file.write_bytes(GOOD)
    assert held.run().rows_out == 3
    assert held.rows("id, name, lat") == [("1", "one", "1.5"), ("2", "two", None), ("3", "three", "-300.0")]
    assert held.run().batches == ()
    file.write_bytes(HEADER + b"4,four,4\n3,three,-300\n1,ONE,1.5\n")
    assert held.run().rows_out == 3
    assert held.rows("id, name, lat") == [("1", "ONE", "1.5"), ("3", "three", "-300.0"), ("4", "four", "4.0")]
    assert [row for row in held.rows("id, _op, name", history=True) if row[1] == "delete"] == [("2", "delete", "two")]
    (first, second) = held.batches()
    assert (first.tables["stations"].count, second.tables["stations"].count) == (3, 3)
    assert held.raw()[0] == GOOD
    assert second.position["bytes"] == file.stat().st_size
    assert held.run().batches == ()


def test_the_answer_304_and_the_same_bytes_commit_nothing(tmp_path: Path) -> None:
    with faulty(
        body(GOOD, ETag='"a"'), lambda handler: handler.reply(304), body(GOOD, ETag='"b"'), body(GOOD)
    ) as server:
        held = flow(tmp_path, server.url())
        assert len(held.run().batches) == 1
        for _ in range(3):
            assert held.run().batches == ()
        assert [headers.get("if-none-match") for _, headers in server.asked] == [None, '"a"', '"a"', '"a"']
        assert len(held.batches()) == 1


def test_a_changed_schema_or_address_is_read_again(tmp_path: Path) -> None:
    with faulty(body(GOOD, ETag='"a"')) as server:
        flow(tmp_path, server.url("f?year=1")).run()
        held = flow(tmp_path, server.url("f?year=1"), DECLARED.replace("type: number", "type: string"))
        assert held.run().rows_out == 1
        assert "if-none-match" not in server.asked[-2][1]
        assert held.rows("id, lat")[2] == ("3", "-3e2")
        flow(tmp_path, server.url("f?year=2"), DECLARED.replace("type: number", "type: string")).run()
        assert "if-none-match" not in server.asked[-1][1]
        with pytest.raises(SourceRefused, match=r"the key was id and is now none"):
            flow(tmp_path, server.url("f"), DECLARED.replace("key: [id]", "")).run()


def test_no_secret_of_the_url_is_in_the_log_or_a_message(tmp_path: Path) -> None:
    with faulty(body(GOOD), body(b"", 403), body(b"", 500)) as server:
        url = server.url("f.csv?token=hunter2#frag").replace("http://", "http://me:s3cr%65t@")
        held = flow(tmp_path, url)
        held.run()
        assert server.asked[0][0] == "/f.csv?token=hunter2"
        assert server.asked[0][1]["authorization"] == "Basic bWU6czNjcmV0"
        said = [held.batches()[0].to_bytes().decode()]
        for error in (SourceRefused, SourceUnreachable):
            with pytest.raises(error) as caught:
                held.run()
            said.append(str(caught.value))
    assert "answer 403: it refuses us" in said[1]
    assert "answer 500" in said[2]
    for text in said:
        assert "/f.csv" in text
        assert not any(word in text for word in ("hunter2", "s3cr", "bWU6", "frag"))


BAD = [
    (b"x,a,1", "id: 'x' can't be held as BIGINT"),
    (b"9223372036854775808,a,1", "id: '9223372036854775808' can't be held as BIGINT"),
    (b"1.5,a,1", "id: '1.5' can't be held as BIGINT"),
    (b",a,1", "id: no value"),
    (b"7,,1", "name: no value"),
    (b"7,NA,1", "name: no value"),
    (b"7,a,nan", "lat: 'nan' can't be held as DOUBLE"),
    (b"7,a,1e999", "lat: '1e999' can't be held as DOUBLE"),
    (b"7,a", "2 fields, 3 are declared"),
    (b"7,a,1,", "4 fields, 3 are declared"),
    (b"7", "1 fields, 3 are declared"),
    (b"7,\xff,1", "not UTF-8: byte 3 of the line"),
    (b'7,"a"b,1', "text after a closing quote"),
    (b'7,"a\nb",x', "lat: 'x' can't be held as DOUBLE"),
    (b'7,"a,1', "text after a closing quote"),
    (b"100,again,1", "the key stands before, in line 2"),
]


def test_bad_lines_are_refused_by_number_and_all_others_flow(served: tuple[Flow, Path]) -> None:
    held, file = served
    lines, expected, number = [HEADER], [], 2
    for index, (bad, reason) in enumerate(BAD):
        good = b'%d,"good ""%d""\n\xc3\xa4",1\n' % (100 + index, index)
        lines += [good, b"\n" if index % 3 else b"\r\n", bad + (b"\n" if index % 2 else b"\r\n")]
        expected.append((f"f.csv:{number + 3}", reason))
        number += 3 + 1 + bad.count(b"\n")
    file.write_bytes(b"".join([*lines, b"999,last,"]))
    outcome = held.run()
    found = [(each.where, each.reason) for each in held.refused()]
    assert [where for where, _ in found] == [where for where, _ in expected]
    for (_, reason), (_, wanted) in zip(found, expected, strict=True):
        assert wanted in reason
    assert outcome.quarantined == len(BAD)
    wanted_rows = [(str(100 + index), f'good "{index}"\nä') for index in range(len(BAD))] + [("999", "last")]
    assert held.rows("id, name", order="id") == wanted_rows
    assert [each.text for each in held.refused()][12] == '7,"a"b,1'


def test_a_stray_quote_does_not_swallow_what_follows(served: tuple[Flow, Path]) -> None:
    held, file = served
    rows = b"".join(b"%d,n,1\n" % number for number in range(5000))
    file.write_bytes(HEADER + b'9000,"stray,1\n' + rows + b'9001,"x",1\n9002,y,2\n')
    held.run()
    assert [(each.where, each.reason) for each in held.refused()] == [("f.csv:2", "a quote that isn't closed")]
    assert len(held.rows("id")) == 5002


def test_a_row_whose_line_is_broken_is_kept_not_deleted(served: tuple[Flow, Path]) -> None:
    held, file = served
    file.write_bytes(GOOD)
    held.run()
    file.write_bytes(HEADER + b"1,one,oops\n4,four,1\n5,five,1\n")
    outcome = held.run()
    assert outcome.notes == ("1 rows kept, whose lines can't be taken",)
    assert [row[0] for row in held.rows("id")] == ["1", "4", "5"]
    assert held.batches()[-1].tables["stations"].count == 3


REFUSED_WHOLE = {
    "empty": (b"", "the file is empty"),
    "blank": (b"\n\n", "the file is empty"),
    "header": (HEADER, "a header and no rows"),
    "renamed": (b"id,Name,lat\n1,a,1\n", "f.csv:1: the header isn't the declared one; missing: name; extra: Name"),
    "fewer": (b"id,name\n1,a\n", "missing: lat"),
    "more": (b"id,name,lat,x,y\n1,a,1,1,1\n", "extra: x, y"),
    "twice": (b"id,name,lat,lat\n1,a,1,1\n", "twice: lat"),
    "page": (b"<html>\n<body>no</body>\n</html>", "missing: id, name, lat; extra: <html>"),
    "mostly bad": (HEADER + b"1,a,1\nx\ny\n", "2 of 3 lines can't be taken, the first in line 3: 1 fields"),
    "binary": (b"\xff\xfe\x00", "f.csv:1: the header can't be read: not UTF-8"),
    "cut gz": (gzip.compress(GOOD * 50)[:-9], "the gz file ends too early"),
    "bad gz": (gzip.compress(GOOD)[:-8] + b"\xff" * 8, "the gz file is damaged"),
    "bad zip": (b"PK\x03\x04 not a zip at all", "the zip is damaged"),
}


@pytest.mark.parametrize(("data", "reason"), REFUSED_WHOLE.values(), ids=REFUSED_WHOLE)
def test_files_refused_whole_leave_what_is_held(served: tuple[Flow, Path], data: bytes, reason: str) -> None:
    held, file = served
    file.write_bytes(GOOD)
    held.run()
    file.write_bytes(data)
    with pytest.raises(SourceRefused) as error:
        held.run()
    assert reason in str(error.value)
    assert len(held.batches()) == 1
    assert len(held.rows("id")) == 3
    file.write_bytes(GOOD + b"4,d,1\n")
    assert held.run().rows_out == 1


def test_a_header_alone_is_an_empty_table_at_first(served: tuple[Flow, Path]) -> None:
    held, file = served
    file.write_bytes(b"\xef\xbb\xbf" + HEADER)
    assert len(held.run().batches) == 1
    file.write_bytes(b"\xef\xbb\xbflat,id,name\r\n1,7,seven\r\n")
    held.run()
    assert held.rows("id, name, lat") == [("7", "seven", "1.0")]


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/"), data)
    return out.getvalue()


def test_packed_files(served: tuple[Flow, Path]) -> None:
    held, file = served
    members = gzip.compress(HEADER) + gzip.compress(b"9,x,1\n")
    for number, packed in enumerate([gzip.compress(GOOD), zipped(a__=b"", a__f=GOOD[:-2] + b"9\n"), members]):
        file.write_bytes(packed)
        held.run()
        assert len(held.batches()) == number + 1
        assert held.raw()[-1] == packed
    assert held.rows("id, name") == [("9", "x")]
    file.write_bytes(zipped(a=GOOD, b=GOOD))
    with pytest.raises(SourceRefused, match="the zip holds 2 files, not one"):
        held.run()
    locked = bytearray(zipped(a=GOOD))
    locked[6] |= 1
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    file.write_bytes(bytes(locked))
    with pytest.raises(SourceRefused, match="the zip is encrypted"):
        held.run()


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: zipped(f=data)], ids=["gz", "zip"])
def test_a_bomb_is_refused_before_it_unpacks(tmp_path: Path, pack: Any) -> None:
    with faulty(body(pack(HEADER + b"1,a,1\n" * 2_000_000))) as server:
        held = flow(tmp_path, server.url(), max_bytes=1_000_000)
        with pytest.raises(SourceRefused, match="unpacks to more than 1000000 bytes"):
            held.run()
    with faulty(body(pack(GOOD))) as server:
        assert flow(tmp_path, server.url(), max_bytes=1_000_000).run().rows_out == 3


def test_content_encoding_that_was_not_asked_for(tmp_path: Path) -> None:
    with faulty(body(gzip.compress(GOOD), Content_Encoding="gzip")) as server:
        held = flow(tmp_path, server.url())
        assert held.run().rows_out == 3
        assert server.asked[0][1]["accept-encoding"] == "identity"


DIALECT = """
delimiter: ";"
quote: "'"
header: false
encoding: latin-1
nulls: []
columns:
  - {name: 'The "Größe", ß', type: "decimal(6,2)"}
  - {name: select, type: date, format: "%d.%m.%Y"}
  - {name: Ü, type: timestamptz}
  - {name: when, type: timestamp}
  - {name: ok, type: boolean}
  - {name: t, type: text}
  - {name: small, type: smallint}
"""


def test_another_dialect_and_every_type(tmp_path: Path) -> None:
    rows = [
        "1234.5;29.02.2024;2024-01-01T00:00Z;2024-01-01;yes;'a;''b\nc';-1",
        " +0.10 ;01.01.0001;2024-06-01 12:00:00.5+0200; 2024-01-01 10:00 ;0;;32767",
        "1.234;29.02.2024;2024-01-01T00:00Z;2024-01-01;t;x;1",
        "1;30.02.2024;2024-01-01T00:00Z;2024-01-01;f;x;1",
        "1;29.02.2024;2024-01-01T00:00;2024-01-01;f;x;1",
        "1;29.02.2024;2024-01-01T00:00Z;today;f;x;1",
        "1;29.02.2024;2024-01-01T00:00Z;2024-01-01;maybe;x;1",
        "1;29.02.2024;2024-01-01T00:00Z;2024-01-01;f;x;32768",
        "1;29.02.2024;2024-01-01T00:00Z;2024-01-01;f;äé;1",
        *["2;29.02.2024;2024-01-01T00:00Z;2024-01-01;f;same;1"] * 6,
    ]
    with faulty(body("\n".join(rows).encode("latin-1"))) as server:
        held = flow(tmp_path, server.url(), DIALECT)
        held.run()
    assert [each.reason for each in held.refused()] == [
        "The \"Größe\", ß: '1.234' can't be held as DECIMAL(6,2)",
        "select: '30.02.2024' can't be held as DATE",
        "Ü: '2024-01-01T00:00' can't be held as TIMESTAMP WITH TIME ZONE",
        "when: 'today' can't be held as TIMESTAMP",
        "ok: 'maybe' can't be held as BOOLEAN",
        "small: '32768' can't be held as SMALLINT",
    ]
    columns = '"The ""Größe"", ß", "select", Ü, "when", ok, t, small'
    day, at, then = "2024-02-29", "2024-01-01 00:00:00+00", "2024-01-01 00:00:00"
    wanted = [
        ("1234.50", day, at, then, "true", "a;'b\nc", "-1"),
        ("0.10", "0001-01-01", "2024-06-01 10:00:00.5+00", "2024-01-01 10:00:00", "false", "", "32767"),
        ("1.00", day, at, then, "false", "äé", "1"),
        *[("2.00", day, at, then, "false", "same", "1")] * 6,
    ]
    assert sorted(held.rows(columns)) == sorted(wanted)


def test_without_a_key_rows_are_a_multiset(tmp_path: Path) -> None:
    declared = "columns: [{name: a}, {name: b, type: integer}]\n"
    with faulty(
        body(b"a,b\nx,1\nx,1\nx,1\ny,\n"), body(b"a,b\nx,1\ny,\nz,2\n"), body(b"a,b\nx,1\ny,\nz,2\nx,1\n")
    ) as server:
        held = flow(tmp_path, server.url(), declared)
        found = []
        for _ in range(3):
            held.run()
            found.append((held.batches()[-1].tables["stations"].rows, held.rows("a, b")))
    assert [rows for rows, _ in found] == [4, 3, 1]
    assert found[1][1] == [("x", "1"), ("y", None), ("z", "2")]
    assert found[2][1] == [("x", "1"), ("x", "1"), ("y", None), ("z", "2")]
    deletes = [row for row in held.rows("a, _op", history=True) if row[1] == "delete"]
    assert deletes == [("x", "delete"), ("x", "delete")]


def test_utf16_and_a_wrong_encoding(tmp_path: Path) -> None:
    declared = "encoding: utf-16\n" + DECLARED
    with faulty(body(GOOD.decode().encode("utf-16")), body(GOOD + b"x")) as server:
        held = flow(tmp_path, server.url(), declared)
        held.source.limits = Limits(attempts=1)
        first = held.source.capture(["stations"], _nothing(), tmp_path / "w")
        assert first is not None
        assert first.rows_read == 3
        with pytest.raises(SourceRefused, match="the file isn't utf-16"):
            held.source.capture(["stations"], _nothing(), tmp_path / "w2")


def _nothing() -> Any:
    from catchwater.ports import Held

    return Held(None, {}, lambda *_: "")


@pytest.mark.parametrize("seed", range(6))
def test_both_readers_agree(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What DuckDB reads at once is what is read line by line; the property that makes the fast way safe."""
    chance = random.Random(seed)
    alphabet = string.ascii_letters + "äß😀,;'|\t \"\n" + "\u2028\x00\x0b"
    rows = []
    for number in range(300):
        text = "".join(chance.choices(alphabet, k=chance.randrange(12)))
        quoted = (
            '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n \r') or chance.random() < 0.3 else text
        )
        rows.append(f"{number},{quoted or 'x'},{chance.uniform(-1e9, 1e9)!r}")
    data = HEADER + "\n".join(rows).encode()
    found = []
    for name, whole in (("fast", True), ("slow", False)):
        folder = tmp_path / name
        folder.mkdir()
        if not whole:
            monkeypatch.setattr(module.csv_table, "_read_whole", lambda *_: False)
        with faulty(body(data)) as server:
            held = flow(folder, server.url())
            held.run()
            bad = [(each.where, each.reason) for each in held.refused()]
            found.append((held.rows("id, name, lat", order="id"), bad))
    assert found[0] == found[1]
    assert len(found[0][0]) + len(found[0][1]) == 300


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_lines, "MAX_LINE", 1 << 20)
    long = b"8," + b"x" * (3 << 20) + b",1\n"
    with faulty(body(GOOD + long + b"9,nine,x\n10,ten,1\n")) as server:
        held = flow(tmp_path, server.url())
        held.run()
    assert [(each.where, each.reason) for each in held.refused()] == [
        ("f.csv:5", "longer than 1 MiB"),
        ("f.csv:6", "lat: 'x' can't be held as DOUBLE"),
    ]
    assert [row[0] for row in held.rows("id")] == ["1", "10", "2", "3"] or len(held.rows("id")) == 4


def test_too_many_bad_lines_end_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_lines, "MAX_BAD", 10)
    data = HEADER + b"x\n" * 11 + b"".join(b"%d,a,1\n" % number for number in range(50))
    with faulty(body(data)) as server, pytest.raises(SourceRefused, match="more than 10 bad lines"):
        flow(tmp_path, server.url()).run()


# -- the line, and who is at its other end


def test_a_cut_line_is_resumed(tmp_path: Path) -> None:
    data = HEADER + b"".join(b"%d,row,1\n" % number for number in range(20_000))

    def rest(handler: Handler) -> None:
        start = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
        handler.reply(206, data[start:], ETag='"v1"', Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")

    with faulty(cut(data, 100_000, ETag='"v1"'), rest, body(data, ETag='"v1"')) as server:
        held = flow(tmp_path, server.url())
        assert held.run().rows_out == 20_000
        assert held.raw() == [data]
        assert server.asked[1][1]["if-range"] == '"v1"'
        assert int(server.asked[1][1]["range"][6:-1]) > 0
        assert held.batches()[0].position["etag"] == '"v1"'


def wrong_part(handler: Handler) -> None:
    handler.reply(206, b"garbage", Content_Range="bytes 0-6/7")


def no_part(handler: Handler) -> None:
    handler.reply(416)


def whole_again(handler: Handler) -> None:
    handler.reply(200, GOOD, ETag='"v2"')


@pytest.mark.parametrize("second", [wrong_part, no_part, whole_again])
def test_a_file_that_changed_meanwhile_begins_again(tmp_path: Path, second: Any) -> None:
    with faulty(cut(b"x" * 1000, 500, ETag='"v1"'), second, whole_again) as server:
        held = flow(tmp_path, server.url())
        assert held.run().rows_out == 3
        assert held.raw() == [GOOD]


def test_a_weak_name_is_no_ground_to_go_on_from(tmp_path: Path) -> None:
    with faulty(cut(GOOD, 5, ETag='W/"v1"'), body(GOOD, ETag='W/"v1"')) as server:
        held = flow(tmp_path, server.url())
        assert held.run().rows_out == 3
        assert "range" not in server.asked[1][1]


def slow(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "10")
    handler.end_headers()
    time.sleep(0.4)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (cut(GOOD, 20), "no complete answer"),
        (slow, "no complete answer"),
        (lambda handler: handler.wfile.write(b"SSH-2.0-x\r\n\r\n"), "no complete answer"),
        (body(b"", 503, Retry_After="0"), "answer 503"),
        (body(b"", 429, Retry_After="soon"), "answer 429"),
    ],
)
def test_an_end_to_trying(tmp_path: Path, answer: Any, message: str) -> None:
    with faulty(answer) as server:
        held = flow(tmp_path, server.url())
        with pytest.raises(SourceUnreachable, match=message):
            held.run()
        assert len(server.asked) in (3, 4)
        assert held.batches() == []


def test_a_server_that_comes_back(tmp_path: Path) -> None:
    with faulty(body(b"", 503), cut(GOOD, 0), body(GOOD)) as server:
        assert flow(tmp_path, server.url()).run().rows_out == 3


def test_nobody_there(tmp_path: Path) -> None:
    with faulty(body(b"")) as server:
        url = server.url()
    with pytest.raises(SourceUnreachable, match="no complete answer"):
        flow(tmp_path, url).run()
    with pytest.raises(SourceUnreachable, match=r"the name no-such-host.invalid can't be resolved"):
        flow(tmp_path, "http://no-such-host.invalid/f.csv").run()


@pytest.mark.parametrize("told", [True, False])
def test_a_file_over_the_limit(tmp_path: Path, told: bool) -> None:
    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b"400\r\n" + b"x" * 1024 + b"\r\n")

    with faulty(body(b"x" * 5001) if told else endless) as server:
        with pytest.raises(SourceRefused, match="larger than 5000 bytes"):
            flow(tmp_path, server.url(), max_bytes=5000).run()
        assert len(server.asked) == 1


def test_a_file_that_takes_too_long(tmp_path: Path) -> None:
    def drip(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(10):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)

    with faulty(drip) as server:
        held = flow(tmp_path, server.url())
        held.source.limits = Limits(total=0.1, read=1)
        with pytest.raises(SourceUnreachable, match="not complete after 0 s"):
            held.run()


def location(place: str, status: int = 302) -> Any:
    return body(b"", status, Location=place)


def test_redirects_are_followed_and_the_login_stays_at_home(tmp_path: Path) -> None:
    with faulty(body(GOOD)) as other, faulty(location("/b c?x=1"), location(other.url("there.csv"))) as server:
        url = server.url("a").replace("http://", "http://u:p@")
        held = flow(tmp_path, url)
        assert held.run().rows_out == 3
        assert [path for path, _ in server.asked] == ["/a", "/b%20c?x=1"]
        assert all("authorization" in headers for _, headers in server.asked)
        assert "authorization" not in other.asked[0][1]
        assert held.batches()[0].position["url"] == other.url("there.csv")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("file:///etc/passwd", "only http and https are fetched, not file"),
        ("ftp://127.0.0.1/f", "only http and https are fetched, not ftp"),
        ("gopher://127.0.0.1:1/", "only http and https are fetched, not gopher"),
        ("http://169.254.169.254/latest/meta-data/", "169.254.169.254, a link-local address"),
        ("http://[::ffff:169.254.169.254]/", "a link-local address"),
        ("http://[fe80::1]/", "a link-local address"),
        ("http://224.0.0.1/", "a multicast address"),
        ("http://[::1", "a redirect to something that isn't a URL"),
        ("/again", "more than 5 redirects"),
        ("", "more than 5 redirects"),
    ],
)
def test_redirects_to_where_nothing_is_fetched(tmp_path: Path, place: str, message: str) -> None:
    with faulty(location(place)) as server, pytest.raises(SourceError) as error:
        flow(tmp_path, server.url()).run()
    assert message in str(error.value)


def test_a_redirect_without_a_place(tmp_path: Path) -> None:
    with faulty(body(b"", 302)) as server, pytest.raises(SourceRefused, match="answer 302 without a place to go"):
        flow(tmp_path, server.url()).run()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "0.0.0.0", "[::]", "[::127.0.0.1]", "10.0.0.1", "192.168.0.1",  # noqa: S104
        "172.16.0.1", "100.64.0.1", "[fd00::1]", "169.254.169.254",
    ],
)  # fmt: skip
def test_only_public_addresses_unless_private(tmp_path: Path, host: str) -> None:
    with faulty(body(GOOD)) as server:
        held = flow(tmp_path, f"http://{host}:{server.port}/f.csv", private=False)
        with pytest.raises(SourceRefused, match=r"(loopback|private|link-local) address") as error:
            held.run()
        assert server.asked == []
        assert "private: true" in str(error.value) or "link-local" in str(error.value)


def test_a_name_that_resolves_differently_the_second_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that was checked is the one that is connected to: there is no second look-up to rebind."""
    from catchwater.adapters.sources import http_address

    asked = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(2, 1, 6, "", ("93.184.215.14" if len(asked) == 1 else "127.0.0.1", port))]

    monkeypatch.setattr(http_address.socket, "getaddrinfo", resolve)
    connected = []

    def connect(address: Any, *_: Any, **__: Any) -> Any:
        connected.append(address[0])
        raise OSError("no network here")

    monkeypatch.setattr(http_address.socket, "create_connection", connect)
    held = flow(tmp_path, "http://rebind.example/f.csv", private=False)
    with pytest.raises(SourceError):
        held.run()
    assert connected == ["93.184.215.14"]


def test_public_addresses_are_let_through() -> None:
    assert refusal("93.184.215.14", private=False) is None
    assert refusal("2606:2800:220:1::1", private=False) is None
    assert refusal("fe80::1%eth0", private=True) == "link-local"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("/etc/passwd", "only http and https"),
        ("file:///etc/passwd", "not file"),
        ("http://[::1", "not a URL"),
        ("http://", "only http"),
    ],
)
def test_urls_that_are_none(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(SourceRefused, match=message):
        flow(tmp_path, url).run()


def test_a_missing_file(tmp_path: Path) -> None:
    with faulty(body(b"", 404), body(b"", 401), body(b"", 400)) as server:
        held = flow(tmp_path, server.url())
        for message in ("answer 404: there is no such file", "it wants a user and password", "answer 400: not a file"):
            with pytest.raises(SourceRefused, match=message):
                held.run()


SCHEMA_PROBLEMS = {
    "columns: []": "no columns are declared",
    "x: 1": "stations.yml:1:1: unknown key `x`",
    "columns: [{name: a, tipe: string}]": "unknown key `tipe`",
    "columns:\n - {name: a, type: varchar2}": "stations.yml:2:20: `varchar2` isn't a type",
    "columns: [{name: a, type: 'decimal(39,2)'}]": "isn't a type",
    "columns: [{type: string}]": "a column needs a name",
    "columns: [{name: a},\n {name: A}]": "stations.yml:2:2: `A` is declared twice, first in line 1",
    "columns: [{name: _op}]": "`_op` is a name that Catchwater uses itself",
    "columns: [{name: a, nullable: maybe}]": "`nullable` is true or false",
    "columns: [{name: a, format: '%d'}]": "`format` is for dates and timestamps",
    "columns: [{name: a, type: date, format: '%Q'}]": "`%Q` isn't a strptime format",
    "key: [b]\ncolumns: [{name: a}]": "stations.yml:1:7: the key `b` isn't a declared column",
    "key: [a, a]\ncolumns: [{name: a}]": "the key names `a` twice",
    "key: a\ncolumns: [{name: a}]": "`key` is a list of texts",
    "delimiter: ab\ncolumns: [{name: a}]": "`delimiter` is one character",
    "delimiter: '\"'\ncolumns: [{name: a}]": "delimiter and quote are the same",
    "header: 1\ncolumns: [{name: a}]": "`header` must be true or false",
    "format: xml\ncolumns: [{name: a}]": "`format` can't be xml; one of csv",
    "encoding: ebcdic\ncolumns: [{name: a}]": "`encoding` can't be ebcdic",
    "columns: [": "not YAML",
}


@pytest.mark.parametrize(("text", "message"), SCHEMA_PROBLEMS.items())
def test_a_wrong_schema_is_told_by_line(tmp_path: Path, text: str, message: str) -> None:
    held = flow(tmp_path, "http://x/", text)
    with pytest.raises(ProjectError) as error:
        held.source.describe()
    assert message in str(error.value)


def test_a_source_without_a_schema(tmp_path: Path) -> None:
    spec = schema.HttpFilesSource(kind="http_files", url="http://x/")
    with pytest.raises(ProjectError, match="`stations` declares no schema"):
        HttpFilesSource("stations", spec, settings(tmp_path)).describe()
    too_many = "columns: [" + ", ".join(f"{{name: c{n}}}" for n in range(1001)) + "]"
    with pytest.raises(ProjectError, match="more than 1000 columns"):
        flow(tmp_path, "http://x/", too_many).source.describe()
    with pytest.raises(SourceRefused, match="there is no table x"):
        flow(tmp_path, "http://x/").source.capture(["x"], _nothing(), tmp_path)


def test_a_time_of_change_that_is_none(tmp_path: Path) -> None:
    for number, changed in enumerate(("yesterday", "Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 -0000")):
        with faulty(body(GOOD + b"%d,x,1\n" % (number + 10), Last_Modified=changed)) as server:
            held = flow(tmp_path, server.url())
            held.run()
    times = sorted({row[0][:4] for row in held.rows("_at", history=True)})
    assert times[0] == "1970"
    assert all(year in ("1970", str(time.gmtime().tm_year)) for year in times)
