"""Permissions against decisions: used, unused, missing and not proven, by the grant's own name."""

import pytest

from catchwater.infra.aws.policies import Statement
from catchwater.infra.twin.emulator import Decision
from catchwater.infra.twin.grants import Permission, denials, judge, matches, short
from catchwater.plan.plan import Grant

READ = Permission(
    "process:sales",
    "p-sales",
    Statement(
        "R",
        ("s3:GetObject",),
        ("arn:aws:s3:::in/totesys/*",),
        {},
        Grant("process:sales", "read", "ingestion/totesys/*"),
    ),
)
LIST = Permission(
    "process:sales",
    "p-sales",
    Statement("L", ("s3:ListBucket",), ("arn:aws:s3:::in",), {"StringLike": {"s3:prefix": ("totesys/*",)}}),
)
INTERFACE = Permission("load:x", "p-load", Statement("I", ("ec2:CreateNetworkInterface",), ("*",)))


def said(action: str, on: str, allowed: bool = True, role: str = "p-sales", prefix: str = "") -> Decision:
    return Decision(f"arn:aws:sts::1:assumed-role/{role}/x", action, on, allowed, prefix)


def test_what_was_asked_for_is_used() -> None:
    decisions = [said("s3:getobject", "arn:aws:s3:::in/totesys/a"), said("s3:GetObject", "arn:aws:s3:::in/totesys/b")]
    judged = judge([READ, LIST, INTERFACE], decisions)
    assert judged.used == {"process:sales s3:GetObject ingestion/totesys/*": 2}
    assert judged.unused == ("process:sales s3:ListBucket s3:in",)
    assert judged.unproven == ("load:x ec2:CreateNetworkInterface *",)
    assert judged.missing == ()


@pytest.mark.parametrize(
    "other",
    [
        said("s3:PutObject", "arn:aws:s3:::in/totesys/a"),
        said("s3:GetObject", "arn:aws:s3:::in/other/a"),
        said("s3:GetObject", "arn:aws:s3:::in/totesys/a", role="p-load"),
        said("s3:GetObject", "arn:aws:s3:::in/totesys/a", allowed=False),
        Decision("arn:aws:events:r:1:rule/x (events.amazonaws.com)", "s3:GetObject", "arn:aws:s3:::in/totesys/a", True),
    ],
)
def test_another_action_thing_role_or_verdict_is_no_use_of_it(other: Decision) -> None:
    assert judge([READ], [other]).used == {}


def test_a_prefix_is_part_of_the_permission() -> None:
    inside = said("s3:ListBucket", "arn:aws:s3:::in", prefix="totesys/_log/1")
    assert judge([LIST], [inside]).used
    assert not judge([LIST], [said("s3:ListBucket", "arn:aws:s3:::in", prefix="other/1")]).used


def test_a_refusal_has_the_name_of_the_grant_that_would_have_allowed_it() -> None:
    refused = said("s3:GetObject", "arn:aws:s3:::in/totesys/a", allowed=False)
    assert [one.name for one in denials([READ, LIST], [refused, refused])] == [READ.name]
    strange = said("s3:DeleteObject", "arn:aws:s3:::in/totesys/a", allowed=False)
    (found,) = denials([READ], [strange, said("x:Y", "*", allowed=False, role="somebody")])
    assert found.name == "p-sales s3:DeleteObject s3:in/totesys/a: no grant is derived for it"


def test_what_the_emulator_names_vaguely_still_matches() -> None:
    vague = said("s3:GetObject", "any of arn:aws:s3:::in/totesys/*")
    assert vague.vague
    assert judge([READ], [vague]).used


def test_wildcards_are_iams() -> None:
    assert matches("arn:aws:s3:::a/b/c", "arn:aws:s3:::a/*")
    assert matches("secret:x-abcdef", "secret:x-??????")
    assert not matches("secret:x-abcde", "secret:x-??????")
    assert not matches("axb", "a.b")
    assert not matches("A", "a")
    assert short("arn:aws:sqs:eu-west-2:1:q") == "sqs:q"
    assert short("*") == "*"
