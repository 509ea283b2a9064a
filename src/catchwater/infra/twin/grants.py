"""What each derived permission came to: used, unused, missing or not proven; matched against what the emulator decided,
and never evaluated here."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from catchwater.infra.aws.policies import Statement
from catchwater.infra.twin.emulator import VAGUE, Decision

# what the emulator does in a role's name without asking its evaluator, nor lets the launcher ask it
UNASKED = ("ec2:", "kms:", "rds-db:", "glue:")


@dataclass(frozen=True)
class Permission:
    """One statement of a step's role, by the name under which the plan knows it."""

    step: str
    role: str
    statement: Statement

    @property
    def name(self) -> str:
        """`process:sales s3:GetObject ingestion/totesys/*`: the derived grant, or the resource that a service needs."""
        grant = self.statement.grant
        resource = grant.resource if grant else short(self.statement.resources[0])
        return f"{self.step} {'+'.join(self.statement.actions)} {resource}"

    @property
    def asked(self) -> bool:
        """Whether the emulator asks anybody about it."""
        return not self.statement.actions[0].startswith(UNASKED)

    def covers(self, decision: Decision) -> bool:
        said = self.statement
        if decision.role != self.role or decision.action.lower() not in (action.lower() for action in said.actions):
            return False
        if not any(matches(decision.on.removeprefix(VAGUE), pattern) for pattern in said.resources):
            return False
        prefixes = said.conditions.get("StringLike", {}).get("s3:prefix")
        return prefixes is None or any(matches(decision.prefix, pattern) for pattern in prefixes)


@dataclass(frozen=True)
class Denial:
    """What a role was refused: `grant` names the derived permission that would have allowed it, if there is one."""

    role: str
    action: str
    on: str
    grant: str

    @property
    def name(self) -> str:
        return self.grant or f"{self.role} {self.action} {short(self.on)}: no grant is derived for it"


@dataclass(frozen=True)
class Judged:
    """The permissions by what became of them; `used` with how often they were needed."""

    used: dict[str, int]
    unused: tuple[str, ...]
    unproven: tuple[str, ...]
    missing: tuple[Denial, ...]


def judge(permissions: Sequence[Permission], decisions: Sequence[Decision]) -> Judged:
    """Every permission that a role has, against what was asked for in its name."""
    used: dict[str, int] = {}
    unused, unproven = [], []
    allowed = Counter(one for one in decisions if one.allowed)
    for permission in permissions:
        count = sum(number for one, number in allowed.items() if permission.covers(one))
        if count:
            used[permission.name] = count
        elif permission.asked:
            unused.append(permission.name)
        else:
            unproven.append(permission.name)
    return Judged(used, tuple(sorted(unused)), tuple(sorted(unproven)), denials(permissions, decisions))


def denials(permissions: Sequence[Permission], decisions: Iterable[Decision]) -> tuple[Denial, ...]:
    """What the roles of steps were refused, once per permission that would have allowed it."""
    roles = {permission.role for permission in permissions}
    found: dict[str, Denial] = {}
    for one in decisions:
        if one.allowed or one.role not in roles:
            continue
        names = [permission.name for permission in permissions if permission.covers(one)]
        for name in names or [""]:
            denial = Denial(one.role, one.action, one.on, name)
            found.setdefault(denial.name, denial)
    return tuple(found.values())


def matches(value: str, pattern: str) -> bool:
    """IAM's wildcards: `*` any characters, `?` one."""
    return _compiled(pattern).fullmatch(value) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(char) or re.escape(char) for char in pattern))


def short(resource: str) -> str:
    """An ARN without partition, region and account."""
    parts = resource.split(":", 5)
    return f"{parts[2]}:{parts[5]}" if len(parts) == 6 else resource
