"""Kinds of value rules: each says what holds for a known value, and knows a value that breaks it; no type is named."""

import ipaddress
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ARN = r"arn:aws(-cn|-us-gov)?:[a-z0-9-]+:[a-z0-9-]*:([0-9]{12}|aws)?:.+"
ACTION = r"[a-z0-9-]+:[A-Za-z0-9*]+"


@dataclass(frozen=True)
class Rule:
    """`holds` is asked of a known value that isn't null; `wrong` is one that it must refuse, for the tests."""

    says: str
    holds: Callable[[Any], bool]
    wrong: Any
    needed: bool = False


def one_of(*allowed: Any) -> Rule:
    wrong = "no-such-value" if isinstance(allowed[0], str) else max(allowed) + 1
    return Rule(f"one of {', '.join(map(str, allowed))}", lambda value: value in allowed, wrong)


def shape(pattern: str, says: str, wrong: str = "~ wrong ~") -> Rule:
    compiled = re.compile(pattern)
    return Rule(says, lambda value: compiled.fullmatch(str(value)) is not None, wrong)


def between(low: float, high: float, whole: bool = True) -> Rule:
    def holds(value: Any) -> bool:
        return low <= float(value) <= high and (not whole or float(value).is_integer())

    return Rule(f"{low} to {high}", holds, high + 1)


def needed(says: str = "it has to be said", wrong: Any = None) -> Rule:
    """The schema takes it as optional, the service doesn't."""
    return Rule(says, lambda value: value not in (None, "", [], {}), wrong, needed=True)


def true(says: str) -> Rule:
    return Rule(says, lambda value: value is True, False)


def arn(service: str = "") -> Rule:
    pattern = ARN.replace("[a-z0-9-]+", service, 1) if service else ARN
    return shape(pattern, f"an ARN{' of ' + service if service else ''}")


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return None


def json_object(says: str = "a JSON object") -> Rule:
    return Rule(says, lambda value: isinstance(_parsed(value), dict), "{not json")


def policy(longest: int, principal: bool) -> Rule:
    """An IAM policy: statements with an effect, actions `service:Action`, and resources or (attached) a principal."""

    def holds(value: Any) -> bool:
        found = _parsed(value)
        if not isinstance(found, dict) or len(json.dumps(found, separators=(",", ":"))) > longest:
            return False
        statements = _listed(found.get("Statement"))
        dated = found.get("Version") == "2012-10-17"
        return dated and bool(statements) and all(_statement(one, principal) for one in statements)

    says = f"a policy in JSON of at most {longest} characters: Version 2012-10-17, statements with Effect, Action as "
    says += "service:Action, " + ("Principal" if principal else "Resource")
    return Rule(says, holds, '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "everything"}]}')


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _statement(said: Any, principal: bool) -> bool:
    if not isinstance(said, dict) or said.get("Effect") not in ("Allow", "Deny"):
        return False
    actions = _listed(said.get("Action") or said.get("NotAction"))
    about = said.get("Principal") if principal else _listed(said.get("Resource") or said.get("NotResource"))
    sid = said.get("Sid", "")
    shaped = all(isinstance(one, str) and re.fullmatch(ACTION, one) for one in actions)
    return bool(actions) and shaped and bool(about) and re.fullmatch(r"[A-Za-z0-9]*", sid) is not None


def event_pattern() -> Rule:
    """Every leaf of a pattern is a list."""

    def listed(value: Any) -> bool:
        return all(listed(one) for one in value.values()) if isinstance(value, dict) else isinstance(value, list)

    def holds(value: Any) -> bool:
        found = _parsed(value)
        return isinstance(found, dict) and bool(found) and listed(found)

    return Rule("an event pattern in JSON whose leaves are lists", holds, '{"source": "aws.s3"}')


def eventbridge_schedule() -> Rule:
    """`rate(5 minutes)`, `cron(0 3 * * ? *)` or `at(2026-01-01T00:00:00)`."""
    rate = r"rate\((1 (minute|hour|day)|(?!1 )[1-9][0-9]* (minutes|hours|days))\)"
    field = r"[0-9A-Z*?,/#L-]+"
    return shape(
        rf"{rate}|cron\({field}( {field}){{5}}\)|at\([0-9T:-]{{19}}\)", "rate(…), cron(…) or at(…)", "5 minutes"
    )


def crontab() -> Rule:
    field = r"[0-9A-Za-z*,/-]+"
    return shape(rf"{field}( {field}){{4}}", "a cron line of five fields", "rate(5 minutes)")


def memory(low_mib: int, high_mib: int) -> Rule:
    """A Kubernetes quantity such as 512Mi, 1Gi or 512M."""
    units = {"Mi": 1.0, "Gi": 1024.0, "M": 1000**2 / 1024**2, "G": 1000**3 / 1024**2}

    def holds(value: Any) -> bool:
        found = re.fullmatch(r"([0-9]+)(Mi|Gi|M|G)", str(value))
        return found is not None and low_mib <= int(found[1]) * units[found[2]] <= high_mib

    return Rule(f"memory from {low_mib}Mi to {high_mib}Mi, such as 512Mi", holds, "512 MB")


def seconds(low: int, high: int) -> Rule:
    """A duration as Google writes it, `600s`."""

    def holds(value: Any) -> bool:
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)s", str(value))
        return found is not None and low <= float(found[1]) <= high

    return Rule(f"{low}s to {high}s", holds, "10 minutes")


def address_range() -> Rule:
    def holds(value: Any) -> bool:
        try:
            return bool(ipaddress.ip_network(value))
        except ValueError:
            return False

    return Rule("an address range such as 10.0.0.0/16", holds, "10.0.0.0/99")


def member() -> Rule:
    """Who a role is granted to on Google; never everybody but where it is said."""
    kinds = r"(serviceAccount|user|group|domain):[^ ]+@?[^ ]*|principal(Set)?://iam\.googleapis\.com/.+"
    return shape(
        rf"{kinds}|allUsers|allAuthenticatedUsers",
        "a member such as serviceAccount:…@…",
    )
