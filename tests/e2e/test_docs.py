"""What the docs give to copy is run here: the lake, read by DuckDB alone, has the rows that the warehouse has."""

import re
from pathlib import Path

import duckdb
import pytest

from tests.support.commands import catchwater
from tests.support.postgres import Database, db, postgres18

__all__ = ["db", "postgres18"]

PAGE = Path(__file__).parents[2] / "docs" / "lake.md"


def test_the_lake_is_read_without_catchwater(tmp_path: Path, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    db.run(
        "CREATE TABLE orders (id int PRIMARY KEY, state text)",
        "INSERT INTO orders SELECT g, CASE g % 3 WHEN 0 THEN 'returned' ELSE 'paid' END FROM generate_series(1, 90) g",
    )
    folder = tmp_path / "shop"
    assert catchwater("init", "shop", folder, "--url", db.url()).exit == 0
    assert catchwater("run", folder).exit == 0
    db.run("DELETE FROM orders WHERE id = 3", "UPDATE orders SET state = 'lost' WHERE id < 3")
    assert catchwater("run", folder).exit == 0
    monkeypatch.chdir(folder)
    [sql] = re.findall(r"^```sql\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    with duckdb.connect() as con:
        read = con.execute(sql).fetchall()
        versions = con.execute("SELECT count(*), count(DISTINCT _id) FROM orders__history").fetchone()
    asked = sql.rstrip(";\n").rpartition(";")[2].strip()
    loaded = catchwater("query", asked, folder, "--json").json
    assert read == [(row["state"], row["orders"]) for row in loaded] == [("lost", 2), ("paid", 58), ("returned", 29)]
    assert versions == (93, 93)
