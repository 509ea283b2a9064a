"""A step that is given no grant for a prefix, table or secret is refused by name, whatever the adapter; and a whole run
needs every grant that the plan derives, but for those listed here with their reasons."""

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from catchwater.errors import GrantMissing
from catchwater.plan.plan import Grant, Plan, Step
from catchwater.runtimes.demo import Demo
from catchwater.runtimes.embedded_files import FileServer
from catchwater.runtimes.local import STAGES, Runtime
from catchwater.runtimes.planning import open_project
from catchwater.stages import guard
from catchwater.wiring import Wiring
from tests.support.emulators import Zone, ministack, variables
from tests.support.pings import PROJECT, write
from tests.support.postgres import Database, db, postgres18

__all__ = ["db", "ministack", "postgres18"]

REASONS = {
    "list": "without it a missing number answers 403 in a cloud; no stage lists",
    "create ingestion/_runs/*": "the runtime writes the record once all steps have ended",
    "read ingestion/_runs/*": "on one machine the runs are read from their index",
    "serve:console": "where there is an API the console answers through its grants",
}
ONE = "/*---\nkey: [id]\n---*/\nSELECT id FROM {table}"


def reasoned(grant: Grant) -> bool:
    return {grant.action, f"{grant.action} {grant.resource}", grant.step} & REASONS.keys() != set()


def without(plan: Plan, grant: Grant) -> Plan:
    return replace(plan, grants=tuple(other for other in plan.grants if other != grant))


def attempt(wiring: Wiring, plan: Plan, step: Step) -> list[str]:
    """What the step's own stage says is missing."""
    try:
        outcome = STAGES[step.stage](wiring.open(plan, step), plan, step, "1")
    except GrantMissing as error:
        return [str(error)]
    return [failure.message for failure in outcome.failures if failure.error == GrantMissing.__name__]


def refused_one_by_one(wiring: Wiring, plan: Plan) -> set[str]:
    """Every step in its order, each of its grants taken away in turn, then whole; the grants that were missed."""
    missed = set()
    rank = {"ingest": 0, "process": 1, "load": 2}
    for step in sorted((step for step in plan.steps if step.stage in rank), key=lambda step: rank[step.stage]):
        for grant in [grant for grant in plan.granted(step.name) if not reasoned(grant)]:
            said = attempt(wiring, without(plan, grant), step)
            prefix = grant.resource.removesuffix("*")
            assert said, f"{step.name} did without {grant.action} {grant.resource}"
            assert said[0].startswith(f"{step.name} may not {grant.action} {prefix}"), said
            assert said[0].endswith(": no edge needs it")
            missed.add(f"{step.name} {grant.action} {grant.resource}")
        assert attempt(wiring, plan, step) == []
    return missed


@contextmanager
def opened(folder: Path, environ: dict[str, str] | None = None) -> Iterator[tuple[Wiring, Plan]]:
    wiring = open_project(folder, variables=environ)
    yield wiring, Runtime(wiring).plan
    wiring.close()


PINGS = {
    "ingest:pings consume pings.pings",
    "ingest:pings create ingestion/pings/*",
    "ingest:pings read ingestion/pings/*",
    "process:pings create processed/pings/*",
    "process:pings read ingestion/pings/*",
    "process:pings read processed/pings/*",
    "load:duckdb apply warehouse/pings",
    "load:duckdb read processed/pings/*",
}


def test_a_topic_a_local_lake_and_duckdb(tmp_path: Path) -> None:
    with opened(write(tmp_path / "pings")) as (wiring, plan):
        wiring.topic("pings").publish([b'{"id": 1}', b"broken"])
        assert refused_one_by_one(wiring, plan) == PINGS
        with wiring.warehouse().read() as reading:
            assert reading.connection.execute("SELECT id FROM pings").fetchall() == [(1,)]


def test_a_lake_on_s3(tmp_path: Path, ministack: Zone) -> None:
    folder = write(tmp_path / "pings", PROJECT + f'lake: {{url: "s3://lake/{tmp_path.name}"}}\n')
    environ = variables(ministack.answer)  # type: ignore[attr-defined]
    with opened(folder, environ) as (wiring, plan):
        wiring.topic("pings").publish([b'{"id": 1}'])
        assert refused_one_by_one(wiring, plan) == PINGS


def test_publishing_needs_a_grant_of_its_own(tmp_path: Path) -> None:
    with opened(write(tmp_path / "pings")) as (wiring, plan):
        [grant] = [grant for grant in plan.granted("serve:api") if grant.action == "publish"]
        poor = without(plan, grant)
        with pytest.raises(GrantMissing, match="serve:api may not publish topic/pings: no edge needs it"):
            wiring.open_topic(poor, "serve:api", "pings").publish([b"{}"])
        assert wiring.topic("pings").newest() == 0
        assert wiring.open_topic(plan, "serve:api", "pings").publish([b"{}"]) == 1


def test_reading_the_warehouse_needs_a_grant(tmp_path: Path) -> None:
    with opened(write(tmp_path / "pings")) as (wiring, plan):
        Runtime(wiring).run()
        for name in ("serve:api", "serve:console"):
            [grant] = [grant for grant in plan.granted(name) if grant.resource == "warehouse/*"]
            poor = wiring.open(without(plan, grant), plan.step(name)).warehouse
            assert poor is not None
            with pytest.raises(GrantMissing, match=rf"{name} may not read warehouse/\*"), poor.read():
                pass


