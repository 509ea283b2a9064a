"""The demo of totesys: a real Postgres in which an office works all day, and a mail server for the alerts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from activity import Activity, connect, is_there, seed

from catchwater.runtimes.demo import Inputs
from catchwater.runtimes.embedded import postgres
from catchwater.runtimes.embedded_mail import Mailbox

DATABASE = "totesys"


@contextmanager
def inputs(folder: Path) -> Iterator[Inputs]:
    """Database and mail server run as long as the block lasts; rows and mails stay in `folder`."""
    with postgres(folder / ".catchwater" / "demo" / "postgres") as server, Mailbox(folder / "mail") as mails:
        server.create_database(DATABASE)
        url = server.url(DATABASE)
        connection = connect(url)
        try:
            if not is_there(connection):
                seed(connection)
        finally:
            connection.close()
        with Activity(url) as activity:
            variables = {"TOTESYS_URL": url, "SMTP_URL": mails.url, "ALERT_FROM": "catchwater@example.org"}
            yield Inputs(variables, more=activity.burst)
