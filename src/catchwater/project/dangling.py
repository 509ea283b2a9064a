"""What one part of a project says of another, and whether it is there; no file is read and no connection made."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from catchwater.errors import Problem
from catchwater.project import names, variables
from catchwater.project.document import Trail, Value
from catchwater.project.words import dotted, nearest

_ONE_TABLE = ("topic", "http_files")
# `name: NAME` at the left edge of a model's head
_HEAD_NAME = re.compile(rb"\s*/\*---(?:(?!---\*/).)*?^name:[ \t]*[\"']?([a-z_][a-z0-9_]*)", re.DOTALL | re.MULTILINE)
_ZONE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_CLOUDS = ("aws", "google")


def problems(tree: Value, folder: Path) -> list[Problem]:
    """Every reference of one resolved project that leads nowhere; wrong shapes are the schema's to refuse."""
    return [problem for check in _CHECKS for problem in check(tree, folder)]


def models(folder: Path) -> set[str]:
    """The names of a project's models: those of the files under `models`, or what their heads say."""
    found = set()
    for path in (folder / "models").rglob("*.sql"):
        if path.name != "_macros.sql" and path.is_file():
            named = _HEAD_NAME.match(path.read_bytes()[:65536])
            found.add(named[1].decode() if named else path.stem)
    return found


def _refuse(value: Value, trail: Trail, message: str, right: str = "") -> Problem:
    return Problem(*value.spot, f"`{dotted(trail)}`: {message}", right)


def _text(tree: Value, *trail: str | int) -> str | None:
    found = tree.at(*trail)
    return found.data if found is not None and isinstance(found.data, str) else None


def _has(tree: Value, *trail: str | int) -> bool:
    found = tree.at(*trail)
    return found is not None and found.data is not None


def _sources(tree: Value, *kinds: str) -> Iterator[tuple[str, Value]]:
    """Name and declaration of the sources of these kinds; the spot is the source's name."""
    found = tree.at("sources")
    for name, entry in found.entries().items() if found else ():
        if not kinds or _text(entry.value, "kind") in kinds:
            yield name, Value(entry.spot, entry.value.data)


def _references(tree: Value, folder: Path) -> Iterator[Problem]:
    for trail, _, value in tree.walk():
        if isinstance(value.data, str) and variables.malformed(value.data):
            right = "write ${NAME} or ${secret:NAME}; $$ stands for a dollar sign"
            yield _refuse(value, trail, "a `${` that isn't a reference", right)


def _schema_files(tree: Value, folder: Path) -> Iterator[Problem]:
    root = folder.resolve()
    for name, source in _sources(tree, *_ONE_TABLE):
        schema = source.at("schema")
        if schema is None or not isinstance(schema.data, str):
            continue
        path = (root / schema.data).resolve()
        trail = ("sources", name, "schema")
        if not path.is_relative_to(root):
            yield _refuse(schema, trail, f"{schema.data} lies outside the project", "move it into the folder")
        elif not path.is_file():
            yield _refuse(schema, trail, f"there is no file {schema.data}", "the path is relative to catchwater.yml")


def _postgres(tree: Value, folder: Path) -> Iterator[Problem]:
    for name, source in _sources(tree, "postgres"):
        trail = ("sources", name)
        url, host = _has(source, "url"), _has(source, "host")
        if url and host:
            yield _refuse(source, trail, "both `url` and `host`", "keep one of them")
        if not url and not host and not _has(source, "secret"):
            yield _refuse(source, trail, "neither `url` nor `host`", 'write url: "${' + name.upper() + '_URL}"')
        if _text(source, "auth") == "rds_iam" and not url and not _has(source, "user"):
            yield _refuse(source, trail, "`auth: rds_iam` without a `user`", "name the database user of the token")


