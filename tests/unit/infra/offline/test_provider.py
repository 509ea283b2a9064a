"""The provider: what it plans, invents and refuses as plain values, and what a subclass makes of it."""

import json
from typing import Any

import pytest

from catchwater.infra.offline.protocol import UNKNOWN, Values, block, unknown, wholly_known, write_only
from catchwater.infra.offline.provider import Provider, Refused
from catchwater.infra.offline.schemas import Schemas

TYPES = ["aws_s3_bucket", "aws_sqs_queue", "aws_secretsmanager_secret_version", "aws_lambda_function", "aws_iam_role",
         "data.aws_iam_policy_document", "data.aws_caller_identity", "data.aws_region", "data.aws_partition",
         "data.aws_vpc", "aws_iam_role_policy"]  # fmt: skip
GOOGLE = ["google_service_account", "google_pubsub_topic", "data.google_project", "data.google_client_config",
          "google_cloud_run_v2_service"]  # fmt: skip


def aws(**settings: Any) -> Provider:
    made = Provider(Schemas("aws").document(TYPES))
    made.configure({"region": "eu-west-2", "allowed_account_ids": ["111122223333"], **settings})
    return made


def google() -> Provider:
    made = Provider(Schemas("google").document(GOOGLE))
    made.configure({"project": "example-dev", "region": "europe-west2", "default_labels": {"a": "b"}})
    return made


def config(provider: Provider, name: str, /, **said: Any) -> Values:
    """A whole configuration as Terraform hands it over: what isn't said is null, or no block."""
    schema = provider.resources[name]["block"] if name in provider.resources else provider.data[name]["block"]
    blocks = {key: None if one["nesting_mode"] == "single" else [] for key, one in schema["block_types"].items()}
    return dict.fromkeys(schema["attributes"]) | blocks | said


def made(provider: Provider, name: str, /, **said: Any) -> Values:
    given = config(provider, name, **said)
    planned, replaced = provider.plan(name, None, given)
    assert replaced == []
    state = provider.apply(name, None, planned, given)
    assert state is not None
    assert wholly_known(state)
    return state


def test_a_new_resource_is_unknown_where_it_is_computed_and_then_invented_always_the_same() -> None:
    provider = aws()
    planned, _ = provider.plan("aws_sqs_queue", None, config(provider, "aws_sqs_queue", name="q"))
    assert unknown(planned["arn"])
    assert planned["policy"] is None or unknown(planned["policy"])
    state = made(provider, "aws_sqs_queue", name="q")
    assert state["arn"] == "arn:aws:sqs:eu-west-2:111122223333:q"
    assert state["url"] == "https://sqs.eu-west-2.amazonaws.com/111122223333/q"
    assert state == made(provider, "aws_sqs_queue", name="q")
    assert (
        made(provider, "aws_iam_role", name="r", assume_role_policy=TRUST)["arn"] == "arn:aws:iam::111122223333:role/r"
    )


TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
        ],
    }
)


def test_a_second_plan_of_the_same_is_the_state_itself() -> None:
    for provider, name, said in (
        (aws(), "aws_sqs_queue", {"name": "q", "tags": {"a": "b"}}),
        (aws(), "aws_lambda_function", {"function_name": "f", "role": "arn:aws:iam::111122223333:role/r",
                                        "environment": [{"variables": {"A_B": "c"}}]}),
        (google(), "google_pubsub_topic", {"name": "topic", "labels": {"c": "d"}}),
    ):  # fmt: skip
        state = made(provider, name, **said)
        assert provider.plan(name, state, dict(state)) == (state, [])


def test_tags_and_labels_of_the_provider_stand_in_the_plan() -> None:
    provider = aws(default_tags=[{"tags": {"project": "x"}}])
    planned, _ = provider.plan("aws_s3_bucket", None, config(provider, "aws_s3_bucket", bucket="bbb", tags={"a": "b"}))
    assert planned["tags_all"] == {"project": "x", "a": "b"}
    state = made(provider, "aws_s3_bucket", bucket="bbb", tags={"a": "b"})
    changed, replaced = provider.plan("aws_s3_bucket", state, state | {"tags": {"a": "c"}})
    assert (changed["tags_all"], replaced) == ({"project": "x", "a": "c"}, [])
    topic = made(google(), "google_pubsub_topic", name="topic", labels={"c": "d"})
    assert topic["effective_labels"] == topic["terraform_labels"] == {"a": "b", "c": "d"}


def test_some_arguments_need_another_resource() -> None:
    provider = aws()
    state = made(provider, "aws_sqs_queue", name="q", delay_seconds=1)
    assert provider.plan("aws_sqs_queue", state, state | {"name": "p", "delay_seconds": 2})[1] == [("name",)]
    assert provider.plan("aws_sqs_queue", state, state | {"delay_seconds": 2})[1] == []
    assert provider.plan("aws_sqs_queue", state, state | {"region": "us-east-1"})[1] == [("region",)]


