"""Emulators of object stores, started for real: fixtures that give a fresh S3 zone each time they are called."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import boto3
import pytest

from catchwater.adapters.stores.s3 import S3Store

ROOT = Path(__file__).resolve().parents[2]
REGION = "eu-west-2"

Zone = Callable[[], S3Store]


@contextmanager
def emulator(name: str, **variables: str) -> Iterator[dict[str, str]]:
    """The line that `tools/emulators NAME` prints when the server answers; the server ends with the block."""
    command = [sys.executable, str(ROOT / "tools" / "emulators"), name]
    env = os.environ | variables
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as script:
        assert script.stdin
        assert script.stdout
        try:
            line = script.stdout.readline()
            assert line, f"{name} didn't start; its log is .emulators/{name}/last.log"
            yield json.loads(line)
        finally:
            script.stdin.close()
            script.wait(timeout=30)


def variables(answer: dict[str, str]) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": answer["endpoint"],
        "AWS_ACCESS_KEY_ID": answer["access_key"],
        "AWS_SECRET_ACCESS_KEY": answer["secret_key"],
        "AWS_REGION": REGION,
    }


def make_bucket(answer: dict[str, str], name: str) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=answer["endpoint"],
        aws_access_key_id=answer["access_key"],
        aws_secret_access_key=answer["secret_key"],
        region_name=REGION,
    )
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    client.close()


def zones(name: str, cache: Path) -> Iterator[Zone]:
    with emulator(name) as answer:
        make_bucket(answer, "lake")

        def zone() -> S3Store:
            return S3Store(f"s3://lake/{uuid4().hex}/zone", variables(answer), cache / uuid4().hex)

        zone.answer = answer  # type: ignore[attr-defined]
        yield zone


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zone]:
    yield from zones("ministack", tmp_path_factory.mktemp("ministack"))


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zone]:
    yield from zones("seaweedfs", tmp_path_factory.mktemp("seaweedfs"))
