"""The topic as a source: everything published is in the log once, or in quarantine with a reason."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from catchwater.adapters.sources import embedded_topic, topic
from catchwater.adapters.sources.topic import EmbeddedTopic, TopicSource
from catchwater.errors import ProjectError, SourceError, SourceRefused, UseError
from catchwater.ports import Held
from catchwater.project import schema
from tests.support.feeds import Flow, settings

EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "string", "minLength": 1},
        "n": {"type": "integer"},
        "x": {"type": ["number", "null"]},
        "ok": {"type": "boolean"},
        "at": {"type": "string", "format": "date-time"},
        "day": {"type": "string", "format": "date"},
        "kind": {"enum": ["a", "b"]},
        "tags": {"type": "array"},
        'The "Größe", ß': {"type": "string", "maxLength": 5},
        "select": {"type": "string"},
    },
}


def flow(folder: Path, document: Any = EVENT, key: tuple[str, ...] = ("id",)) -> Flow:
    (folder / "event.json").write_text(json.dumps(document))
    spec = schema.TopicSource(kind="topic", schema_file="event.json", key=list(key))
    return Flow(folder, "events", TopicSource("events", spec, settings(folder)))


def queue(folder: Path) -> EmbeddedTopic:
    return EmbeddedTopic(folder / ".catchwater", "events")


def dump(**message: Any) -> bytes:
    return json.dumps(message).encode()


def test_describes_the_columns_of_the_schema(tmp_path: Path) -> None:
    (table,) = flow(tmp_path).source.describe()
    assert (table.name, table.key) == ("events", ("id",))
    assert {c.name: (c.type, c.nullable) for c in table.columns} == {
        "id": ("VARCHAR", False),
        "n": ("BIGINT", True),
        "x": ("DOUBLE", True),
        "ok": ("BOOLEAN", True),
        "at": ("TIMESTAMP WITH TIME ZONE", True),
        "day": ("DATE", True),
        "kind": ("VARCHAR", True),
        "tags": ("VARCHAR", True),
        'The "Größe", ß': ("VARCHAR", True),
        "select": ("VARCHAR", True),
    }


def test_what_comes_while_messages_are_taken_waits_for_the_next_wake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a topic under load would be read for ever, and nothing of it processed."""
    made = flow(tmp_path)
    take = EmbeddedTopic.take

    def meanwhile(self: EmbeddedTopic, *given: int) -> Any:
        found = take(self, *given)
        queue(tmp_path).publish([dump(id=f"later {found[-1].number}")])
        return found

    monkeypatch.setattr(EmbeddedTopic, "take", meanwhile)
    queue(tmp_path).publish([dump(id="a"), dump(id="b")])
    done = made.source.capture(["events"], Held(None, {}, lambda con, table: table), tmp_path / "work")
    assert done is not None
    assert (done.rows_read, done.more) == (2, False)
    monkeypatch.setattr(topic, "BATCH_MESSAGES", 1)
    done = made.source.capture(["events"], Held(None, {}, lambda con, table: table), tmp_path / "again")
    assert done is not None
    assert (done.rows_read, done.more) == (1, True)


def test_values_arrive_exactly_as_published(tmp_path: Path) -> None:
    held = flow(tmp_path)
    queue(tmp_path).publish(
        [
            dump(id="1", n=-(2**63), x=0.1, ok=False, at="2024-02-29T23:59:59.999999+14:00", day="0001-01-01"),
            dump(id="2", n=2**63 - 1, x=2**53, at="2024-01-01t00:00:00z", tags=[1, {"a": None}], select=""),
            b' {\n"id" : "\\u0033\\ud83d\\ude00", "n": 1.0, "x": null, '
            b'"The \\"Gr\xc3\xb6\xc3\x9fe\\", \xc3\x9f": "\xc3\xa4"}\n',
        ]
    )
    assert held.run().rows_out == 3
    assert held.rows('* EXCLUDE (_seq, _id, _op, _at, _version, _exact)', order="_id") == [
        ("1", str(-(2**63)), "0.1", "false", "2024-02-29 09:59:59.999999+00", "0001-01-01", None, None, None, None),
        ("2", str(2**63 - 1), str(2.0**53), None, "2024-01-01 00:00:00+00", None, None, '[1,{"a":null}]', None, ""),
        ("3😀", "1", None, None, None, None, None, None, "ä", None),
    ]  # fmt: skip


