"""The floor of a small sync by hand: rows at or above the newest timestamp held, deleted and inserted by key; late
commits and deletes are lost. Usage: floor_sync.py DSN TABLE FILE.duckdb KEY CURSOR."""

import sys
from importlib.util import find_spec
from pathlib import Path

import duckdb

dsn, table, target, key, cursor = sys.argv[1:]
spec = find_spec("duckdb_extension_postgres_scanner")
assert spec
assert spec.submodule_search_locations
folder = Path(next(iter(spec.submodule_search_locations))) / "extensions" / f"v{duckdb.__version__}"
con = duckdb.connect(target)
con.load_extension(str(folder / "postgres_scanner.duckdb_extension"))
con.execute(f"ATTACH '{dsn}' AS pg (TYPE postgres, READ_ONLY)")
newest = con.execute(f"SELECT max({cursor})::VARCHAR FROM {table}").fetchone()
assert newest
query = f"SELECT * FROM {table} WHERE {cursor} > ''{newest[0]}''"
con.execute(f"CREATE TEMP TABLE fresh AS FROM postgres_query('pg', '{query}')")
con.execute("BEGIN")
con.execute(f"DELETE FROM {table} USING fresh WHERE {table}.{key} = fresh.{key}")
con.execute(f"INSERT INTO {table} FROM fresh")
con.execute("COMMIT")
