"""Derived grants as IAM statements: every action exists and takes its resource, nothing has a *, and each is explained."""

import json
from dataclasses import replace

import pytest

from catchwater.errors import UseError
from catchwater.infra.aws import bootstrap, places, policies, stacks
from catchwater.infra.aws.policies import Statement
from catchwater.plan.plan import Grant, Plan, Step
from tests.support.examples import CLOUDS, EXAMPLES, plan_of
from tests.support.iam import wrong

ON_AWS = [(name, environment) for name, environment in CLOUDS if "aws" in plan_of(name, environment).clouds]
each = pytest.mark.parametrize(("name", "environment"), ON_AWS, ids=["-".join(one) for one in ON_AWS])
UNBOUND = {"ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"}


def placed(plan: Plan) -> list[Step]:
    return [step for step in plan.steps if step.place == "aws"]


@each
def test_every_action_exists_and_takes_its_resources(name: str, environment: str) -> None:
    plan = plan_of(name, environment)
    found = [one for step in placed(plan) for one in policies.statements(plan, step)]
    assert found
    assert {one: said for one in found if (said := wrong(one.actions, one.resources))} == {}


def test_what_is_wrong_with_a_statement_is_seen() -> None:
    """The reference itself: it knows invented actions, wrong resources, and a * that isn't needed."""
    assert wrong(["s3:GetEverything"], ["arn:aws:s3:::b/k"]) == [
        "s3:GetEverything doesn't exist",
        "arn:aws:s3:::b/k is taken by none of ['s3:GetEverything']",
    ]
    assert wrong(["s3:Get*"], ["arn:aws:s3:::b/k"])[0] == "s3:Get* has a *"
    assert wrong(["s3:GetObject"], ["*"]) == ["s3:GetObject takes resources, not *"]
    assert wrong(["s3:ListBucket"], ["arn:aws:s3:::b/k"])[0].startswith("s3:ListBucket takes none of")
    assert wrong(["ec2:DescribeSubnets"], ["arn:aws:ec2:eu-west-2:111122223333:subnet/s"])[0].endswith("no resource")
    assert wrong(["s3:GetObject"], ["arn:aws:s3:::b/k", "arn:aws:sqs:eu-west-2:111122223333:q"])


@each
def test_only_what_takes_no_resource_has_all_of_them(name: str, environment: str) -> None:
    plan = plan_of(name, environment)
    for step in placed(plan):
        for one in policies.statements(plan, step):
            if "*" in one.resources:
                assert set(one.actions) <= UNBOUND
                assert "no resource" in one.because
            assert one.because, one


@each
def test_every_grant_is_carried_out_or_says_where(name: str, environment: str) -> None:
    plan = plan_of(name, environment)
    explained = policies.explain(plan)
    wanted = [grant for step in placed(plan) for grant in plan.granted(step.name)]
    assert [one.grant for one in explained] == wanted
    for one in explained:
        assert one.statements or one.elsewhere, one.grant
        assert all(made.grant == one.grant and made.because == one.grant.because for made in one.statements)


@each
def test_a_policy_is_what_its_statements_say_and_fits(name: str, environment: str) -> None:
    """Grouped by sid, nothing is lost and nothing is gained."""
    plan = plan_of(name, environment)
    for step in placed(plan):
        found = policies.statements(plan, step)
        body = json.loads(policies.document(found))["Statement"]
        assert len({one["Sid"] for one in body}) == len(body)
        assert pairs(body) == {(action, arn) for one in found for action in one.actions for arn in one.resources}
        assert len(policies.document(found)) < policies.INLINE
        assert policies.document(found) == policies.document(tuple(found))


def pairs(body: list[dict[str, list[str]]]) -> set[tuple[str, str]]:
    return {(action, arn) for one in body for action in one["Action"] for arn in one["Resource"]}


def test_listing_is_bound_to_the_logs_prefixes() -> None:
    plan = plan_of("totesys", "dev")
    found = policies.role_statements(plan, plan.step("ingest:totesys"))
    listed = next(one for one in found if one.sid == "ListIngestion")
    assert listed.resources == ("arn:aws:s3:::totesys-dev-ingestion-111122223333",)
    assert listed.conditions == {"StringLike": {"s3:prefix": ("totesys/*",)}}


def test_each_step_reads_its_own_secret_and_no_other() -> None:
    plan = plan_of("totesys", "dev")
    read = {
        step.name: [arn for one in policies.statements(plan, step) if one.sid == "ReadSecrets" for arn in one.resources]
        for step in placed(plan)
    }
    start = "arn:aws:secretsmanager:eu-west-2:111122223333:secret:totesys-dev-"
    assert read == {
        "ingest:totesys": [f"{start}TOTESYS_URL-??????"],
        "process:fact_payment": [],
        "load:postgres": [f"{start}totesys-warehouse-??????"],
    }


