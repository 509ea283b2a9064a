"""What the image of Cloud Run runs: `python -m catchwater.cli.service`, the API or a step that events wake."""

import json
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from catchwater.errors import CatchwaterError, MissingExtra, SecretMissing

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from catchwater.runtimes.deployed import Deployed

KEYS = "api-keys"
FRESH = 30.0  # seconds that a plan and the keys are good for
API = "serve:api"


class Api:
    """The API over the plan that is applied, with the keys that the secret holds; both are looked at again now and
    then, so that a key taken back or a column taken away is, without a new revision."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._held: Deployed | None = None
        self._app: Any = None
        self._looked = float("-inf")
        self._lock = threading.Lock()

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        from starlette.concurrency import run_in_threadpool

        if scope["type"] == "lifespan":
            await _alive(receive, send)
            return
        app = await run_in_threadpool(self.current)
        await app(scope, receive, send)

    def current(self) -> "ASGIApp":
        """The application as it is now; the one held when it can't be seen whether it still is."""
        with self._lock:
            if self._app is None or time.monotonic() - self._looked > FRESH:
                try:
                    self._look()
                except CatchwaterError as error:
                    _say("error", str(error))
                    if self._app is None:
                        return _unavailable
                self._looked = time.monotonic()
            return self._app  # type: ignore[no-any-return]

    def _look(self) -> None:
        from catchwater.runtimes.deployed import current

        held = current(self._held, self._environ)
        _write_keys(held)
        if held is not self._held:
            self._app = _application(held)
            self._held = held


def _application(held: "Deployed") -> "ASGIApp":
    from catchwater.runtimes.cloud_runs import DeployedOperations
    from catchwater.serve.access import Access, Keys
    from catchwater.serve.api import create_app

    ports = held.wiring.open(held.plan, held.step)
    assert ports.warehouse is not None  # noqa: S101 (a serve step is opened with its warehouse)
    shows = any(grant.resource == "ingestion/_runs/*" for grant in held.plan.granted(held.step.name))
    operations = DeployedOperations(held.plan, held.wiring, ports.stores["ingestion"] if shows else None)
    access = Access(held.plan, Keys(held.wiring.state / "keys.json"))
    return create_app(held.plan, ports.warehouse, operations, access, loopback=False)


def _write_keys(held: "Deployed") -> None:
    """The secret's text as the file that Keys reads; without the secret, or with a broken one, nobody has a key."""
    from catchwater.stages.guard import GuardedSecrets

    try:
        secrets = GuardedSecrets(held.wiring.secrets(), held.wiring.grants(held.plan, held.step.name))
        text = json.dumps({"keys": [_key(each) for each in json.loads(secrets.read(KEYS))["keys"]]})
    except (SecretMissing, ValueError, KeyError, TypeError, AttributeError) as error:
        _say("warning", f"no keys: the secret {KEYS} can't be used ({type(error).__name__})")
        text = json.dumps({"keys": []})
    path = held.wiring.state / "keys.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file() and path.read_text() == text:
        return
    staged = path.with_suffix(".new")
    staged.unlink(missing_ok=True)
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    staged.replace(path)


def _key(each: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a key; raises KeyError or TypeError for one that isn't whole."""
    return {"role": each.get("role"), **{name: each[name] for name in ("name", "scopes", "sha256")}}


def _say(severity: str, message: str) -> None:
    from catchwater.runtimes.deployed import say

    say(severity, message)


async def _alive(receive: "Receive", send: "Send") -> None:
    """The lifespan of a server whose application may be made anew: nothing is opened at its start."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _unavailable(scope: "Scope", receive: "Receive", send: "Send") -> None:
    from starlette.responses import JSONResponse

    body = {"type": "about:blank", "title": "Service Unavailable", "status": 503}
    answer = JSONResponse(body, 503, {"Retry-After": "5"}, "application/problem+json")
    await answer(scope, receive, send)


def app(environ: Mapping[str, str] | None = None) -> "ASGIApp":
    """The application of the step that CATCHWATER_STEP names."""
    from catchwater.runtimes.cloud_run import events

    told = dict(os.environ if environ is None else environ)
    return Api(told) if told.get("CATCHWATER_STEP") == API else events(told)


def main() -> None:
    """Serve on PORT (8080) of every address, as Cloud Run wants it."""
    try:
        import uvicorn
    except ImportError as error:
        raise MissingExtra("uvicorn", "api") from error
    host = os.environ.get("HOST") or "0.0.0.0"  # noqa: S104  # nosec B104
    port = int(os.environ.get("PORT", "8080"))
    with suppress(KeyboardInterrupt):
        uvicorn.run(app(), host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=8)


if __name__ == "__main__":
    main()
