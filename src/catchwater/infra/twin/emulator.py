"""The account that stands for AWS: ministack in a process group of its own, on loopback, IAM enforced, each decision
written down; nothing is created here."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catchwater.errors import TwinFailed

READY = 60.0
VAGUE = "any of "
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE")


@dataclass(frozen=True)
class Decision:
    """What ministack's evaluator decided once: `who` is the caller's ARN, `on` the resource's."""

    who: str
    action: str
    on: str
    allowed: bool
    prefix: str = ""

    @property
    def vague(self) -> bool:
        """Whether the emulator did not say on which resource, and `on` is one that the role's policy names."""
        return self.on.startswith(VAGUE)

    @property
    def role(self) -> str:
        """The name of the role that asked; empty for a service that has none."""
        return self.who.split(":assumed-role/")[1].split("/")[0] if ":assumed-role/" in self.who else ""


@dataclass(frozen=True)
class Login:
    """Credentials of one principal of the emulator."""

    key: str
    secret: str
    token: str | None = None


class Emulator:
    """Runs between `start` and `stop`, and ends with its owner however that one ends."""

    def __init__(self, programs: Path, folder: Path, account: str, region: str) -> None:
        self.programs, self.folder, self.account, self.region = programs, folder, account, region
        # ministack takes the key `test`, an empty one and twelve digits for its root as well: never hand those out
        self.root = Login(f"ROOT{secrets.token_hex(8).upper()}", secrets.token_hex(20))
        self.endpoint = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: dict[tuple[str, str], Any] = {}
        self._decisions: list[Decision] = []
        self._read, self._reading = 0, threading.Lock()

    @property
    def decided(self) -> Path:
        return self.folder / "decisions.jsonl"

    def start(self) -> None:
        """Raises TwinFailed when it doesn't answer within a minute."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.decided.touch()
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        log = self.folder / "ministack.log"
        with log.open("wb") as told:
            self._process = subprocess.Popen(
                [str(self.programs / "python"), "-P", str(Path(__file__).with_name("launcher.py"))],
                env=self._variables(port), cwd=self.folder, stdin=subprocess.PIPE, stdout=told, stderr=told,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + READY
        while not _answers(self.endpoint):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise TwinFailed("the emulator doesn't start", where=str(log), next_step=f"tail {log}")
            time.sleep(0.05)

    def _variables(self, port: int) -> dict[str, str]:
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        return kept | {
            "AUTH": "true", "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1",
            "IOT_MTLS_ENABLED": "0", "MINISTACK_ACCOUNT_ID": self.account, "MINISTACK_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region, "AWS_ACCESS_KEY_ID": self.root.key,
            "AWS_SECRET_ACCESS_KEY": self.root.secret, "CATCHWATER_TWIN_DECISIONS": str(self.decided),
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.2", "TMPDIR": str(self._scratch()),
        }  # fmt: skip

    def _scratch(self) -> Path:
        scratch = self.folder / "tmp"
        scratch.mkdir(exist_ok=True)
        return scratch

    def client(self, service: str, login: Login | None = None) -> Any:
        """A boto3 client of the emulator, as root or as `login`; kept."""
        import boto3
        from botocore.config import Config

        who = login or self.root
        if (service, who.key) not in self._clients:
            self._clients[service, who.key] = boto3.client(
                service, endpoint_url=self.endpoint, region_name=self.region, aws_access_key_id=who.key,
                aws_secret_access_key=who.secret, aws_session_token=who.token,
                config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
            )  # fmt: skip
        return self._clients[service, who.key]

    def fire(self, schedule: str) -> None:
        """The schedule is due now: it fires as it would have at its time, as whom its target says."""
        self._tell(fire=schedule)

    def later(self, seconds: float) -> None:
        """For alarms this much time has gone by: what was measured is that much older."""
        self._tell(later=seconds)

    def cold(self) -> None:
        """Functions start anew at their next call: what they remembered is gone."""
        self._tell(cold=True)

    def exists(self, vpc: str, subnets: list[str]) -> None:
        """The account has this network already."""
        self.client("ec2").describe_subnets()  # makes the default ones, which it is a copy of
        self._tell(exists={"vpc": vpc, "subnets": subnets})
        deadline = time.monotonic() + READY
        while True:
            held = self.client("ec2").describe_subnets()["Subnets"]
            if {one["SubnetId"] for one in held} >= set(subnets):
                return
            if time.monotonic() > deadline:
                raise TwinFailed("the emulator takes no network", where=str(self.folder / "ministack.log"))
            time.sleep(0.05)

    def _tell(self, **order: Any) -> None:
        if self._process is None or self._process.stdin is None:
            raise TwinFailed("the emulator isn't running", where=str(self.folder))
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()

    def decisions(self, since: int = 0) -> list[Decision]:
        """Every decision from the `since`th on; each line is read once."""
        with self._reading, self.decided.open("rb") as lines:
            lines.seek(self._read)
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                self._decisions.append(Decision(**json.loads(line)))
                self._read += len(line)
        return self._decisions[since:]

    def stop(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        if self._process is None:
            return
        process, self._process = self._process, None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin:
            process.stdin.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(endpoint + "/_ministack/health", timeout=2):  # noqa: S310  # nosec B310
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
