"""Every compiled root of every example, by Terraform itself: formatted, valid, applied once, and then nothing is left."""

import re
from pathlib import Path

import pytest

from catchwater.errors import TerraformFailed
from catchwater.infra.compile import build
from catchwater.infra.offline.terraform import Terraform
from tests.support.examples import CLOUDS, EXAMPLES, plan_of
from tests.support.roots import built, ids, written
from tests.support.terraform import PROVIDERS, SETTINGS, Opened, reattach, terraform
from tests.support.terraform import written as folder_of

__all__ = ["reattach", "terraform"]
clouds = pytest.mark.parametrize(("name", "environment"), CLOUDS, ids=ids())
# one of each cloud, and both at once; the others take their time in the long proofs
LIKE = [("totesys", "prod"), ("open_data", "prod"), ("open_data", "dev"), ("github_activity", "stage")]
whole = pytest.mark.parametrize(
    ("name", "environment"),
    [pytest.param(*one, marks=pytest.mark.proof if one in LIKE else ()) for one in CLOUDS],
    ids=ids(),
)


@clouds
def test_building_twice_gives_the_same_bytes(name: str, environment: str) -> None:
    assert build(plan_of(name, environment), EXAMPLES / name) == built(name, environment)


@clouds
def test_every_file_is_formatted(name: str, environment: str, reattach: str, tmp_path: Path) -> None:
    written(name, environment, tmp_path / "project")
    Terraform(tmp_path / "project" / "infra", tmp_path, reattach).fmt_check()


@whole
def test_every_root_is_valid_and_whole(name: str, environment: str, terraform: Opened, tmp_path: Path) -> None:
    """Each is applied to nothing; the second plan is empty."""
    roots = written(name, environment, tmp_path / "project")
    assert len(roots) >= 3
    for root in roots:
        opened = terraform(root, given(root))
        opened.validate()
        opened.apply()
        assert opened.changes() == [], root


def given(root: Path) -> dict[str, str]:
    """A value for each variable that the root wants said; files that its defaults name are there, with a byte in them."""
    file = root / "variables.tf"
    text = file.read_text() if file.exists() else ""
    blocks = re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', text, re.DOTALL | re.MULTILINE)
    for _, body in blocks:
        if found := re.search(r'default\s+= "(\.\./[^"]+)"', body):
            (root / found[1]).resolve().parent.mkdir(parents=True, exist_ok=True)
            (root / found[1]).write_bytes(b"x")
    connected = "build_trigger" in (root / "main.tf").read_text()
    said = {"repository": CONNECTED} if connected else {}
    return {name: (VALUES | said)[name] for name, body in blocks if "default" not in body}


VALUES = {
    "dataflow_image": "europe-west2-docker.pkg.dev/example-dev/example/catchwater-dataflow:1",
    "image": "europe-west2-docker.pkg.dev/example-dev/example/catchwater:1",
    "route_tables": '["rtb-0123456789abcdef0"]',
    "warehouse_password": "example-password",
    "stations_url": "https://data.example.org/stations.csv",
    "google_project_number": "123456789012",
    "shop_resource_id": "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "repository": "example/shop",
}
CONNECTED = "projects/example/locations/europe-west2/connections/github/repositories/shop"


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
    root = folder_of(tmp_path / "root", main='output "x" {\nvalue=1\n}\n', terraform=SETTINGS)
    with pytest.raises(TerraformFailed, match=r"value = 1"):
        terraform(root).fmt_check()
