"""The declared schema of files (YAML) as columns and a format; nothing here reads a file of data."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catchwater.errors import Problem, ProjectError
from catchwater.project.declared import TIME
from catchwater.project.document import Value, read
from catchwater.project.names import FILE_COLUMNS, SYSTEM_COLUMNS
from catchwater.project.tables import Column, TableSchema

TYPES = {
    "string": "VARCHAR", "text": "VARCHAR", "varchar": "VARCHAR", "integer": "BIGINT", "bigint": "BIGINT",
    "int": "INTEGER", "smallint": "SMALLINT", "number": "DOUBLE", "double": "DOUBLE", "boolean": "BOOLEAN",
    "date": "DATE", "timestamp": "TIMESTAMP", "timestamptz": TIME, "timestamp with time zone": TIME,
}  # fmt: skip
_DECIMAL = re.compile(r"decimal\s*\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")
_KEYS = {"format", "delimiter", "quote", "header", "encoding", "nulls", "key", "columns"}
_COLUMN_KEYS = {"name", "type", "nullable", "format", "description"}
_MAX_COLUMNS = 1000


@dataclass(frozen=True)
class FileShape:
    """A table, and how its CSV files are written; `formats` are strptime formats by column."""

    table: TableSchema
    delimiter: str = ","
    quote: str = '"'
    header: bool = True
    encoding: str = "utf-8"
    nulls: tuple[str, ...] = ("",)
    formats: dict[str, str] = field(default_factory=dict)


@dataclass
class _Reading:
    tree: Value
    problems: list[Problem]

    def refuse(self, value: Value, message: str, right: str = "") -> None:
        self.problems.append(Problem(*value.spot, message, right))

    def option(self, key: str, kind: type, default: Any) -> Any:
        found = self.tree.at(key)
        if found is None:
            return default
        if not isinstance(found.data, kind):
            self.refuse(found, f"`{key}` must be {'true or false' if kind is bool else 'text'}", "quote a text")
            return default
        return found.data

    def words(self, key: str) -> list[Value]:
        found = self.tree.at(key)
        if found is None:
            return []
        if not isinstance(found.data, list) or not all(isinstance(item.data, str) for item in found.items()):
            self.refuse(found, f"`{key}` is a list of texts", f'{key}: ["one", "two"]')
            return []
        return found.items()

    def known(self, value: Value, keys: set[str]) -> None:
        for key, entry in value.entries().items():
            if key not in keys:
                right = f"one of {', '.join(sorted(keys))}"
                self.problems.append(Problem(*entry.spot, f"unknown key `{key}`", right))


def file_shape(folder: Path, file: str, name: str) -> FileShape:
    """The shape of the files of source `name`, by the YAML `folder/file`; raises ProjectError by line."""
    tree, problems = read(folder / file, file)
    if tree is None:
        raise ProjectError(problems)
    reading = _Reading(tree, problems)
    reading.known(tree, _KEYS)
    shape = _shape(reading, name)
    if reading.problems:
        raise ProjectError(reading.problems)
    return shape


def _shape(reading: _Reading, name: str) -> FileShape:
    columns, formats = _columns(reading)
    held = {column.name: column for column in columns}
    key = []
    for word in reading.words("key"):
        if word.data not in held:
            reading.refuse(word, f"the key `{word.data}` isn't a declared column", f"one of {', '.join(held)}")
        elif word.data in key:
            reading.refuse(word, f"the key names `{word.data}` twice")
        key.append(word.data)
    columns = [Column(c.name, c.type, c.nullable and c.name not in key, c.description) for c in columns]
    _choice(reading, "format", ("csv",))
    _choice(reading, "encoding", ("utf-8", "latin-1", "utf-16"))
    delimiter, quote = (_one(reading, word, default) for word, default in (("delimiter", ","), ("quote", '"')))
    if delimiter == quote:
        reading.refuse(reading.tree, "delimiter and quote are the same character")
    nulls = tuple(word.data for word in reading.words("nulls")) if reading.tree.at("nulls") else ("",)
    return FileShape(
        TableSchema(name, tuple(columns), tuple(key)),
        delimiter,
        quote,
        reading.option("header", bool, True),
        reading.option("encoding", str, "utf-8"),
        nulls,
        formats,
    )


def _choice(reading: _Reading, key: str, allowed: tuple[str, ...]) -> None:
    found = reading.tree.at(key)
    if found is not None and found.data not in allowed:
        reading.refuse(found, f"`{key}` can't be {found.data}", f"one of {', '.join(allowed)}")


def _one(reading: _Reading, key: str, default: str) -> str:
    """A delimiter or quote: one printable ASCII character, or a tab."""
    text: str = reading.option(key, str, default)
    if len(text) != 1 or not text.isascii() or not (text == "\t" or (text.isprintable() and not text.isalnum())):
        found = reading.tree.at(key)
        reading.refuse(found or reading.tree, f"`{key}` is one character", f"{key}: '{default}'")
        return default
    return text


def _columns(reading: _Reading) -> tuple[list[Column], dict[str, str]]:
    declared = reading.tree.at("columns")
    if declared is None or not declared.items():
        reading.refuse(declared or reading.tree, "no columns are declared", "columns: [{name: id, type: string}]")
        return [], {}
    if len(declared.items()) > _MAX_COLUMNS:
        reading.refuse(declared, f"more than {_MAX_COLUMNS} columns")
        return [], {}
    columns: list[Column] = []
    formats: dict[str, str] = {}
    seen: dict[str, int] = {}
    for item in declared.items():
        column = _column(reading, item, formats)
        if column is None:
            continue
        folded = column.name.lower()
        if folded in seen:
            message = f"`{column.name}` is declared twice, first in line {seen[folded]}"
            reading.refuse(item, message, "names that differ in case only are one column")
        seen.setdefault(folded, item.spot[1])
        columns.append(column)
    return columns, formats


def _column(reading: _Reading, item: Value, formats: dict[str, str]) -> Column | None:
    reading.known(item, _COLUMN_KEYS)
    name, said = item.at("name"), item.at("type")
    if name is None or not isinstance(name.data, str) or not name.data.strip() or "\0" in name.data:
        reading.refuse(name or item, "a column needs a name", "{name: id, type: string}")
        return None
    if name.data.lower() in (*SYSTEM_COLUMNS, *FILE_COLUMNS):
        reading.refuse(name, f"`{name.data}` is a name that Catchwater uses itself")
    kind = _type(said.data if said else "string")
    if kind is None:
        reading.refuse(said or item, f"`{said.data if said else ''}` isn't a type", f"one of {_known()}")
        kind = "VARCHAR"
    nullable, form, text = item.at("nullable"), item.at("format"), item.at("description")
    if nullable is not None and not isinstance(nullable.data, bool):
        reading.refuse(nullable, "`nullable` is true or false")
    if form is not None:
        if kind not in ("DATE", "TIMESTAMP") or not isinstance(form.data, str):
            reading.refuse(form, "`format` is for dates and timestamps", 'format: "%d/%m/%Y"')
        elif not _strptime(form.data):
            reading.refuse(form, f"`{form.data}` isn't a strptime format", 'format: "%d/%m/%Y"')
        else:
            formats[name.data] = form.data
    described = text.data if text is not None and isinstance(text.data, str) else ""
    return Column(name.data, kind, nullable is None or nullable.data is not False, described)


def _known() -> str:
    return "string, integer, number, boolean, date, timestamp, timestamptz, decimal(p,s)"


def _type(said: Any) -> str | None:
    word = str(said).strip().lower()
    match = _DECIMAL.fullmatch(word)
    if match:
        digits, scale = int(match[1]), int(match[2])
        return f"DECIMAL({digits},{scale})" if 1 <= digits <= 38 and scale <= digits else None
    return TYPES.get(word)


def _strptime(form: str) -> bool:
    """Whether DuckDB knows the format."""
    import duckdb

    with duckdb.connect() as con:
        try:
            con.execute("SELECT try_strptime('', ?)", [form])
        except duckdb.Error:
            return False
    return True
