"""From a plan to the files of its infrastructure: a root and a state per stack, the modules they call, CI, a README."""

from collections.abc import Mapping
from pathlib import Path

from catchwater.infra.roots import Root, modules, rendered
from catchwater.plan.plan import Plan


def roots(plan: Plan, folder: Path) -> tuple[Root, ...]:
    """The roots in the order they are applied; `folder` is the project's, whose schema files go along."""
    from catchwater.infra.aws import stacks as aws
    from catchwater.infra.google import stacks as google

    found: tuple[Root, ...] = ()
    if "aws" in plan.clouds:
        found += aws.roots(plan, folder)
    if "google" in plan.clouds:
        found += google.roots(plan, folder)
    return found


def backend(root: Root, plan: Plan) -> Mapping[str, object]:
    from catchwater.infra.aws import stacks as aws
    from catchwater.infra.google import stacks as google

    return aws.backend(root, plan) if root.cloud == "aws" else google.backend(root, plan)


def build(plan: Plan, folder: Path) -> dict[str, bytes]:
    """Every file by its path under the project: deterministic, and needing nothing of Catchwater to be applied."""
    from catchwater.infra.ci import workflows
    from catchwater.infra.readme import readme

    made = roots(plan, folder)
    found: dict[str, bytes] = {}
    for root in made:
        found |= rendered(root, plan, backend(root, plan))  # type: ignore[arg-type]
    found |= modules(made)
    found |= workflows.files(plan, made)
    found |= readme(plan, made)
    return dict(sorted(found.items()))
