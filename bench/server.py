"""A real Postgres with TPC-H tables for the benchmarks, kept in .bench/ between runs."""

import sys
from importlib.util import find_spec
from pathlib import Path

import duckdb

from catchwater.runtimes.embedded import Postgres, postgres

SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "4GB", "fsync": "off"}


def extension(name: str, site: Path) -> str:
    """The path of a DuckDB extension that came in a wheel, in the peers' environment."""
    folder = site / f"duckdb_extension_{name}" / "extensions" / f"v{duckdb.__version__}"
    return str(folder / f"{name}.duckdb_extension")


def scanner() -> str:
    spec = find_spec("duckdb_extension_postgres_scanner")
    assert spec
    assert spec.submodule_search_locations
    return extension("postgres_scanner", Path(next(iter(spec.submodule_search_locations))).parent)


def start(home: Path, scale: float, site: Path) -> tuple[Postgres, str]:
    """The server and the database's name; tables lineitem and orders (with last_updated) are made once."""
    server = postgres(home / "postgres", trust=True, settings=SETTINGS)
    name = f"tpch_{f'{scale:g}'.replace('.', '_')}"
    if server.create_database(name):
        print(f"making TPC-H at scale {scale} in Postgres …", file=sys.stderr)
        _fill(server, name, scale, extension("tpch", site))
    return server, name


def _fill(server: Postgres, name: str, scale: float, tpch: str) -> None:
    with duckdb.connect() as con:
        con.load_extension(tpch)
        con.load_extension(scanner())
        con.execute("SET enable_progress_bar = false")
        con.execute(f"CALL dbgen(sf = {scale})")
        con.execute(f"ATTACH '{server.url(name)}' AS pg (TYPE postgres)")
        con.execute("CREATE TABLE pg.public.lineitem AS FROM lineitem")
        con.execute("CREATE TABLE pg.public.orders AS SELECT *, now()::TIMESTAMP AS last_updated FROM orders")
        for statement in (
            "ALTER TABLE lineitem ADD PRIMARY KEY (l_orderkey, l_linenumber)",
            "ALTER TABLE orders ADD PRIMARY KEY (o_orderkey)",
            "CREATE INDEX ON orders (last_updated)",
            "VACUUM ANALYZE",
        ):
            con.execute("CALL postgres_execute('pg', ?, use_transaction := false)", [statement])


def execute(server: Postgres, name: str, statement: str) -> None:
    with duckdb.connect() as con:
        con.load_extension(scanner())
        con.execute(f"ATTACH '{server.url(name)}' AS pg (TYPE postgres)")
        con.execute("CALL postgres_execute('pg', ?)", [statement])