def test_nothing_may_delete() -> None:
    """No step deletes an object or a secret; what deletes is a message taken, and a network interface that is ours."""
    deleting = {
        action
        for name, environment in ON_AWS
        for step in placed(plan_of(name, environment))
        for one in policies.statements(plan_of(name, environment), step)
        for action in one.actions
        if "Delete" in action or "Put" in action
    }
    assert deleting == {"sqs:DeleteMessage", "ec2:DeleteNetworkInterface", "logs:PutLogEvents", "s3:PutObject"}


def test_the_receiver_may_queue_and_the_ingest_may_take() -> None:
    plan = plan_of("github_activity", "stage")
    queue = "arn:aws:sqs:eu-west-1:111122223333:github_activity-stage-live"
    on_queue = {
        step.name: {
            action for one in policies.statements(plan, step) if queue in one.resources for action in one.actions
        }
        for step in placed(plan)
    }
    assert on_queue.pop("serve:api") == {"sqs:SendMessage"}
    assert on_queue.pop("ingest:live") == {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}
    assert set(map(frozenset, on_queue.values())) == {frozenset()}


def test_a_database_is_opened_by_iam_where_it_is_declared() -> None:
    plan = plan_of("shop", "prod")
    step = plan.step("ingest:shop")
    made = [one for one in policies.statements(plan, step) if one.sid == "Connect"]
    assert {one.resources for one in made} == {
        ("arn:aws:rds-db:eu-west-2:111122223333:dbuser:${var.shop_resource_id}/ingest",)
    }
    assert [one for one in policies.role_statements(plan, step) if one.sid == "Connect"] == []


def test_the_keys_of_a_lake_are_granted_with_its_objects() -> None:
    plan = plan_of("totesys", "dev")
    key = "arn:aws:kms:eu-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    keyed = replace(plan, lake={**plan.lake, "kms_key": key})
    found = {one.sid: one for one in policies.role_statements(keyed, keyed.step("ingest:totesys"))}
    assert found["KeyRead"].actions == ("kms:Decrypt",)
    assert found["KeyCreate"].actions == ("kms:GenerateDataKey",)
    assert found["KeyRead"].resources == found["KeyCreate"].resources == (key,)
    assert not wrong(["kms:Decrypt", "kms:GenerateDataKey"], [key])
    root = next(root for root in stacks.roots(keyed, EXAMPLES / "totesys") if root.stack == "storage")
    assert {call.name for call in root.calls if call.arguments.get("kms_key") == key} == {
        "ingestion", "processed", "artifacts"
    }  # fmt: skip
    assert [one.actions for one in bootstrap.plan_statements(keyed, [root])["state"] if one.sid == "Key"] == [
        ("kms:Decrypt",)
    ]
    assert [one.sid for one in bootstrap.apply_statements(plan, [root])["state"]] == ["State", "FindState", "Lock"]


def test_a_grant_that_aws_knows_nothing_of_is_refused() -> None:
    plan = plan_of("totesys", "dev")
    step = plan.step("process:fact_payment")
    for action, resource in [("read", "warehouse/x"), ("apply", "ingestion/totesys/*"), ("publish", "secret/x")]:
        with pytest.raises(UseError, match="AWS has no permission for"):
            policies.of_grant(plan, step, Grant(step.name, action, resource, "a mistake"))


def test_a_policy_that_iam_would_not_take_is_refused_by_its_step() -> None:
    plan = plan_of("totesys", "dev")
    step = plan.step("process:fact_payment")
    more = tuple(Grant(step.name, "create", f"processed/model_of_a_long_name_{n}/*", "its log") for n in range(150))
    with pytest.raises(UseError, match=r"process:fact_payment: its policy would have 1\d,\d{3} characters"):
        policies.role_statements(replace(plan, grants=plan.grants + more), step)


def test_an_existing_security_group_is_the_only_one_used() -> None:
    plan = plan_of("totesys", "dev")
    network = {"vpc": "vpc-1", "subnets": ["subnet-1"], "security_group": "sg-0a1b"}
    own = replace(plan, clouds={"aws": {**plan.clouds["aws"], "network": network}})
    made = next(one for one in policies.statements(own, own.step("load:postgres")) if one.sid == "MakeInterface")
    assert places.arn(own, "ec2", "security-group/sg-0a1b") in made.resources
    assert places.arn(own, "ec2", "security-group/*") not in made.resources


def test_a_step_outside_of_the_network_has_no_interface() -> None:
    plan = plan_of("totesys", "dev")
    sids = {one.sid for one in policies.statements(plan, plan.step("process:fact_payment"))}
    assert not sids & {"MakeInterface", "KeepInterface", "FindInterface"}


def test_a_group_keeps_conditions_of_each() -> None:
    two = [
        Statement("List", ("s3:ListBucket",), ("arn:aws:s3:::b",), {"StringLike": {"s3:prefix": (f"{x}/*",)}}, None, x)
        for x in ("b", "a", "c")
    ]
    assert policies.grouped(two) == (
        Statement(
            "List",
            ("s3:ListBucket",),
            ("arn:aws:s3:::b",),
            {"StringLike": {"s3:prefix": ("a/*", "b/*", "c/*")}},
            None,
            "b; a, and 1 more like it",
        ),
    )