def _captures(tree: Value, folder: Path) -> Iterator[Problem]:
    """A capture is of a table that is read, written as `tables:` has it."""
    for name, source in _sources(tree, "postgres"):
        tables, capture = source.at("tables"), source.at("capture")
        listed = {item.data for item in tables.items()} if tables else set()
        for table, entry in capture.entries().items() if capture and listed else ():
            if table not in listed:
                said = f"{table} isn't in `tables` of {name}"
                right = nearest(table, (str(one) for one in listed)) or "add it there"
                yield _refuse(Value(entry.spot, table), ("sources", name, "capture", table), said, right)


def _github(tree: Value, folder: Path) -> Iterator[Problem]:
    for name, source in _sources(tree, "github"):
        if _text(source, "from") == "webhook" and not _has(source, "secret"):
            right = "write `secret: NAME`, the secret that signs the deliveries"
            yield _refuse(source, ("sources", name), "a webhook without a `secret`", right)


def _source_names(tree: Value, folder: Path) -> Iterator[Problem]:
    """A source of one table is addressed by its plain name, which must not read as another table's."""
    known = models(folder)
    single = {name for name, _ in _sources(tree, *_ONE_TABLE)}
    for name, source in _sources(tree, *_ONE_TABLE):
        current, history = name.removesuffix("_current"), name.removesuffix("__history")
        if current != name and current in known:
            said = f"the model {current} may also be read as {name}"
            yield _refuse(source, ("sources", name), said, "name the source otherwise")
        if history != name and history in single:
            said = f"the history of the source {history} is read as {name} too"
            yield _refuse(source, ("sources", name), said, "name one of the sources otherwise")


def _warehouse(tree: Value, folder: Path) -> Iterator[Problem]:
    warehouse = tree.at("warehouse")
    kind = _text(tree, "warehouse", "kind")
    if warehouse is None:
        return
    if kind == "bigquery" and not _has(tree, "google"):
        right = "write google: {project: …, region: …}"
        yield _refuse(warehouse, ("warehouse",), "BigQuery without `google`", right)
    if kind == "postgres" and not _has(warehouse, "url") and not _has(warehouse, "secret"):
        yield _refuse(warehouse, ("warehouse",), "neither `url` nor `secret`", "write where the database is")


def _lake(tree: Value, folder: Path) -> Iterator[Problem]:
    url, lake = tree.at("lake", "url"), tree.at("lake")
    if url is not None and isinstance(url.data, str) and not url.data.startswith(("s3://", "gs://", "${")):
        right = "write s3://bucket/prefix or gs://bucket/prefix, or leave it out"
        yield _refuse(url, ("lake", "url"), "a lake is a folder, on S3 or on GCS", right)
    taken: dict[str, str] = {}
    for zone, usual in (("ingestion", "ingestion"), ("processed", "processed"), ("artifacts", "artifacts")):
        name = _text(tree, "lake", zone) or usual
        place = tree.at("lake", zone) or lake
        if place is None:
            return
        if not _ZONE.fullmatch(name):
            yield _refuse(place, ("lake", zone), "not the name of a zone", "write letters, digits, - and _")
        elif name in taken:
            said = f"'{name}' is also the name of {taken[name]}, and their logs would be one"
            yield _refuse(place, ("lake", zone), said, "give each its own")
        taken.setdefault(name, zone)


def _place(tree: Value, folder: Path) -> Iterator[Problem]:
    place = tree.at("place")
    for stage, entry in place.entries().items() if place else ():
        cloud = entry.value.data
        if cloud in _CLOUDS and not _has(tree, cloud):
            said = f"placed on {cloud}, which this environment doesn't have"
            yield _refuse(entry.value, ("place", stage), said, f"write {cloud}: {{…}}, or place it elsewhere")


def _steps(tree: Value, folder: Path) -> Iterator[Problem]:
    for stage in ("ingest", "process", "load"):
        step = tree.at("steps", stage)
        if step is not None and _has(step, "every") and _has(step, "after"):
            yield _refuse(step, ("steps", stage), "both `every` and `after`", "keep one of them")


