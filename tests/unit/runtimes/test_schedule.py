"""Durations and cron, in UTC."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from catchwater.runtimes.schedule import due

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "last", "expected"),
    [
        ("10 minutes", None, NOW),
        ("10 minutes", NOW, NOW + timedelta(minutes=10)),
        ("10 minutes", NOW - timedelta(days=3), NOW - timedelta(days=3) + timedelta(minutes=10)),
        ("0 6 * * *", NOW, datetime(2026, 3, 2, 6, 0, tzinfo=UTC)),
        ("0 13 * * *", NOW.astimezone(timezone(timedelta(hours=9))), datetime(2026, 3, 1, 13, 0, tzinfo=UTC)),
    ],
)
def test_due(schedule: str, last: datetime | None, expected: datetime) -> None:
    assert due(schedule, last, NOW) == expected
