"""Lakes and warehouses in which something was changed behind Catchwater's back, for what must find it."""

from dataclasses import replace
from pathlib import Path

import duckdb

from catchwater.adapters.stores.local import LocalStore
from catchwater.lake.log import Log, stamp
from catchwater.lake.manifest import Draft, Manifest
from catchwater.project.names import literal
from catchwater.wiring import SystemClock


def log_of(project: Path, name: str) -> Log:
    """A log of a project's lake on this machine, `ingestion/<source>` or `processed/<model>`."""
    return Log(LocalStore(project / ".catchwater" / "lake" / name.partition("/")[0]), name)


def rewrite(log: Log, table: str, seq: int, select: str) -> Manifest:
    """Commit one more batch: `select` over `held`, the rows of `table` that batch `seq` has, as they stand in its files."""
    head, batch = log.head(), log.read(seq)
    assert head is not None
    files = [str(log.store.fetch(file.path)) for file in batch.tables[table].files]
    path = Path(str(log.store.fetch(batch.tables[table].files[0].path))).with_name("tampered.parquet")
    with duckdb.connect() as con:
        con.execute(f"CREATE VIEW held AS FROM read_parquet([{', '.join(map(literal, files))}])")
        row = con.execute(f"COPY ({select}) TO {literal(str(path))} (FORMAT parquet)").fetchone()
    rows = int(row[0]) if row else 0
    staged = log.stage(path, rows)
    path.unlink(missing_ok=True)
    tables = {name: replace(one, rows=0, files=(), revised=0) for name, one in head.tables.items()}
    tables[table] = replace(tables[table], rows=rows, files=(staged,))
    now = stamp(SystemClock().now())
    draft = Draft(head.stage, head.version, "tampered", now, head.inputs, head.position, tables=tables)
    return log.commit(draft, head)


def warehouse(project: Path, *statements: str) -> None:
    """Run statements in the file that readers of a DuckDB warehouse have."""
    import json

    folder = project / ".catchwater" / "warehouse"
    current = json.loads((folder / "current.json").read_text())
    size = (folder / current["file"]).stat().st_size
    with duckdb.connect(str(folder / current["file"])) as con:
        for statement in statements:
            con.execute(statement)
    current["size"] = (folder / current["file"]).stat().st_size if "size" in current else size
    (folder / "current.json").write_text(json.dumps(current))
