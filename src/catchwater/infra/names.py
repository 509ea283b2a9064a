"""What things are called in a cloud: from project, environment and part, within the service's limits."""

import hashlib
import re

from catchwater.plan.plan import Plan

# service: (longest name, characters that may stand in it besides a-z, 0-9 and -)
LIMITS = {
    "bucket": (63, ""), "lambda": (64, "_"), "role": (64, "_"), "policy": (128, "_"), "schedule": (64, "_"),
    "rule": (64, "_"), "queue": (80, "_"), "topic": (255, "_"), "alarm": (255, "_"), "glue": (255, "_"),
    "database": (63, ""), "function": (63, ""), "service": (49, ""), "account": (30, ""), "pool": (32, ""),
    "subscription": (255, "_"), "trigger": (63, ""), "repository": (63, ""), "job": (63, ""), "dataset": (1024, "_"),
}  # fmt: skip


def name(plan: Plan, service: str, *parts: str) -> str:
    """`<project>-<environment>-<parts>`, cut with a hash of the whole where it is too long; `name:` of the project
    overrides it by the name that would have been generated."""
    longest, more = LIMITS[service]
    whole = "-".join([plan.project, plan.environment, *parts]).lower()
    plain = re.sub(rf"[^a-z0-9{more}-]+", "-", whole).strip("-")
    plain = re.sub(r"-{2,}", "-", plain)
    if len(plain) > longest:
        plain = f"{plain[: longest - 7].rstrip('-_')}-{hashlib.sha256(whole.encode()).hexdigest()[:6]}"
    return plan.names.get(plain, plain)


def label(*parts: str) -> str:
    """A label of Terraform: letters, digits and `_`."""
    return re.sub(r"[^a-z0-9]+", "_", "_".join(parts).lower()).strip("_")
