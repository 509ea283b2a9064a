"""Every compiled root of every example, by Terraform itself: formatted, valid, applied once, and then nothing is left."""

import re
from pathlib import Path

import pytest

from catchwater.errors import TerraformFailed
from catchwater.infra.compile import build
from tests.support.examples import CLOUDS, EXAMPLES, plan_of
from tests.support.roots import built, ids, written
from tests.support.terraform import PROVIDERS, SETTINGS, Opened, reattach, terraform
from tests.support.terraform import written as folder_of

__all__ = ["reattach", "terraform"]
clouds = pytest.mark.parametrize(("name", "environment"), CLOUDS, ids=ids())


@clouds
def test_building_twice_gives_the_same_bytes(name: str, environment: str) -> None:
    assert build(plan_of(name, environment), EXAMPLES / name) == built(name, environment)


@clouds
def test_every_root_is_formatted_valid_and_whole(name: str, environment: str, terraform: Opened, tmp_path: Path) -> None:
    """Each is applied to nothing; the second plan is empty."""
    roots = written(name, environment, tmp_path / "project")
    assert roots
    for root in roots:
        opened = terraform(root, given(root))
        opened.fmt_check()
        opened.validate()
        opened.apply()
        assert opened.changes() == [], root


def given(root: Path) -> dict[str, str]:
    """A value for each variable that the root wants said."""
    file = root / "variables.tf"
    if not file.exists():
        return {}
    blocks = re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', file.read_text(), re.DOTALL | re.MULTILINE)
    return {name: VALUES.get(name, "example") for name, body in blocks if "default" not in body}


VALUES: dict[str, str] = {}


@clouds
def test_a_root_only_calls_modules_and_names_no_secret(name: str, environment: str) -> None:
    for path, data in built(name, environment).items():
        if path.startswith("infra/modules/") or not path.endswith(".tf"):
            continue
        kinds = set(re.findall(r"^(\w+) ", data.decode(), re.MULTILINE))
        assert kinds <= {"module", "terraform", "provider", "variable", "output", "locals"}, path
        assert not re.search(r'(password|secret_string|secret_data)\s*=\s*"', data.decode()), path


def test_a_value_that_changes_by_itself_fails_the_second_plan(terraform: Opened, tmp_path: Path) -> None:
    text = 'resource "aws_s3_bucket" "this" {\n  bucket = "example-bucket"\n  tags   = { made = timestamp() }\n}\n'
    opened = terraform(folder_of(tmp_path / "root", main=text, terraform=SETTINGS + PROVIDERS["aws"]))
    opened.apply()
    assert opened.changes() == ["aws_s3_bucket.this: update"]


def test_a_root_that_is_not_formatted_is_refused_with_the_difference(terraform: Opened, tmp_path: Path) -> None:
    root = folder_of(tmp_path / "root", main="output \"x\" {\nvalue=1\n}\n", terraform=SETTINGS)
    with pytest.raises(TerraformFailed, match=r"value = 1"):
        terraform(root).fmt_check()
