"""Schedules and rules as EventBridge takes them; what it hasn't is refused with the step and what to write."""

from dataclasses import replace

import pytest

from catchwater.errors import UseError
from catchwater.infra.aws import wakes
from catchwater.plan.plan import Trigger
from tests.support.examples import plan_of

WRITTEN = {
    "1 minute": "rate(1 minute)",
    "10 minutes": "rate(10 minutes)",
    "90 minutes": "rate(90 minutes)",
    "120 s": "rate(2 minutes)",
    "1 hour": "rate(1 hour)",
    "36 hours": "rate(36 hours)",
    "1 day": "rate(1 day)",
    "2 days": "rate(2 days)",
    "0 6 * * *": "cron(0 6 * * ? *)",
    "*/15 6-20 1,15 * *": "cron(*/15 6-20 1,15 * ? *)",
    "30 5 * 1-3 1-5": "cron(30 5 ? 1-3 MON-FRI *)",
    "0 0 * * 0": "cron(0 0 ? * SUN *)",
    "0 0 * * 7": "cron(0 0 ? * SUN *)",
    "0 0 * * mon,WED": "cron(0 0 ? * MON,WED *)",
}


@pytest.mark.parametrize("said", sorted(WRITTEN))
def test_a_schedule_is_written_as_eventbridge_has_it(said: str) -> None:
    assert wakes.expression(Trigger("ingest:shop", "schedule", said)) == WRITTEN[said]


REFUSED = {
    "10 seconds": "counts whole minutes",
    "90 s": "counts whole minutes",
    "0 0 1 * 1": "has no schedule like",
    "0 0 * * 1#2": "has no weekdays like",
    "0 0 * * */2": "has no weekdays like",
    "0 0 0 6 * *": "has no schedule like",
}


@pytest.mark.parametrize("said", sorted(REFUSED))
def test_a_schedule_that_it_has_not_is_refused(said: str) -> None:
    with pytest.raises(UseError, match=f"ingest:shop: EventBridge {REFUSED[said]}") as refused:
        wakes.expression(Trigger("ingest:shop", "schedule", said))
    assert refused.value.next_step


def test_the_logs_of_many_models_are_split_over_rules_and_none_is_lost() -> None:
    plan = plan_of("totesys", "dev")
    step = plan.step("load:postgres")
    logs = [f"processed/a_model_with_a_long_name_{n:03}" for n in range(200)]
    more = replace(plan, triggers=tuple(Trigger(step.name, "batch", log) for log in [*logs, "ingestion/totesys"]))
    rules = wakes.rules(more, step)
    assert [log for zone, held in rules if zone == "processed" for log in held] == [log[10:] for log in logs]
    assert [held for zone, held in rules if zone == "ingestion"] == [["totesys"]]
    assert all(sum(len(log) + 30 for log in held) < wakes.PATTERN for _, held in rules)
    names = [call.name for call in wakes.calls(more, step)]
    assert len(names) == len(set(names)) == len(rules) == len(set(wakes.rule_arns(more, step)))  # type: ignore[arg-type]


def test_a_glue_job_has_no_schedule() -> None:
    plan = plan_of("github_activity", "stage")
    step = plan.step("process:activity")
    timed = replace(plan, triggers=(Trigger(step.name, "schedule", "1 hour"),))
    with pytest.raises(UseError, match="process:activity: a schedule can't start a step on glue"):
        list(wakes.calls(timed, step))


def test_a_step_that_nothing_would_wake_is_refused() -> None:
    plan = plan_of("totesys", "dev")
    step = plan.step("ingest:totesys")
    deployed = Trigger(step.name, "deployment")
    with pytest.raises(UseError, match="ingest:totesys: a deployment wakes no step on AWS"):
        list(wakes.calls(replace(plan, triggers=(deployed,)), step))
    both = (deployed, Trigger(step.name, "schedule", "1 hour"))
    assert len(list(wakes.calls(replace(plan, triggers=both), step))) == 1


def test_what_wakes_a_step_is_said_in_a_line() -> None:
    plan = plan_of("totesys", "dev")
    assert wakes.said(plan, plan.step("ingest:totesys")) == "ingest:totesys, woken by schedule 10 minutes"
    assert wakes.said(plan, plan.step("load:postgres")).endswith("processed/dim_date, and 9 more")
    assert wakes.said(plan, plan.step("serve:api")) == "serve:api"
