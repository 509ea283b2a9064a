"""From a plan to the files of its infrastructure: a root and a state per stack, the modules they call, CI, a README."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from catchwater.infra.hcl import Value
from catchwater.infra.roots import Root, modules, rendered
from catchwater.plan.plan import Plan


def roots(plan: Plan, folder: Path) -> tuple[Root, ...]:
    """The roots in the order they are applied; `folder` is the project's, whose schema files go along."""
    found: tuple[Root, ...] = ()
    if "aws" in plan.clouds:
        from catchwater.infra.aws import stacks as aws

        found += aws.roots(plan, folder)
    if "google" in plan.clouds:
        from catchwater.infra.google import stacks as google

        found += google.roots(plan, folder)
    return found


def backend(root: Root, plan: Plan) -> Mapping[str, Value]:
    if root.cloud == "aws":
        from catchwater.infra.aws import stacks as aws

        return aws.backend(root, plan)
    from catchwater.infra.google import stacks as google

    return google.backend(root, plan)


def build(plan: Plan, folder: Path, siblings: Sequence[Plan] = ()) -> dict[str, bytes]:
    """Every file by its path under the project: deterministic, and needing nothing of Catchwater to be applied.

    `siblings` are the plans of all environments that are in a cloud, in the order declared, this one among them:
    CI leads from one to the next.
    """
    from catchwater.infra import container
    from catchwater.infra.ci import workflows
    from catchwater.infra.readme import readme

    made = roots(plan, folder)
    found: dict[str, bytes] = {f"infra/{plan.environment}/plan.json": plan.to_bytes()}
    for root in made:
        found |= rendered(root, plan, backend(root, plan))
    found |= modules(made)
    found |= workflows.files([workflows.stage(other, roots(other, folder)) for other in siblings or (plan,)])
    for name, text in container.dockerfiles(plan).items():
        found[f"infra/{plan.environment}/{name}"] = text.encode()
    found |= readme(plan, made, sorted(found))
    return dict(sorted(found.items()))
