"""What the real providers compute themselves (policy documents, identities) and invented values for the rest."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from catchwater.infra.offline import tables
from catchwater.infra.offline.bindings import Schema, Type
from catchwater.infra.offline.protocol import Values, nested, unknown

ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Place:
    """Where the provider block says that everything lies."""

    cloud: str
    region: str
    account: str = ACCOUNT
    project: str = "example"
    number: str = "123456789012"

    @classmethod
    def of(cls, cloud: str, settings: Values) -> "Place":
        said = {name: value for name, value in settings.items() if value is not None and not unknown(value)}
        region = str(said.get("region", "eu-west-2" if cloud == "aws" else "europe-west2"))
        accounts = said.get("allowed_account_ids") or [ACCOUNT]
        return cls(cloud, region, str(accounts[0]), str(said.get("project", "example")))


# The name of a resource is the first of these arguments that it has.
_NAMES = (
    "name", "bucket", "function_name", "alarm_name", "identifier", "secret_id", "workload_identity_pool_provider_id",
    "workload_identity_pool_id", "table_id", "dataset_id", "repository_id", "account_id", "role_id", "display_name",
    "rule", "role", "topic", "statement_id", "service",
)  # fmt: skip


def invented(type_name: str, made: Values, schema: Schema, place: Place) -> Values:
    """A value for each unknown: from the shapes above, else from the name of the attribute and its type."""
    known = {name: value for name, value in made.items() if not unknown(value)}
    parts = _parts(type_name, known, place)
    shapes = tables.SHAPES.get(type_name, {})

    def one(name: str, kind: Type) -> Any:
        if kind == "string" and (name in shapes or name == "arn"):
            return shapes.get(name, tables.ARN).format(**parts)
        return _invent(name, kind, parts)

    return _filled(schema, made, one)


def _parts(type_name: str, known: Values, place: Place) -> dict[str, str]:
    digest = hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest()[:17]
    name = next((known[key] for key in _NAMES if isinstance(known.get(key), str)), f"example-{digest[:8]}")
    return {
        "name": str(name).removesuffix(":*"), "hash": digest, "service": type_name.split("_")[1],
        "region": str(known.get("region") or known.get("location") or place.region), "account": place.account,
        "project": str(known.get("project") or place.project), "number": place.number,
        "host": str(known.get("url", "")).removeprefix("https://"),
        "pool": str(known.get("workload_identity_pool_id", "")),
    }  # fmt: skip


def _filled(schema: Schema, made: Values, one: Callable[[str, Type], Any]) -> Values:
    attributes = schema.get("attributes", {})
    plain = {name: one(name, attributes[name]["type"]) if unknown(value) else value for name, value in made.items()
             if name in attributes}  # fmt: skip
    return nested(schema, {**made, **plain}, lambda inner, value: _filled(inner, value, one))


def _invent(name: str, kind: Type, parts: Mapping[str, str]) -> Any:
    if isinstance(kind, str):
        return _plain(name, kind, parts)
    collection, element = kind
    if collection == "object":
        return {key: _invent(key, inner, parts) for key, inner in element.items()}
    if collection == "map":
        return {}
    return [_invent(name, element, parts)] if element[0] == "object" else []


def _plain(name: str, kind: str, parts: Mapping[str, str]) -> Any:
    if kind in ("number", "bool"):
        return {"number": 0, "bool": False}[kind]
    if kind == "dynamic":
        return [b'"string"', "example"]
    if name in ("region", "project", "location"):
        return parts["region" if name == "location" else name]
    if name.endswith(("_time", "_date")):
        return "2026-01-01T00:00:00Z"
    if name.endswith("_arn"):
        return tables.ARN.format(**parts)
    if name in ("uri", "url", "endpoint", "self_link"):
        return f"https://{parts['name']}.example.org"
    return parts["name"] if name in ("id", "name", "bucket") else f"{parts['name']}-{name}"


def labels(made: Values, settings: Values) -> Values:
    """Tags (AWS) and labels (Google) with the provider block's defaults, where they are known and unplanned."""
    found: Values = {}
    if unknown(made.get("tags_all")) and not unknown(made.get("tags")):
        blocks = settings.get("default_tags") or []
        defaults = blocks[0].get("tags") if blocks else {}
        found["tags_all"] = {**(defaults or {}), **(made.get("tags") or {})}
    if unknown(made.get("terraform_labels")) and not unknown(made.get("labels")):
        found["terraform_labels"] = {**(settings.get("default_labels") or {}), **(made.get("labels") or {})}
        found["effective_labels"] = found["terraform_labels"]
    return {name: value for name, value in found.items() if name in made}


