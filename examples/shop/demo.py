"""The demo of shop: a real Postgres with the shop's tables, and what happens in them between two passes."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catchwater.runtimes.demo import Inputs
from catchwater.runtimes.embedded import Postgres, postgres

HERE = Path(__file__).parent
DATABASE = "shop"


@contextmanager
def inputs(folder: Path) -> Iterator[Inputs]:
    """The database runs as long as the block lasts; its rows stay in `folder` for the next time."""
    with postgres(folder / ".catchwater" / "demo" / "postgres") as server:
        server.create_database(DATABASE)
        if _sql(server, "-c", "SELECT to_regclass('public.orders') IS NULL") == "t":
            _sql(server, "-1", "-f", str(HERE / "schema.sql"))

        def more(number: int) -> None:
            _sql(server, "-1", "-v", f"n={number}", "-f", str(HERE / "changes.sql"))

        yield Inputs({"SHOP_URL": server.url(DATABASE)}, more=more)


def _sql(server: Postgres, *what: str) -> str:
    line = [str(server.install / "bin" / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", server.host]
    done = subprocess.run(
        [*line, "-p", str(server.port), "-U", server.user, "-d", DATABASE, *what],
        env={"PGPASSWORD": server.password, "PGCLIENTENCODING": "UTF8", "LC_ALL": "C"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout.strip()
