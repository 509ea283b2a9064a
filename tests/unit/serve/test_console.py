"""The console shows whatever the runtime says, and nothing of it becomes markup."""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from catchwater.plan.plan import Read, SourcePlan
from catchwater.project.tables import Column, TableSchema
from catchwater.serve.console.lineage import HEIGHT, Node, draw, graph
from catchwater.serve.console.page import ago, duration, number
from tests.support import totesys
from tests.support.serving import House, Runtime, model, plan, serving

BAD = "<script>alert('x')</script>\" onload=\"x"


def test_durations_and_times_are_short() -> None:
    said = [duration(s) for s in (0, 0.25, 9.9, 12, 119, 120, 7199, 7200, 172799, 172800, None, "x")]
    assert said == [
        "0.0 s",
        "0.2 s",
        "9.9 s",
        "12 s",
        "119 s",
        "2 m",
        "120 m",
        "2 h",
        "48 h",
        "2 d",
        "\u2013",
        "\u2013",
    ]
    assert ago("2026-11-21T10:00:00Z", "2026-11-21T10:00:05Z") == "5.0 s ago"
    assert ago("2026-11-21T10:10:00Z", "2026-11-21T10:00:00Z") == "in 10 m"
    assert [ago(*x) for x in ((None, None), ("x", "y"), ("2026-11-21", "2026-11-21T10:00:00Z"))] == ["\u2013"] * 3
    assert [number(1234567), number(None)] == ["1\u202f234\u202f567", "\u2013"]


def test_lineage_goes_from_left_to_right_without_overlaps() -> None:
    house = totesys.house()
    drawing = draw(*graph(totesys.project(house), ["API", "console"]))
    at = {node.id: node for node in drawing.nodes}
    assert len(at) == 1 + 11 + 11 + 1 + 2
    assert all(at[one].x < at[two].x for one, two in drawing.edges)
    assert at["m:dim_date"].x == at["m:dim_staff"].x
    places = sorted((node.x, node.y) for node in drawing.nodes)
    for (x1, y1), (x2, y2) in itertools.pairwise(places):
        assert x1 != x2 or y2 - y1 >= HEIGHT
    assert all(node.x < drawing.width and node.y < drawing.height for node in drawing.nodes)
    crossings = _crossings(drawing)
    assert crossings <= 3, crossings


def _crossings(drawing: Any) -> int:
    at = {node.id: node for node in drawing.nodes}
    edges = [(at[a], at[b]) for a, b in drawing.edges if a.startswith("t:")]
    pairs = [(e, f) for i, e in enumerate(edges) for f in edges[:i]]
    return sum((e[0].y - f[0].y) * (e[1].y - f[1].y) < 0 for e, f in pairs)


def test_models_over_models_are_further_right_and_a_cycle_ends() -> None:
    house = House()
    one = model(house, "one", columns=(Column("id", "BIGINT"),))
    two = model(house, "two", columns=(Column("id", "BIGINT"),), reads=(Read("processed/one", "one", "one"),))
    at = {node.id: node.x for node in draw(*graph(plan([two, one]), [])).nodes}
    assert at["m:one"] < at["m:two"] < at["w"]
    looped = draw([Node("a", "a", "model"), Node("b", "b", "model")], [("a", "b"), ("b", "a")])
    assert len(looped.nodes) == 2
    assert draw([], []).nodes == ()


@pytest.mark.parametrize(("said", "past"), [({}, []), ({"failures": None, "sources": [{}], "models": [{}]}, [{}])])
def test_what_is_missing_is_a_dash(tmp_path: Path, said: dict[str, Any], past: list[dict[str, Any]]) -> None:
    made = House()
    with serving(plan([]), made, tmp_path, runtime=Runtime(said=said, past=past)) as running:
        answer = running.client.get("/")
        assert answer.status_code == 200
        assert "shop" in answer.text


def test_nothing_that_is_said_becomes_markup(tmp_path: Path) -> None:
    house = House()
    house.publish(**{BAD: "SELECT 1 AS id"})
    status = totesys.status() | {"project": BAD, "environment": BAD, "now": BAD}
    for name in ("failures", "sources", "models", "quarantine", "triggers"):
        status[name] = [
            {key: BAD if isinstance(value, str) else value for key, value in one.items()} for one in status[name]
        ]
    past = [{**run, "state": BAD, "trigger": BAD, "error": BAD, "number": BAD} for run in totesys.runs()]
    for run in past:
        run["steps"] = [{**step, "name": BAD, "stage": BAD, "state": BAD} for step in run["steps"]]
    sources = (SourcePlan(BAD, "topic", {}, (TableSchema(BAD, (Column("id", "BIGINT"),)),)),)
    made = plan([model(house, BAD, ["id"], description=BAD)], sources=sources)
    with serving(made, house, tmp_path, runtime=Runtime(said=status, past=past)) as running:
        text = running.client.get("/").text
        assert "<script" not in text
        assert not re.search(r"""\sonload=["']""", text)
        twin = running.client.get("/console.json").json()
    assert twin["status"] == status
    assert twin["runs"] == past
    assert {node["name"] for node in twin["lineage"]["nodes"]} >= {BAD}
    assert twin["tables"][0]["name"] == BAD


def test_nothing_comes_from_elsewhere(tmp_path: Path) -> None:
    with serving(plan([]), House(), tmp_path) as running:
        text = running.client.get("/").text
        links = re.findall(r'(?:href|src|content)="([^"]*)"', text)
        assert links
        assert not [link for link in links if "//" in link]
        for url in ("/console.css", "/icon.svg"):
            assert running.client.get(url).status_code == 200
            assert "url(" not in running.client.get(url).text
