"""The roots of Google Cloud: their order, their names, what they tell handlers, and what can't be compiled."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catchwater.errors import UseError
from catchwater.infra.google import access, bootstrap, ci_roles, places, stacks, workflow
from catchwater.infra.google.clock import cron
from catchwater.infra.hcl import Raw
from catchwater.infra.names import name as named
from catchwater.infra.roots import Call, Root
from catchwater.plan.plan import AlertRule, Plan, Trigger
from tests.support.examples import EXAMPLES, plan_of
from tests.support.google_clouds import GOOGLE, SALES, calls, planned, strings

each = pytest.mark.parametrize(("name", "environment"), GOOGLE, ids=["-".join(one) for one in GOOGLE])


def roots(name: str, environment: str) -> tuple[Root, ...]:
    return stacks.roots(plan_of(name, environment), EXAMPLES / name)


def one(found: list[Call], name: str) -> dict[str, Any]:
    return next(dict(call.arguments) for call in found if call.name == name)


@pytest.mark.parametrize(
    ("name", "environment", "expected"),
    [
        ("events", "dev", "bootstrap storage warehouse workflow/functions serve observability"),
        (
            "open_data",
            "dev",
            "bootstrap storage warehouse workflow/functions workflow/services workflow/dataflow observability",
        ),
        ("shop", "prod", "bootstrap storage warehouse serve"),
    ],
    ids=["events", "open_data", "shop"],
)
def test_stacks_in_the_order_they_are_applied(name: str, environment: str, expected: str) -> None:
    assert " ".join(root.stack for root in roots(name, environment)) == expected


@each
def test_one_prefix_per_stack_and_only_the_bootstrap_without(name: str, environment: str) -> None:
    plan = plan_of(name, environment)
    found = roots(name, environment)
    backends = [stacks.backend(root, plan) for root in found]
    assert len({json.dumps(backend, sort_keys=True) for backend in backends}) == len(found)
    assert {backend["bucket"] for backend in backends} == {one(calls(found, "state"), "state")["name"]}
    assert [root.stack for root in found if root.local_state] == ["bootstrap"]


def made_by(found: tuple[Root, ...]) -> dict[str, set[str]]:
    entities = ("account", "bucket", "repository", "function", "service")
    return {entity: {str(call.arguments["name"]) for call in calls(found, entity)} for entity in entities}


@each
def test_what_a_root_names_another_makes(name: str, environment: str) -> None:
    """Names stand in for references between roots: each must be somebody's."""
    found = roots(name, environment)
    there = made_by(found)
    emails = {
        f"{account}@{places.project(plan_of(name, environment))}.iam.gserviceaccount.com"
        for account in there["account"]
    }
    for root in found:
        for call in root.calls:
            text = " ".join(strings(dict(call.arguments)))
            assert set(re.findall(r"[\w.-]+@[\w.-]+\.iam\.gserviceaccount\.com", text)) <= emails, call.name
            assert set(re.findall(r"gs://([\w-]+)", text)) <= there["bucket"], call.name
            assert set(re.findall(r"/repositories/([\w-]+)", text)) <= there["repository"], call.name
            for argument in ("bucket", "source_bucket"):
                value = call.arguments.get(argument, "")
                assert value in there["bucket"] | {""} or isinstance(value, Raw), call.name


def test_the_handlers_of_events_are_told_what_deployed_reads() -> None:
    found = calls(roots("events", "dev"), "function")
    ingest = one(found, "ingest_events")["environment"]
    assert ingest["CATCHWATER_STEP"] == "ingest:events"
    assert ingest["CATCHWATER_INGESTION"] == "gs://events-dev-ingestion-ev-dev"
    assert ingest["CATCHWATER_PROCESSED"] == "gs://events-dev-processed-ev-dev"
    assert ingest["CATCHWATER_SECRETS"] == "secret_manager"
    assert ingest["CATCHWATER_TOPICS"] == "pubsub"
    assert ingest["GOOGLE_CLOUD_PROJECT"] == "ev-dev"
    assert json.loads(ingest["CATCHWATER_QUEUES"]) == {
        "events": "projects/ev-dev/subscriptions/events-dev-events",
        "events/dead": "projects/ev-dev/topics/events-dev-events-dead",
    }
    api = one(calls(roots("events", "dev"), "service"), "serve_api")
    assert json.loads(api["environment"]["CATCHWATER_QUEUES"]) == {"events": "projects/ev-dev/topics/events-dev-events"}
    assert (api["min"], api["max"], api["concurrency"], api["public"]) == (0, 5, 40, True)
    assert "CATCHWATER_CONFIG" not in api["environment"]
    assert "CATCHWATER_TOPICS" not in one(found, "process_events")["environment"]


