"""The contract of Secrets, on the adapter that reads variables and on the one that asks AWS."""

import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from catchwater.adapters.aws import client
from catchwater.adapters.secrets import secrets_manager
from catchwater.adapters.secrets.variables import VariableSecrets, variable_of
from catchwater.errors import SecretMissing
from catchwater.ports import Secrets, Settings
from catchwater.project.variables import read, resolve
from catchwater.wiring import adapter
from tests.support.emulators import Zone, ministack, variables

__all__ = ["ministack"]


def secrets(folder: Path, **variables: str) -> Secrets:
    held = read(folder, variables)
    made: Secrets = adapter("secrets", "variables")(
        "variables", None, Settings(folder, folder / ".catchwater", "dev", lambda text: resolve(text, held))
    )
    return made


def test_a_secret_is_read_from_the_environment_and_from_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TOTESYS_WAREHOUSE='postgresql://u:${p}#@h/d'\nGITHUB_WEBHOOK=old\n")
    held = secrets(tmp_path, GITHUB_WEBHOOK="s3cr$$t ${X}")
    assert held.read("github-webhook") == "s3cr$$t ${X}"
    assert held.read("totesys-warehouse") == "postgresql://u:${p}#@h/d"


@pytest.mark.parametrize("variables", [{}, {"GITHUB_WEBHOOK": ""}])
def test_a_missing_or_empty_secret_says_the_line_to_write(variables: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(SecretMissing, match="the secret github-webhook isn't set in dev") as caught:
        secrets(tmp_path, **variables).read("github-webhook")
    assert caught.value.next_step == f"put a line into {tmp_path / '.env'}: GITHUB_WEBHOOK=…"


@pytest.mark.parametrize("name", ["", "-", "é", "${X}"])
def test_a_name_that_is_none(name: str, tmp_path: Path) -> None:
    with pytest.raises(SecretMissing):
        secrets(tmp_path).read(name)


def test_an_empty_value_is_never_a_secret(tmp_path: Path) -> None:
    held = VariableSecrets("variables", None, Settings(tmp_path, tmp_path, "local", lambda text: ""))
    with pytest.raises(SecretMissing):
        held.read("github-webhook")


@pytest.mark.parametrize(
    ("name", "variable"),
    [("github-webhook", "GITHUB_WEBHOOK"), ("a/b.c", "A_B_C"), ("2fa", "_2FA"), ("already_SO", "ALREADY_SO")],
)
def test_the_variable_of_a_secret(name: str, variable: str) -> None:
    assert variable_of(name) == variable


# AWS Secrets Manager, on an emulator


@pytest.fixture
def manager(ministack: Zone, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The service as its owner sees it; nothing is remembered from other tests."""
    monkeypatch.setattr(secrets_manager, "_held", {})
    return client("secretsmanager", variables(ministack.answer))  # type: ignore[attr-defined]


def kept(ministack: Zone, folder: Path, project: str, **more: str) -> Secrets:
    given = variables(ministack.answer) | more  # type: ignore[attr-defined]
    made: Secrets = adapter("secrets", "secrets_manager")(
        "secrets_manager", None, Settings(folder, folder, "dev", lambda text: text, project, given)
    )
    return made


def test_a_secret_is_read_by_its_name_in_the_cloud_and_remembered(
    ministack: Zone, manager: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"p{uuid4().hex[:8]}"
    manager.create_secret(Name=f"{name}-dev-a-b", SecretString="s3cr$$t ${X} ü")
    held = kept(ministack, tmp_path, name)
    assert held.read("a/b") == "s3cr$$t ${X} ü"
    manager.put_secret_value(SecretId=f"{name}-dev-a-b", SecretString="rotated")
    assert kept(ministack, tmp_path, name).read("a/b") == "s3cr$$t ${X} ü"
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + secrets_manager.KEPT + 1)
    assert held.read("a/b") == "rotated"


def test_what_the_service_does_not_give_is_named(ministack: Zone, manager: Any, tmp_path: Path) -> None:
    name = f"p{uuid4().hex[:8]}"
    with pytest.raises(SecretMissing, match="the secret a isn't set in dev") as caught:
        kept(ministack, tmp_path, name).read("a")
    assert f"put-secret-value --secret-id {name}-dev-a" in caught.value.next_step
    manager.create_secret(Name=f"{name}-dev-b", SecretBinary=b"bytes")
    with pytest.raises(SecretMissing, match="the secret b has no text"):
        kept(ministack, tmp_path, name).read("b")


def test_a_role_without_the_right_is_told_which(ministack: Zone, manager: Any, tmp_path: Path) -> None:
    name = f"p{uuid4().hex[:8]}"
    manager.create_secret(Name=f"{name}-dev-a", SecretString="TOPSECRET")
    iam = client("iam", variables(ministack.answer))  # type: ignore[attr-defined]
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    held = kept(
        ministack, tmp_path, name, AWS_ACCESS_KEY_ID=key["AccessKeyId"], AWS_SECRET_ACCESS_KEY=key["SecretAccessKey"]
    )
    with pytest.raises(SecretMissing, match="secretsmanager:GetSecretValue"):
        held.read("a")


def test_nobody_answers(ministack: Zone, manager: Any, tmp_path: Path) -> None:
    with pytest.raises(SecretMissing, match="the secret a can't be read: EndpointConnectionError"):
        kept(ministack, tmp_path, "p", AWS_ENDPOINT_URL_SECRETSMANAGER="http://127.0.0.1:9").read("a")
