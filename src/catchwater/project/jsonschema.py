"""The project file's grammar as JSON Schema, for editors; it is made from schema.py and holds nothing of its own."""

import copy
from typing import Any

from catchwater.project.schema import Project

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema of `catchwater.yml`: the project, and under `environments` the same keys, each optional."""
    schema = Project.model_json_schema(by_alias=True)
    definitions = schema.pop("$defs")
    schema["properties"]["sources"]["additionalProperties"] = False
    for value in schema["properties"].values():
        value.pop("default", None)
    override = {name: _optional(definition) for name, definition in definitions.items()}
    root = {key: schema.pop(key) for key in ("additionalProperties", "properties", "required", "type")}
    environment = _optional(root)
    environment["properties"]["like"] = {"type": "string", "description": "The environment that this one is laid over."}
    root["properties"]["environments"] = {
        "type": "object",
        "additionalProperties": {"anyOf": [{"$ref": "#/$defs/Environment"}, {"type": "null"}]},
        "description": "What differs where the project runs; `local` needs no entry.",
    }
    definitions |= {f"{name}Override": definition for name, definition in override.items()}
    definitions["Environment"] = environment
    return {"$schema": _DRAFT, "title": "catchwater.yml", **root, "$defs": dict(sorted(definitions.items()))}


def _optional(definition: dict[str, Any]) -> dict[str, Any]:
    """A definition whose keys may be left out or null at every depth, since an override may say a part only."""
    return dict(_loose(copy.deepcopy(definition)))


def _loose(part: Any) -> Any:
    if isinstance(part, list):
        return [_loose(item) for item in part]
    if not isinstance(part, dict):
        return part
    loose = {key: _loose(value) for key, value in part.items() if key not in _STRICT}
    if "$ref" in loose:
        loose["$ref"] = f"{loose['$ref']}Override"
    if "oneOf" in loose:
        loose["anyOf"] = loose.pop("oneOf")
    if "properties" in part:
        loose["properties"] = {name: _nullable(_loose(value)) for name, value in part["properties"].items()}
    if isinstance(part.get("additionalProperties"), dict):
        loose["additionalProperties"] = _nullable(loose["additionalProperties"])
    return loose


_STRICT = ("required", "discriminator", "default", "minProperties", "minItems")


def _nullable(value: Any) -> dict[str, Any]:
    return {"anyOf": [value, {"type": "null"}]}
