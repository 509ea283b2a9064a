"""What a run set aside, read back from the logs that it wrote."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from catchwater.lake.log import Log
from catchwater.lake.quarantine import read
from catchwater.wiring import Wiring


def quarantined(wiring: Wiring, run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One dict a row: log, table, where, reason, text."""
    rows: list[dict[str, Any]] = []
    for batch in [batch for step in run["steps"] if step["stage"] != "load" for batch in step["batches"]]:
        name, _, seq = batch.rpartition("/")
        store = wiring.store(name.split("/")[0])
        held = Log(store, name).read(int(seq)).quarantine
        rows += [{"log": name, **asdict(row)} for row in read(store, held)] if held else []
    return rows
