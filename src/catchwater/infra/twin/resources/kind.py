"""What a resource type is to the twin: three functions over the account's clients."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from catchwater.infra.offline.protocol import Values
from catchwater.infra.twin.resources.given import Given


class Account(Protocol):
    """The emulator as the role that applies sees it; `folder` is where Terraform's relative paths begin."""

    account: str
    region: str
    folder: Path

    def client(self, service: str) -> Any:
        """A boto3 client that is signed by the role that applies."""
        ...

    def database(self, name: str, user: str, password: str, port: int) -> str:
        """A real Postgres with that database, owned by that user; its address."""
        ...

    def database_is_there(self) -> bool: ...


Put = Callable[[Account, Given, Values | None], Values]
Read = Callable[[Account, Values], Values | None]
Drop = Callable[[Account, Values], object]


@dataclass(frozen=True)
class Kind:
    """`put` creates (prior None) or updates, and says the computed attributes; `read` says what is there now, None
    when it is gone; `drop` removes it."""

    put: Put
    read: Read
    drop: Drop


def found(call: Callable[..., Any], *codes: str, **arguments: Any) -> Any:
    """The answer, or None where the service says one of `codes`."""
    from botocore.exceptions import ClientError

    try:
        return call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] in codes:
            return None
        raise


def text(document: Any) -> str:
    """A policy as text, whichever of the two the service answers with."""
    return document if isinstance(document, str) else json.dumps(document)
