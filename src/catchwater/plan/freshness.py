"""From source to warehouse in the worst case, counted from schedules, wakes, the steps' times and one retry."""

from dataclasses import dataclass
from math import ceil

from catchwater.plan.plan import Plan, Step, Trigger
from catchwater.project.names import seconds

# Seconds from a commit to the next step's start: what the services state or were seen to take, rounded up.
WAKE = {"local": 0.1, "aws": 2.0, "google": 0.5}
GATHERED = 900.0  # seconds for which commits are gathered before they start a Glue job, which takes minutes to start


@dataclass(frozen=True)
class Leg:
    """One part of the way: `seconds` of waiting for a trigger, or of a step's work."""

    what: str
    seconds: float


@dataclass(frozen=True)
class Freshness:
    """The worst case of one source."""

    source: str
    legs: tuple[Leg, ...]

    @property
    def seconds(self) -> float:
        return sum(leg.seconds for leg in self.legs)


def freshness(plan: Plan) -> tuple[Freshness, ...]:
    """Per source that has a clock (a schedule or messages): a deployment comes when it comes."""
    found = []
    for source in plan.sources:
        triggers = [t for t in plan.triggers if t.step == f"ingest:{source.name}"]
        if triggers and not any(t.kind == "deployment" for t in triggers):
            found.append(Freshness(source.name, tuple(_legs(plan, source.name, triggers))))
    return tuple(found)


def _legs(plan: Plan, source: str, triggers: list[Trigger]) -> list[Leg]:
    ingest = plan.step(f"ingest:{source}")
    legs = [*_waits(ingest, triggers), _work(ingest)]
    groups = [s for s in plan.steps if s.stage == "process" and _reads(plan, s, f"ingestion/{source}")]
    for step in sorted(groups, key=lambda s: -s.seconds)[:1]:
        legs += [*_waits(step, [t for t in plan.triggers if t.step == step.name]), _work(step)]
    for step in plan.steps:
        if step.stage == "load" and step.place:
            legs += [*_waits(step, [t for t in plan.triggers if t.step == step.name]), _work(step)]
    return legs


def _reads(plan: Plan, step: Step, log: str) -> bool:
    return any(read.log == log for name in step.models for read in plan.model(name).reads)


def _waits(step: Step, triggers: list[Trigger]) -> list[Leg]:
    periods = [period(t.detail) for t in triggers if t.kind == "schedule"]
    if periods:
        return [Leg(f"{step.name} waits for its schedule", max(periods))]
    return [Leg(f"{step.name} is woken", GATHERED if step.compute == "glue" else WAKE[step.place or "local"])]


def _work(step: Step) -> Leg:
    return Leg(f"{step.name} works", step.seconds)


def period(schedule: str) -> float:
    """The longest time between two firings of a duration or cron, in seconds."""
    plain = seconds(schedule)
    if plain is not None:
        return plain
    from datetime import UTC, datetime, timedelta

    from cronsim import CronSim

    moments = CronSim(schedule, datetime(2026, 1, 1, tzinfo=UTC))
    last, longest = next(moments), timedelta()
    for _ in range(400):
        fired = next(moments)
        last, longest = fired, max(longest, fired - last)
    return longest.total_seconds()


def worst(plan: Plan) -> Freshness | None:
    """The source that is stale the longest."""
    found = freshness(plan)
    return max(found, key=lambda one: one.seconds) if found else None


def spoken(value: float) -> str:
    """`12 m`, `3.2 s`, `1 h 20 m`; never less than it is."""
    if value < 60:
        return f"{value:.3g} s"
    minutes = ceil(value / 60)
    if minutes < 60:
        return f"{minutes} m"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} m" if rest else f"{hours} h"