def test_what_is_only_written_is_never_planned_nor_kept() -> None:
    provider, name = aws(), "aws_secretsmanager_secret_version"
    given = config(provider, name, secret_id="s", secret_string_wo="hush", secret_string_wo_version=1)
    planned, _ = provider.plan(name, None, given)
    assert planned["secret_string_wo"] is None
    state = provider.apply(name, None, planned, given)
    assert "hush" not in json.dumps(state)
    again, _ = provider.plan(name, state, {**(state or {}), "secret_string_wo": "hush"})
    assert again == state
    assert write_only("password_wo")
    assert not write_only("has_secret_string_wo")
    assert not write_only("secret_string_wo_version")


def test_write_only_and_sensitive_are_told_to_terraform() -> None:
    schema = Schemas("aws").schema("resource_schemas", "aws_secretsmanager_secret_version")["block"]
    found = {one.name: one for one in block(schema, frozenset({"secret_string"})).attributes}
    assert found["secret_string_wo"].SerializeToString().endswith(b"\x58\x01")
    assert not found["secret_string"].SerializeToString().endswith(b"\x58\x01")
    assert found["secret_string"].sensitive
    assert not found["secret_id"].sensitive


def test_a_rule_is_asked_again_when_all_is_known() -> None:
    provider, name = aws(), "aws_iam_role_policy"
    given = config(provider, name, name="p", role="r", policy=UNKNOWN)
    assert provider.validate(name, given) == []
    planned, _ = provider.plan(name, None, given)
    with pytest.raises(Refused, match="a policy in JSON"):
        provider.apply(name, None, planned, given | {"policy": '{"Statement": []}'})


def test_a_policy_document_is_what_the_real_provider_makes() -> None:
    provider = aws()
    statement = {"sid": "A", "effect": None, "actions": ["s3:GetObject", "s3:PutObject"], "not_actions": None,
                 "resources": ["arn:aws:s3:::b/*"], "not_resources": None, "not_principals": [],
                 "principals": [{"type": "AWS", "identifiers": ["*"]}],
                 "condition": [{"test": "Bool", "variable": "aws:SecureTransport", "values": ["false"]}]}  # fmt: skip
    said = provider.read_data(
        "aws_iam_policy_document", config(provider, "aws_iam_policy_document", statement=[statement])
    )
    assert json.loads(said["json"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "A", "Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": "arn:aws:s3:::b/*",
             "Principal": {"AWS": "*"}, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
        ],
    }  # fmt: skip
    everybody = statement | {"principals": [{"type": "*", "identifiers": ["*"]}], "sid": None, "condition": []}
    said = provider.read_data(
        "aws_iam_policy_document", config(provider, "aws_iam_policy_document", statement=[everybody])
    )
    assert json.loads(said["json"])["Statement"][0]["Principal"] == "*"


def test_identities_and_places_come_from_the_provider_block() -> None:
    provider = aws()

    def data(name: str) -> Values:
        return provider.read_data(name, config(provider, name))

    assert data("aws_caller_identity")["account_id"] == "111122223333"
    assert (data("aws_region")["region"], data("aws_partition")["partition"]) == ("eu-west-2", "aws")
    assert wholly_known(data("aws_vpc"))
    other = google()
    assert other.read_data("google_project", config(other, "google_project"))["project_id"] == "example-dev"
    assert other.read_data("google_client_config", config(other, "google_client_config"))["region"] == "europe-west2"
    account = made(other, "google_service_account", account_id="example-step")
    assert account["email"] == "example-step@example-dev.iam.gserviceaccount.com"


class Kept(Provider):
    """Makes its resources in a dictionary."""

    def __init__(self, document: Any) -> None:
        super().__init__(document)
        self.held: dict[str, Values] = {}

    def create(self, type_name: str, planned: Values, config: Values) -> Values:
        self.held[config["name"]] = config
        return {"arn": "arn:aws:sqs:::made", "id": config["name"]}

    def update(self, type_name: str, prior: Values, planned: Values, config: Values) -> Values:
        self.held[config["name"]] = config
        return {}

    def read(self, type_name: str, state: Values) -> Values | None:
        return state if state["name"] in self.held else None

    def delete(self, type_name: str, state: Values) -> None:
        del self.held[state["name"]]


def test_a_subclass_makes_it_real_and_what_it_does_not_say_is_null() -> None:
    provider, name = Kept(Schemas("aws").document(TYPES)), "aws_sqs_queue"
    state = made(provider, name, name="q")
    assert (state["arn"], state["url"]) == ("arn:aws:sqs:::made", None)
    changed, _ = provider.plan(name, state, state | {"delay_seconds": 5})
    after = provider.apply(name, state, changed, changed)
    assert after == state | {"delay_seconds": 5}
    assert provider.held["q"]["delay_seconds"] == 5
    assert provider.apply(name, after, None, {}) is None
    assert provider.read(name, state) is None
