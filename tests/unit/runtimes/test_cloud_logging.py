"""Measurements on Google Cloud: one line of JSON per wake, with numbers that a log-based metric can count."""

import json

import pytest

from catchwater.adapters.metrics.cloud_logging import CloudLogging
from catchwater.ports import Measured


def test_one_line_with_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"rows_in": 3.0, "seconds": 0.25, "odd": float("nan")}
    CloudLogging().put(Measured("événements", "dev", "ingest:events", "ingest", "run-1", values))
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {
        "severity": "INFO",
        "message": "measured ingest:events",
        "catchwater": {
            "project": "événements", "environment": "dev", "step": "ingest:events", "stage": "ingest",
            "run": "run-1", "values": {"rows_in": 3.0, "seconds": 0.25},
        },
    }  # fmt: skip
    assert "NaN" not in line