def test_what_wakes_the_steps_of_events() -> None:
    found = roots("events", "dev")
    topic = one(calls(found, "topic"), "events_topic")
    assert topic["push_endpoint"] == Raw("module.ingest_events.uri")
    buckets = {call.name: call.arguments["bucket"] for call in calls(found, "trigger")}
    assert buckets == {
        "process_events_ingestion": "events-dev-ingestion-ev-dev",
        "load_bigquery_processed": "events-dev-processed-ev-dev",
    }
    assert {call.arguments["min"] for call in calls(found, "function")} == {1}, "5 s leave no time for a cold start"
    assert {call.arguments["min"] for call in calls(roots("open_data", "dev"), "function")} == {0}


def test_open_data_is_woken_by_a_deployment_and_by_the_hour() -> None:
    found = roots("open_data", "dev")
    deployed = one(calls(found, "trigger"), "ingest_stations_deployed")
    assert "bucket" not in deployed
    assert deployed["topic"] == "projects/od-dev/topics/cloud-builds"
    assert one(calls(found, "services"), "services")["build_events"] is True
    assert one(calls(roots("events", "dev"), "services"), "services")["build_events"] is False
    assert deployed["path"] == "/events"
    hourly = one(calls(found, "schedule"), "load_bigquery_schedule")
    assert hourly["cron"] == "0 * * * *"
    assert hourly["account"].startswith("open-data-dev-launch@")
    launched = one(calls(found, "launcher"), "load_bigquery")
    assert launched["worker"].startswith("open-data-dev-load@")
    assert launched["parameters"]["CATCHWATER_STEP"] == "load:bigquery"
    assert one(calls(found, "service"), "ingest_stations")["environment"]["STATIONS_URL"] == Raw("var.stations_url")
    told = one(calls(found, "build_trigger"), "build_apply")["substitutions"]
    assert told == {"_STATIONS_URL": Raw("var.stations_url")}
    assert one(calls(found, "bucket"), "artifacts")["scratch"] == ["tmp/"]


def test_shop_reads_its_plan_here_and_its_lake_is_on_aws() -> None:
    from catchwater.infra.aws import places as aws

    plan = plan_of("shop", "prod")
    found = roots("shop", "prod")
    told = one(calls(found, "service"), "serve_api")["environment"]
    assert told["CATCHWATER_CONFIG"] == "gs://shop-prod-artifacts-shop-prod"
    assert told["CATCHWATER_INGESTION"] == f"s3://{aws.bucket(plan, 'ingestion')}"
    assert [call.name for call in calls(found, "bucket")] == ["artifacts"]
    readers = one(calls(found, "dataset"), "warehouse")["access"]
    assert readers["shop-prod-looker"]["role"] == "roles/bigquery.dataViewer"


def test_both_clouds_name_the_federation_alike() -> None:
    """What the function on AWS is told must be what the bootstrap here makes; a provider's id has 4 characters or more."""
    from catchwater.infra.aws import environment
    from catchwater.infra.aws import places as aws

    plan = plan_of("shop", "prod")
    found = roots("shop", "prod")
    told = environment.federation(plan).text
    module = one(calls(found, "aws"), "aws")
    folder = Path(bootstrap.__file__).parents[1] / "modules/google/aws/main.tf"
    provider = re.search(r'workload_identity_pool_provider_id = "([a-z0-9-]{4,32})"', folder.read_text())
    assert provider
    assert f"/workloadIdentityPools/{module['pool']}/providers/{provider[1]}" in told
    assert "/serviceAccounts/shop-prod-load@shop-prod.iam.gserviceaccount.com:generateAccessToken" in told
    assert module["role"] == aws.step_name(plan, "role", plan.step("load:bigquery"))
    assert module["account"] == "111122223333"
    load = one(calls(found, "account"), "account_shop_prod_load")
    assert load["federated"] == {"aws": Raw("module.aws.member")}


LIMITS = {"account": 30, "bucket": 63, "function": 63, "service": 49, "topic": 250, "trigger": 63, "github": 32}


@each
def test_long_names_stay_within_the_limits_and_apart(name: str, environment: str) -> None:
    plan = replace(plan_of(name, environment), project="a_project_whose_name_is_as_long_as_allow")
    found = stacks.roots(plan, EXAMPLES / name)
    for entity, most in LIMITS.items():
        key = "pool" if entity == "github" else "name"
        names = [str(call.arguments[key]) for call in calls(found, entity)]
        assert all(len(one) <= most for one in names), entity
        assert all(re.fullmatch(r"[a-z][a-z0-9_-]*[a-z0-9]", one) for one in names), names
        assert len(names) == len(set(names)), entity
    for call in calls(found, "bucket"):
        access_of: Any = call.arguments["access"]
        assert all(len(title) <= 100 and len(grant["because"].encode()) <= 256 for title, grant in access_of.items())
    assert all(len(str(call.arguments["purpose"])) <= 100 for call in calls(found, "account"))


