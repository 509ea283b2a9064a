"""The API's service: keys from the secret, the plan as it is applied, and an answer while neither can be had."""

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest

from catchwater.adapters.stores.local import LocalStore
from catchwater.cli import service
from catchwater.cli.service import Api, app
from catchwater.plan.plan import from_bytes
from catchwater.serve.access import Keys
from tests.support.examples import plan_of


def applied(folder: Path, name: str, environment: str) -> None:
    config = folder / "in" / "_config"
    (config / "files" / "schemas").mkdir(parents=True, exist_ok=True)
    (config / "plan.json").write_bytes(plan_of(name, environment).to_bytes())
    (config / "files" / "schemas" / "event.json").write_bytes(b"{}")


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A service whose plan and runs are in folders, and that looks again at each request."""

    def store(url: str, environ: Any, folder: Path) -> LocalStore:
        return LocalStore(tmp_path / url.removeprefix("gs://"))

    monkeypatch.setattr("catchwater.runtimes.deployed._zone", store)
    monkeypatch.setattr(service, "FRESH", 0.0)
    applied(tmp_path, "events", "dev")
    return {
        "CATCHWATER_STEP": "serve:api", "CATCHWATER_INGESTION": "gs://in", "CATCHWATER_PROCESSED": "gs://out",
        "CATCHWATER_SECRETS": "variables", "GOOGLE_CLOUD_PROJECT": "p", "STORAGE_EMULATOR_HOST": "http://127.0.0.1:9",
        "BIGQUERY_EMULATOR_HOST": "http://127.0.0.1:9",
    }  # fmt: skip


def ask(application: Any, path: str, key: str = "") -> httpx.Response:
    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://api.x") as client:
            return await client.get(path, headers={"Authorization": f"Bearer {key}"} if key else {})

    return asyncio.run(asked())


def keys(folder: Path, name: str) -> tuple[str, str]:
    """A key, and the secret that holds it."""
    held = Keys(folder / f"{name}.json")
    return held.create(name, ["read"]), (folder / f"{name}.json").read_text()


def tables(answer: httpx.Response) -> set[str]:
    """The tables that the API's description names."""
    paths = [path.split("/") for path in answer.json()["paths"] if path.startswith("/v1/tables/")]
    return {parts[3] for parts in paths if "{" not in parts[3]}


def test_callers_are_those_of_the_secret(environ: dict[str, str], tmp_path: Path) -> None:
    key, secret = keys(tmp_path, "one")
    other, replaced = keys(tmp_path, "two")
    api = Api(environ | {"API_KEYS": secret})
    assert ask(api, "/openapi.json").status_code == 401
    assert ask(api, "/openapi.json", other).status_code == 401
    answer = ask(api, "/openapi.json", key)
    assert answer.status_code == 200
    assert tables(answer) == {"events"}
    held = api._held
    assert held
    path = held.wiring.state / "keys.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key not in path.read_text()
    held.wiring.loaded.variables["API_KEYS"] = replaced  # as after a new version of the secret
    assert ask(api, "/openapi.json", key).status_code == 401
    assert ask(api, "/openapi.json", other).status_code == 200


@pytest.mark.parametrize("secret", ["", "not JSON", "[]", '{"keys": 5}', '{"other": []}', '{"keys": [{"name": "x"}]}'])
def test_without_usable_keys_nobody_comes_in(
    environ: dict[str, str], secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    api = Api(environ | ({"API_KEYS": secret} if secret else {}))
    assert ask(api, "/openapi.json", "cw_any").status_code == 401
    assert ask(api, "/healthz").status_code == 200
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert "the secret api-keys can't be used" in said[0]["message"]


def test_a_new_plan_is_served_and_a_lost_one_is_not_missed(environ: dict[str, str], tmp_path: Path) -> None:
    key, secret = keys(tmp_path, "one")
    api = Api(environ | {"API_KEYS": secret})
    place = tmp_path / "in" / "_config" / "plan.json"
    assert tables(ask(api, "/openapi.json", key)) == {"events"}
    plan = json.loads(place.read_bytes())
    plan["serve"]["api"]["tables"] = "all"
    place.write_text(json.dumps(plan))
    everything = {model.name for model in from_bytes(place.read_bytes()).models}
    assert tables(ask(api, "/openapi.json", key)) == everything
    place.unlink()
    assert tables(ask(api, "/openapi.json", key)) == everything


def test_an_api_whose_lake_is_in_the_other_cloud(environ: dict[str, str], tmp_path: Path) -> None:
    applied(tmp_path, "shop", "prod")
    held = Keys(tmp_path / "keys.json")
    key = held.create("operator", ["read", "operate"])
    zones = {"CATCHWATER_INGESTION": "s3://in", "CATCHWATER_PROCESSED": "s3://out", "CATCHWATER_CONFIG": "gs://in"}
    api = Api(environ | zones | {"API_KEYS": held.path.read_text()})
    assert "orders" in tables(ask(api, "/openapi.json", key))
    assert ask(api, "/v1/runs", key).json() == {"runs": []}


def test_before_there_is_a_plan_it_says_so(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "in" / "_config" / "plan.json").unlink()
    answer = ask(Api(environ), "/openapi.json")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["status"] == 503


def test_lifespan_and_which_application(environ: dict[str, str]) -> None:
    asked = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    said: list[dict[str, Any]] = []

    async def receive() -> Any:
        return asked.pop(0)

    async def send(message: Any) -> None:
        said.append(message)

    asyncio.run(Api(environ)({"type": "lifespan"}, receive, send))
    assert [message["type"] for message in said] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert isinstance(app(environ), Api)
    assert ask(app(environ | {"CATCHWATER_STEP": "ingest:events"}), "/healthz").text == "ok"


def test_it_listens_where_it_is_told(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    import uvicorn

    told: dict[str, Any] = {}
    monkeypatch.setattr(uvicorn, "run", lambda application, **more: told.update(more))
    monkeypatch.setenv("PORT", "9123")
    monkeypatch.delenv("HOST", raising=False)
    service.main()
    assert (told["host"], told["port"]) == ("0.0.0.0", 9123)  # noqa: S104
