"""Nothing secret reaches a plan, a record, a log, a manifest or the terminal, whether all goes well or nothing does."""

import base64
import re
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import pytest

from tests.support.commands import Result, catchwater
from tests.support.pings import MODEL, SCHEMA
from tests.support.postgres import Database, db, postgres18

__all__ = ["db", "postgres18"]

MARKS = ["source-pw/7f3a@1", "warehouse-pw:9c2b", "hook-token-5d81", "mail-pw#44e0", "signature-6a90", "given-pw?b2c4"]
MARKS += ["files-pw!77d0", "query-token-e19c"]
SOURCE, WAREHOUSE, HOOK, MAIL, SIGNATURE, GIVEN, FILES, TOKEN = MARKS
PROJECT = """project: guarded
sources:
  shop: {{kind: postgres, url: "${{SHOP_URL}}"}}
  parts: {{kind: postgres, host: 127.0.0.1, port: {port}, database: {name}, user: "{user}", password: "${{secret:pw}}"}}
  hooks: {{kind: github, from: webhook, secret: signing}}
  prices: {{kind: http_files, url: "${{PRICES_URL}}", schema: prices.yml, private: true}}
  pings: {{kind: topic, schema: ping.json, key: [id]}}
warehouse: {{kind: postgres, secret: target}}
alerts:
  - {{notify: webhook, to: "${{secret:hook}}", events: [failure, success]}}
  - {{notify: email, to: ops@example.org, events: [failure, success]}}
"""


class Prices(BaseHTTPRequestHandler):
    """One CSV file for who has the password and the token; all else is refused."""

    def do_GET(self) -> None:
        user = base64.b64encode(f"me:{FILES}".encode()).decode()
        right = self.headers.get("authorization") == f"Basic {user}" and f"token={TOKEN}" in self.path
        body = b"id,price\n1,2\n"
        self.send_response(200 if right else 403)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def prices() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Prices) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def write(folder: Path, db: Database, prices: str, user: str, target: str) -> None:
    """The project, with its secrets where they belong; as `nobody` every password is refused or no help."""
    at = f"127.0.0.1:{db.server.port}"
    closed = closed_port()
    (folder / "models").mkdir(parents=True, exist_ok=True)
    (folder / "catchwater.yml").write_text(PROJECT.format(port=db.server.port, name=db.name, user=user))
    (folder / "ping.json").write_text(SCHEMA)
    (folder / "prices.yml").write_text("key: [id]\ncolumns: [{name: id, type: integer}, {name: price, type: number}]\n")
    (folder / "models" / "pings.sql").write_text(MODEL)
    (folder / "models" / "orders.sql").write_text("/*---\nkey: [id]\n---*/\nSELECT id, 1 AS one FROM shop.orders")
    variables = {
        "SHOP_URL": f"postgresql://{user}:{quote(SOURCE, safe='')}@{at}/{db.name}",
        "PW": GIVEN,
        "PRICES_URL": f"http://{'me' if user == 'postgres' else user}:{quote(FILES)}@{prices}/prices.csv?token={TOKEN}",
        "TARGET": f"postgresql://{user}:{quote(WAREHOUSE, safe='')}@{at}/{target}",
        "HOOK": f"http://127.0.0.1:{closed}/services/{HOOK}",
        "SMTP_URL": f"smtp://mailer:{quote(MAIL, safe='')}@127.0.0.1:{closed}",
        "ALERT_FROM": "data@example.org",
        "SIGNING": SIGNATURE,
    }
    (folder / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in variables.items()))


def marks() -> re.Pattern[bytes]:
    forms = {form for mark in MARKS for form in (mark, quote(mark, safe=""), quote(mark))}
    return re.compile(b"|".join(re.escape(form.encode()) for form in sorted(forms)))


def told(folder: Path) -> list[Result]:
    commands = [
        ["run"],
        ["check"],
        ["plan", "--all"],
        ["plan", "--defaults"],
        ["status"],
        ["runs"],
        ["logs"],
        ["alerts"],
    ]
    commands += [["alerts", "--test"], ["verify"], ["runs", "1"], ["query", "SHOW TABLES"], ["query", "FROM nowhere"]]
    shown = [catchwater(*command, folder) for command in commands]
    return [*shown, *(catchwater(*command, folder, "--json") for command in commands if command[-1] != "--defaults")]


def leaks(folder: Path, shown: list[Result]) -> list[str]:
    """Where a mark stands: files of the project's state by path, what was printed by its text."""
    pattern = marks()
    files = [path for path in (folder / ".catchwater").rglob("*") if path.is_file()]
    assert len(files) > 5
    found = [str(path) for path in files if pattern.search(path.read_bytes())]
    return found + [text for done in shown for text in (done.out, done.err) if pattern.search(text.encode())]


def test_no_secret_is_written_or_said(
    tmp_path: Path, db: Database, prices: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATCHWATER_DEBUG", "1")
    target = f"{db.name}_target"
    assert db.server.create_database(target)
    db.run("CREATE TABLE orders (id int PRIMARY KEY)", "INSERT INTO orders VALUES (1), (2)")
    folder = tmp_path / "guarded"
    write(folder, db, prices, "postgres", target)
    well = catchwater("run", folder)
    assert well.exit == 0, well.err + well.out
    key = catchwater("keys", "create", "reader", folder, "--json").json["token"]
    shown = [well, *told(folder)]
    write(folder, db, prices, "nobody", target)
    failed = catchwater("run", folder)
    assert failed.exit == 1
    assert "nobody" in failed.out + failed.err
    shown += [failed, *told(folder)]
    write(folder, db, prices, "postgres", "nowhere")
    db.run("INSERT INTO orders VALUES (3)")
    shown += [catchwater("run", folder), *told(folder)]
    assert leaks(folder, shown) == []
    assert [
        path for path in (folder / ".catchwater").rglob("*") if path.is_file() and key.encode() in path.read_bytes()
    ] == []


def test_the_search_finds_a_mark(tmp_path: Path) -> None:
    state = tmp_path / ".catchwater"
    state.mkdir()
    for number in range(6):
        (state / f"{number}").write_bytes(b"\0" + quote(SOURCE, safe="").encode() if number == 3 else b"well")
    assert leaks(tmp_path, [Result(0, MAIL, ""), Result(0, "", "well")]) == [str(state / "3"), MAIL]
