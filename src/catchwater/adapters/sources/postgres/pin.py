"""What holds a position back, since when, and whether people must be told; nothing is asked of the server here."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from catchwater.ports import Extraction

NOTED = 600.0
ALERTED = 86_400.0
XIDS = 100_000_000
UNSEEN = 10_000


def pinned(
    extraction: Extraction | None, pin: Mapping[str, Any] | None, before: Mapping[str, Any]
) -> Extraction | None:
    """The extraction with what pins its position, as the snapshot saw it: `pin` with kind (transaction | prepared |
    unseen), name, pid, since and xids. A note after ten minutes; after a day, or 10^8 transactions, a warning a day."""
    if extraction is None or (found := _pin(extraction.position, pin, before)) is None:
        return extraction
    at, said = extraction.position["at"], ""
    age = _seconds(found["since"], at)
    if age >= NOTED:
        said = _said(found, age)
    told = (before.get("pin") or {}).get("told") if found["since"] == (before.get("pin") or {}).get("since") else None
    urgent = (age >= ALERTED or found["xids"] >= XIDS) and (told is None or _seconds(told, at) >= ALERTED)
    position = extraction.position | {"pin": found | {"told": at if urgent else told}}
    if urgent:
        return replace(extraction, position=position, warnings=(*extraction.warnings, said or _said(found, age)))
    return replace(extraction, position=position, notes=(*extraction.notes, said) if said else extraction.notes)


def _pin(
    position: Mapping[str, Any], pin: Mapping[str, Any] | None, before: Mapping[str, Any]
) -> dict[str, Any] | None:
    xids = int(position["xmax"]) - int(position["xmin"])
    same = before.get("xmin") == position["xmin"] and before.get("system") == position["system"]
    if pin is None and not (same and xids >= UNSEEN):
        return None
    found = dict(pin or {"kind": "unseen", "name": None, "pid": None, "seconds": None})
    seconds = found.pop("seconds")
    since = position["at"]
    if seconds is not None:
        since = (datetime.fromisoformat(position["at"]) - timedelta(seconds=int(seconds))).isoformat()
    if same:  # a plain user doesn't see when another's transaction began: it was there at the last batch
        since = min(since, (before.get("pin") or {}).get("since", before["at"]), key=datetime.fromisoformat)
    return found | {"since": since, "xids": xids}


def _said(pin: Mapping[str, Any], age: float) -> str:
    lead = f"the position hasn't moved for {age:,.0f} s ({pin['xids']:,} transactions): "
    if pin["kind"] == "prepared":
        return f"{lead}COMMIT or ROLLBACK PREPARED '{pin['name']}'"
    if pin["kind"] == "transaction":
        return f"{lead}{pin['name']} has a transaction open; end it, or SELECT pg_terminate_backend({pin['pid']})"
    return f"{lead}a transaction is open on the primary; every reading grows until it ends"


def _seconds(then: str, now: str) -> float:
    return (datetime.fromisoformat(now) - datetime.fromisoformat(then)).total_seconds()
