"""dlt with its connectorx backend into Parquet files. Usage: dlt_connectorx.py URL TABLE FOLDER."""

import os
import sys

import dlt
from dlt.sources.sql_database import sql_table

url, table, folder = sys.argv[1:]
os.environ["DESTINATION__FILESYSTEM__BUCKET_URL"] = folder
pipeline = dlt.pipeline("bench", pipelines_dir=f"{folder}-state", destination="filesystem", dataset_name="bench")
driver = url.replace("postgresql://", "postgresql+psycopg2://")  # its metadata query goes through SQLAlchemy
rows = sql_table(credentials=driver, table=table, backend="connectorx", reflection_level="minimal")
pipeline.run(rows, loader_file_format="parquet", write_disposition="replace")
