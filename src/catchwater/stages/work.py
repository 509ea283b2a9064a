"""What one model's computation is given and gives back; the names of its relations. Nothing is computed here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from catchwater.lake.difference import Counts
from catchwater.lake.log import Log
from catchwater.lake.manifest import Draft, File, Manifest, Ref, TableBatch
from catchwater.plan.plan import Model, Plan
from catchwater.ports import Ports
from catchwater.project.tables import Column
from catchwater.stages.inputs import held_columns

if TYPE_CHECKING:
    import duckdb

HELD = "#held"
EVERYTHING = "#everything"
CHANGED = "#changed"
STATE = "#state"
INTO = "#difference"
OUT = "#out"
NO_CHANGE = Counts()
KEYLESS = (Column("_version", "VARCHAR"), Column("_occurrence", "INTEGER"))


@dataclass(frozen=True)
class Work:
    """What a model is to be computed from. `news` are the batches after those recorded, `whole` gives all of a
    log up to this wake's offset; `fresh`: the model itself is new or changed; `still`: no row it reads moved; `anew`:
    the rows held are to be forgotten, whatever they are; `entire`: all of an incremental model is computed once."""

    ports: Ports
    plan: Plan
    model: Model
    head: Manifest | None
    inputs: tuple[Ref, ...]
    news: dict[str, list[Manifest]]
    whole: Callable[[str], Sequence[Manifest]]
    fresh: bool
    still: bool
    run: str
    anew: bool = False
    entire: bool = False

    @property
    def incremental(self) -> bool:
        return self.model.materialized == "incremental" and not self.fresh and not self.entire


@dataclass(frozen=True)
class Computed:
    """What was committed: `counts` of the model's rows, `rows` written."""

    batches: tuple[Manifest, ...]
    counts: Counts = NO_CHANGE
    rows: int = 0
    quarantined: int = 0
    notes: tuple[str, ...] = ()
    news: dict[str, list[Manifest]] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """A file of rows, and how many."""

    path: Path
    rows: int


@dataclass(frozen=True)
class Computing:
    """One computation: `anew` says that the rows held can't be compared with those of the model as it is now;
    `first` are the files that have all rows already, when they are new; `rows` is the SELECT that gives them in DuckDB
    (the model's own, unless another engine has computed them); `notes` are for people; `again`: rows that were
    computed before may be among those of an incremental model."""

    work: Work
    con: "duckdb.DuckDBPyConnection"
    log: Log
    folder: Path
    draft: Draft
    anew: bool = False
    first: tuple[Part, ...] = ()
    rows: str = ""
    notes: tuple[str, ...] = ()
    again: bool = False

    @property
    def sql(self) -> str:
        return self.rows or self.model.sql

    @property
    def model(self) -> Model:
        return self.work.model


def table_batch(model: Model, count: int | None, files: tuple[File, ...] = ()) -> TableBatch:
    return TableBatch(held_columns(model), model.key, sum(file.rows for file in files), files, count)


def count_before(work: Work) -> int:
    held = work.head.tables.get(work.model.name) if work.head else None
    return (held.count or 0) if held else 0
