"""One table of the warehouse as a LookML view: keys first and hidden, then typed dimensions; no measures here."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from catchwater.errors import Problem, ProjectError
from catchwater.plan.plan import Model
from catchwater.project import names
from catchwater.project.tables import Column

DATE_FRAMES = ("raw", "date", "week", "month", "quarter", "year")
TIME_FRAMES = ("raw", "time", "date", "week", "month", "quarter", "year")
_NUMBERS = re.compile(r"^(U?(TINY|SMALL|BIG|HUGE)?INT|U?INTEGER|U?HUGEINT|DECIMAL|NUMERIC|FLOAT|DOUBLE|REAL|BIGNUM)\b")
# A list, struct, map, blob or JSON can't be grouped by in every warehouse.
_WHOLE = re.compile(r"\[\d*\]$|^(STRUCT|MAP|UNION|LIST|ARRAY|BLOB|BYTEA|JSON|VARIANT|GEOMETRY|BIT)\b")
_RESERVED = """
    all analyse analyze and any array as asc between both by case cast check collate column constraint create
    cross cube current default desc describe distinct do else end enum escape except exclude exists extract false
    fetch following for foreign from full grant group grouping groups hash having if ignore in initially inner
    intersect interval into is join lambda lateral leading left like limit lookup merge natural new no not null
    nulls of offset on only or order outer over partition pivot placing preceding primary proto qualify range
    recursive references respect returning right rollup rows select session_user set show some struct summarize
    table tablesample then to trailing treat true unbounded union unique unnest unpivot user using variadic when
    where window with within
