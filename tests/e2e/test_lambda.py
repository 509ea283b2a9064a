"""The packaged handler under the real Lambda runtime, with 512 MB, its own rights and its time limit: totesys whole,
killed at random points, and an archive that takes longer than a wake may."""

import gzip
import json
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from catchwater.adapters.stores.s3 import S3Store
from catchwater.lake.log import Log
from catchwater.wiring import SystemClock
from tests.support.emulators import emulator
from tests.support.examples import EXAMPLES, plan_of
from tests.support.feeds import Handler, faulty
from tests.support.lambdas import MEMORY, Account, Function, lambda_api, unpacked
from tests.support.postgres import database, postgres18
from tests.support.proof import seed as chosen_seed

__all__ = ["postgres18"]

STEPS = ("ingest:totesys", "process:fact_payment", "load:postgres")
SCHEDULED = {"source": "aws.scheduler", "detail-type": "Scheduled Event"}
COMMITTED = {
    "source": "aws.s3",
    "detail-type": "Object Created",
    "detail": {"object": {"key": "x/_log/1/query_log.json"}},
}
ORDERS, CHANGED = 400, 8
EVENTS = dict(zip(STEPS, (SCHEDULED, COMMITTED, COMMITTED), strict=True))


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(tmp_path_factory.mktemp("lambda"), "aws", "http", "postgres", "topic")


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """An account of this file's own: its buckets have the names that the roots would give them."""
    with emulator("ministack") as answer:
        yield answer["endpoint"]


class Totesys:
    """The office's database, a warehouse beside it, and the three functions between them."""

    def __init__(self, account: Account, server: Any, task: Path, log: Path) -> None:
        spec = spec_from_file_location("totesys_activity", EXAMPLES / "totesys" / "activity.py")
        assert spec
        assert spec.loader
        activity = module_from_spec(spec)
        spec.loader.exec_module(activity)
        self.source, self.warehouse, self.log = database(server), database(server), log
        connection = activity.connect(self.source.url())
        activity.seed(connection, orders=ORDERS)
        connection.close()
        account.apply({"TOTESYS_URL": self.source.url(), "totesys-warehouse": self.warehouse.url()})
        self.account = account
        self.functions = {step: Function(task, account.environ(step), log=log) for step in STEPS}

    def pass_(self) -> list[str]:
        """One wake of each step; their runs' states."""
        answers = [self.functions[step].invoke(EVENTS[step]) for step in STEPS]
        assert [answer.error for answer in answers] == ["", "", ""], self.log.read_text()[-4000:]
        return [answer.value["state"] for answer in answers]

    def change(self, number: int) -> None:
        self.source.run(
            f"UPDATE sales_order SET units_sold = {number}, last_updated = now() WHERE sales_order_id % {ORDERS // CHANGED} = {number % 50}",
            f"DELETE FROM payment WHERE payment_id = {number + 1}",
        )

    def assert_equal(self) -> None:
        orders = "sales_order_id AS id, units_sold, unit_price::text"
        there = self.source.run(f"SELECT {orders} FROM sales_order ORDER BY 1")
        here = self.warehouse.run(f"SELECT {orders} FROM fact_sales_order_current ORDER BY 1")
        assert here == there
        payments = self.source.run("SELECT payment_id FROM payment ORDER BY 1")
        assert self.warehouse.run("SELECT payment_id FROM fact_payment_current ORDER BY 1") == payments

    def versions(self) -> int:
        return int(self.warehouse.run("SELECT count(*) FROM fact_sales_order")[0][0])

    def close(self) -> None:
        for function in self.functions.values():
            function.kill()
        self.source.close()
        self.warehouse.close()


@pytest.fixture(scope="module")
def totesys(aws: str, postgres18: Any, task: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Totesys]:
    log = tmp_path_factory.mktemp("totesys") / "log"
    made = Totesys(Account(aws, plan_of("totesys", "dev")), postgres18, task, log)
    yield made
    made.close()


def test_three_functions_take_rows_from_postgres_to_postgres(totesys: Totesys) -> None:
    assert totesys.pass_() == ["done"] * 3
    totesys.assert_equal()
    before = totesys.versions()
    totesys.change(7)
    assert totesys.pass_() == ["done"] * 3
    totesys.assert_equal()
    assert totesys.versions() == before + CHANGED
    for step, function in totesys.functions.items():
        assert 0 < function.peak() <= MEMORY << 20, step
    measured = [json.loads(line) for line in totesys.log.read_text().splitlines() if line.startswith('{"_aws"')]
    assert {line["step"] for line in measured} == set(STEPS)
    assert sum(line["successes"] for line in measured) == 6
    assert "postgresql://" not in totesys.log.read_text()
    listed = totesys.account.client("s3").list_objects_v2(Bucket=totesys.account.zones["ingestion"], Prefix="_runs/")
    assert listed["KeyCount"] == 6


