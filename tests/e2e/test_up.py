"""`catchwater up` as a process of its own: messages by command and by HTTP, kills, a second one, a graceful end."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from catchwater.runtimes.records import Records
from catchwater.runtimes.up import only_one
from tests.support.commands import catchwater
from tests.support.pings import write
from tests.support.postgres import Database, db, postgres18
from tests.support.waiting import DEADLINE, until

__all__ = ["db", "postgres18"]


class Up:
    def __init__(self, folder: Path, command: str = "up") -> None:
        self.folder = folder
        command_line = [sys.executable, "-m", "catchwater", command, str(folder), "--port", "0"]
        self.process = subprocess.Popen(
            command_line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
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
def up(folder: Path, command: str = "up") -> Iterator[Up]:
    running = Up(folder, command)
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


def test_serving_alone_reads_and_starts_nothing(project: Path) -> None:
    with up(project, "serve") as running:
        assert running.get("/v1/tables/pings/rows")["status"] in (404, 503)
        assert running.get("/healthz")
        assert catchwater("publish", "pings", "-", project, "-m", '{"id": 1}').exit == 0
        assert catchwater("run", project).exit == 0
        assert running.ids() == [1]
        status, said = running.post("/v1/runs", {})
        assert 400 <= status < 500
        assert "only serves" in json.dumps(said)
        assert running.post("/v1/topics/pings/messages", {"id": 2})[0] == 202
        for number in (3, 4):  # a load needs the file that was served before
            assert catchwater("publish", "pings", "-", project, "-m", f'{{"id": {number}}}').exit == 0
            assert catchwater("run", project).exit == 0
        assert running.ids() == [1, 2, 3, 4]
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(DEADLINE) == 0


def test_a_column_that_comes_while_it_runs_is_served(tmp_path: Path, db: Database) -> None:
    db.run("CREATE TABLE orders (id int PRIMARY KEY)", "INSERT INTO orders VALUES (1)")
    folder = tmp_path / "shop"
    assert catchwater("init", "shop", folder, "--url", db.url()).exit == 0
    text = (folder / "catchwater.yml").read_text()
    (folder / "catchwater.yml").write_text(text + "\nserve: {api: {tables: all}}\n" if "serve:" not in text else text)
    with up(folder) as running:
        until(lambda: running.get("/v1/tables/orders/rows") == [{"id": 1}], "the first rows didn't come")
        db.run("ALTER TABLE orders ADD COLUMN note text", "UPDATE orders SET note = 'new'")
        assert running.post("/v1/runs", {})[0] == 202
        found = [{"id": 1, "note": "new"}]
        until(lambda: running.get("/v1/tables/orders/rows") == found, "the new column isn't served")


def test_a_run_that_was_killed_shows_as_interrupted(project: Path) -> None:
    records = Records(project / ".catchwater")
    number = 0
    with up(project) as running:
        status, run = running.post("/v1/runs", {})
        assert status == 202
        number = run["number"]
        running.kill()
    found = records.run(number)
    assert found is not None
    assert found["state"] in ("interrupted", "done")
    with records._write() as db:
        db.execute("UPDATE runs SET state = 'running' WHERE number = ?", [number])
    assert catchwater("runs", number, project, "--json").json["state"] == "interrupted"
    assert not catchwater("status", project, "--json").json["running"]
    records.close()


def test_told_to_stop_during_a_long_step_it_ends_after_it(project: Path) -> None:
    text = (project / "models" / "pings.sql").read_text()
    sum_ = "(SELECT sum(a.range * b.range % 7) FROM range(8000) a, range(8000) b)"
    heavy = f"SELECT p.id, {sum_}::VARCHAR AS note FROM pings p"
    (project / "models" / "pings.sql").write_text(text.replace("SELECT id, note FROM pings", heavy))
    assert catchwater("publish", "pings", "-", project, "-m", '{"id": 1}').exit == 0
    records = Records(project / ".catchwater")
    with up(project) as running:
        until(lambda: "ingest:pings" in records.steps(), "nothing was ingested")
        running.process.send_signal(signal.SIGTERM)
        out, _ = running.process.communicate(timeout=DEADLINE)
        assert running.process.returncode == 0, out
        assert "stopping after the step at hand" in out
        assert "load     duckdb  +" not in out
    records.close()
    assert catchwater("run", project).exit == 0
    assert catchwater("query", "SELECT id FROM pings", project, "--json").json == [{"id": 1}]


def test_lines_are_followed(project: Path) -> None:
    command = [sys.executable, "-m", "catchwater", "logs", str(project), "--follow", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
        assert following.stdout
        try:
            assert catchwater("publish", "pings", "-", project, "-m", '{"id": 1}').exit == 0
            assert catchwater("run", project).exit == 0
            lines = [json.loads(following.stdout.readline()) for _ in range(3)]
            assert [line["message"] for line in lines] == ["committed"] * 3
            following.send_signal(signal.SIGINT)
            _, said = following.communicate(timeout=DEADLINE)
            assert (following.returncode, said) == (130, "stopped\n")
        finally:
            following.kill()


def test_a_reader_that_goes_away_ends_a_query_quietly(project: Path) -> None:
    assert catchwater("run", project).exit == 0
    line = f"{sys.executable} -m catchwater query 'SELECT * FROM range(10000000)' {project} --format csv | head -2"
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, timeout=DEADLINE)
    assert (done.stdout, done.stderr) == ("range\n0\n", "")


def test_at_rest_it_costs_little(project: Path) -> None:
    with up(project) as running:
        until(lambda: running.get("/v1/tables/pings/rows") == [], "it isn't ready")
        before, began = _seconds(running.process.pid), time.monotonic()
        time.sleep(3)
        share = (_seconds(running.process.pid) - before) / (time.monotonic() - began)
    assert share < 0.06  # of one core; twice what is measured on an idle machine, and polling in a tight loop is 1


def _seconds(pid: int) -> float:
    """CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_demo_on_a_terminal_goes_on_and_ends_with_its_servers(tmp_path: Path) -> None:
    folder = tmp_path / "events"
    arguments = ["catchwater", "demo", "events", str(folder), "--port", "0"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", *arguments])  # noqa: S606 (there is no shell to want)
    said = b""
    try:
        while b"console  http" not in said:
            said += os.read(terminal, 4096)
        os.write(terminal, b"\x03")
        with suppress(OSError):  # the other end is closed
            while part := os.read(terminal, 4096):
                said += part
    finally:
        _, code = os.waitpid(pid, 0)
        os.close(terminal)
    assert os.waitstatus_to_exitcode(code) == 0, said.decode()
    assert b"everything committed is kept" in said
    with only_one(folder / ".catchwater"):
        pass
