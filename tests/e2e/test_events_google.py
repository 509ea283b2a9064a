"""`events` as Google runs it: Pub/Sub → function → Cloud Storage → function → function → BigQuery → API on Cloud Run."""

import importlib.util
import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import httpx
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from catchwater.adapters.stores.gcs import GcsStore
from catchwater.lake import quarantine
from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest
from catchwater.lake.read import create_history
from catchwater.serve.access import Keys
from tests.support import proof
from tests.support.emulators import emulator
from tests.support.examples import EXAMPLES, plan_of
from tests.support.google import bigquery_variables
from tests.support.google_cloud import Cloud, Process, cloud
from tests.support.pubsub import PROJECT, Pubsub, Pusher, as_object, pubsub
from tests.support.waiting import until

__all__ = ["pubsub"]


def example() -> ModuleType:
    """The demo of the example: its messages, with those sent twice and those that are broken."""
    found = importlib.util.spec_from_file_location("events_demo", EXAMPLES / "events" / "demo.py")
    assert found
    assert found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


DEMO = example()


@dataclass
class Feed:
    """The topic, what the ingest pulls, what is pushed to it, and the dead letters."""

    topic: str
    pulled: str
    pushed: str
    dead_topic: str
    dead: str

    @property
    def queues(self) -> str:
        return json.dumps({"events": self.pulled, "events/dead": self.dead_topic})


def feed(server: Pubsub) -> Feed:
    topic, dead = server.topic(), server.topic()
    return Feed(topic, server.subscription(topic, 10), server.subscription(topic), dead, server.subscription(dead))


@pytest.fixture
def held(tmp_path: Path, pubsub: Pubsub) -> Iterator[Cloud]:
    with cloud(plan_of("events", "dev"), pubsub, tmp_path, CATCHWATER_SECRETS="variables") as made:
        yield made


def store(made: Cloud) -> GcsStore:
    return GcsStore("gs://ingestion", made.variables, made.folder / "looked-at")


def batches(made: Cloud) -> list[Manifest]:
    log = Log(store(made), "ingestion/events")
    head = log.head()
    return log.batches(None, head.seq) if head else []


def ingested(made: Cloud) -> Counter[str]:
    """How often each message stands in the log, by its event; quarantined ones by their text."""
    found = batches(made)
    if not found:
        return Counter()
    with duckdb.connect() as con:
        create_history(con, "h", store(made), found, "events")
        rows = con.execute("SELECT event_id FROM h").fetchall()
    refused = [each for one in found if one.quarantine for each in quarantine.read(store(made), one.quarantine)]
    return Counter([row[0] for row in rows] + [each.text for each in refused])


def expected(messages: list[bytes]) -> Counter[str]:
    told = [body.decode("utf-8", "backslashreplace") for body in messages]
    broken = {body.decode("utf-8", "backslashreplace") for body in DEMO.BROKEN}
    return Counter(text if text in broken else json.loads(text)["event_id"] for text in told)


def count(found: Counter[str]) -> int:
    return sum(found.values())


def value(event: dict[str, Any]) -> tuple[Any, ...]:
    """An event as the API shows it."""
    names = ("event_id", "type", "occurred_at", "session_id", "user_id", "country", "amount_pence", "page", "device")
    known = event | {"device": event["properties"]["device"]}
    return tuple(moment(known.get(name)) if name == "occurred_at" else known.get(name) for name in names)


def moment(text: Any) -> Any:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


@contextmanager
def warehouse() -> Iterator[dict[str, str]]:
    with emulator("bqemulator") as answer:
        options = {"api_endpoint": answer["endpoint"]}
        client = bigquery.Client(PROJECT, AnonymousCredentials(), client_options=options)
        client.create_dataset("events")
        client.close()
        yield bigquery_variables(answer) | {"GOOGLE_CLOUD_PROJECT": PROJECT}


def rows(api: Process, key: str, table: str = "events") -> list[dict[str, Any]]:
    """Every row that the API has, page by page."""
    found: list[dict[str, Any]] = []
    url: str | None = f"{api.url}v1/tables/{table}/rows?limit=1000"
    with httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        while url:
            answer = client.get(url)
            if answer.status_code != 200:
                return []
            found += answer.json()
            link = answer.links.get("next")
            url = str(httpx.URL(api.url).join(link["url"])) if link else None
    return found


