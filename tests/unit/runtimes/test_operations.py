"""What the API asks of a running project: plain data, and refusals by kind."""

import json
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from catchwater.runtimes.current import Current
from catchwater.runtimes.operations import LocalOperations
from tests.support.pings import write
from tests.support.runtime import loop, runtime


@pytest.fixture
def pings(tmp_path: Path) -> Path:
    return write(tmp_path / "pings")


def test_runs_are_started_once_per_key(pings: Path) -> None:
    with runtime(pings) as made:
        looping, _ = loop(made)
        operations = LocalOperations(made, looping)
        first = operations.start_run("key")
        assert operations.start_run("key")["number"] == first["number"]
        other = operations.start_run(None)
        assert first["state"] == "running"
        assert looping.asked.qsize() == 2
        looping.turn()
        looping.turn()
        assert [run["state"] for run in operations.runs(10)] == ["done", "done"]
        assert operations.run(other["number"]) is not None
        assert operations.run(99) is None
        assert json.dumps(operations.status())


def test_where_nothing_loops_nothing_is_started(pings: Path) -> None:
    with runtime(pings) as made:
        with pytest.raises(PermissionError, match="this process only serves"):
            LocalOperations(made, None).start_run(None)
        assert made.records.runs(10) == []


def test_only_what_is_declared_is_published_to(pings: Path) -> None:
    with runtime(pings) as made:
        operations = LocalOperations(made, None)
        assert operations.publish("pings", [b'{"id": 1}', b'{"id": 2}']) == 2
        for act in (lambda: operations.publish("pongs", [b"{}"]), lambda: operations.webhook("pings", {}, b"{}")):
            with pytest.raises(KeyError):
                act()
        made.run()
        names = {family.name for family in text_string_to_metric_families(operations.metrics())}
        assert {"catchwater_model_rows", "catchwater_stage_rows_in"} <= names


async def _served(application: Current) -> None:
    await application({}, None, None)


def test_the_application_follows_the_plan_once_the_warehouse_does(pings: Path) -> None:
    import asyncio

    served: list[str] = []
    with runtime(pings) as made:

        def make(plan: object) -> object:
            name = f"{len(made.plan.models)} models"

            async def answer(*_: object) -> None:
                served.append(name)

            return answer

        application = Current(made, make)
        made.run()
        (pings / "models" / "more.sql").write_text("/*---\nkey: [id]\n---*/\nSELECT id FROM pings")
        made.replan()
        asyncio.run(_served(application))
        made.run()
        asyncio.run(_served(application))
        asyncio.run(_served(application))
    assert served == ["1 models", "2 models", "2 models"]
