"""What the roles that plan and apply may do: the actions of each root's resource types, on the project's names."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files

from catchwater.errors import UseError
from catchwater.infra.aws import places
from catchwater.infra.aws.policies import Conditions, Statement
from catchwater.infra.aws.rights import PASSED, RIGHTS, Right
from catchwater.infra.names import LIMITS, name
from catchwater.infra.roots import Root
from catchwater.plan.plan import Plan

MANAGED = 6144  # characters of a managed policy, white space apart
ISSUER = "token.actions.githubusercontent.com"
_ROLE = re.compile(r"^ +role(_arn)? += ", re.MULTILINE)
_USED = re.compile(r'^(resource|data)\s+"(aws_[a-z0-9_]+)"', re.MULTILINE)


@dataclass(frozen=True)
class Things:
    """What a right holds for: ARNs, and conditions where names can't say whose a thing is."""

    arns: tuple[str, ...]
    conditions: Conditions = field(default_factory=dict)


def types(root: Root) -> tuple[str, ...]:
    """The resource types of a root, `data.` before those only read, as its modules' files have them."""
    used = [found for text in _modules(root) for found in _USED.findall(text)]
    return tuple(sorted({name if kind == "resource" else f"data.{name}" for kind, name in used}))


def _modules(root: Root) -> list[str]:
    folder = files("catchwater.infra") / "modules" / "aws"
    return [(folder / entity / "main.tf").read_text() for entity in sorted({call.entity for call in root.calls})]


def _passed(root: Root) -> list[str]:
    """The services that are handed a role by the root's modules."""
    handing = [name for text in _modules(root) if _ROLE.search(text) for _, name in _USED.findall(text)]
    return sorted({PASSED[name] for name in handing if name in PASSED})


def statements(plan: Plan, root: Root) -> tuple[Statement, ...]:
    """What applying a root needs: to read, make, change and delete what it declares, and nothing of other projects.

    Raises UseError for a resource type that `rights` doesn't know.
    """
    passed = _passed(root)
    found = list(_merged(plan, ((right, (*right.read, *right.write)) for right in _rights(root))))
    if passed:
        condition = {"StringEquals": {"iam:PassedToService": tuple(passed)}}
        arns = things(plan, "role").arns
        found.append(Statement("PassRole", ("iam:PassRole",), arns, condition, None, "services take the roles made"))
    return tuple(found)


def readable(plan: Plan, root: Root) -> tuple[Statement, ...]:
    """What planning a root needs: to read what it declares."""
    return tuple(_merged(plan, ((right, right.read) for right in _rights(root))))


def _rights(root: Root) -> Iterator[Right]:
    for kind in types(root):
        if kind not in RIGHTS:
            raise UseError(f"no rights are written down for {kind}", where=f"aws/{root.stack}")
        yield from RIGHTS[kind]


def _merged(plan: Plan, wanted: Iterable[tuple[Right, tuple[str, ...]]]) -> Iterator[Statement]:
    """One statement per kind of thing, its actions united."""
    found: dict[str, set[str]] = {}
    for right, actions in wanted:
        if actions:
            found.setdefault(right.on, set()).update(actions)
    for on in sorted(found):
        held = things(plan, on)
        sid = "".join(word.capitalize() for word in on.split())
        why = "these take no resource" if on == "nothing" else f"what the stack declares: {on}"
        yield Statement(sid, tuple(sorted(found[on])), held.arns, held.conditions, None, why)


def prefix(plan: Plan, service: str) -> str:
    """How every name of the project begins in a service; shorter where long names are cut."""
    longest, _ = LIMITS[service]
    whole = name(plan, service, "x" * longest)
    start = whole[: longest - 7].split("-xx")[0]
    return f"{start}-" if len(start) < longest - 8 else start.rstrip("-_")


def things(plan: Plan, on: str) -> Things:
    """The ARNs of one kind of thing that carry the project's prefix, or a name that the project gave."""
    if on in _EXACT:
        return _EXACT[on](plan)
    service, kind, resource = _NAMED[on]
    begins = [f"{prefix(plan, service)}*", *sorted(plan.names.values())]
    return Things(tuple(_arn(plan, kind, resource.format(one)) for one in begins))


def _arn(plan: Plan, kind: str, resource: str) -> str:
    if kind == "s3":
        return f"arn:aws:s3:::{resource}"
    if kind == "iam":
        return f"arn:aws:iam::{places.account(plan)}:{resource}"
    return places.arn(plan, kind, resource)


