"""`catchwater init`: writes a project that runs from what a database says of itself; it asks and overwrites nothing."""

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catchwater.errors import SourceRefused, UseError
from catchwater.ports import Survey, Surveyed
from catchwater.project import names, variables
from catchwater.project.load import FILE
from catchwater.project.loaded import Loaded
from catchwater.project.schema import Project
from catchwater.project.tables import Reference, TableSchema
from catchwater.wiring import Wiring

_IGNORED = (".env", ".catchwater/")
_YAML_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_LONGEST, _LONGEST_TABLE = 40, 63


@dataclass(frozen=True)
class _Database:
    """The tables by name, the models they get, and the words that SQL keeps for itself."""

    source: str
    tables: Mapping[str, TableSchema]
    models: Mapping[str, str]
    reserved: frozenset[str]


Look = Callable[[], Survey]


def init(name: str, url: str, folder: Path, look: Look | None = None) -> tuple[list[Path], tuple[str, ...]]:
    """Writes `catchwater.yml`, `.env`, `.gitignore` and a model per table into `folder`; the files, in that order,
    and what is left out of the database and why.

    `look` gives the database's tables, keys and references (None: the database is asked). Raises, before
    anything is written, UseError for a name that isn't plain, a URL of more than one line, files that are there
    already and tables whose names fold to one; SourceRefused when there is no table to read.
    """
    _name(name)
    if not url.strip() or "\n" in url or "\r" in url:
        raise UseError("the URL must be one line", next_step="--url postgresql://user:password@host/database")
    _refuse_existing([path for path in (folder / FILE, folder / variables.DOTENV) if path.exists()])
    found = look() if look else _ask(name, url.strip())
    tables = sorted(found.tables, key=lambda table: table.name)
    if not tables:
        step = "; ".join(found.left_out[:5]) or "GRANT SELECT ON ALL TABLES IN SCHEMA public TO the user of the URL"
        raise SourceRefused(f"{name}: the database has no table that this user may read", next_step=step)
    database = _Database(name, {table.name: table for table in tables}, _model_names(tables), reserved())
    models = {folder / "models" / f"{database.models[table.name]}.sql": table for table in tables}
    _refuse_existing([path for path in models if path.exists()])
    (folder / "models").mkdir(parents=True, exist_ok=True)
    written = [_create(folder / FILE, _project(name, found))]
    written.append(_create(folder / variables.DOTENV, _dotenv(name, url), 0o600))
    written.append(_ignore(folder / ".gitignore"))
    for path, table in models.items():
        written.append(_create(path, _model(database, table)))
    return written, found.left_out


def _ask(name: str, url: str) -> Survey:
    """What the database has, read as the project that will be written would read them."""
    with tempfile.TemporaryDirectory() as folder:
        declared: Any = {"kind": "postgres", "url": f"${{{variable(name)}}}"}
        loaded = Loaded(
            folder=Path(folder),
            environment="local",
            project=Project(project=name, sources={name: declared}),
            variables={variable(name): url},
            lines={},
        )
        wiring = Wiring(loaded, lambda text, read: variables.resolver(loaded, read)(text))
        source = wiring.source(name)
        return source.survey() if isinstance(source, Surveyed) else Survey(source.describe())


def variable(name: str) -> str:
    """The variable that holds a project's URL: TOTESYS_URL."""
    return f"{name.upper()}_URL"


def _name(name: str) -> None:
    if not names.is_plain(name) or not name[0].isalpha() or len(name) > _LONGEST:
        step = "use lower-case letters, digits and _, beginning with a letter, at most 40"
        raise UseError(f"'{name}' can't be a project's name", next_step=step)


def _refuse_existing(paths: Iterable[Path]) -> None:
    found = sorted(str(path) for path in paths)
    if found:
        step = "give another folder, or move them away"
        raise UseError(f"there already: {', '.join(found)}", next_step=step)


def _model_names(tables: Sequence[TableSchema]) -> dict[str, str]:
    """Table → model, the folded name; UseError names the tables that fold to the same one."""
    folded: dict[str, list[str]] = {}
    for table in tables:
        plain = names.fold(table.name)[:_LONGEST_TABLE]
        if plain.endswith("__history"):  # this ending is for what sources hold
            plain = plain.removesuffix("__history") + "_history"
        folded.setdefault(plain, []).append(table.name)
    clashes = [" and ".join(found) + f" ({plain})" for plain, found in folded.items() if len(found) > 1]
    if clashes:
        step = "list the tables to take under `tables:` of a catchwater.yml of your own"
        raise UseError(f"tables whose plain names are the same: {'; '.join(clashes)}", next_step=step)
    return {found[0]: plain for plain, found in folded.items()}


