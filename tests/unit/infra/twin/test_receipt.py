"""The receipt: what it says, and what alone makes it clean."""

from dataclasses import replace

import pytest

from catchwater.infra.twin.grants import Denial, Judged
from catchwater.infra.twin.receipt import Fresh, Receipt
from catchwater.infra.twin.rows import Compared

ROWS = (Compared("sales_order", 10442, 10442, True), Compared("staff", 20, 20, True))
GRANTS = Judged({"load:x s3:GetObject processed/a/*": 3}, ("load:x sqs:Send q",), ("load:x ec2:Make *",), ())
CLEAN = Receipt(
    "totesys", "dev", ROWS, GRANTS, Fresh(4.2, 600.0, 1800.0), {"failure": True, "stale": True}, resources=109,
    ignored={"aws_db_instance": ("instance_class",), "aws_sqs_queue": ()},
)  # fmt: skip
TEXT = """\
infra     109 resources from Terraform's plan · second plan empty
rows      sales_order 10,442 = 10,442 · staff 20 = 20 … 2/2 equal
grants    1 used · 0 missing · 1 unused · 1 not proven
  unused  load:x sqs:Send q
fresh     worst 10 m 4 s of 30 m (4.2 s when woken at once, every 10 m)
alarms    2/2 fired, mail received
NOT PROVEN HERE  rds-db:connect · VPC routing · quotas · real cold starts
"""


def test_a_clean_one_reads_like_this() -> None:
    assert CLEAN.clean
    assert CLEAN.text().startswith(TEXT)
    assert "load:x ec2:Make *" in CLEAN.text()
    assert "not realised: aws_db_instance: instance_class" in CLEAN.text()
    assert "aws_sqs_queue" not in CLEAN.text()
    assert CLEAN.as_dict()["clean"] is True
    assert all(len(line) <= 112 for line in CLEAN.text().splitlines())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": (replace(ROWS[0], right=10441, equal=False),)}, "sales_order 10,442 ≠ 10,441 … 0/1 equal"),
        ({"rows": (replace(ROWS[0], equal=False),)}, "10,442 ≠ 10,442 (values differ)"),
        ({"rows": ()}, "none compared"),
        ({"grants": replace(GRANTS, missing=(Denial("r", "a", "o", "load:x s3:GetObject b"),))}, "missing load:x s3"),
        ({"fresh": Fresh(1300.0, 600.0, 1800.0)}, "worst 31 m 40 s of 30 m"),
        ({"fresh": None}, "alarms"),
        ({"alarms": {"failure": True, "recovery": False}}, "1/2 fired, recovery NOT received"),
        ({"drift": ("storage: module.x: update",)}, "second plan would: storage: module.x: update"),
        ({"problems": ("rows did not reach the warehouse",)}, "problem   rows did not reach"),
        ({"cut": {"load:x s3:GetObject processed/a/*": ""}}, "without load:x s3:GetObject processed/a/*: it went on"),
    ],
)
def test_any_of_these_makes_it_unclean(change: dict[str, object], words: str) -> None:
    receipt = replace(CLEAN, **change)  # type: ignore[arg-type]
    assert not receipt.clean
    assert words in receipt.text()
    assert "NOT PROVEN HERE" in receipt.text()
    assert receipt.as_dict()["clean"] is False


def test_a_cut_grant_that_was_never_used_may_go() -> None:
    cut = {"load:x s3:GetObject processed/a/*": "load:x s3:GetObject processed/a/*", "load:x sqs:Send q": ""}
    receipt = replace(CLEAN, cut=cut)
    assert receipt.clean
    assert "cut       1/2 fail by the grant's name" in receipt.text()


def test_nothing_promised_is_nothing_broken() -> None:
    receipt = replace(CLEAN, fresh=Fresh(4.0, 59.0, None), alarms={}, vague=("rds:X",))
    assert receipt.clean
    assert "alarms    none tried" in receipt.text()
    assert "on which resource: rds:X" in receipt.text()
    assert "worst 1 m 3 s (4 s when woken at once, every 59 s)" in receipt.text()