# thing: the limit its name is under, the service in its ARN, and the rest of it
_NAMED = {
    "bucket": ("bucket", "s3", "{}"),
    "role": ("role", "iam", "role/{}"),
    "policy": ("policy", "iam", "policy/{}"),
    "function": ("lambda", "lambda", "function:{}"),
    "queue": ("queue", "sqs", "{}"),
    "schedule": ("schedule", "scheduler", "schedule/default/{}"),
    "rule": ("rule", "events", "rule/{}"),
    "topic": ("topic", "sns", "{}"),
    "alarm": ("alarm", "cloudwatch", "alarm:{}"),
    "job": ("role", "glue", "job/{}"),
    "workflow": ("role", "glue", "workflow/{}"),
    "trigger": ("role", "glue", "trigger/{}"),
    "database": ("database", "rds", "db:{}"),
    "subnet group": ("database", "rds", "subgrp:{}"),
    "final snapshot": ("database", "rds", "snapshot:{}"),
    "table": ("queue", "dynamodb", "table/{}"),
}


def _log_groups(plan: Plan) -> Things:
    made = [f"/aws/lambda/{prefix(plan, 'lambda')}*"]
    if any(step.compute == "glue" for step in plan.steps):
        made.append(f"/aws-glue/jobs/{prefix(plan, 'role')}*")
    made += [f"/aws/lambda/{given}" for given in sorted(plan.names.values())]
    return Things(tuple(places.arn(plan, "logs", f"log-group:{one}") for one in made))


def _objects(plan: Plan) -> Things:
    """The configuration and the artifacts: no role of CI reads the lake."""
    held = (f"{places.bucket_arn(plan, 'ingestion')}/_config/*", f"{places.bucket_arn(plan, 'artifacts')}/*")
    return Things(held)


def _mappings(plan: Plan) -> Conditions:
    return {"ArnLike": {"lambda:FunctionArn": things(plan, "function").arns}}


def _ours(plan: Plan, *kinds: str) -> Things:
    """Ids of EC2 carry no name: what is changed or deleted has to carry the project's tags."""
    tags = {
        "aws:ResourceTag/project": (plan.project.replace("_", "-"),),
        "aws:ResourceTag/environment": (plan.environment,),
    }
    return Things(tuple(places.arn(plan, "ec2", f"{kind}/*") for kind in kinds), {"StringEquals": tags})


def _vpc(plan: Plan) -> Things:
    return Things((places.arn(plan, "ec2", f"vpc/{(places.network(plan) or {}).get('vpc', '*')}"),))


def _inside(plan: Plan) -> Things:
    subnets = (places.network(plan) or {}).get("subnets", ())
    named = tuple(places.arn(plan, "ec2", f"subnet/{subnet}") for subnet in subnets)
    return Things((*named, places.arn(plan, "ec2", "route-table/*"), places.arn(plan, "ec2", "security-group/*")))


def _group(plan: Plan) -> Things:
    return Things(tuple(places.arn(plan, "ec2", f"{kind}/*") for kind in ("security-group", "security-group-rule")))


_EXACT: dict[str, Callable[[Plan], Things]] = {
    "nothing": lambda _: Things(("*",)),
    "object": _objects,
    "archive": lambda plan: Things((f"{places.bucket_arn(plan, 'artifacts')}/lambda/*",)),
    "secret": lambda plan: Things((places.arn(plan, "secretsmanager", f"secret:{places.secret(plan, '')}*"),)),
    "log group": _log_groups,
    "provider": lambda plan: Things((f"arn:aws:iam::{places.account(plan)}:oidc-provider/{ISSUER}",)),
    "mapping": lambda plan: Things((places.arn(plan, "lambda", "event-source-mapping:*"),), _mappings(plan)),
    "mapping tags": lambda plan: Things((places.arn(plan, "lambda", "event-source-mapping:*"),)),
    "new mapping": lambda plan: Things(("*",), _mappings(plan)),
    "database parts": lambda plan: Things(
        tuple(places.arn(plan, "rds", part) for part in ("og:default:*", "pg:default.*"))
        + things(plan, "subnet group").arns
    ),
    "databases": lambda plan: Things((places.arn(plan, "rds", "db:*"),)),  # the provider finds one by its id
    "role of RDS": lambda plan: Things(
        (f"arn:aws:iam::{places.account(plan)}:role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS",)
    ),
    "group": _group,
    "own group": lambda plan: _ours(plan, "security-group", "security-group-rule"),
    "vpc": _vpc,
    "inside": _inside,
    "endpoint": lambda plan: Things((places.arn(plan, "ec2", "vpc-endpoint/*"),)),
    "own endpoint": lambda plan: _ours(plan, "vpc-endpoint"),
}
