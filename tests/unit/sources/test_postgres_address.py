"""Addresses of Postgres sources: URLs, parts, secrets, and messages without the password."""

import json
from pathlib import Path

import duckdb
import pytest

from catchwater.adapters.sources.postgres import connection, errors
from catchwater.errors import MissingExtra, SourceBusy, SourceError, SourceRefused, SourceUnreachable
from catchwater.ports import Settings
from catchwater.project.schema import PostgresSource

VARIABLES = {
    "${URL}": "postgres://u:p%40ss%2Fw@h:6000/d%20b?sslmode=require&connect_timeout=3",
    "${HOST}": "h.example",
    "${secret:parts}": json.dumps({"host": "x", "port": 7, "username": "n", "password": "{q", "dbname": "d", "a": 1}),
    "${secret:plain}": "just a 'password'\\",
    "${secret:odd}": "{not json",
    "${secret:url}": "postgresql://s@t/v",
}


def address(**given: object) -> connection.Address:
    settings = Settings(Path(), Path(), "local", lambda text: VARIABLES.get(text, text))
    return connection.address("src", PostgresSource.model_validate({"kind": "postgres", **given}), settings)


@pytest.mark.parametrize(
    ("given", "parts", "where"),
    [
        (
            {"url": "${URL}"},
            {"host": "h", "port": "6000", "user": "u", "password": "p@ss/w", "dbname": "d b", "sslmode": "require",
             "connect_timeout": "3"},
            "h:6000/d b",
        ),
        ({"url": "postgresql://h"}, {"host": "h", "port": "5432"}, "h:5432/"),
        (
            {"url": "postgres://u:a:b@c@h/d"},
            {"host": "h", "port": "5432", "user": "u", "password": "a:b@c", "dbname": "d"},
            "h:5432/d",
        ),
        (
            {"url": "postgres://u@[::1]:5433/d"},
            {"host": "::1", "port": "5433", "user": "u", "dbname": "d"},
            "::1:5433/d",
        ),
        ({"url": "postgres://u@a:1,b:2/d"}, {"host": "a,b", "port": "1,2", "user": "u", "dbname": "d"}, "a:1,b:2/d"),
        ({"host": "${HOST}", "database": "d", "user": "u", "password": "p", "port": 9},
         {"host": "h.example", "port": "9", "dbname": "d", "user": "u", "password": "p"}, "h.example:9/d"),
        ({"secret": "parts"}, {"host": "x", "port": "7", "user": "n", "password": "{q", "dbname": "d"}, "x:7/d"),
        ({"secret": "url"}, {"host": "t", "port": "5432", "user": "s", "dbname": "v"}, "t:5432/v"),
        ({"host": "h", "secret": "plain"}, {"host": "h", "port": "5432", "password": "just a 'password'\\"}, "h:5432/"),
        ({"host": "h", "secret": "odd"}, {"host": "h", "port": "5432", "password": "{not json"}, "h:5432/"),
    ],
)  # fmt: skip
def test_an_address_is_read(given: dict[str, object], parts: dict[str, str], where: str) -> None:
    found = address(**given)
    assert (found.given, found.where) == (parts, where)
    assert repr(found) == "Address()"


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"url": "mysql://h/d"}, "isn't a Postgres URL"),
        ({"url": "postgres://u:p@h:port/d"}, "host or port"),
        ({"database": "d"}, "neither url nor host"),
        ({"host": "h", "auth": "rds_iam"}, "rds_iam"),
    ],
)
def test_an_address_is_refused(given: dict[str, object], word: str) -> None:
    with pytest.raises(SourceRefused, match=word) as refusal:
        address(**given)
    assert "source src" in str(refusal.value)


def test_parameters_are_quoted() -> None:
    text = address(host="h", secret="plain").to_text()
    assert "password='just a \\'password\\'\\\\'" in text
    assert "connect_timeout='10'" in text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("permission denied for table t", SourceRefused),
        ('query would be affected by row-level security policy for table "t"', SourceRefused),
        ("canceling statement due to conflict with recovery", SourceBusy),
        ("canceling statement due to statement timeout", SourceBusy),
        ("terminating connection due to administrator command", SourceUnreachable),
        ("division by zero", SourceError),
        ('Failed to prepare COPY "COPY (SELECT 1) TO STDOUT": server closed the connection', SourceUnreachable),
    ],
)
def test_errors_of_the_server_have_names(text: str, kind: type[SourceError]) -> None:
    place = address(host="h", password="s3cret")
    error = errors.broken(place, duckdb.Error(f"{text} s3cret"))
    assert type(error) is kind
    assert "s3cret" not in str(error)
    assert "COPY (SELECT" not in str(error)
    assert "h:5432/" in str(error)


def test_a_message_loses_its_parameters() -> None:
    place = address(host="h", password="it's")
    error = errors.unreachable(
        place, duckdb.Error(f'Unable to connect to Postgres at "{place.to_text()}": connection refused')
    )
    assert str(error).startswith("h:5432/: can't connect: connection refused")
    assert "password" not in str(error)


def test_without_the_scanner_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "find_spec", lambda name: None)
    connection._root.cache_clear()
    with pytest.raises(MissingExtra, match=r"duckdb-extension-postgres-scanner.*\n.*catchwater\[postgres\]"):
        connection.connection()
