"""The stacks of each example on AWS: which there are, what handlers are told, names that fit, and what is refused."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catchwater import __version__
from catchwater.errors import UseError
from catchwater.infra.aws import bootstrap, environment, lambdas, observability, places, sql, stacks, storage
from catchwater.infra.hcl import Raw
from catchwater.infra.names import LIMITS, name
from catchwater.infra.roots import Call, Root
from catchwater.plan.plan import AlertRule, Grant, Plan, SourcePlan, Trigger
from catchwater.runtimes.glue import script
from tests.support.examples import CLOUDS, EXAMPLES, plan_of
from tests.support.postgres import Database, db, postgres18

__all__ = ["db", "postgres18"]
ON_AWS = [(name, environment) for name, environment in CLOUDS if "aws" in plan_of(name, environment).clouds]
each = pytest.mark.parametrize(("name", "environment"), ON_AWS, ids=["-".join(one) for one in ON_AWS])


def roots(plan: Plan) -> dict[str, Root]:
    return {root.stack: root for root in stacks.roots(plan, EXAMPLES / plan.project)}


def call(root: Root, called: str) -> Call:
    return next(one for one in root.calls if one.name == called)


def test_the_stacks_are_those_with_content_in_the_order_of_application() -> None:
    found = {one: list(roots(plan_of(*one))) for one in ON_AWS}
    start = ["bootstrap", "storage"]
    assert found == {
        ("totesys", "dev"): [*start, "warehouse", "workflow/lambda", "observability"],
        ("totesys", "prod"): [*start, "warehouse", "workflow/lambda", "observability"],
        ("github_activity", "stage"): [*start, "workflow/lambda", "workflow/glue", "observability"],
        ("shop", "prod"): [*start, "workflow/lambda", "observability"],
    }


@each
def test_each_state_has_its_key_and_is_locked(name: str, environment: str) -> None:
    plan = plan_of(name, environment)
    made = {stack: stacks.backend(root, plan) for stack, root in roots(plan).items() if not root.local_state}
    assert len({str(one["key"]) for one in made.values()}) == len(made)
    state = call(roots(plan)["bootstrap"], "state").arguments
    for one in made.values():
        assert one["use_lockfile"] is True
        assert one["encrypt"] is True
        assert one["bucket"] == state["bucket"]
        assert one.get("dynamodb_table") == state.get("lock_table")
        assert ("dynamodb_table" in one) == (plan.state_lock == "dynamodb")


def test_handlers_are_told_what_they_read() -> None:
    plan = plan_of("totesys", "dev")
    assert environment.of(plan, plan.step("ingest:totesys")) == {
        "CATCHWATER_STEP": "ingest:totesys",
        "CATCHWATER_INGESTION": "s3://totesys-dev-ingestion-111122223333",
        "CATCHWATER_PROCESSED": "s3://totesys-dev-processed-111122223333",
        "CATCHWATER_SECRETS": "secrets_manager",
    }
    github = plan_of("github_activity", "stage")
    queue = '{"live": "https://sqs.eu-west-1.amazonaws.com/111122223333/github_activity-stage-live"}'
    for step in ("ingest:live", "serve:api"):
        told = environment.of(github, github.step(step))
        assert told["CATCHWATER_QUEUES"] == queue
        assert told["CATCHWATER_TOPICS"] == "sqs"
    assert "CATCHWATER_QUEUES" not in environment.of(github, github.step("ingest:archive"))
    made = call(roots(github)["workflow/lambda"], "queue_live").arguments["name"]
    assert made == "github_activity-stage-live"


@each
def test_no_handler_is_told_a_login(name: str, environment: str) -> None:
    plan = plan_of(name, environment)
    for root in roots(plan).values():
        for one in root.calls:
            told: Any = one.arguments.get("environment") or one.arguments.get("settings") or {}
            assert not [key for key in told if key.endswith("_URL") or "PASSWORD" in key]


def test_a_plain_variable_is_asked_for_and_handed_on() -> None:
    plan = plan_of("totesys", "dev")
    source = SourcePlan("totesys", "postgres", {"kind": "postgres", "url": "${TOTESYS_URL}", "host": "${DB_HOST}"}, ())
    more = replace(plan, sources=(source,))
    step = more.step("ingest:totesys")
    assert environment.plain(more, step) == ("DB_HOST",)
    assert environment.of(more, step)["DB_HOST"] == Raw("var.db_host")
    assert [one.name for one in environment.variables(more, [step])] == ["db_host"]


def test_the_load_into_bigquery_becomes_googles_account_without_a_key() -> None:
    plan = plan_of("shop", "prod")
    step = plan.step("load:bigquery")
    told = environment.of(plan, step)
    assert told["GOOGLE_CLOUD_PROJECT"] == "shop-prod"
    text = str(told["CATCHWATER_GOOGLE_FEDERATION"].text)  # type: ignore[union-attr]
    assert (
        "projects/${var.google_project_number}/locations/global/workloadIdentityPools/shop-prod-aws/providers/aws-role"
        in text
    )
    assert "shop-prod-load@shop-prod.iam.gserviceaccount.com:generateAccessToken" in text
    assert "google_project_number" in [one.name for one in roots(plan)["workflow/lambda"].variables]
    for other in ("ingest:shop", "process:countries"):
        assert "CATCHWATER_GOOGLE_FEDERATION" not in environment.of(plan, plan.step(other))


def test_googles_library_takes_the_settings_and_names_the_same_role() -> None:
    google = pytest.importorskip("google.auth.aws")
    plan = plan_of("shop", "prod")
    settings = environment.external_account(plan)
    audience = settings["audience"].text.strip('"').replace("${var.google_project_number}", "123456")  # type: ignore[union-attr]
    made = google.Credentials.from_info({**settings, "audience": audience})
    assert made.service_account_email == "shop-prod-load@shop-prod.iam.gserviceaccount.com"
    step = plan.step("load:bigquery")
    assert places.function(plan, step) == name(plan, "role", *step.name.split(":"))  # what Google's side trusts


def test_the_plan_and_its_schemas_are_uploaded_where_handlers_look() -> None:
    plan = plan_of("totesys", "dev")
    root = roots(plan)["storage"]
    assert root.files["plan.json"] == plan.to_bytes()
    assert call(root, "configuration_plan_json").arguments["key"] == "_config/plan.json"


def test_a_schema_goes_along_and_one_that_is_missing_is_named(tmp_path: Path) -> None:
    plan = plan_of("totesys", "dev")
    declared = {"kind": "http_files", "url": "https://example.org", "schema": "config/a.yml"}
    more = replace(plan, sources=(*plan.sources, SourcePlan("files", "http_files", declared, ())))
    with pytest.raises(UseError, match=r"config/a.yml: the schema can't be read"):
        storage.root(more, tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "a.yml").write_bytes(b"columns: {}\n")
    root = storage.root(more, tmp_path)
    assert root.files["files/config/a.yml"] == b"columns: {}\n"
    assert call(root, "configuration_config_a_yml").arguments["key"] == "_config/files/config/a.yml"


def test_two_schemas_of_one_name_are_two_objects(tmp_path: Path) -> None:
    plan = plan_of("totesys", "dev")
    sources = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "schema.yml").write_bytes(folder.encode())
        declared = {"kind": "http_files", "url": "https://example.org", "schema": f"{folder}/schema.yml"}
        sources.append(SourcePlan(folder, "http_files", declared, ()))
    root = storage.root(replace(plan, sources=(*plan.sources, *sources)), tmp_path)
    assert len({one.name for one in root.calls}) == len(root.calls)


def test_names_that_terraform_could_not_tell_apart_are_refused() -> None:
    plan = plan_of("totesys", "dev")
    more = tuple(Grant("ingest:totesys", "read", f"secret/{one}", "it needs it") for one in ("a-b", "a_b"))
    with pytest.raises(UseError, match="aws/storage: two parts would both be called secret_a_b"):
        stacks.roots(replace(plan, grants=plan.grants + more), EXAMPLES / "totesys")


def test_secrets_are_places_and_the_warehouses_is_written() -> None:
    plan = plan_of("totesys", "dev")
    found = roots(plan)
    assert call(found["storage"], "secret_totesys_url").arguments["name"] == "totesys-dev-TOTESYS_URL"
    assert "value" not in call(found["storage"], "secret_totesys_url").arguments
    assert not [one for one in found["storage"].calls if "warehouse" in one.name]
    written = call(found["warehouse"], "secret_totesys_warehouse").arguments
    assert written["name"] == places.secret(plan, "totesys-warehouse")
    asked = {one.name: one for one in found["warehouse"].variables}
    assert asked["warehouse_password"].ephemeral


def test_a_warehouse_without_a_network_is_yours() -> None:
    plan = plan_of("totesys", "dev")
    outside = replace(plan, clouds={"aws": {**plan.clouds["aws"], "network": None}})
    found = roots(outside)
    assert "warehouse" not in found
    assert call(found["storage"], "secret_totesys_warehouse").arguments["name"] == "totesys-dev-totesys-warehouse"
    assert "network" not in call(found["workflow/lambda"], "load_postgres").arguments
    assert not found["storage"].variables


def test_only_what_reaches_a_database_is_in_the_vpc() -> None:
    made = roots(plan_of("totesys", "dev"))["workflow/lambda"]
    joined = {one.name for one in made.calls if "network" in one.arguments}
    assert joined == {"ingest_totesys", "load_postgres"}


def test_a_public_url_is_throttled_and_leads_to_the_function_that_checks() -> None:
    made = roots(plan_of("github_activity", "stage"))["workflow/lambda"]
    assert call(made, "webhook").arguments == {"function": Raw("module.serve_api.name")}
    assert call(made, "serve_api").arguments["concurrency"] == lambdas.RECEIVERS
    assert not [one for one in made.calls if one.name != "serve_api" and "concurrency" in one.arguments]


def test_a_job_runs_the_script_that_the_runtime_has_with_this_very_version() -> None:
    plan = plan_of("github_activity", "stage")
    root = roots(plan)["workflow/glue"]
    assert root.files["step.py"].decode() == script()
    job = call(root, "process_activity").arguments
    assert job["modules"] == [f"catchwater[s3]=={__version__}"]
    assert job["timeout"] == 15
    assert {"CATCHWATER_STEP": "process:activity"}.items() <= job["settings"].items()  # type: ignore[union-attr]
    assert job["rule_arns"] == ["arn:aws:events:eu-west-1:111122223333:rule/github_activity-stage-process-activity"]


LONG = {"project": "p" * 40, "environment": "an-environment-with-a-name-that-is-much-too-long-for-anybody"}
KINDS = {"bucket": "bucket", "function": "lambda", "schedule": "schedule", "batch_rule": "rule", "queue": "queue",
         "glue_job": "role", "postgres": "database", "state": "bucket"}  # fmt: skip


@each
def test_names_fit_and_are_distinct_however_long_the_project_is_called(name: str, environment: str) -> None:
    plan = replace(plan_of(name, environment), **LONG)  # type: ignore[arg-type]
    made: list[tuple[str, str]] = []
    for root in stacks.roots(plan, EXAMPLES / name):
        for one in root.calls:
            called = one.arguments.get("name", one.arguments.get("bucket"))
            if one.entity in KINDS and isinstance(called, str):
                assert len(called) <= LIMITS[KINDS[one.entity]][0], called
                made.append((KINDS[one.entity], called))
            dead = one.arguments.get("dead_letter")
            assert dead is None or len(str(dead)) <= 80
    assert len(made) > 5
    assert len(set(made)) == len(made)


@each
def test_what_one_root_names_another_makes(name: str, environment: str) -> None:
    """Buckets and rules are named in several roots: always as they are called where they are made."""
    plan = plan_of(name, environment)
    found = roots(plan)
    buckets = {one.arguments["name"] for one in found["storage"].calls if one.entity == "bucket"}
    rules = {one.arguments["name"] for root in found.values() for one in root.calls if one.entity == "batch_rule"}
    for root in found.values():
        text = repr(root.calls)
        assert set(re.findall(r"s3:(?:::|//)([a-z0-9-]+-(?:\d{12}))", text)) <= buckets | {bootstrap.state_bucket(plan)}
        assert set(re.findall(r":rule/([\w-]+)'", text)) <= rules


def test_alerts_are_the_projects() -> None:
    plan = plan_of("totesys", "dev")
    made = call(roots(plan)["observability"], "alerts").arguments
    assert made["topics"] == {
        "alerts": {
            "name": "totesys-dev-alerts",
            "emails": ["data@example.org"],
            "events": ["failure", "recovery", "stale"],
        }
    }
    silent: Mapping[str, int] = {one["name"]: one["stale_minutes"] for one in made["steps"]}  # type: ignore[index,union-attr,misc]
    assert silent == {"ingest:totesys": 30, "process:fact_payment": 0, "load:postgres": 0}


def test_silence_is_watched_by_the_promise_or_by_three_wakes() -> None:
    plan = plan_of("totesys", "dev")
    step = plan.step("ingest:totesys")
    assert observability.stale_minutes(plan, step) == 30
    assert observability.stale_minutes(replace(plan, promise={}), step) == 30
    hourly = replace(plan, triggers=(Trigger(step.name, "schedule", "1 hour"),))
    assert observability.stale_minutes(hourly, step) == 180
    monthly = replace(plan, triggers=(Trigger(step.name, "schedule", "0 0 1 * *"),))
    assert observability.stale_minutes(monthly, step) == 10080


def test_an_alert_that_aws_cannot_send_is_refused() -> None:
    plan = replace(plan_of("totesys", "dev"), alerts=(AlertRule("webhook", "https://example.org", ("failure",)),))
    with pytest.raises(UseError, match=r"alerts\[0\]: alarms on AWS reach people by e-mail, not by webhook"):
        stacks.roots(plan, EXAMPLES / "totesys")


def test_two_alerts_are_two_topics() -> None:
    rules = (AlertRule("email", "a@x.org, b@x.org", ("failure",)), AlertRule("email", "c@x.org", ("stale",)))
    plan = replace(plan_of("totesys", "dev"), alerts=rules)
    made: Any = call(roots(plan)["observability"], "alerts").arguments["topics"]
    assert {key: (one["emails"], one["events"]) for key, one in made.items()} == {
        "alerts": (["a@x.org", "b@x.org"], ["failure"]),
        "alerts_2": (["c@x.org"], ["stale"]),
    }


def test_keys_instead_of_oidc_make_no_role() -> None:
    plan = replace(plan_of("totesys", "dev"), credentials="keys")
    root = roots(plan)["bootstrap"]
    assert [one.entity for one in root.calls] == ["state"]
    assert root.variables == ()


def test_a_database_of_rds_is_asked_for_by_its_id() -> None:
    made = roots(plan_of("shop", "prod"))["workflow/lambda"]
    access = call(made, "access_shop").arguments
    assert access["role"] == Raw("module.ingest_shop.role")
    assert access["user"] == "ingest"
    assert "shop_resource_id" in [one.name for one in made.variables if one.required]


def test_the_reader_reads_its_tables_and_nothing_else(db: Database) -> None:
    """The statements themselves, run twice on a Postgres."""
    plan = plan_of("shop", "prod")
    text = sql.files(plan)["sql/shop-reader.sql"].decode()
    db.run('CREATE TABLE "order_lines" (a int)', "CREATE TABLE secrets (a int)", "CREATE ROLE rds_iam NOLOGIN")
    for table in plan.source("shop").tables:
        db.run(f'CREATE TABLE IF NOT EXISTS "{table.name}" (a int)')
    for _ in range(2):
        db.run(text)
    may = "SELECT has_table_privilege('ingest', '{}', '{}')"
    assert all(db.run(may.format(table.name, "SELECT")) == [[True]] for table in plan.source("shop").tables)
    assert db.run(may.format("secrets", "SELECT")) == [[False]]
    assert db.run(may.format("orders", "INSERT")) == [[False]]
    assert db.run("SELECT pg_has_role('ingest', 'rds_iam', 'MEMBER')") == [[True]]
    assert "totesys_dev_totesys_reader" in sql.files(plan_of("totesys", "dev"))["sql/totesys-reader.sql"].decode()
