"""What is begun early is a hint: right, wrong or damaged, nothing fails by it, and only what is used is loaded."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from catchwater.project.load import load
from catchwater.project.loaded import Loaded
from catchwater.runtimes import warm
from catchwater.wiring import Wiring
from tests.support.pings import write


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is loaded early, by module and name."""
    found: list[Any] = []
    monkeypatch.setattr(warm, "_early", lambda *given: found.append(given))
    return found


def _wait() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("catchwater-"):
            thread.join(30)
            assert not thread.is_alive()


def _hint(folder: Path, *kinds: str) -> Path:
    path = folder / "project.json"
    path.write_text(json.dumps({"declared": {"sources": {str(n): {"kind": k} for n, k in enumerate(kinds)}}}))
    return path


def test_a_project_with_a_database_begins_with_what_reaches_it(tmp_path: Path, begun: list[Any]) -> None:
    warm.warm(_hint(tmp_path, "topic", "postgres", "postgres"))
    _wait()
    assert begun == [("catchwater.adapters.sources.postgres.connection", "connection")]


@pytest.mark.parametrize(
    "text", [None, b"", b"[]", b'{"declared": 1}', b'{"declared": {"sources": {"a": 1}}}', b"\xff"]
)
def test_no_hint_or_a_damaged_one_begins_nothing(tmp_path: Path, text: bytes | None, begun: list[Any]) -> None:
    if text is not None:
        (tmp_path / "project.json").write_bytes(text)
    warm.warm(tmp_path / "project.json")
    warm.warm(_hint(tmp_path, "topic", "http_files"))
    _wait()
    assert begun == []


def test_what_is_named_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in warm.EARLY.values():
        warm._early(module, name)


def test_what_fails_early_is_left_to_whoever_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "EARLY", {"postgres": ("catchwater.nowhere", "nothing")})
    warm.warm(_hint(tmp_path, "postgres"))
    _wait()
    found = load(write(tmp_path / "pings"), variables={})
    loaded = Loaded(found.folder, "local", found.project, {}, {})
    monkeypatch.setattr("catchwater.wiring.ADAPTERS", {})
    warm.rest(Wiring(loaded, lambda text, read: text))
    _wait()
