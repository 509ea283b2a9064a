"""How much memory DuckDB may take: of the machine, the function or the container, whichever is least."""

from pathlib import Path

import pytest

from catchwater.adapters import memory
from catchwater.adapters.memory import limit

GB = 1 << 30


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "_machine", lambda: 10 * GB)
    monkeypatch.setattr(memory, "_CGROUPS", (tmp_path / "max", tmp_path / "limit"))
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", raising=False)


def test_of_the_machine_and_never_more_than_asked() -> None:
    assert limit(100 * GB) == 6 * GB
    assert limit(4 * GB) == 4 * GB


def test_of_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
    assert limit(4 * GB) == 256 << 20


@pytest.mark.parametrize("told", ["", "0", "many"])
def test_what_lambda_would_never_say(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", told)
    assert limit(100 * GB) == 6 * GB


@pytest.mark.parametrize(("text", "expected"), [(f"{GB}\n", int(0.6 * GB)), ("max\n", 6 * GB), ("0", 6 * GB)])
@pytest.mark.parametrize("name", ["max", "limit"])
def test_of_the_container(name: str, text: str, expected: int, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert limit(100 * GB) == expected
