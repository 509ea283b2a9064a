"""GitHub activity as a source: hours of an archive in order and once, and only deliveries that are signed."""

import gzip
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from catchwater.adapters.sources import github as module
from catchwater.adapters.sources import github_archive
from catchwater.adapters.sources.github import GithubSource
from catchwater.adapters.sources.github_hours import read_hour, spell
from catchwater.adapters.sources.http_fetch import Limits
from catchwater.errors import SecretMissing, SourceRefused, SourceUnreachable, UseError
from catchwater.ports import Held
from catchwater.project import schema
from tests.support.feeds import Answer, Flow, Handler, faulty, settings

NOW = datetime(2024, 3, 1, 12, 30, tzinfo=UTC)


def event(number: int, repo: str = "a/b", **more: Any) -> bytes:
    found = {
        "id": str(number),
        "type": "PushEvent",
        "actor": {"id": 1, "login": "ann"},
        "repo": {"id": 2, "name": repo},
        "payload": {"size": number, "ref": "ä\x00"},
        "public": True,
        "created_at": "2024-03-01T09:59:59Z",
    }
    return json.dumps(found | more).encode() + b"\n"


def archive(folder: Path, **options: Any) -> Flow:
    given = {"url": "data/{hour}.json.gz", **options}
    spec = schema.GithubSource.model_validate({"kind": "github", "from": "archive", **given})
    source = GithubSource("archive", spec, settings(folder))
    source.limits = Limits(attempts=2, connect=2, read=1, wait=0.01)
    source.now = lambda: NOW  # type: ignore[method-assign]
    return Flow(folder, "archive", source)


def put(folder: Path, hour: str, *lines: bytes, name: str = "{}.json.gz") -> None:
    (folder / "data").mkdir(exist_ok=True)
    data = b"".join(lines)
    path = folder / "data" / name.format(hour)
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)


def test_hours_are_read_in_order_and_once(tmp_path: Path) -> None:
    held = archive(tmp_path)
    assert held.run().batches == ()
    put(tmp_path, "2024-01-01-9", event(1), event(2, org={"login": "o"}))
    put(tmp_path, "2024-01-01-10", event(3), event(2), event(3))
    put(tmp_path, "2023-12-31-23", event(0, public=False, type=None))
    outcome = held.run()
    assert (outcome.rows_in, outcome.rows_out) == (6, 4)
    assert held.rows("id, type, actor, repo, org, created_at, public, payload", order="id") == [
        (str(n), None if n == 0 else "PushEvent", "ann", "a/b", "o" if n == 2 else None, "2024-03-01 09:59:59+00",
         "false" if n == 0 else "true", json.dumps({"size": n, "ref": "ä\x00"}, separators=(",", ":"),
         ensure_ascii=False).replace("\x00", "\\u0000"))
        for n in range(4)
    ]  # fmt: skip
    assert held.rows("_version", order="_id")[0] == ("2023-12-31-23.json.gz",)
    assert held.batches()[-1].position["hour"] == "2024-01-01-10"
    assert held.run().batches == ()
    put(tmp_path, "2024-01-01-11", event(3), event(4))
    put(tmp_path, "2024-01-01-8", event(5))
    assert held.run().rows_out == 1
    assert len(held.rows("id", history=True)) == 5


def test_repositories_are_picked_whatever_their_case(tmp_path: Path) -> None:
    put(tmp_path, "2024-01-01-0", event(1, "DuckDB/duckdb"), event(2, "other/x"), event(3, repo=None), b'{"id":"9"}\n')
    held = archive(tmp_path, repositories=["duckdb/DuckDB", "o'x/y"])
    assert held.run().rows_out == 1
    assert held.rows("id, repo") == [("1", "DuckDB/duckdb")]
    assert held.refused() == []


