"""From derived grants to IAM statements, one by one: no permission here that no grant, trigger or place needs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from catchwater.errors import UseError
from catchwater.infra.aws import places
from catchwater.infra.hcl import Value
from catchwater.plan.network import private
from catchwater.plan.plan import Grant, Plan, Step

INLINE = 10240  # characters of all inline policies of one role, white space apart
ZONES = ("ingestion", "processed", "artifacts")
S3 = {"read": "s3:GetObject", "list": "s3:ListBucket", "create": "s3:PutObject"}
CONSUME = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
UNBOUND = ("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets")  # actions that take no resource

Conditions = Mapping[str, Mapping[str, tuple[str, ...]]]


@dataclass(frozen=True)
class Statement:
    """One permission: `grant` is the derived grant that it carries out, None for what the cloud needs besides.

    Statements of one `sid` have the same actions and are one statement of the policy.
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Conditions = field(default_factory=dict)
    grant: Grant | None = None
    because: str = ""


@dataclass(frozen=True)
class Explained:
    """A grant and what it became: statements, or where else it is carried out."""

    grant: Grant
    statements: tuple[Statement, ...]
    elsewhere: str = ""


def statements(plan: Plan, step: Step) -> tuple[Statement, ...]:
    """Everything that the role of a step on AWS may do, a statement per grant and per need of the service."""
    found = [statement for grant in plan.granted(step.name) for statement in of_grant(plan, step, grant).statements]
    return (*found, *_needs(plan, step))


def explain(plan: Plan) -> tuple[Explained, ...]:
    """Each grant of each step on AWS with its statements."""
    return tuple(
        of_grant(plan, step, grant) for step in plan.steps if step.place == "aws" for grant in plan.granted(step.name)
    )


def of_grant(plan: Plan, step: Step, grant: Grant) -> Explained:
    """Raises UseError for a grant that AWS has no permission for."""
    zone, _, rest = grant.resource.partition("/")
    if zone in ZONES and grant.action in S3:
        return Explained(grant, tuple(_objects(plan, grant, zone, rest)))
    if zone == "secret" and grant.action == "read":
        made = Statement("ReadSecrets", ("secretsmanager:GetSecretValue",), (places.secret_arn(plan, rest),))
        return Explained(grant, (_carried(made, grant),))
    if zone == "topic" and grant.action == "publish":
        target = places.arn(plan, "sqs", places.queue(plan, rest))
        return Explained(grant, (_carried(Statement("Publish", ("sqs:SendMessage",), (target,)), grant),))
    if zone == "warehouse" and grant.action == "apply":
        return Explained(grant, (), _warehouse(plan))
    if grant.action == "consume":
        target = places.arn(plan, "sqs", places.queue(plan, step.source))
        return Explained(grant, (_carried(Statement("Consume", CONSUME, (target,)), grant),))
    if step.stage == "ingest" and grant.action == "read":
        return _source(plan, step, grant)
    raise UseError(f"AWS has no permission for: {grant.action} {grant.resource}", where=step.name)


def _carried(statement: Statement, grant: Grant) -> Statement:
    return replace(statement, grant=grant, because=grant.because)


def _objects(plan: Plan, grant: Grant, zone: str, prefix: str) -> Iterator[Statement]:
    arn = places.bucket_arn(plan, zone)
    sid = f"{grant.action.capitalize()}{zone.capitalize()}"
    if grant.action == "list":
        # S3 takes the key of a missing object for the prefix when it chooses between 404 and 403
        listed = Statement(sid, (S3["list"],), (arn,), {"StringLike": {"s3:prefix": (prefix,)}})
        yield _carried(listed, grant)
        return
    yield _carried(Statement(sid, (S3[grant.action],), (f"{arn}/{prefix}",)), grant)
    key = plan.lake.get("kms_key")
    if key:
        action = "kms:Decrypt" if grant.action == "read" else "kms:GenerateDataKey"
        yield _carried(Statement(f"Key{grant.action.capitalize()}", (action,), (str(key),)), grant)


def _warehouse(plan: Plan) -> str:
    if plan.warehouse["kind"] == "bigquery":
        return "BigQuery's own IAM, as the service account that the step's role may act for"
    return "a right inside the warehouse's database, by the login in its secret"


def _source(plan: Plan, step: Step, grant: Grant) -> Explained:
    source = plan.source(step.source)
    if source.kind != "postgres":
        return Explained(grant, (), "read over HTTPS, which needs no permission of AWS")
    sql = "GRANT SELECT in the database: see sql/ in the storage stack"
    if source.declared.get("auth") != "rds_iam":
        return Explained(grant, (), sql)
    made = Statement("Connect", ("rds-db:connect",), (database_user(plan, step.source),))
    return Explained(grant, (_carried(made, grant),), sql)


def database_user(plan: Plan, source: str) -> str:
    """The ARN of a source's user; its database is known by an id that only AWS gives, a variable of the root."""
    user = plan.source(source).declared.get("user", "")
    return places.arn(plan, "rds-db", f"dbuser:${{var.{places.resource_id(source)}}}/{user}")


