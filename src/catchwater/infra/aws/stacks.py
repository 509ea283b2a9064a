"""The stacks of an environment on AWS, in the order they are applied: each names what another makes, by name alone."""

from collections.abc import Mapping
from pathlib import Path

from catchwater.infra.aws import lambdas, observability, places, storage
from catchwater.infra.names import name
from catchwater.infra.roots import Root
from catchwater.plan.plan import Plan


def roots(plan: Plan, folder: Path) -> tuple[Root, ...]:
    """Those that have content; `folder` is the project's, whose schema files go into the bucket."""
    made = (storage.root(plan, folder), lambdas.root(plan), observability.root(plan))
    return tuple(root for root in made if root is not None)


def backend(root: Root, plan: Plan) -> Mapping[str, object]:
    """S3 with a lock file beside the state; the DynamoDB table too, where the project asks for it."""
    found: dict[str, object] = {
        "bucket": state_bucket(plan),
        "key": f"{plan.environment}/{root.stack}/terraform.tfstate",
        "region": places.region(plan),
        "encrypt": True,
        "use_lockfile": True,
    }
    if plan.state_lock == "dynamodb":
        found["dynamodb_table"] = name(plan, "queue", "terraform-lock")
    return found


def state_bucket(plan: Plan) -> str:
    return name(plan, "bucket", "terraform", places.account(plan))
