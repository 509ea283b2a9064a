"""The API's description (OpenAPI 3.1), made from the models as one role sees them; no request is handled here."""

from typing import Any
from urllib.parse import quote as percent

from catchwater import __version__
from catchwater.plan.plan import Plan
from catchwater.project.tables import Column
from catchwater.serve.catalog import Catalog, Exposed
from catchwater.serve.filters import MOST, OPERATORS, PAGE, RESERVED
from catchwater.serve.formats import FORMATS
from catchwater.serve.values import json_schema

_TEXT = {"type": "string"}
_JSON = "application/json"
_WHY = {
    "400": "an unknown column, operator or value; `parameter` says which",
    "401": "a key is needed, or isn't known",
    "403": "the key may not do this",
    "404": "no such thing",
    "406": "not in this form",
    "409": "not here or not now",
    "410": "the cursor's version of the data is gone",
    "413": "too large",
    "415": "another Content-Type is needed",
    "422": "JSON, and not what is taken here",
    "503": "nothing is loaded yet, or there is no room or no time",
}


def document(plan: Plan, catalog: Catalog) -> dict[str, Any]:
    paths: dict[str, Any] = {"/v1/tables": {"get": _read("listTables", "Tables that may be read", _listing())}}
    schemas: dict[str, Any] = {"Problem": _problem_schema(), "Table": _table_schema()}
    for table in catalog.values():
        at = f"/v1/tables/{percent(table.name, safe='')}"
        schemas[_ref(table)] = _row_schema(table)
        one = _content({"$ref": "#/components/schemas/Table"})
        paths[at] = {"get": _read(f"describe.{table.name}", f"The table {table.name}", one)}
        paths[f"{at}/rows"] = {"get": _rows(table)}
    paths |= _operations(plan)
    security = {"bearer": {"type": "http", "scheme": "bearer"}, "key": _key("X-API-Key")}
    return {
        "openapi": "3.1.0",
        "info": {"title": plan.project, "version": __version__, "summary": f"Data of {plan.project}"},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": security},
        "security": [{"bearer": []}, {"key": []}, {}],
    }


def _key(name: str) -> dict[str, str]:
    return {"type": "apiKey", "in": "header", "name": name}


def _ref(table: Exposed) -> str:
    return "row." + "".join(c if c.isascii() and (c.isalnum() or c in "._-") else f"_{ord(c):x}" for c in table.name)


def _content(schema: dict[str, Any], media_type: str = _JSON) -> dict[str, Any]:
    return {media_type: {"schema": schema}}


def _refusals(*codes: str) -> dict[str, Any]:
    body = _content({"$ref": "#/components/schemas/Problem"}, "application/problem+json")
    return {code: {"description": _WHY[code], "content": body} for code in codes}


def _read(name: str, summary: str, content: dict[str, Any], *more: str, **rest: Any) -> dict[str, Any]:
    headers = {"ETag": {"schema": _TEXT}, "Data-Version": {"schema": _TEXT}}
    good = {"200": {"description": summary, "content": content, "headers": headers}}
    known = {"304": {"description": "the version that If-None-Match names is still the one"}}
    refusals = _refusals("401", "403", "404", "503", *more)
    return {"operationId": name, "summary": summary, "responses": good | known | refusals, **rest}


def _rows(table: Exposed) -> dict[str, Any]:
    forms: dict[str, Any] = {form.media_type.partition(";")[0]: {} for form in FORMATS.values()}
    rows = {"type": "array", "items": {"$ref": f"#/components/schemas/{_ref(table)}"}}
    summary = table.description or f"Rows of {table.name}"
    own = [_filter(column) for column in table.columns]
    return _read(
        f"rows.{table.name}", summary, {**forms, **_content(rows)}, "400", "406", "410", parameters=[*_options(), *own]
    )


def _options() -> list[dict[str, Any]]:
    limit = {"oneOf": [{"type": "integer", "minimum": 1, "maximum": MOST}, {"const": "all"}], "default": PAGE}
    said = {
        "select": ("columns, comma-separated", _TEXT),
        "order": ("columns with .asc or .desc, then .nullsfirst or .nullslast", _TEXT),
        "limit": (f"rows in this page (at most {MOST}), or all: the whole table, streamed", limit),
        "cursor": ("where the page begins; taken from the next link as it is", _TEXT),
    }
    return [{"name": name, "in": "query", "description": said[name][0], "schema": said[name][1]} for name in RESERVED]


def _filter(column: Column) -> dict[str, Any]:
    name = f'"{column.name}"' if column.name in RESERVED or column.name.startswith('"') else column.name
    operators = ", ".join(OPERATORS)
    return {
        "name": name,
        "in": "query",
        "description": f"{column.type}: OPERATOR.VALUE, one of {operators}; not. before it negates",
        "schema": _TEXT,
    }


def _row_schema(table: Exposed) -> dict[str, Any]:
    properties = {}
    for column in table.columns:
        schema = json_schema(column)
        about = {"description": column.description} if column.description else {}
        properties[column.name] = {**schema, **about}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _table_schema() -> dict[str, Any]:
    column = {
        "type": "object",
        "properties": {"name": _TEXT, "type": _TEXT, "nullable": {"type": "boolean"}, "description": _TEXT},
    }
    names = ("name", "description", "href")
    number = {"type": ["integer", "null"]}
    more = {"key": {"type": "array", "items": _TEXT}, "columns": {"type": "array", "items": column}}
    properties = dict.fromkeys(names, _TEXT) | more | {"rows": number, "version": number}
    return {"type": "object", "properties": properties, "required": sorted(properties)}


def _problem_schema() -> dict[str, Any]:
    properties = {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "parameter": _TEXT,
    }
    return {"type": "object", "properties": properties, "required": ["type", "title", "status", "detail"]}


def _listing() -> dict[str, Any]:
    tables = {"type": "array", "items": {"$ref": "#/components/schemas/Table"}}
    version = {"type": ["integer", "null"]}
    return _content({"type": "object", "properties": {"version": version, "tables": tables}})


def _operations(plan: Plan) -> dict[str, Any]:
    anything = _content({"type": "object"})
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000}}
    number = {"name": "number", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
    repeat = {"name": "Idempotency-Key", "in": "header", "schema": {**_TEXT, "pattern": "^[!-~]{1,255}$"}}
    runs = {
        "get": _call("listRuns", "Runs, newest first", "200", anything, "400", parameters=[limit]),
        "post": _call("startRun", "Start a run", "202", anything, *_BODY, "409", parameters=[repeat]),
    }
    found: dict[str, Any] = {
        "/v1/runs": runs,
        "/v1/runs/{number}": {"get": _call("getRun", "One run", "200", anything, "404", parameters=[number])},
    }
    for source in plan.sources:
        if source.kind == "topic":
            posted = _call(f"publish.{source.name}", f"Publish to {source.name}", "202", anything, *_BODY, "404")
            found[f"/v1/topics/{source.name}/messages"] = {"post": {**posted, "requestBody": _messages()}}
    return found


_BODY = ("400", "413", "415", "422")


def _messages() -> dict[str, Any]:
    one = {"type": "object"}
    json = _content({"oneOf": [one, {"type": "array", "items": one}]})
    return {"required": True, "content": {**json, "application/x-ndjson": {}}}


def _call(name: str, summary: str, code: str, content: dict[str, Any], *more: str, **rest: Any) -> dict[str, Any]:
    good = {code: {"description": summary, "content": content}}
    return {"operationId": name, "summary": summary, "responses": good | _refusals("401", "403", *more), **rest}
