"""Alerts whole: a database that goes away and comes back, a real mail server, a real webhook."""

import json
from pathlib import Path

import pytest

from tests.support.commands import Result, catchwater
from tests.support.mail import http_server, mail_server
from tests.support.postgres import Database, db, postgres18  # noqa: F401

PROJECT = """project: shop
sources:
  shop: {{kind: postgres, url: "${{SHOP_URL}}"}}
promise: {{freshness: 30 minutes}}
alerts:
  - {{notify: email, to: data@example.org, events: [failure, recovery, success]}}
  - {{notify: webhook, to: "{hook}", events: [failure, recovery]}}
"""
MODEL = """/*---
description: Orders.
key: [id]
---*/
SELECT id FROM shop.orders
"""


def test_a_failure_and_its_end_reach_people(tmp_path: Path, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    db.run("CREATE TABLE orders (id int PRIMARY KEY)", "INSERT INTO orders VALUES (1)")
    folder = tmp_path / "shop"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "orders.sql").write_text(MODEL)

    def run(url: str) -> Result:
        monkeypatch.setenv("SHOP_URL", url)
        return catchwater("run", folder)

    with mail_server() as mails, http_server() as hook:
        (folder / "catchwater.yml").write_text(PROJECT.format(hook=hook.url()))
        monkeypatch.setenv("SMTP_URL", f"smtp://127.0.0.1:{mails.port}")
        monkeypatch.setenv("ALERT_FROM", "catchwater@example.org")
        assert run(db.url()).exit == 0
        gone = db.url(database="gone")
        first = run(gone)
        assert first.exit == 1
        assert "gone" in first.out
        assert run(gone).exit == 1
        assert catchwater("query", "FROM orders", folder, "--format", "csv").out == "id\n1\n"
        status = catchwater("status", folder, "--json").json
        assert [failure["count"] for failure in status["failures"]] == [2]
        assert run(db.url()).exit == 0
        subjects = [message["Subject"] for message in mails.messages]
        bodies = [json.loads(body) for _, _, body in hook.seen]
    assert subjects == ["[shop] run 1 done", "[shop] ingest:shop failed", "[shop] ingest:shop recovered"]
    assert [body["event"] for body in bodies] == ["failure", "recovery"]
    events = [alert["event"] for alert in catchwater("alerts", folder, "--json").json]
    assert events == ["recovery", "recovery", "failure", "failure", "success"]
    assert catchwater("alerts", folder).exit == 0


def test_a_mail_server_that_is_down_fails_no_run(tmp_path: Path, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    db.run("CREATE TABLE orders (id int PRIMARY KEY)")
    folder = tmp_path / "shop"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "orders.sql").write_text(MODEL)
    (folder / "catchwater.yml").write_text(PROJECT.format(hook="http://127.0.0.1:1/x"))
    monkeypatch.setenv("SHOP_URL", db.url())
    monkeypatch.setenv("SMTP_URL", "smtp://127.0.0.1:1")
    assert catchwater("run", folder).exit == 0
    told = catchwater("alerts", folder, "--json").json
    assert told[0]["error"]
    refused = catchwater("alerts", folder, "--test")
    assert refused.exit == 1
    assert "error" in refused.err