def data(type_name: str, made: Values, place: Place) -> Values:
    """The computed attributes of a data source that the real provider can tell; {} for one that it must ask for."""
    known = {name: value for name, value in made.items() if not unknown(value)}
    return _DATA[type_name](known, place) if type_name in _DATA else {}


def _policy_document(said: Values, _: Place) -> Values:
    statements = [_statement(one) for one in said.get("statement") or []]
    document = {"Version": said.get("version") or "2012-10-17", "Statement": statements}
    text = json.dumps(document, indent=2)
    number = str(int(hashlib.sha256(text.encode()).hexdigest()[:8], 16))
    small = json.dumps(document, separators=(",", ":"))
    filled = [{**one, "effect": one.get("effect") or "Allow"} for one in said.get("statement") or []]
    return {"json": text, "minified_json": small, "version": document["Version"], "id": number, "statement": filled}


def _statement(said: Values) -> dict[str, Any]:
    made: dict[str, Any] = {"Sid": said["sid"]} if said.get("sid") else {}
    made["Effect"] = said.get("effect") or "Allow"
    names = {"actions": "Action", "not_actions": "NotAction", "resources": "Resource", "not_resources": "NotResource"}
    made |= {name: _one(said[key]) for key, name in names.items() if said.get(key)}
    for key, name in (("principals", "Principal"), ("not_principals", "NotPrincipal")):
        if said.get(key):
            whoever = [one for one in said[key] if (one["type"], one["identifiers"]) == ("*", ["*"])]
            made[name] = "*" if whoever else {one["type"]: _one(one["identifiers"]) for one in said[key]}
    for one in said.get("condition") or []:
        made.setdefault("Condition", {}).setdefault(one["test"], {})[one["variable"]] = _one(one["values"])
    return made


def _one(found: list[str]) -> str | list[str]:
    return found[0] if len(found) == 1 else sorted(found, reverse=True)


def _caller(_: Values, place: Place) -> Values:
    arn = f"arn:aws:sts::{place.account}:assumed-role/example/example"
    return {"account_id": place.account, "arn": arn, "user_id": "AROAEXAMPLE:example", "id": place.account}


def _region(said: Values, place: Place) -> Values:
    region = said.get("region") or said.get("name") or place.region
    return {"region": region, "name": region, "id": region, "description": region}


def _partition(_: Values, __: Place) -> Values:
    domain = {"dns_suffix": "amazonaws.com", "reverse_dns_prefix": "com.amazonaws"}
    return {"partition": "aws", "id": "aws", **domain}


def _google_project(said: Values, place: Place) -> Values:
    project = said.get("project_id") or place.project
    return {"project_id": project, "number": place.number, "name": project, "id": f"projects/{project}"}


def _google_client(_: Values, place: Place) -> Values:
    return {"project": place.project, "region": place.region, "access_token": "offline", "id": "offline"}


_DATA: dict[str, Callable[[Values, Place], Values]] = {
    "aws_iam_policy_document": _policy_document,
    "aws_caller_identity": _caller,
    "aws_region": _region,
    "aws_partition": _partition,
    "google_project": _google_project,
    "google_client_config": _google_client,
}
