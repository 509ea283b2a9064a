"""From a folder to its plan on this machine, and the plan last applied."""

from pathlib import Path

import pytest

from catchwater.errors import LakeError, SourceUnreachable
from catchwater.runtimes import planning
from catchwater.runtimes.planning import Planned, applied_plan, apply, ask, open_project, plan_project, remember
from tests.support.commands import catchwater
from tests.support.pings import SCHEMA, write
from tests.support.postgres import Database, db, postgres18

__all__ = ["db", "postgres18"]


def test_a_plan_is_applied_once(tmp_path: Path) -> None:
    wiring = open_project(write(tmp_path / "pings"))
    assert applied_plan(wiring.state) is None
    planned = plan_project(wiring)
    assert planned.unreachable == {}
    assert [apply(planned.plan, wiring.state), apply(planned.plan, wiring.state)] == [True, False]
    assert applied_plan(wiring.state) == planned.plan
    assert [path.name for path in wiring.state.iterdir()] == ["plan.json"]


@pytest.mark.parametrize("text", [b"", b"{}", b"\xff", b'{"project": 1}'])
def test_a_plan_that_can_t_be_read_is_named(tmp_path: Path, text: bytes) -> None:
    folder = write(tmp_path / "pings")
    (folder / ".catchwater").mkdir()
    (folder / ".catchwater" / "plan.json").write_bytes(text)
    with pytest.raises(LakeError, match="delete it: rm"):
        applied_plan(folder / ".catchwater")
    done = catchwater("run", folder)
    assert done.exit == 1
    assert "this plan can't be read" in done.err


def test_a_source_that_can_t_be_reached_keeps_its_tables(
    tmp_path: Path, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.run("CREATE TABLE orders (id int PRIMARY KEY)")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "orders.sql").write_text("/*---\nkey: [id]\n---*/\nSELECT id FROM shop.orders")
    (tmp_path / "catchwater.yml").write_text('project: p\nsources: {shop: {kind: postgres, url: "${SHOP_URL}"}}\n')
    monkeypatch.setenv("SHOP_URL", db.url())
    wiring = open_project(tmp_path)
    apply(plan_project(wiring).plan, wiring.state)
    monkeypatch.setenv("SHOP_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    planned = plan_project(open_project(tmp_path))
    assert [table.name for table in planned.plan.source("shop").tables] == ["orders"]
    assert isinstance(planned.unreachable["shop"], SourceUnreachable)
    shown = catchwater("plan", tmp_path)
    assert shown.exit == 0
    assert "its last known tables stand" in shown.out
    checked = catchwater("check", tmp_path, "--json")
    assert checked.exit == 1
    assert checked.json["error"] == "SourceUnreachable"


def _again(folder: Path) -> Planned:
    """Plan as `catchwater run` does, and apply."""
    wiring = open_project(folder, again=True)
    planned = plan_project(wiring)
    apply(planned.plan, wiring.state, planned.inputs, wiring.loaded.digest)
    remember(wiring)
    return planned


def _add(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


MOVED = {
    "the project file": lambda folder: _add(folder / "catchwater.yml", "promise: {freshness: 1 minute}\n"),
    "a model": lambda folder: _add(folder / "models" / "pings.sql", "-- said again"),
    "a variable in a model": lambda folder: (folder / ".env").write_text("LIMIT=2\n"),
    "the source's table": lambda folder: (folder / "schemas" / "ping.json").write_text(SCHEMA.replace("note", "text")),
    "the plan": lambda folder: _add(folder / ".catchwater" / "plan.json", "\n"),
    "what it was made of": lambda folder: (folder / ".catchwater" / "plan.inputs").unlink(),
    "the project that was kept": lambda folder: (folder / ".catchwater" / "project.json").unlink(),
}


@pytest.mark.parametrize("moved", MOVED)
def test_a_plan_is_the_one_applied_as_long_as_nothing_moved(moved: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "pings")
    (folder / ".env").write_text("LIMIT=1\n")
    _add(folder / "models" / "pings.sql", "WHERE id < ${LIMIT} OR note = 'note'")
    if moved == "the source's table":
        (folder / "models" / "pings.sql").write_text("/*---\nkey: [id]\n---*/\nSELECT * FROM pings")
    first = _again(folder)
    assert [first.applied, _again(folder).applied] == [False, True]
    MOVED[moved](folder)
    fresh = plan_project(open_project(folder))
    planned = _again(folder)
    assert planned.plan == fresh.plan
    assert planned.applied == (moved in ("the project that was kept",))
    assert _again(folder).applied


def test_a_broken_variant_that_forgets_the_project_file_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "pings")
    monkeypatch.setattr(planning.known_before, "same_as", lambda folder, environment: "the same")
    _again(folder)
    MOVED["the project file"](folder)
    assert _again(folder).plan != plan_project(open_project(folder)).plan


def test_sources_asked_all_at_once_give_the_same_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "ping.json").write_text(SCHEMA)
    (tmp_path / "catchwater.yml").write_text(
        "project: p\nsources:\n  one: {kind: topic, schema: ping.json, key: [id]}\n"
        '  two: {kind: topic, schema: ping.json, key: [id]}\n  shop: {kind: postgres, url: "${SHOP_URL}"}\n'
    )
    monkeypatch.setenv("SHOP_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    wiring = open_project(tmp_path)
    with pytest.raises(SourceUnreachable):
        plan_project(wiring, described=ask(wiring))
    file = tmp_path / "catchwater.yml"
    file.write_text(file.read_text().partition("  shop:")[0])
    wiring = open_project(tmp_path)
    described = ask(wiring)
    assert sorted(described) == ["one", "two"]
    monkeypatch.setattr(planning, "_describe", lambda wiring, name: pytest.fail("asked twice"))
    planned = plan_project(wiring, described=described)
    monkeypatch.undo()
    assert planned.plan == plan_project(wiring).plan
