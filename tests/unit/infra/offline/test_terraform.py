"""Terraform itself on faked providers: the whole way through the binary, its errors in its own words, nothing left behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from catchwater.errors import MissingExtra, TerraformFailed, TerraformMissing
from catchwater.infra.offline import terraform as offline
from catchwater.infra.offline.provider import Provider
from catchwater.infra.offline.schemas import Schemas
from catchwater.infra.offline.server import serving
from catchwater.infra.offline.terraform import Terraform
from tests.support.terraform import PROVIDERS, ROOT, SETTINGS, Opened, reattach, terraform, written

__all__ = ["reattach", "terraform"]
BACKEND = SETTINGS.replace(
    "terraform {", 'terraform {\n  backend "s3" {\n    bucket = "nowhere"\n    key    = "x"\n  }', 1
)
QUEUE = """
resource "aws_sqs_queue" "this" {
  name = "example"
}

resource "aws_secretsmanager_secret" "this" {
  name = "example"
}

resource "aws_secretsmanager_secret_version" "this" {
  secret_id                = aws_secretsmanager_secret.this.id
  secret_string_wo         = "hush-hush"
  secret_string_wo_version = 1
}

data "aws_caller_identity" "me" {}

output "arn" {
  value = aws_sqs_queue.this.arn
}
"""


def root(folder: Path, main: str = QUEUE) -> Path:
    return written(folder / "root", main=main, terraform=BACKEND + PROVIDERS["aws"])


def test_a_root_with_a_backend_elsewhere_is_planned_applied_and_destroyed(terraform: Opened, tmp_path: Path) -> None:
    opened = terraform(root(tmp_path))
    opened.validate()
    planned = opened.plan()
    assert {one["change"]["actions"][0] for one in planned["resource_changes"]} == {"create"}
    opened.apply()
    assert opened.outputs() == {"arn": "arn:aws:sqs:eu-west-2:111122223333:example"}
    assert opened.changes() == []
    assert "hush-hush" not in json.dumps(opened.show_json())
    assert "hush-hush" not in (opened.work / "terraform.tfstate").read_text()
    assert sorted(item.name for item in opened.root.iterdir()) == ["main.tf", "terraform.tf"]
    opened.destroy()
    assert opened.show_json().get("values") is None


def test_a_change_is_planned_in_place_or_as_another_resource(terraform: Opened, tmp_path: Path) -> None:
    opened = terraform(root(tmp_path))
    opened.apply()
    main = opened.root / "main.tf"
    main.write_text(QUEUE.replace('name = "example"\n}', 'name = "example"\n  delay_seconds = 3\n}', 1))
    assert opened.changes() == ["aws_sqs_queue.this: update"]
    main.write_text(QUEUE.replace('"example"', '"another"', 1))
    assert opened.changes() == ["aws_sqs_queue.this: delete+create", "output.arn: update"]
    opened.plan()
    opened.apply()
    assert opened.outputs()["arn"].endswith(":another")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name = ", "nam = ", "main.tf:3: Unsupported argument"),
        ('"example"', "[1]", 'Inappropriate value for attribute "name"'),
        ('"example"', '"no such name!"', "aws_sqs_queue: wrong value: name: 1 to 80 letters"),
        ('"aws_sqs_queue"', '"aws_sqs_que"', "main.tf:2: Invalid resource type"),
        ("name = ", "policy = jsonencode({ Statement = [] })\n  name = ", "a policy in JSON"),
    ],
    ids=["name", "type", "value", "resource", "policy"],
)
def test_what_is_wrong_is_said_with_its_line(old: str, new: str, said: str, terraform: Opened, tmp_path: Path) -> None:
    opened = terraform(root(tmp_path, QUEUE.replace(old, new, 1)))
    with pytest.raises(TerraformFailed) as caught:
        opened.validate()
    assert said in str(caught.value)
    assert str(opened.root) in str(caught.value)


def test_a_wrong_policy_that_only_apply_can_see_is_refused_then(terraform: Opened, tmp_path: Path) -> None:
    policy = """
