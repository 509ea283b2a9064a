"""The stacks of an environment on AWS, in the order they are applied: each names what another makes, by name alone."""

from collections.abc import Mapping
from pathlib import Path

from catchwater.errors import UseError
from catchwater.infra.aws import bootstrap, glue, lambdas, observability, places, storage, warehouse
from catchwater.infra.hcl import Value
from catchwater.infra.roots import Root
from catchwater.plan.plan import Plan


def roots(plan: Plan, folder: Path) -> tuple[Root, ...]:
    """Those that have content; `folder` is the project's, whose schema files go into the bucket.

    Raises UseError for what AWS can't be asked for.
    """
    made = (
        storage.root(plan, folder),
        warehouse.root(plan),
        lambdas.root(plan),
        glue.root(plan),
        observability.root(plan),
    )
    others = tuple(root for root in made if root is not None)
    for root in others:
        _distinct(root)
    return (bootstrap.root(plan, others), *others)


def _distinct(root: Root) -> None:
    """Terraform has letters, digits and _ for its labels: names that differ in nothing else would be one."""
    labels = [call.name for call in root.calls]
    twice = sorted({one for one in labels if labels.count(one) > 1})
    if twice:
        raise UseError(
            f"two parts would both be called {', '.join(twice)}",
            where=f"aws/{root.stack}",
            next_step="give sources, secrets and schema files names that differ in letters or digits",
        )


def backend(root: Root, plan: Plan) -> Mapping[str, Value]:
    """S3 with a lock file beside the state; the DynamoDB table too, where the project asks for it."""
    found: dict[str, Value] = {
        "bucket": bootstrap.state_bucket(plan),
        "key": bootstrap.state_key(plan, root.stack),
        "region": places.region(plan),
        "encrypt": True,
        "use_lockfile": True,
    }
    if plan.state_lock == "dynamodb":
        found["dynamodb_table"] = bootstrap.lock_table(plan)
    return found
