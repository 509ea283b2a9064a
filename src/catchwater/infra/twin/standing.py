"""An environment that stands in the emulator: its roots applied by Terraform under the derived role, its secrets
filled, and a root that changes applied again."""

import json
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from catchwater.errors import UseError
from catchwater.infra.aws import apply, lambdas, places
from catchwater.infra.aws.policies import Statement, as_value, document, grouped, statements
from catchwater.infra.compile import roots as compiled
from catchwater.infra.names import name
from catchwater.infra.offline.schemas import Schemas
from catchwater.infra.offline.server import serving
from catchwater.infra.offline.terraform import Terraform, types
from catchwater.infra.package import extras_of, lambda_zip
from catchwater.infra.roots import Root, Variable, modules, rendered
from catchwater.infra.twin.emulator import Emulator, Login
from catchwater.infra.twin.environment import NAME, home, lock_file, made
from catchwater.infra.twin.grants import Permission
from catchwater.infra.twin.provider import TwinProvider
from catchwater.infra.twin.resources.kind import found
from catchwater.plan.plan import Plan
from catchwater.project.loaded import Loaded
from catchwater.project.variables import references

APPLIES = "catchwater-twin-apply"


class Beside(Protocol):
    """What stands beside the project; `runtimes.stand_ins.StandIns` is one."""

    @property
    def variables(self) -> Mapping[str, str]: ...
    @property
    def change(self) -> Callable[[int], None] | None: ...
    @property
    def smtp(self) -> str: ...
    @property
    def mails(self) -> Callable[[], list[str]]: ...
    @property
    def warehouse(self) -> Callable[[str, str, str, int], str]: ...


@dataclass(frozen=True)
class Job:
    """What is tried: `work` is a folder of the twin's own, `say` is told what goes on."""

    plan: Plan
    loaded: Loaded
    work: Path
    beside: Beside
    say: Callable[[str], None]


