"""The head of a model: YAML between `/*---` and `---*/`; only its grammar, no look at tables or columns."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from catchwater.errors import Problem

Spot = tuple[int, int]
KEYS = (
    "name", "description", "key", "entity", "references", "measures", "checks", "materialized",
)  # fmt: skip
MATERIALIZED = ("full", "incremental", "view")
SEVERITIES = ("fail", "quarantine", "warn")
KINDS = ("not_null", "unique", "accepted", "references")


@dataclass(frozen=True)
class DeclaredReference:
    """`to_columns` is empty where the target's key is meant."""

    columns: tuple[str, ...]
    table: str
    to_columns: tuple[str, ...]
    spot: Spot


@dataclass(frozen=True)
class DeclaredMeasure:
    name: str
    sql: str
    label: str
    format: str
    over: str
    description: str
    spot: Spot


@dataclass(frozen=True)
class DeclaredCheck:
    kind: str
    columns: tuple[str, ...]
    values: tuple[str, ...]
    condition: str
    severity: str
    spot: Spot
    reference: DeclaredReference | None = None


@dataclass(frozen=True)
class Head:
    """What a head declares, each with where it stands; `spots` has a place for `key`, `entity` and so on."""

    name: str = ""
    description: str = ""
    key: tuple[str, ...] = ()
    entity: tuple[str, ...] = ()
    references: tuple[DeclaredReference, ...] = ()
    measures: tuple[DeclaredMeasure, ...] = ()
    checks: tuple[DeclaredCheck, ...] = ()
    materialized: str = ""
    spots: dict[str, Spot] = field(default_factory=dict)

    def spot(self, key: str) -> Spot:
        return self.spots.get(key, (1, 1))


