"""The tables of a project's databases as they were last saved, under `tables/`; no database is asked here.

A cloud is compiled from them: the same commit gives the same bytes on every machine, and none connects to production.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from catchwater.errors import Problem, ProjectError
from catchwater.project import plain
from catchwater.project.tables import TableSchema

FOLDER = "tables"


def path_of(folder: Path, source: str) -> Path:
    return folder / FOLDER / f"{source}.json"


def saved(folder: Path, source: str) -> tuple[TableSchema, ...] | None:
    """The tables of a source, or None where none were saved; raises ProjectError for a file that isn't one."""
    path = path_of(folder, source)
    try:
        return plain.tuple_of(TableSchema, json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except ValueError as error:
        where = path.relative_to(folder).as_posix()
        right = "write it anew: catchwater check --save"
        raise ProjectError([Problem(where, 0, 0, "not the tables of a source", right)]) from error


def save(folder: Path, source: str, tables: Sequence[TableSchema]) -> bool:
    """Write them, sorted by name; True when that changed the file."""
    path = path_of(folder, source)
    ordered = [asdict(table) for table in sorted(tables, key=lambda table: table.name)]
    data = (json.dumps(ordered, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
    if path.is_file() and path.read_bytes() == data:
        return False
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return True