resource "aws_iam_role_policy" "this" {
  name   = "x"
  role   = "r"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "read", Resource = aws_sqs_queue.this.arn }] })
}
"""
    opened = terraform(root(tmp_path, QUEUE + policy))
    opened.validate()
    opened.plan()
    with pytest.raises(TerraformFailed, match=r"aws_iam_role_policy: wrong value(.|\n)*service:Action"):
        opened.apply()
    assert len(opened.show_json()["values"]["root_module"]["resources"]) == 4


class Broken(Provider):
    def create(self, type_name: str, planned: object, config: object) -> dict[str, object]:
        raise OSError(f"no room for {type_name}")


def test_what_a_provider_raises_is_shown_by_terraform_and_nothing_is_kept(reattach: str, tmp_path: Path) -> None:
    folder = root(tmp_path, 'resource "aws_sqs_queue" "this" {\n  name = "example"\n}\n')
    broken = Broken(Schemas("aws").document(offline.types([folder])))
    with serving([broken, Provider(Schemas("google").document())]) as said:
        opened = Terraform(folder, tmp_path, said)
        opened.init()
        with pytest.raises(TerraformFailed, match="no room for aws_sqs_queue"):
            opened.apply()
        assert "values" not in opened.show_json()


def test_a_plan_that_cannot_be_made_is_an_error_too(terraform: Opened, tmp_path: Path) -> None:
    opened = terraform(root(tmp_path, 'output "x" {\n  value = nonsense.x\n}\n'))
    with pytest.raises(TerraformFailed, match="nonsense"):
        opened.changes()


def test_variables_are_given_and_only_ours(terraform: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_VAR_name", "theirs")
    text = 'variable "name" {\n  type = string\n}\n\noutput "name" {\n  value = var.name\n}\n'
    opened = terraform(root(tmp_path, text), {"name": "ours"})
    opened.apply()
    assert opened.outputs() == {"name": "ours"}


def test_modules_and_files_beside_the_root_are_found(terraform: Opened, tmp_path: Path) -> None:
    written(tmp_path / "modules" / "a", main='module "b" {\n  source = "../b"\n}\n')
    written(tmp_path / "modules" / "b", main='resource "aws_sqs_queue" "this" {\n  name = "b"\n}\n')
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "x.zip").write_bytes(b"x")
    text = 'module "a" {\n  source = "../modules/a"\n}\n\noutput "x" {\n  value = filesha256("../artifacts/x.zip")\n}\n'
    folder = root(tmp_path, text)
    assert offline.types([folder]) == {"aws_sqs_queue"}
    assert [found.name for found in offline.folders(folder)] == ["root", "a", "b"]
    opened = terraform(folder)
    opened.apply()
    assert opened.changes() == []


def test_tests_of_a_folder_are_run(terraform: Opened, tmp_path: Path) -> None:
    folder = root(tmp_path)
    (folder / "tests").mkdir()
    test = 'run "name" {\n  command = plan\n\n  assert {\n    condition     = aws_sqs_queue.this.name == "example"\n    error_message = "no"\n  }\n}\n'
    (folder / "tests" / "a.tftest.hcl").write_text(test)
    opened = terraform(folder)
    assert "1 passed, 0 failed" in opened.test()
    (folder / "tests" / "a.tftest.hcl").write_text(test.replace('"example"', '"other"'))
    with pytest.raises(TerraformFailed, match=r"terraform test failed"):
        opened.test()


def test_without_the_binary_the_next_step_is_named() -> None:
    with pytest.raises(TerraformMissing) as caught:
        offline.binary({"TERRAFORM": "/nowhere/terraform"})
    assert "TERRAFORM=/path" in str(caught.value)
    assert offline.binary({"TERRAFORM": sys.executable}) == sys.executable


def test_a_missing_package_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delitem(sys.modules, "catchwater.infra.offline.server")
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(MissingExtra, match=r"catchwater\[twin\]"), offline.offline([tmp_path]):
        pass


def test_the_switch_takes_the_providers_of_the_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(offline.REGISTRY, "registry")
    with offline.offline([tmp_path]) as said:
        assert said is None
    monkeypatch.setenv("TERRAFORM", sys.executable)
    assert "TF_REATTACH_PROVIDERS" not in Terraform(tmp_path, tmp_path).environment()


def test_a_folder_is_opened_with_providers_of_its_own(reattach: str, tmp_path: Path) -> None:
    with offline.opened(root(tmp_path)) as opened:
        opened.init()
        opened.apply()
        work = opened.work
    assert not work.exists()


@pytest.mark.parametrize(
    ("command", "main", "code", "said"),
    [
        ("plan", QUEUE, 0, "Plan: 3 to add"),
        ("all", QUEUE.lstrip(), 0, "applied; the second plan is empty"),
        ("apply", QUEUE.replace("name =", "tags = { at = timestamp() }\n  name =", 1), 1, "aws_sqs_queue.this: update"),
        ("validate", QUEUE.replace("name", "nam", 1), 1, "Unsupported argument"),
        ("fmt", "output \"x\" {\nvalue=1\n}\n", 1, "value = 1"),
    ],
    ids=["plan", "all", "apply", "validate", "fmt"],
)  # fmt: skip
def test_the_tool_of_the_house(command: str, main: str, code: int, said: str, reattach: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "root", main=main, terraform=(SETTINGS + PROVIDERS["aws"]).lstrip())
    line = [sys.executable, ROOT / "tools" / "terraform", command, folder]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=os.environ)
    assert said in done.stdout + done.stderr
    assert done.returncode == code, done.stdout + done.stderr
