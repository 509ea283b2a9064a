"""The Terraform binary on a folder of the infrastructure, offline; nothing is written beside the folder's files."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from catchwater.errors import MissingExtra, TerraformFailed, TerraformMissing

REGISTRY = "CATCHWATER_TERRAFORM_PROVIDERS"
_SOURCE = re.compile(r'^\s*source\s*=\s*"(\.{1,2}/[^"]*)"', re.MULTILINE)
_TYPE = re.compile(r'^\s*(resource|data)\s+"([a-z0-9_]+)"', re.MULTILINE)
_BACKEND = "backend_override.tf"


def binary(environ: Mapping[str, str] = os.environ) -> str:
    """What TERRAFORM names, else `terraform` of the PATH."""
    found = shutil.which(environ.get("TERRAFORM") or "terraform")
    if not found:
        raise TerraformMissing
    return found


def from_registry(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the real providers are wanted, which `terraform init` fetches from the registry."""
    return environ.get(REGISTRY) == "registry"


def folders(root: Path) -> list[Path]:
    """The folder and those of the modules it calls by a relative path, deeper ones included."""
    found = [root.resolve()]
    for folder in found:
        for file in (*folder.glob("*.tf"), *folder.glob("tests/*.tftest.hcl")):
            for source in _SOURCE.findall(file.read_text()):
                inner = (folder / source).resolve()
                if inner not in found:
                    found.append(inner)
    return found


def types(roots: Iterable[Path]) -> set[str]:
    """The resource types (`aws_sqs_queue`) and data sources (`data.aws_region`) that these folders use."""
    found = set()
    for folder in {inner for root in roots for inner in folders(root)}:
        for file in (*folder.glob("*.tf"), *folder.glob("tests/*.tftest.hcl")):
            for kind, name in _TYPE.findall(file.read_text()):
                found.add(f"data.{name}" if kind == "data" else name)
    return found


