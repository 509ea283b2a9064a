"""The packaged handler under the real Lambda runtime: its archive, its process, a lake and secrets it may use."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

from catchwater.adapters import aws
from catchwater.infra.aws import places, policies
from catchwater.infra.package import HANDLER, lambda_zip
from catchwater.plan.plan import Plan
from catchwater.project.names import secret_id
from catchwater.runtimes.embedded import free_port
from tests.support.emulators import ROOT
from tests.support.memory import most_memory
from tests.support.waiting import until

MEMORY = 512


def programs() -> Path:
    """The folder of the runtime's own Python and packages, made once."""
    command = [sys.executable, str(ROOT / "tools" / "emulators"), "lambda", "--make"]
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    return Path(json.loads(made.stdout)["programs"])


def unpacked(folder: Path, *extras: str) -> Path:
    """The archive as Lambda unpacks it."""
    archive = lambda_zip(folder / "catchwater-lambda.zip", extras)
    with zipfile.ZipFile(archive) as held:
        held.extractall(folder / "task")
    return folder / "task"


@dataclass
class Answered:
    """What an invocation gave: its result, or the error that the runtime reports."""

    status: int
    value: Any

    @property
    def error(self) -> str:
        return str(self.value.get("errorMessage", "")) if isinstance(self.value, dict) else ""


@dataclass
class Function:
    """One handler under aws-lambda-rie and awslambdaric, started anew when it was killed."""

    task: Path
    environ: Mapping[str, str]
    seconds: int = 900
    memory: int = MEMORY
    log: Path = field(default_factory=lambda: Path(os.devnull))
    _process: subprocess.Popen[bytes] | None = None
    _port: int = 0

    def invoke(self, event: Any) -> Answered:
        if self._process is None or self._process.poll() is not None:
            self._start()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        try:
            connection.request("POST", "/2015-03-31/functions/function/invocations", json.dumps(event))
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        try:
            return Answered(answer.status, json.loads(body or b"null"))
        except ValueError:
            return Answered(answer.status, {"errorMessage": body.decode()})

    def _start(self) -> None:
        bin_ = programs()
        (emulator,) = bin_.parent.glob("lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-x86_64")
        self._port, runtime = free_port(), free_port()
        command = [emulator, "--runtime-api-address", f"127.0.0.1:{runtime}"]
        command += ["--runtime-interface-emulator-address", f"127.0.0.1:{self._port}"]
        command += [bin_ / "python", "-m", "awslambdaric", HANDLER]
        emulator.chmod(0o755)
        environ = {
            "PATH": "/usr/bin:/bin", "LAMBDA_TASK_ROOT": str(self.task), "AWS_LAMBDA_FUNCTION_NAME": "step",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(self.seconds), **self.environ,
        }  # fmt: skip
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.task, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        until(self._listens, "the runtime interface emulator doesn't listen", 20)

    def _listens(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=1)
        try:
            connection.connect()
        except OSError:
            return False
        finally:
            connection.close()
        return True

    def peak(self) -> int:
        """The most memory that the handler's process has held, in bytes."""
        return max(map(most_memory, self._handlers()), default=0) * 1024

    def _handlers(self) -> list[int]:
        assert self._process
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if (int(fields[2]) == self._process.pid and int(path.parent.name) != self._process.pid) or int(
                fields[1]
            ) == self._process.pid:
                found.append(int(path.parent.name))
        return found

    def kill(self) -> None:
        """The whole sandbox ends at once, as at a timeout or a lost machine."""
        if self._process is not None:
            for one in [*self._handlers(), self._process.pid]:
                try:
                    os.kill(one, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self._process.wait(20)
            self._process = None


@dataclass
class Woken:
    """What a handler asked Lambda for: the payloads of its invocations of itself."""

    endpoint: str
    payloads: list[Any] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    refuses: bool = False


@contextmanager
def lambda_api() -> Iterator[Woken]:
    """Lambda's Invoke, as far as a handler uses it: takes the event and says 202."""

    class Invoke(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            woken.payloads.append(json.loads(body))
            woken.kinds.append(f"{self.headers.get('X-Amz-Invocation-Type')} {self.path.split('/')[3]}")
            self.send_response(403 if woken.refuses else 202)
            if woken.refuses:
                self.send_header("x-amzn-ErrorType", "AccessDeniedException")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Invoke)
    woken = Woken(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield woken
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Context:
    """What Lambda tells a handler about its invocation, as far as it asks."""

    seconds: float = 60.0
    function_name: str = "step"

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


_projects = count(1)


def alone(plan: Plan) -> Plan:
    """The plan of a project of another name, so that tests share an account."""
    return replace(plan, project=f"{plan.project[:20]}_{next(_projects)}")


@dataclass
class Account:
    """Buckets and secrets of one deployed project on an emulator that checks signatures."""

    endpoint: str
    plan: Plan

    @property
    def zones(self) -> dict[str, str]:
        return {zone: places.bucket(self.plan, zone) for zone in ("ingestion", "processed")}

    def variables(self) -> dict[str, str]:
        """Of the account's root: twelve digits are that on ministack."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": places.account(self.plan),
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": places.region(self.plan),
        }

    def client(self, service: str) -> Any:
        return aws.client(service, self.variables())

    def apply(self, secrets: Mapping[str, str], files: Mapping[str, bytes] | None = None) -> None:
        """What the storage root makes: the zones, the plan, and (by hand) the values of the secrets."""
        for bucket in self.zones.values():
            where = {"LocationConstraint": places.region(self.plan)}
            self.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
        self.put_plan(self.plan)
        for name, body in (files or {}).items():
            self.client("s3").put_object(Bucket=self.zones["ingestion"], Key=f"_config/files/{name}", Body=body)
        for name, value in secrets.items():
            found = secret_id(self.plan.project, self.plan.environment, name)
            self.client("secretsmanager").create_secret(Name=found, SecretString=value)

    def put_plan(self, plan: Plan) -> None:
        self.client("s3").put_object(Bucket=self.zones["ingestion"], Key="_config/plan.json", Body=plan.to_bytes())

    def record(self, run: str) -> Any:
        """A run's record, None where there is none; read by root, since a step may only write it."""
        bucket, key = self.zones["ingestion"], f"_runs/{run}.json"
        listed = self.client("s3").list_objects_v2(Bucket=bucket, Prefix=key)
        return (
            json.loads(self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
            if listed["KeyCount"]
            else None
        )

    def role(self, step: str) -> dict[str, str]:
        """The variables of somebody who may do what the step's derived policy allows, and nothing else."""
        iam, user = self.client("iam"), f"step-{uuid4().hex[:8]}"
        iam.create_user(UserName=user)
        policy = policies.document(policies.role_statements(self.plan, self.plan.step(step)))
        for action in ("sqs:SendMessage", "sqs:DeleteMessage"):  # the emulator asks for batches by a name of their own
            policy = policy.replace(f'"{action}"', f'"{action}","{action}Batch"')
        iam.put_user_policy(UserName=user, PolicyName="grants", PolicyDocument=policy)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        return {
            **self.variables(),
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }

    def environ(self, step: str, **more: str) -> dict[str, str]:
        return {
            **self.role(step),
            "CATCHWATER_STEP": step,
            "CATCHWATER_INGESTION": f"s3://{self.zones['ingestion']}",
            "CATCHWATER_PROCESSED": f"s3://{self.zones['processed']}",
            "CATCHWATER_SECRETS": "secrets_manager",
            "CATCHWATER_TOPICS": "sqs",
            **more,
        }
