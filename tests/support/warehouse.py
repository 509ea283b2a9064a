"""What a project published, compared with the Postgres that it came from; nothing of ours reads the warehouse file."""

import json
import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import duckdb

from catchwater.project.names import literal, quote

EXTENSION = str(
    files("duckdb_extension_postgres_scanner") / f"extensions/v{duckdb.__version__}/postgres_scanner.duckdb_extension"
)


def published(folder: Path) -> Path:
    """A copy of the file that a project's readers are given."""
    warehouse = folder / ".catchwater" / "warehouse"
    pointer = json.loads((warehouse / "current.json").read_text())
    return Path(shutil.copy(warehouse / pointer["file"], folder / "copy.duckdb"))


def assert_same(folder: Path, url: str, tables: Mapping[str, str]) -> dict[str, int]:
    """Each table of the warehouse has the rows of its Postgres table (name → as SQL wants it there), value by value
    and as often, native types as such and all others as Postgres' text; name → rows."""
    found = {}
    with duckdb.connect(config={"memory_limit": "1GB", "threads": 2}) as con:
        con.load_extension(EXTENSION)
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"ATTACH {literal(url)} AS pg (TYPE postgres, READ_ONLY)")
        con.execute(f"ATTACH {literal(str(published(folder)))} AS held (READ_ONLY)")
        for name, table in tables.items():
            here = f"held.main.{quote(name)}"
            columns = ", ".join(_text(column, kind) for column, kind in shape(con, here))
            there = f"SELECT {columns} FROM {table}"
            con.execute(f"CREATE TEMP TABLE there AS FROM postgres_query('pg', {literal(there)})")
            assert shape(con, "there") == shape(con, here), name
            both = f'SELECT *, 1 AS "#side" FROM there UNION ALL SELECT *, -1 FROM {here}'
            differs = con.execute(
                f'SELECT sum("#side"), * EXCLUDE "#side" FROM ({both}) GROUP BY ALL HAVING sum("#side") <> 0'
            )
            assert not (rows := differs.fetchmany(3)), f"{name}: 1 is there only, -1 here only: {str(rows)[:500]}"
            [(found[name],)] = con.execute("SELECT count(*) FROM there").fetchall()
            con.execute("DROP TABLE there")
    return found


def _text(column: str, kind: str) -> str:
    name = quote(column)
    return f"CASE WHEN {name} IS NOT NULL THEN concat({name}) END AS {name}" if kind == "VARCHAR" else name


def shape(con: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[str, str]]:
    return con.execute(f"SELECT column_name, column_type FROM (DESCRIBE {relation})").fetchall()