def _needs(plan: Plan, step: Step) -> Iterator[Statement]:
    """What the service itself does under the step's role, by its triggers and its place."""
    group = places.arn(plan, "logs", f"log-group:{places.log_group(plan, step)}")
    if step.compute == "glue":
        yield from _glue(plan, group)
        return
    yield Statement(
        "Log", ("logs:CreateLogStream", "logs:PutLogEvents"), (f"{group}:log-stream:*",), {}, None, "its own log group"
    )
    dead = places.arn(plan, "sqs", places.dead_letter(plan, step))
    yield Statement("DeadLetter", ("sqs:SendMessage",), (dead,), {}, None, "events that it could not handle")
    if step.stage in ("ingest", "process"):  # a load ends with what it has, whatever is committed meanwhile
        own = places.function_arn(plan, step)
        yield Statement(
            "WakeItself", ("lambda:InvokeFunction",), (own,), {}, None, "it goes on when there is more to do than time"
        )
    if private(plan, step):
        yield from _interface(plan)


def _interface(plan: Plan) -> Iterator[Statement]:
    why = "Lambda makes the function's network interface in the VPC under its role"
    declared = places.network(plan) or {}
    group = declared.get("security_group") or "*"
    made = places.arn(plan, "ec2", "network-interface/*")
    inside = [places.arn(plan, "ec2", f"subnet/{subnet}") for subnet in declared.get("subnets", ())]
    inside.append(places.arn(plan, "ec2", f"security-group/{group}"))
    yield Statement("MakeInterface", ("ec2:CreateNetworkInterface",), (made, *inside), {}, None, why)
    actions = ("ec2:AssignPrivateIpAddresses", "ec2:DeleteNetworkInterface", "ec2:UnassignPrivateIpAddresses")
    yield Statement("KeepInterface", actions, (made,), {}, None, why)
    yield Statement("FindInterface", UNBOUND, ("*",), {}, None, f"{why}; these two take no resource")


def _glue(plan: Plan, group: str) -> Iterator[Statement]:
    logs = tuple(f"{group}/{part}:log-stream:*" for part in ("error", "output"))
    yield Statement("Log", ("logs:CreateLogStream", "logs:PutLogEvents"), logs, {}, None, "its own log groups")
    code = f"{places.bucket_arn(plan, places.ARTIFACTS)}/glue/*"
    yield Statement("ReadArtifacts", ("s3:GetObject",), (code,), {}, None, "the job's script")


def grouped(found: Sequence[Statement]) -> tuple[Statement, ...]:
    """One statement per sid, resources and condition values united and sorted, and the reasons in a line."""
    sids = dict.fromkeys(statement.sid for statement in found)
    return tuple(_united([one for one in found if one.sid == sid]) for sid in sids)


def _united(found: Sequence[Statement]) -> Statement:
    first = found[0]
    conditions: dict[str, dict[str, tuple[str, ...]]] = {}
    for one in found:
        for test, keys in one.conditions.items():
            for key, values in keys.items():
                held = conditions.setdefault(test, {})
                held[key] = tuple(sorted({*held.get(key, ()), *values}))
    reasons = list(dict.fromkeys(one.because for one in found))
    more = f", and {len(reasons) - 2} more like it" if len(reasons) > 2 else ""
    return Statement(
        first.sid,
        first.actions,
        tuple(sorted({resource for one in found for resource in one.resources})),
        conditions,
        None,
        "; ".join(reasons[:2]) + more,
    )


def document(found: Sequence[Statement]) -> str:
    """The policy as JSON; the same statements give the same text."""
    body = [
        {"Sid": one.sid, "Effect": "Allow", "Action": list(one.actions), "Resource": list(one.resources)}
        | (
            {"Condition": {t: {k: list(v) for k, v in keys.items()} for t, keys in one.conditions.items()}}
            if one.conditions
            else {}
        )
        for one in grouped(found)
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": body}, separators=(",", ":"))


def role_statements(plan: Plan, step: Step) -> tuple[Statement, ...]:
    """The statements of the step's inline policy; raises UseError when IAM takes no policy of that size."""
    found = tuple(one for one in statements(plan, step) if one.sid != "Connect")
    size = len(document(found))
    if size > INLINE:
        raise UseError(
            f"its policy would have {size:,} characters, IAM takes {INLINE:,}",
            where=step.name,
            next_step="let fewer models reference each other, so that the group becomes several steps",
        )
    return grouped(found)


def as_value(one: Statement) -> Mapping[str, Value]:
    """A statement as the modules take it."""
    found: dict[str, Value] = {"sid": one.sid, "actions": list(one.actions), "resources": list(one.resources)}
    if one.conditions:
        found["conditions"] = {
            test: {key: list(values) for key, values in keys.items()} for test, keys in one.conditions.items()
        }
    return {**found, "because": one.because}
