"""The events demo: visitors of a web shop, the same every time; some messages arrive twice, and a few are broken."""

import json
import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from catchwater.adapters.sources.topic import EmbeddedTopic
from catchwater.runtimes.demo import Inputs

EVENTS = 1950
SENT_TWICE = 44
MORE = 50
START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
TYPES = {"page_view": 60, "search": 18, "add_to_cart": 12, "purchase": 6, "sign_up": 4}
COUNTRIES = {"GB": 60, "IE": 12, "FR": 10, "DE": 10, "NL": 8}
PAGES = ("/", "/sale", "/lamps/desk", "/lamps/floor", "/chairs/oak", "/chairs/ash", "/rugs/wool")
BROKEN = (
    b'{"event_id": "5f2b6c1e-0000-4000-8000-000000000001", "type": "page_view", "occurred_at": "2026-11-02T09:00',
    b'{"type": "page_view", "occurred_at": "2026-11-02T09:00:00Z", "session_id": "s", "country": "GB"}',
    b'{"event_id": "5f2b6c1e-0000-4000-8000-000000000003", "type": "refund", "occurred_at": "2026-11-02T09:00:00Z",'
    b' "session_id": "s", "country": "GB"}',
    b'{"event_id": "5f2b6c1e-0000-4000-8000-000000000004", "type": "purchase", "occurred_at": "2026-11-02T09:00:00Z",'
    b' "session_id": "s", "country": "GB", "amount_pence": 99999999999999999999}',
    b'{"event_id": "5f2b6c1e-0000-4000-8000-000000000005", "type": "page_view", "occurred_at": "yesterday",'
    b' "session_id": "s", "country": "GB"}',
    b'{"event_id": "5f2b6c1e-0000-4000-8000-000000000006", "type": "page_view", "occurred_at": "2026-11-02T09:00:00Z",'
    b' "session_id": "caf\xe9", "country": "FR"}',
)


def event(chance: random.Random, number: int) -> dict[str, Any]:
    """The event of this number, some ten seconds after the one before."""
    session = number // 8 + chance.randrange(6)
    kind = chance.choices([*TYPES], [*TYPES.values()])[0]
    found: dict[str, Any] = {
        "event_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"event/{number}")),
        "type": kind,
        "occurred_at": (START + timedelta(seconds=10 * number + chance.randrange(10))).isoformat(),
        "session_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"session/{session}")),
        "user_id": session + 1 if chance.random() < 0.4 else None,
        "country": chance.choices([*COUNTRIES], [*COUNTRIES.values()])[0],
        "page": chance.choice(PAGES),
        "properties": {"device": chance.choice(["phone", "laptop", "tablet"]), "referrer": chance.choice(["ad", "—"])},
    }
    if kind == "purchase":
        found["amount_pence"] = chance.randrange(500, 40_000)
    return found


def messages(first: int, count: int) -> list[bytes]:
    chance = random.Random(first)
    return [json.dumps(event(chance, number), ensure_ascii=False).encode() for number in range(first, first + count)]


def published() -> list[bytes]:
    """What the demo begins with: events, some of them sent twice, and the broken ones, in no order."""
    sent = messages(0, EVENTS)
    chance = random.Random(7)
    sent += chance.sample(sent, SENT_TWICE)
    sent += BROKEN
    chance.shuffle(sent)
    return sent


@contextmanager
def inputs(folder: Path) -> Iterator[Inputs]:
    resumed = (folder / ".catchwater" / "topics.sqlite").exists()
    topic = EmbeddedTopic(folder / ".catchwater", "events")

    def more(_: int) -> None:
        before = EVENTS + SENT_TWICE + len(BROKEN)
        topic.publish(messages(EVENTS + max(topic.newest() - before, 0), MORE))

    yield Inputs({}, () if resumed else (("events", published()),), more=more, expect_quarantined=len(BROKEN))
