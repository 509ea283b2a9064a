"""events, open_data and github_activity whole: every number against its input, read here by plain Python."""

import csv
import gzip
import importlib.util
import io
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from catchwater.runtimes.demo import Demo
from catchwater.runtimes.local import Runtime
from tests.support.commands import catchwater

EXAMPLES = Path(__file__).parents[2] / "examples"


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"truth_{name}", EXAMPLES / name / "demo.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


class Shown:
    """A demo after its first complete pass."""

    def __init__(self, demo: Demo, result: dict[str, Any]) -> None:
        self.demo, self.result = demo, result

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.demo.wiring.warehouse().read() as reading:
            return reading.connection.execute(sql).fetchall()

    def step(self, run: int, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(each for each in self.result["runs"][run]["steps"] if each["name"] == name)
        return found


def show(name: str, folder: Path) -> Iterator[Shown]:
    with Demo(name, folder) as demo:
        yield Shown(demo, demo.once(Runtime(demo.wiring)))
        demo.wiring.close()


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    yield from show("events", tmp_path_factory.mktemp("demo") / "events")


@pytest.fixture(scope="module")
def open_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    yield from show("open_data", tmp_path_factory.mktemp("demo") / "open_data")


@pytest.fixture(scope="module")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    yield from show("github_activity", tmp_path_factory.mktemp("demo") / "github")


def sent() -> tuple[dict[str, dict[str, Any]], int]:
    """The events that were published, by id, and how many messages weren't events."""
    demo = module("events")
    found: dict[str, dict[str, Any]] = {}
    bad = 0
    for message in [*demo.published(), *demo.messages(demo.EVENTS, demo.MORE)]:
        try:
            event = json.loads(message)
            datetime.fromisoformat(event["occurred_at"])
        except (ValueError, KeyError):
            bad += 1
            continue
        if "event_id" not in event or event["type"] == "refund" or event.get("amount_pence", 0) > 2**63:
            bad += 1
        else:
            found[event["event_id"]] = event
    return found, bad


def test_events_are_those_that_were_sent(events: Shown) -> None:
    truth, bad = sent()
    assert (len(module("events").published()), len(truth), bad) == (2000, 2000, 6)
    assert events.result["exit"] == 0
    assert events.result["quarantined"] == bad
    assert (events.step(0, "ingest:events")["rows"], events.step(0, "ingest:events")["written"]) == (2000, 1994)
    assert events.step(1, "ingest:events")["rows"] == 50
    rows = events.rows("SELECT event_id, type, epoch_ms(occurred_at), user_id, amount_pence, device FROM events")
    assert len(rows) == events.result["tables"]["events"] == len(truth)
    for event_id, kind, at, user, amount, device in rows:
        event = truth[event_id]
        wanted = datetime.fromisoformat(event["occurred_at"]).timestamp() * 1000
        assert (kind, at, user, amount) == (event["type"], wanted, event["user_id"], event.get("amount_pence"))
        assert device == event["properties"]["device"]


def test_events_add_up(events: Shown) -> None:
    truth, _ = sent()
    minutes = Counter((event["occurred_at"][:16], event["type"]) for event in truth.values())
    rows = events.rows("SELECT strftime(minute, '%Y-%m-%dT%H:%M'), type, events FROM events_by_minute")
    assert {(minute, kind): count for minute, kind, count in rows} == minutes
    assert events.result["tables"]["events_by_minute"] == len(minutes)
    spent = sum(event.get("amount_pence", 0) for event in truth.values())
    assert events.rows("SELECT sum(amount_pence) FROM events_by_minute") == [(spent,)]
    sessions = Counter(event["session_id"] for event in truth.values())
    assert dict(events.rows("SELECT session_id, events FROM sessions")) == sessions
    assert events.result["tables"]["sessions"] == len(sessions)


def published(data: bytes) -> dict[str, list[str]]:
    """Stations of an edition by their code, its broken lines left out by looking at each."""
    found: dict[str, list[str]] = {}
    for line in data.splitlines()[1:]:
        try:
            (fields,) = csv.reader(io.StringIO(line.decode()))
            float(fields[5])
        except (ValueError, IndexError):
            continue
        if len(fields) == 7 and fields[0] not in found:
            found[fields[0]] = fields
    return found


def test_stations_are_those_published(open_data: Shown) -> None:
    demo = module("open_data")
    data = (EXAMPLES / "open_data" / "data" / "stations.csv").read_bytes()
    first, last = published(data), published(demo.second(data))
    assert (len(first), len(last)) == (3376, 3374)
    assert "ABQ" not in last
    last["ABQ"] = first["ABQ"]
    assert open_data.result["exit"] == 0
    assert open_data.result["quarantined"] == 5 + 6
    assert open_data.step(1, "ingest:stations")["notes"] == ["1 rows kept, whose lines can't be taken"]
    rows = open_data.rows("SELECT iata, station, city, state, country, latitude, longitude FROM stations")
    assert len(rows) == open_data.result["tables"]["stations"] == 3375
    for iata, name, city, state, country, latitude, longitude in rows:
        fields = last[iata]
        assert [iata, name, city or "NA", state or "NA", country] == fields[:5]
        assert (latitude, longitude) == (float(fields[5]), float(fields[6]))
    changed = sum(first[code] != last.get(code, first[code]) for code in first)
    versions = len(first) + changed + len(last.keys() - first.keys()) + len(first.keys() - last.keys())
    assert open_data.rows("SELECT count(*) FROM station_changes") == [(versions,)]
    assert open_data.rows("SELECT count(*) FROM station_changes_current") == [(3375,)]


def test_stations_add_up(open_data: Shown) -> None:
    rows = open_data.rows("SELECT country, state, city, latitude FROM stations")
    countries = Counter(country for country, *_ in rows)
    assert dict(open_data.rows("SELECT country, stations FROM stations_by_country")) == countries
    states = Counter(state for _, state, *_ in rows if state)
    assert dict(open_data.rows("SELECT state, stations FROM stations_by_state")) == states
    arctic = sum(latitude >= 66.5 and state is not None for _, state, _, latitude in rows)
    assert open_data.rows("SELECT sum(arctic) FROM stations_by_state") == [(arctic,)]


def recorded() -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """The archive's events by id, and the deliveries."""
    data = EXAMPLES / "github_activity" / "data"
    found = {}
    for path in [*data.glob("20*.gz"), *(data / "later").glob("*.gz")]:
        for line in gzip.decompress(path.read_bytes()).splitlines():
            if line.endswith(b"}"):
                event = json.loads(line)
                found[event["id"]] = event
    lines = gzip.decompress((data / "deliveries.ndjson.gz").read_bytes()).splitlines()
    return found, [json.loads(line) for line in lines]


def test_activity_is_what_was_recorded(github: Shown) -> None:
    archive, deliveries = recorded()
    assert (len(archive), len(deliveries)) == (126, 329)
    assert github.result["exit"] == 0
    assert github.result["quarantined"] == 1
    assert github.step(1, "ingest:archive")["written"] == 4
    rows = github.rows("SELECT event_id, type, action, repo, actor, epoch(created_at) FROM activity")
    assert len(rows) == github.result["tables"]["activity"] == len(archive)
    for event_id, kind, action, repo, actor, at in rows:
        event = archive[event_id]
        assert (kind, repo, actor) == (event["type"], event["repo"]["name"], event["actor"]["login"])
        assert action == event["payload"].get("action")
        assert at == datetime.fromisoformat(event["created_at"]).astimezone(UTC).timestamp()
    days = Counter((event["created_at"][:10], event["repo"]["name"], event["type"]) for event in archive.values())
    by_day = github.rows("SELECT day::VARCHAR, repo, type, events FROM activity_by_day")
    assert {row[:3]: row[3] for row in by_day} == days
    pulls = {
        (event["repo"]["name"], event["payload"]["pull_request"]["number"])
        for event in archive.values()
        if event["type"] == "PullRequestEvent"
    }
    assert set(github.rows("SELECT repo, number FROM pull_requests")) == pulls


def test_deliveries_are_those_that_were_sent(github: Shown) -> None:
    archive, deliveries = recorded()
    assert github.step(0, "ingest:live")["rows"] == 329
    rows = github.rows("SELECT delivery_id, event, action, repo, actor FROM deliveries")
    truth = {}
    for each in deliveries:
        body = json.loads(each["body"])
        repo = (body.get("repository") or {}).get("full_name")
        actor = (body.get("sender") or {}).get("login")
        truth[each["delivery"]] = (each["event"], body.get("action"), repo, actor)
    assert {row[0]: row[1:] for row in rows} == truth
    told = Counter(repo for _, _, repo, _ in truth.values() if repo)
    events = Counter(event["repo"]["name"] for event in archive.values())
    found = {row[0]: row[1:] for row in github.rows("SELECT repo, events, deliveries FROM repositories")}
    assert found == {repo: (events[repo], told[repo]) for repo in events.keys() | told.keys()}


@pytest.mark.parametrize("name", ["events", "open_data", "github_activity"])
def test_the_command_ends_well_and_resumes(name: str, tmp_path: Path) -> None:
    for expected in ({"events": 6, "open_data": 11, "github_activity": 1}[name], 0):
        result = catchwater("demo", name, tmp_path / "demo", "--once", "--json")
        assert (result.exit, result.json["quarantined"]) == (0, expected), result.err


def test_the_examples_are_small() -> None:
    size = sum(
        path.stat().st_size
        for name in ("events", "open_data", "github_activity")
        for path in (EXAMPLES / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    assert size < 600_000
