"""Measurements as structured log lines, which log-based metrics of Cloud Monitoring count; no client, no network."""

import json

from catchwater.ports import Measured


class CloudLogging:
    """One line of JSON per wake on standard output: numbers are under `catchwater.values`."""

    def put(self, measured: Measured) -> None:
        names = ("project", "environment", "step", "stage", "run")
        held = {name: getattr(measured, name) for name in names} | {"values": dict(measured.values)}
        line = {"severity": "INFO", "message": f"measured {measured.step}", "catchwater": held}
        print(json.dumps(line, ensure_ascii=False), flush=True)  # noqa: T201
