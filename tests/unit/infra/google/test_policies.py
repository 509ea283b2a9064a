"""Derived grants as roles on Google Cloud: each has its statement, nothing more is given, and the roots carry just that."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catchwater.errors import UseError
from catchwater.infra.google import access, places, policies, stacks
from catchwater.infra.google.policies import Statement
from catchwater.plan.plan import Grant, Plan
from tests.support.examples import EXAMPLES, plan_of
from tests.support.google_clouds import GOOGLE, SALES, Given, Reader, calls, planned

each = pytest.mark.parametrize(("name", "environment"), GOOGLE, ids=["-".join(one) for one in GOOGLE])
BROAD = re.compile(r"owner|editor$|admin|roles/viewer", re.IGNORECASE)
# what the services ask for besides the grants: (role, the stages or accounts that need it)
BESIDES = {
    "roles/bigquery.jobUser", "roles/bigquery.readSessionUser", "roles/run.invoker", "roles/eventarc.eventReceiver",
    "roles/dataflow.worker", "roles/artifactregistry.reader", "roles/storage.objectUser", "roles/pubsub.publisher",
}  # fmt: skip


def wanted(plan: Plan, grant: Grant) -> tuple[str, str] | None:
    """The role and the end of the resource's name that a grant must become, said once more and otherwise."""
    zone, _, rest = grant.resource.partition("/")
    if zone in ("ingestion", "processed", "artifacts"):
        return ("roles/storage.objectCreator" if grant.action == "create" else "roles/storage.objectViewer"), zone
    known = {
        "secret": ("roles/secretmanager.secretAccessor", f"/secrets/{plan.project}-{plan.environment}-{rest}"),
        "topic": ("roles/pubsub.publisher", f"/topics/{plan.project}-{plan.environment}-{rest}"),
        "warehouse": (
            "roles/bigquery.dataEditor" if grant.action == "apply" else "roles/bigquery.dataViewer",
            f"/datasets/{plan.warehouse.get('dataset')}",
        ),
    }
    if zone in known:
        return known[zone]
    if grant.action == "consume":
        return (
            "roles/pubsub.subscriber",
            f"/subscriptions/{plan.project}-{plan.environment}-{rest or zone.split('.')[0]}",
        )
    return None


@each
def test_each_grant_of_each_step_here_has_its_statement(name: str, environment: str) -> None:
    plan = plan_of(name, environment)
    explained = {one.grant: one for one in policies.explain(plan)}
    mine = {step.name for step in places.steps(plan)}
    assert set(explained) == {grant for grant in plan.grants if grant.step in mine}
    for grant, found in explained.items():
        expected = wanted(plan, grant)
        if expected is None:
            assert found.elsewhere
            assert not found.statements
            continue
        (made,) = found.statements
        assert made.grant is grant
        assert made.because == grant.because
        assert made.role == expected[0], grant
        assert expected[1] in made.resource, grant


@each
def test_what_is_given_besides_has_a_reason_and_is_known(name: str, environment: str) -> None:
    plan = plan_of(name, environment)
    for step in places.steps(plan):
        besides = [one for one in policies.statements(plan, step) if one.grant is None]
        assert all(one.because for one in besides)
        assert {one.role for one in besides} <= BESIDES
        assert not any("*" in one.resource + one.condition for one in besides)


@each
def test_no_account_is_an_administrator(name: str, environment: str) -> None:
    found = access.held(plan_of(name, environment))
    assert found
    for account, statements in found.items():
        broad = [one for one in statements if BROAD.search(one.role) and one.role != "roles/bigquery.dataEditor"]
        assert not broad, account
        assert all("/datasets/" in one.resource for one in statements if one.role == "roles/bigquery.dataEditor")


def compiled(plan: Plan, folder: Path) -> set[Given]:
    return Reader(stacks.roots(plan, folder), places.project(plan), places.region(plan)).given()


def meant(plan: Plan) -> set[Given]:
    found = set()
    for account, statements in access.held(plan).items():
        for one in statements:
            about = one.objects
            found.add(
                (account, about.action, one.resource, about.prefix)
                if about
                else (account, one.role, one.resource, one.condition)
            )
    return found


@each
def test_the_roots_give_exactly_the_statements(name: str, environment: str) -> None:
    plan = plan_of(name, environment)
    given = compiled(plan, EXAMPLES / name)
    if name == "shop":
        assert ("shop-prod-load", "roles/bigquery.dataEditor", "projects/shop-prod/datasets/shop", "") in given
    assert given == meant(plan)


