"""The project file: what is resolved, and what is said of everything wrong in it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from catchwater.errors import ProjectError, UseError
from catchwater.project.load import load

GOLDEN = Path(__file__).parents[2] / "golden" / "project"
FIVE = {
    "totesys": ("local", "dev", "prod"),
    "github_activity": ("local", "stage"),
    "events": ("local", "dev"),
    "open_data": ("local", "dev", "prod"),
    "shop": ("local", "prod"),
}
PAIRS = [(name, environment) for name, found in FIVE.items() for environment in found]


@pytest.mark.parametrize(("name", "environment"), PAIRS)
def test_the_five_files_resolve_in_every_environment(
    name: str, environment: str, golden: Callable[[Path, str], None]
) -> None:
    loaded = load(GOLDEN / name, environment, {})
    text = json.dumps(loaded.project.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False)
    golden(GOLDEN / name / f"{environment}.json", text + "\n")
