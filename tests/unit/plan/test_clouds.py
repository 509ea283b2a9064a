"""What a plan says of a cloud: places, ways, freshness, cost, refusals, the picture."""

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from catchwater.errors import ProjectError
from catchwater.plan import cost, explain, freshness, network
from catchwater.plan.diagram import boxes, svg
from catchwater.plan.graph import make
from catchwater.plan.plan import Plan, from_bytes
from catchwater.plan.refusals import refuse
from catchwater.project.load import load
from catchwater.project.loaded import Loaded
from catchwater.project.tables import Column, TableSchema
from tests.support.examples import CLOUDS, plan_of

TABLE = TableSchema("orders", (Column("order_id", "INTEGER", False),), ("order_id",))
AWS = 'aws: {region: eu-west-2, account: "111122223333"}'
GOOGLE = "google: {project: shop-dev, region: europe-west2}"
POSTGRES = 'sources:\n  shop: {kind: postgres, url: "${SHOP_URL}", every: 10 minutes}\n'


def project(folder: Path, text: str, dev: str) -> tuple[Plan, Loaded]:
    body = f"project: shop\n{text}environments:\n  dev:\n" + "".join(f"    {line}\n" for line in dev.split("\n"))
    (folder / "catchwater.yml").write_text(body)
    loaded = load(folder, "dev", {"SHOP_URL": "postgresql://nobody@127.0.0.1/x"})
    return make(loaded.project, "dev", dict.fromkeys(loaded.project.sources, (TABLE,)), ()), loaded


def refused(folder: Path, text: str, dev: str) -> list[str]:
    plan, loaded = project(folder, text, dev)
    with pytest.raises(ProjectError) as caught:
        refuse(plan, loaded)
    return [f"{p.file}:{p.line} {p.message}; {p.right}" for p in caught.value.problems]


@pytest.mark.parametrize(("name", "environment"), CLOUDS, ids=["-".join(one) for one in CLOUDS])
def test_every_example_has_a_place_for_each_step_or_says_why_not(name: str, environment: str) -> None:
    plan = plan_of(name, environment)
    for step in plan.steps:
        assert (step.place in plan.clouds and step.compute and step.memory and not step.unplaced) or (
            not step.place and step.unplaced and not plan.granted(step.name)
        )
    assert from_bytes(plan.to_bytes()) == plan


def test_the_five_run_where_their_systems_ran() -> None:
    def computes(name: str, environment: str) -> dict[str, str]:
        return {s.name: f"{s.compute}@{s.place}" for s in plan_of(name, environment).steps if s.place}

    assert set(computes("totesys", "dev").values()) == {"lambda@aws"}
    assert computes("github_activity", "stage")["process:activity"] == "glue@aws"
    assert computes("events", "dev")["serve:api"] == "service@google"
    assert computes("open_data", "dev")["load:bigquery"] == "dataflow@google"
    assert computes("shop", "prod")["load:bigquery"] == "lambda@aws"
    assert computes("shop", "prod")["serve:api"] == "service@google"


def test_a_handler_may_read_its_plan_and_what_holds_its_login() -> None:
    plan = plan_of("totesys", "dev")
    ingest = {(g.action, g.resource) for g in plan.granted("ingest:totesys")}
    assert {("read", "ingestion/_config/*"), ("read", "secret/TOTESYS_URL"), ("create", "ingestion/_runs/*")} <= ingest
    assert ("read", "secret/TOTESYS_URL") not in {(g.action, g.resource) for g in plan.granted("process:fact_payment")}
    assert not [g for g in plan_of("totesys").grants if "_config" in g.resource or g.resource == "secret/TOTESYS_URL"]
    away = {g.resource for g in plan_of("shop", "prod").granted("serve:api")}
    assert "artifacts/_config/*" in away
    assert "ingestion/_runs/*" not in away


def test_only_what_talks_to_a_database_is_in_the_network() -> None:
    plan = plan_of("totesys", "dev")
    assert [s.name for s in plan.steps if network.private(plan, s)] == ["ingest:totesys", "load:postgres"]
    assert network.endpoints(plan) == ("lambda", "secretsmanager")
    ways = {(r.step, r.service): r.way for r in network.routes(plan)}
    assert ways["ingest:totesys", "s3"] == "gateway"
    assert network.endpoints(plan_of("shop", "prod")) == ()