@pytest.mark.parametrize(
    "kills", [pytest.param(3, marks=pytest.mark.proof), pytest.param(10, marks=[pytest.mark.proof, pytest.mark.full])]
)
def test_killed_functions_lose_and_double_nothing(totesys: Totesys, kills: int) -> None:
    chance = random.Random(chosen_seed())
    totesys.pass_()
    expected = totesys.versions()
    for number in range(kills):
        totesys.change(100 + number)
        expected += CHANGED
        for step in STEPS:
            if step == STEPS[number % 3]:
                _killed(totesys.functions[step], EVENTS[step], chance.uniform(0.05, 0.9))
            answer = totesys.functions[step].invoke(EVENTS[step])
            assert answer.error == "", totesys.log.read_text()[-4000:]
    totesys.assert_equal()
    assert totesys.versions() == expected


def _killed(function: Function, event: Any, after: float) -> None:
    """Invoke, and end the sandbox after that many seconds, whether it is done by then or not."""
    asked = threading.Thread(target=_broken, args=(function, event))
    asked.start()
    time.sleep(after)
    function.kill()
    asked.join(20)


def _broken(function: Function, event: Any) -> None:
    try:
        function.invoke(event)
    except (OSError, AssertionError):
        return


def test_a_failure_is_raised_without_the_login(totesys: Totesys) -> None:
    """What Lambda keeps of a failed event names the error, and no password."""
    step = STEPS[0]
    account = totesys.account
    plan = replace(account.plan, project="broken")
    elsewhere = Account(account.endpoint, plan)
    elsewhere.apply({"TOTESYS_URL": "postgresql://office:TOPSECRET@127.0.0.1:1/x"})
    function = Function(totesys.functions[step].task, elsewhere.environ(step), log=totesys.log)
    try:
        answer = function.invoke(SCHEDULED)
        assert answer.value["errorType"] == "CatchwaterError"
        assert "SourceUnreachable" in answer.error
        assert "TOPSECRET" not in json.dumps(answer.value)
        assert "TOPSECRET" not in totesys.log.read_text()
    finally:
        function.kill()


# an archive that takes longer than one wake may

SECONDS = 8


def event(hour: str) -> bytes:
    found = {
        "id": hour, "type": "PushEvent", "actor": {"login": "ann"}, "repo": {"name": "a/b"}, "payload": {},
        "public": True, "created_at": "2024-03-01T09:59:59Z",
    }  # fmt: skip
    return gzip.compress(json.dumps(found).encode() + b"\n")


class Archive:
    """Hours of an archive; the second one is refused, but only when the wake's time is nearly over."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.began = 0.0

    def answer(self, handler: Handler) -> None:
        hour = handler.path.removeprefix("/").removesuffix(".json.gz")
        self.asked.append(hour)
        if len(self.asked) == 1:
            self.began = time.monotonic()
        if len(self.asked) == 2:
            time.sleep(max(0.0, self.began + SECONDS * 0.76 - time.monotonic()))
            handler.reply(403)
        else:
            handler.reply(200, event(hour))


def test_a_wake_near_its_limit_commits_and_wakes_itself(aws: str, task: Path, tmp_path: Path) -> None:
    archive, log = Archive(), tmp_path / "log"
    with faulty(archive.answer) as server, lambda_api() as woken:
        plan = plan_of("github_activity", "stage")
        declared = {"kind": "github", "from": "archive", "url": server.url("{hour}.json.gz"), "private": True}
        sources = tuple(replace(s, declared=declared) if s.name == "archive" else s for s in plan.sources)
        account = Account(aws, replace(plan, sources=sources))
        account.apply({})
        environ = account.environ("ingest:archive", AWS_ENDPOINT_URL_LAMBDA=woken.endpoint)
        function = Function(task, environ, seconds=SECONDS, log=log)
        try:
            answer = function.invoke(SCHEDULED)
            assert answer.error == "", log.read_text()[-3000:]
            assert woken.payloads == [{"again": {"trigger": "schedule", "idle": 0, "links": 1}}], log.read_text()[
                -3000:
            ]
            assert woken.kinds == ["Event step"]
            assert function.invoke(woken.payloads[0]).error == "", log.read_text()[-3000:]
            assert len(woken.payloads) == 1
        finally:
            function.kill()
    assert archive.asked[1] == archive.asked[2]
    assert len(set(archive.asked)) == len(archive.asked) - 1
    store = S3Store(f"s3://{account.zones['ingestion']}", account.variables(), tmp_path / "cache")
    batches = Log(store, "ingestion/archive", SystemClock()).batches(None)
    assert [batch.tables["archive"].rows for batch in batches] == [1, len(set(archive.asked)) - 1]