def test_bad_lines_are_refused_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github_archive, "MAX_LINE", 1 << 16)
    good = [event(number) for number in range(10)]
    put(
        tmp_path, "2024-01-01-0",
        good[0], b"\n\r\n", event(90)[:-30] + b"\n", good[1], b"[]\n", event(91, id=None), good[2],
        event(92, created_at="soon"), b'"\xff"\n', good[3], b"x" * 200_000 + b"\n", *good[4:], b"{",
    )  # fmt: skip
    held = archive(tmp_path)
    held.run()
    assert [(each.where.split(":")[1], each.reason) for each in held.refused()] == [
        ("4", "not a JSON object"),
        ("6", "not a JSON object"),
        ("7", "no id"),
        ("9", "no created_at that is a time"),
        ("10", "not UTF-8: byte 2 of the line"),
        ("12", "longer than 0 MiB"),
        ("19", "not a JSON object"),
    ]
    assert len(held.rows("id")) == 10


@pytest.mark.parametrize("data", [b"<html>\n", b"\x1f\x8bnot gz at all", gzip.compress(b"x" * 99, mtime=0)[:-5]])
def test_an_hour_that_is_none_leaves_what_is_held(tmp_path: Path, data: bytes) -> None:
    put(tmp_path, "2024-01-01-0", event(1))
    held = archive(tmp_path)
    held.run()
    (tmp_path / "data" / "2024-01-01-1.json.gz").write_bytes(data)
    with pytest.raises(SourceRefused, match=r"2024-01-01-1\.json\.gz"):
        held.run()
    assert held.rows("id") == [("1",)]
    put(tmp_path, "2024-01-01-1", b"")
    assert held.run().rows_out == 0
    assert held.batches()[-1].position["hour"] == "2024-01-01-1"


def test_files_that_are_no_hours_are_left_alone(tmp_path: Path) -> None:
    for name in ("2024-13-01-0", "2024-01-01-24", "x", "2024-01-01-0 copy"):
        put(tmp_path, name, event(1))
    put(tmp_path, "2024-01-01-1", event(2), name="{}.json")
    assert archive(tmp_path).run().batches == ()
    assert archive(tmp_path, url="file:data/{hour}.json").run().rows_out == 1


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("../data/{hour}.json", "lies outside the project"),
        ("/etc/{hour}.json", "lies outside the project"),
        ("/{hour}", "lies outside the project"),
        ("file:///tmp/{hour}.json", "lies outside the project"),
        ("link/{hour}.json", "lies outside the project"),
        ("data/hours.json", "must hold {hour} once, in the file's name"),
        ("{hour}/{hour}.json", "must hold {hour} once"),
        ("{hour}/x.json", "must hold {hour} once"),
        ("https://x/hours.json", "must hold {hour} once"),
        ("ftp://x/{hour}.json", "only http, https and files are read"),
    ],
)
def test_recorded_hours_stay_inside_the_project(tmp_path: Path, url: str, message: str) -> None:
    project = tmp_path / "project"
    project.mkdir()
    put(tmp_path, "2024-01-01-0", event(1), name="{}.json")
    (project / "link").symlink_to(tmp_path / "data")
    with pytest.raises(SourceRefused) as error:
        archive(project, url=url).run()
    assert message in str(error.value)