BAD = {
    b"": "not JSON",
    b"null": "not a JSON object",
    b"[]": "not a JSON object",
    b"\xff": "not UTF-8",
    b'{"id":"x"': "not JSON",
    b'{"id":"x","n":NaN}': "not JSON: NaN",
    b'{"id":"x","x":Infinity}': "not JSON: Infinity",
    b'{"id":"x","x":1e999}': "x: ",
    b'{"id":"x","id":"y"}': "`id` stands twice",
    b'{"id":"x","tags":[{"a":1,"a":2}]}': "`a` stands twice",
    b"{}": '"id" is a required property',
    b'{"id":null}': "id: ",
    b'{"id":""}': "id: ",
    b'{"id":"x","n":1.5}': "n: ",
    b'{"id":"x","n":"1"}': "n: ",
    b'{"id":"x","n":true}': "n: ",
    b'{"id":"x","n":9223372036854775808}': "n: 9223372036854775808 can't be held",
    b'{"id":"x","x":9007199254740993}': "x: 9007199254740993 can't be held",
    b'{"id":"x","at":"2024-01-01"}': "at: ",
    b'{"id":"x","at":"2024-13-01T00:00:00Z"}': "at: ",
    b'{"id":"x","day":"2023-02-29"}': "day: ",
    b'{"id":"x","kind":"c"}': "kind: ",
    b'{"id":"\\ud800"}': "surrogate",
    '{"id":"x","The \\"Größe\\", ß":"123456"}'.encode(): 'The "Größe", ß: ',
    b'{"id":"x","tags":' + b"[" * 101 + b"]" * 101 + b"}": "nested more than 100 deep",
    b"[" * 1_000_000: "nested more than 100 deep",
    b'{"id":"x","n":' + b"9" * 5000 + b"}": "not JSON",
    b"\xef\xbb\xbf{}": "not JSON",
}


def test_bad_messages_are_refused_with_a_reason_and_the_rest_flows(tmp_path: Path) -> None:
    held = flow(tmp_path)
    good = [dump(id=f"good {number}") for number in range(len(BAD))]
    mixed = [message for pair in zip(BAD, good, strict=True) for message in pair]
    assert queue(tmp_path).publish(mixed) == len(mixed)
    outcome = held.run()
    assert (outcome.rows_in, outcome.rows_out, outcome.quarantined) == (len(mixed), len(good), len(BAD))
    assert {row[0] for row in held.rows("id")} == {f"good {number}" for number in range(len(BAD))}
    found = {each.text: each for each in held.refused()}
    for message, reason in BAD.items():
        text = message[: 60 << 10].decode("utf-8", "backslashreplace")
        near = next(each for shown, each in found.items() if shown == text)
        assert reason in near.reason, message[:40]
        assert near.where.startswith("message ")
    assert queue(tmp_path).take(0, 10, 10) == [] or held.run().batches == ()


def test_brackets_in_strings_are_not_depth(tmp_path: Path) -> None:
    held = flow(tmp_path)
    queue(tmp_path).publish([dump(id='[{"\\' * 200)])
    assert (held.run().rows_out, len(held.refused())) == (1, 0)


def test_what_the_columns_cannot_hold_is_kept_raw(tmp_path: Path) -> None:
    held = flow(tmp_path)
    large = b'{"id":"x","n":"' + b"y" * 200_000 + b'"}'
    queue(tmp_path).publish([dump(id="1", other=5), large, b"\xff\x00", dump(id="2")])
    outcome = held.run()
    assert outcome.notes == ("properties that the schema doesn't declare, kept in raw: other",)
    (raw,) = held.raw()
    lines = [json.loads(line) for line in raw.splitlines()]
    assert [line.get("body", line.get("body_base64")) for line in lines] == [
        '{"id": "1", "other": 5}',
        large.decode(),
        "/wA=",
    ]