"""
RESERVED = frozenset(_RESERVED.split())
_BROKEN = re.compile(r";;|\$\{|\{\{|\{%|[\x00-\x1f]")


@dataclass(frozen=True)
class Table:
    """A table as LookML sees it: of a model over a history, the current rows unless `history`."""

    model: Model
    history: bool
    dialect: str

    @property
    def name(self) -> str:
        return f"{self.model.name}_current" if self.model.history and not self.history else self.model.name

    @property
    def key(self) -> tuple[str, ...]:
        return self.model.entity if self.model.history and not self.history else self.model.key

    @property
    def label(self) -> str:
        plain = re.sub(r"^(fact|dim)_", "", self.model.name)
        return words(plain) + (", every version" if self.history else "")

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(c for c in self.model.columns if c.name not in names.SYSTEM_COLUMNS)


@dataclass
class Fields:
    """The fields of one view, and which one stands for a column (`raw`), by the column's name."""

    table: Table
    dimensions: list[dict[str, Any]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    raw: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def claim(self, name: str, suffixes: Sequence[str] = ("",)) -> str:
        """A name, numbered where it or one of its suffixed forms is taken already."""
        number, tried = 1, name
        while any(f"{tried}{suffix}" in self.taken for suffix in suffixes):
            number += 1
            tried = f"{name}_{number}"
        self.taken.update(f"{tried}{suffix}" for suffix in suffixes)
        return tried

    def of(self, column: str) -> str:
        """How SQL inside the view refers to a column."""
        return f"${{{self.raw[column]}}}" if column in self.raw else reference(self.table, column)


def words(name: str) -> str:
    """`unit_price` as people read it: Unit price."""
    plain = " ".join(name.replace("_", " ").split())
    return plain[:1].upper() + plain[1:]


def sentence(text: str) -> str:
    """Text that LookML can hold between double quotes: one line, no quote, no backslash, no Liquid."""
    plain = " ".join(text.split()).replace('"', "'").replace("\\", "/")
    return re.sub(r"\{(?=[{%])", "{ ", plain)


def quoted(name: str, dialect: str, *, reserved: bool = False) -> str:
    """Plain names as they are, for every warehouse; others, and `reserved` words of SQL, as the dialect quotes
    them. (After `${TABLE}.` a reserved word needs no quotes in any of the three.)"""
    if names.is_plain(name) and not (reserved and name in RESERVED):
        return name
    if dialect == "bigquery":
        return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
    return names.quote(name)


def reference(table: Table, column: str) -> str:
    """`${TABLE}.column`; raises ProjectError for a name that LookML has no way to write."""
    if _BROKEN.search(column):
        message = f"LookML can't hold the column name {column!r}"
        raise ProjectError([Problem(table.model.file, 0, 0, message, "give it a plain name with AS")])
    return f"${{TABLE}}.{quoted(column, table.dialect)}"


def fields_of(table: Table, linked: Iterable[str]) -> Fields:
    """Every column of a table as fields; `linked` columns refer to other tables and are hidden like keys."""
    found = Fields(table)
    hidden = dict.fromkeys([*table.key, *linked])
    columns = {column.name: column for column in table.columns}
    if len(table.key) > 1:
        _whole_key(found)
    for name in hidden:
        if name in columns:
            _key_field(found, columns[name], primary=table.key == (name,))
    for column in table.columns:
        if _is_time(column.type):
            _group(found, column)
        elif column.name not in hidden:
            _dimension(found, column)
    if table.history:
        _version_fields(found)
    return found


def describe(table: Table, column: Column) -> str:
    """What a field is, from the column's description, else from its lineage."""
    if column.description:
        return sentence(column.description)
    origin = table.model.lineage.get(column.name, ())
    if not origin:
        return sentence(f"{words(column.name)}, made by the model {table.model.name}.")
    return sentence(f"{words(column.name)}, from {', '.join(origin)}.")


def _is_time(kind: str) -> bool:
    return kind == "DATE" or kind.startswith("TIMESTAMP")


def _type(kind: str) -> str:
    if _NUMBERS.match(kind) and not _WHOLE.search(kind):
        return "number"
    return "yesno" if kind == "BOOLEAN" else "string"


def _whole_key(found: Fields) -> None:
    """One key of several columns: each but the last with its length before it, so that no two keys meet."""
    table = found.table
    parts = [reference(table, name) for name in table.key]
    pieces = [piece for part in parts[:-1] for piece in (f"LENGTH(CONCAT({part}, ''))", "':'", part)]
    found.dimensions.append(
        {
            "name": found.claim("primary_key"),
            "primary_key": "yes",
            "hidden": "yes",
            "type": "string",
            "sql": f"CONCAT({', '.join([*pieces, parts[-1]])})",
        }
    )


def _key_field(found: Fields, column: Column, *, primary: bool) -> None:
    kind = "date_raw" if _is_time(column.type) else _type(column.type)
    name = found.claim(f"{names.fold(column.name)}_key" if kind == "date_raw" else names.fold(column.name))
    found.raw[column.name] = name
    made: dict[str, Any] = {"name": name}
    if primary:
        made["primary_key"] = "yes"
    found.dimensions.append({**made, "hidden": "yes", "type": kind, "sql": reference(found.table, column.name)})


def _dimension(found: Fields, column: Column) -> None:
    name = found.claim(names.fold(column.name))
    found.raw[column.name] = name
    made: dict[str, Any] = {"name": name}
    if _WHOLE.search(column.type):
        made["hidden"] = "yes"
    found.dimensions.append(
        {
            **made,
            "type": _type(column.type),
            "label": sentence(words(column.name)),
            "description": describe(found.table, column),
            "sql": reference(found.table, column.name),
        }
    )


def _group(found: Fields, column: Column) -> None:
    """`created_date` and `created_at` become the group `created`, whose fields are created_date, created_month, …"""
    dated = column.type == "DATE"
    frames = DATE_FRAMES if dated else TIME_FRAMES
    folded = names.fold(column.name)
    stem = re.sub(r"_(at|on|date|time|id|ts|timestamp)$", "", folded) or folded
    name = found.claim(stem, [f"_{frame}" for frame in frames])
    zoned = column.type == "TIMESTAMP WITH TIME ZONE"
    found.raw.setdefault(column.name, f"{name}_raw")
    found.groups.append(
        {
            "name": name,
            "type": "time",
            "timeframes": list(frames),
            "datatype": "date" if dated else "timestamp" if zoned else "datetime",
            "convert_tz": "yes" if zoned else "no",
            "label": sentence(words(name)),
            "description": describe(found.table, column),
            "sql": reference(found.table, column.name),
        }
    )


def _version_fields(found: Fields) -> None:
    """When a version was seen, and whether it is an upsert or a delete."""
    label = found.table.label
    found.dimensions.append(
        {
            "name": found.claim("version_operation"),
            "type": "string",
            "label": "Operation",
            "description": sentence(f"upsert or delete: what happened to the row ({label})."),
            "sql": "${TABLE}._op",
        }
    )
    frames = list(TIME_FRAMES)
    found.groups.append(
        {
            "name": found.claim("version_seen", [f"_{frame}" for frame in frames]),
            "type": "time",
            "timeframes": frames,
            "datatype": "timestamp",
            "convert_tz": "yes",
            "label": "Seen",
            "description": "When this version was captured, by the clock of the source.",
            "sql": "${TABLE}._at",
        }
    )
