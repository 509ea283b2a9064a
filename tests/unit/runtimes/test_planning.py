"""From a folder to its plan on this machine, and the plan last applied."""

from pathlib import Path

import pytest

from catchwater.errors import LakeError, SourceUnreachable
from catchwater.runtimes.planning import applied_plan, apply, open_project, plan_project
from tests.support.commands import catchwater
from tests.support.pings import write
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