def test_a_key_sent_twice_is_one_row_and_the_later_wins(tmp_path: Path) -> None:
    held = flow(tmp_path)
    queue(tmp_path).publish([dump(id="a", n=number) for number in range(3000)] + [dump(id="b"), dump(id="a", n=-1)])
    held.run()
    assert held.rows("id, n") == [("a", "-1"), ("b", None)]
    assert len(held.rows("n", history=True)) == 3002
    many = [dump(id=f"{number % 7}", n=number) for number in range(20_000)]
    queue(tmp_path).publish(many, [f"given {number}" for number in range(20_000)])
    held.run()
    assert held.rows("n", order="n NULLS FIRST")[2:] == [(str(number),) for number in range(19_993, 20_000)]
    assert held.rows("n", history=True, order="_id")[3002:] == [(str(number),) for number in range(20_000)]


def test_without_a_key_the_message_id_is_the_key(tmp_path: Path) -> None:
    held = flow(tmp_path, key=())
    queue(tmp_path).publish([dump(id="same"), dump(id="same")])
    queue(tmp_path).publish([dump(id="named"), dump(id="dropped")], ["m 1", "m 1"])
    assert held.run().rows_out == 3
    assert held.source.describe()[0].key == ("message_id",)
    assert ("m 1", "named") in held.rows("message_id, id")
    assert all(row[0] == row[1] for row in held.rows("message_id, _version"))


def test_ids_are_taken_once_before_and_after_the_commit(tmp_path: Path) -> None:
    held = flow(tmp_path)
    assert queue(tmp_path).publish([dump(id="a"), dump(id="b")], ["1", "2"]) == 2
    assert queue(tmp_path).publish([dump(id="a")], ["1"]) == 0
    held.run()
    assert queue(tmp_path).publish([dump(id="a")], ["1"]) == 0
    assert held.run().batches == ()
    assert queue(tmp_path).publish([dump(id="c"), dump(id="d")], ["2", "3"]) == 1
    held.run()
    assert held.run().batches == ()
    assert queue(tmp_path).publish([dump(id="b")], ["2"]) == 0
    assert [row[0] for row in held.rows("id")] == ["a", "b", "d"]


def test_an_id_that_the_queue_forgot_is_known_to_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = flow(tmp_path)
    queue(tmp_path).publish([dump(id="a")], ["1"])
    held.run()
    monkeypatch.setattr(embedded_topic, "KEPT_SECONDS", -1.0)
    queue(tmp_path).publish([dump(id="b")], ["2"])
    held.run()
    held.run()
    assert queue(tmp_path).publish([dump(id="a", n=1)], ["1"]) == 1
    assert held.run().notes == ("1 duplicates dropped",)
    assert held.rows("id, n") == [("a", None), ("b", None)]


def test_messages_stay_until_a_committed_batch_holds_them(tmp_path: Path) -> None:
    held = flow(tmp_path)
    queue(tmp_path).publish([dump(id="a")])
    first = held.source.capture(["events"], Held(None, {}, lambda *_: ""), tmp_path / "one")
    again = held.source.capture(["events"], Held(None, {}, lambda *_: ""), tmp_path / "two")
    assert first is not None
    assert again is not None
    assert again.tables["events"].rows == 1
    after = Held(first.position, {}, lambda *_: "")
    assert held.source.capture(["events"], after, tmp_path / "three") is None
    assert queue(tmp_path).take(0, 10, 1 << 20) == []


def test_batches_are_capped_and_follow_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic, "BATCH_MESSAGES", 10)
    monkeypatch.setattr(topic, "BATCH_BYTES", 100)
    held = flow(tmp_path)
    queue(tmp_path).publish([dump(id=f"{number:03}", select="x" * (500 if number == 7 else 1)) for number in range(25)])
    outcome = held.run()
    assert outcome.rows_out == 25
    assert len(held.batches()) > 3
    assert [row[0] for row in held.rows("id", order="_id")] == [f"{number:03}" for number in range(25)]


def test_a_queue_that_was_lost_does_not_swallow_what_is_new(tmp_path: Path) -> None:
    held = flow(tmp_path)
    queue(tmp_path).publish([dump(id=f"old {number}") for number in range(9)])
    held.run()
    for path in (tmp_path / ".catchwater").glob("topics.sqlite*"):
        path.unlink()
    queue(tmp_path).publish([dump(id="new")])
    assert held.run().notes == ("the queue is a new one: its file was lost or moved",)
    assert held.run().batches == ()
    assert len(held.rows("id")) == 10