def test_a_schedule_wakes_a_service_under_its_own_account(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    found = stacks.roots(plan, tmp_path)
    woken = one(calls(found, "schedule"), "ingest_till_schedule")
    assert woken["cron"] == "*/10 * * * *"
    assert woken["uri"] == Raw("module.ingest_till.uri")
    assert woken["account"] == "sales-dev-ingest-till@sales-dev.iam.gserviceaccount.com"
    assert {call.name for call in calls(found, "secret")} == {"secret_api_keys", "secret_till_url"}
    assert "cloudscheduler.googleapis.com" in one(calls(found, "services"), "services")["services"]
    stale = one(calls(found, "alerts"), "alerts")["steps"]
    assert stale["load:bigquery"] == {"job": "", "stale_minutes": 60}
    assert stale["ingest:till"]["stale_minutes"] == 21


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("1 minute", "* * * * *"), ("10 minutes", "*/10 * * * *"), ("1 hour", "0 * * * *"), ("6 hours", "0 */6 * * *"),
        ("1 day", "0 0 * * *"), ("24 hours", "0 0 * * *"), ("5  4 * * 1-5", "5 4 * * 1-5"),
    ],
)  # fmt: skip
def test_a_duration_becomes_cron(said: str, expected: str) -> None:
    assert cron(Trigger("ingest:x", "schedule", said)) == expected


@pytest.mark.parametrize("said", ["7 minutes", "90 minutes", "5 hours", "30 seconds", "2 days", "1.5 minutes"])
def test_a_duration_that_no_cron_has_is_refused(said: str) -> None:
    with pytest.raises(UseError, match=f"beats every {said}"):
        cron(Trigger("ingest:x", "schedule", said))


def test_names_that_google_keeps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UseError, match="lets nobody call a bucket or topic"):
        places.bucket(planned(tmp_path, SALES.replace("project: sales\n", "project: google_ads\n")), "ingestion")


def test_a_lake_is_in_one_cloud() -> None:
    plan = plan_of("events", "dev")
    steps = tuple(replace(step, place="aws") if step.stage == "process" else step for step in plan.steps)
    with pytest.raises(UseError, match="one lake"):
        places.keeps_lake(replace(plan, steps=steps))


def test_a_compute_that_is_not_compiled_is_refused() -> None:
    plan = plan_of("events", "dev")
    steps = tuple(replace(step, compute="job") if step.stage == "process" else step for step in plan.steps)
    with pytest.raises(UseError, match="no step as job"):
        workflow.roots(replace(plan, steps=steps))


def test_dataflow_needs_a_clock() -> None:
    plan = plan_of("open_data", "dev")
    triggers = tuple(trigger for trigger in plan.triggers if trigger.step != "load:bigquery")
    with pytest.raises(UseError, match="launched by the clock"):
        workflow.roots(replace(plan, triggers=triggers))


def test_an_alert_that_monitoring_can_not_send_is_refused() -> None:
    plan = replace(plan_of("events", "dev"), alerts=(AlertRule("webhook", "https://x.example", ("failure",)),))
    with pytest.raises(UseError, match="not by webhook"):
        stacks.roots(plan, EXAMPLES / "events")


def test_a_schema_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UseError, match=r"schemas/event\.json"):
        stacks.roots(plan_of("events", "dev"), tmp_path)


@pytest.mark.parametrize("key", ["kms_key", "retention"])
def test_what_a_bucket_does_not_get_is_refused(key: str) -> None:
    plan = plan_of("events", "dev")
    with pytest.raises(UseError, match=f"lake.{key}"):
        stacks.roots(replace(plan, lake={**plan.lake, key: "30 days"}), EXAMPLES / "events")


def test_every_promise_becomes_a_policy() -> None:
    alerts = one(calls(roots("events", "dev"), "alerts"), "alerts")
    assert alerts["unread_seconds"] == {"events-dev-events": 5}
    assert alerts["request_p95_ms"] == {"events-dev-serve-api": 500}
    assert alerts["query_p98_seconds"] == 2
    told = one(calls(roots("open_data", "dev"), "alerts"), "alerts")
    assert told["channels"] == {"to_1": {"email": "ops@example.org", "events": ["success", "failure"]}}
    assert told["steps"]["load:bigquery"] == {"job": "open-data-dev-load-bigquery", "stale_minutes": 0}


