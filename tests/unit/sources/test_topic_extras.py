"""What isn't installed is told with the line that installs it, and a busy queue by name."""

import sqlite3
import sys
from pathlib import Path

import pytest

from catchwater.adapters.sources import embedded_topic, messages
from catchwater.adapters.sources.embedded_topic import EmbeddedTopic
from catchwater.adapters.sources.http_fetch import Fetcher, Limits
from catchwater.errors import MissingExtra, SourceBusy
from catchwater.project.declared import MessageShape
from catchwater.project.tables import TableSchema


def test_a_topic_needs_jsonschema(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    shape = MessageShape(TableSchema("t", ()), {}, frozenset(), frozenset(), False)
    with pytest.raises(MissingExtra, match=r"jsonschema-rs isn't installed\n  next: pip install 'catchwater\[topic\]'"):
        messages.validator(shape, "event.json")


def test_http_needs_httpx(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "httpcore", None)
    with pytest.raises(MissingExtra, match=r"httpx isn't installed\n  next: pip install 'catchwater\[http\]'"):
        Fetcher("x", False, Limits()).get("http://x/", tmp_path / "f")


def test_a_queue_that_another_holds_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_topic, "_WAIT", 0.05)
    topic = EmbeddedTopic(tmp_path, "t")
    topic.publish([b"1"])
    con = sqlite3.connect(tmp_path / "topics.sqlite", isolation_level=None)
    try:
        con.execute("BEGIN IMMEDIATE")
        with pytest.raises(SourceBusy, match="another process writes to the queue"):
            topic.publish([b"2"])
    finally:
        con.close()
    assert topic.publish([b"2"]) == 1


def test_a_publish_that_fails_stores_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = EmbeddedTopic(tmp_path, "t")
    topic.publish([b"1"])
    monkeypatch.setattr(topic, "_note", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        topic.publish([b"2", b"3"], ["a", "b"])
    monkeypatch.undo()
    assert [message.body for message in topic.take(0, 10, 10)] == [b"1"]
    assert topic.publish([b"2"], ["a"]) == 1