def test_two_topics_share_a_file_and_nothing_else(tmp_path: Path) -> None:
    held = flow(tmp_path)
    other = EmbeddedTopic(tmp_path / ".catchwater", "o'ther")
    assert other.newest() == 0
    other.publish([b"1"], ["same"])
    queue(tmp_path).publish([dump(id="a")], ["same"])
    assert other.newest() < queue(tmp_path).newest()
    held.run()
    held.run()
    assert [message.body for message in other.take(0, 10, 10)] == [b"1"]


def test_publish_takes_all_or_nothing(tmp_path: Path) -> None:
    held = queue(tmp_path)
    with pytest.raises(UseError, match="message 2 has 1048577 bytes, 1048576 are the most"):
        held.publish([b"{}", b"x" * (1 << 20) + b"x"])
    with pytest.raises(UseError, match="2 messages and 1 ids"):
        held.publish([b"{}", b"{}"], ["1"])
    with pytest.raises(UseError, match="an id has 1 to 1024 characters"):
        held.publish([b"{}"], [""])
    assert held.publish([]) == 0
    assert held.newest() == 0


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="there is no table other"):
        flow(tmp_path).source.capture(["other"], Held(None, {}, lambda *_: ""), tmp_path)


def test_a_damaged_queue_is_named(tmp_path: Path) -> None:
    (tmp_path / ".catchwater").mkdir()
    (tmp_path / ".catchwater" / "topics.sqlite").write_bytes(b"not a database, not at all" * 100)
    with pytest.raises(SourceError, match=r"topic events: topics.sqlite: the queue can't be used"):
        queue(tmp_path).publish([b"{}"])


