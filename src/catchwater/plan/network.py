"""Reachability, derived as grants are: what each step in a private network must reach, and the way there."""

from dataclasses import dataclass

from catchwater.plan.plan import Plan, Step

GATEWAY = ("s3",)  # by a gateway endpoint, which costs nothing
INTERFACE = ("secretsmanager", "sqs", "lambda", "monitoring")  # by an interface endpoint each


@dataclass(frozen=True)
class Route:
    """`way` is gateway | interface | internet | inside; `internet` is what only a NAT gateway leads to."""

    step: str
    service: str
    way: str
    because: str


def private(plan: Plan, step: Step) -> bool:
    """Whether a step runs inside the declared network: what captures a database, and what loads."""
    if step.place != "aws" or not plan.clouds["aws"].get("network"):
        return False
    if step.stage == "ingest":
        return plan.source(step.source).kind == "postgres"
    return step.stage == "load"


def routes(plan: Plan) -> tuple[Route, ...]:
    """Every way that a step in the network needs, one per step and service."""
    found: dict[tuple[str, str], Route] = {}
    for step in plan.steps:
        if not private(plan, step):
            continue
        for service, because in _services(plan, step):
            way = "gateway" if service in GATEWAY else "interface" if service in INTERFACE else "internet"
            found.setdefault((step.name, service), Route(step.name, service, way, because))
    return tuple(found[key] for key in sorted(found))


def _services(plan: Plan, step: Step) -> list[tuple[str, str]]:
    found = [("s3", "the lake's buckets")]
    for grant in plan.granted(step.name):
        if grant.resource.startswith("secret/"):
            found.append(("secretsmanager", grant.because))
        elif grant.resource.startswith("topic/"):
            found.append(("sqs", grant.because))
    found.append(("lambda", "it wakes itself again when there is more to do than time"))
    if step.stage == "load" and plan.warehouse["kind"] == "bigquery":
        found.append(("bigquery", "the warehouse is outside of AWS"))
    return found


def endpoints(plan: Plan) -> tuple[str, ...]:
    """The services that the network needs an interface endpoint for."""
    return tuple(sorted({route.service for route in routes(plan) if route.way == "interface"}))


def missing(plan: Plan) -> tuple[Route, ...]:
    """Ways that no endpoint gives: only a NAT gateway would, which the project must say that it has."""
    network = plan.clouds.get("aws", {}).get("network")
    if isinstance(network, dict) and network.get("nat"):
        return ()
    return tuple(route for route in routes(plan) if route.way == "internet")
