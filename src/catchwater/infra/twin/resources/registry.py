"""Every resource type that the twin can make, on one page."""

from collections.abc import Callable

from catchwater.infra.offline.protocol import Values
from catchwater.infra.twin.resources import databases, events, functions, iam, messages, network, s3, secrets, tables
from catchwater.infra.twin.resources.kind import Account, Kind

KINDS: dict[str, Kind] = {
    **s3.KINDS, **iam.KINDS, **functions.KINDS, **events.KINDS, **messages.KINDS, **secrets.KINDS, **network.KINDS,
    **tables.KINDS, **databases.KINDS,
}  # fmt: skip
DATA: dict[str, Callable[[Account, Values], Values]] = {**network.DATA}