class Terraform:
    """Terraform on one root (or module) folder.

    Each command works on a fresh copy of the root and of the modules it calls, with state kept in `work`, whatever
    backend the root declares. `reattach` is what `server.serving` gives; without it the registry's providers are used.
    """

    def __init__(
        self, root: Path, work: Path, reattach: str | None = None, variables: Mapping[str, str] | None = None
    ) -> None:
        self.root, self.work = root.resolve(), work.resolve()
        self.reattach, self.variables = reattach, dict(variables or {})
        self.binary = binary()

    @property
    def _plan(self) -> str:
        return str(self.work / "plan")

    def init(self) -> None:
        self.run("init", "-input=false", "-no-color")

    def validate(self) -> None:
        """Raises with every error that Terraform and the value rules have found."""
        done = self.run("validate", "-json", check=False)
        said = json.loads(done.stdout or '{"diagnostics": []}')
        wrong = [one for one in said["diagnostics"] if one["severity"] == "error"]
        if done.returncode or wrong:
            raise TerraformFailed("validate", "\n".join(map(_sentence, wrong)) or done.stderr, where=str(self.root))

    def plan(self) -> dict[str, Any]:
        """The plan as Terraform's JSON; kept for `apply`."""
        self.run("plan", "-input=false", "-no-color", "-out", self._plan)
        return self.show_json("plan")

    def changes(self) -> list[str]:
        """`address: actions` of everything that a plan would do now; [] when nothing is left to do."""
        done = self.run("plan", "-input=false", "-no-color", "-detailed-exitcode", "-out", self._plan, check=False)
        if done.returncode == 0:
            return []
        if done.returncode != 2:
            raise TerraformFailed("plan", done.stderr.strip() or done.stdout.strip(), where=str(self.root))
        planned = self.show_json("plan")
        found = [(one["address"], one["change"]["actions"]) for one in planned.get("resource_changes", [])]
        found += [(f"output.{name}", one["actions"]) for name, one in planned.get("output_changes", {}).items()]
        return [f"{name}: {'+'.join(actions)}" for name, actions in found if actions not in (["no-op"], ["read"])]

    def apply(self) -> None:
        """Applies the last plan; what Terraform plans now when there is none."""
        kept = [self._plan] if (self.work / "plan").exists() else []
        self.run("apply", "-input=false", "-no-color", "-auto-approve", *kept)
        (self.work / "plan").unlink(missing_ok=True)

    def destroy(self) -> None:
        self.run("destroy", "-input=false", "-no-color", "-auto-approve")

    def test(self) -> str:
        """Runs the folder's `tests/*.tftest.hcl`; what Terraform said."""
        return self.run("test", "-no-color").stdout

    def show_json(self, what: str = "") -> dict[str, Any]:
        """The state as JSON, or the kept plan with `plan`."""
        more = [self._plan] if what == "plan" else []
        return dict(json.loads(self.run("show", "-json", *more).stdout))

    def outputs(self) -> dict[str, Any]:
        return {name: one["value"] for name, one in json.loads(self.run("output", "-json").stdout).items()}

    def fmt_check(self) -> None:
        """Raises with the difference that `terraform fmt` would make."""
        done = self.run("fmt", "-check", "-diff", "-recursive", "-no-color", check=False)
        if done.returncode:
            raise TerraformFailed("fmt -check", done.stdout + done.stderr, where=str(self.root))

    def run(self, command: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Any command, in a fresh copy of the root."""
        folder = self.copy()
        line = [self.binary, f"-chdir={folder}", command, *arguments]
        done = subprocess.run(line, capture_output=True, text=True, check=False, env=self.environment())
        if check and done.returncode:
            raise TerraformFailed(command, done.stderr.strip() or done.stdout.strip(), where=str(self.root))
        return done

    def environment(self) -> dict[str, str]:
        """Terraform's settings: no colours, no upgrade check, no state or provider of anybody else."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
        made = {"TF_DATA_DIR": str(self.work / "data"), "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
        made |= {"TF_REATTACH_PROVIDERS": self.reattach} if self.reattach else {}
        return kept | made | {f"TF_VAR_{name}": value for name, value in self.variables.items()}

    def copy(self) -> Path:
        """The root's folder within a copy of the tree that it and its modules stand in; its backend is a local file."""
        found = folders(self.root)
        top = Path(os.path.commonpath(found))
        copied = self.work / "copy"
        shutil.rmtree(copied, ignore_errors=True)
        for folder in found:
            made = copied / folder.relative_to(top)
            made.mkdir(parents=True, exist_ok=True)
            _copy(folder, made, deep=folder == self.root)
        _beside(self.root, copied, top)
        path = self.work / "terraform.tfstate"
        override = f'terraform {{\n  backend "local" {{\n    path = {json.dumps(str(path))}\n  }}\n}}\n'
        root = copied / self.root.relative_to(top)
        (root / _BACKEND).write_text(override)
        return root


def _copy(folder: Path, made: Path, deep: bool) -> None:
    """The files of a folder, linked where that is possible; of the root the folders in it too."""
    for item in folder.iterdir():
        if item.is_dir() and deep and item.name != ".terraform":
            (made / item.name).mkdir(exist_ok=True)
            _copy(item, made / item.name, deep)
        elif item.is_file() and not item.name.startswith((".terraform", "terraform.tfstate")):
            _link(item, made / item.name)


def _beside(root: Path, copied: Path, top: Path) -> None:
    """What stands beside the root, up to `top`, is linked: a root may name an archive by a relative path."""
    for folder in root.parents:
        if not folder.is_relative_to(top) or folder == Path(folder.anchor):
            return
        for item in folder.iterdir():
            made = copied / item.relative_to(top)
            if not made.exists():
                made.symlink_to(item)


def _link(item: Path, made: Path) -> None:
    try:
        made.hardlink_to(item)
    except OSError:  # another file system
        shutil.copyfile(item, made)


def _sentence(diagnostic: Mapping[str, Any]) -> str:
    place = diagnostic.get("range") or {}
    spot = f"{place['filename']}:{place['start']['line']}: " if place else ""
    detail = f": {diagnostic['detail']}" if diagnostic.get("detail") else ""
    address = f" ({diagnostic['address']})" if diagnostic.get("address") else ""
    return f"{spot}{diagnostic['summary']}{detail}{address}"


@contextmanager
def offline(roots: Iterable[Path]) -> Iterator[str | None]:
    """TF_REATTACH_PROVIDERS for these folders: faked providers with the real schemas, None where REGISTRY says so."""
    if from_registry():
        yield None
        return
    try:
        from catchwater.infra.offline.provider import Provider
        from catchwater.infra.offline.schemas import Schemas
        from catchwater.infra.offline.server import serving
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "twin") from error

    used = types(roots)
    clouds = {name: {one for one in used if one.removeprefix("data.").startswith(f"{name}_")} for name in _clouds()}
    with serving([Provider(Schemas(name).document(wanted)) for name, wanted in clouds.items()]) as reattach:
        yield reattach


def _clouds() -> list[str]:
    from catchwater.infra.offline.wheels import WHEELS

    return sorted(WHEELS)


@contextmanager
def opened(root: Path, variables: Mapping[str, str] | None = None) -> Iterator[Terraform]:
    """Terraform on one folder with offline providers and a work folder of its own, both gone afterwards."""
    with TemporaryDirectory(prefix="terraform-") as work, offline([root]) as reattach:
        yield Terraform(root, Path(work), reattach, variables)