class _Reading:
    """One head being read; every wrong thing goes to `problems`, and reading goes on."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def wrong(self, spot: Spot, message: str, right: str = "") -> None:
        self.problems.append(Problem(self.file, *spot, message, right))

    def text(self, value: Any, spot: Spot, what: str) -> str:
        if isinstance(value, str):
            return str(value)
        self.wrong(spot, f"{what} is a text, not {_say(value)}", "put it in quotes")
        return ""

    def choice(self, value: Any, spot: Spot, what: str, among: tuple[str, ...]) -> str:
        if value in among:
            return str(value)
        self.wrong(spot, f"{what} can't be {_say(value)}", f"one of {', '.join(among)}")
        return ""

    def words(self, value: Any, spot: Spot, what: str) -> tuple[str, ...]:
        if isinstance(value, str):
            return (str(value),)
        if not isinstance(value, list) or not value:
            self.wrong(spot, f"{what} is a list of columns, not {_say(value)}", f"{what}: [column]")
            return ()
        names = tuple(self.text(item, _item(value, at), what) for at, item in enumerate(value))
        if len({name.lower() for name in names}) < len(names):
            self.wrong(spot, f"{what} names a column twice")
        return tuple(name for name in names if name)

    def mapping(self, value: Any, spot: Spot, what: str) -> dict[Any, Any]:
        if isinstance(value, dict):
            return value
        self.wrong(spot, f"{what} is a mapping, not {_say(value)}", f"{what}: {{name: …}}")
        return {}

    def references(self, value: Any, spot: Spot) -> tuple[DeclaredReference, ...]:
        found: list[DeclaredReference] = []
        for name, target in self.mapping(value, spot, "references").items():
            at = _key(value, name)
            if isinstance(target, str):
                found.append(DeclaredReference((str(name),), str(target), (), at))
                continue
            for pairs in target if isinstance(target, list) else [target]:
                held = self.mapping(pairs, at, f"references of {name}")
                columns = tuple(self.text(item, at, "a column") for item in held)
                to = tuple(self.text(item, at, "a column") for item in held.values())
                if held:
                    found.append(DeclaredReference(columns, str(name), to, at))
        return tuple(found)

    def measures(self, value: Any, spot: Spot) -> tuple[DeclaredMeasure, ...]:
        found = []
        for name, given in self.mapping(value, spot, "measures").items():
            at = _key(value, name)
            held = {"sql": given} if isinstance(given, str) else self.mapping(given, at, f"measure {name}")
            fields = ("sql", "label", "format", "over", "description")
            self.unknown(held, fields, f"measure {name}", "SQL with a comma goes in quotes")
            got = {key: self.text(held.get(key, ""), at, f"{key} of measure {name}") for key in fields}
            over = got["over"] and self.choice(got["over"], at, "over", ("current", "history"))
            if not got["sql"]:
                self.wrong(at, f"measure {name} has no sql", "sql: sum(column)")
            found.append(
                DeclaredMeasure(
                    str(name), got["sql"], got["label"], got["format"], over or "current",
                    got["description"], at,
                )
            )  # fmt: skip
        return tuple(found)

    def unknown(self, held: dict[Any, Any], known: tuple[str, ...], what: str, right: str = "") -> None:
        for key in held:
            if key not in known:
                self.wrong(_key(held, key), f"{what} has no key {key!s}", right or f"one of {', '.join(known)}")

    def checks(self, value: Any, spot: Spot) -> tuple[DeclaredCheck, ...]:
        if not isinstance(value, list):
            self.wrong(spot, f"checks is a list, not {_say(value)}", "checks: [{not_null: [column]}]")
            return ()
        found: list[DeclaredCheck] = []
        for at, item in enumerate(value):
            found += self.check(item, _item(value, at))
        return tuple(found)

    def check(self, item: Any, spot: Spot) -> list[DeclaredCheck]:
        if isinstance(item, str):
            return [DeclaredCheck("condition", (), (), str(item), "fail", spot)]
        if not isinstance(item, dict):
            self.wrong(spot, f"a check is a condition or a mapping, not {_say(item)}")
            return []
        self.unknown(item, (*KINDS, "check", "severity"), "a check")
        kinds = [key for key in (*KINDS, "check") if key in item]
        if len(kinds) != 1:
            self.wrong(spot, "a check says one thing", f"one of {', '.join(KINDS)}, check, and severity")
            return []
        default = "warn" if kinds == ["references"] else "fail"
        severity = self.choice(item.get("severity", default), spot, "severity", SEVERITIES) or "fail"
        value = item[kinds[0]]
        if kinds == ["check"]:
            nested = self.check(value, spot)
            return [_with_severity(check, severity) for check in nested]
        return _KIND[kinds[0]](self, value, spot, severity)

    def not_null(self, value: Any, spot: Spot, severity: str) -> list[DeclaredCheck]:
        columns = self.words(value, spot, "not_null")
        return [DeclaredCheck("not_null", (column,), (), "", severity, spot) for column in columns]

    def unique(self, value: Any, spot: Spot, severity: str) -> list[DeclaredCheck]:
        columns = self.words(value, spot, "unique")
        return [DeclaredCheck("unique", columns, (), "", severity, spot)] if columns else []

    def accepted(self, value: Any, spot: Spot, severity: str) -> list[DeclaredCheck]:
        found = []
        for column, values in self.mapping(value, spot, "accepted").items():
            if not isinstance(values, list) or not values:
                self.wrong(spot, f"accepted values of {column} are a list", f"{column}: [A, B]")
                continue
            given = tuple(_value(item) for item in values)
            found.append(DeclaredCheck("accepted", (str(column),), given, "", severity, spot))
        return found

    def referenced(self, value: Any, spot: Spot, severity: str) -> list[DeclaredCheck]:
        return [
            DeclaredCheck("references", one.columns, (), "", severity, spot, one)
            for one in self.references(value, spot)
        ]


_KIND: dict[str, Callable[[_Reading, Any, Spot, str], list[DeclaredCheck]]] = {
    "not_null": _Reading.not_null,
    "unique": _Reading.unique,
    "accepted": _Reading.accepted,
    "references": _Reading.referenced,
}


def _with_severity(check: DeclaredCheck, severity: str) -> DeclaredCheck:
    from dataclasses import replace

    return replace(check, severity=severity)


def _value(item: Any) -> str:
    return str(item).lower() if isinstance(item, bool) else str(item)


def _say(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else _value(value)


def _key(held: Any, key: Any) -> Spot:
    line, column = held.lc.key(key)
    return line + 1, column + 1


def _item(held: Any, at: int) -> Spot:
    line, column = held.lc.item(at)
    return line + 1, column + 1


def read_head(file: str, yaml: str) -> tuple[Head, list[Problem]]:
    """The head from its YAML, which is padded with blanks so that its lines and columns are the file's."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    reading = _Reading(file)
    try:
        data = YAML(typ="rt").load(yaml)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        return Head(), [Problem(file, line, column, f"the head isn't YAML: {error.problem or error.context}")]
    except (YAMLError, ValueError) as error:
        return Head(), [Problem(file, 1, 1, f"the head isn't YAML: {str(error).splitlines()[0]}")]
    if data is None:
        return Head(), []
    if not isinstance(data, dict):
        return Head(), [Problem(file, 1, 1, "the head is a mapping", "description: …")]
    reading.unknown(data, KEYS, "a model")
    spots = {str(key): _key(data, key) for key in data}
    head = _head(reading, {str(key): data[key] for key in data}, spots)
    return head, reading.problems


def _head(reading: _Reading, data: dict[str, Any], spots: dict[str, Spot]) -> Head:
    def take(key: str, read: Callable[[Any, Spot], Any], otherwise: Any) -> Any:
        return read(data[key], spots[key]) if key in data else otherwise

    def plain(key: str) -> str:
        return str(take(key, lambda value, spot: reading.text(value, spot, key), ""))

    return Head(
        name=plain("name"),
        description=plain("description").strip(),
        key=take("key", lambda value, spot: reading.words(value, spot, "key"), ()),
        entity=take("entity", lambda value, spot: reading.words(value, spot, "entity"), ()),
        references=take("references", reading.references, ()),
        measures=take("measures", reading.measures, ()),
        checks=take("checks", reading.checks, ()),
        materialized=take(
            "materialized", lambda value, spot: reading.choice(value, spot, "materialized", MATERIALIZED), ""
        ),
        spots=spots,
    )
