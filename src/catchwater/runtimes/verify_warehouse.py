"""The warehouse as last published against the models' logs at its cut; nothing is loaded here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catchwater.errors import CatchwaterError, ChainBroken
from catchwater.lake.hashed import content_hash
from catchwater.lake.log import Log
from catchwater.lake.read import create_state
from catchwater.plan.plan import Model, Plan
from catchwater.ports import Reading, Version
from catchwater.project.names import literal, quote
from catchwater.project.tables import Column
from catchwater.runtimes.findings import Finding, Verdict
from catchwater.runtimes.findings import rows as counted
from catchwater.runtimes.opened import complete
from catchwater.runtimes.records import Records
from catchwater.stages.compute import in_memory
from catchwater.stages.inputs import held_columns, latest, since_reset
from catchwater.wiring import Wiring

if TYPE_CHECKING:
    import duckdb

AREA = "warehouse"
GROUPS = 4096
FETCHED = 50_000
NAMED = 5
HELD = "#verify#held"
Marker = tuple[int, str]


def verify_warehouse(plan: Plan, wiring: Wiring, models: Sequence[Model], verdict: Verdict) -> None:
    """The tables of these models, into `verdict`: their rows where DuckDB reads the warehouse, else their number."""
    tables = [model for model in models if model.materialized != "view"]
    kind = str(plan.warehouse["kind"])
    try:
        warehouse = wiring.warehouse()
        version = warehouse.version()
        if version is None:
            _nothing(plan, wiring, kind, verdict)
            return
        for model in tables:  # each as published then: a version that is read for long would hold up the next loads
            with warehouse.read() as reading:
                _Comparison(wiring, reading, kind).model(model, verdict)
    except CatchwaterError as error:
        verdict.failed(AREA, kind, error)
    finally:
        wiring.close()


def _nothing(plan: Plan, wiring: Wiring, kind: str, verdict: Verdict) -> None:
    """No version is there: as it should be before the first load, and wrong after one."""
    steps = Records(wiring.state).steps()
    loaded = [
        steps[s.name]["last_ok"] for s in plan.steps if s.stage == "load" and steps.get(s.name, {}).get("last_ok")
    ]
    if not loaded:
        verdict.skipped(AREA, kind, "nothing was loaded yet")
        return
    said = f"nothing is published, or its file isn't as it was published, though a load went well at {loaded[0]}"
    verdict.wrong(Finding(AREA, kind, said, "catchwater run, which loads it anew from the logs"), kind)


@dataclass(frozen=True)
class _Table:
    """One table of the warehouse: its name, the SELECT over the model's log, its columns, and what identifies a row."""

    model: Model
    name: str
    held: str
    columns: Sequence[Column]
    key: tuple[str, ...]


class _Comparison:
    """One published version in a warehouse of this kind; DuckDB reads the rows of all but BigQuery's here."""

    def __init__(self, wiring: Wiring, reading: Reading, kind: str) -> None:
        self.wiring, self.reading, self.kind = wiring, reading, kind
        self.rows = kind != "bigquery"
        self.version: Version = reading.version
        self.store = wiring.store("processed")

    def model(self, model: Model, verdict: Verdict) -> None:
        import duckdb

        log = Log(self.store, f"processed/{model.name}")
        marker = self.version.cut.get(log.name)
        if marker is None:
            verdict.skipped(AREA, model.name, "not loaded yet")
            return
        if self.version.models.get(model.name, model.shape) != model.shape:
            verdict.skipped(AREA, model.name, "the model was changed since it was loaded: catchwater run")
            return
        try:
            self._tables(model, log, marker, verdict)
        except CatchwaterError as error:
            verdict.failed(AREA, model.name, error)
        except duckdb.Error as error:
            said = str(error).strip().split("\n")[0]
            verdict.wrong(
                Finding(AREA, model.name, f"the table can't be read: {said}", f"catchwater replay {model.name}"),
                model.name,
            )

    def _tables(self, model: Model, log: Log, marker: Marker, verdict: Verdict) -> None:
        """NAME, and of a history NAME_current."""
        batch = log.read(marker[0])
        if batch.hash != marker[1]:
            raise ChainBroken(
                f"batch {marker[0]} of its log isn't the one that was loaded",
                where=model.name,
                next_step=f"restore the newer lake, or catchwater replay {model.name}",
            )
        columns = held_columns(model)
        tables = [_Table(model, model.name, f"FROM {quote(HELD)}", columns, model.key)]
        if model.history:
            names = ", ".join(quote(column.name) for column in model.columns)
            current = f"SELECT {names} FROM ({latest(model, HELD)})"
            tables.append(_Table(model, f"{model.name}_current", current, model.columns, model.entity))
        batches = since_reset(log.span(marker[0]))
        for table in tables:

            def compare(con: "duckdb.DuckDBPyConnection", table: _Table = table) -> None:
                create_state(con, HELD, self.store, batches, model.name, columns, model.key)
                self._table(con, table, verdict)

            in_memory(self.wiring.engine(), compare)

    def _table(self, con: "duckdb.DuckDBPyConnection", table: _Table, verdict: Verdict) -> None:
        name = table.name
        compared, left_out = self._compared(name, table.columns) if self.rows else ({}, ())
        pair = _Pair(con, self.reading.connection, f"({table.held})", quote(name), compared)
        here, there = pair.counts()
        numbers = {"rows": there, "lake": here}
        groups = pair.groups() if compared else {}
        if here != there or groups:
            shown = "".join(f"\n    {line}" for line in pair.named(table.key, groups))
            said = f"{counted(there)}, its log has {here:,}" if here != there else "its rows aren't those of its log"
            verdict.wrong(Finding(AREA, name, f"{said}{shown}", self._next(table.model)), name, **numbers)
            return
        said = "equal" if compared else "their number is equal"
        if compared and left_out:
            said = f"equal, but for the columns whose type is another there: {', '.join(left_out)}"
        head = complete(Log(self.store, f"processed/{table.model.name}"))
        seen = self.version.cut[f"processed/{table.model.name}"][0]
        if head is not None and head.seq > seen:
            verdict.pending(
                AREA, name, f"{counted(there)} {said} up to batch {seen}; {head.seq - seen} wait", **numbers
            )
        else:
            verdict.equal(AREA, name, f"{counted(there)} {said}", **numbers)

    def _next(self, model: Model) -> str:
        how = ", which says how to empty a table in a database of yours" if self.kind == "postgres" else ""
        return f"catchwater replay {model.name}{how}"

    def _compared(self, name: str, columns: Sequence[Column]) -> tuple[dict[str, str], tuple[str, ...]]:
        """The columns that come back from the warehouse with the type that they have in the lake, and the others."""
        described = self.reading.connection.execute(f"DESCRIBE {quote(name)}").fetchall()
        there = {str(row[0]): str(row[1]) for row in described}
        same = {column.name: column.type for column in columns if there.get(column.name) == column.type}
        return same, tuple(column.name for column in columns if column.name not in same)


