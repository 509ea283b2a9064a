"""What one wake of a step did, in numbers and names, for every stage; plain data, nothing is done here."""

from dataclasses import dataclass, field, replace

from catchwater.lake.manifest import Ref


@dataclass(frozen=True)
class TableOutcome:
    """Rows of one table (ingest: as captured) or one model (process, load) in this wake."""

    rows: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    quarantined: int = 0
    seconds: float = 0.0

    def plus(self, later: "TableOutcome") -> "TableOutcome":
        return TableOutcome(
            self.rows + later.rows,
            self.added + later.added,
            self.changed + later.changed,
            self.removed + later.removed,
            self.quarantined + later.quarantined,
            self.seconds + later.seconds,
        )


@dataclass(frozen=True)
class Failure:
    """One table or model that didn't come through; `error` is its class in errors.py, `message` its text."""

    what: str
    error: str
    message: str
    check: str = ""
    count: int = 0
    sample: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """`batches` are those committed by this wake; `tables` by table or model name; `skipped` are held back
    because of a failure elsewhere. Ingest counts in `rows_in` what the source delivered and in `rows_out`
    what was committed; process and load count the input versions and the rows written.
    `warnings` are those of the notes that people are alerted of."""

    step: str
    stage: str
    batches: tuple[Ref, ...] = ()
    rows_in: int = 0
    rows_out: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    quarantined: int = 0
    seconds: float = 0.0
    tables: dict[str, TableOutcome] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    skipped: tuple[str, ...] = ()
    more: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def moved(self) -> bool:
        """Whether anything was committed."""
        return bool(self.batches)

    @property
    def failed(self) -> bool:
        return bool(self.failures)

    def plus(self, later: "Outcome") -> "Outcome":
        """Both wakes of one step as one."""
        tables = dict(self.tables)
        for name, table in later.tables.items():
            tables[name] = tables[name].plus(table) if name in tables else table
        return replace(
            self,
            batches=self.batches + later.batches,
            rows_in=self.rows_in + later.rows_in,
            rows_out=self.rows_out + later.rows_out,
            added=self.added + later.added,
            changed=self.changed + later.changed,
            removed=self.removed + later.removed,
            quarantined=self.quarantined + later.quarantined,
            seconds=self.seconds + later.seconds,
            tables=tables,
            notes=self.notes + tuple(note for note in later.notes if note not in self.notes),
            failures=self.failures + tuple(f for f in later.failures if f not in self.failures),
            skipped=later.skipped,
            more=later.more,
            warnings=self.warnings + tuple(text for text in later.warnings if text not in self.warnings),
        )
