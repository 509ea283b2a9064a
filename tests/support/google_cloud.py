"""A project on Google Cloud, on emulators: its buckets with their events, its functions and services as processes."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from catchwater.infra.function_source import function_zip
from catchwater.plan.plan import Plan
from tests.support.emulators import emulator
from tests.support.examples import EXAMPLES
from tests.support.pubsub import PROJECT, Pubsub
from tests.support.waiting import until


def _die_with_parent() -> None:
    """A server doesn't outlive the tests, even when they are killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


@dataclass
class Process:
    """A server that is started, killed and started again, always on the same port."""

    command: list[str]
    env: Mapping[str, str]
    folder: Path
    log: Path
    port: int
    running: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                self.command, cwd=self.folder, env=dict(self.env), stdout=log, stderr=log, start_new_session=True,
                preexec_fn=_die_with_parent,
            )  # fmt: skip
        until(self._listens, f"no server on {self.port}: {self.log.read_text()[-2000:]}")

    def _listens(self) -> bool:
        assert self.running
        assert self.running.poll() is None, self.log.read_text()[-4000:]
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self, after: float = 0.0) -> None:
        """The whole process group, as when an instance is lost; `after`: so many seconds from now."""
        if self.running:
            with suppress(subprocess.TimeoutExpired):
                self.running.wait(after)
            os.killpg(self.running.pid, signal.SIGKILL)
            self.running.wait()
            self.running = None

    def lines(self) -> list[dict[str, Any]]:
        """The structured lines of the log."""
        found = []
        for line in self.log.read_text().splitlines():
            if line.startswith("{"):
                found.append(json.loads(line))
        return found


@dataclass
class Cloud:
    """The emulators of one project; buckets `ingestion` and `processed`, whose objects are told in `objects`."""

    plan: Plan
    pubsub: Pubsub
    folder: Path
    storage: dict[str, str]
    objects: str
    variables: dict[str, str] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.variables = {
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "PUBSUB_EMULATOR_HOST": self.pubsub.host,
            "STORAGE_EMULATOR_HOST": self.storage["endpoint"],
            "CATCHWATER_INGESTION": "gs://ingestion",
            "CATCHWATER_PROCESSED": "gs://processed",
            "CATCHWATER_SECRETS": "secret_manager",
            "CATCHWATER_TOPICS": "pubsub",
        } | self.variables

    def bucket(self, name: str) -> Any:
        options = {"api_endpoint": self.storage["endpoint"]}
        return storage.Client(PROJECT, AnonymousCredentials(), client_options=options).bucket(name)

    def apply(self) -> None:
        """What the storage root uploads: the plan, and the project's files that the handlers need."""
        for name in ("ingestion", "processed"):
            self.bucket(name).create()
        held = self.bucket("ingestion")
        held.blob("_config/plan.json").upload_from_string(self.plan.to_bytes())
        for name in self.plan.schema_files:
            data = (EXAMPLES / self.plan.project / name).read_bytes()
            held.blob(f"_config/files/{name}").upload_from_string(data)

    def function(self, step: str, **more: str) -> Process:
        """The step's function from the packaged source, under the real functions-framework."""
        archive = function_zip(self.plan, self.folder / "function.zip")
        source = self.folder / f"source-{uuid4().hex}"
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(source)
        command = [sys.executable, "-m", "functions_framework", "--target=on_event", "--source=main.py"]
        return self._process(step, [*command, "--host=127.0.0.1"], source, {"THREADS": "80", **more})

    def service(self, step: str, **more: str) -> Process:
        """The step's service by the command of the image."""
        return self._process(step, [sys.executable, "-m", "catchwater.cli.service"], self.folder, more)

    def _process(self, step: str, command: list[str], folder: Path, more: Mapping[str, str]) -> Process:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
        env = kept | self.variables | {"CATCHWATER_STEP": step, "PORT": str(port), **more}
        log = self.folder / f"{step.replace(':', '-')}.log"
        process = Process(command, env, folder, log, port)
        self._open.callback(process.kill)
        process.start()
        return process

    def close(self) -> None:
        self._open.close()


@contextmanager
def cloud(plan: Plan, pubsub: Pubsub, folder: Path, **variables: str) -> Iterator[Cloud]:
    """The project's cloud: applied, and nothing started yet."""
    topic = pubsub.topic(f"objects-{uuid4().hex}")
    told = {"PUBSUB_EMULATOR_HOST": pubsub.host, "OBJECT_EVENTS": f"{PROJECT}/{topic.rsplit('/', 1)[1]}"}
    with emulator("fake-gcs", **told) as answer:
        held = Cloud(plan, pubsub, folder, answer, pubsub.subscription(topic), variables)
        try:
            held.apply()
            yield held
        finally:
            held.close()
