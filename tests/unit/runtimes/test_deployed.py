"""A handler's environment, the plan that was applied, and what a wake leaves, on an emulator that checks rights."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catchwater.adapters.secrets import secrets_manager
from catchwater.errors import LakeError, NotFound, SecretMissing, UseError
from catchwater.plan.plan import Plan
from catchwater.project.names import secret_id
from catchwater.runtimes import deployed as module
from catchwater.runtimes.deployed import answer, current, open_deployed, places, wake
from catchwater.stages.outcome import Outcome
from tests.support.emulators import Zone, ministack
from tests.support.examples import EXAMPLES, plan_of
from tests.support.lambdas import Account, alone
from tests.support.postgres import Database, db, postgres18

__all__ = ["db", "ministack", "postgres18"]

STEP = "ingest:totesys"


@pytest.fixture
def account(ministack: Zone, db: Database) -> Account:
    db.run("CREATE TABLE department (department_id int PRIMARY KEY, department_name text NOT NULL)")
    plan = alone(plan_of("totesys", "dev"))
    source = plan.source("totesys")
    only = tuple(table for table in source.tables if table.name == "department")
    made = Account(ministack.answer["endpoint"], replace(plan, sources=(replace(source, tables=only),)))  # type: ignore[attr-defined]
    made.apply({"TOTESYS_URL": db.url(), "totesys-warehouse": "unused"})
    return made


def test_the_logins_come_from_the_secret_store(account: Account, db: Database) -> None:
    opened = open_deployed(account.environ(STEP, TOTESYS_SOMETHING="plain"))
    assert (opened.step.name, opened.plan) == (STEP, account.plan)
    assert opened.wiring.loaded.variables["TOTESYS_URL"] == db.url()
    assert opened.wiring.loaded.variables["TOTESYS_SOMETHING"] == "plain"
    assert opened.wiring.loaded.project.sources["totesys"].url == "${TOTESYS_URL}"  # type: ignore[union-attr]
    assert db.url() not in repr(opened)


def test_a_wake_commits_records_and_measures(
    account: Account, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    db.run("INSERT INTO department VALUES (1, 'sales')")
    opened = open_deployed(account.environ(STEP))
    report = answer(opened, "schedule", 30.0, lambda: pytest.fail("nothing was left"))
    assert (report.state, report.moved) == ("done", True)
    assert account.record(report.id)["steps"][0]["written"] == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["rows_out"] for line in lines if "_aws" in line] == [1.0]
    assert [line["state"] for line in lines if line.get("message") == "woken"] == ["done"]
    still = answer(opened, "schedule", 30.0, lambda: pytest.fail("nothing was left"))
    assert not still.moved
    assert account.record(still.id) is None


def test_a_plan_that_was_applied_anew_is_the_next_wake_s(account: Account) -> None:
    environ = account.environ(STEP)
    first = current(None, environ)
    assert current(first, environ) is first
    account.put_plan(replace(account.plan, promise={"freshness": "1 hour"}))
    second = current(first, environ)
    assert second is not first
    assert second.plan.promise == {"freshness": "1 hour"}
    assert second.wiring.loaded.variables["TOTESYS_URL"]
    other = current(second, account.environ("process:fact_payment"))
    assert other.step.stage == "process"


def test_a_rotated_login_is_seen_by_a_warm_handler(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = account.environ(STEP)
    opened = current(None, environ)
    plan = account.plan
    found = secret_id(plan.project, plan.environment, "TOTESYS_URL")
    account.client("secretsmanager").put_secret_value(SecretId=found, SecretString="postgresql://new@h/x")
    before = current(opened, environ).wiring.loaded.variables["TOTESYS_URL"]
    assert before != "postgresql://new@h/x"  # remembered for a moment
    monkeypatch.setattr(secrets_manager, "_held", {})
    assert current(opened, environ).wiring.loaded.variables["TOTESYS_URL"] == "postgresql://new@h/x"


def test_a_login_that_is_not_set_is_named(account: Account, ministack: Zone) -> None:
    bare = Account(account.endpoint, alone(account.plan))
    bare.apply({})
    environ = bare.environ(STEP)
    with pytest.raises(SecretMissing, match="the secret TOTESYS_URL isn't there, or may not be read"):
        open_deployed(environ)
    with pytest.raises(SecretMissing, match="the secret TOTESYS_URL isn't set in dev"):
        open_deployed({**environ, **bare.variables()})


def test_an_environment_that_lacks_something(account: Account) -> None:
    environ = account.environ(STEP)
    del environ["CATCHWATER_PROCESSED"]
    with pytest.raises(UseError, match="lacks CATCHWATER_PROCESSED"):
        open_deployed(environ)
    with pytest.raises(UseError, match="the plan has no step 'ingest:nothing'"):
        open_deployed(account.environ(STEP) | {"CATCHWATER_STEP": "ingest:nothing"})


def test_queues_and_their_kind_are_read() -> None:
    found = places(
        {"CATCHWATER_INGESTION": "s3://i", "CATCHWATER_PROCESSED": "s3://p", "CATCHWATER_SECRETS": "secrets_manager",
         "CATCHWATER_TOPICS": "sqs", "CATCHWATER_QUEUES": '{"live": "https://q"}'}, Path("/state"),
    )  # fmt: skip
    assert (found.topics, found.queues, found.zones["processed"]) == ("sqs", {"live": "https://q"}, "s3://p")


def test_no_plan_and_an_alien_one(account: Account) -> None:
    s3, bucket = account.client("s3"), account.zones["ingestion"]
    root = {**account.environ(STEP), **account.variables()}
    for body in (b"{}", b"not JSON", account.plan.to_bytes().replace(b'"models"', b'"modules"', 1)):
        s3.put_object(Bucket=bucket, Key="_config/plan.json", Body=body)
        with pytest.raises(UseError, match="isn't one of this version"):
            open_deployed(root)
    s3.delete_object(Bucket=bucket, Key="_config/plan.json")
    with pytest.raises(NotFound, match="no plan was applied") as caught:
        open_deployed(root)
    assert caught.value.next_step == "apply the storage root"


def test_files_of_the_project_lie_beside_the_plan(ministack: Zone) -> None:
    plan = alone(plan_of("events", "dev"))
    aws = {"aws": plan_of("totesys", "dev").clouds["aws"]}
    plan = replace(plan, clouds=aws, steps=tuple(replace(s, place="aws", compute="lambda") for s in plan.steps))
    account = Account(ministack.answer["endpoint"], plan)  # type: ignore[attr-defined]
    schema = (EXAMPLES / "events" / "schemas" / "event.json").read_bytes()
    account.apply({}, {"schemas/event.json": schema})
    environ = {**account.variables(), **_environ(account, "ingest:events")}
    first = current(None, environ)
    assert (first.wiring.loaded.folder / "schemas" / "event.json").read_bytes() == schema
    changed = schema.replace(b"{", b"{ ", 1)
    account.client("s3").put_object(
        Bucket=account.zones["ingestion"], Key="_config/files/schemas/event.json", Body=changed
    )
    second = current(first, environ)
    assert (second.wiring.loaded.folder / "schemas" / "event.json").read_bytes() == changed
    assert current(second, environ) is second


def _environ(account: Account, step: str) -> dict[str, str]:
    return {
        "CATCHWATER_STEP": step, "CATCHWATER_SECRETS": "secrets_manager",
        "CATCHWATER_INGESTION": f"s3://{account.zones['ingestion']}",
        "CATCHWATER_PROCESSED": f"s3://{account.zones['processed']}",
    }  # fmt: skip


@pytest.fixture
def told(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A step whose stage is given by the test."""

    def opened(stage: Any) -> Any:
        monkeypatch.setitem(module.STAGES, "ingest", stage)
        return open_deployed(account.environ(STEP))

    return opened