def test_a_linked_file_outside_is_not_read(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    put(tmp_path, "2024-01-01-0", event(1))
    (project / "data" / "2024-01-01-0.json.gz").symlink_to(tmp_path / "data" / "2024-01-01-0.json.gz")
    assert archive(project).run().batches == ()


def hourly(there: dict[str, bytes]) -> Answer:
    def answer(handler: Handler) -> None:
        hour = handler.path.removeprefix("/").removesuffix(".json.gz")
        if hour in there:
            handler.reply(200, gzip.compress(there[hour]))
        else:
            handler.reply(404)

    return answer


def hour(back: int) -> str:
    return spell(NOW.replace(minute=0) - timedelta(hours=back))


def test_hours_over_http_from_the_position_to_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_HOURS", 10)
    there = {hour(back): event(back) for back in range(1, 25) if back not in (1, 5, 20)}
    with faulty(hourly(there)) as server:
        held = archive(tmp_path, url=server.url("{hour}.json.gz"), private=True)
        outcome = held.run()
        assert outcome.rows_out == 21
        assert len(held.batches()) == 3
        assert held.batches()[-1].position["hour"] == hour(2)
        assert [note for note in outcome.notes if hour(5) in note]
        assert [note for note in outcome.notes if hour(20) in note]
        asked = len(server.asked)
        assert held.run().batches == ()
        assert [path for path, _ in server.asked[asked:]] == [f"/{hour(1)}.json.gz"]
        there[hour(1)] = event(100)
        assert held.run().rows_out == 1
    held.source.now = lambda: NOW + timedelta(hours=3)  # type: ignore[attr-defined]
    with pytest.raises(SourceUnreachable):
        held.run()


def test_what_came_before_a_failure_is_committed(tmp_path: Path) -> None:
    def fails(handler: Handler) -> None:
        if handler.path == f"/{hour(20)}.json.gz":
            handler.reply(500)
        else:
            handler.reply(200, gzip.compress(event(int(handler.path[12:-8]))))

    with faulty(fails) as server:
        held = archive(tmp_path, url=server.url("{hour}.json.gz"), private=True)
        with pytest.raises(SourceUnreachable, match="answer 500"):
            held.run()
        assert held.batches()[-1].position["hour"] == hour(21)
        assert len(held.rows("id")) == 4
        with pytest.raises(SourceRefused, match="loopback address"):
            archive(tmp_path, url=server.url("{hour}.json.gz")).run()


def test_how_hours_are_spelt() -> None:
    assert spell(datetime(2024, 1, 1, 5, tzinfo=UTC)) == "2024-01-01-5"
    assert read_hour("2024-01-01-05") == read_hour("2024-01-01-5") == datetime(2024, 1, 1, 5, tzinfo=UTC)
    assert read_hour("2024-02-30-1") is None
    assert abs((module.GithubSource.now() - datetime.now(UTC)).total_seconds()) < 60


# -- webhook

SECRET = "it's a secret, ä"


def webhook(folder: Path, **options: Any) -> tuple[Flow, GithubSource]:
    given = {"kind": "github", "from": "webhook", "secret": "hook", **options}
    source = GithubSource("live", schema.GithubSource.model_validate(given), settings(folder, hook=SECRET))
    return Flow(folder, "live", source), source


def signed(body: bytes, delivery: str = "d-1", event: str = "push", secret: str = SECRET) -> dict[str, str]:
    mac = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-GitHub-Delivery": delivery, "x-github-event": event, "X-HUB-SIGNATURE-256": f"sha256={mac}"}


def payload(**more: Any) -> bytes:
    found = {"action": "opened", "repository": {"full_name": "a/b"}, "sender": {"login": "ann"}}
    return json.dumps(found | more).encode()


def test_deliveries_become_rows_once(tmp_path: Path) -> None:
    held, source = webhook(tmp_path)
    body = payload(text="ä\n")
    assert source.accept(signed(body), body) == "d-1"
    assert source.accept(signed(body), body) == "d-1"
    assert source.accept(signed(b"{}", "d-2", "ping"), b"{}") == "d-2"
    assert held.run().rows_out == 2
    assert source.accept(signed(body), body) == "d-1"
    assert held.run().batches == ()
    rows = held.rows("delivery_id, event, action, repo, actor, payload")
    assert rows == [("d-1", "push", "opened", "a/b", "ann", body.decode()), ("d-2", "ping", None, None, None, "{}")]
    assert held.rows("_version = delivery_id AND _at = received_at") == [("true",)] * 2


def test_unsigned_and_forged_deliveries_are_not_stored(tmp_path: Path) -> None:
    held, source = webhook(tmp_path)
    body = payload()
    right = signed(body)["X-HUB-SIGNATURE-256"]
    for signature in ("", "sha256=", "sha1=abc", right[:-1], right.upper(), right + "0", "sha256=ä", right[7:]):
        with pytest.raises(PermissionError, match="isn't signed with this source's secret"):
            source.accept(signed(body) | {"X-HUB-SIGNATURE-256": signature}, body)
    with pytest.raises(PermissionError):
        source.accept(signed(body), body + b" ")
    with pytest.raises(PermissionError):
        source.accept(signed(body, secret="other"), body)
    with pytest.raises(PermissionError):
        source.accept({"X-Hub-Signature": "sha1=0", "X-GitHub-Delivery": "x", "X-GitHub-Event": "push"}, body)
    assert held.run().batches == ()


def test_an_empty_secret_signs_nothing(tmp_path: Path) -> None:
    _, source = webhook(tmp_path)
    source._settings = settings(tmp_path, hook="")
    with pytest.raises(PermissionError):
        source.accept(signed(b"{}", secret=""), b"{}")
    _, source = webhook(tmp_path, secret=None)
    with pytest.raises(SecretMissing, match="no secret is declared"):
        source.accept(signed(b"{}"), b"{}")


@pytest.mark.parametrize(
    ("delivery", "event"), [("", "push"), ("a b", "push"), ("x" * 101, "push"), ("d", ""), ("d", "A\n")]
)
def test_a_delivery_needs_an_id_and_an_event(tmp_path: Path, delivery: str, event: str) -> None:
    _, source = webhook(tmp_path)
    with pytest.raises(UseError, match=r"X-GitHub-(Delivery|Event) is missing or isn't"):
        source.accept(signed(b"{}", delivery, event), b"{}")


def test_signed_bodies_that_are_no_payload_are_quarantined(tmp_path: Path) -> None:
    held, source = webhook(tmp_path)
    form = b"payload=%7B%22action%22%3A%22a%2Bb%22%7D"
    for number, body in enumerate(
        (b"", b"\xff", b"[1]", b"{", form, payload(large="x" * 2_000_000), b"payload=", b"payload=%FF")
    ):
        source.accept(signed(body, f"d{number}"), body)
    outcome = held.run()
    assert (outcome.rows_in, outcome.rows_out, outcome.quarantined) == (8, 2, 6)
    assert held.rows("delivery_id, action", order="delivery_id") == [("d4", "a+b"), ("d5", "opened")]
    assert sorted((each.where, each.reason[:9]) for each in held.refused()) == [
        ("delivery d0", "not a JSO"), ("delivery d1", "not text:"), ("delivery d2", "not a JSO"),
        ("delivery d3", "not a JSO"), ("delivery d6", "not a JSO"), ("delivery d7", "not a JSO"),
    ]  # fmt: skip


def test_deliveries_of_other_repositories_are_left_out(tmp_path: Path) -> None:
    held, source = webhook(tmp_path, repositories=["A/B"])
    for number, body in enumerate((payload(), payload(repository={"full_name": "x/y"}), b"{}")):
        source.accept(signed(body, f"d{number}"), body)
    assert held.run().rows_out == 2
    assert [row[0] for row in held.rows("delivery_id")] == ["d0", "d2"]


def test_a_delivery_larger_than_github_sends(tmp_path: Path) -> None:
    _, source = webhook(tmp_path)
    body = b"{" + b" " * (26 << 20)
    with pytest.raises(UseError, match="are the most"):
        source.accept(signed(body), body)


def test_tables(tmp_path: Path) -> None:
    (events,) = archive(tmp_path).source.describe()
    (deliveries,) = webhook(tmp_path)[0].source.describe()
    assert (events.name, events.key, deliveries.name, deliveries.key) == ("archive", ("id",), "live", ("delivery_id",))
    assert all(column.description for column in (*events.columns, *deliveries.columns))
    with pytest.raises(SourceRefused, match="there is no table x"):
        archive(tmp_path).source.capture(["x"], Held(None, {}, lambda *_: ""), tmp_path)
