"""The archive of the functions: the same bytes each time, nothing that a handler doesn't need, within Lambda's limit."""

import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from catchwater.errors import MissingExtra, UseError
from catchwater.infra import package
from catchwater.infra.package import closure, extras_of, lambda_zip
from tests.support.commands import catchwater
from tests.support.examples import plan_of

LARGE = ("duckdb", "jsonschema-rs", "obstore", "pydantic-core", "sqlglot")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the large parts, of which one is as good as ten; the e2e test runs all of them."""
    real = package.closure
    kept = lambda extras: [one for one in real(extras) if package._plain(one.name) not in LARGE]  # noqa: E731
    monkeypatch.setattr(package, "closure", kept)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lambda_zip(tmp_path_factory.mktemp("package") / "made" / "lambda.zip", ("topic",))


def names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as held:
        return held.namelist()


@pytest.mark.usefixtures("small")
def test_the_same_parts_are_the_same_bytes(tmp_path: Path) -> None:
    one, two = (lambda_zip(tmp_path / name / "lambda.zip", ("aws",)) for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert [path.name for path in one.parent.iterdir()] == ["lambda.zip"]


def test_entries_carry_no_time_no_owner_and_no_place(archive: Path) -> None:
    with zipfile.ZipFile(archive) as held:
        entries = held.infolist()
    assert [entry.filename for entry in entries] == sorted({entry.filename for entry in entries})
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o644, 0o755}
    assert {entry.create_system for entry in entries} == {3}
    libraries = [entry for entry in entries if ".so" in entry.filename.rsplit("/", 1)[-1]]
    assert {entry.external_attr >> 16 for entry in libraries} == {0o755}


def test_it_holds_what_a_handler_needs_and_nothing_else(archive: Path) -> None:
    found = names(archive)
    for wanted in ("catchwater/runtimes/aws_lambda.py", "catchwater/adapters/sources/rds-ca.pem", "sqlglot/__init__.py",
                   "jsonschema_rs/__init__.py"):  # fmt: skip
        assert wanted in found
    assert any(name.startswith("_duckdb.cpython") for name in found)
    kept = ("catchwater/serve/", "catchwater/cli/", "catchwater/infra/", "bin/", "rich/", "typer/", "pip/", "pytest/")
    assert not [name for name in found if name.startswith(kept) or name.startswith(("/", "..")) or "\\" in name]
    assert not [name for name in found if name.endswith((".pyc", "RECORD", "direct_url.json", ".pth"))]


@pytest.mark.usefixtures("small")
def test_only_the_services_that_a_handler_calls(tmp_path: Path) -> None:
    found = names(lambda_zip(tmp_path / "aws.zip", ("aws",)))
    services = {name.split("/")[2] for name in found if name.startswith("botocore/data/") and name.count("/") > 2}
    assert services == {"lambda", "secretsmanager", "sns", "sqs", "sts"}
    assert "botocore/data/partitions.json" in found


def test_extras_follow_from_the_plan() -> None:
    assert extras_of(plan_of("totesys", "dev")) == ("aws", "postgres")
    assert extras_of(plan_of("github_activity", "stage")) == ("aws", "http")
    assert extras_of(plan_of("shop", "prod")) == ("aws", "google", "postgres")


def test_a_closure_is_by_name_and_without_the_command_line_s_parts() -> None:
    found = [package._plain(one.name) for one in closure(("postgres", "aws"))]
    assert found == sorted(found)
    assert {"duckdb", "duckdb-extension-postgres-scanner", "boto3", "obstore", "urllib3"} <= set(found)
    assert not {"typer", "rich", "catchwater", "pyarrow", "pygments"} & set(found)


def test_a_part_that_is_not_installed_says_the_line() -> None:
    class Nothing(metadata.Distribution):
        def read_text(self, filename: str) -> str | None:
            return "Name: catchwater\nRequires-Dist: no-such-thing-at-all\n" if filename == "METADATA" else None

        def locate_file(self, path: Any) -> Any:
            return Path(path)

    real = metadata.distribution
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(metadata, "distribution", lambda name: Nothing() if name == "catchwater" else real(name))
        with pytest.raises(MissingExtra, match="no-such-thing-at-all isn't installed"):
            closure(("aws",))


def test_too_much_is_refused_by_its_biggest_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "MOST", 50 << 20)
    with pytest.raises(UseError, match=r"MB unzipped, Lambda takes 52: _duckdb\.\S+ \d+ MB, jsonschema_rs") as caught:
        lambda_zip(tmp_path / "x.zip", ("topic",))
    assert caught.value.next_step
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("tag", "fits"),
    [("py3-none-any", True), ("cp311-cp311-manylinux_2_28_x86_64", True), ("cp311-cp311-manylinux2014_x86_64", True),
     ("cp311-cp311-manylinux_2_35_x86_64", False), ("cp311-cp311-linux_x86_64", False),
     ("cp311-cp311-manylinux_2_28_aarch64", False), ("cp311-cp311-musllinux_1_2_x86_64", False)],
)  # fmt: skip
def test_what_runs_on_lambda(tag: str, fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Tagged:
        def read_text(self, name: str) -> str:
            return f"Wheel-Version: 1.0\nTag: {tag}\n"

    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    monkeypatch.setattr(package, "_machine", lambda: ("linux", "x86_64"))
    assert package._fits(Tagged(), here) is fits  # type: ignore[arg-type]
    assert package._fits(Tagged(), "3.99") is (tag == "py3-none-any")  # type: ignore[arg-type]
    monkeypatch.setattr(package, "_machine", lambda: ("darwin", "arm64"))
    assert package._fits(Tagged(), here) is (tag == "py3-none-any")  # type: ignore[arg-type]


def test_parts_of_another_platform_come_from_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a Mac the same versions are asked of pip, for Lambda's platform; here pip's place is taken by a copy."""
    asked: list[list[str]] = []

    def pip(command: list[str], **_: Any) -> Any:
        asked.append(command)
        folder = Path(next(word for word in command if word.startswith("--dest=")).removeprefix("--dest="))
        folder.mkdir()
        with zipfile.ZipFile(folder / "x-1-cp311-cp311-manylinux2014_x86_64.whl", "w") as wheel:
            wheel.writestr("_elsewhere.so", b"\x7fELF")
            wheel.writestr("x-1.dist-info/RECORD", b"")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(package, "_machine", lambda: ("darwin", "arm64"))
    monkeypatch.setattr(subprocess, "run", pip)
    found = names(lambda_zip(tmp_path / "x.zip", ("topic",)))
    assert "_elsewhere.so" in found
    assert "x-1.dist-info/RECORD" not in found
    assert not any(name.startswith("_duckdb") for name in found)
    (command,) = asked
    assert f"duckdb=={metadata.version('duckdb')}" in command
    assert {"--only-binary=:all:", "--no-deps", "--python-version=3.11", "--platform=manylinux_2_34_x86_64"} <= set(
        command
    )
    assert not [word for word in command if word.startswith("sqlglot")]

    def fails(command: list[str], **_: Any) -> Any:
        return subprocess.CompletedProcess(command, 1, "", "ERROR: no such thing\n")

    monkeypatch.setattr(subprocess, "run", fails)
    with pytest.raises(UseError, match="no such thing") as caught:
        lambda_zip(tmp_path / "y.zip", ("topic",))
    assert "Python 3.11" in caught.value.next_step


@pytest.mark.usefixtures("small")
def test_the_command_writes_what_an_environment_s_functions_run(tmp_path: Path) -> None:
    (tmp_path / "catchwater.yml").write_text(
        "project: files\nsources:\n  places: {kind: http_files, url: https://data.example.org/x.csv, schema: places.yml,"
        " every: 1 hour}\nenvironments:\n  dev: {aws: {region: eu-west-2, account: '111122223333'}}\n"
        "  home: {}\n"
    )
    (tmp_path / "places.yml").write_text("columns: [{name: id, type: BIGINT}]\nkey: [id]\n")
    done = catchwater("package", "--env", "dev", tmp_path, "--json")
    assert done.exit == 0, done.err
    (one,) = done.json["archives"]
    assert Path(one["path"]) == tmp_path / "infra" / "dev" / "artifacts" / "catchwater-lambda.zip"
    assert Path(one["path"]).stat().st_size == one["bytes"]
    assert "httpx/__init__.py" in names(Path(one["path"]))
    assert catchwater("package", "--env", "home", tmp_path).exit == 2
    assert catchwater("package", tmp_path).exit == 2
