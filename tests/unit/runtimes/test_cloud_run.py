"""The service of a step: who may send, what is too large, and a job's exit codes."""

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt

from catchwater.errors import NotFound, UseError
from catchwater.runtimes import cloud_run
from catchwater.runtimes.cloud_run import Senders, events, job
from tests.support.feeds import body, faulty

ACCOUNT, AUDIENCE = "push@p.iam.gserviceaccount.com", "https://ingest.example.org"


@dataclass(frozen=True)
class Signer:
    """A key like Google's, with its certificate."""

    name: str
    key: Any
    certificate: str

    def token(self, **claims: Any) -> str:
        now = int(time.time())
        said = {
            "iss": "https://accounts.google.com", "aud": AUDIENCE, "email": ACCOUNT, "email_verified": True,
            "iat": now, "exp": now + 600, **claims,
        }  # fmt: skip
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return jwt.encode(crypt.RSASigner.from_string(pem, self.name), said).decode()


def signer(name: str) -> Signer:
    key = rsa.generate_private_key(65537, 2048)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "google")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(who, who, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    return Signer(name, key, made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode())


GOOGLE, STRANGER = signer("k1"), signer("k1")


@pytest.fixture
def senders() -> Iterator[Senders]:
    with faulty(body(json.dumps({"k1": GOOGLE.certificate}).encode())) as server:
        yield told(server.url("certs"))


def told(certs: str) -> Senders:
    return Senders(
        {"CATCHWATER_PUSH_ACCOUNT": ACCOUNT, "CATCHWATER_PUSH_AUDIENCE": AUDIENCE, "CATCHWATER_PUSH_CERTS": certs}
    )


def test_google_s_token_for_the_account_is_known(senders: Senders) -> None:
    assert senders.known(f"Bearer {GOOGLE.token()}")
    assert senders.known(f"bearer  {GOOGLE.token(iss='accounts.google.com')}")
    assert Senders({}).known("")  # Cloud Run itself asked who it is


WRONG: dict[str, dict[str, Any]] = {
    "audience": {"aud": "https://other.example.org"},
    "account": {"email": "other@p.iam.gserviceaccount.com"},
    "unverified": {"email_verified": False},
    "issuer": {"iss": "https://example.org"},
    "over": {"iat": 1, "exp": 2},
    "future": {"iat": int(time.time()) + 3_000},
}


@pytest.mark.parametrize("name", WRONG)
def test_any_other_token_is_refused(senders: Senders, name: str) -> None:
    assert not senders.known(f"Bearer {GOOGLE.token(**WRONG[name])}")


def test_a_token_that_google_did_not_sign_is_refused(senders: Senders, capsys: pytest.CaptureFixture[str]) -> None:
    good = GOOGLE.token()
    head, payload, signature = good.split(".")
    forged = base64.urlsafe_b64encode(json.dumps({"aud": AUDIENCE, "email": ACCOUNT}).encode()).decode().rstrip("=")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    for token in (STRANGER.token(), f"{head}.{forged}.{signature}", f"{none}.{payload}.", "", "x", "a.b.c", good[:-9]):
        assert not senders.known(f"Bearer {token}"), token
    assert not senders.known("")
    assert not senders.known(f"Basic {good}")
    assert good not in capsys.readouterr().out


def test_certificates_are_kept_and_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    new = signer("k2")
    first, second = ({"k1": GOOGLE.certificate}, {"k2": new.certificate})
    with faulty(body(json.dumps(first).encode()), body(json.dumps(second).encode())) as server:
        held = told(server.url("certs"))
        assert all(held.known(f"Bearer {GOOGLE.token()}") for _ in range(5))
        assert not held.known(f"Bearer {new.token()}")
        assert len(server.asked) == 1
        monkeypatch.setattr(cloud_run, "KEPT", 0.0)
        assert held.known(f"Bearer {new.token()}")
    with faulty(body(b"", 500)) as server:
        assert not told(server.url("certs")).known(f"Bearer {GOOGLE.token()}")


class Client:
    """Asks an application without a server."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url="http://x") as client:
                return await client.request(method, path, **more)

        return asyncio.run(asked())

    def get(self, path: str) -> httpx.Response:
        return self._ask("GET", path)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self._ask("POST", path, **more)


@dataclass
class Answers:
    status: int = 200
    asked: int = 0

    def answer(self, headers: Any, sent: bytes) -> int:
        self.asked += 1
        return self.status


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> Answers:
    held = Answers()
    monkeypatch.setattr(cloud_run, "Handler", lambda environ: held)
    return held


def test_paths_and_answers(handler: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(events({"CATCHWATER_STEP": "ingest:stations"}))
    assert [client.post(path).status_code for path in ("/", "/events", "/push/stations")] == [200] * 3
    assert client.post("/push/other").status_code == 404
    assert client.get("/events").status_code == 405
    assert client.get("/healthz").text == "ok"
    handler.status = 503
    assert client.post("/", content=b"x").status_code == 503
    assert handler.asked == 4
    monkeypatch.setattr(cloud_run, "MAX_BODY", 10)
    assert client.post("/", content=b"x" * 11).status_code == 413
    assert handler.asked == 4


def test_a_stranger_wakes_nothing(handler: Answers, senders: Senders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_run, "Senders", lambda environ: senders)
    client = Client(events({"CATCHWATER_STEP": "ingest:stations"}))
    refused = client.post("/push/stations", headers={"Authorization": f"Bearer {STRANGER.token()}"})
    assert (refused.status_code, refused.headers["www-authenticate"], handler.asked) == (401, "Bearer", 0)
    good = {"Authorization": f"Bearer {GOOGLE.token()}"}
    assert client.post("/push/stations", headers=good).status_code == 200


def test_a_job_works_until_nothing_is_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    reports = [("done", True), ("partly", True), ("done", False)]
    monkeypatch.setattr(cloud_run, "open_deployed", lambda environ: "opened")

    def answer(opened: str, trigger: str, seconds: Any, again: Any) -> Any:
        state, more = reports.pop(0)
        assert (opened, trigger, seconds) == ("opened", "schedule", None)
        return SimpleNamespace(state=state, outcomes=[SimpleNamespace(more=more)])

    monkeypatch.setattr(cloud_run, "answer", answer)
    assert job({}) == 0
    assert reports == []
    reports = [("failed", True)]
    assert job({}) == 1
    for error, code in ((UseError("no step"), 2), (NotFound("no plan"), 1)):

        def refuse(environ: Any, error: Exception = error) -> Any:
            raise error

        monkeypatch.setattr(cloud_run, "open_deployed", refuse)
        assert job({}) == code
        assert str(error) in capsys.readouterr().out
