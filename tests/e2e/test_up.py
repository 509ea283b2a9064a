"""`catchwater up` as a process of its own: messages by command and by HTTP, kills, a second one, a graceful end."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import catchwater
from tests.support.pings import write
from tests.support.waiting import DEADLINE, until


class Up:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "catchwater", "up", str(folder), "--port", "0"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        assert self.process.stdout
        said = ""
        for line in self.process.stdout:
            said += line
            if match := re.search(r"http://[\d.:]+", line):
                self.url = match[0]
                return
        raise AssertionError(f"up ended: {said}")

    def get(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return {"status": error.code}

    def post(self, path: str, body: object) -> tuple[int, Any]:
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def ids(self) -> list[int]:
        rows = self.get("/v1/tables/pings/rows?select=id&limit=1000")
        return sorted(row["id"] for row in rows) if isinstance(rows, list) else []

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def up(folder: Path) -> Iterator[Up]:
    running = Up(folder)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.kill()
        if running.process.stdout:
            running.process.stdout.close()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(tmp_path / "pings")


def test_messages_flow_from_command_and_http_to_the_api(project: Path) -> None:
    with up(project) as running:
        assert catchwater("publish", "pings", "-", project, stdin='{"id": 1}\n{"id": 2}').exit == 0
        until(lambda: running.ids() == [1, 2], "the messages of another process didn't arrive")
        status, said = running.post("/v1/topics/pings/messages", [{"id": 3, "note": "by HTTP"}, {"id": 4}])
        assert status == 202, said
        until(lambda: running.ids() == [1, 2, 3, 4], "the messages by HTTP didn't arrive")
        assert catchwater("query", "SELECT count(*) AS n FROM pings", project, "--json").json == [{"n": 4}]
        second = catchwater("up", project, "--port", "0")
        assert second.exit == 1
        assert f"process {running.process.pid}" in second.err


def test_a_run_can_be_asked_for(project: Path) -> None:
    with up(project) as running:
        status, run = running.post("/v1/runs", {})
        assert status == 202
        until(lambda: running.get(f"/v1/runs/{run['number']}")["state"] == "done", "the run didn't end")
        assert running.get("/healthz")


def test_killed_and_started_again_it_loses_nothing(project: Path) -> None:
    with up(project) as running:
        for number in range(20):
            assert running.post("/v1/topics/pings/messages", {"id": number})[0] == 202
        running.kill()
    with up(project) as running:
        until(lambda: running.ids() == list(range(20)), "messages that were acknowledged are lost")


def test_it_ends_gracefully(project: Path) -> None:
    with up(project) as running:
        running.process.send_signal(signal.SIGTERM)
        out, _ = running.process.communicate(timeout=DEADLINE)
        assert running.process.returncode == 0, out
        assert "everything committed is kept" in out
    assert catchwater("run", project).exit == 0


def test_a_taken_port_is_told(project: Path) -> None:
    with up(project) as running:
        port = running.url.rsplit(":", 1)[1]
        other = write(project.parent / "other")
        refused = catchwater("up", other, "--port", port)
        assert refused.exit == 2
        assert "can't listen" in refused.err
        assert "--port 0" in refused.err