class Standing:
    """Between `open` and `close` the environment is there; everything that was started ends with it."""

    def __init__(self, job: Job) -> None:
        self.job, self.plan = job, job.plan
        refuse(job.plan)
        self.roots = compiled(job.plan, job.loaded.folder)
        self.seconds: dict[str, float] = {}
        self.drift: list[str] = []
        self.resources = 0
        self._terraform: dict[str, Terraform] = {}
        self._stack = ExitStack()

    def open(self) -> None:
        """Raises TwinFailed, TerraformMissing, TerraformFailed, MissingExtra."""
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        work, say = self.job.work, self.job.say
        programs = made(lock_file(), home() / NAME, say)
        self.emulator = Emulator(programs, work / "emulator", places.account(self.plan), places.region(self.plan))
        self._stack.callback(self.emulator.stop)
        self.emulator.start()
        if network := places.network(self.plan):
            self.emulator.exists(str(network["vpc"]), list(network["subnets"]))
        self._timed("package", self._package)
        self._write(self.roots)
        folders = [work / root.path(self.plan) for root in self.roots]
        used = {one for one in types(folders) if one.removeprefix("data.").startswith("aws_")}
        self.provider = TwinProvider(Schemas("aws").document(used), self.emulator, self.job.beside.warehouse)
        reattach = self._stack.enter_context(serving([self.provider]))
        self.login: Login | None = None
        for root in self.roots:
            if not root.local_state and self.login is None:
                self.login = self._apply_role()
            self._timed(f"apply {root.stack}", partial(self._first, root, reattach))
        self._fill()

    def close(self) -> None:
        self._stack.close()

    def _timed(self, what: str, act: Callable[[], object]) -> None:
        began = time.monotonic()
        act()
        self.seconds[what] = time.monotonic() - began
        self.job.say(f"{what:<24} {self.seconds[what]:5.1f} s")

    def _package(self) -> None:
        """For the emulator's own interpreter, which is this one's version."""
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        lambda_zip(self.archive, extras_of(self.plan), version)

    @property
    def archive(self) -> Path:
        return self.job.work / "infra" / "artifacts" / "catchwater-lambda.zip"

    def _write(self, roots: tuple[Root, ...]) -> None:
        files = modules(roots)
        for root in roots:
            files |= rendered(root, self.plan, {})
        for file, data in files.items():
            path = self.job.work / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # Terraform's copies are links to it
            path.write_bytes(data)

    def _apply_role(self) -> Login:
        """A role that the twin may take, with the very policies that CI's role applies with: those that the bootstrap
        root has just made, else those that are derived."""
        iam = self.emulator.client("iam")
        allowed = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        role = iam.create_role(RoleName=APPLIES, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        apply_role = name(self.plan, "role", "ci", "apply")
        answer = found(iam.list_attached_role_policies, "NoSuchEntity", RoleName=apply_role)
        held = [one["PolicyArn"] for one in (answer or {}).get("AttachedPolicies", [])]
        for arn in held:
            iam.attach_role_policy(RoleName=APPLIES, PolicyArn=arn)
        for number, root in enumerate([] if held else self.roots):
            derived = document(apply.statements(self.plan, root))
            iam.put_role_policy(RoleName=APPLIES, PolicyName=f"stack-{number}", PolicyDocument=derived)
        given = self.emulator.client("sts").assume_role(RoleArn=role, RoleSessionName="terraform")["Credentials"]
        return Login(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

    def _first(self, root: Root, reattach: str) -> None:
        folder, work = self.job.work / root.path(self.plan), self.job.work / "terraform" / root.stack
        work.mkdir(parents=True)
        terraform = Terraform(folder, work, reattach, self._values(root))
        self._terraform[root.stack] = terraform
        self._use(root, terraform)
        terraform.init()
        terraform.apply()
        self.drift += [f"{root.stack}: {change}" for change in terraform.changes()]
        self.resources += _count(terraform.show_json().get("values", {}).get("root_module", {}))

    def _use(self, root: Root, terraform: Terraform) -> None:
        self.provider.login = None if root.local_state else self.login
        self.provider.folder = terraform.copy()

    def changes(self, stack: str) -> list[str]:
        """What a plan of a stack would do now: nothing, unless somebody changed what was made."""
        root = next(root for root in self.roots if root.stack == stack)
        self._use(root, self._terraform[stack])
        return self._terraform[stack].changes()

    def apply(self, root: Root) -> None:
        """The root as it is given now, in place of what stands."""
        self._write((root,))
        terraform = self._terraform[root.stack]
        self._use(root, terraform)
        terraform.plan()
        terraform.apply()

    def _values(self, root: Root) -> dict[str, str]:
        """What the roots' variables are here; a password is made up and never shown."""
        return {one.name: self._value(one) for one in root.variables if one.required or one.name == "archive"}

    def _value(self, variable: Variable) -> str:
        if variable.name == "archive":
            return str(self.archive)
        if variable.ephemeral:
            return secrets.token_urlsafe(24)
        if variable.type.startswith("list"):
            return json.dumps([f"rtb-{secrets.token_hex(4)}"])
        known = {called.lower(): value for called, value in self.job.beside.variables.items()}
        return {"repository": f"example/{self.plan.project}", **known}.get(variable.name, "twin")

    def _fill(self) -> None:
        """Put by hand, as the account's owner would: each secret that Terraform made and left empty."""
        client = self.emulator.client("secretsmanager")
        for held in client.list_secrets()["SecretList"]:
            said = found(client.get_secret_value, "ResourceNotFoundException", SecretId=held["Name"])
            if not (said or {}).get("SecretString"):
                client.put_secret_value(SecretId=held["Name"], SecretString=self._secret(held["Name"]))

    def _secret(self, wanted: str) -> str:
        if wanted in {places.secret(self.plan, called) for called in warehouse_secrets(self.plan)}:
            password = secrets.token_urlsafe(24)
            address = self.job.beside.warehouse("warehouse", "catchwater", password, 5432)
            return f"postgresql://catchwater:{password}@{address}:5432/warehouse?sslmode=require"
        for called, value in self.job.beside.variables.items():
            if places.secret(self.plan, called) == wanted:
                return value
        return secrets.token_urlsafe(24)

    def permissions(self) -> list[Permission]:
        """Everything that the steps' roles may do, by derived grant."""
        return [
            Permission(step.name, places.function(self.plan, step), one)
            for step in lambdas.steps(self.plan)
            for one in statements(self.plan, step)
        ]

    def with_statements(self, step: str, given: list[Statement]) -> Root:
        """The functions' root, in which one step's role has these permissions."""
        root = next(root for root in self.roots if root.stack == "workflow/lambda")
        label = places.called(self.plan.step(step))
        said: Any = [as_value(one) for one in grouped(given)]
        calls = (
            replace(call, arguments={**call.arguments, "statements": said}) if call.name == label else call
            for call in root.calls
        )
        return replace(root, calls=tuple(calls))


def refuse(plan: Plan) -> None:
    """Raises UseError for an environment that the twin can't stand for."""
    if "google" in plan.clouds or "aws" not in plan.clouds:
        raise UseError(
            f"the twin stands for AWS alone, and {plan.environment} is elsewhere", next_step="catchwater build"
        )
    if plan.warehouse["kind"] != "postgres":
        raise UseError("the twin loads a Postgres warehouse", next_step="declare warehouse: {kind: postgres, …}")
    if any(source.kind != "postgres" for source in plan.sources):
        raise UseError("the twin captures Postgres sources", next_step="catchwater build")
    for source in plan.sources:
        if not source.declared.get("url"):
            raise UseError(
                f"the twin opens {source.name} by a URL that a variable holds",
                next_step=f"in an environment to be tried, write url: ${{{source.name.upper()}_URL}}",
            )


def warehouse_secrets(plan: Plan) -> tuple[str, ...]:
    """The names of the secrets that open the warehouse: one, or the variables of its URL."""
    if plan.warehouse.get("secret"):
        return (str(plan.warehouse["secret"]),)
    return tuple(references(str(plan.warehouse.get("url") or ""))[0])


def _count(module: Mapping[str, Any]) -> int:
    own = sum(1 for one in module.get("resources", []) if one.get("mode") == "managed")
    return own + sum(_count(child) for child in module.get("child_modules", []))