def test_who_asks_to_hear_of_staleness_gets_minutes_by_the_clock() -> None:
    plan = plan_of("open_data", "dev")
    rule = AlertRule("email", "ops@example.org", ("stale",))
    asked: Plan = replace(plan, alerts=(rule,))
    steps = one(calls(stacks.roots(asked, EXAMPLES / "open_data"), "alerts"), "alerts")["steps"]
    assert steps["load:bigquery"]["stale_minutes"] == 127  # twice the hour, and what a job takes
    assert steps["process:stations"]["stale_minutes"] == 0
    waiting = replace(plan_of("events", "dev"), alerts=(rule,), promise={})
    unread = one(calls(stacks.roots(waiting, EXAMPLES / "events"), "alerts"), "alerts")["unread_seconds"]
    assert unread == {"events-dev-events": 300}


@each
def test_ci_may_apply_what_the_roots_hold_and_give_only_their_roles(name: str, environment: str) -> None:
    plan = plan_of(name, environment)
    found = roots(name, environment)[1:]
    applying = ci_roles.apply_roles(plan, found)
    assert not {"roles/owner", "roles/editor"} & set(applying)
    assert "roles/iam.serviceAccountUser" not in applying, "it acts as the accounts that steps run as, and no other"
    condition = str(applying["roles/resourcemanager.projectIamAdmin"])
    others = places.bootstrapped(plan)
    given = {
        role for a, mine in access.held(plan).items() if a not in others for role in access.project_roles(plan, mine)
    }
    assert set(re.findall(r"'(roles/[^']+)'", condition)) == given
    planning = ci_roles.plan_roles(plan, found)
    writes = [role for role in planning if re.search(r"admin|editor|owner|creator|user$", role, re.IGNORECASE)]
    assert writes == []
    assert "objects/_config/" in str(planning["roles/storage.objectViewer"])


@each
def test_ci_acts_as_each_account_that_something_runs_as(name: str, environment: str) -> None:
    found = {str(call.arguments["name"]): call for call in calls(roots(name, environment), "account")}
    runs = {account: call for account, call in found.items() if not re.search(r"ci-|looker", account)}
    assert runs
    users: dict[str, Any] = {account: call.arguments.get("users", {}) for account, call in runs.items()}
    without = [account for account in users if "apply" not in users[account]]
    assert without == (["shop-prod-load"] if name == "shop" else []), "that one runs on AWS"


def test_a_root_less_is_a_role_less() -> None:
    plan = plan_of("events", "dev")
    found = roots("events", "dev")[1:]
    without = [root for root in found if root.stack != "warehouse"]
    assert set(ci_roles.apply_roles(plan, found)) - set(ci_roles.apply_roles(plan, without)) == {
        "roles/bigquery.dataOwner"
    }


def test_a_type_that_nobody_thought_of_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(ci_roles.ROLES, "google_pubsub_")
    with pytest.raises(UseError, match="no role is known that applies google_pubsub"):
        ci_roles.apply_roles(plan_of("events", "dev"), roots("events", "dev")[1:])


def test_keys_instead_of_federation() -> None:
    plan = replace(plan_of("shop", "prod"), credentials="keys")
    found = stacks.roots(plan, EXAMPLES / "shop")
    assert calls(found, "github") == []
    assert "federated" not in one(calls(found, "account"), "ci_apply")
    assert [variable.name for variable in found[0].variables] == []


def test_ci_finds_the_accounts_where_it_names_them() -> None:
    plan = plan_of("events", "dev")
    found = calls(roots("events", "dev"), "account")
    for purpose in ("plan", "apply"):
        assert one(found, f"ci_{purpose}")["name"] == named(plan, "account", "ci", purpose)


def test_the_metrics_find_the_line_that_a_wake_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """As Dataflow keeps it, by its words: the pattern of the module on the line of the adapter."""
    from catchwater.adapters.metrics.cloud_logging import CloudLogging
    from catchwater.ports import Measured

    values = {"rows_out": 12.0, "failures": 0.0, "successes": 1.0}
    CloudLogging().put(Measured("open_data", "dev", "load:bigquery", "load", "r1", values))
    line = capsys.readouterr().out
    module = (Path(bootstrap.__file__).parents[1] / "modules/google/alerts/main.tf").read_text()
    found = re.search(r'^  text = "(.*)"$', module, re.MULTILINE)
    assert found
    text = found[1].replace("${var.project_label}", "open_data").replace("${var.environment}", "dev")
    assert re.search(f"{text}.*.successes.: [1-9]", line)
    assert re.search(f"{text}.*.rows_out.: [1-9].*.successes.: [1-9]", line)
    assert not re.search(f"{text}.*.failures.: [1-9]", line)
    assert not re.search(f"{text}.*.successes.: [1-9]", line.replace("open_data", "other"))
