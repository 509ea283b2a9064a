"""Notices to an Amazon SNS topic, which mails them to its subscribers; who they are is the topic's affair."""

import re
from typing import Any

from catchwater.adapters.aws import client, code, denied
from catchwater.adapters.notifiers.wording import full_text, one_line
from catchwater.errors import AlertFailed, SecretMissing
from catchwater.ports import Notice, Settings

PATIENCE = 15.0
SUBJECT = 99  # characters, ASCII: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
MOST = 60 << 10  # bytes of the message; SNS takes 256 KiB, a mail less
_ARN = re.compile(r"arn:aws[a-z-]*:sns:([a-z0-9-]+):\d{12}:[A-Za-z0-9_-]{1,256}")


class Sns:
    """Publishes to `to`: a topic's ARN, or `${NAME}` that holds one."""

    def __init__(self, name: str, spec: Any, settings: Settings) -> None:
        self._settings = settings

    def send(self, to: str, notice: Notice) -> None:
        """Returns when SNS took the notice; raises AlertFailed otherwise."""
        try:
            topic = self._settings.resolve(to).strip()
        except SecretMissing as error:
            raise AlertFailed(error.message, where="sns", next_step=error.next_step) from error
        match = _ARN.fullmatch(topic)
        if not match:
            raise AlertFailed(
                "`to` isn't a topic's ARN", where="sns", next_step="write arn:aws:sns:REGION:ACCOUNT:NAME"
            )
        from botocore.exceptions import BotoCoreError, ClientError

        variables = {**self._settings.variables, "AWS_REGION": match[1]}
        attributes = {name: {"DataType": "String", "StringValue": value} for name, value in _attributes(notice)}
        try:
            client("sns", variables, PATIENCE).publish(
                TopicArn=topic, Subject=subject(notice), Message=message(notice), MessageAttributes=attributes
            )
        except (ClientError, BotoCoreError) as error:
            raise _failed(error, topic, variables) from error


def subject(notice: Notice) -> str:
    """One line of printable ASCII that begins with a letter or digit, as SNS wants it."""
    plain = one_line(notice.subject).encode("ascii", "replace").decode()
    return re.sub(r"^[^A-Za-z0-9]+", "", plain)[:SUBJECT].strip() or f"Catchwater: {notice.event}"[:SUBJECT]


def message(notice: Notice) -> str:
    """The subject whole, then what the mail would say."""
    text = f"{one_line(notice.subject)}\n\n{full_text(notice)}".encode()
    if len(text) <= MOST:
        return text.decode()
    end = "\n… (cut here: catchwater logs has all of it)\nnext: catchwater status\n"
    return text[:MOST].decode(errors="ignore") + end


def _attributes(notice: Notice) -> list[tuple[str, str]]:
    """What a subscription may filter by."""
    named = {name: one_line(getattr(notice, name))[:200] for name in ("event", "project", "environment", "step")}
    return [(name, value) for name, value in named.items() if value]


def _failed(error: Exception, topic: str, variables: dict[str, str]) -> AlertFailed:
    where = f"sns topic {topic.rpartition(':')[2]}"
    endpoint = variables.get("AWS_ENDPOINT_URL")
    where += f" at {endpoint}" if endpoint else ""
    if denied(error):
        step = "let whoever sends do sns:Publish on the topic"
        return AlertFailed("publishing isn't allowed", where=where, next_step=step)
    if code(error) in ("NotFound", "NotFoundException"):
        return AlertFailed("there is no such topic", where=where, next_step="apply the observability root")
    return AlertFailed(f"SNS says {code(error)}", where=where, next_step="check the topic behind `to`")