class _Pair:
    """A relation of the lake (`held`) and a table of the warehouse (`table`), compared by sums of hashes of groups of
    rows, so that no row leaves its side unless its group differs."""

    def __init__(
        self,
        here: "duckdb.DuckDBPyConnection",
        there: "duckdb.DuckDBPyConnection",
        held: str,
        table: str,
        columns: Mapping[str, str],
    ) -> None:
        self.sides = ((here, held), (there, table))
        self.columns = columns
        self.row = content_hash(columns)

    def counts(self) -> tuple[int, int]:
        found = [con.execute(f"SELECT count(*) AS n FROM {rows}").fetchone() for con, rows in self.sides]
        return (int(found[0][0]) if found[0] else 0, int(found[1][0]) if found[1] else 0)

    def groups(self) -> Mapping[int, int]:
        """Number of a group → rows in it here and there, of the groups that differ."""
        sql = (
            f"SELECT (h % {GROUPS})::INTEGER AS g, count(*) AS n, sum(h::HUGEINT)::VARCHAR AS s "
            "FROM (SELECT {row} AS h FROM {rows}) GROUP BY 1"
        )
        sums = [
            {g: (n, s) for g, n, s in con.execute(sql.format(row=self.row, rows=rows)).fetchall()}
            for con, rows in self.sides
        ]
        differ = {g for g in sums[0].keys() | sums[1].keys() if sums[0].get(g) != sums[1].get(g)}
        return {g: sum(side.get(g, (0, ""))[0] for side in sums) for g in sorted(differ)}

    def named(self, key: Sequence[str], groups: Mapping[int, int]) -> list[str]:
        """Some rows that differ: those whose hash stands on one side only, in as many groups as are small enough."""
        wanted: list[int] = []
        size = 0
        for group, rows in groups.items():
            size += rows
            if wanted and size > FETCHED:
                break
            wanted.append(group)
        if not wanted:
            return []
        shown = [name for name in key if name in self.columns] or list(self.columns)[:3]
        label = ", ".join(f"{literal(name + ' = ')} || coalesce({quote(name)}::VARCHAR, 'NULL')" for name in shown)
        some = ", ".join(map(str, wanted))
        sql = (
            f"SELECT {{row}}::VARCHAR AS h, left(concat_ws(', ', {label}), 200) AS label FROM {{rows}} "
            f"WHERE ({{row}} % {GROUPS})::INTEGER IN ({some})"
        )
        here, there = (con.execute(sql.format(row=self.row, rows=rows)).fetchmany(FETCHED) for con, rows in self.sides)
        return _told(dict(set(here) - set(there)), dict(set(there) - set(here)))


def _told(here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """A line per row: one whose key is on both sides has other values, else it is on one side only."""
    lake, warehouse = set(here.values()), set(there.values())
    lines = [f"{label} has other values than its log" for label in sorted(lake & warehouse)]
    lines += [f"{label} is missing" for label in sorted(lake - warehouse)]
    lines += [f"{label} isn't in its log" for label in sorted(warehouse - lake)]
    return lines[:NAMED] + ([f"… and {len(lines) - NAMED:,} more"] if len(lines) > NAMED else [])
