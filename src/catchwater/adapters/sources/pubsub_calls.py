"""The calls of Pub/Sub that Catchwater makes, its errors named; which messages are taken isn't decided here."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from catchwater.errors import MissingExtra, SourceBusy, SourceError, SourceRefused, SourceUnreachable

if TYPE_CHECKING:
    from google.pubsub_v1 import PublisherClient, SubscriberClient
    from google.pubsub_v1.types import ReceivedMessage

EMULATOR = "PUBSUB_EMULATOR_HOST"
SECONDS = 20.0  # the most that one call may last, its repetitions included
PATIENCE = 2.0  # how long a pull waits for a first message
ACKS = 1000  # ids in one request


def publish(path: str, messages: Sequence[tuple[bytes, Mapping[str, str]]], variables: Mapping[str, str]) -> None:
    """One request: bodies and attributes; returns when the server has them all."""
    client = _publisher(variables.get(EMULATOR, ""))
    sent = [{"data": body, "attributes": dict(attributes)} for body, attributes in messages]
    with _named(path):
        client.publish(request={"topic": path, "messages": sent}, timeout=SECONDS, retry=_again())


def pull(path: str, most: int, patient: bool, variables: Mapping[str, str]) -> "Sequence[ReceivedMessage]":
    """What waits, at most so many messages; empty when nothing came (at once, or within PATIENCE)."""
    from google.api_core.exceptions import DeadlineExceeded

    client = _subscriber(variables.get(EMULATOR, ""))
    request = {"subscription": path, "max_messages": most, "return_immediately": not patient}
    with _named(path), warnings.catch_warnings():
        # deprecated, but the only pull that never leases messages to a caller who has hung up
        warnings.filterwarnings("ignore", "The return_immediately flag", DeprecationWarning)
        try:
            answer = client.pull(request=request, timeout=PATIENCE if patient else SECONDS, retry=None)
        except DeadlineExceeded:
            if patient:
                return ()
            raise
        return list(answer.received_messages)


def acknowledge(path: str, leases: list[str], variables: Mapping[str, str]) -> None:
    client = _subscriber(variables.get(EMULATOR, ""))
    for first in range(0, len(leases), ACKS):
        with _named(path):
            client.acknowledge(subscription=path, ack_ids=leases[first : first + ACKS], timeout=SECONDS, retry=_again())


def extend(path: str, leases: list[str], seconds: int, variables: Mapping[str, str]) -> None:
    """Keep messages from being delivered again for so many seconds from now."""
    client = _subscriber(variables.get(EMULATOR, ""))
    for first in range(0, len(leases), ACKS):
        with _named(path):
            client.modify_ack_deadline(
                subscription=path,
                ack_ids=leases[first : first + ACKS],
                ack_deadline_seconds=seconds,
                timeout=SECONDS,
                retry=_again(),
            )


def _again() -> Any:
    """The client's own way goes on for ten minutes, longer than a request lasts."""
    from google.api_core.exceptions import Aborted, ServiceUnavailable
    from google.api_core.retry import Retry, if_exception_type

    return Retry(if_exception_type(ServiceUnavailable, Aborted), initial=0.1, maximum=2.0, timeout=SECONDS)


@cache
def _publisher(emulator: str) -> "PublisherClient":
    with _installed():
        from google.pubsub_v1 import PublisherClient
        from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
    return (
        PublisherClient(transport=PublisherGrpcTransport(channel=_channel(emulator))) if emulator else PublisherClient()
    )


@cache
def _subscriber(emulator: str) -> "SubscriberClient":
    with _installed():
        from google.pubsub_v1 import SubscriberClient
        from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
    if not emulator:
        return SubscriberClient()
    return SubscriberClient(transport=SubscriberGrpcTransport(channel=_channel(emulator)))


def _channel(address: str) -> Any:
    import grpc

    return grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise MissingExtra("google-cloud-pubsub", "google") from error


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Google's errors as ours; what they say holds paths and rights, never a message."""
    from google.api_core import exceptions as google
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except (google.ServiceUnavailable, google.DeadlineExceeded, google.RetryError, GoogleAuthError) as error:
        raise SourceUnreachable(
            f"Pub/Sub doesn't answer: {_said(error)}", where=path, next_step="try again; see the credentials"
        ) from error
    except (google.Aborted, google.ResourceExhausted, google.Cancelled) as error:
        raise SourceBusy(f"Pub/Sub is busy: {_said(error)}", where=path, next_step="try again") from error
    except (google.PermissionDenied, google.Unauthorized, google.NotFound, google.FailedPrecondition) as error:
        raise SourceRefused(
            f"Pub/Sub refuses: {_said(error)}", where=path, next_step="catchwater deploy makes the queue and its rights"
        ) from error
    except google.GoogleAPICallError as error:
        raise SourceError(f"Pub/Sub: {_said(error)}", where=path) from error


def _said(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
