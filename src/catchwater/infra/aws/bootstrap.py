"""The bootstrap stack of AWS: where state is kept, and the roles of CI; a person applies it, its state stays local."""

from collections.abc import Iterable, Mapping, Sequence

from catchwater.errors import UseError
from catchwater.infra.aws import apply, places
from catchwater.infra.aws.policies import Statement, as_value, document
from catchwater.infra.hcl import Raw, Value
from catchwater.infra.names import name
from catchwater.infra.roots import Call, Root, Variable
from catchwater.plan.plan import Plan

PURPOSE = "Applied once by a person: where the other stacks keep their state, and the roles that CI takes."
POLICIES = 10  # managed policies that a role may have


def root(plan: Plan, others: Sequence[Root]) -> Root:
    """`others` are the environment's further roots on AWS, whose resources the roles may read and apply."""
    lock: dict[str, Value] = {"lock_table": lock_table(plan)} if plan.state_lock == "dynamodb" else {}
    calls = [Call("state", "state", {"bucket": state_bucket(plan), **lock}, "The state of every other stack")]
    variables: tuple[Variable, ...] = ()
    outputs = {"state_bucket": Raw("module.state.bucket")}
    if plan.ci == "github_actions" and plan.credentials == "oidc":
        calls.append(_github(plan, others))
        variables = _VARIABLES
        outputs["role_arns"] = Raw("module.github.role_arns")
    return Root("aws", "bootstrap", tuple(calls), variables, outputs, local_state=True, purpose=PURPOSE)


_VARIABLES = (
    Variable(
        "repository",
        "The repository as GitHub's tokens name it, OWNER@ID/NAME@ID, or OWNER/NAME for one made before July 2026: "
        "sub_claim_prefix of gh api repos/OWNER/NAME/actions/oidc/customization/sub, without its repo:.",
    ),
    Variable(
        "github_provider_arn",
        "ARN of the account's OIDC provider for GitHub, where there is one already; null: it is made.",
        default=None,
        required=False,
    ),
)


def state_bucket(plan: Plan) -> str:
    return name(plan, "bucket", "terraform", places.account(plan))


def lock_table(plan: Plan) -> str:
    return name(plan, "queue", "terraform-lock")


def state_key(plan: Plan, stack: str) -> str:
    return f"{plan.environment}/{stack}/terraform.tfstate"


def _github(plan: Plan, others: Sequence[Root]) -> Call:
    roles = {"plan": _policies(plan_statements(plan, others)), "apply": _policies(apply_statements(plan, others))}
    arguments: dict[str, Value] = {
        "repository": Raw("var.repository"),
        "environment": plan.environment,
        "provider_arn": Raw("var.github_provider_arn"),
    }
    for purpose, policies in roles.items():
        arguments[purpose] = {
            "name": name(plan, "role", "ci", purpose),
            "policies": {stack: [as_value(one) for one in held] for stack, held in policies.items()},
        }
    return Call("github", "github", arguments, "Pull requests plan, the protected environment applies")


def plan_statements(plan: Plan, others: Sequence[Root]) -> dict[str, tuple[Statement, ...]]:
    """By policy: the state, read without a lock, and each stack's resources, read."""
    return {"state": (*_state(plan, "s3:GetObject"), *_key(plan, "kms:Decrypt"))} | {
        _short(one): apply.readable(plan, one) for one in others
    }


def apply_statements(plan: Plan, others: Sequence[Root]) -> dict[str, tuple[Statement, ...]]:
    """By policy: the state with its lock, and each stack's resources."""
    state = (
        *_state(plan, "s3:GetObject", "s3:PutObject"),
        *_locks(plan),
        *_key(plan, "kms:Decrypt", "kms:GenerateDataKey"),
    )
    return {"state": state} | {_short(one): apply.statements(plan, one) for one in others}


def _short(root: Root) -> str:
    return root.stack.replace("/", "-")


def _state(plan: Plan, *actions: str) -> tuple[Statement, ...]:
    bucket = f"arn:aws:s3:::{state_bucket(plan)}"
    held = (f"{bucket}/{plan.environment}/*.tfstate",)
    return (
        Statement("State", actions, held, {}, None, "the state of each stack"),
        Statement("FindState", ("s3:ListBucket",), (bucket,), {}, None, "Terraform looks whether there is a state"),
    )


def _key(plan: Plan, *actions: str) -> Iterable[Statement]:
    """The configuration lies in a bucket that may be under a key of the project's own."""
    if plan.lake.get("kms_key"):
        yield Statement("Key", actions, (str(plan.lake["kms_key"]),), {}, None, "the configuration is under it")


def _locks(plan: Plan) -> Iterable[Statement]:
    actions = ("s3:DeleteObject", "s3:GetObject", "s3:PutObject")
    files = (f"arn:aws:s3:::{state_bucket(plan)}/{plan.environment}/*.tfstate.tflock",)
    yield Statement("Lock", actions, files, {}, None, "the lock beside the state")
    if plan.state_lock == "dynamodb":
        items = ("dynamodb:DeleteItem", "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:PutItem")
        table = places.arn(plan, "dynamodb", f"table/{lock_table(plan)}")
        yield Statement("LockTable", items, (table,), {}, None, "the lock of Terraform before 1.11")


def _policies(wanted: Mapping[str, tuple[Statement, ...]]) -> dict[str, tuple[Statement, ...]]:
    """The same by policies that IAM takes: those of a stack that are too long for one are split.

    Raises UseError when a role would need more than ten.
    """
    found: dict[str, list[Statement]] = {}
    for stack, statements in wanted.items():
        number, key = 1, stack
        for one in statements:
            if found.get(key) and len(document([*found[key], one])) > apply.MANAGED:
                number, key = number + 1, f"{stack}-{number + 1}"
            found.setdefault(key, []).append(one)
    if len(found) > POLICIES:
        raise UseError(f"a role of CI would need {len(found)} policies, IAM takes {POLICIES}", where="aws/bootstrap")
    return {key: tuple(held) for key, held in found.items()}
