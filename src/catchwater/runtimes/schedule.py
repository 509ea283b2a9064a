"""When a schedule is next due: durations and cron, in UTC; pure."""

from datetime import UTC, datetime, timedelta

from catchwater.project.names import seconds


def due(schedule: str, last: datetime | None, now: datetime) -> datetime:
    """The next moment after `last` (now, if it never ran); what was missed is due once, at once."""
    if last is None:
        return now
    every = seconds(schedule)
    if every is not None:
        return last + timedelta(seconds=every)
    from cronsim import CronSim

    return next(CronSim(schedule, last.astimezone(UTC)))
