"""The contract of Secrets, on the adapter that reads variables."""

from pathlib import Path

import pytest

from catchwater.adapters.secrets.variables import VariableSecrets, variable_of
from catchwater.errors import SecretMissing
from catchwater.ports import Secrets, Settings
from catchwater.project.variables import read, resolve
from catchwater.wiring import adapter


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
