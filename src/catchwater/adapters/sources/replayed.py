"""Messages that were set aside, as they came: from quarantine, and from the files kept beside it; nothing is typed."""

import base64
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from catchwater.adapters.sources.embedded_topic import Message
from catchwater.adapters.sources.messages import TEXT_KEPT
from catchwater.ports import Aside, Refused

LEAD = "message "
_CUT_BEFORE = 16_000  # characters that an earlier version kept of a message whose values no column could hold


def messages_of(aside: Aside) -> tuple[list[Message], list[Refused]]:
    """The messages, each with the time at which it came where that was kept, else that of its batch; and those of which
    only a part was kept."""
    wanted = {_id(row) for row in aside.refused}
    kept = {name: (body, at) for name, body, at in _kept(aside.raw) if name in wanted}
    whole: list[Message] = []
    parts: list[Refused] = []
    for row in aside.refused:
        body, at = kept.get(_id(row), (None, aside.at))
        if body is None and len(row.text) not in (_CUT_BEFORE, TEXT_KEPT):
            body = row.text.encode()
        if body is None or not row.where.startswith(LEAD):
            reason = "only a part of it was kept: publish it again"
            parts.append(Refused(row.table, row.where, reason, row.text))
        else:
            whole.append(Message(len(whole) + 1, _id(row), True, at.timestamp(), body))
    return whole, parts


def _id(row: Refused) -> str:
    return row.where.removeprefix(LEAD)


def _kept(files: Sequence[Path]) -> Iterator[tuple[str, bytes, datetime]]:
    """Messages in `raw` files, each in a line."""
    for path in files:
        with path.open("rb") as lines:
            for line in lines:
                found = json.loads(line)
                text = found.get("body")
                body = base64.b64decode(found["body_base64"]) if text is None else text.encode()
                yield found["message_id"], body, datetime.fromisoformat(found["received"])
