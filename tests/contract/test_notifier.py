"""The contract of Notifier, on e-mail over a real SMTP server and webhooks over a real HTTP server."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from catchwater.adapters.notifiers import email as email_module
from catchwater.adapters.notifiers import webhook as webhook_module
from catchwater.adapters.notifiers.email import Email, Server, compose, server_of
from catchwater.adapters.notifiers.webhook import Webhook
from catchwater.errors import AlertFailed
from catchwater.ports import Notice, Notifier, Settings
from catchwater.project.variables import resolve
from catchwater.wiring import adapter
from tests.support.mail import http_server, mail_server

PASSWORD = "p@ss:word"
NOTICE = Notice(
    "failure", "totesys", "local", "ingest:totesys", "[totesys] ingest:totesys failed",
    "connection refused — größer €5\n  next: catchwater check", "41",
)  # fmt: skip


def settings(folder: Path, **variables: str) -> Settings:
    def secret(name: str) -> str:
        return variables[f"secret_{name}"]

    return Settings(folder, folder, "local", lambda text: resolve(text, variables, secret))


class Case:
    """One notifier and its receiver: what arrived is text; `refuse` makes the receiver say no."""

    def __init__(
        self, notifier: Notifier, to: str, arrived: Callable[[], list[str]], refuse: Callable[[], None]
    ) -> None:
        self.notifier, self.to, self.arrived, self.refuse = notifier, to, arrived, refuse


@pytest.fixture(params=["email", "webhook"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    if request.param == "email":
        with mail_server() as box:
            given = settings(tmp_path, SMTP_URL=f"smtp://127.0.0.1:{box.port}", ALERT_FROM="cw@example.org")
            notifier = adapter("notifier", "email")("email", None, given)
            yield Case(
                notifier, "data@example.org", lambda: [one.get_content() for one in box.messages],
                lambda: setattr(box, "after", "554 no"),
            )  # fmt: skip
    else:
        with http_server() as held:
            notifier = adapter("notifier", "webhook")("webhook", None, settings(tmp_path, HOOK=held.url()))
            yield Case(
                notifier, "${HOOK}", lambda: [json.loads(body)["text"] for _, _, body in held.seen],
                lambda: setattr(held, "status", 500),
            )  # fmt: skip


def test_what_is_sent_arrives_with_its_next_step(case: Case) -> None:
    case.notifier.send(case.to, NOTICE)
    (text,) = case.arrived()
    assert "connection refused — größer €5" in text
    assert "next: catchwater check" in text
    assert "step ingest:totesys · run 41" in text


def test_a_body_without_a_next_step_gets_one(case: Case) -> None:
    case.notifier.send(case.to, Notice("success", "p", "local", "run", "done", "all well", "7"))
    case.notifier.send(case.to, Notice("stale", "p", "local", "ingest:x", "old", "x is old"))
    first, second = case.arrived()
    assert "next: catchwater runs 7" in first
    assert "next: catchwater status" in second


def test_a_refusal_is_alert_failed(case: Case) -> None:
    case.refuse()
    with pytest.raises(AlertFailed) as caught:
        case.notifier.send(case.to, NOTICE)
    assert caught.value.next_step
    assert "127.0.0.1" in caught.value.where


def test_any_text_can_be_told(case: Case) -> None:
    case.notifier.send(
        case.to, Notice("failure", "p\r\nBcc: a@b.c", "e", "s\nx", "a\r\nBcc: x@y.z\x00\u2028b", "\udc80\x00")
    )
    case.notifier.send(case.to, Notice("failure", "p", "e", "s", "long", "x" * 300_000))
    assert len(case.arrived()) == 2
    assert max(len(text) for text in case.arrived()) < 100_000


def test_a_variable_that_is_not_set_is_named(case: Case) -> None:
    with pytest.raises(AlertFailed, match="NOBODY"):
        case.notifier.send("${NOBODY}", NOTICE)


# e-mail


def test_headers_cannot_be_injected(tmp_path: Path) -> None:
    with mail_server() as box:
        sender = Email("email", None, settings(tmp_path, SMTP_URL=f"smtp://127.0.0.1:{box.port}"))
        sender.send("data@example.org", Notice("x\nBcc: e@f.g", "p", "e", "s", "hi\r\nBcc: x@y.z\r\n\r\nbody", "b"))
        (message,) = box.messages
        assert message["Bcc"] is None
        assert message["Subject"] == "hi Bcc: x@y.z body"
        assert message["From"] == "catchwater@localhost"
        for to in ("a@b.c\r\nBcc: x@y.z", "not an address", "", "a@b.c, ", "Name <>", "@b.c", "a@b.c\x00"):
            with pytest.raises(AlertFailed, match="to isn't a mail address"):
                sender.send(to, NOTICE)
        assert len(box.messages) == 1


def test_notices_of_one_step_are_one_conversation() -> None:
    first = compose("a@b.org", "Catchwater <c@b.org>", NOTICE)
    again = compose("a@b.org", "c@b.org", Notice("recovery", "totesys", "local", "ingest:totesys", "well", "x"))
    other = compose("a@b.org", "c@b.org", Notice("failure", "totesys", "prod", "ingest:totesys", "x", "x"))
    assert first["References"] == again["References"] == first["In-Reply-To"]
    assert first["References"].endswith("@b.org>")
    assert other["References"] != first["References"]
    assert len({first["Message-ID"], again["Message-ID"], other["Message-ID"]}) == 3


def test_several_recipients_and_one_refused(tmp_path: Path) -> None:
    with mail_server() as box:
        sender = Email("email", None, settings(tmp_path, SMTP_URL=f"smtp://127.0.0.1:{box.port}"))
        box.refuse["b@example.org"] = "550 no such user"
        with pytest.raises(AlertFailed, match=r"refused for b@example.org \(550 no such user\)"):
            sender.send("a@example.org, Bea <b@example.org>", NOTICE)
        assert len(box.messages) == 1
        with pytest.raises(AlertFailed, match="550 no such user"):
            sender.send("b@example.org", NOTICE)


def test_a_password_is_sent_under_tls_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with mail_server(context, login=True) as box:
        where = f"127.0.0.1:{box.port}"
        for scheme in ("smtp", "smtp+starttls"):
            url = f"{scheme}://ann:p%40ss%3Aword@{where}"
            Email("email", None, settings(tmp_path, SMTP_URL=url)).send("a@example.org", NOTICE)
        assert box.secured == [True, True]
        assert box.logins == [(b"ann", PASSWORD.encode())] * 2
        with pytest.raises(AlertFailed, match="refused the password") as caught:
            Email("email", None, settings(tmp_path, SMTP_URL=f"smtp://ann:wrong@{where}")).send("a@example.org", NOTICE)
        assert "wrong" not in str(caught.value)
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(AlertFailed, match="certificate"):
            Email("email", None, settings(tmp_path, SMTP_URL=f"smtp://ann:x@{where}")).send("a@example.org", NOTICE)


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # what is tested here
def test_without_tls_only_loopback_hears_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server(login=True) as box:
        url = f"smtp://ann:p%40ss%3Aword@127.0.0.1:{box.port}"
        sender = Email("email", None, settings(tmp_path, SMTP_URL=url))
        sender.send("a@example.org", NOTICE)
        monkeypatch.setattr(email_module, "_LOOPBACK", ())
        with pytest.raises(AlertFailed, match="offers no TLS"):
            sender.send("a@example.org", NOTICE)
        assert len(box.logins) == 1
        strict = Email("email", None, settings(tmp_path, SMTP_URL=url.replace("smtp:", "smtp+starttls:")))
        with pytest.raises(AlertFailed, match="STARTTLS"):
            strict.send("a@example.org", NOTICE)
        assert len(box.logins) == 1


def test_tls_from_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server() as box:  # speaks plainly: a TLS client must not accept that
        monkeypatch.setattr(email_module, "TIMEOUT", 5.0)
        with pytest.raises(AlertFailed, match="the mail wasn't taken"):
            Email("email", None, settings(tmp_path, SMTP_URL=f"smtps://127.0.0.1:{box.port}")).send("a@b.org", NOTICE)


def test_no_server_says_the_line_to_set(tmp_path: Path) -> None:
    with pytest.raises(AlertFailed, match=r"put a line into \.env: SMTP_URL=smtp://"):
        Email("email", None, settings(tmp_path)).send("a@example.org", NOTICE)


@pytest.mark.parametrize(
    "url", ["mail.example.org", "http://x:SECRET@h", "smtp://", "smtp://u:SECRET@h:notaport", "::"]
)
def test_a_wrong_server_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(AlertFailed, match="SMTP_URL isn't the URL of a mail server") as caught:
        server_of(url)
    assert "SECRET" not in str(caught.value)


def test_the_server_as_declared() -> None:
    assert server_of("smtp://h") == Server("smtp", "h", 25)
    assert server_of("smtps://u%40x:p%2F@h") == Server("smtps", "h", 465, "u@x", "p/")
    assert server_of("smtp+starttls://[::1]") == Server("smtp+starttls", "::1", 587)
    assert "p/" not in repr(server_of("smtps://u:p%2F@h"))


def silent(host: str = "127.0.0.1") -> socket.socket:
    """A port that accepts and never answers."""
    return socket.create_server((host, 0))


def test_a_server_that_never_answers_ends_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email_module, "TIMEOUT", 0.2)
    monkeypatch.setattr(webhook_module, "TIMEOUT", 0.2)
    with silent() as listening:
        port = listening.getsockname()[1]
        with pytest.raises(AlertFailed, match="no answer within"):
            Email("email", None, settings(tmp_path, SMTP_URL=f"smtp://127.0.0.1:{port}")).send("a@b.org", NOTICE)
        with pytest.raises(AlertFailed, match="nothing within"):
            Webhook("webhook", None, settings(tmp_path)).send(f"http://127.0.0.1:{port}/x", NOTICE)


def test_nobody_listens(tmp_path: Path) -> None:
    with silent() as listening:
        port = listening.getsockname()[1]
    with pytest.raises(AlertFailed, match="refused"):
        Email("email", None, settings(tmp_path, SMTP_URL=f"smtp://127.0.0.1:{port}")).send("a@b.org", NOTICE)
    with pytest.raises(AlertFailed, match="refused"):
        Webhook("webhook", None, settings(tmp_path)).send(f"http://127.0.0.1:{port}/SECRET", NOTICE)


# webhook


def test_the_payload_is_slack_s_and_a_program_s(tmp_path: Path) -> None:
    with http_server() as held:
        sent = Notice("failure", "p", "prod", "load:duckdb", "<!channel> & co", "<@U1>", "3")
        Webhook("webhook", None, settings(tmp_path, secret_hook=held.url())).send("${secret:hook}", sent)
        ((path, headers, body),) = held.seen
    told = json.loads(body)
    assert path == "/services/T000/SECRET"
    assert headers["Content-Type"] == "application/json"
    assert told["text"].startswith("&lt;!channel&gt; &amp; co\n&lt;@U1&gt;")
    assert {key: told[key] for key in ("event", "project", "environment", "step", "run", "subject", "body")} == {
        "event": "failure", "project": "p", "environment": "prod", "step": "load:duckdb", "run": "3",
        "subject": "<!channel> & co", "body": "<@U1>",
    }  # fmt: skip


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int, tmp_path: Path) -> None:
    with http_server() as held, http_server() as other:
        held.status, held.location = status, other.url("/elsewhere")
        with pytest.raises(AlertFailed, match="a redirect isn't followed"):
            Webhook("webhook", None, settings(tmp_path)).send(held.url(), NOTICE)
        assert other.seen == []


@pytest.mark.parametrize(
    ("answer", "told"), [(b"invalid_token", "answered 403 invalid_token"), (b"/SECRET", "answered 403")]
)
def test_the_url_is_never_repeated(answer: bytes, told: str, tmp_path: Path) -> None:
    with http_server() as held:
        held.status, held.answer = 403, answer
        with pytest.raises(AlertFailed, match=told) as caught:
            Webhook("webhook", None, settings(tmp_path)).send(held.url(), NOTICE)
    assert "SECRET" not in str(caught.value)
    assert "SECRET" not in repr(caught.value.__cause__)
    assert "webhook to 127.0.0.1" in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://example.org/x", "ftp://h/SECRET", "file:///etc/passwd", "https://", "https://h:port/SECRET", "x",
            "", "https://h/SEC RET", "https://h/\r\nHost: x"],
)  # fmt: skip
def test_only_https_leaves_the_machine(url: str, tmp_path: Path) -> None:
    with pytest.raises(AlertFailed, match="isn't an https URL") as caught:
        Webhook("webhook", None, settings(tmp_path)).send(url, NOTICE)
    assert "SECRET" not in str(caught.value)


def test_an_answer_that_is_no_http(tmp_path: Path) -> None:
    with silent() as listening:

        def answer() -> None:
            taken, _ = listening.accept()
            with taken:
                taken.recv(65536)
                taken.sendall(b"nonsense\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(AlertFailed, match="no answer: "):
            Webhook("webhook", None, settings(tmp_path)).send(
                f"http://127.0.0.1:{listening.getsockname()[1]}/S", NOTICE
            )
        thread.join()
