"""Each resource type in the emulator: made, read back as planned, changed, and gone when it is removed."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catchwater.infra.twin.emulator import Emulator
from catchwater.infra.twin.environment import NAME, TwinFailed, lock_file, made
from catchwater.infra.twin.resources.given import Given
from catchwater.infra.twin.resources.registry import DATA, KINDS
from tests.support.twin import ROOT

ACCOUNT, REGION = "111122223333", "eu-west-2"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}]})  # fmt: skip
ROLE = f"arn:aws:iam::{ACCOUNT}:role/step"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:step"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alerts"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"


def policy(action: str, on: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": on}]})


class Account:
    """The emulator as its root; a database is served by nobody."""

    account, region = ACCOUNT, REGION

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        self.emulator, self.folder, self.served = emulator, folder, ""

    def client(self, service: str) -> Any:
        return self.emulator.client(service)

    def database(self, name: str, user: str, password: str, port: int) -> str:
        self.served = f"{name}/{user}/{port}"
        return "127.64.0.1"

    def database_is_there(self) -> bool:
        return bool(self.served)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    programs = made(lock_file(), ROOT / ".emulators" / NAME)
    folder = tmp_path_factory.mktemp("resources")
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("step.py", "def handler(event, context): return event\n")
    (folder / "step.zip").write_bytes(body.getvalue())
    emulator = Emulator(programs, folder / "emulator", ACCOUNT, REGION)
    emulator.start()
    try:
        emulator.exists("vpc-1", ["subnet-1", "subnet-2"])
        yield Account(emulator, folder)
    finally:
        emulator.stop()


# type, arguments, what changes (None: nothing does in place), what `read` then says among others; in the order in
# which they need each other
TYPES: list[tuple[str, dict[str, Any], dict[str, Any] | None, dict[str, Any]]] = [
    ("aws_s3_bucket", {"bucket": "shop-in"}, None, {"bucket": "shop-in"}),
    ("aws_s3_bucket_versioning", {"bucket": "shop-in", "versioning_configuration": [{"status": "Enabled"}]},
     {"versioning_configuration": [{"status": "Suspended"}]}, {"versioning_configuration": [{"status": "Suspended"}]}),
    ("aws_s3_bucket_public_access_block", {"bucket": "shop-in", "block_public_acls": True},
     {"block_public_policy": True}, {"block_public_policy": True, "ignore_public_acls": False}),
    ("aws_s3_bucket_server_side_encryption_configuration", {"bucket": "shop-in", "rule": [
        {"apply_server_side_encryption_by_default": [{"sse_algorithm": "AES256"}]}]}, None,
     {"rule": [{"apply_server_side_encryption_by_default": [{"sse_algorithm": "AES256"}]}]}),
    ("aws_s3_bucket_policy", {"bucket": "shop-in", "policy": policy(
        "s3:*", "arn:aws:s3:::shop-in/*").replace('"Effect": "Allow"', '"Principal": "*", "Effect": "Deny"')}, None, {}),
    ("aws_s3_bucket_lifecycle_configuration", {"bucket": "shop-in", "rule": [
        {"id": "a", "status": "Enabled", "filter": [{"prefix": "x/"}], "expiration": [{"days": 3}],
         "abort_incomplete_multipart_upload": [{"days_after_initiation": 7}],
         "noncurrent_version_expiration": [{"noncurrent_days": 9}]}]}, None,
     {"rule": [{"id": "a", "status": "Enabled"}]}),
    ("aws_s3_bucket_notification", {"bucket": "shop-in", "eventbridge": True}, {"eventbridge": False},
     {"eventbridge": False}),
    ("aws_s3_object", {"bucket": "shop-in", "key": "k", "source": "step.zip"}, {"source": None, "content": "text"},
     {"etag": "1cb251ec0d568de6a929b520c4aed8d1"}),
    ("aws_iam_role", {"name": "step", "assume_role_policy": TRUST, "description": "d"},
     {"assume_role_policy": TRUST}, {"arn": ROLE, "description": "d"}),
    ("aws_iam_role_policy", {"name": "grants", "role": "step", "policy": policy("s3:GetObject", "*")},
     {"policy": policy("s3:PutObject", "*")}, {}),
    ("aws_iam_policy", {"name": "p", "policy": policy("s3:GetObject", "*")}, {"policy": policy("s3:PutObject", "*")},
     {}),
    ("aws_iam_role_policy_attachment", {"role": "step", "policy_arn": f"arn:aws:iam::{ACCOUNT}:policy/p"}, None, {}),
    ("aws_iam_openid_connect_provider", {"url": "https://token.example.org", "client_id_list": ["sts"]}, {},
     {"client_id_list": ["sts"]}),
    ("aws_cloudwatch_log_group", {"name": "/aws/lambda/step", "retention_in_days": 30}, {"retention_in_days": 7},
     {"retention_in_days": 7}),
    ("aws_sqs_queue", {"name": "dead", "message_retention_seconds": 1209600, "sqs_managed_sse_enabled": True},
     {"message_retention_seconds": 600}, {"message_retention_seconds": 600, "arn": QUEUE}),
    ("aws_sqs_queue_policy", {"queue_url": "QUEUE_URL", "policy": policy("sqs:SendMessage", QUEUE)}, None, {}),
    ("aws_lambda_function", {
        "function_name": "step", "role": ROLE, "runtime": "python3.11", "handler": "step.handler", "timeout": 9,
        "memory_size": 256, "filename": "step.zip", "environment": [{"variables": {"A": "b"}}],
        "dead_letter_config": [{"target_arn": QUEUE}], "ephemeral_storage": [{"size": 600}],
        "logging_config": [{"log_format": "Text", "log_group": "/aws/lambda/step"}], "architectures": ["x86_64"],
        "vpc_config": [{"subnet_ids": ["subnet-1"], "security_group_ids": ["sg-1"]}],
        "reserved_concurrent_executions": 5},
     {"timeout": 10}, {"timeout": 10, "memory_size": 256, "environment": [{"variables": {"A": "b"}}]}),
    ("aws_lambda_permission", {"function_name": "step", "statement_id": "s", "action": "lambda:InvokeFunction",
                               "principal": "events.amazonaws.com", "source_arn": "arn:aws:events:x"}, {}, {}),
    ("aws_lambda_function_event_invoke_config", {
        "function_name": "step", "maximum_retry_attempts": 1,
        "destination_config": [{"on_failure": [{"destination": QUEUE}]}]},
     {"maximum_retry_attempts": 2}, {"maximum_retry_attempts": 2}),
    ("aws_scheduler_schedule", {
        "name": "every", "schedule_expression": "rate(5 minutes)", "flexible_time_window": [{"mode": "OFF"}],
        "target": [{"arn": FUNCTION, "role_arn": ROLE, "input": "{}", "retry_policy": [{"maximum_retry_attempts": 2}],
                    "dead_letter_config": [{"arn": QUEUE}]}]},
     {"schedule_expression": "rate(6 minutes)"}, {"schedule_expression": "rate(6 minutes)"}),
    ("aws_cloudwatch_event_rule", {"name": "batch", "event_pattern": '{"source": ["aws.s3"]}', "description": "d"},
     {"event_pattern": '{"source": ["aws.x"]}'}, {"event_pattern": '{"source": ["aws.x"]}'}),
    ("aws_cloudwatch_event_target", {"rule": "batch", "arn": FUNCTION}, {}, {"arn": FUNCTION}),
    ("aws_sns_topic", {"name": "alerts"}, {}, {"arn": TOPIC}),
    ("aws_sns_topic_policy", {"arn": TOPIC, "policy": policy("sns:Publish", TOPIC).replace(
        '"Effect"', '"Principal": "*", "Effect"')}, None, {}),
    ("aws_sns_topic_subscription", {"topic_arn": TOPIC, "protocol": "email", "endpoint": "a@example.org"}, {},
     {"endpoint": "a@example.org"}),
    ("aws_cloudwatch_metric_alarm", {
        "alarm_name": "a", "namespace": "N", "metric_name": "m", "statistic": "Sum", "period": 60, "threshold": 0,
        "evaluation_periods": 1, "comparison_operator": "GreaterThanThreshold", "dimensions": {"step": "x"}},
     {"threshold": 2}, {"threshold": 2.0}),
    ("aws_secretsmanager_secret", {"name": "login", "description": "d"}, {}, {"name": "login", "description": "d"}),
    ("aws_secretsmanager_secret_version", {"secret_id": "login", "secret_string_wo": "hidden"}, None, {}),
    ("aws_dynamodb_table", {"name": "lock", "hash_key": "LockID", "billing_mode": "PAY_PER_REQUEST",
                            "attribute": [{"name": "LockID", "type": "S"}]}, {}, {"hash_key": "LockID"}),
    ("aws_security_group", {"name": "steps", "description": "d", "vpc_id": "vpc-1"}, {},
     {"name": "steps", "vpc_id": "vpc-1"}),
    ("aws_vpc_security_group_egress_rule", {"security_group_id": "GROUP", "cidr_ipv4": "0.0.0.0/0",
                                            "ip_protocol": "tcp", "from_port": 5432, "to_port": 5432}, {}, {}),
    ("aws_vpc_security_group_ingress_rule", {"security_group_id": "GROUP", "referenced_security_group_id": "GROUP",
                                             "ip_protocol": "tcp", "from_port": 443, "to_port": 443,
                                             "prefix_list_id": "pl-1"}, {}, {}),
    ("aws_vpc_endpoint", {"vpc_id": "vpc-1", "service_name": "com.amazonaws.eu-west-2.s3",
                          "vpc_endpoint_type": "Gateway"}, {}, {"service_name": "com.amazonaws.eu-west-2.s3"}),
    ("aws_db_subnet_group", {"name": "house", "description": "d", "subnet_ids": ["subnet-1", "subnet-2"]}, {},
     {"description": "d"}),
    ("aws_db_instance", {"identifier": "house", "db_name": "shop", "username": "u", "password_wo": "p", "port": 5432},
     {}, {"address": "127.64.0.1"}),
]  # fmt: skip
KEPT = {"aws_s3_bucket_server_side_encryption_configuration", "aws_s3_bucket_versioning",
        "aws_s3_bucket_notification", "aws_sqs_queue_policy", "aws_sns_topic_policy",
        "aws_secretsmanager_secret_version", "aws_vpc_security_group_egress_rule", "aws_db_instance",
        "aws_vpc_security_group_ingress_rule"}  # these go with what they belong to  # fmt: skip


def test_resources_are_made_read_changed_and_removed(account: Account) -> None:
    states: dict[str, dict[str, Any]] = {}
    for kind, planned, change, then in TYPES:
        arguments = {name: _known(value, states) for name, value in planned.items()}
        states[kind] = arguments | KINDS[kind].put(account, Given(arguments), None)
        assert KINDS[kind].read(account, states[kind]) is not None, kind
        if change is not None:
            changed = states[kind] | change
            states[kind] = changed | KINDS[kind].put(account, Given(changed), states[kind])
        said = KINDS[kind].read(account, states[kind])
        assert said is not None, kind
        assert {name: said[name] for name in then} == then, kind
    assert DATA["aws_security_group"](account, {"name": "steps", "vpc_id": "vpc-1"})["id"] == _id(states)
    assert DATA["aws_security_group"](account, {"id": "sg-7"}) == {"id": "sg-7"}
    assert DATA["aws_vpc"](account, {"id": "vpc-1"})["id"] == "vpc-1"
    for kind, *_ in reversed(TYPES):
        if kind == "aws_s3_bucket":
            _empty(account)  # a bucket that holds versions isn't removed, here as on AWS
        KINDS[kind].drop(account, states[kind])
        assert kind in KEPT or KINDS[kind].read(account, states[kind]) is None, kind
    assert account.served == "shop/u/5432"


def _empty(account: Account) -> None:
    held = account.client("s3").list_object_versions(Bucket="shop-in")
    for one in [*held.get("Versions", []), *held.get("DeleteMarkers", [])]:
        account.client("s3").delete_object(Bucket="shop-in", Key=one["Key"], VersionId=one["VersionId"])


def test_every_type_is_tried() -> None:
    assert {kind for kind, *_ in TYPES} == set(KINDS)


def test_a_refused_target_is_an_error(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    events = account.client("events")
    answer = {"FailedEntryCount": 1, "FailedEntries": [{"ErrorCode": "X"}]}
    monkeypatch.setattr(events, "put_targets", lambda **_: answer)
    with pytest.raises(TwinFailed, match="refused"):
        KINDS["aws_cloudwatch_event_target"].put(account, Given({"rule": "batch", "arn": FUNCTION}), None)


def test_an_emulator_that_cant_start_says_where_its_log_is(tmp_path: Path) -> None:
    (tmp_path / "python").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "python").chmod(0o755)
    emulator = Emulator(tmp_path, tmp_path / "emulator", ACCOUNT, REGION)
    with pytest.raises(TwinFailed, match=r"ministack\.log"):
        emulator.start()
    emulator.stop()
    with pytest.raises(TwinFailed, match="isn't running"):
        emulator.cold()


def _known(value: Any, states: dict[str, dict[str, Any]]) -> Any:
    if value == "GROUP":
        return _id(states)
    return states["aws_sqs_queue"]["url"] if value == "QUEUE_URL" else value


def _id(states: dict[str, dict[str, Any]]) -> str:
    return str(states["aws_security_group"]["id"])