def test_freshness_is_the_schedule_and_what_each_step_may_take() -> None:
    case = freshness.worst(plan_of("totesys", "dev"))
    assert case is not None
    assert case.seconds == 600 + 3 * 30 + 2 * 2
    assert freshness.spoken(case.seconds) == "12 m"
    assert freshness.worst(plan_of("open_data", "dev")) is None
    glue = freshness.worst(plan_of("github_activity", "stage"))
    assert glue is not None
    assert [leg.seconds for leg in glue.legs][:1] == [3600]
    assert freshness.GATHERED in [leg.seconds for leg in glue.legs]


@pytest.mark.parametrize(("schedule", "longest"), [("10 minutes", 600), ("0 * * * *", 3600), ("0 6 * * 1-5", 259200)])
def test_a_cron_is_counted_by_its_longest_pause(schedule: str, longest: float) -> None:
    assert freshness.period(schedule) == longest


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.5, "0.5 s"), (59, "59 s"), (600, "10 m"), (3600, "1 h"), (4800, "1 h 20 m")]
)
def test_durations_are_spoken(seconds: float, words: str) -> None:
    assert freshness.spoken(seconds) == words


def test_a_month_costs_what_its_items_cost() -> None:
    items = cost.cost(plan_of("totesys", "dev"))
    assert {"interface endpoints", "the warehouse", "secrets"} <= {item.what for item in items}
    assert cost.spoken(items).startswith("~$")
    assert cost.cost(plan_of("totesys")) == ()
    proven = tuple(replace(i, price=replace(i.price, source="https://example.org")) for i in items)
    assert cost.spoken(proven) == f"${sum(i.usd for i in items):,.0f}/month"
    assert len(cost.PRICES) >= 15
    assert all(price.as_of for price in cost.PRICES.values())


def test_glue_is_started_at_most_once_per_gathering() -> None:
    items = {item.what: item.usd for item in cost.cost(plan_of("github_activity", "stage"))}
    assert items["process:activity on Glue"] < 200


def test_a_promise_that_can_t_be_kept_says_what_takes_longest(tmp_path: Path) -> None:
    (found,) = refused(tmp_path, POSTGRES + "promise: {freshness: 5 minutes}\n", AWS)
    assert found.startswith("catchwater.yml:4 `promise.freshness`: 5 minutes can't be kept: shop takes 11 m (")
    assert found.endswith("ingest:shop waits for its schedule")


def test_a_missing_route_is_refused_with_the_way_there(tmp_path: Path) -> None:
    dev = (
        'aws: {region: eu-west-2, account: "111122223333", network: {vpc: v, subnets: [a]}}\n'
        f"{GOOGLE}\nwarehouse: {{kind: bigquery, dataset: d}}"
    )
    (found,) = refused(tmp_path, POSTGRES, dev)
    assert "load:bigquery has no route to bigquery" in found
    assert "nat: true" in found
    assert found.startswith("catchwater.yml:6 ")
    plan, loaded = project(tmp_path, POSTGRES, dev.replace("subnets: [a]", "subnets: [a], nat: true"))
    refuse(plan, loaded)


