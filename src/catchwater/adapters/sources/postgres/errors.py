"""What a failure of Postgres, or of DuckDB while it reads there, is called, and what helps; nothing is asked here."""

import re
from typing import TYPE_CHECKING

from catchwater.errors import SourceBusy, SourceError, SourceRefused, SourceUnreachable

if TYPE_CHECKING:
    from catchwater.adapters.sources.postgres.connection import Address

HINTS = {
    "password authentication failed": "check the user and the password",
    "could not translate host name": "check the host's name",
    "connection refused": "check the port, and that the server runs and accepts TCP/IP",
    "does not exist": "check the names of the database and the user",
    "ssl": "check `sslmode` in the url against what the server offers",
    "timeout expired": "check the network between here and the server",
    "too many": "wait, or raise the server's max_connections",
    "pam authentication failed": "grant rds_iam to the user, and rds-db:connect on it to the step's role",
    "no pg_hba.conf entry": "allow this user and address in the server's pg_hba.conf",
}
GONE = (
    "server closed", "terminating connection", "connection to server", "ssl syscall", "no connection",
    "connection reset", "could not receive data", "could not send data", "broken pipe", "shutting down",
    "starting up", "in recovery mode", "not accepting connections",
)  # fmt: skip
_SENT = re.compile(r'"(?:COPY|SELECT|SET|LOCK|BEGIN)\b.*?": ', re.DOTALL)  # our own SQL, which DuckDB quotes


def gone(text: str) -> bool:
    """Whether the server, or our backend there, is no more."""
    return any(word in text.lower() for word in GONE)


def unreachable(place: "Address", error: Exception) -> SourceUnreachable:
    text = " ".join(place.scrub(str(error)).split())
    hint = next((hint for word, hint in HINTS.items() if word in text.lower()), "check the connection by hand")
    return SourceUnreachable(f"can't connect: {text}", where=place.where, next_step=hint)


class NoRoom(SourceError):
    """What was to be held at once is more than DuckDB may have."""


def no_room(where: str, what: str) -> NoRoom:
    return NoRoom(
        f"{what} needs more memory at once than there is",
        where=where,
        next_step="run where there is more memory, or leave the table out with `tables:`",
    )


def tell(full: str, where: str, error: Exception) -> None:
    """Raises the named error for what the rows of one table brought about; nothing for any other."""
    import duckdb

    if isinstance(error, duckdb.OutOfMemoryException):
        raise no_room(where, f"a group of rows of {full}") from error
    if "invalid byte sequence for encoding" in str(error):
        raise SourceRefused(
            f"{full} holds text that isn't UTF-8 ({str(error).rpartition('ERROR:')[2].strip()})",
            where=where,
            next_step="correct it (a database in SQL_ASCII takes any bytes), or leave the table out with `tables:`",
        ) from error


def broken(place: "Address", error: Exception) -> SourceError:
    """The named error for a query that failed while the source was being read."""
    import duckdb

    if isinstance(error, duckdb.OutOfMemoryException):
        return no_room(place.where, "what is read and compared")
    text = " ".join(_SENT.sub("", place.scrub(str(error))).split())
    low = text.lower()
    if "permission denied" in low:
        return SourceRefused(text, where=place.where, next_step="grant the right, or leave the table out")
    if "row-level security" in low:
        return SourceRefused(text, where=place.where, next_step="ALTER ROLE … BYPASSRLS, or leave the table out")
    if any(word in low for word in ("conflict with recovery", "lock timeout", "statement timeout", "deadlock")):
        return SourceBusy(text, where=place.where, next_step="it is tried again at the next run")
    if gone(low):
        return SourceUnreachable(text, where=place.where, next_step="it is tried again at the next run")
    return SourceError(text, where=place.where)
