"""Measurements for CloudWatch: each is one line that the Embedded Metric Format takes."""

import io
import json
import time
from typing import Any

import pytest

from catchwater.ports import Measured, Metrics
from catchwater.wiring import adapter


def put(values: dict[str, float]) -> list[dict[str, Any]]:
    out = io.StringIO()
    held: Metrics = adapter("metrics", "emf")(out)
    held.put(Measured("totesys", "dev", "ingest:totesys", "ingest", "20261121T0-ab", values))
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_measurement_is_one_line_whose_metrics_are_its_own_members() -> None:
    (line,) = put({"rows_in": 3.0, "seconds": 0.25, "successes": 1.0})
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Catchwater"
    assert directive["Dimensions"] == [["project", "environment", "step"]]
    assert {one["Name"]: one["Unit"] for one in directive["Metrics"]} == {
        "rows_in": "Count", "seconds": "Seconds", "successes": "Count",
    }  # fmt: skip
    assert [line[name] for name in directive["Dimensions"][0]] == ["totesys", "dev", "ingest:totesys"]
    assert [line[one["Name"]] for one in directive["Metrics"]] == [3.0, 0.25, 1.0]
    assert abs(line["_aws"]["Timestamp"] - time.time() * 1000) < 60_000
    assert (line["stage"], line["run"]) == ("ingest", "20261121T0-ab")


def test_numbers_that_cloudwatch_does_not_take_are_left_out() -> None:
    (line,) = put({"a": float("nan"), "b": float("inf"), "c": 1.0})
    assert [one["Name"] for one in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]] == ["c"]
    assert "a" not in line
    assert put({"a": float("nan")}) == []
    assert put({}) == []


def test_it_stands_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    held: Metrics = adapter("metrics", "emf")()
    held.put(Measured("p", "dev", "s", "load", "r", {"rows_in": 1.0}))
    assert json.loads(capsys.readouterr().out)["rows_in"] == 1.0
