"""`catchwater demo`: copies an example, starts the systems it reads from, and runs it; nothing here is a mock."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Inputs:
    """What an example's `demo.py` yields from `inputs(folder)` while its systems run.

    `variables` are set for the project, `publish` are (topic, messages), `webhooks` are (source, deliveries of
    (headers, body)). `more(n)` makes new activity before pass n (from 2), or about every second under `up`.
    """

    variables: dict[str, str]
    publish: Sequence[tuple[str, list[bytes]]] = ()
    webhooks: Sequence[tuple[str, list[tuple[dict[str, str], bytes]]]] = ()
    more: Callable[[int], None] | None = None
    expect_quarantined: int = 0
