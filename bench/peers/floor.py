"""The floor by hand: DuckDB and its Postgres extension, one query, no guarantees. Usage: floor.py DSN TABLE TARGET."""

import sys
from importlib.util import find_spec
from pathlib import Path

import duckdb

dsn, table, target = sys.argv[1:]
spec = find_spec("duckdb_extension_postgres_scanner")
assert spec
assert spec.submodule_search_locations
folder = Path(next(iter(spec.submodule_search_locations))) / "extensions" / f"v{duckdb.__version__}"
con = duckdb.connect(target if target.endswith(".duckdb") else ":memory:")
con.load_extension(str(folder / "postgres_scanner.duckdb_extension"))
con.execute(f"ATTACH '{dsn}' AS pg (TYPE postgres, READ_ONLY)")
if target.endswith(".duckdb"):
    con.execute(f"CREATE TABLE {table} AS FROM pg.public.{table}")
else:
    con.execute(f"COPY (FROM pg.public.{table}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
