"""Terraform offline for tests: one set of providers per session, the modules, and roots made of a module's example."""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
import pytest

from catchwater.infra.offline.provider import Provider
from catchwater.infra.offline.schemas import Schemas
from catchwater.infra.offline.server import serving
from catchwater.infra.offline.terraform import Terraform, types

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "src" / "catchwater" / "infra" / "modules"
HCL = re.compile(r"^```hcl\n(.*?)^```", re.DOTALL | re.MULTILINE)
# what tests of their own use besides what the modules do
MORE = {"aws_s3_bucket", "aws_sqs_queue", "aws_iam_role", "aws_iam_role_policy", "aws_secretsmanager_secret",
        "aws_secretsmanager_secret_version", "data.aws_caller_identity", "data.aws_iam_policy_document",
        "google_pubsub_topic", "google_pubsub_subscription", "google_storage_bucket"}  # fmt: skip

Opened = Callable[..., Terraform]
Changed = Callable[[str], str]


def named() -> list[str]:
    """Every module as `aws/bucket`, in one order in every process."""
    return sorted(
        f"{folder.parent.name}/{folder.name}" for folder in MODULES.glob("*/*") if (folder / "main.tf").exists()
    )


@pytest.fixture(scope="session")
def reattach() -> Iterator[str]:
    """Where the faked providers listen: all that the modules use, and MORE."""
    if not shutil.which(os.environ.get("TERRAFORM", "terraform")):
        pytest.skip("terraform: not on this machine")
    used = MORE | types(MODULES.glob("*/*"))
    with serving([Provider(Schemas(cloud).document(of(cloud, used))) for cloud in ("aws", "google")]) as said:
        yield said


def of(cloud: str, used: set[str]) -> set[str]:
    return {name for name in used if name.removeprefix("data.").startswith(f"{cloud}_")}


@pytest.fixture
def terraform(reattach: str, tmp_path: Path) -> Opened:
    """`terraform(root)` is Terraform on that folder, initialised, with a work folder of its own."""
    count = iter(range(1000))

    def opened(root: Path, variables: Mapping[str, str] | None = None) -> Terraform:
        work = tmp_path / f"work{next(count)}"
        work.mkdir()
        made = Terraform(root, work, reattach, variables)
        made.init()
        return made

    return opened


def written(folder: Path, **files: str) -> Path:
    """A folder of files: `main="…"` is main.tf."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.tf").write_text(text)
    return folder


PROVIDERS = {
    "aws": 'provider "aws" {\n  region              = "eu-west-2"\n  allowed_account_ids = ["111122223333"]\n}\n',
    "google": 'provider "google" {\n  project = "example-dev"\n  region  = "europe-west2"\n}\n',
}
SETTINGS = """
terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
    google = {
      source = "hashicorp/google"
    }
  }
}
"""


def examples(module: str) -> list[str]:
    """The usage examples of a module's README."""
    return [block for block in HCL.findall((MODULES / module / "README.md").read_text()) if "module " in block]


def example(module: str, folder: Path, change: Changed = lambda text: text) -> Path:
    """A root of the examples of a module's README, changed."""
    cloud = module.split("/")[0]
    text = change("\n".join(examples(module)))
    text = re.sub(r'source(\s*)= "[^"]*?([^/"]+)"', rf'source\1= "../modules/{cloud}/\2"', text)
    shutil.copytree(MODULES, folder / "modules", dirs_exist_ok=True)
    return written(folder / "root", main=text, terraform=SETTINGS + PROVIDERS[cloud])


def calling(cloud: str, folder: Path, said: Callable[[str, str], str | None]) -> Path:
    """A root that calls a copy of every module of a cloud; `said(module, variable)` is an expression, None: not known."""
    shutil.copytree(MODULES / cloud, folder / "modules" / cloud)
    calls = []
    for module in (one for one in named() if one.startswith(f"{cloud}/")):
        lines = [f'  source = "../modules/{module}"']
        lines += [f"  {name} = {said(module, name) or 'var.unknown'}" for name in declared(module, "variable")]
        calls.append(f'module "{module.split("/")[1]}" {{\n' + "\n".join(lines) + "\n}\n")
    unknown = 'variable "unknown" {\n  type = any\n}\n'
    return written(folder / "root", main="\n".join(calls), unknown=unknown, terraform=SETTINGS + PROVIDERS[cloud])


@cache
def declared(module: str, kind: str) -> dict[str, dict[str, Any]]:
    """`variable` or `output` blocks of a module by name, strings without their quotes."""
    file = MODULES / module / f"{kind}s.tf"
    with file.open() as text:
        found = hcl2.load(text).get(kind, [])
    return {name.strip('"'): block for one in found for name, block in one.items()}
