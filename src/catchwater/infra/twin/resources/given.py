"""The arguments of one resource, remembering which of them were used; what nobody used isn't realised."""

from collections.abc import Iterator, Mapping
from typing import Any

from catchwater.infra.offline.protocol import Values, unknown


class Given:
    """Planned values by argument name; one that is only known after apply, empty or null is None."""

    def __init__(self, values: Values, used: set[str] | None = None, path: str = "") -> None:
        self._values, self._path = values, path
        self.used: set[str] = set() if used is None else used

    def __getitem__(self, name: str) -> Any:
        """The argument whole, maps and lists included."""
        self.used.add(self._path + name)
        value = self._values.get(name)
        return None if unknown(value) or value in ([], {}, "") else value

    def blocks(self, name: str) -> list["Given"]:
        """The nested blocks of that name; each of their arguments has to be asked for by itself."""
        held = self._values.get(name) or []
        self.used.add(self._path + name + "[]")
        items = [held] if isinstance(held, Mapping) else list(held)
        return [Given(dict(item), self.used, f"{self._path}{name}.") for item in items if not unknown(item)]

    def block(self, name: str) -> "Given":
        """The one block of that name; without it, one that has no argument."""
        found = self.blocks(name)
        return found[0] if found else Given({}, self.used, f"{self._path}{name}.")

    def __bool__(self) -> bool:
        return bool(self._values)

    def named(self, **names: str) -> dict[str, Any]:
        """The arguments that are set, by the names that the service has for them: `named(Timeout="timeout")`."""
        found = {api: self[name] for api, name in names.items()}
        return {api: value for api, value in found.items() if value is not None}


def ignored(config: Values, used: set[str]) -> list[str]:
    """The paths of arguments that are written in the configuration and that no function asked for."""
    return sorted(set(_ignored(config, used, "")))


def _ignored(values: Mapping[str, Any], used: set[str], path: str) -> Iterator[str]:
    for name, value in values.items():
        if value in (None, [], {}, "", False) or path + name in used:
            continue
        if path + name + "[]" in used:
            for item in [value] if isinstance(value, Mapping) else value:
                if isinstance(item, Mapping):
                    yield from _ignored(item, used, f"{path}{name}.")
            continue
        yield path + name
