"""What the description of `004…` lets each Lambda do, beside what is derived for totesys: each line of it is a grant,
and each grant beyond it has its reason here. A new grant that nobody explained fails, and so does one that went."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import pytest

from catchwater.infra.aws import policies, stacks
from catchwater.plan.plan import Grant, Plan
from tests.support.examples import EXAMPLES, plan_of

INGEST, PROCESS, LOAD = "ingest:totesys", "process:fact_payment", "load:postgres"


@dataclass(frozen=True)
class Line:
    """Grants by step, action and resource, or (`sid`) what the service needs; `said` is the description's sentence, or
    why the grant is there though the description has none."""

    step: str
    what: str
    said: str

    def holds(self, step: str, what: str) -> bool:
        return fnmatchcase(step, self.step) and fnmatchcase(what, self.what)


DESCRIBED = (
    Line(INGEST, "sid Log", "The ingest lambda: create CloudWatch logs (aws/lambda/ingestion-lambda)"),
    Line(INGEST, "create ingestion/totesys/[*]", "The ingest lambda: create S3 objects in the ingestion zone bucket"),
    Line(INGEST, "read secret/TOTESYS_URL", "The ingest lambda: read specific secrets in Secrets Manager"),
    Line(PROCESS, "sid Log", "The process lambda: create CloudWatch logs (aws/lambda/process-lambda)"),
    Line(PROCESS, "read ingestion/totesys/[*]", "The process lambda: read S3 objects in the ingestion zone bucket"),
    Line(PROCESS, "create processed/*", "The process lambda: create S3 objects in the processed zone bucket"),
    Line(LOAD, "sid Log", "The load lambda: create CloudWatch logs (aws/lambda/load-lambda)"),
    Line(LOAD, "read processed/*", "The load lambda: read S3 objects in the processed zone bucket"),
    Line(LOAD, "read secret/totesys-warehouse", "The load lambda: read specific secrets in Secrets Manager"),
)
BEYOND = (
    Line(INGEST, "read totesys.*", "it ingests all tables: SELECT on each, inside the database"),
    Line(LOAD, "apply warehouse/*", "it loads the data warehouse: a right inside the database"),
    Line(INGEST, "read ingestion/totesys/[*]", "what is new is told from what its log holds"),
    Line(PROCESS, "read processed/*", "what is new is told from what the model's log holds"),
    Line("*", "list *", "the head of a log is found by HEAD, which answers 404 only with the right to list"),
    Line("*", "read ingestion/_config/[*]", "the plan that says what the step is"),
    Line("*", "create ingestion/_runs/[*]", "its progress, besides the log: a record of each run"),
    Line("*", "sid DeadLetter", "e-mail in the event of errors: what it couldn't handle is kept, and alarms"),
    Line(INGEST, "sid WakeItself", "it goes on when there is more to do than one wake's time"),
    Line(PROCESS, "sid WakeItself", "it goes on when there is more to do than one wake's time"),
    Line(INGEST, "sid *Interface", "the database is in a VPC: Lambda puts its network interface there"),
    Line(LOAD, "sid *Interface", "the warehouse is in a VPC: Lambda puts its network interface there"),
)
EXPLAINED = (*DESCRIBED, *BEYOND)


def held(plan: Plan) -> list[tuple[str, str]]:
    """(step, what) of everything that the roles of totesys may do."""
    found = [(grant.step, f"{grant.action} {grant.resource}") for grant in plan.grants]
    for step in plan.steps:
        if step.place == "aws":
            needs = {one.sid for one in policies.statements(plan, step) if one.grant is None}
            found += [(step.name, f"sid {sid}") for sid in sorted(needs)]
    return found


def unexplained(plan: Plan) -> list[tuple[str, str]]:
    return [one for one in held(plan) if sum(line.holds(*one) for line in EXPLAINED) != 1]


def missing(plan: Plan) -> list[str]:
    found = held(plan)
    return [f"{line.step}: {line.said}" for line in EXPLAINED if not any(line.holds(*one) for one in found)]


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_each_line_is_a_grant_and_each_grant_has_a_line(environment: str) -> None:
    plan = plan_of("totesys", environment)
    assert unexplained(plan) == []
    assert missing(plan) == []


def test_every_described_permission_is_in_the_policy() -> None:
    """Not only derived: what a line says stands in the role's inline policy as an action on the right thing."""
    plan = plan_of("totesys", "dev")
    bucket = "arn:aws:s3:::totesys-dev-{}-111122223333/{}/*"
    wanted = {
        INGEST: [("s3:PutObject", bucket.format("ingestion", "totesys")), ("logs:PutLogEvents", "/aws/lambda/totesys-dev-ingest-totesys:")],
        PROCESS: [("s3:GetObject", bucket.format("ingestion", "totesys")), ("s3:PutObject", bucket.format("processed", "fact_sales_order")),
                  ("logs:PutLogEvents", "/aws/lambda/totesys-dev-process-fact_payment:")],
        LOAD: [("s3:GetObject", bucket.format("processed", "fact_sales_order")), ("secretsmanager:GetSecretValue", "totesys-dev-totesys-warehouse-"),
               ("logs:PutLogEvents", "/aws/lambda/totesys-dev-load-postgres:")],
    }  # fmt: skip
    for name, pairs in wanted.items():
        made = policies.role_statements(plan, plan.step(name))
        for action, part in pairs:
            assert any(action in one.actions and any(part in arn for arn in one.resources) for one in made), (
                name,
                part,
            )