PUBLISHER = """
import sys
from pathlib import Path
from catchwater.adapters.sources.topic import EmbeddedTopic
topic = EmbeddedTopic(Path(sys.argv[1]), "events")
for number in range(int(sys.argv[3])):
    topic.publish([b'{"id": "%s %d"}' % (sys.argv[2].encode(), number)])
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


def publisher(folder: Path, name: str, count: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", PUBLISHER, str(folder / ".catchwater"), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def test_two_processes_publish_at_once_from_nothing(tmp_path: Path) -> None:
    held = flow(tmp_path)
    both = [publisher(tmp_path, name, 150) for name in ("left", "right")]
    while any(process.poll() is None for process in both):
        held.run()
    for process in both:
        process.communicate()
        assert process.returncode == 0
    held.run()
    assert {row[0] for row in held.rows("id")} == {f"{n} {i}" for n in ("left", "right") for i in range(150)}
    assert len(held.rows("id", history=True)) == 300


def test_what_publish_returned_for_survives_a_kill(tmp_path: Path) -> None:
    held = flow(tmp_path)
    for attempt in range(4):
        process = publisher(tmp_path, f"life {attempt}", 100_000)
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(5 + 11 * attempt)]
        os.kill(process.pid, signal.SIGKILL)
        told += process.stdout.read().splitlines(keepends=True)
        process.stdout.close()
        process.wait()
        returned = max(int(line) for line in told if line.endswith(b"\n"))
        held.run()
        there = {row[0] for row in held.rows("id")}
        assert {f"life {attempt} {number}" for number in range(returned + 1)} <= there
        assert len([name for name in there if name.startswith(f"life {attempt} ")]) <= returned + 2


def test_fast_enough_for_a_busy_topic(tmp_path: Path) -> None:
    held = flow(tmp_path)
    queue(tmp_path).publish([dump(id=str(number), n=number, x=0.5, tags=[1, 2]) for number in range(20_000)])
    began = time.monotonic()
    assert held.run().rows_out == 20_000
    assert time.monotonic() - began < 4.0


SCHEMA_PROBLEMS = {
    '{"type": "array"}': ["event.json:1:", "a message must be an object", "no properties are declared"],
    "{": ["event.json:1:2: not JSON"],
    "[1]": ["event.json:1:1: not a JSON object"],
    '{"properties": {\n"a": {"type": "strin"}}}': ["event.json:2:15: `strin` isn't a JSON type"],
    '{"properties": {\n"a": 1}}': ["event.json:2:6: a property is declared by an object"],
    '{"properties": {"a": {},\n"A": {}}}': ["event.json:2:6: `A` and `a` differ in upper and lower case only"],
    '{"properties": {\n"_Seq": {}}}': ["event.json:2:9: `_Seq` is a name that Catchwater uses itself"],
    '{"properties": {\n"a": {},\n\t"a": {}}}': ["event.json:3:2: `a` is written twice, first in line 2"],
    '{"properties": {\n"b": {"$ref": "#/$defs/x"}}}': ["`#/$defs/x` isn't in this file"],
    '{"properties": {\n"b": {"$ref": "#/properties/b"}}}': ["a `$ref` that leads to itself"],
    '{"required": "a", "properties": {"a": {"type": "string"}}}': ["`required` is a list of property names"],
    '{"properties": {"": {}}}': ["a column needs a name"],
    '{"properties": {"a": {"type": "string"}}}': ["the key `a` may be missing or null"],
    '{"properties": {"b": {"type": "string"}}}': ["the key `a` isn't a declared property; one of b"],
    '{"required": ["a"], "properties": {"a": {"type": "object"}}}': ["the key `a` isn't one plain value"],
}


@pytest.mark.parametrize(("text", "parts"), SCHEMA_PROBLEMS.items())
def test_a_wrong_schema_is_told_by_line(tmp_path: Path, text: str, parts: list[str]) -> None:
    held = flow(tmp_path, key=("a",))
    (tmp_path / "event.json").write_text(text)
    with pytest.raises(ProjectError) as error:
        held.source.describe()
    for part in parts:
        assert part in str(error.value)


def test_other_wrong_schemas(tmp_path: Path) -> None:
    held = flow(tmp_path, {"properties": {"message_id": {"type": "string"}}}, key=())
    with pytest.raises(ProjectError, match=r"without a key the message's id is a column"):
        held.source.describe()
    (tmp_path / "event.json").write_bytes(b'{"a":\n"\xff"}')
    with pytest.raises(ProjectError, match=r"event.json:2: not UTF-8"):
        held.source.describe()
    (tmp_path / "event.json").write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(ProjectError, match="larger than 1024 KiB"):
        held.source.describe()
    (tmp_path / "event.json").unlink()
    with pytest.raises(ProjectError, match="there is no such file"):
        held.source.describe()
    (tmp_path / "event.json").mkdir()
    with pytest.raises(ProjectError, match="can't be read"):
        held.source.describe()


def test_a_schema_that_only_the_validator_refuses(tmp_path: Path) -> None:
    held = flow(tmp_path, {"required": ["id"], "properties": {"id": {"type": "string", "minLength": "x"}}})
    queue(tmp_path).publish([dump(id="a")])
    with pytest.raises(ProjectError, match="not a JSON Schema"):
        held.run()


def test_references_and_unions_within_the_schema(tmp_path: Path) -> None:
    document = {
        "$defs": {"money/x": {"type": ["integer", "number"]}},
        "required": ["id", "c", "u"],
        "properties": {
            "id": {"type": "string"},
            "m": {"$ref": "#/$defs/money~1x"},
            "c": {"const": 5},
            "u": {"type": ["string", "integer"]},
            "any": True,
            "e": {"enum": ["x", None]},
        },
    }
    held = flow(tmp_path, document)
    (table,) = held.source.describe()
    assert [(c.type, c.nullable) for c in table.columns] == [
        ("VARCHAR", False), ("DOUBLE", True), ("BIGINT", False), ("VARCHAR", False), ("VARCHAR", True),
        ("VARCHAR", True),
    ]  # fmt: skip
    queue(tmp_path).publish([dump(id="1", m=2, c=5, u="5", any=[1]), dump(id="2", c=5, u=5, e=None)])
    held.run()
    assert held.rows('id, m, c, u, "any"', order="_id") == [
        ("1", "2.0", "5", '"5"', "[1]"),
        ("2", None, "5", "5", None),
    ]
