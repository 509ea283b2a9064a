"""dlt with its connectorx backend. Usage: dlt_connectorx.py URL TABLE FOLDER (Parquet files) | FILE.duckdb."""

import os
import sys

import dlt
from dlt.sources.sql_database import sql_table

url, table, target = sys.argv[1:]
warehouse = target.endswith(".duckdb")
os.environ["DESTINATION__FILESYSTEM__BUCKET_URL"] = target
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
pipeline = dlt.pipeline(
    "bench",
    pipelines_dir=f"{target}-state",
    destination=dlt.destinations.duckdb(target) if warehouse else "filesystem",
    dataset_name="bench",
)
driver = url.replace("postgresql://", "postgresql+psycopg2://")  # its metadata query goes through SQLAlchemy
rows = sql_table(credentials=driver, table=table, backend="connectorx", reflection_level="minimal")
pipeline.run(rows, loader_file_format="parquet", write_disposition="replace")