def _alerts(tree: Value, folder: Path) -> Iterator[Problem]:
    alerts = tree.at("alerts")
    for number, alert in enumerate(alerts.items() if alerts else ()):
        to = alert.at("to")
        if to is None or not isinstance(to.data, str) or to.data.startswith("${"):
            continue
        trail = ("alerts", number, "to")
        kind = _text(alert, "notify")
        if kind == "email" and "@" not in to.data:
            yield _refuse(to, trail, "not an e-mail address", "write somebody@example.org")
        if kind == "webhook" and not to.data.startswith(("https://", "http://")):
            yield _refuse(to, trail, "not a URL", 'write https://… or "${NAME}"')


def _exposed(tree: Value, folder: Path) -> Iterator[Problem]:
    known = {name for model in models(folder) for name in (model, f"{model}_current")}
    api = ("serve", "api")
    exposed = tree.at(*api, "tables")
    yield from _unknown_tables(exposed, (*api, "tables"), known)
    listed = {item.data for item in exposed.items()} if exposed is not None and exposed.items() else None
    roles = tree.at(*api, "roles")
    for role, entry in roles.entries().items() if roles else ():
        trail = (*api, "roles", role)
        tables, columns = entry.value.at("tables"), entry.value.at("columns")
        named: list[tuple[Value, Trail]] = []
        for number, item in enumerate(tables.items() if tables else ()):
            named.append((item, (*trail, "tables", number)))
        for name, column in columns.entries().items() if columns else ():
            named.append((Value(column.spot, name), (*trail, "columns", name)))
        for value, spot in named:
            yield from _unknown_table(value, spot, known)
            if listed is not None and value.data in known and value.data not in listed:
                yield _refuse(value, spot, f"the API doesn't expose {value.data}", "add it to serve.api.tables")
        yield from _condition(entry.value.at("rows"), (*trail, "rows"))


def _unknown_tables(tables: Value | None, trail: Trail, known: set[str]) -> Iterator[Problem]:
    for number, item in enumerate(tables.items() if tables else ()):
        yield from _unknown_table(item, (*trail, number), known)


def _unknown_table(value: Value, trail: Trail, known: set[str]) -> Iterator[Problem]:
    if isinstance(value.data, str) and value.data not in known:
        right = nearest(value.data, known) or f"write models/{value.data}.sql"
        yield _refuse(value, trail, f"there is no model {value.data}", right)


def _condition(rows: Value | None, trail: Trail) -> Iterator[Problem]:
    """A role's `rows` must be one SQL condition and nothing more."""
    if rows is None or not isinstance(rows.data, str):
        return
    from sqlglot import exp, parse
    from sqlglot.errors import SqlglotError

    try:
        trees: list[Any] = list(parse(rows.data, dialect="duckdb"))
    except (SqlglotError, RecursionError):
        trees = []
    if len(trees) != 1 or not isinstance(trees[0], exp.Condition) or isinstance(trees[0], exp.Query):
        yield _refuse(rows, trail, "not an SQL condition", "write for example country = 'GB'")


def _names(tree: Value, folder: Path) -> Iterator[Problem]:
    overrides = tree.at("name")
    taken: dict[str, str] = {}
    for generated, entry in overrides.entries().items() if overrides else ():
        wanted = entry.value.data
        if not isinstance(wanted, str):
            continue
        if not names.is_plain(wanted):
            yield _refuse(entry.value, ("name", generated), "not a plain name", f"write {names.fold(wanted)}")
        if wanted in taken:
            said = f"'{wanted}' is also the name of {taken[wanted]}"
            yield _refuse(entry.value, ("name", generated), said, "give each its own")
        taken.setdefault(wanted, generated)


_CHECKS: tuple[Callable[[Value, Path], Iterator[Problem]], ...] = (
    _references,
    _schema_files,
    _postgres,
    _captures,
    _github,
    _source_names,
    _warehouse,
    _lake,
    _place,
    _steps,
    _alerts,
    _exposed,
    _names,
)