def test_what_a_cloud_lacks_is_refused_at_once_and_by_line(tmp_path: Path) -> None:
    text = (
        'sources:\n  shop: {kind: postgres, url: "${SHOP_URL}", every: 10 seconds}\n'
        "steps: {fuse: true, process: {engine: beam}, load: {compute: glue, timeout: 20 minutes, memory: 64}}\n"
        "alerts: [{notify: webhook, to: '${HOOK}'}]\nci: cloud_build\n"
    )
    found = refused(tmp_path, text, f"{AWS}\nwarehouse: {{kind: postgres, secret: w}}")
    said = "\n".join(found)
    for part in (
        ":3 `every`: 10 seconds for ingest:shop",
        ":5 `alerts.0.notify`",
        ":4 `steps.fuse`: a cloud runs each stage on its own",
        ":6 `ci`: Cloud Build needs `google:`",
        "`steps.load.engine`: duckdb doesn't run on glue",
    ):
        assert part in said, found


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("load: {timeout: 20 minutes}", "a wake on lambda lasts 900 s at the most"),
        ("load: {memory: 64}", "64 MB, and lambda takes 128 to 10240"),
        ("process: {compute: function}", "aws has no compute `function`"),
        ("load: {compute: fargate}", "aws has no compute `fargate`"),
    ],
)
def test_limits_of_a_compute(tmp_path: Path, steps: str, said: str) -> None:
    dev = f"{AWS}\nwarehouse: {{kind: postgres, secret: w}}"
    plan, loaded = project(tmp_path, POSTGRES + f"steps: {{{steps}}}\n", dev)
    if "process" in steps:  # a group is there only with a model
        plan = replace(
            plan, steps=(*plan.steps, replace(plan.steps[0], name="process:x", stage="process", compute="function"))
        )
    with pytest.raises(ProjectError, match=re.escape(said)):
        refuse(plan, loaded)


def test_sources_that_a_cloud_doesn_t_take(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text('{"type": "object", "properties": {"a": {"type": "string"}}}')
    text = "sources:\n  pings: {kind: topic, schema: m.json}\n  files: {kind: http_files, url: 'https://x/y.csv', private: true}\n"
    found = "\n".join(refused(tmp_path, text, AWS))
    assert "catchwater.yml:3 `sources.pings`: a topic is compiled for Google alone" in found
    assert "catchwater.yml:4 `sources.files.private`: there is no loopback in a cloud" in found


def test_two_secrets_of_one_name(tmp_path: Path) -> None:
    source = "{kind: postgres, host: h, database: d, user: u, password: '${secret:%s}', every: 1 hour}"
    text = f"sources:\n  a: {source % 'erp/x'}\n  b: {source % 'erp.x'}\n"
    (found,) = refused(tmp_path, text, AWS)
    assert "the secrets erp/x and erp.x would both be called shop-dev-erp-x" in found


def test_one_machine_refuses_nothing(tmp_path: Path) -> None:
    plan = plan_of("totesys")
    refuse(replace(plan, promise={"freshness": "1 ms"}), load_of("totesys", "local"))


def load_of(name: str, environment: str) -> Loaded:
    from tests.support.examples import EXAMPLES

    return load(EXAMPLES / name, environment, {})


@pytest.mark.parametrize(("name", "environment"), CLOUDS, ids=["-".join(one) for one in CLOUDS])
def test_the_five_are_not_refused(name: str, environment: str) -> None:
    refuse(plan_of(name, environment), load_of(name, environment))


@pytest.mark.parametrize(("name", "environment"), CLOUDS, ids=["-".join(one) for one in CLOUDS])
def test_the_picture_shows_every_placed_step_once(name: str, environment: str) -> None:
    plan = plan_of(name, environment)
    drawn = svg(plan)
    root = ElementTree.fromstring(drawn)  # noqa: S314 (our own)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for step in plan.steps:
        assert texts.count(step.name) == bool(step.place)
    assert drawn == svg(plan)
    assert len({box.id for box in boxes(plan)}) == len(boxes(plan))


def test_a_dropped_column_names_its_readers() -> None:
    new = plan_of("shop", "prod")
    model = new.model("orders")
    old = replace(new, models=tuple(
        replace(m, columns=(*m.columns, Column("discount", "INTEGER"))) if m is model else m for m in new.models
    ))  # fmt: skip
    said = [change for change in explain.diff(old, new) if change.what == "orders.discount"]
    assert [change.detail for change in said] == ["read by: GET /v1/tables/orders/rows, looker orders.discount"]


def test_the_bounds_are_told() -> None:
    said = "\n".join(explain.bounds(plan_of("totesys", "dev")))
    assert "fresh    12 m worst (promise 30 minutes)" in said
    assert "network  ingest:totesys → s3  gateway" in said
    assert "cost     ~$" in said
    assert "unverified" in said
    data = explain.as_dict(None, plan_of("totesys", "dev"))
    assert data["freshness"]["seconds"] == 694
    assert data["cost"]["items"]
