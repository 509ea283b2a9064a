"""The stacks of an environment on Google Cloud, in the order they are applied: each names what another makes, by name
alone."""

from collections.abc import Mapping
from pathlib import Path

from catchwater.infra.google import bootstrap, observability, places, serve, storage, warehouse, workflow
from catchwater.infra.hcl import Value
from catchwater.infra.roots import Root
from catchwater.plan.plan import Plan


def roots(plan: Plan, folder: Path) -> tuple[Root, ...]:
    """Those that have content; `folder` is the project's, whose schema files go into the bucket."""
    made = (
        storage.root(plan, folder),
        warehouse.root(plan),
        *workflow.roots(plan),
        serve.root(plan),
        observability.root(plan),
    )
    found = tuple(root for root in made if root is not None)
    return (bootstrap.root(plan, found), *found)


def backend(root: Root, plan: Plan) -> Mapping[str, Value]:
    """GCS, which locks by itself: one prefix per stack."""
    return {"bucket": places.state_bucket(plan), "prefix": f"{plan.environment}/{root.stack}"}
