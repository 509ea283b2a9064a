"""The roles of CI: derived from the roots' resource types, on the project's names alone, and small enough for IAM."""

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

import pytest

from catchwater.errors import UseError
from catchwater.infra.aws import apply, bootstrap, places, rights, stacks
from catchwater.infra.aws.policies import Statement, document
from catchwater.infra.names import LIMITS, name
from catchwater.infra.roots import Call, Root
from catchwater.plan.plan import Plan
from tests.support.examples import CLOUDS, EXAMPLES, plan_of
from tests.support.iam import wrong

ON_AWS = [(name, environment) for name, environment in CLOUDS if "aws" in plan_of(name, environment).clouds]
each = pytest.mark.parametrize(("name", "environment"), ON_AWS, ids=["-".join(one) for one in ON_AWS])
MAKES = ("Create", "Delete", "Put", "Update", "Set", "Add", "Remove", "Tag", "Untag", "Attach", "Detach", "Modify")


def others(plan: Plan, example: str) -> list[Root]:
    return [root for root in stacks.roots(plan, EXAMPLES / example) if not root.local_state]


@each
def test_every_action_exists_and_takes_its_resources(name: str, environment: str) -> None:
    plan = plan_of(name, environment)
    for root in stacks.roots(plan, EXAMPLES / name):
        for one in (*apply.statements(plan, root), *apply.readable(plan, root)):
            assert wrong(one.actions, one.resources) == [], (root.stack, one.sid)


def test_every_written_right_is_right() -> None:
    """Those of types that no example happens to apply included."""
    plan = plan_of("totesys", "dev")
    for kind, held in rights.RIGHTS.items():
        for right in held:
            thing = apply.things(plan, right.on)
            assert wrong((*right.read, *right.write), thing.arns) == [], kind


@each
def test_planning_only_reads(name: str, environment: str) -> None:
    plan = plan_of(name, environment)
    for held in bootstrap.plan_statements(plan, others(plan, name)).values():
        for one in held:
            verbs = [action.partition(":")[2] for action in one.actions]
            assert not [verb for verb in verbs if verb.startswith(MAKES)], one.sid
            assert "iam:PassRole" not in one.actions


@each
def test_no_role_of_ci_reads_the_lake_or_a_secret(name: str, environment: str) -> None:
    plan = plan_of(name, environment)
    roots = others(plan, name)
    for held in (*bootstrap.plan_statements(plan, roots).values(), *bootstrap.apply_statements(plan, roots).values()):
        assert not allowed(held, "secretsmanager:GetSecretValue", places.secret_arn(plan, "x"))
        for zone in ("ingestion", "processed"):
            assert not allowed(held, "s3:GetObject", f"{places.bucket_arn(plan, zone)}/log/data/x.parquet")


def allowed(held: Sequence[Statement], action: str, arn: str) -> bool:
    return any(action in one.actions and any(fnmatchcase(arn, given) for given in one.resources) for one in held)


def test_another_projects_things_are_out_of_reach() -> None:
    plan = plan_of("totesys", "dev")
    held = [one for made in bootstrap.apply_statements(plan, others(plan, "totesys")).values() for one in made]
    assert allowed(held, "s3:DeleteBucket", "arn:aws:s3:::totesys-dev-ingestion-111122223333")
    assert not allowed(held, "s3:DeleteBucket", "arn:aws:s3:::totesys-prod-ingestion-111122223333")
    assert not allowed(held, "lambda:DeleteFunction", places.arn(plan, "lambda", "function:billing"))
    assert not allowed(held, "iam:PutRolePolicy", "arn:aws:iam::111122223333:role/admin")
    deleting = [one for one in held if "ec2:DeleteSecurityGroup" in one.actions]
    assert deleting
    tags = {"aws:ResourceTag/project": ("totesys",), "aws:ResourceTag/environment": ("dev",)}
    assert all(one.conditions == {"StringEquals": tags} for one in deleting)


