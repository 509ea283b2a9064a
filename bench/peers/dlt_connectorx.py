"""dlt with its connectorx backend into Parquet files. Usage: dlt_connectorx.py URL TABLE FOLDER."""

import os
import sys

import dlt
from dlt.sources.sql_database import sql_table

url, table, folder = sys.argv[1:]
os.environ["DESTINATION__FILESYSTEM__BUCKET_URL"] = folder
pipeline = dlt.pipeline("bench", pipelines_dir=f"{folder}-state", destination="filesystem", dataset_name="bench")
rows = sql_table(credentials=url, table=table, backend="connectorx", reflection_level="minimal")
pipeline.run(rows, loader_file_format="parquet", write_disposition="replace")
