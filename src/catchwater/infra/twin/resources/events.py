"""Schedules and rules in the emulator, from planned values."""

from typing import Any

from catchwater.infra.offline.protocol import Values
from catchwater.infra.twin.resources.given import Given
from catchwater.infra.twin.resources.kind import Account, Kind, found

GONE = "ResourceNotFoundException"


def _retries(given: Given) -> dict[str, Any]:
    policy = given.block("retry_policy").named(
        MaximumRetryAttempts="maximum_retry_attempts", MaximumEventAgeInSeconds="maximum_event_age_in_seconds"
    )
    dead = given.block("dead_letter_config")["arn"]
    return ({"RetryPolicy": policy} if policy else {}) | ({"DeadLetterConfig": {"Arn": dead}} if dead else {})


def _schedule(to: Account, given: Given, prior: Values | None) -> Values:
    target = given.block("target")
    mode = given.block("flexible_time_window").named(Mode="mode", MaximumWindowInMinutes="maximum_window_in_minutes")
    call = to.client("scheduler").create_schedule if prior is None else to.client("scheduler").update_schedule
    answer = call(
        Name=given["name"], ScheduleExpression=given["schedule_expression"], FlexibleTimeWindow=mode,
        Target={**target.named(Arn="arn", RoleArn="role_arn", Input="input"), **_retries(target)},
        **given.named(Description="description", State="state", GroupName="group_name",
                      ScheduleExpressionTimezone="schedule_expression_timezone"),
    )  # fmt: skip
    group = given["group_name"] or "default"
    return {"id": f"{group}/{given['name']}", "arn": answer["ScheduleArn"], "group_name": group, "name_prefix": ""}


def _schedule_now(to: Account, state: Values) -> Values | None:
    get = to.client("scheduler").get_schedule
    answer = found(get, GONE, Name=state["name"], GroupName=state.get("group_name") or "default")
    if answer is None:
        return None
    target = answer["Target"]
    said = {"arn": target["Arn"], "role_arn": target["RoleArn"], "input": target.get("Input")}
    return {"schedule_expression": answer["ScheduleExpression"], "target": [said]}


def _rule(to: Account, given: Given, _: Values | None) -> Values:
    more = given.named(EventPattern="event_pattern", ScheduleExpression="schedule_expression",
                       Description="description")  # fmt: skip
    state = given["state"] or "ENABLED"
    answer = to.client("events").put_rule(Name=given["name"], State=state, **more)
    return {"id": given["name"], "arn": answer["RuleArn"], "event_bus_name": "default", "name_prefix": "",
            "state": state}  # fmt: skip


def _rule_now(to: Account, state: Values) -> Values | None:
    answer = found(to.client("events").describe_rule, GONE, Name=state["name"])
    return answer and {"event_pattern": answer.get("EventPattern"), "arn": answer["Arn"]}


def _target(to: Account, given: Given, prior: Values | None) -> Values:
    from catchwater.errors import TwinFailed

    name = given["target_id"] or (prior or {}).get("target_id") or f"terraform-{given['rule']}"[:64]
    target = {"Id": name, **given.named(Arn="arn", RoleArn="role_arn", Input="input"), **_retries(given)}
    answer = to.client("events").put_targets(Rule=given["rule"], Targets=[target])
    if answer["FailedEntryCount"]:
        raise TwinFailed(f"the target was refused: {answer['FailedEntries']}", where=given["rule"])
    return {"id": f"{given['rule']}-{name}", "target_id": name, "event_bus_name": "default"}


def _target_now(to: Account, state: Values) -> Values | None:
    answer = found(to.client("events").list_targets_by_rule, GONE, Rule=state["rule"])
    held = [one for one in (answer or {}).get("Targets", []) if one["Id"] == state["target_id"]]
    return {"arn": held[0]["Arn"], "role_arn": held[0].get("RoleArn")} if held else None


KINDS = {
    "aws_scheduler_schedule": Kind(
        _schedule, _schedule_now, lambda to, state: to.client("scheduler").delete_schedule(Name=state["name"])
    ),
    "aws_cloudwatch_event_rule": Kind(
        _rule, _rule_now, lambda to, state: to.client("events").delete_rule(Name=state["name"])
    ),
    "aws_cloudwatch_event_target": Kind(
        _target, _target_now,
        lambda to, state: to.client("events").remove_targets(Rule=state["rule"], Ids=[state["target_id"]]),
    ),
}  # fmt: skip