def test_a_postgres_source_and_its_secret(tmp_path: Path, db: Database) -> None:
    db.run("CREATE TABLE orders (id int PRIMARY KEY)", "CREATE TABLE parts (id int PRIMARY KEY)")
    db.run("INSERT INTO orders VALUES (1)", "INSERT INTO parts VALUES (2)")
    folder = tmp_path / "shop"
    (folder / "models").mkdir(parents=True)
    (folder / "catchwater.yml").write_text(
        "project: shop\nsources: {shop: {kind: postgres, url: '${secret:shop-url}'}}\n"
    )
    for table in ("orders", "parts"):
        (folder / "models" / f"{table}.sql").write_text(ONE.format(table=f"shop.{table}"))
    with opened(folder, {"SHOP_URL": db.url()}) as (wiring, plan):
        missed = refused_one_by_one(wiring, plan)
    assert {
        "ingest:shop read secret/shop-url",
        "ingest:shop read shop.orders",
        "ingest:shop read shop.parts",
        "process:orders read ingestion/shop/*",
        "load:duckdb apply warehouse/parts",
    } < missed


def test_files_behind_urls(tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "places.csv").write_text("id,name\n1,a\n")
    folder = tmp_path / "open"
    (folder / "models").mkdir(parents=True)
    (folder / "places.yml").write_text("columns:\n  - {name: id, type: INTEGER}\n  - {name: name, type: VARCHAR}\n")
    (folder / "models" / "all_places.sql").write_text(ONE.format(table="places"))
    with FileServer(tmp_path / "served") as server:
        (folder / "catchwater.yml").write_text(
            "project: open\nsources:\n  places: {kind: http_files, schema: places.yml, private: true, "
            f'url: "{server.url("places.csv")}"}}\n'
        )
        with opened(folder) as (wiring, plan):
            assert "ingest:places read places.places" in refused_one_by_one(wiring, plan)


def test_github_by_archive_and_by_webhook(tmp_path: Path) -> None:
    folder = tmp_path / "activity"
    with Demo("github_activity", folder):
        pass
    with opened(folder, {"GITHUB_WEBHOOK": "s"}) as (wiring, plan):
        body = b'{"action": "opened", "repository": {"full_name": "a/b"}, "sender": {"login": "c"}}'
        headers = {
            "x-github-event": "issues",
            "x-github-delivery": "1",
            "x-hub-signature-256": "sha256=" + hmac.new(b"s", body, hashlib.sha256).hexdigest(),
        }
        for action, resource in (("publish", "topic/live"), ("read", "secret/github-webhook")):
            grant = next(g for g in plan.granted("serve:api") if (g.action, g.resource) == (action, resource))
            with pytest.raises(GrantMissing, match=f"serve:api may not {action} {resource}: no edge needs it"):
                wiring.receiver(without(plan, grant), "live").accept(headers, body)
        assert wiring.topic("live").newest() == 0
        assert wiring.receiver(plan, "live").accept(headers, body) == "1"
        missed = refused_one_by_one(wiring, plan)
    assert {"ingest:archive read archive.archive", "ingest:live consume live.live"} < missed


@pytest.mark.parametrize("name", ["events", "open_data", "github_activity"])
def test_an_example_needs_every_grant_that_it_has(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used: set[tuple[str, str, str]] = set()
    need = guard.Grants.need

    def noted(self: guard.Grants, action: str, resource: str) -> None:
        need(self, action, resource)
        used.add((self.step, action, resource))

    monkeypatch.setattr(guard.Grants, "need", noted)
    with Demo(name, tmp_path / name) as demo:
        runtime = Runtime(demo.wiring)
        assert demo.once(runtime)["exit"] == 0
        api = next((step for step in runtime.plan.steps if step.name.startswith("serve:")), None)
        assert api
        warehouse = demo.wiring.open(runtime.plan, api).warehouse
        assert warehouse
        with warehouse.read():
            pass
        demo.wiring.close()
    assert unused(runtime.plan, used) == []


def unused(plan: Plan, used: set[tuple[str, str, str]]) -> list[str]:
    """The grants that nothing needed and that have no reason to be there all the same."""

    def needed(grant: Grant) -> bool:
        prefix, exact = grant.resource.removesuffix("*"), not grant.resource.endswith("*")
        return any(
            step == grant.step and action == grant.action and (at == prefix if exact else at.startswith(prefix))
            for step, action, at in used
        )

    return [
        f"{grant.step} {grant.action} {grant.resource}"
        for grant in plan.grants
        if not needed(grant) and not reasoned(grant)
    ]


def test_a_grant_too_many_is_found(tmp_path: Path) -> None:
    with opened(write(tmp_path / "pings")) as (_, plan):
        more = replace(plan, grants=(*plan.grants, Grant("load:duckdb", "read", "secret/old")))
    used = {(grant.step, grant.action, grant.resource.removesuffix("*")) for grant in plan.grants}
    assert unused(plan, used) == []
    assert unused(more, used) == ["load:duckdb read secret/old"]


if find_spec("catchwater.adapters.warehouses.postgres"):

    def test_a_postgres_warehouse_and_its_secret(tmp_path: Path, db: Database) -> None:
        folder = write(tmp_path / "pings", PROJECT + "warehouse: {kind: postgres, secret: target}\n")
        with opened(folder, {"TARGET": db.url()}) as (wiring, plan):
            wiring.topic("pings").publish([b'{"id": 1}'])
            missed = refused_one_by_one(wiring, plan)
        assert {"load:postgres read secret/target", "load:postgres apply warehouse/pings"} < missed
        assert db.run("SELECT id FROM pings") == [[1]]
