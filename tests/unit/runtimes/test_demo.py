"""A demo is a copy of its own that is resumed, and no other folder is touched."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from catchwater.errors import UseError
from catchwater.runtimes import demo as module
from catchwater.runtimes.demo import Demo, Inputs, copy
from catchwater.runtimes.local import Runtime
from tests.support.commands import catchwater


def test_an_example_is_copied_once_and_then_resumed(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "events"
    assert copy("events", folder)
    assert (folder / ".gitignore").read_text() == "*\n"
    (folder / "models" / "mine.sql").write_text("-- mine")
    assert not copy("events", folder)
    assert (folder / "models" / "mine.sql").exists()
    with pytest.raises(UseError, match="isn't this demo"):
        copy("open_data", folder)


def test_a_folder_of_somebody_s_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(UseError, match="isn't this demo"):
        copy("events", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    (tmp_path / "file").write_text("")
    refused = catchwater("demo", "events", tmp_path / "file", "--once")
    assert refused.exit == 2
    assert "isn't this demo" in refused.err


@pytest.mark.parametrize("name", ["nothing", "../examples/events", ".", "/etc", ""])
def test_only_examples_are_copied(name: str, tmp_path: Path) -> None:
    with pytest.raises(UseError, match="there is no example") as refused:
        copy(name, tmp_path / "x")
    assert "events, github_activity, open_data, shop, totesys" in str(refused.value)
    assert not (tmp_path / "x").exists()


def test_the_outcome_that_the_example_means_is_done_and_another_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "events"
    with Demo("events", folder) as shown:
        first = shown.once(Runtime(shown.wiring))
        shown.wiring.close()
    assert (first["exit"], first["quarantined"]) == (0, first["expected_quarantined"])
    assert len(first["runs"]) == 2
    with Demo("events", folder) as shown:
        assert not shown.fresh
        shown.wiring.topic("events").publish([b"broken"])
        again = shown.once(Runtime(shown.wiring))
        shown.wiring.close()
    assert (again["exit"], again["quarantined"], again["expected_quarantined"]) == (3, 1, 0)


def test_what_runs_beside_ends_when_told(tmp_path: Path) -> None:
    stopping = threading.Event()
    numbers: list[int] = []

    def more(number: int) -> None:
        numbers.append(number)
        stopping.set()

    shown = Demo("events", tmp_path / "events")
    shown.inputs = Inputs({}, more=more)
    shown.live(stopping)
    shown.inputs = Inputs({})
    shown.live(threading.Event())
    assert numbers == [3]


def test_the_servers_of_a_demo_end_though_its_project_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[bool] = []

    @contextmanager
    def inputs(folder: Path) -> Iterator[Inputs]:
        try:
            yield Inputs({})
        finally:
            ended.append(True)

    monkeypatch.setattr(module, "_inputs", lambda name, folder: inputs(folder))
    shown = Demo("events", tmp_path / "events")
    (tmp_path / "events" / "catchwater.yml").write_text("project: [")
    done = catchwater("demo", "events", tmp_path / "events", "--once", "--json")
    assert done.exit == 2
    assert done.json["error"] == "ProjectError"
    assert ended == [True]
    assert shown.folder


def test_a_demo_without_its_script_is_told(tmp_path: Path) -> None:
    copy("events", tmp_path / "events")
    (tmp_path / "events" / "demo.py").unlink()
    done = catchwater("demo", "events", tmp_path / "events", "--once")
    assert done.exit == 2
    assert "demo.py is missing" in done.err
