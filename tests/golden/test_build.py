"""What each example becomes in each of its clouds, byte by byte; look at a difference, then `pytest --update-golden`."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from catchwater.infra.compile import build
from catchwater.infra.names import LIMITS
from tests.support.examples import CLOUDS, EXAMPLES, plan_of

HERE = Path(__file__).parent / "infra"
DOCS = Path(__file__).parents[2] / "docs"
each = pytest.mark.parametrize(("name", "environment"), CLOUDS, ids=["-".join(one) for one in CLOUDS])


@cache
def built(name: str, environment: str) -> dict[str, bytes]:
    siblings = [plan_of(name, env) for other, env in CLOUDS if other == name]
    return build(plan_of(name, environment), EXAMPLES / name, siblings)


def roots(files: dict[str, bytes]) -> dict[str, str]:
    """The generated roots, without modules, plans and pictures."""
    return {p: d.decode() for p, d in files.items() if p.endswith(".tf") and "/modules/" not in p}


@each
def test_each_example_becomes_its_roots(name: str, environment: str, golden: Callable[[Path, str], None]) -> None:
    shown = {
        path: data.decode()
        for path, data in built(name, environment).items()
        if not path.endswith((".json", ".svg")) and "/modules/" not in path
    }
    golden(HERE / f"{name}-{environment}.txt", "".join(f"==> {path} <==\n{text}\n" for path, text in shown.items()))


@each
def test_twice_gives_the_same_bytes(name: str, environment: str) -> None:
    siblings = [plan_of(name, env) for other, env in CLOUDS if other == name]
    assert build(plan_of(name, environment), EXAMPLES / name, siblings) == built(name, environment)


@each
def test_roots_only_call_modules(name: str, environment: str) -> None:
    for path, text in roots(built(name, environment)).items():
        lines = [line for line in text.splitlines() if line.startswith(("resource ", "data ", "locals "))]
        assert not lines, f"{path}: {lines}"


@each
def test_every_module_called_is_there_and_every_module_there_is_called(name: str, environment: str) -> None:
    files = built(name, environment)
    there = {"/".join(path.split("/")[2:4]) for path in files if path.startswith("infra/modules/")}
    called = set()
    for text in roots(files).values():
        sources = [
            line.split('"')[1]
            for line in text.splitlines()
            if line.strip().startswith("source ") and "modules/" in line
        ]
        called |= {source.split("modules/")[1] for source in sources}
    assert called == there


@each
def test_every_stack_has_a_state_of_its_own(name: str, environment: str) -> None:
    states = []
    for path, text in roots(built(name, environment)).items():
        if path.endswith("/terraform.tf") and 'backend "' in text:
            states.append("\n".join(line for line in text.splitlines() if line.strip().startswith(("key", "prefix"))))
    assert states
    assert len(states) == len(set(states))


@each
def test_no_login_is_in_any_file(name: str, environment: str) -> None:
    for path, data in built(name, environment).items():
        assert b"nobody@127.0.0.1" not in data, path


def test_the_two_environments_of_a_project_differ_in_their_names_alone() -> None:
    dev, prod = (built("totesys", env) for env in ("dev", "prod"))
    moved = {p.replace("infra/dev/", "infra/prod/") for p in dev}
    assert moved == set(prod)
    workflow = ".github/workflows/catchwater.yml"
    assert dev[workflow] == prod[workflow]


def test_every_module_in_the_package_has_a_user() -> None:
    used = {"/".join(p.split("/")[2:4]) for one in CLOUDS for p in built(*one) if p.startswith("infra/modules/")}
    folder = Path(__file__).parents[2] / "src/catchwater/infra/modules"
    assert used == {
        f"{entity.parent.name}/{entity.name}" for entity in folder.glob("*/*") if (entity / "main.tf").exists()
    }


def test_every_kind_of_name_has_a_user() -> None:
    source = "".join(path.read_text() for path in (Path(__file__).parents[2] / "src/catchwater/infra").rglob("*.py"))
    assert not [kind for kind in LIMITS if source.count(f'"{kind}"') < 2]


def listed(page: str, name: str, environment: str) -> list[str]:
    """The paths that a page lists between its markers for one environment."""
    text = (DOCS / page).read_text()
    start = f"<!-- files of {name} {environment} -->"
    assert start in text, f"{page} lists no files of {name} {environment}"
    part = text.split(start, 1)[1].split("<!-- end -->", 1)[0]
    return sorted(line.split("`")[1] for line in part.splitlines() if line.startswith("| `"))


@pytest.mark.parametrize(
    ("page", "name", "environment"),
    [
        ("aws.md", "totesys", "dev"),
        ("aws.md", "github_activity", "stage"),
        ("google.md", "events", "dev"),
        ("google.md", "open_data", "dev"),
        ("two-clouds.md", "shop", "prod"),
    ],
    ids=lambda value: str(value),
)
def test_the_docs_name_every_file_that_is_generated(page: str, name: str, environment: str) -> None:
    files = [path for path in built(name, environment) if not path.startswith("infra/modules/")]
    assert listed(page, name, environment) == files
