"""A project taken again without being checked is the one that was checked, and any change is seen."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

from catchwater.errors import ProjectError
from catchwater.project import known
from catchwater.project.load import load
from catchwater.project.loaded import Loaded

EXAMPLES = sorted(path.parent.name for path in (Path(__file__).parents[3] / "examples").glob("*/catchwater.yml"))
YML = """project: p
sources:
  shop: {kind: postgres, url: '${SHOP_URL}', tables: [orders], capture: {orders: {cursor: at, lag: 1 hour}}}
  pings: {kind: topic, schema: pings.json, key: [id]}
warehouse: {kind: duckdb}
serve: {api: {roles: {reader: {tables: [orders], columns: {orders: [id]}, rows: "id > 1"}}}}
alerts: [{notify: email, to: a@example.org}]
environments: {dev: {steps: {ingest: {every: 10 minutes}}}}
"""
HIDDEN = {"SHOP_URL": "postgresql://somebody:hush@127.0.0.1/shop"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "orders.sql").write_text("SELECT id FROM shop.orders")
    (tmp_path / "pings.json").write_text("{}")
    (tmp_path / "catchwater.yml").write_text(YML)
    return tmp_path


def kept(folder: Path, environment: str = "local") -> tuple[Path, Loaded]:
    """The project as it is found right, and the file in which it is kept."""
    found = load(folder, environment, HIDDEN)
    digest = known.same_as(folder, environment)
    loaded = Loaded(folder, environment, found.project, found.variables, found.lines, digest)
    file = folder / "kept"
    file.write_bytes(known.written(loaded))
    return file, loaded


def again(folder: Path, file: Path, environment: str = "local") -> Loaded | None:
    return known.read(folder, environment, known.same_as(folder, environment), file, HIDDEN)


def same(one: object, other: object) -> bool:
    """Every field, list and mapping of a project against the other's."""
    if isinstance(one, BaseModel):
        return all(same(getattr(one, name), getattr(other, name)) for name in type(one).model_fields)
    if isinstance(one, dict):
        return isinstance(other, dict) and list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("environment", ["local", "dev"])
def test_it_is_the_project_that_was_checked(folder: Path, environment: str) -> None:
    file, loaded = kept(folder, environment)
    found = again(folder, file, environment)
    assert found is not None
    assert same(loaded.project, found.project)
    assert (found.lines, found.variables, found.digest) == (loaded.lines, loaded.variables, loaded.digest)
    assert found.project.in_cloud is False
    assert found.project.model_dump() == loaded.project.model_dump()
    shop = found.project.sources["shop"]
    assert shop.model_dump(by_alias=True) == loaded.project.sources["shop"].model_dump(by_alias=True)
    assert not same(loaded.project, load(folder, "dev" if environment == "local" else "local", HIDDEN).project)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_taken_again(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    shutil.copytree(Path(__file__).parents[3] / "examples" / name, folder, ignore=shutil.ignore_patterns(".catchwater"))
    file, loaded = kept(folder)
    found = again(folder, file)
    assert found is not None
    assert same(loaded.project, found.project)


def test_no_value_of_a_variable_is_kept(folder: Path) -> None:
    file, _ = kept(folder)
    assert b"hush" not in file.read_bytes()
    assert b"${SHOP_URL}" in file.read_bytes()
    (folder / ".env").write_text("NEW=1\n")
    found = again(folder, file)
    assert found is not None
    assert found.variables == HIDDEN | {"NEW": "1"}
    (folder / ".env").write_text("nonsense\n")
    with pytest.raises(ProjectError):
        again(folder, file)


CHANGES: dict[str, Callable[[Path], object]] = {
    "the file": lambda folder: (folder / "catchwater.yml").write_text(YML.replace("1 hour", "2 hours")),
    "a comment in it": lambda folder: (folder / "catchwater.yml").write_text(YML + "# more\n"),
    "a model": lambda folder: (folder / "models" / "orders.sql").write_text("SELECT 1 AS id"),
    "a new model": lambda folder: (folder / "models" / "more.sql").write_text("SELECT 1 AS id"),
    "a model renamed": lambda folder: (folder / "models" / "orders.sql").rename(folder / "models" / "other.sql"),
    "a schema that is gone": lambda folder: (folder / "pings.json").unlink(),
    "a schema that leads outside": lambda folder: (
        (folder / "pings.json").unlink(), (folder / "pings.json").symlink_to("/etc/hostname")
    ),
    "the file is gone": lambda folder: (folder / "catchwater.yml").unlink(),
    "what is kept cut off": lambda folder: (folder / "kept").write_bytes((folder / "kept").read_bytes()[:-9]),
    "what is kept empty": lambda folder: (folder / "kept").write_bytes(b""),
    "what is kept of another shape": lambda folder: (folder / "kept").write_bytes(b"[1]"),
    "what is kept gone": lambda folder: (folder / "kept").unlink(),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_is_seen(folder: Path, change: str) -> None:
    file, _ = kept(folder)
    assert again(folder, file) is not None
    CHANGES[change](folder)
    assert again(folder, file) is None


def test_the_rules_of_another_version_are_another_project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, _ = kept(folder)
    monkeypatch.setattr(known, "__version__", "0.0.0")
    assert again(folder, file) is None
    monkeypatch.undo()
    monkeypatch.setattr(known, "_rules", lambda: [("schema.py", 1, 1)])
    assert again(folder, file) is None


def test_another_environment_is_another_project(folder: Path) -> None:
    file, _ = kept(folder)
    assert again(folder, file, "dev") is None


def test_a_broken_variant_is_caught(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that doesn't look at the models would go on with a reference to a model that is gone."""
    monkeypatch.setattr(known, "model_files", lambda folder: iter(()))
    file, _ = kept(folder)
    CHANGES["a model renamed"](folder)
    assert again(folder, file) is not None
    with pytest.raises(ProjectError, match="no model orders"):
        load(folder, "local", HIDDEN)


def test_it_doesn_t_change_and_has_nothing_that_wasn_t_declared(folder: Path) -> None:
    file, _ = kept(folder)
    found = again(folder, file)
    assert found is not None
    with pytest.raises(AttributeError):
        found.project.project = "other"
    with pytest.raises(AttributeError):
        _ = found.project.warehouse.secret  # type: ignore[union-attr]