def test_more_to_do_than_time_wakes_again(told: Any) -> None:
    def stage(ports: Any, plan: Plan, step: Any, run: str) -> Outcome:
        return Outcome(step.name, step.stage, more=ports.enough())

    again: list[int] = []
    opened = told(stage)
    assert answer(opened, "schedule", 0.0, lambda: again.append(1)).state == "done"
    assert again == [1]
    answer(opened, "schedule", 60.0, lambda: again.append(2))
    answer(opened, "schedule", None, lambda: again.append(3))
    assert again == [1]


def test_a_failure_is_told_and_kept_and_wakes_nobody(
    told: Any, account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    def stage(ports: Any, plan: Plan, step: Any, run: str) -> Outcome:
        raise ValueError("surprise")

    opened = told(stage)
    report = answer(opened, "batch", 0.0, lambda: pytest.fail("it failed"))
    assert report.state == "failed"
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["error"] for line in lines if line.get("severity") == "ERROR"] == ["ValueError"]
    assert [line["failures"] for line in lines if "_aws" in line] == [1.0]
    assert "surprise" in account.record(report.id)["error"]
    again = answer(opened, "batch", 0.0, lambda: pytest.fail("it failed"))
    assert account.record(again.id) is None  # redelivered at once: it is in the log
    opened.failures.clear()
    assert account.record(answer(opened, "batch", 0.0, lambda: pytest.fail("it failed")).id)


def test_a_record_that_cannot_be_stored_fails_no_wake(
    told: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stage(ports: Any, plan: Plan, step: Any, run: str) -> Outcome:
        return Outcome(step.name, step.stage, quarantined=1)

    opened = told(stage)

    def refuse(key: str, data: bytes) -> None:
        raise LakeError("the bucket is away")

    monkeypatch.setattr(opened.wiring.store("ingestion"), "create", refuse)
    assert wake(opened, "schedule").state == "partly"
    assert "the run record wasn't stored: the bucket is away" in capsys.readouterr().out
