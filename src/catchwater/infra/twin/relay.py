"""The last yard of an alert: the emulator's topics send no mail, so what they say goes through a queue to a real SMTP
server, to the addresses that the plan subscribed."""

import json
import smtplib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from urllib.parse import urlsplit

from catchwater.infra.twin.emulator import Emulator

QUEUE = "catchwater-twin-relay"


@dataclass(frozen=True)
class Mail:
    """One alarm's mail as it was sent: `state` is ALARM or OK."""

    alarm: str
    state: str
    to: tuple[str, ...]


class Relay:
    """Runs from `start` to `stop`; `sent` grows by every mail that the SMTP server accepted."""

    def __init__(self, emulator: Emulator, smtp: str) -> None:
        self.emulator, self.smtp = emulator, smtp
        self.sent: list[Mail] = []
        self.problems: list[str] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="twin-relay", daemon=True)
        self._url = ""

    def start(self) -> None:
        """Subscribes one queue of the twin's own, as the account's root, to every topic that there is."""
        sqs, sns = self.emulator.client("sqs"), self.emulator.client("sns")
        arn = f"arn:aws:sqs:{self.emulator.region}:{self.emulator.account}:{QUEUE}"
        topics = [topic["TopicArn"] for topic in sns.list_topics()["Topics"]]
        allow = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        self._url = sqs.create_queue(QueueName=QUEUE, Attributes={"Policy": policy})["QueueUrl"]
        for topic in topics:
            sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.ident:
            self._thread.join(timeout=10)

    def _run(self) -> None:
        sqs = self.emulator.client("sqs")
        while not self._stopping.is_set():
            try:
                answer = sqs.receive_message(QueueUrl=self._url, WaitTimeSeconds=1, MaxNumberOfMessages=10)
                for message in answer.get("Messages", []):
                    self._pass_on(json.loads(message["Body"]))
                    sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
            except Exception as error:
                if not self._stopping.is_set():
                    self.problems.append(f"{type(error).__name__}: {error}")
                    self._stopping.wait(0.5)

    def _pass_on(self, said: dict[str, str]) -> None:
        to = self._addresses(said["TopicArn"])
        alarm = json.loads(said["Message"])
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "no-reply@sns.amazonaws.com", ", ".join(to), said["Subject"]
        mail.set_content(f"{alarm.get('AlarmDescription', '')}\n\n{alarm['NewStateReason']}\n")
        at = urlsplit(self.smtp)
        if not to:
            return
        with smtplib.SMTP(at.hostname or "127.0.0.1", at.port or 25, timeout=10) as server:
            server.send_message(mail)
        self.sent.append(Mail(alarm["AlarmName"], alarm["NewStateValue"], tuple(to)))

    def _addresses(self, topic: str) -> Sequence[str]:
        held = self.emulator.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        return sorted(one["Endpoint"] for one in held if one["Protocol"] == "email")
