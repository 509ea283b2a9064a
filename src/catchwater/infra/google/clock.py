"""A schedule of the project as Cloud Scheduler's cron; nothing else is decided here."""

from catchwater.errors import UseError
from catchwater.plan.plan import Trigger
from catchwater.project.names import seconds


def cron(trigger: Trigger) -> str:
    """Five fields, in UTC. Raises UseError for a duration that no cron has: it must divide an hour or a day."""
    every = seconds(trigger.detail)
    if every is None:
        return " ".join(trigger.detail.split())
    minutes = every / 60
    if minutes == 1440:
        return "0 0 * * *"
    if minutes >= 60 and minutes % 60 == 0 and 24 % (minutes / 60) == 0:
        hours = int(minutes // 60)
        return "0 * * * *" if hours == 1 else f"0 */{hours} * * *"
    if minutes >= 1 and minutes == int(minutes) and 60 % minutes == 0:
        return "* * * * *" if minutes == 1 else f"*/{int(minutes)} * * * *"
    raise UseError(
        f"Cloud Scheduler has no clock that beats every {trigger.detail}",
        where=trigger.step,
        next_step="write minutes that divide an hour, hours that divide a day, or cron: '0 6 * * 1'",
    )
