"""What differs between the infrastructure of two plans, module by module; nothing is applied."""

import json
from collections.abc import Iterable
from pathlib import Path

from catchwater.infra.compile import roots
from catchwater.infra.hcl import Raw, Value
from catchwater.plan.explain import Change
from catchwater.plan.plan import Plan

LONGEST = 60


def changes(old: Plan | None, new: Plan, folder: Path) -> list[Change]:
    """One change per module that is new, gone or different; at most three arguments are spelled out."""
    before, after = (_modules(plan, folder) if plan and plan.clouds else {} for plan in (old, new))
    found = []
    for key in sorted(before.keys() | after.keys()):
        if key not in after:
            found.append(Change("infra", "-", key))
        elif key not in before:
            found.append(Change("infra", "+", key))
        elif before[key] != after[key]:
            found.append(Change("infra", "~", key, ", ".join(_arguments(before[key], after[key]))))
    return found


def _modules(plan: Plan, folder: Path) -> dict[str, dict[str, str]]:
    return {
        f"{root.cloud}/{root.stack}  {call.entity} {call.name}": {k: _spoken(v) for k, v in call.arguments.items()}
        for root in roots(plan, folder)
        for call in root.calls
    }


def _spoken(value: Value) -> str:
    if isinstance(value, Raw):
        return value.text
    return json.dumps(value, default=lambda held: held.text, sort_keys=True, ensure_ascii=False)


def _arguments(old: dict[str, str], new: dict[str, str]) -> Iterable[str]:
    names = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    for name in names[:3]:
        sides = [_cut(values.get(name, "none")) for values in (old, new)]
        yield f"{name} {sides[0]} → {sides[1]}" if sides[0] != sides[1] else name
    if len(names) > 3:
        yield f"{len(names) - 3} more"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
