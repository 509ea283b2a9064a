"""A project whose lake is in a bucket: the same commands, kills, two runs at once, and a bucket that refuses."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
import pytest

from catchwater.runtimes.records import Records
from tests.support.commands import catchwater
from tests.support.emulators import Zone, ministack, variables
from tests.support.pings import PROJECT, write
from tests.support.waiting import until

__all__ = ["ministack"]

LAKE = 'lake: {url: "${LAKE_URL}", ingestion: raw_layer, processed: qualified}\n'


@pytest.fixture
def project(tmp_path: Path, ministack: Zone) -> Path:
    folder = write(tmp_path / "pings", PROJECT + LAKE)
    settle(folder, ministack)
    return folder


def settle(folder: Path, zone: Zone, **more: str) -> None:
    answer: dict[str, str] = zone.answer  # type: ignore[attr-defined]
    given = variables(answer) | {"LAKE_URL": f"s3://lake/{folder.parent.name}"} | more
    (folder / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in given.items()))


def keys(project: Path, zone: Zone) -> list[str]:
    client, prefix = bucket(zone), project.parent.name
    listed = client.list_objects_v2(Bucket="lake", Prefix=f"{prefix}/")
    client.close()
    return sorted(item["Key"].removeprefix(f"{prefix}/") for item in listed.get("Contents", []))


def bucket(zone: Zone) -> Any:
    answer = zone.answer  # type: ignore[attr-defined]
    keys = {"aws_access_key_id": answer["access_key"], "aws_secret_access_key": answer["secret_key"]}
    return boto3.client("s3", endpoint_url=answer["endpoint"], region_name="eu-west-2", **keys)


def publish(project: Path, *numbers: int) -> None:
    lines = "\n".join(f'{{"id": {number}}}' for number in numbers)
    assert catchwater("publish", "pings", "-", project, stdin=lines).exit == 0


def ids(project: Path) -> list[int]:
    done = catchwater("query", "SELECT id FROM pings ORDER BY id", project, "--json")
    assert done.exit == 0, done.err
    return [row["id"] for row in done.json]


def start(project: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "catchwater", "run", str(project)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def begun(project: Path) -> list[dict[str, Any]]:
    return Records(project / ".catchwater").runs(100)


def test_every_command_on_a_lake_in_a_bucket(project: Path, ministack: Zone) -> None:
    assert catchwater("check", project).exit == 0
    publish(project, 1, 2)
    assert catchwater("publish", "pings", "-", project, "-m", "no JSON").exit == 0
    first = catchwater("run", project, "--json")
    assert first.exit == 3, first.err
    number = first.json["number"]
    publish(project, 3)
    assert catchwater("run", project).exit == 0
    assert ids(project) == [1, 2, 3]
    assert catchwater("runs", number, project, "--quarantine", "--json").json[0]["text"] == "no JSON"
    well = catchwater("verify", project, "--json")
    assert (well.exit, well.json["problems"]) == (0, [])
    status = catchwater("status", project, "--json").json
    assert (status["sources"][0]["seq"], status["models"][0]["rows"], status["problems"]) == (2, 3, [])
    stored = keys(project, ministack)
    assert {"raw_layer/pings/_log/00000000000000000002/query_log.json"} < set(stored)
    assert [key.split("/")[0] for key in stored if "/_runs/" in key] == ["raw_layer", "raw_layer"]
    assert {key.split("/")[0] for key in stored} == {"raw_layer", "qualified"}
    assert not (project / ".catchwater" / "lake").exists()


def test_verify_reads_the_bucket_and_not_the_copies(project: Path, ministack: Zone) -> None:
    publish(project, 1)
    assert catchwater("run", project).exit == 0
    [key] = [key for key in keys(project, ministack) if key.startswith("raw_layer/pings/data/")]
    client = bucket(ministack)
    client.put_object(Bucket="lake", Key=f"{project.parent.name}/{key}", Body=b"PAR1 of somebody else PAR1")
    client.close()
    broken = catchwater("verify", project)
    assert broken.exit == 1
    assert key.removeprefix("raw_layer/") in broken.out
    assert not list((project / ".catchwater").glob("verify-*"))


def test_killed_runs_and_two_at_once_lose_and_double_nothing(project: Path) -> None:
    chance = random.Random(4)
    published: list[int] = []
    for round_ in range(4):
        numbers = [round_ * 10 + n for n in range(5)]
        published += numbers
        publish(project, *numbers)
        before = len(begun(project))
        runs = [start(project), start(project)]
        until(lambda: len(begun(project)) > before, "no run began")  # noqa: B023 (called before it changes)
        time.sleep(chance.uniform(0, 0.2))
        for run in runs[: 1 + round_ % 2]:
            run.send_signal(signal.SIGKILL)
        codes = [run.wait(60) for run in runs]
        assert set(codes) <= {0, -signal.SIGKILL}
    assert catchwater("run", project).exit == 0
    assert ids(project) == published
    done = catchwater("query", "SELECT count(*) AS n FROM pings", project, "--json").json
    assert done == [{"n": len(published)}]
    assert catchwater("verify", project).exit == 0
    states = {run["state"] for run in catchwater("runs", project, "--json").json}
    assert states <= {"done", "interrupted"}
    assert "interrupted" in states


def test_a_bucket_that_refuses_is_told_and_the_last_state_read(project: Path, ministack: Zone) -> None:
    publish(project, 1)
    assert catchwater("run", project).exit == 0
    publish(project, 2)
    wrong = {
        "there is no bucket nothere": {"LAKE_URL": "s3://nothere/x"},
        "the bucket refuses us": {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "of-nobody"},
    }
    for said, given in wrong.items():
        settle(project, ministack, **given)
        done = catchwater("run", project)
        assert done.exit == 1
        assert said in done.out
        assert "of-nobody" not in done.out + done.err
        assert ids(project) == [1]
        status = catchwater("status", project, "--json")
        assert status.exit == 0
        assert any(said in problem for problem in status.json["problems"])
        assert "wrong" in catchwater("status", project).out
        assert catchwater("verify", project).exit == 1
    settle(project, ministack)
    assert catchwater("run", project).exit == 0
    assert ids(project) == [1, 2]


def test_where_the_lake_is_must_be_known(project: Path, ministack: Zone) -> None:
    settle(project, ministack, LAKE_URL="ftp://lake/x")
    done = catchwater("run", project)
    assert done.exit == 1
    assert "lake.url is neither on S3 nor on GCS" in done.out
    settle(project, ministack, LAKE_URL="")
    done = catchwater("run", project)
    assert done.exit == 1
    assert "the variable LAKE_URL is empty" in done.out
    (project / "catchwater.yml").write_text(PROJECT + "lake: {url: 'ftp://x/y', ingestion: one, processed: one}\n")
    done = catchwater("check", project)
    assert done.exit == 2
    assert "catchwater.yml:6:" in done.err
    assert "a lake is a folder, on S3 or on GCS" in done.err
    assert "'one' is also the name of ingestion" in done.err
