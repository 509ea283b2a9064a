"""What a run set aside, read back from the logs that it wrote."""

from collections.abc import Mapping
from typing import Any

from catchwater.lake.log import Log
from catchwater.lake.quarantine import read_quarantine
from catchwater.wiring import Wiring


def quarantined(wiring: Wiring, run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One dict a row: log, table, where, reason, text."""
    rows: list[dict[str, Any]] = []
    for step in run["steps"]:
        for batch in step["batches"]:
            name, _, seq = batch.rpartition("/")
            log = Log(wiring.store(name.split("/")[0]), name)
            manifest = log.read(int(seq))
            rows += [{"log": name, **row} for row in read_quarantine(log, manifest)]
    return rows
