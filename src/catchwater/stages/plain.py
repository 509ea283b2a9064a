"""Models that give columns of one table as they stand: which ones these are, and their first rows carried undecoded."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catchwater.lake.carried import Unfit, carry
from catchwater.lake.files import proven
from catchwater.lake.manifest import MAX_ROWS, Manifest
from catchwater.lake.parquet import file_type
from catchwater.lake.read import loaded
from catchwater.lake.span import originals
from catchwater.plan.plan import Model, Read
from catchwater.stages.inputs import Inputs, source_table
from catchwater.stages.work import Part

if TYPE_CHECKING:
    import duckdb

# What DuckDB's parser makes of `SELECT … FROM t`, and nothing more: whatever else a statement has differs from it.
_SELECT: dict[str, Any] = {
    "type": "SELECT_NODE", "modifiers": [], "cte_map": {"map": []}, "where_clause": None, "group_expressions": [],
    "group_sets": [], "aggregate_handling": "STANDARD_HANDLING", "having": None, "sample": None, "qualify": None,
}  # fmt: skip
_TABLE: dict[str, Any] = {
    "type": "BASE_TABLE", "sample": None, "schema_name": "", "column_name_alias": [], "catalog_name": "",
    "at_clause": None,
}  # fmt: skip
_ALL = {
    "class": "STAR", "type": "STAR", "alias": "", "exclude_list": [], "replace_list": [], "columns": False,
    "expr": None, "qualified_exclude_list": [], "rename_list": [],
}  # fmt: skip
_ONE = {"class": "COLUMN_REF", "type": "COLUMN_REF"}


def carried(inputs: Inputs, model: Model, folder: Path) -> tuple[Part, ...]:
    """Files of a model's rows, none of more than a batch holds, made from the files of the one table that it reads;
    empty when the model isn't plain, or when not every row of those files is current. Raises Corrupt."""
    read = model.reads[0] if len(model.reads) == 1 else None
    if read is None or model.history or read.history or not read.log.startswith("ingestion/"):
        return ()
    names = taken(inputs.con, model, read, source_table(inputs.plan, read).names)
    batches = _first(originals(inputs.batches(read.log)), read) if names else []
    if not batches or not all(_alike(batch, read, model, names) for batch in batches):
        return ()
    columns = [(name, column.name) for name, column in zip(names, model.columns, strict=True)]
    try:
        return tuple(_carried(inputs, model, batches, columns, folder))
    except (Unfit, OSError):  # what is wrong with the disk is told by DuckDB, which is to write there instead
        return ()


def taken(con: "duckdb.DuckDBPyConnection", model: Model, read: Read, names: Sequence[str]) -> list[str]:
    """The names that the model's columns have in its table; empty when its SELECT does anything but name them."""
    found = con.execute("SELECT json_serialize_sql(?::VARCHAR)", [model.sql]).fetchone()
    tree = json.loads(found[0]) if found else {}
    nodes = [statement["node"] for statement in tree.get("statements", ())]
    if len(nodes) != 1 or _without(nodes[0], "select_list", "from_table") != _SELECT:
        return []
    table = nodes[0]["from_table"]
    if _without(table, "alias", "table_name") != _TABLE or table["table_name"] != read.alias:
        return []
    known = {name.lower(): name for name in names}
    alias = table["alias"] or table["table_name"]
    chosen = [name for item in nodes[0]["select_list"] for name in _named(item, alias, known, read)]
    return chosen if len(chosen) == len(model.columns) and "" not in chosen else []


def _named(item: dict[str, Any], alias: str, known: dict[str, str], read: Read) -> Iterator[str]:
    """The columns of the table that one item of a SELECT gives; '' for what isn't a column of it."""
    if _without(item, "relation_name") == _ALL:
        every = not any(name.lower() not in known for name in read.columns)
        yield from known.values() if every and item["relation_name"] in ("", alias) else [""]
    elif _without(item, "alias", "column_names") == _ONE:
        *before, name = item["column_names"]
        plain = before in ([], [alias]) and alias.lower() not in known
        yield known.get(name.lower(), "") if plain else ""
    else:
        yield ""


def _without(node: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name not in (*names, "query_location")}


def _first(batches: Sequence[Manifest], read: Read) -> list[Manifest]:
    """The batches that have rows of the table, when each of these rows is current."""
    having = [at for at, batch in enumerate(batches) if read.table in batch.tables and batch.tables[read.table].rows]
    return [batches[at] for at in having] if having and having[-1] < loaded(batches, read.table) else []


def _alike(batch: Manifest, read: Read, model: Model, names: Sequence[str]) -> bool:
    """Whether a batch's files have these columns in the types of the model's, which stand so in files."""
    held = {column.name: column.type for column in batch.tables[read.table].schema}
    wanted = [(name, column.type) for name, column in zip(names, model.columns, strict=True)]
    return all(held.get(name) == kind == file_type(kind) for name, kind in wanted)


def _carried(
    inputs: Inputs, model: Model, batches: Sequence[Manifest], columns: Sequence[tuple[str, str]], folder: Path
) -> Iterator[Part]:
    read = model.reads[0]
    files = proven(inputs.stores["ingestion"], batches, read.table)
    for number, group in enumerate(_groups(files)):
        path = folder / f"{model.name}-carried-{number}.parquet"
        carry([path for path, _ in group], path, columns, "_removed")
        yield Part(path, sum(rows for _, rows in group))


def _groups(files: Sequence[tuple[Path, int]]) -> Iterator[list[tuple[Path, int]]]:
    """The files in order, as many together as fit into a batch."""
    group: list[tuple[Path, int]] = []
    for path, rows in files:
        if group and sum(held for _, held in group) + rows > MAX_ROWS:
            yield group
            group = []
        group.append((path, rows))
    if group:
        yield group
