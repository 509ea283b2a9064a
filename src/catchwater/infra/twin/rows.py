"""Row for row: the source's tables against the lake, the warehouse's against the models computed anew from the lake."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from catchwater.errors import MissingExtra, TwinFailed
from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest, Ref
from catchwater.lake.read import create_current, create_history
from catchwater.plan.plan import Plan, Step
from catchwater.ports import Ports, Store
from catchwater.project.names import literal, quote
from catchwater.stages.load import load
from catchwater.stages.process import process
from catchwater.wiring import SystemClock, Wiring, adapter

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Compared:
    """One table on both sides: `left` and `right` are numbers of rows, `equal` whether all values are."""

    table: str
    left: int
    right: int
    equal: bool

    @property
    def text(self) -> str:
        sign = "=" if self.equal else "≠"
        differ = " (values differ)" if self.left == self.right and not self.equal else ""
        return f"{self.table} {self.left:,} {sign} {self.right:,}{differ}"


def captured(plan: Plan, source: str, url: str, store: Store) -> list[Compared]:
    """Every table of a Postgres source against the current rows of its log."""
    found = []
    with _attached(url, "there") as con:
        batches = Log(store, f"ingestion/{source}").batches(None)
        for table in plan.source(source).tables:
            create_history(con, "history", store, batches, table.name)
            create_current(con, "here", "history", table.key)
            schema, _, name = table.name.rpartition(".")
            there = f"SELECT {_columns(con, 'here', table)} FROM {quote(schema or 'public')}.{quote(name)}"
            con.execute(f"CREATE OR REPLACE TEMP TABLE there AS FROM postgres_query('there', {literal(there)})")
            columns = [column.name for column in table.columns]
            left, right = _sum(con, "there", columns), _sum(con, "here", columns)
            found.append(Compared(table.name, left[0], right[0], left == right))
    return found


def _columns(con: "duckdb.DuckDBPyConnection", view: str, table: object) -> str:
    """The table's columns as Postgres is to give them: what the lake keeps as text, as its text."""
    kinds = dict(con.execute(f"SELECT column_name, column_type FROM (DESCRIBE {quote(view)})").fetchall())
    names = [column.name for column in table.columns]  # type: ignore[attr-defined]
    return ", ".join(f"{quote(n)}::text AS {quote(n)}" if kinds[n] == "VARCHAR" else quote(n) for n in names)


def loaded(plan: Plan, url: str, schema: str, oracle: Path) -> list[Compared]:
    """Every table of a Postgres warehouse against `oracle`, the DuckDB warehouse that the same lake gives."""
    found = []
    with _attached(url, "there") as con:
        con.execute(f"ATTACH {literal(str(oracle))} AS expected (READ_ONLY)")
        for name in tables(plan):
            kinds = con.execute(f"SELECT column_name FROM (DESCRIBE expected.main.{quote(name)})").fetchall()
            columns = [row[0] for row in kinds]
            there = _sum(con, f"there.{quote(schema)}.{quote(name)}", columns, plain=False)
            expected = _sum(con, f"expected.main.{quote(name)}", columns, plain=False)
            found.append(Compared(name, there[0], expected[0], there == expected))
    return found


def tables(plan: Plan) -> list[str]:
    """The tables that the models become in a warehouse."""
    return [name for m in plan.models for name in [m.name, *([f"{m.name}_current"] if m.history else [])]]


def _sum(con: "duckdb.DuckDBPyConnection", relation: str, columns: list[str], *, plain: bool = True) -> tuple[int, int]:
    """How many rows, and a sum over the hashes of all their values, whatever their order."""
    values = ", ".join(f"{quote(name)}::VARCHAR" for name in columns)
    name = quote(relation) if plain else relation
    row = con.execute(f"SELECT count(*), coalesce(sum(hash({values})::HUGEINT), 0) FROM {name}").fetchone()
    assert row is not None  # noqa: S101 (an aggregate has a row)
    return int(row[0]), int(row[1])


@contextmanager
def computed(plan: Plan, wiring: Wiring, store: Store) -> Iterator[Path]:
    """A DuckDB warehouse made by the embedded engine from the ingestion logs alone; gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="catchwater-oracle-") as made:
        folder = Path(made)
        processed = adapter("store", "local")(folder / "processed")
        settings = replace(wiring.settings(), folder=folder, state=folder)
        warehouse = adapter("warehouse", "duckdb")("duckdb", None, settings)
        ports = Ports({"ingestion": store, "processed": processed}, wiring.engine(), SystemClock(), None, warehouse)
        try:
            for step in plan.steps:
                _run(ports, plan, step)
        finally:
            warehouse.close()
        yield _front(folder / "warehouse")


def _run(ports: Ports, plan: Plan, step: Step) -> None:
    stage = {"process": process, "load": load}.get(step.stage)
    if stage is None:
        return
    outcome = stage(ports, plan, step, "twin")
    if outcome.failures:
        raise TwinFailed(f"the embedded engine failed: {outcome.failures[0].message}", where=step.name)


def _front(folder: Path) -> Path:
    import json

    return folder / str(json.loads((folder / "current.json").read_text())["file"])


@contextmanager
def _attached(url: str, name: str) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A connection in which a Postgres is attached, read only; no message holds its URL."""
    import duckdb

    with duckdb.connect(config={"threads": 2, "memory_limit": "1GB"}) as con:
        con.load_extension(str(_extension(duckdb.__version__)))
        con.execute("SET TimeZone = 'UTC'")
        try:
            con.execute(f"ATTACH {literal(url)} AS {quote(name)} (TYPE postgres, READ_ONLY)")
        except duckdb.Error as error:
            raise TwinFailed("a database of the twin can't be read", where=name) from _without(error, url)
        yield con


def _without(error: Exception, url: str) -> Exception:
    return RuntimeError(str(error).replace(url, "…"))


def _extension(version: str) -> Path:
    spec = find_spec("duckdb_extension_postgres_scanner")
    places = (spec.submodule_search_locations or []) if spec else []
    found = [Path(place) / "extensions" / f"v{version}" / "postgres_scanner.duckdb_extension" for place in places]
    if not found or not found[0].exists():
        raise MissingExtra("duckdb-extension-postgres-scanner", "postgres")
    return found[0]


class Progress:
    """How far a project's logs are, asked with few requests; what was found once is remembered."""

    def __init__(self, plan: Plan, ingestion: Store, processed: Store) -> None:
        self._captured = [Log(ingestion, f"ingestion/{source.name}") for source in plan.sources]
        tables = [model.name for model in plan.models if model.materialized != "view"]
        self._made = [Log(processed, f"processed/{name}") for name in tables]

    def captured(self) -> int:
        """The numbers of all sources' newest batches together: it grows by one with each."""
        return sum(head.seq for head in (log.head() for log in self._captured) if head)

    def processed(self) -> dict[str, tuple[int, str]] | None:
        """The newest batch of every model, once each was made from all that is captured; else None."""
        heads = {log.name: log.head() for log in self._captured}
        if not all(heads.values()):
            return None
        found = {}
        for log in self._made:
            head = log.head()
            if head is None or any(not _newest(ref, heads.get(ref.log)) for ref in head.inputs):
                return None
            found[log.name] = (head.seq, head.hash)
        return found


def _newest(ref: Ref, head: Manifest | None) -> bool:
    return head is None or ref.seq == head.seq