def test_of_a_project_that_no_example_is(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    given = compiled(plan, tmp_path)
    assert given == meant(plan)
    secret = "projects/sales-dev/secrets/sales-dev-TILL_URL"
    assert ("sales-dev-ingest-till", "roles/secretmanager.secretAccessor", secret, "") in given
    assert ("sales-dev-ingest-till", "read", "buckets/sales-dev-ingestion-sales-dev", "_config/") in given


@pytest.mark.parametrize("name", ["events", "open_data"])
def test_a_grant_less_is_a_right_less(name: str) -> None:
    """The other way round as well: none of the rights of a step stands there for another reason."""
    plan = plan_of(name, "dev")
    mine = {step.name for step in places.steps(plan)}
    whole = compiled(plan, EXAMPLES / name)
    for grant in plan.grants:
        if grant.step not in mine or not policies.of_grant(plan, plan.step(grant.step), grant).statements:
            continue
        less = replace(plan, grants=tuple(one for one in plan.grants if one != grant))
        left = compiled(less, EXAMPLES / name)
        assert left <= whole
        shared = [
            one for one in less.granted(grant.step)
            if one.action in ("apply", "consume") and one.action == grant.action
        ]  # fmt: skip
        assert left < whole or shared, grant


def test_a_grant_more_is_a_right_more() -> None:
    plan = plan_of("events", "dev")
    more = replace(plan, grants=(*plan.grants, Grant("process:events", "read", "secret/other", "planted")))
    added = compiled(more, EXAMPLES / "events") - compiled(plan, EXAMPLES / "events")
    path = "projects/ev-dev/secrets/events-dev-other"
    assert added == {("events-dev-process-events", "roles/secretmanager.secretAccessor", path, "")}


def allows(condition: str, key: str = "", listed: str | None = None) -> bool:
    """Whether a condition on a bucket holds for a request: of an object by its key, or of the bucket with the prefix
    that is listed (None: no listing)."""
    resource = f"projects/_/buckets/b/objects/{key}" if key else "projects/_/buckets/b"
    kind = f"storage.googleapis.com/{'Object' if key else 'Bucket'}"
    text = condition.replace("resource.name", repr(resource)).replace("resource.type", repr(kind))
    text = re.sub(r'api\.getAttribute\("[^"]+", ("[^"]*")\)', lambda m: m[1] if listed is None else repr(listed), text)
    text = text.replace(".startsWith(", ".startswith(").replace("&&", " and ").replace("||", " or ")
    return bool(eval(text, {"__builtins__": {}}))  # noqa: S307 - an expression of our own, in Python's words


def test_reading_is_bound_to_the_prefix() -> None:
    condition = policies.objects("b", "read", "events/", "x").condition
    assert allows(condition, "events/_log/00000000000000000001/query_log.json")
    assert not allows(condition, "events_by_minute/data/a.parquet")
    assert not allows(condition, "_config/plan.json")
    assert not allows(condition, listed="events/")


def test_listing_is_bound_to_the_prefix_and_reads_nothing() -> None:
    condition = policies.objects("b", "list", "events/", "x").condition
    assert allows(condition, listed="events/_log/")
    assert not allows(condition, listed="sessions/")
    assert not allows(condition, listed="")
    assert allows(condition), "whether a missing object answers 404 is asked of the bucket, without a prefix"
    assert not allows(condition, "events/data/a.parquet")


def test_a_step_that_reads_many_logs_has_conditions_that_fit() -> None:
    plan = plan_of("events", "dev")
    grants = [Grant("process:events", "read", f"processed/m{n:03}/*", "many") for n in range(100)]
    many = replace(plan, grants=(*plan.grants, *grants))
    access_of = access.bucket(many, "processed")
    parts: list[Any] = [one for title, one in access_of.items() if title.startswith("events-dev-process-events-read")]
    assert sum(len(one["prefixes"]) for one in parts) == 103
    assert max(len(one["prefixes"]) for one in parts) <= access.PREFIXES
    assert compiled(many, EXAMPLES / "events") == meant(many)


def test_more_conditions_than_the_service_takes_are_refused() -> None:
    plan = plan_of("events", "dev")
    grants = [Grant("process:events", "read", f"processed/m{n:03}/*", "many") for n in range(240)]
    with pytest.raises(UseError, match="IAM takes 20"):
        access.bucket(replace(plan, grants=(*plan.grants, *grants)), "processed")


def test_what_the_cloud_has_no_role_for_is_refused() -> None:
    plan = plan_of("events", "dev")
    with pytest.raises(UseError, match="no role for: apply moon/x"):
        policies.of_grant(plan, plan.step("load:bigquery"), Grant("load:bigquery", "apply", "moon/x"))


def test_a_zone_on_aws_is_no_bucket_here() -> None:
    plan = plan_of("shop", "prod")
    with pytest.raises(UseError, match="on AWS"):
        policies.of_grant(plan, plan.step("serve:api"), Grant("serve:api", "read", "ingestion/_runs/*"))


def test_only_the_launching_account_may_launch_and_act_as_the_workers() -> None:
    found = access.held(plan_of("open_data", "dev"))
    launchers = {a for a, mine in found.items() if any(one.role == "roles/dataflow.developer" for one in mine)}
    actors = {a for a, mine in found.items() if any(one.role == "roles/iam.serviceAccountUser" for one in mine)}
    assert launchers == actors == {"open-data-dev-launch"}


def test_a_long_reason_is_cut_with_a_mark() -> None:
    assert access.shortened("short", 250) == "short"
    cut = access.shortened("ä" * 300, 250)
    assert len(cut.encode()) <= 250
    assert cut != access.shortened("ä" * 301, 250)


def test_statements_are_data() -> None:
    made = Statement("roles/x", "projects/p")
    assert made == Statement("roles/x", "projects/p")
    assert SALES.startswith("\nproject")
    assert calls((), "account") == []