def test_every_message_is_queryable_once_value_by_value(tmp_path: Path, pubsub: Pubsub) -> None:
    keys = Keys(tmp_path / "keys.json")
    key = keys.create("reader", ["read", "publish", "operate"])
    with ExitStack() as open_:
        variables = open_.enter_context(warehouse())
        secret = {"CATCHWATER_SECRETS": "variables", "API_KEYS": (tmp_path / "keys.json").read_text()}
        made = open_.enter_context(cloud(plan_of("events", "dev"), pubsub, tmp_path, **variables, **secret))
        queue = feed(pubsub)
        ingest = made.function("ingest:events", CATCHWATER_QUEUES=queue.queues)
        process, load = made.function("process:events"), made.function("load:bigquery")
        api = made.service("serve:api", CATCHWATER_QUEUES=json.dumps({"events": queue.topic}))
        pushes = open_.enter_context(Pusher(pubsub, queue.pushed, [ingest.url]))
        open_.enter_context(Pusher(pubsub, made.objects, [process.url, load.url], as_object))
        sent = DEMO.published()
        pubsub.publish(queue.topic, *sent)
        good = {body["event_id"]: body for body in map(json.loads, DEMO.messages(0, DEMO.EVENTS))}
        found = until(lambda: _all(rows(api, key), DEMO.EVENTS), "every event is in the API", 90)
        assert {row["event_id"] for row in found} == good.keys()
        assert sorted(_row(row) for row in found) == sorted(map(value, good.values()), key=lambda each: str(each[0]))
        assert ingested(made) == expected(sent)
        dead = pubsub.drain(queue.dead)
        assert sorted(each.data for each in dead) == sorted(DEMO.BROKEN)
        assert all(each.attributes["catchwater-reason"] for each in dead)
        until(lambda: len(pushes.answers) >= len(sent), "every push is answered")
        assert len(batches(made)) <= 8  # 2,000 messages aren't 2,000 commits
        _asked_of_the_api(api, key, queue, pubsub)
        lines = [line["catchwater"] for line in ingest.lines() if "catchwater" in line]
        assert sum(line["values"]["rows_out"] for line in lines) == DEMO.EVENTS + DEMO.SENT_TWICE + 1
        assert sum(line["values"]["quarantined"] for line in lines) == len(DEMO.BROKEN)


def _all(found: list[dict[str, Any]], wanted: int) -> list[dict[str, Any]] | None:
    return found if len(found) == wanted else None


def _row(row: dict[str, Any]) -> tuple[Any, ...]:
    return value({**row, "properties": {"device": row["device"]}})


def _asked_of_the_api(api: Process, key: str, queue: Feed, pubsub: Pubsub) -> None:
    """Nobody reads without the key; who has it publishes, and what was published is there soon."""
    assert httpx.get(f"{api.url}v1/tables").status_code == 401
    (event,) = DEMO.messages(5000, 1)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    answer = httpx.post(f"{api.url}v1/topics/events/messages", content=event, headers=headers)
    assert (answer.status_code, answer.json()) == (202, {"topic": "events", "accepted": 1})
    wanted = json.loads(event)["event_id"]
    url = f"{api.url}v1/tables/events/rows?event_id=eq.{wanted}"
    until(lambda: httpx.get(url, headers=headers).json(), "what was published is in the API")
    runs = httpx.get(f"{api.url}v1/runs", headers=headers).json()["runs"]
    assert {step["name"] for run in runs for step in run["steps"]} >= {"ingest:events", "process:events"}
    assert httpx.post(f"{api.url}v1/runs", headers=headers, content=b"{}").status_code == 409


@pytest.mark.parametrize(
    "kills", [pytest.param(3, marks=pytest.mark.proof), pytest.param(10, marks=[pytest.mark.proof, pytest.mark.full])]
)
def test_a_function_killed_at_any_moment_loses_and_doubles_nothing(held: Cloud, pubsub: Pubsub, kills: int) -> None:
    chance, queue = random.Random(proof.seed()), feed(pubsub)
    ingest = held.function("ingest:events", CATCHWATER_QUEUES=queue.queues)
    sent: list[bytes] = []
    with Pusher(pubsub, queue.pushed, [ingest.url]) as pushes:
        for number in range(kills):
            some = [*DEMO.messages(1000 * number, 300), *chance.sample(DEMO.BROKEN, 2)]
            pubsub.publish(queue.topic, *some)
            sent += some
            ingest.kill(after=chance.uniform(0, 0.6))
            ingest.start()
        until(lambda: count(ingested(held)) >= len(sent), "everything is in the log")
        until(lambda: pushes.answers.count(200) >= len(sent), "every push is answered")
    assert ingested(held) == expected(sent)
    assert {each.data for each in pubsub.drain(queue.dead)} <= set(DEMO.BROKEN)
