"""The two tables of a GitHub source, archive events and webhook deliveries, and what both do alike."""

from collections.abc import Sequence

from catchwater.project.declared import TIME
from catchwater.project.names import literal
from catchwater.project.tables import Column, TableSchema

_JSON = "As GitHub sent it, JSON text."
_EVENTS = (
    Column("id", "VARCHAR", False, "GitHub's number of the event."),
    Column("type", "VARCHAR", True, "PushEvent, PullRequestEvent, …"),
    Column("actor", "VARCHAR", True, "Who did it: a login."),
    Column("repo", "VARCHAR", True, "Where: owner/name."),
    Column("org", "VARCHAR", True, "The organisation's login, if the repository is an organisation's."),
    Column("created_at", TIME, False, "When GitHub recorded it."),
    Column("public", "BOOLEAN", True, "Whether everybody may see it."),
    Column("payload", "VARCHAR", True, _JSON),
)
_DELIVERIES = (
    Column("delivery_id", "VARCHAR", False, "GitHub's id of the delivery; a redelivery has the same."),
    Column("event", "VARCHAR", False, "push, pull_request, …"),
    Column("action", "VARCHAR", True, "opened, closed, …, for events that have one."),
    Column("repo", "VARCHAR", True, "Where: owner/name."),
    Column("actor", "VARCHAR", True, "Who did it: a login."),
    Column("received_at", TIME, False, "When the delivery was stored here."),
    Column("payload", "VARCHAR", False, _JSON),
)


def events(name: str) -> TableSchema:
    return TableSchema(name, _EVENTS, ("id",))


def deliveries(name: str) -> TableSchema:
    return TableSchema(name, _DELIVERIES, ("delivery_id",))


def wanted(column: str, repositories: Sequence[str]) -> str:
    """A condition: the repository is one of those declared (all, if none is); GitHub ignores case in names."""
    if not repositories:
        return "true"
    return f"lower({column}) IN ({', '.join(literal(name.lower()) for name in repositories)})"
