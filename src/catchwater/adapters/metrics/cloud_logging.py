"""Measurements as structured log lines, which log-based metrics of Cloud Monitoring count; no client, no network."""

import json
import math

from catchwater.ports import Measured


class CloudLogging:
    """One line of JSON per wake on standard output: numbers are under `catchwater.values`."""

    def put(self, measured: Measured) -> None:
        values = {name: value for name, value in measured.values.items() if math.isfinite(value)}
        names = ("project", "environment", "step", "stage", "run")
        held = {name: getattr(measured, name) for name in names} | {"values": values}
        line = {"severity": "INFO", "message": f"measured {measured.step}", "catchwater": held}
        print(json.dumps(line, ensure_ascii=False), flush=True)  # noqa: T201
