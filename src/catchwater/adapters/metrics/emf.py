"""Measurements as lines of CloudWatch's Embedded Metric Format on standard output; nothing is sent from here."""

import json
import math
import sys
import time
from typing import TextIO

from catchwater.ports import Measured

NAMESPACE = "Catchwater"
DIMENSIONS = ("project", "environment", "step")


class Emf:
    """One JSON line per measurement, which CloudWatch Logs turns into metrics.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out

    def put(self, measured: Measured) -> None:
        """Values that aren't finite are left out: CloudWatch would refuse the whole line."""
        values = {name: value for name, value in measured.values.items() if math.isfinite(value)}
        if not values:
            return
        metrics = [{"Name": name, "Unit": "Seconds" if name == "seconds" else "Count"} for name in sorted(values)]
        directive = {"Namespace": NAMESPACE, "Dimensions": [list(DIMENSIONS)], "Metrics": metrics}
        line = {
            "_aws": {"Timestamp": round(time.time() * 1000), "CloudWatchMetrics": [directive]},
            **{name: getattr(measured, name) for name in (*DIMENSIONS, "stage", "run")},
            **values,
        }
        print(json.dumps(line, ensure_ascii=False), file=self._out or sys.stdout, flush=True)