def test_roles_are_passed_to_the_services_that_take_them() -> None:
    plan = plan_of("github_activity", "stage")
    passed = {
        root.stack: one.conditions["StringEquals"]["iam:PassedToService"]
        for root in others(plan, "github_activity")
        for one in apply.statements(plan, root)
        if one.sid == "PassRole"
    }
    assert passed == {
        "workflow/lambda": ("lambda.amazonaws.com", "scheduler.amazonaws.com"),
        "workflow/glue": ("events.amazonaws.com", "glue.amazonaws.com"),
    }


@each
def test_the_rights_cover_every_type_of_every_root(name: str, environment: str) -> None:
    plan = plan_of(name, environment)
    for root in stacks.roots(plan, EXAMPLES / name):
        assert apply.types(root), root.stack
        needed = {action for kind in apply.types(root) for right in rights.RIGHTS[kind] for action in right.write}
        given = {action for one in apply.statements(plan, root) for action in one.actions}
        assert needed <= given


def test_a_type_without_rights_cannot_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of("totesys", "dev")
    monkeypatch.delitem(rights.RIGHTS, "aws_secretsmanager_secret")
    with pytest.raises(UseError, match="aws/storage: no rights are written down for aws_secretsmanager_secret"):
        apply.statements(plan, Root("aws", "storage", (Call("secret", "x"),)))


LONG = {"project": "p" * 40, "environment": "an-environment-with-a-name-that-is-much-too-long-for-anybody"}


@pytest.mark.parametrize("service", ["alarm", "bucket", "database", "lambda", "queue", "role", "rule", "topic"])
@pytest.mark.parametrize("long", [False, True], ids=["short", "long"])
def test_every_name_begins_with_the_prefix(service: str, long: bool) -> None:
    plan = plan_of("totesys", "dev")
    plan = replace(plan, **LONG) if long else plan  # type: ignore[arg-type]
    start = apply.prefix(plan, service)
    assert len(start) > 10
    for parts in [("ingest", "totesys"), ("x",), ("a" * 200,), ("terraform", "111122223333")]:
        made = name(plan, service, *parts)
        assert made.startswith(start)
        assert len(made) <= LIMITS[service][0]


def test_a_name_that_the_project_gave_is_within_reach() -> None:
    plan = replace(plan_of("totesys", "dev"), names={"totesys-dev-ingest-totesys": "ingestion-lambda"})
    step = plan.step("ingest:totesys")
    assert places.function(plan, step) == "ingestion-lambda"
    held = [one for root in others(plan, "totesys") for one in apply.statements(plan, root)]
    assert allowed(held, "lambda:CreateFunction", places.function_arn(plan, step))
    assert allowed(held, "logs:CreateLogGroup", places.arn(plan, "logs", f"log-group:{places.log_group(plan, step)}"))
    assert allowed(held, "iam:CreateRole", "arn:aws:iam::111122223333:role/ingestion-lambda")


@each
def test_every_policy_fits_and_a_role_has_ten_at_most(name: str, environment: str) -> None:
    plan = plan_of(name, environment)
    github = next(call for call in stacks.roots(plan, EXAMPLES / name)[0].calls if call.entity == "github")
    for purpose in ("plan", "apply"):
        made = github.arguments[purpose]
        assert isinstance(made, dict)
        assert made["name"] == f"{plan.project}-{environment}-ci-{purpose}"
        assert 1 < len(made["policies"]) <= bootstrap.POLICIES
    for held in bootstrap.apply_statements(plan, others(plan, name)).values():
        assert len(document(held)) <= apply.MANAGED


def test_a_policy_that_is_too_long_is_split_and_nothing_is_lost() -> None:
    many = tuple(
        Statement(f"S{n}", ("s3:GetObject",), tuple(f"arn:aws:s3:::bucket-{n}/{x}/*" for x in range(60)))
        for n in range(9)
    )
    split = bootstrap._policies({"storage": many})
    assert len(split) > 1
    assert all(len(document(held)) <= apply.MANAGED for held in split.values())
    assert [one for held in split.values() for one in held] == list(many)
    with pytest.raises(UseError, match="IAM takes 10"):
        bootstrap._policies({f"stack{n}": many[:1] for n in range(11)})
