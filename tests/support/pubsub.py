"""The Pub/Sub emulator, started for real: topics and subscriptions of a test's own, and what a push subscription does."""

import base64
import json
import runpy
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import uuid4

import grpc
import httpx
import pytest
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from google.pubsub_v1.types import PubsubMessage, PullRequest, ReceivedMessage

from tests.support.emulators import ROOT, emulator

PROJECT = "catchwater-tests"
LEASE = 60


@dataclass
class Pubsub:
    """The emulator and its clients."""

    host: str
    publisher: PublisherClient = field(init=False)
    subscriber: SubscriberClient = field(init=False)

    def __post_init__(self) -> None:
        options = [("grpc.max_receive_message_length", -1)]
        self._channels = [grpc.insecure_channel(self.host, options=options) for _ in range(2)]
        self.publisher = PublisherClient(transport=PublisherGrpcTransport(channel=self._channels[0]))
        self.subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=self._channels[1]))

    @property
    def variables(self) -> dict[str, str]:
        return {"PUBSUB_EMULATOR_HOST": self.host, "GOOGLE_CLOUD_PROJECT": PROJECT}

    def topic(self, name: str = "") -> str:
        """A new topic's path."""
        path = f"projects/{PROJECT}/topics/{name or f'topic-{uuid4().hex}'}"
        self.publisher.create_topic(name=path)
        return path

    def subscription(self, topic: str, lease: int = LEASE) -> str:
        """A new subscription's path; a message not acknowledged within `lease` seconds comes again."""
        path = f"projects/{PROJECT}/subscriptions/sub-{uuid4().hex}"
        request = {"name": path, "topic": topic, "ack_deadline_seconds": lease, "retain_acked_messages": True}
        self.subscriber.create_subscription(request=request)
        return path

    def publish(self, topic: str, *bodies: bytes, **attributes: str) -> list[str]:
        messages = [{"data": body, "attributes": attributes} for body in bodies]
        found: list[str] = []
        for first in range(0, len(messages), 1000):
            request = {"topic": topic, "messages": messages[first : first + 1000]}
            found += self.publisher.publish(request=request).message_ids
        return found

    def waiting(self, subscription: str, most: int = 1000) -> list[ReceivedMessage]:
        """What a pull brings at once."""
        request = PullRequest(subscription=subscription, max_messages=most, return_immediately=True)
        bare: Any = self.subscriber.transport.pull  # the client's own method warns, and warnings are errors
        return list(bare(request, timeout=20).received_messages)

    def drain(self, subscription: str) -> list[PubsubMessage]:
        """Everything in a subscription, acknowledged."""
        found: list[PubsubMessage] = []
        while True:
            some = self.waiting(subscription)
            if not some:
                return found
            self.subscriber.acknowledge(subscription=subscription, ack_ids=[each.ack_id for each in some])
            found += [each.message for each in some]

    def seek(self, subscription: str) -> None:
        """Every message that was published in the last hour comes again, acknowledged or leased though it be."""
        moment = datetime.now(UTC) - timedelta(hours=1)
        self.subscriber.seek(request={"subscription": subscription, "time": moment})

    def close(self) -> None:
        for channel in self._channels:
            channel.close()


def available() -> bool:
    found: bool = runpy.run_path(str(ROOT / "tools" / "emulators"))["pubsub_jar"]() is not None
    return found


@pytest.fixture(scope="session")
def pubsub() -> Iterator[Pubsub]:
    if not available():
        pytest.skip("pubsub-emulator: the Google Cloud SDK isn't on this machine")
    with emulator("pubsub") as answer:
        held = Pubsub(answer["host"])
        yield held
        held.close()


def envelope(message: PubsubMessage, subscription: str = "s") -> bytes:
    """The body of a push request, as Pub/Sub sends it."""
    sent = {
        "data": base64.b64encode(message.data).decode(),
        "attributes": dict(message.attributes),
        "messageId": message.message_id,
        "publishTime": message.publish_time.isoformat().replace("+00:00", "Z"),
    }
    return json.dumps({"message": sent, "subscription": subscription}).encode()


Request = tuple[bytes, dict[str, str]]


def as_push(message: PubsubMessage) -> Request:
    return envelope(message), {"Content-Type": "application/json"}


def as_object(message: PubsubMessage) -> Request:
    """What Eventarc makes of a notification of Cloud Storage: a binary CloudEvent whose data is the object."""
    said = message.attributes
    data = {"bucket": said["bucketId"], "name": said["objectId"]}
    headers = {
        "Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": message.message_id,
        "ce-type": "google.cloud.storage.object.v1.finalized",
        "ce-source": f"//storage.googleapis.com/projects/_/buckets/{said['bucketId']}",
        "ce-subject": f"objects/{said['objectId']}",
    }  # fmt: skip
    return json.dumps(data).encode(), headers


class Pusher:
    """Pub/Sub's push, which the emulator does two requests at a time: `window` requests at once, a message
    acknowledged by an answer 2xx and sent again, a little later, after any other."""

    def __init__(
        self,
        held: Pubsub,
        subscription: str,
        urls: Sequence[str],
        request: Callable[[PubsubMessage], Request] = as_push,
        window: int = 20,
    ) -> None:
        self._held, self._subscription, self._urls, self._request = held, subscription, urls, request
        self.answers: list[int] = []
        self._stopping = threading.Event()
        self._free = threading.Semaphore(window)
        self._pool = ThreadPoolExecutor(window + 1)
        self._client = httpx.Client(timeout=60)

    def __enter__(self) -> Self:
        self._pool.submit(self._run)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._pool.shutdown()
        self._client.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            some = self._held.waiting(self._subscription, 20)
            for received in some:
                self._free.acquire()
                self._pool.submit(self._send, received)
            if not some:
                self._stopping.wait(0.01)

    def _send(self, received: ReceivedMessage) -> None:
        try:
            taken = [self._taken(url, received.message) for url in self._urls]
            if all(taken):
                self._held.subscriber.acknowledge(subscription=self._subscription, ack_ids=[received.ack_id])
                return
            self._stopping.wait(0.1)
            self._held.subscriber.modify_ack_deadline(
                subscription=self._subscription, ack_ids=[received.ack_id], ack_deadline_seconds=0
            )
        finally:
            self._free.release()

    def _taken(self, url: str, message: PubsubMessage) -> bool:
        body, headers = self._request(message)
        try:
            status = self._client.post(url, content=body, headers=headers).status_code
        except httpx.HTTPError:
            status = 0
        self.answers.append(status)
        return 200 <= status < 300
