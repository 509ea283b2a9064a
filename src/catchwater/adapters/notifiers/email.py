"""Notices by e-mail over SMTP; what a mail says is decided here, who hears of what is not."""

import contextlib
import hashlib
import re
import smtplib
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, make_msgid
from typing import Any
from urllib.parse import unquote, urlsplit

from catchwater.adapters.notifiers.wording import full_text, one_line
from catchwater.errors import AlertFailed, SecretMissing
from catchwater.ports import Notice, Settings

TIMEOUT = 20.0
SERVER_LINE = "SMTP_URL=smtp://user:password@mail.example.org:587"
_SCHEMES = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Server:
    """`smtp` takes TLS when it is offered, `smtp+starttls` insists on it, `smtps` begins with it."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Server({self.scheme}://{self.host}:{self.port})"


def server_of(url: str) -> Server:
    """What SMTP_URL says; raises AlertFailed without repeating it, for it may hold a password."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise AlertFailed(
            "SMTP_URL isn't the URL of a mail server",
            where="email",
            next_step=f"set it like {SERVER_LINE} (or smtps://…); quote special characters as %40",
        )
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Server(parts.scheme, parts.hostname, port or _SCHEMES[parts.scheme], user, password)


class Email:
    """Sends through the server in `SMTP_URL`, from `ALERT_FROM`."""

    def __init__(self, name: str, spec: Any, settings: Settings) -> None:
        self._settings = settings

    def send(self, to: str, notice: Notice) -> None:
        """Returns when the server took the mail for every recipient; raises AlertFailed otherwise."""
        url = self._variable("SMTP_URL")
        if not url:
            raise AlertFailed("no mail server is set", where="email", next_step=f"put a line into .env: {SERVER_LINE}")
        server = server_of(url)
        sender = self._variable("ALERT_FROM") or (server.user if "@" in server.user else "catchwater@localhost")
        message = compose(self._resolved(to), sender, notice)
        where = f"email by {server.host}:{server.port}"
        try:
            refused = _deliver(server, message)
        except smtplib.SMTPAuthenticationError as error:
            step = "set user and password in SMTP_URL"
            raise AlertFailed("the mail server refused the password", where=where, next_step=step) from error
        except (OSError, smtplib.SMTPException) as error:
            step = "check SMTP_URL and ALERT_FROM, then: catchwater alerts --test"
            raise AlertFailed(f"the mail wasn't taken: {_reason(error)}", where=where, next_step=step) from error
        if refused:
            named = ", ".join(f"{address} ({_reply(*reply)})" for address, reply in sorted(refused.items()))
            raise AlertFailed(f"refused for {named}", where=where, next_step="correct `to` in catchwater.yml")

    def _variable(self, name: str) -> str:
        try:
            return self._settings.resolve("${" + name + "}")
        except SecretMissing:
            return ""

    def _resolved(self, to: str) -> str:
        try:
            return self._settings.resolve(to)
        except SecretMissing as error:
            raise AlertFailed(error.message, where="email", next_step=error.next_step) from error


def compose(to: str, sender: str, notice: Notice) -> EmailMessage:
    """The mail; all notices of one step refer to one root, so that readers show them as one conversation."""
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"] = _addresses("ALERT_FROM", sender)
    message["To"] = _addresses("to", to)
    message["Subject"] = one_line(notice.subject)
    message["Date"] = format_datetime(datetime.now(UTC))
    domain = sender.rpartition("@")[2].strip(" >") or "localhost"
    domain = domain if re.fullmatch(r"[A-Za-z0-9.-]+", domain) else "localhost"
    thread = f"{notice.project}\n{notice.environment}\n{notice.step}".encode("utf-8", "replace")
    root = f"<catchwater.{hashlib.sha256(thread).hexdigest()[:32]}@{domain}>"
    message["Message-ID"] = make_msgid("catchwater", domain)
    message["In-Reply-To"] = root
    message["References"] = root
    message["Auto-Submitted"] = "auto-generated"
    message["X-Catchwater-Event"] = one_line(notice.event)
    message.set_content(full_text(notice), charset="utf-8")
    return message


def _addresses(what: str, text: str) -> str:
    """The text if it is one or more mail addresses and nothing else; raises AlertFailed."""
    parsed: dict[str, Any] = {"defects": []}
    if not re.search(r"[\r\n\x00]", text):
        AddressHeader.parse(text, parsed)
    groups = parsed.get("groups", ())
    found = [address for group in groups for address in group.addresses]
    if parsed["defects"] or not found or any(not a.username or not a.domain for a in found):
        raise AlertFailed(
            f"{what} isn't a mail address: {one_line(text)[:80]!r}", where="email", next_step=f"correct {what}"
        )
    return text


def _deliver(server: Server, message: EmailMessage) -> dict[str, tuple[int, bytes]]:
    """The recipients refused while others were taken."""
    context = ssl.create_default_context()
    name = socket.gethostname()
    connection = (
        smtplib.SMTP_SSL(server.host, server.port, name, timeout=TIMEOUT, context=context)
        if server.scheme == "smtps"
        else smtplib.SMTP(server.host, server.port, name, timeout=TIMEOUT)
    )
    try:
        _secure(connection, server, context)
        if server.user:
            connection.login(server.user, server.password)
        refused = connection.send_message(message)
        with contextlib.suppress(OSError, smtplib.SMTPException):
            connection.quit()  # the mail is taken already: a bad farewell doesn't undo that
        return refused
    finally:
        connection.close()


def _secure(connection: smtplib.SMTP, server: Server, context: ssl.SSLContext) -> None:
    """TLS before anything is said; a password never crosses a network in the clear."""
    if server.scheme == "smtps":
        return
    connection.ehlo_or_helo_if_needed()
    if server.scheme == "smtp+starttls" or connection.has_extn("starttls"):
        connection.starttls(context=context)
        return
    if server.password and server.host not in _LOOPBACK:
        raise smtplib.SMTPNotSupportedError("the server offers no TLS, and the password isn't sent without it")


def _reply(code: int, text: bytes | str) -> str:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {one_line(said)[:200]}"


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return ", ".join(f"{who}: {_reply(*reply)}" for who, reply in sorted(error.recipients.items()))
    if isinstance(error, smtplib.SMTPResponseException):
        return _reply(error.smtp_code, error.smtp_error)
    # smtplib says "unexpectedly closed" when it was the clock that ended the wait.
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return f"no answer within {TIMEOUT:.0f} s"
    return one_line(str(error))[:200] or type(error).__name__
