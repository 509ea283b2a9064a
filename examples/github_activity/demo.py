"""The GitHub demo: recorded hours on disk, and real payloads delivered to the webhook, signed as GitHub signs them."""

import gzip
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catchwater.runtimes.demo import Inputs

SECRET = "the demo's own secret: GitHub and the project share it"  # noqa: S105 (signs nothing but this demo)
REDELIVERED = 5
CUT_SHORT = 1


def signed(event: str, delivery: str, body: bytes) -> dict[str, str]:
    """The headers that GitHub sends with a delivery."""
    mac = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": f"sha256={mac}",
    }


def deliveries(folder: Path) -> list[tuple[dict[str, str], bytes]]:
    """Every recorded payload once, and the first few again, as GitHub does when an answer is late."""
    with gzip.open(folder / "data" / "deliveries.ndjson.gz", "rt", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    found = [(line["event"], line["delivery"], line["body"].encode()) for line in lines]
    return [(signed(*each), each[2]) for each in [*found, *found[:REDELIVERED]]]


@contextmanager
def inputs(folder: Path) -> Iterator[Inputs]:
    data = folder / "data"

    def more(number: int) -> None:
        for path in sorted((data / "later").glob("*.json.gz")) if number == 2 else ():
            path.replace(data / path.name)

    yield Inputs(
        {"GITHUB_WEBHOOK": SECRET},
        webhooks=(("live", deliveries(folder)),),
        more=more,
        expect_quarantined=CUT_SHORT,
    )