# who may wake what, of the description: every ten minutes, and the query_log.json of either bucket
WAKES = {
    "ingest_totesys_schedule": ("schedule", "rate(10 minutes)", None),
    "process_fact_payment_batch": ("batch_rule", "totesys-dev-ingestion-111122223333", 1),
    "load_postgres_batch": ("batch_rule", "totesys-dev-processed-111122223333", 12),
}


def test_each_lambda_is_woken_as_described() -> None:
    plan = plan_of("totesys", "dev")
    root = next(root for root in stacks.roots(plan, EXAMPLES / "totesys") if root.stack == "workflow/lambda")
    found = {}
    for call in root.calls:
        if call.entity in ("schedule", "batch_rule"):
            logs = call.arguments.get("logs")
            by = call.arguments.get("expression") or call.arguments.get("bucket")
            found[call.name] = (call.entity, by, len(logs) if isinstance(logs, list) else None)
    assert found == WAKES


Broken = Callable[[tuple[Grant, ...]], tuple[Grant, ...]]
BROKEN: dict[str, Broken] = {
    "an invented grant": lambda held: (*held, Grant(LOAD, "read", "ingestion/totesys/*", "out of curiosity")),
    "the right to write to the raw zone": lambda held: (*held, Grant(PROCESS, "create", "ingestion/totesys/*", "oops")),
    "another step's secret": lambda held: (*held, Grant(PROCESS, "read", "secret/TOTESYS_URL", "it could be handy")),
    "everything": lambda held: (*held, Grant(INGEST, "create", "ingestion/*", "simpler")),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_grant_without_a_reason_fails(name: str) -> None:
    plan = plan_of("totesys", "dev")
    assert len(unexplained(replace(plan, grants=BROKEN[name](plan.grants)))) == 1


@pytest.mark.parametrize("number", range(len(DESCRIBED)))
def test_a_described_permission_that_is_gone_fails(number: int) -> None:
    line = DESCRIBED[number]
    plan = plan_of("totesys", "dev")
    if line.what.startswith("sid"):
        gone = replace(plan, steps=tuple(replace(s, place="") if s.name == line.step else s for s in plan.steps))
    else:
        kept = tuple(g for g in plan.grants if not line.holds(g.step, f"{g.action} {g.resource}"))
        gone = replace(plan, grants=kept)
    assert any(line.said in said for said in missing(gone))
