"""up, serve and demo in this process: they listen, work, and give everything back when they are told to stop."""

import json
import os
import signal
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from catchwater.cli.running import _beside
from catchwater.errors import UseError
from catchwater.runtimes.embedded import free_port
from catchwater.runtimes.sockets import bind
from tests.support.commands import catchwater
from tests.support.pings import PROJECT, write
from tests.support.waiting import until


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(tmp_path / "pings", PROJECT.replace("{tables: all}", "{tables: all}\n  looker: {connection: pings}"))


def get(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.loads(answer.read())
    except OSError:
        return None


@contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[list[BaseException]]:
    """`act` in a thread, then SIGTERM to this process; what went wrong in it."""
    wrong: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:
            wrong.append(error)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=run)
    thread.start()
    yield wrong
    thread.join()


@pytest.mark.parametrize("command", ["up", "serve"])
def test_it_serves_until_it_is_told_to_stop(project: Path, command: str) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    port = free_port()
    assert catchwater("publish", "pings", "-", project, "-m", '{"id": 1}').exit == 0
    assert catchwater("run", project).exit == 0
    applied = (project / ".catchwater" / "plan.json").read_bytes()
    url = f"http://127.0.0.1:{port}/v1/tables/pings/rows?select=id"
    with meanwhile(lambda: until(lambda: get(url) == [{"id": 1}], "the row isn't served")) as wrong:
        done = catchwater(command, project, "--port", port)
    assert wrong == []
    assert done.exit == 0, done.err
    assert f"console  http://127.0.0.1:{port}/" in done.out
    assert ("everything committed is kept" in done.out) is (command == "up")
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == before
    assert (project / ".catchwater" / "plan.json").read_bytes() == applied
    with bind("127.0.0.1", port)[0]:
        pass


def test_serving_applies_no_plan(project: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1/tables"
    with meanwhile(lambda: until(lambda: get(url) is not None, "nothing is served")) as wrong:
        assert catchwater("serve", project, "--port", port).exit == 0
    assert wrong == []
    assert not (project / ".catchwater" / "plan.json").exists()


def test_a_demo_says_what_it_did(tmp_path: Path) -> None:
    done = catchwater("demo", "events", tmp_path / "events", "--once")
    assert done.exit == 0, done.err
    assert "6 rows set aside, as this example means to show" in done.out
    assert f'next: catchwater query "SHOW TABLES" {tmp_path / "events"}' in done.out


def test_what_goes_on_beside_may_break(caplog: pytest.LogCaptureFixture) -> None:
    def fail(stopping: threading.Event) -> None:
        raise ZeroDivisionError

    stopping = threading.Event()
    _beside(fail, stopping)
    stopping.set()
    _beside(fail, stopping)
    assert [record.getMessage() for record in caplog.records] == ["the demo makes no more activity"]


def test_an_address_is_loopback_or_not() -> None:
    for host, loopback in (("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)):  # noqa: S104
        listener, found = bind(host, 0)
        listener.close()
        assert found is loopback
    with pytest.raises(UseError, match=r"can't listen on nowhere\.invalid"):
        bind("nowhere.invalid", 0)


def test_looker_is_written_checked_and_stale(project: Path) -> None:
    written = catchwater("lookml", project)
    assert written.exit == 0, written.err
    assert catchwater("lookml", project, "--check", "--json").json["changed"] == []
    [view] = (project / "looker" / "views").iterdir()
    view.write_text("# changed")
    (project / "looker" / "views" / "gone.view.lkml").write_text("")
    stale = catchwater("lookml", project, "--check")
    assert stale.exit == 2
    assert "looker/ is stale" in stale.err
    assert catchwater("lookml", project, "--json").json["removed"] == ["views/gone.view.lkml"]


def test_what_is_declared_is_told(project: Path) -> None:
    assert catchwater("schema").json["title"]
    assert catchwater("check", project, "--json").json["models"] == 1
    assert catchwater("plan", project, "--json").json


@pytest.mark.parametrize(
    ("name", "said"),
    [("orders", '"from orders limit 5"'), ("order", "'from \"order\" limit 5'"), ("Ünï", "'from \"Ünï\" limit 5'")],
)
def test_the_query_to_try_is_one_that_runs(name: str, said: str) -> None:
    from catchwater.cli.once import _from

    assert _from(name) == said
