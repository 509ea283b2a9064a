"""What a month costs, from schedules, sizes and some fifteen unit prices, each with its date and source."""

from collections.abc import Iterator
from dataclasses import dataclass

from catchwater.plan.freshness import GATHERED, period
from catchwater.plan.network import endpoints
from catchwater.plan.plan import Plan, Step

MONTH = 30 * 86400.0
GB = 10.0  # what a lake is assumed to hold until it is measured
EVENTS = 43_200  # wakes a month of what no schedule bounds: one a minute


@dataclass(frozen=True)
class Price:
    """US dollars for one `unit`; `source` is the page that said so on `as_of`, or empty for a price not verified."""

    usd: float
    unit: str
    as_of: str = "2026-11-01"
    source: str = ""


# From the providers' public price lists as remembered for eu-west-2 and europe-west2; none could be verified here.
PRICES = {
    "lambda": Price(0.0000166667, "GB-second"),
    "lambda request": Price(0.0000002, "request"),
    "s3 storage": Price(0.024, "GB-month"),
    "s3 write": Price(0.0000053, "request"),
    "secret aws": Price(0.40, "secret-month"),
    "alarm": Price(0.10, "alarm-month"),
    "interface endpoint": Price(0.011 * 720, "endpoint and zone, a month"),
    "rds": Price(0.018 * 720 + 20 * 0.133, "db.t4g.micro and 20 GB, a month"),
    "glue": Price(0.44 / 3600, "DPU-second"),
    "function": Price(0.0000025 + 0.000024 * 0.5, "GiB-second with its share of a CPU"),
    "cloud run": Price(0.0000025 + 0.000024, "GiB-second with one CPU"),
    "gcs storage": Price(0.023, "GB-month"),
    "pubsub": Price(0.04, "GB"),
    "bigquery storage": Price(0.023, "GB-month"),
    "dataflow": Price(0.0000192 * 2, "worker-second of two CPUs"),
    "secret google": Price(0.06, "secret-month"),
    "scheduler google": Price(0.10, "job-month"),
}


@dataclass(frozen=True)
class Item:
    what: str
    quantity: float
    price: Price

    @property
    def usd(self) -> float:
        return self.quantity * self.price.usd


def cost(plan: Plan) -> tuple[Item, ...]:
    """The items of a month, in US dollars, assuming GB of data and a wake a minute where no schedule says more."""
    if not plan.clouds:
        return ()
    found = [item for step in plan.steps if step.place for item in _step(plan, step)]
    found += _storage(plan)
    found += _fixed(plan)
    return tuple(item for item in found if item.quantity)


def wakes(plan: Plan, step: Step) -> float:
    """How often a step is woken in a month: by its own schedule, else as often as what leads to it."""
    own = [t for t in plan.triggers if t.step == step.name]
    schedules = [MONTH / period(t.detail) for t in own if t.kind == "schedule"]
    if schedules:
        return max(schedules)
    if own and all(t.kind == "deployment" for t in own):
        return 30.0
    if any(t.kind == "batch" for t in own):
        ingests = [s for s in plan.steps if s.stage == "ingest"]
        return max((wakes(plan, s) for s in ingests), default=0.0)
    return float(EVENTS)


def _step(plan: Plan, step: Step) -> Iterator[Item]:
    times = wakes(plan, step)
    held = step.memory / 1024 * step.seconds * times
    if step.compute == "lambda":
        busy = step.memory / 1024 * min(step.seconds, 5.0) * times  # a wake without news ends in seconds
        yield Item(f"{step.name} on Lambda", busy, PRICES["lambda"])
        yield Item(f"{step.name} requests", times, PRICES["lambda request"])
        yield Item(f"{step.name} writes", times * 3, PRICES["s3 write"])
    elif step.compute == "glue":
        yield Item(f"{step.name} on Glue", 2 * step.seconds * min(times, MONTH / GATHERED), PRICES["glue"])
    elif step.compute == "dataflow":
        yield Item(f"{step.name} on Dataflow", step.seconds * times, PRICES["dataflow"])
    elif step.compute == "function":
        yield Item(f"{step.name} on functions", held, PRICES["function"])
    elif step.compute == "service":
        yield Item(f"{step.name} on Cloud Run", step.memory / 1024 * min(times, EVENTS), PRICES["cloud run"])


def _storage(plan: Plan) -> list[Item]:
    aws = any(step.place == "aws" and step.stage == "ingest" for step in plan.steps)
    found = [Item("the lake", GB, PRICES["s3 storage" if aws else "gcs storage"])]
    if plan.warehouse["kind"] == "bigquery":
        found.append(Item("the warehouse", GB, PRICES["bigquery storage"]))
    if plan.warehouse["kind"] == "postgres":
        found.append(Item("the warehouse", 1, PRICES["rds"]))
    if any(t.kind == "message" for t in plan.triggers):
        found.append(Item("messages", GB, PRICES["pubsub"]))
    return found


def _fixed(plan: Plan) -> list[Item]:
    secrets = {g.resource for g in plan.grants if g.resource.startswith("secret/")}
    main = "aws" if "aws" in plan.clouds else "google"
    network = plan.clouds.get("aws", {}).get("network")
    zones = len(network["subnets"]) if isinstance(network, dict) else 0
    scheduled = sum(t.kind == "schedule" and plan.step(t.step).place == "google" for t in plan.triggers)
    alarms = 2 * sum(bool(step.place) for step in plan.steps) if "aws" in plan.clouds else 0
    return [
        Item("secrets", len(secrets), PRICES[f"secret {main}"]),
        Item("interface endpoints", len(endpoints(plan)) * zones, PRICES["interface endpoint"]),
        Item("alarms", alarms, PRICES["alarm"]),
        Item("schedules", scheduled, PRICES["scheduler google"]),
    ]


def spoken(items: tuple[Item, ...]) -> str:
    """`~$41/month`: with ~ where a price isn't verified."""
    lead = "~" if any(not item.price.source for item in items) else ""
    return f"{lead}${sum(item.usd for item in items):,.0f}/month"
