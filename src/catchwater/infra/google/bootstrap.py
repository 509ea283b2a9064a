"""The bootstrap stack of Google Cloud: APIs, state, images, CI's accounts, and who may become which account."""

from collections.abc import Iterator, Sequence

from catchwater.infra.google import access, ci_roles, places, policies
from catchwater.infra.hcl import Raw, Value
from catchwater.infra.names import label, name
from catchwater.infra.roots import Call, Root, Variable
from catchwater.plan.plan import Plan

PURPOSE = "Applied once, by a person: APIs, the bucket of states, the repository of images, the accounts of CI."
ALWAYS = ("cloudresourcemanager", "iam", "iamcredentials", "logging", "monitoring", "serviceusage", "storage", "sts")
IMAGE_ROLES = (policies.PUSHER, policies.IMAGES)
ASKED = "The repository as Cloud Build knows it, once a person has connected it: projects/…/repositories/…."


def root(plan: Plan, roots: Sequence[Root]) -> Root:
    calls = [_services(plan), *_accounts(plan, roots), *_workers(plan), _state(plan)]
    calls += [_repository(plan)] if has_images(plan) else []
    calls += list(_triggers(plan, roots)) if plan.ci == "cloud_build" else list(_github(plan))
    calls += list(_aws(plan))
    return Root(
        cloud="google",
        stack="bootstrap",
        calls=tuple(calls),
        variables=tuple(_variables(plan, roots)),
        outputs=_outputs(plan),
        local_state=True,
        purpose=PURPOSE,
    )


def has_images(plan: Plan) -> bool:
    return bool(places.steps(plan, "function", "service", "dataflow"))


def services(plan: Plan) -> tuple[str, ...]:
    """The APIs that the plan's steps need."""
    found = set(ALWAYS)
    if has_images(plan):
        found |= {"artifactregistry", "cloudbuild", "run"}
    if places.steps(plan, "function"):
        found |= {"cloudfunctions"}
    kinds = _kinds(plan)
    found |= {"eventarc", "pubsub"} if kinds & {"batch", "deployment"} else set()
    found |= {"pubsub"} if kinds & {"message", "request"} else set()
    found |= {"cloudscheduler"} if "schedule" in kinds else set()
    found |= {"compute", "dataflow"} if places.steps(plan, "dataflow") else set()
    found |= {"bigquery", "bigquerystorage"} if plan.warehouse["kind"] == "bigquery" else set()
    found |= {"secretmanager"} if access.secrets(plan) else set()
    found |= {"cloudbuild"} if plan.ci == "cloud_build" else set()
    return tuple(f"{one}.googleapis.com" for one in sorted(found))


def _kinds(plan: Plan) -> set[str]:
    """What wakes the steps here."""
    mine = {step.name for step in places.steps(plan)}
    return {trigger.kind for trigger in plan.triggers if trigger.step in mine}


def _services(plan: Plan) -> Call:
    arguments: dict[str, Value] = {
        "project": places.project(plan),
        "services": list(services(plan)),
        "build_events": "deployment" in _kinds(plan),
    }
    return Call("services", "services", arguments, "The APIs that steps need, and what Google's agents need")


def _accounts(plan: Plan, roots: Sequence[Root]) -> Iterator[Call]:
    wanted = {"plan": ci_roles.plan_roles(plan, roots), "apply": ci_roles.apply_roles(plan, roots)}
    why = {"plan": "Reads what is there, to plan", "apply": "Derived from the types of the roots' resources"}
    for purpose, roles in wanted.items():
        arguments: dict[str, Value] = {
            "name": places.ci_account(plan, purpose),
            "purpose": f"CI: {purpose} of {plan.project} in {plan.environment}",
            "roles": roles,
        }
        if _federates(plan):
            arguments["federated"] = {"github": Raw(f"module.github.{purpose}")}
        yield Call("account", f"ci_{purpose}", arguments, why[purpose])


def _federates(plan: Plan) -> bool:
    return plan.ci == "github_actions" and plan.credentials == "oidc"


def _state(plan: Plan) -> Call:
    arguments: dict[str, Value] = {
        "name": places.state_bucket(plan),
        "location": places.region(plan),
        "writers": {"apply": Raw("module.ci_apply.member")},
        "readers": {"plan": Raw("module.ci_plan.member")},
    }
    return Call("state", "state", arguments, "The states of the other roots")


