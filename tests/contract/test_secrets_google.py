"""Google's Secret Manager through the contract of Secrets, on a server of its REST form (there is no emulator)."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from catchwater.adapters.secrets import secret_manager
from catchwater.adapters.secrets.secret_manager import SecretManager
from catchwater.errors import SecretMissing
from catchwater.ports import Secrets, Settings
from catchwater.wiring import adapter

CODES = {
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    400: "FAILED_PRECONDITION",
    500: "INTERNAL",
    429: "RESOURCE_EXHAUSTED",
}


@dataclass
class Manager:
    """What the server holds: path of a version → its bytes, or the status that it answers with."""

    endpoint: str = ""
    versions: dict[str, bytes | int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    monkeypatch.setattr(secret_manager, "_held", {})
    held = Manager()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0].removeprefix("/v1/")
            name, _, verb = path.rpartition(":")
            held.asked.append(name)
            found = held.versions.get(name, 404) if verb == "access" else 404
            status = found if isinstance(found, int) else 200
            body = {"error": {"code": status, "message": "no", "status": CODES.get(status, "")}}
            if not isinstance(found, int):
                body = {"name": name, "payload": {"data": base64.b64encode(found).decode()}}  # type: ignore[dict-item]
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        held.endpoint = f"http://127.0.0.1:{server.server_port}"
        yield held
        server.shutdown()


@pytest.fixture
def secrets(manager: Manager, tmp_path: Path) -> Callable[..., Secrets]:
    def made(**variables: str) -> Secrets:
        given = {"SECRETMANAGER_ENDPOINT": manager.endpoint, "GOOGLE_CLOUD_PROJECT": "ev-dev"} | variables
        settings = Settings(tmp_path, tmp_path, "dev", str, project="shop", variables=given)
        found: Secrets = adapter("secrets", "secret_manager")("secret_manager", None, settings)
        return found

    return made


PATH = "projects/ev-dev/secrets/shop-dev-github-webhook/versions/latest"


def test_a_secret_is_read_by_project_environment_and_name(manager: Manager, secrets: Callable[..., Secrets]) -> None:
    manager.versions[PATH] = "s3cr$$t ${X} ü".encode()
    assert secrets().read("github-webhook") == "s3cr$$t ${X} ü"


def test_it_is_asked_for_once_a_minute(
    manager: Manager, secrets: Callable[..., Secrets], monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.versions[PATH] = b"old"
    held = secrets()
    assert [held.read("github-webhook") for _ in range(3)] == ["old"] * 3
    assert secrets().read("github-webhook") == "old"
    assert len(manager.asked) == 1
    manager.versions[PATH] = b"new"
    monkeypatch.setattr(secret_manager.time, "monotonic", lambda: 1e12)
    assert held.read("github-webhook") == "new"


@pytest.mark.parametrize(
    ("held", "said", "then"),
    [
        (404, "the secret github-webhook isn't set in dev", "gcloud secrets versions add shop-dev-github-webhook"),
        (400, "the secret github-webhook isn't set in dev", "gcloud secrets versions add"),
        (403, r"may not read the secret github-webhook \(secretmanager.versions.access\)", "catchwater build"),
        (500, "the secret github-webhook can't be read: InternalServerError", "next wake"),
        (b"", "the secret github-webhook has no text", "gcloud secrets versions add"),
        (b"\xff\xfe", "the secret github-webhook has no text", "gcloud secrets versions add"),
    ],
)
def test_what_is_missing_or_denied_is_named(
    manager: Manager, secrets: Callable[..., Secrets], held: bytes | int, said: str, then: str
) -> None:
    manager.versions[PATH] = held
    with pytest.raises(SecretMissing, match=said) as raised:
        secrets().read("github-webhook")
    assert then in raised.value.next_step
    manager.versions[PATH] = b"there now"
    assert secrets().read("github-webhook") == "there now"  # a failure is never remembered


def test_no_project_and_no_server_are_said(secrets: Callable[..., Secrets]) -> None:
    with pytest.raises(SecretMissing, match="no project is named"):
        secrets(GOOGLE_CLOUD_PROJECT="").read("github-webhook")
    with pytest.raises(SecretMissing, match="can't be read"):
        secrets(SECRETMANAGER_ENDPOINT="http://127.0.0.1:9").read("github-webhook")


def test_another_environment_is_another_secret(
    manager: Manager, secrets: Callable[..., Secrets], tmp_path: Path
) -> None:
    manager.versions[PATH] = b"dev's"
    variables = {"SECRETMANAGER_ENDPOINT": manager.endpoint, "GOOGLE_CLOUD_PROJECT": "ev-dev"}
    settings = Settings(tmp_path, tmp_path, "prod", str, project="shop", variables=variables)
    with pytest.raises(SecretMissing, match="isn't set in prod"):
        SecretManager("secret_manager", None, settings).read("github-webhook")
