"""The JSON Schema: as committed, and of one mind with the loader about the five files and about wrong ones."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from catchwater.project.jsonschema import json_schema

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "tests" / "golden" / "project").glob("*/catchwater.yml"))
LEAST = "project: p\nsources: {s: {kind: postgres, url: x}}\n"


def valid(text: str) -> bool:
    return jsonschema_rs.Draft202012Validator(json_schema()).is_valid(YAML(typ="safe").load(text))


def test_the_committed_schema_is_the_one(golden: Callable[[Path, str], None]) -> None:
    text = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    golden(ROOT / "docs" / "catchwater.schema.json", text)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_the_five_files_fit(path: Path) -> None:
    assert valid(path.read_text())


@pytest.mark.parametrize(
    "text",
    [
        "project: p\n",
        LEAST + "zzz: 1\n",
        LEAST + "ci: x\n",
        LEAST + "aws: {region: r, account: 111122223333}\n",
        LEAST + "environments: {dev: {zzz: 1}}\n",
        LEAST + "environments: {dev: {sources: {s: {hots: null}}}}\n",
        LEAST + "environments: {dev: {ci: x}}\n",
        "project: p\nsources: {s: {kind: postgress}}\n",
        "project: p\nsources: {My Source: {kind: postgres}}\n",
    ],
)
def test_what_the_loader_refuses_doesnt_fit(text: str) -> None:
    assert valid(LEAST)
    assert not valid(text)


@pytest.mark.parametrize(
    "environment", ["", "{sources: {s: {url: null, host: h}}}", "{like: local}", "{sources: null}", "{alerts: []}"]
)
def test_an_override_may_say_a_part_only(environment: str) -> None:
    assert valid(LEAST + f"environments: {{dev: {environment}}}\n")