def _create(path: Path, text: str, mode: int = 0o644) -> Path:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _ignore(path: Path) -> Path:
    """A `.gitignore` that names what must not be committed; lines that are there stay."""
    held = path.read_text("utf-8") if path.exists() else ""
    missing = [line for line in _IGNORED if line not in held.splitlines()]
    start = held if not held or held.endswith("\n") else held + "\n"
    path.write_text(start + "".join(f"{line}\n" for line in missing), "utf-8")
    return path


def _project(name: str, found: Survey) -> str:
    source = f'  {name}: {{kind: postgres, url: "${{{variable(name)}}}", every: 10 minutes}}\n'
    if found.left_out:
        whys = "".join(f"    # left out: {' '.join(said.split())}\n" for said in found.left_out)
        tables = "".join(f"      - {_yaml(table)}\n" for table in found.named)
        where = f'    kind: postgres\n    url: "${{{variable(name)}}}"\n    every: 10 minutes\n'
        source = f"  {name}:\n{where}{whys}    tables:\n{tables}"
    return f"project: {name}\nsources:\n{source}serve:\n  api: {{tables: all}}\n"


def _dotenv(name: str, url: str) -> str:
    return "# Read by catchwater, ignored by git.\n" + variables.line(variable(name), url.strip())


def _model(database: _Database, table: TableSchema) -> str:
    head = [f"description: {_yaml(f'The rows of {table.name} as {database.source} has them.')}"]
    if table.key:
        head.append(f"key: [{', '.join(_yaml(column) for column in table.key)}]")
    else:
        head.append("# key: none. The table has no primary key and no unique index whose columns are all NOT NULL.")
    references = _references(database, table)
    if references:
        head.append("references:")
        head += [f"  {line}" for line in references]
    plain = names.is_plain(table.name) and table.name not in database.reserved
    body = f"SELECT * FROM {database.source}.{table.name if plain else names.quote(table.name)}"
    return "/*---\n" + "\n".join(head) + f"\n---*/\n{body}\n"


def _references(database: _Database, table: TableSchema) -> list[str]:
    """`column: model` where a foreign key goes to the target's key, else `model: {column: column}`."""
    short: dict[str, str] = {}
    long: dict[str, list[str]] = {}
    known = [reference for reference in table.references if reference.table in database.tables]
    models = {database.models[reference.table] for reference in known}
    for reference in known:
        model, column = database.models[reference.table], reference.columns[0]
        to_key = len(reference.columns) == 1 and reference.to_columns == database.tables[reference.table].key
        # A key of a mapping stands once: a column named like a model takes the long form.
        if to_key and column not in short and column not in models:
            short[column] = model
        else:
            long.setdefault(model, []).append(_pairs(reference))
    lines = [f"{_yaml(column)}: {_yaml(model)}" for column, model in short.items()]
    for model, pairs in long.items():
        lines.append(f"{_yaml(model)}: {pairs[0] if len(pairs) == 1 else '[' + ', '.join(pairs) + ']'}")
    return lines


def _pairs(reference: Reference) -> str:
    pairs = zip(reference.columns, reference.to_columns, strict=True)
    return "{" + ", ".join(f"{_yaml(column)}: {_yaml(to)}" for column, to in pairs) + "}"


def _yaml(text: str) -> str:
    """A text as YAML reads it back: bare when plain, else as a JSON string."""
    words = text.replace(" ", "_").rstrip(".").lower()
    if names.is_plain(words) and text not in _YAML_WORDS and text == text.strip() and text.lower() not in _YAML_WORDS:
        return text
    # A comment of SQL ends at */, so it must not stand in a head.
    return json.dumps(text, ensure_ascii=False).replace("*/", "*\\/")


def reserved() -> frozenset[str]:
    """The words that DuckDB's SQL keeps for itself."""
    import duckdb

    with duckdb.connect() as connection:
        sql = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
        return frozenset(word for (word,) in connection.execute(sql).fetchall())
