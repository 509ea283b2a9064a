"""Value rules: what a schema can't say of the arguments that our modules write; they are told as diagnostics."""

from collections.abc import Iterator
from typing import Any

from catchwater.infra.offline.protocol import Path, Problem, Values, unknown
from catchwater.infra.offline.rules import Rule


def rules(type_name: str) -> dict[str, Rule]:
    """The rules of a resource type (or `data.TYPE`) by dotted path of the argument, through blocks and lists."""
    from catchwater.infra.offline.rules_aws import AWS
    from catchwater.infra.offline.rules_google import GOOGLE

    return (AWS | GOOGLE).get(type_name, {})


def problems(type_name: str, config: Values) -> list[Problem]:
    """Every argument of `config` that breaks a rule; what is unknown yet is asked again at apply."""
    found = []
    for dotted, rule in rules(type_name).items():
        for path, value in reached(config, tuple(dotted.split("."))):
            if unknown(value) or (value is None and not rule.needed):
                continue
            if not _holds(rule, value):
                shown = "it is missing" if value in (None, "", []) else f"not {str(value)[:120]!r}"
                found.append(Problem(path, f"{dotted}: {rule.says}; {shown}"))
    return found


def _holds(rule: Rule, value: Any) -> bool:
    try:
        return rule.holds(value)
    except (TypeError, ValueError):
        return False


def reached(value: Any, names: tuple[str, ...], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Where a dotted path leads: each block of a list by its index, `*` each element of a list or key of a map.

    A path that ends in a block gives the whole block, or None when there is none; nothing is below a missing block.
    """
    if not names:
        yield path, value
    elif unknown(value) or value is None:
        return
    elif names[0] == "*":
        for element in value:
            yield from reached(element, names[1:], path)
    elif isinstance(value, list):
        for number, element in enumerate(value):
            yield from reached(element, names, (*path, number))
    elif isinstance(value, dict):
        yield from reached(value.get(names[0]), names[1:], (*path, names[0]))
