"""The value rules: each refuses its own wrong value, takes what the services take, and says where and what."""

import json
from typing import Any

import pytest

from catchwater.infra.offline import rules
from catchwater.infra.offline.protocol import UNKNOWN
from catchwater.infra.offline.rules_aws import AWS
from catchwater.infra.offline.rules_google import GOOGLE
from catchwater.infra.offline.values import problems, reached

EVERY = [(name, dotted) for name, table in (AWS | GOOGLE).items() for dotted in table]


def test_every_rule_refuses_its_wrong_value() -> None:
    passed = []
    for name, dotted in EVERY:
        rule = (AWS | GOOGLE)[name][dotted]
        if not problems(name, built(dotted.split("."), rule.wrong)):
            passed.append(f"{name}.{dotted}")
    assert passed == []
    assert len(EVERY) > 300


def built(path: list[str], value: Any) -> dict[str, Any]:
    """`{"a": [{"b": value}]}` for a.b, as Terraform hands blocks over."""
    if path[1:] == ["*"]:
        return {path[0]: [value]}
    return {path[0]: value if len(path) == 1 else [built(path[1:], value)]}


def allow(**more: Any) -> str:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"} | more
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.parametrize(
    ("rule", "value", "right"),
    [
        (rules.eventbridge_schedule(), "rate(5 minutes)", True),
        (rules.eventbridge_schedule(), "rate(1 hour)", True),
        (rules.eventbridge_schedule(), "rate(1 hours)", False),
        (rules.eventbridge_schedule(), "cron(0 3 ? * MON-FRI *)", True),
        (rules.eventbridge_schedule(), "cron(0 3 * * *)", False),
        (rules.crontab(), "*/10 * * * *", True),
        (rules.crontab(), "*/10 * * *", False),
        (rules.memory(128, 1024), "512Mi", True),
        (rules.memory(128, 1024), "1Gi", True),
        (rules.memory(128, 1024), "2Gi", False),
        (rules.memory(128, 1024), "512M", True),
        (rules.seconds(10, 600), "600s", True),
        (rules.seconds(10, 600), "601s", False),
        (rules.between(1, 10), 1.5, False),
        (rules.between(1, 10), "7", True),
        (rules.between(0, 1, whole=False), 0.5, True),
        (rules.address_range(), "10.0.0.0/16", True),
        (rules.arn("sqs"), "arn:aws:sqs:eu-west-2:111122223333:q", True),
        (rules.arn("sqs"), "arn:aws:sns:eu-west-2:111122223333:q", False),
        (rules.member(), "serviceAccount:a@p.iam.gserviceaccount.com", True),
        (rules.member(), "a@p.iam.gserviceaccount.com", False),
        (rules.event_pattern(), '{"source": ["aws.s3"], "detail": {"object": {"key": [{"suffix": ".json"}]}}}', True),
        (rules.event_pattern(), '{"detail": {"object": "x"}}', False),
        (rules.event_pattern(), "[]", False),
        (rules.json_object(), "{}", True),
        (rules.policy(1000, principal=False), allow(), True),
        (rules.policy(1000, principal=False), allow(Action=["s3:GetObject", "kms:*"]), True),
        (rules.policy(1000, principal=False), allow(Action="GetObject"), False),
        (rules.policy(1000, principal=False), allow(Action=[]), False),
        (rules.policy(1000, principal=False), allow(Effect="Maybe"), False),
        (rules.policy(1000, principal=False), allow(Sid="not plain"), False),
        (rules.policy(1000, principal=False), allow(Resource=[]), False),
        (rules.policy(1000, principal=True), allow(), False),
        (rules.policy(1000, principal=True), allow(Principal={"Service": "lambda.amazonaws.com"}), True),
        (rules.policy(50, principal=False), allow(), False),
        (rules.policy(1000, principal=False), '{"Version": "2012-10-17", "Statement": []}', False),
        (rules.policy(1000, principal=False), '{"Version": "2012-10-17", "Statement": ["x"]}', False),
        (AWS["aws_sqs_queue"]["redrive_policy"], '{"deadLetterTargetArn": "a", "maxReceiveCount": 3}', True),
        (AWS["aws_sqs_queue"]["redrive_policy"], '{"deadLetterTargetArn": "a", "maxReceiveCount": 3000}', False),
        (AWS["aws_lambda_function"]["environment.variables"], {"CATCHWATER_STEP": "x"}, True),
        (AWS["aws_lambda_function"]["environment.variables"], {"X": "x" * 4096}, False),
        (AWS["aws_cloudwatch_log_group"]["retention_in_days"], 30, True),
        (AWS["aws_cloudwatch_log_group"]["retention_in_days"], 31, False),
        (AWS["aws_cloudwatch_metric_alarm"]["period"], 300, True),
        (AWS["aws_glue_job"]["timeout"], 60, True),
        (GOOGLE["google_service_account"]["account_id"], "short", False),
        (GOOGLE["google_bigquery_table"]["schema"], '[{"name": "a", "type": "STRING"}]', True),
        (GOOGLE["google_storage_bucket"]["labels"], {"a": "b"}, True),
        (GOOGLE["google_pubsub_subscription"]["expiration_policy.ttl"], "", True),
    ],
)  # fmt: skip
def test_a_rule_takes_what_is_right_and_nothing_else(rule: rules.Rule, value: Any, right: bool) -> None:
    try:
        held = rule.holds(value)
    except (TypeError, ValueError):
        held = False
    assert held is right


def test_a_problem_leads_to_its_argument() -> None:
    config = {"name": "q", "template": [{"containers": [{"image": "ok/image:1"}, {"image": "no image!"}]}]}
    found = {problem.path: problem.message for problem in problems("google_cloud_run_v2_service", config)}
    assert found[("template", 0, "containers", 1, "image")].startswith(
        "template.containers.image: an image's address; not"
    )
    assert found[("deletion_protection",)] == "deletion_protection: say whether it is protected; it is missing"
    assert ("template", 0, "containers", 0, "image") not in found


def test_what_is_unknown_or_not_said_is_no_problem() -> None:
    assert problems("aws_sqs_queue", {"name": UNKNOWN, "policy": None}) == []
    assert problems("aws_no_rules", {"name": "~"}) == []
    assert [path for path, _ in reached({"a": [{"b": ["x", "y"]}, UNKNOWN]}, ("a", "b", "*"))] == [("a", 0, "b")] * 2


def test_a_value_of_another_kind_is_refused_and_nothing_breaks() -> None:
    assert problems("aws_sqs_queue", {"redrive_policy": "[1]", "delay_seconds": "soon"})
