"""Terraform's plugin protocol 6 as plain values: what goes over the wire, both ways; no decision is made here."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgpack
from tfplugin_proto import tfplugin6_5_pb2 as pb

from catchwater.infra.offline.bindings import Schema

Values = dict[str, Any]
Path = tuple[str | int, ...]
UNKNOWN = msgpack.ExtType(0, b"\x00")
_NESTING = {"single": 1, "list": 2, "set": 3, "map": 4, "group": 5}
_WRITE_ONLY = b"\x58\x01"  # field 11 of Attribute, true: newer than the messages that the package has


@dataclass(frozen=True)
class Problem:
    """What is wrong with a value: `path` leads to the argument, list indexes included."""

    path: Path
    message: str


def unknown(value: object) -> bool:
    """Known only after apply; a refined unknown (an extension of another number) is one too."""
    return isinstance(value, msgpack.ExtType)


def wholly_known(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(wholly_known(one) for one in value.values())
    return all(wholly_known(one) for one in value) if isinstance(value, list) else not unknown(value)


def decoded(value: Any) -> Any:
    if value.msgpack:
        return msgpack.unpackb(value.msgpack, raw=False, strict_map_key=False)
    return json.loads(value.json) if value.json else None


def encoded(value: Any) -> Any:
    return pb.DynamicValue(msgpack=msgpack.packb(value))


def write_only(name: str) -> bool:
    """By the convention of both providers; the bindings don't say it."""
    return name.endswith("_wo") and not name.startswith("has_")


def block(schema: Schema, sensitive: frozenset[str] = frozenset()) -> Any:
    """A block of a schema document as the protocol has it; `sensitive` are names of attributes, at any depth."""
    made = pb.Schema.Block()
    for name, one in sorted(schema.get("attributes", {}).items()):
        attribute = made.attributes.add(name=name, type=json.dumps(one["type"]).encode())
        attribute.required, attribute.optional = one.get("required", False), one.get("optional", False)
        attribute.computed, attribute.sensitive = one.get("computed", False), name in sensitive
        if write_only(name):
            attribute.MergeFromString(_WRITE_ONLY)
    for name, one in sorted(schema.get("block_types", {}).items()):
        nested = made.block_types.add(type_name=name, nesting=_NESTING[one["nesting_mode"]])
        nested.min_items, nested.max_items = one.get("min_items", 0), one.get("max_items", 0)
        nested.block.CopyFrom(block(one["block"], sensitive))
    return made


def attribute_path(path: Path) -> Any:
    made = pb.AttributePath()
    for step in path:
        if isinstance(step, int):
            made.steps.add(element_key_int=step)
        else:
            made.steps.add(attribute_name=step)
    return made


def diagnose(answer: Any, problems: Iterable[Problem], summary: str) -> Any:
    for problem in problems:
        made = answer.diagnostics.add(severity=pb.Diagnostic.ERROR, summary=summary, detail=problem.message)
        if problem.path:
            made.attribute.CopyFrom(attribute_path(problem.path))
    return answer


def nested(schema: Schema, values: Values, change: Callable[[Schema, Values], Values]) -> Values:
    """`values` with every nested block's values changed; unknown ones stay."""
    made = dict(values)
    for name, one in schema.get("block_types", {}).items():
        value = values.get(name)
        if value is None or unknown(value):
            continue
        if isinstance(value, list):
            made[name] = [item if unknown(item) else change(one["block"], item) for item in value]
        elif one["nesting_mode"] == "map":
            made[name] = {key: change(one["block"], item) for key, item in value.items()}
        else:
            made[name] = change(one["block"], value)
    return made


def planned(schema: Schema, proposed: Values) -> Values:
    """A new resource as planned: what the provider computes is unknown, what is only written is null."""
    made = dict(proposed)
    for name, one in schema.get("attributes", {}).items():
        if write_only(name):
            made[name] = None
        elif one.get("computed") and made.get(name) is None:
            made[name] = UNKNOWN
    return nested(schema, made, planned)


def without_written(schema: Schema, values: Values) -> Values:
    """`values` with every write-only argument null, as state must have it."""
    made = {name: None if write_only(name) else value for name, value in values.items()}
    return nested(schema, made, without_written)