def _repository(plan: Plan) -> Call:
    pushes, reads = (access.members(plan, role, places.repository_path(plan)) for role in IMAGE_ROLES)
    arguments: dict[str, Value] = {
        "name": places.repository(plan),
        "location": places.region(plan),
        "writers": {"apply": Raw("module.ci_apply.member")} | {one: _own(one) for one in pushes},
        **({"readers": {one: _own(one) for one in reads}} if reads else {}),
    }
    return Call("repository", "repository", arguments, "Images of services, and those that functions are built into")


def _triggers(plan: Plan, roots: Sequence[Root]) -> Iterator[Call]:
    told: dict[str, Value] = {f"_{v.name.upper()}": Raw(f"var.{v.name}") for v in _told(roots)}
    for purpose, main in (("plan", False), ("apply", True)):
        arguments: dict[str, Value] = {
            "name": name(plan, "trigger", purpose),
            "location": places.region(plan),
            "purpose": f"{purpose} of {plan.project} in {plan.environment}",
            "filename": f"cloudbuild/{plan.environment}/{purpose}.yaml",
            "account": places.account_path(plan, places.ci_account(plan, purpose)),
            "repository": Raw("var.repository"),
            "main": main,
            "substitutions": told,
        }
        yield Call(
            "build_trigger", label("build", purpose), arguments, "Main is applied" if main else "Branches are planned"
        )


def _told(roots: Sequence[Root]) -> list[Variable]:
    """What CI must tell the other roots, the image apart, which it builds."""
    found = {
        v.name: v
        for root in roots
        for v in root.variables
        if v.required and not v.ephemeral and not v.name.endswith("image")
    }
    return [found[called] for called in sorted(found)]


def _github(plan: Plan) -> Iterator[Call]:
    if _federates(plan):
        arguments: dict[str, Value] = {
            "pool": name(plan, "pool", "github"),
            "repository": Raw("var.repository"),
            "environment": plan.environment,
        }
        yield Call("github", "github", arguments, "Workflows of one repository become CI's accounts, without a key")


def _aws(plan: Plan) -> Iterator[Call]:
    """The load on AWS becomes an account of this project."""
    for step in plan.steps:
        if step.stage == "load" and step.place == "aws" and plan.warehouse["kind"] == "bigquery":
            arguments: dict[str, Value] = {
                "pool": name(plan, "pool", "aws"),
                "account": str(plan.clouds["aws"]["account"]),
                "role": name(plan, "role", *step.name.split(":")),
            }
            yield Call("aws", "aws", arguments, f"The role of {step.name} on AWS, without a key")


def _workers(plan: Plan) -> Iterator[Call]:
    """The accounts of steps that use images, or that come from AWS."""
    found = places.bootstrapped(plan)
    for account, purpose in found.items():
        arguments = access.account(plan, account, purpose)
        used = access.members(plan, "roles/iam.serviceAccountUser", places.account_path(plan, account))
        users: dict[str, Value] = {one: _own(one) for one in used}
        if purpose.endswith(" on AWS"):
            arguments["federated"] = {"aws": Raw("module.aws.member")}
        else:
            users["apply"] = Raw("module.ci_apply.member")
        arguments |= {"users": users} if users else {}
        yield Call("account", label("account", account), arguments, purpose)


def _own(account: str) -> Raw:
    return Raw(f"module.{label('account', account)}.member")


def _variables(plan: Plan, roots: Sequence[Root]) -> Iterator[Variable]:
    if plan.ci == "cloud_build":
        yield Variable("repository", ASKED)
        yield from _told(roots)
    elif _federates(plan):
        yield Variable("repository", "The repository on GitHub: OWNER/NAME.")


def _outputs(plan: Plan) -> dict[str, Raw]:
    found = {"state_bucket": Raw("module.state.bucket"), "project_number": Raw("module.services.number")}
    found |= {"images": Raw("module.repository.address")} if has_images(plan) else {}
    found |= {"workload_identity_provider": Raw("module.github.provider")} if _federates(plan) else {}
    return found | ({"aws_provider": Raw("module.aws.provider")} if any(_aws(plan)) else {})
