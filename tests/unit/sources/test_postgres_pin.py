"""What is said of a position that doesn't move: who holds it, since when, and how often people are told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from catchwater.adapters.sources.postgres.pin import pinned
from catchwater.ports import Extraction

START = datetime(2026, 1, 1, tzinfo=UTC)
OPEN = {"kind": "transaction", "pid": 7, "name": "app", "seconds": None}


def batch(hours: float, *, xmin: int = 100, xmax: int = 200) -> Extraction:
    at = (START + timedelta(hours=hours)).isoformat()
    return Extraction({"system": "s", "xmin": xmin, "xmax": xmax, "at": at}, {}, notes=("one",))


def told(hours: float, pin: Any, before: Any, **xids: int) -> Extraction:
    found = pinned(batch(hours, **xids), pin, before)
    assert found
    return found


def test_nothing_is_said_of_what_has_just_begun() -> None:
    assert pinned(None, OPEN, {}) is None
    assert told(0, None, {}) == batch(0)
    found = told(0, OPEN, {})
    assert found.notes == ("one",)
    assert found.position["pin"] == {
        "kind": "transaction", "pid": 7, "name": "app", "since": START.isoformat(), "xids": 100, "told": None,
    }  # fmt: skip


def test_it_is_noted_after_minutes_and_told_once_a_day() -> None:
    position, alerts = told(0, OPEN, {}).position, []
    for hour in range(1, 60):
        found = told(hour, OPEN, position)
        position = found.position
        said = f"the position hasn't moved for {hour * 3600:,} s (100 transactions): app has a transaction open"
        assert (found.warnings or found.notes[1:])[0].startswith(said)
        alerts += [hour] if found.warnings else []
    assert alerts == [24, 48]
    assert "pin" not in told(60, None, position, xmin=150).position


@pytest.mark.parametrize(
    ("pin", "said"),
    [
        ({"kind": "prepared", "pid": None, "name": "gid", "seconds": 90_000}, "COMMIT or ROLLBACK PREPARED 'gid'"),
        ({**OPEN, "seconds": 90_000}, "SELECT pg_terminate_backend(7)"),
    ],
    ids=["prepared", "transaction"],
)
def test_one_that_is_known_to_be_old_is_told_at_once(pin: dict[str, Any], said: str) -> None:
    found = told(0, pin, {})
    assert found.warnings[0].startswith("the position hasn't moved for 90,000 s (100 transactions): ")
    assert said in found.warnings[0]


def test_transactions_count_too_and_a_standby_shows_nobody() -> None:
    assert told(0, OPEN, {}, xmax=10**8 + 100).warnings
    before = told(0, None, {}, xmax=20_000).position
    assert "pin" not in before
    found = told(30, None, before, xmax=30_000)
    assert found.position["pin"]["since"] == START.isoformat()
    assert "open on the primary" in found.warnings[0]
