"""Signed deliveries of a webhook: checked and stored before they are acknowledged, made into rows at the capture."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from catchwater.adapters.sources.embedded_topic import Message
from catchwater.adapters.sources.github_table import wanted
from catchwater.adapters.sources.messages import MAX_OBJECT, TEXT_KEPT
from catchwater.adapters.sources.scratch import exactly, select_list, to_parquet
from catchwater.errors import UseError
from catchwater.ports import Refused
from catchwater.project.names import literal
from catchwater.project.tables import TableSchema

if TYPE_CHECKING:
    import duckdb

MAX_BYTES = 25 << 20
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_EVENT = re.compile(r"[a-z0-9_]{1,100}")
_SHAPE = '{"action":"VARCHAR","repository":{"full_name":"VARCHAR"},"sender":{"login":"VARCHAR"}}'


def check(headers: Mapping[str, str], body: bytes, secret: str) -> tuple[str, str]:
    """The delivery's id and event; header names in any case.

    Raises PermissionError for a signature that is missing or isn't ours, UseError for an id or event that is missing.
    """
    told = {name.lower(): value.strip() for name, value in headers.items()}
    signature = told.get("x-hub-signature-256", "").encode("utf-8", "replace")
    expected = b"sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()
    if not secret or not hmac.compare_digest(signature, expected):
        raise PermissionError("the delivery isn't signed with this source's secret")
    delivery, event = told.get("x-github-delivery", ""), told.get("x-github-event", "")
    if not _ID.fullmatch(delivery):
        raise UseError("X-GitHub-Delivery is missing or isn't an id", next_step="send it as GitHub does")
    if not _EVENT.fullmatch(event):
        raise UseError("X-GitHub-Event is missing or isn't an event's name", next_step="send it as GitHub does")
    return delivery, event


def envelope(event: str, body: bytes) -> bytes:
    """What is stored: the event's name in a line of its own, then the body as it came."""
    return event.encode() + b"\n" + body


def stage(messages: Sequence[Message], table: TableSchema, path: Path) -> list[Refused]:
    """Write deliveries as NDJSON; returns those whose body isn't text."""
    refused = []
    with path.open("w", encoding="utf-8", newline="\n") as out:
        for message in messages:
            event, _, body = message.body.partition(b"\n")
            try:
                text = _payload(body).decode("utf-8")
            except ValueError as error:
                shown = body[:TEXT_KEPT].decode("utf-8", "backslashreplace")
                refused.append(Refused(table.name, f"delivery {message.message_id}", f"not text: {error}", shown))
                continue
            line = {
                "n": message.number,
                "i": message.message_id,
                "t": round(message.received * 1_000_000),
                "event": event.decode("ascii", "replace"),
                "b": text,
            }
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
    return refused


def _payload(body: bytes) -> bytes:
    """The JSON of a delivery, also of one sent as a form."""
    if not body.startswith(b"payload="):
        return body
    form = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=10)
    return form["payload"][0].encode()


def write(
    con: "duckdb.DuckDBPyConnection",
    staged: Path,
    table: TableSchema,
    choice: tuple[Sequence[str], str | None],
    path: Path,
) -> tuple[int, list[Refused]]:
    """Write the rows of staged deliveries; `choice` are the repositories wanted and the rows held (quoted or None).

    A delivery without a repository (an organisation's, a ping) is taken. Returns rows, and what isn't JSON.
    """
    repositories, held = choice
    longest = min(max(staged.stat().st_size, MAX_OBJECT), MAX_BYTES * 6)  # DuckDB takes twice as much at once
    con.execute(
        "CREATE TABLE deliveries AS SELECT *, CASE WHEN json_valid(b) AND json_type(b) = 'OBJECT' "
        f"THEN json_transform(b, {literal(_SHAPE)}) END AS e FROM read_json({exactly(staged)}, "
        f"format = 'newline_delimited', maximum_object_size = {longest}, columns = "
        "{n: 'BIGINT', i: 'VARCHAR', t: 'BIGINT', event: 'VARCHAR', b: 'VARCHAR'})"
    )
    known = f"AND i NOT IN (SELECT delivery_id FROM {held})" if held else ""
    rows = to_parquet(
        con,
        f"SELECT {select_list(table, 'received_at', 'delivery_id')} FROM (SELECT i AS delivery_id, event, "
        "e.action AS action, e.repository.full_name AS repo, e.sender.login AS actor, "
        "make_timestamp(t)::TIMESTAMPTZ AS received_at, b AS payload, n AS _seq FROM deliveries WHERE e IS NOT NULL "
        f"AND coalesce({wanted('e.repository.full_name', repositories)}, true) {known}) ORDER BY _seq",
        path,
    )
    bad = con.execute("SELECT i, left(b, 16000) FROM deliveries WHERE e IS NULL ORDER BY n").fetchall()
    return rows, [Refused(table.name, f"delivery {i}", "not a JSON object", text) for i, text in bad]
