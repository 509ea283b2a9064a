"""A small project with a Postgres of its own, and an environment of AWS in which a twin of it stands for tests."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from catchwater.infra.twin.standing import Job
from catchwater.infra.twin.trial import Trial, trial
from catchwater.runtimes.planning import open_project, plan_project
from catchwater.runtimes.stand_ins import stand_ins

ROOT = Path(__file__).resolve().parents[2]
PROJECT = """project: shop
sources:
  shop: {kind: postgres, url: "${SHOP_URL}", every: 5 minutes}
promise: {freshness: 20 minutes}
alerts:
  - {notify: email, to: data@example.org, events: [failure, recovery, stale]}
environments:
  dev:
    aws: {region: eu-west-2, account: "111122223333"}
    warehouse: {kind: postgres, secret: warehouse}
  away:
    google: {project: shop-away}
    warehouse: {kind: bigquery, dataset: shop}
"""
MODEL = """/*---
description: Orders.
key: [id]
---*/
SELECT id, price FROM shop.orders
"""
DEMO = '''"""A database of orders, which somebody adds to."""

from contextlib import contextmanager

from pg8000.native import Connection

from catchwater.runtimes.demo import Inputs
from catchwater.runtimes.embedded import postgres


@contextmanager
def inputs(folder):
    with postgres(folder / "postgres") as server:
        server.create_database("shop")
        con = Connection("postgres", host=server.host, port=server.port, password=server.password, database="shop")
        con.run("CREATE TABLE orders (id int PRIMARY KEY, price numeric, note text)")
        con.run("INSERT INTO orders SELECT i, i * 1.5, 'Łódź' FROM generate_series(1, 100) i")

        def more(number):
            con.run("INSERT INTO orders VALUES (:id, 'NaN', NULL)", id=1000 + number)
            con.run("DELETE FROM orders WHERE id = :id", id=number)

        try:
            yield Inputs({"SHOP_URL": server.url("shop")}, more=more)
        finally:
            con.close()
'''


def needs_terraform() -> None:
    if not shutil.which(os.environ.get("TERRAFORM", "terraform")):
        pytest.skip("terraform: not on this machine")


def write(folder: Path) -> Path:
    (folder / "models").mkdir(parents=True)
    (folder / "catchwater.yml").write_text(PROJECT)
    (folder / "models" / "orders.sql").write_text(MODEL)
    (folder / "demo.py").write_text(DEMO)
    return folder


@contextmanager
def standing(folder: Path) -> Iterator[Trial]:
    """The small project's twin, opened: emulator, roots, servers, all of it."""
    project, work = write(folder / "shop"), folder / "work"
    work.mkdir()
    with stand_ins(project, work / "beside") as beside:
        wiring = open_project(project, "dev", beside.variables)
        job = Job(plan_project(wiring).plan, wiring.loaded, work, beside, print)
        with trial(job) as held:
            yield held
