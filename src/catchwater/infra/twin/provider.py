"""hashicorp/aws for Terraform, whose resources are real in the emulator: made from planned values and nothing else,
by the role that applies."""

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from catchwater.errors import TwinFailed
from catchwater.infra.offline.bindings import Schema
from catchwater.infra.offline.protocol import Problem, Values, nested, unknown
from catchwater.infra.offline.provider import Provider
from catchwater.infra.twin.emulator import Emulator, Login
from catchwater.infra.twin.resources.given import Given, ignored
from catchwater.infra.twin.resources.kind import Kind
from catchwater.infra.twin.resources.registry import DATA, KINDS


class TwinProvider(Provider):
    """`login` is who applies (None: the account's root), `folder` where the root's relative paths begin; both may be
    changed between roots. `ignored` grows by the arguments that no function realised, by resource type."""

    def __init__(
        self, document: Mapping[str, Any], emulator: Emulator, serve: Callable[[str, str, str, int], str]
    ) -> None:
        super().__init__(document)
        self._serve, self._served = serve, False
        self.emulator, self.account, self.region = emulator, emulator.account, emulator.region
        self.login: Login | None = None
        self.folder = Path()
        self.ignored: dict[str, set[str]] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        with self._lock:
            return self.emulator.client(service, self.login)

    def database(self, name: str, user: str, password: str, port: int) -> str:
        self._served = True
        return self._serve(name, user, password, port)

    def database_is_there(self) -> bool:
        return self._served

    def kind(self, type_name: str) -> Kind:
        if type_name not in KINDS:
            raise TwinFailed(
                f"the twin doesn't know how to make {type_name}",
                next_step="add it to infra/twin/resources, or report it",
            )
        return KINDS[type_name]

    def create(self, type_name: str, planned: Values, config: Values) -> Values:
        return self._put(type_name, planned, config, None)

    def update(self, type_name: str, prior: Values, planned: Values, config: Values) -> Values:
        return self._put(type_name, planned, config, prior)

    def _put(self, type_name: str, planned: Values, config: Values, prior: Values | None) -> Values:
        given = Given(planned | {name: value for name, value in config.items() if name.endswith("_wo")})
        said = self.kind(type_name).put(self, given, prior)
        with self._lock:
            self.ignored.setdefault(type_name, set()).update(ignored(config, given.used))
        schema = self.resources[type_name]["block"]
        inner = nested(schema, planned, unsaid)
        return {"region": self.region, **{name: inner[name] for name in schema.get("block_types", {})}, **said}

    def read(self, type_name: str, state: Values) -> Values | None:
        said = self.kind(type_name).read(self, state)
        return None if said is None else merged(state, said)

    def delete(self, type_name: str, state: Values) -> None:
        self.kind(type_name).drop(self, state)

    def read_data(self, type_name: str, config: Values) -> Values:
        known = DATA[type_name](self, config) if type_name in DATA else {}
        return super().read_data(type_name, config) | known

    def validate(self, type_name: str, config: Values) -> list[Problem]:
        self.kind(type_name)
        return super().validate(type_name, config)


def unsaid(schema: Schema, values: Values) -> Values:
    """A block whose computed arguments nobody set: empty values, so that they are known the next time."""
    kinds = {name: one["type"] for name, one in schema.get("attributes", {}).items()}
    plain = {name: _empty(kinds.get(name)) if unknown(value) else value for name, value in values.items()}
    return nested(schema, plain, unsaid)


def _empty(kind: Any) -> Any:
    if isinstance(kind, str):
        return {"string": "", "number": 0, "bool": False}.get(kind)
    return {} if kind and kind[0] == "map" else []


def merged(held: Any, said: Any) -> Any:
    """`held` with what the emulator says; documents that say the same keep their text, blocks their other parts."""
    if isinstance(held, Mapping) and isinstance(said, Mapping):
        return {**held, **{name: merged(held.get(name), value) for name, value in said.items()}}
    if isinstance(held, list) and isinstance(said, list) and len(held) == len(said):
        return [merged(one, other) for one, other in zip(held, said, strict=True)]
    if isinstance(held, str) and isinstance(said, str) and _same(held, said):
        return held
    return held if held == said else said


def _same(one: str, other: str) -> bool:
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False
