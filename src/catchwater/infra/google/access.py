"""Who may do what, as the modules take it: statements gathered per bucket, dataset, secret, topic and project."""

import hashlib
from collections.abc import Iterable, Sequence

from catchwater.errors import UseError
from catchwater.infra.google import places, policies
from catchwater.infra.google.policies import Statement
from catchwater.infra.hcl import Value
from catchwater.plan.plan import Plan

PREFIXES = 12  # that one condition may hold: IAM takes twelve operators
BINDINGS = 20  # of one role and one member with different conditions that IAM takes for one bucket


def held(plan: Plan) -> dict[str, tuple[Statement, ...]]:
    """Account → everything that it may do, for every account that an environment's steps need."""
    found = {places.account_id(plan, step): policies.statements(plan, step) for step in places.steps(plan)}
    for step in places.steps(plan, "dataflow"):
        account = places.launch_account(plan)
        found[account] = found.get(account, ()) + policies.launcher(plan, step)
    if plan.warehouse["kind"] == "bigquery":
        if plan.serve.get("looker"):
            found[places.reader_account(plan)] = policies.reader(plan)
        found |= _from_aws(plan)
    if places.steps(plan, "function"):
        found[places.build_account(plan)] = policies.builder(plan)
    return found


def _from_aws(plan: Plan) -> dict[str, tuple[Statement, ...]]:
    """The load on AWS writes as an account of this project."""
    for step in plan.steps:
        if step.stage == "load" and step.place == "aws":
            dataset = f"projects/{places.project(plan)}/datasets/{places.dataset(plan)}"
            applied = [grant for grant in plan.granted(step.name) if grant.action == "apply"]
            made = [Statement(policies.EDITOR, dataset, "", grant, grant.because) for grant in applied]
            why = "each query and each load is a job of the project"
            whole = f"projects/{places.project(plan)}"
            return {places.account_id(plan, step): (*made, Statement(policies.JOBS, whole, "", None, why))}
    return {}


def project_roles(plan: Plan, statements: Iterable[Statement]) -> dict[str, Value]:
    """Roles on the whole project, each with its condition, as the account module takes them."""
    whole = f"projects/{places.project(plan)}"
    return {one.role: one.condition for one in statements if one.resource == whole}


def account(plan: Plan, called: str, purpose: str) -> dict[str, Value]:
    """Arguments of the module of one account."""
    return {
        "name": called,
        "purpose": shortened(f"{purpose} of {plan.project} in {plan.environment}", 100),
        "roles": project_roles(plan, held(plan).get(called, ())),
    }


def bucket(plan: Plan, zone: str) -> dict[str, dict[str, Value]]:
    """Grants on one bucket: as many prefixes in one condition as it may hold."""
    called = places.bucket(plan, zone)
    found: dict[str, dict[str, Value]] = {}
    for account, mine in sorted(held(plan).items()):
        bindings = 0
        for action in policies.OBJECTS:
            wanted = [s for s in mine if s.objects and (s.objects.bucket, s.objects.action) == (called, action)]
            for number, part in enumerate(_parts(wanted)):
                found[_title(account, action, number)] = _access(plan, account, action, part)
                bindings += 1
        _bounded(account, bindings)
    return found


def _parts(statements: Sequence[Statement]) -> list[list[Statement]]:
    """By the prefixes they are about, in chunks."""
    prefixes = sorted({s.objects.prefix for s in statements if s.objects})
    chunks = [set(prefixes[at : at + PREFIXES]) for at in range(0, len(prefixes), PREFIXES)]
    return [[s for s in statements if s.objects and s.objects.prefix in chunk] for chunk in chunks]


def _access(plan: Plan, account: str, action: str, part: Sequence[Statement]) -> dict[str, Value]:
    reasons = list(dict.fromkeys(s.because for s in part))
    more = f", and {len(reasons) - 2} more like it" if len(reasons) > 2 else ""
    return {
        "member": places.member(plan, account),
        "action": action,
        "prefixes": sorted({s.objects.prefix for s in part if s.objects}),
        "because": shortened("; ".join(reasons[:2]) + more, 250),
    }


def _title(account: str, action: str, number: int) -> str:
    return f"{account}-{action}" + (f"-{number + 1}" if number else "")


def shortened(text: str, most: int) -> str:
    """A text that fits, ending in a hash of the whole where it was cut."""
    if len(text.encode()) <= most:
        return text
    return f"{text.encode()[: most - 8].decode(errors='ignore')}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def _bounded(account: str, bindings: int) -> None:
    if bindings > BINDINGS:
        raise UseError(
            f"it would need {bindings} conditions on one bucket, IAM takes {BINDINGS}",
            where=account,
            next_step="let fewer models reference each other, so that the group becomes several steps",
        )


def members(plan: Plan, role: str, resource: str) -> dict[str, Value]:
    """Who has a role on a resource: account to member."""
    return {
        account: places.member(plan, account)
        for account, mine in sorted(held(plan).items())
        if any((one.role, one.resource) == (role, resource) for one in mine)
    }


def secrets(plan: Plan) -> tuple[str, ...]:
    """The names of the secrets that steps here read, as catchwater.yml has them."""
    named = {
        grant.resource.removeprefix("secret/")
        for step in places.steps(plan)
        for grant in plan.granted(step.name)
        if grant.resource.startswith("secret/")
    }
    return tuple(sorted(named))


def readers(plan: Plan, called: str) -> dict[str, Value]:
    """Who reads a secret."""
    path = f"projects/{places.project(plan)}/secrets/{places.secret(plan, called)}"
    return members(plan, policies.ACCESSOR, path)
