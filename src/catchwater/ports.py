"""Every plug point on one page: what a stage may ask of the outside world. Protocols and their data, no code.

A new source, store or warehouse is one file that fits one of these, one line in wiring, one class in
project/schema.py, and the contract suite of its port.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from catchwater.plan.plan import Model
from catchwater.project.tables import Column, TableSchema

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Settings:
    """What an adapter is built with: `Adapter(name, spec, settings)`, `spec` a class of project/schema.py.

    `state` is the project's `.catchwater`; `resolve` replaces `${NAME}` and `${secret:NAME}` in a text and raises
    SecretMissing by name. `variables` are the process's own (endpoints and regions of clouds are read there);
    `queues` has, where the project is deployed, the queue of each source that listens, and in `inbox` wait the messages
    that requests brought. `lines` says where the project file has each key: file, line, column.
    """

    folder: Path
    state: Path
    environment: str
    resolve: Callable[[str], str]
    project: str = ""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    queues: Mapping[str, str] = field(default_factory=dict)
    inbox: "Inbox | None" = None
    lines: Mapping[tuple[str | int, ...], tuple[str, int, int]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Delivered:
    """A message that a request brought; `published` in seconds, by the queue's clock."""

    id: str
    published: float
    body: bytes
    attributes: Mapping[str, str] = field(default_factory=dict)


class Inbox(Protocol):
    """The messages that requests brought to a handler: each request waits until the log holds its message."""

    def waiting(self) -> Sequence[Delivered]:
        """Those that aren't settled, in the order they came."""
        ...

    def settle(self, ids: Collection[str]) -> None:
        """The log holds these."""
        ...


@dataclass(frozen=True)
class Stored:
    key: str
    size: int
    modified: datetime


class Store(Protocol):
    """The objects of one zone. Keys are relative, `/`-separated; nothing is ever overwritten or deleted here.

    Raises NotFound, AlreadyExists, Uncertain, LakeError.
    """

    def head(self, key: str) -> int | None:
        """Size in bytes, or None when there is no such object."""
        ...

    def read(self, key: str) -> bytes: ...
    def create(self, key: str, data: bytes) -> None:
        """Create if absent, durable on return. AlreadyExists: an object is there (it may be our own, after a
        retry); Uncertain: no answer, so read back."""
        ...

    def upload(self, key: str, path: Path, *, ours: bool = False) -> None:
        """Store a local file under a new random key, durable on return. A file of `ours` may become the object itself,
        and is then gone from where it was."""
        ...

    def fetch(self, key: str) -> Path:
        """A local path that holds the object's bytes (the object itself, or a cached copy); read only."""
        ...

    def list(self, prefix: str) -> Iterator[Stored]: ...


@dataclass(frozen=True)
class TableHeld:
    """What the log holds of one table: its last schema, and the count and checksum that the source gave then.

    `state` is what the source wrote as `position["tables"][table]` at that time; with `reading` in it, parts of the
    table are still to come, and no model reads it.
    """

    schema: TableSchema
    count: int | None
    checksum: str | None
    state: Mapping[str, Any]


@dataclass(frozen=True)
class Held:
    """What a source may know of its own log: the head's position, the tables, and the rows now current.

    `current(con, table)` creates a view in `con` over the current rows (`_op` is 'upsert' in all of them;
    columns of the table, then `_seq _id _op _at _version _exact`), and returns its quoted name;
    it raises KeyError for a table that isn't in `tables`. `positions(moment)` are the positions of the batches
    committed at that moment or later, newest first.
    """

    position: Mapping[str, Any] | None
    tables: Mapping[str, TableHeld]
    current: Callable[["duckdb.DuckDBPyConnection", str], str]
    positions: Callable[[datetime], Iterator[Mapping[str, Any]]] = lambda moment: iter(())


@dataclass(frozen=True)
class Captured:
    """New versions of one table, in Parquet files under the work folder.

    Each file has the table's columns, then `_op VARCHAR` ('upsert' or 'delete'; a delete carries the last values
    held), `_at TIMESTAMPTZ` (the source's clock), `_version VARCHAR` (xmin, message id, ETag, …; may be NULL),
    `_exact MAP(VARCHAR, VARCHAR)` (text of values that the column's type can't hold; NULL when none).
    `count` and `checksum` describe the whole table as the source has it. Where `revised` of the rows replace a version
    that is held (`_rev BIGINT`, its `_id`), every file has `_rev`, NULL in the others: no new version is made of them,
    and they carry the `_op` and `_at` of the version that they replace.
    """

    schema: TableSchema
    files: tuple[Path, ...] = ()
    rows: int = 0
    count: int | None = None
    checksum: str | None = None
    revised: int = 0


@dataclass(frozen=True)
class Refused:
    """One row or message that can't be taken: where it stood, why, and its text (capped at 64 KiB)."""

    table: str
    where: str
    reason: str
    text: str


@dataclass(frozen=True)
class Extraction:
    """One batch to commit. `rows_read` counts what the source delivered, `raw` are files kept as they came.
    `settle` is called once the batch is committed (messages are acknowledged there, never before).
    A long reading is a series of batches, numbered by `part`, of which only the last is `complete`: no model reads
    beyond the last complete batch. `more`: there is another batch to take at once. `notes` are for whoever looks;
    `warnings` are notes that people are alerted of (rows found late, a position that doesn't move)."""

    position: dict[str, Any]
    tables: dict[str, Captured]
    raw: tuple[Path, ...] = ()
    refused: tuple[Refused, ...] = ()
    rows_read: int = 0
    more: bool = False
    notes: tuple[str, ...] = ()
    settle: Callable[[], None] | None = None
    part: int | None = None
    complete: bool = True
    warnings: tuple[str, ...] = ()


class Source(Protocol):
    """Raises SourceUnreachable, SourceRefused, SourceBusy, SecretMissing, GrantMissing."""

    def describe(self) -> tuple[TableSchema, ...]:
        """The tables that exist now, by name."""
        ...

    def capture(self, tables: Sequence[str], held: Held, work: Path) -> Extraction | None:
        """What is new in these tables (and no others) since `held`, files written under `work`; None when nothing
        at all is new. A planned table that no longer exists is SourceRefused by name."""
        ...


@dataclass(frozen=True)
class Compared:
    """One table held against its source: `equal` rows, `pending` ones that changed there after the last capture, and
    what must never be: `lost` (there, not here), `stale` (the same version, other values), `ghosts` (here, not there
    though nothing was deleted since). `keys` names some of the rows that are wrong, as text; `note` says why a table
    couldn't be compared as it should."""

    equal: int
    pending: int = 0
    lost: int = 0
    stale: int = 0
    ghosts: int = 0
    keys: tuple[str, ...] = ()
    note: str = ""

    @property
    def wrong(self) -> int:
        return self.lost + self.stale + self.ghosts


@runtime_checkable
class Comparable(Source, Protocol):
    """A source that can be asked again for what it once delivered."""

    def compare(self, tables: Sequence[str], held: Held, work: Path) -> Mapping[str, Compared]:
        """Each table's rows held against those there now; nothing is captured. Raises as capture."""
        ...


@dataclass(frozen=True)
class Survey:
    """What a database has for its user: the `tables` that can be read, `named` as the project file names them, and of
    each other one why not and what would help."""

    tables: tuple[TableSchema, ...]
    named: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


@runtime_checkable
class Surveyed(Source, Protocol):
    """A source from which a project can be begun, even where a part of it can't be read."""

    def survey(self) -> Survey:
        """Raises SourceUnreachable, SecretMissing."""
        ...


@runtime_checkable
class Advising(Source, Protocol):
    """A source that knows beforehand what its reading costs."""

    def advice(self, every: float | None) -> tuple[str, ...]:
        """For people, when it is read every `every` seconds (None: by no schedule): what is left out and why, what
        would cost less. Raises as describe."""
        ...


@runtime_checkable
class Rewinding(Source, Protocol):
    """A source that can read again what it has delivered."""

    def rewound(self, tables: Sequence[str], held: Held, since: datetime | None) -> dict[str, Any]:
        """The position from which the next captures read these tables again, whole or since a moment: what is the
        same as held isn't written again. Raises UseError for a moment that this source knows nothing of."""
        ...


@dataclass(frozen=True)
class Aside:
    """What one batch, committed `at`, set aside; `raw` are the files that it kept as they came."""

    refused: tuple[Refused, ...]
    raw: tuple[Path, ...]
    at: datetime


@runtime_checkable
class Replaying(Source, Protocol):
    """A source whose rows in quarantine hold all that is needed to try them again."""

    def replay(self, aside: Aside, held: Held, work: Path) -> Extraction:
        """One batch of these rows as they are read with the schema of now (its position isn't used). Those that still
        can't be taken are refused again, with a reason."""
        ...


@dataclass(frozen=True)
class LoadBatch:
    """One processed batch for one table: Parquet files with the model's columns and `_removed BOOLEAN`."""

    model: Model
    seq: int
    hash: str
    previous: str | None
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Loaded:
    """Rows changed by a load, summed over its tables; `tables` has the same by model, `notes` what was unusual."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    tables: Mapping[str, "Loaded"] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class WarehouseSession(Protocol):
    """One load, invisible to readers until the session ends without an exception."""

    def markers(self) -> dict[str, tuple[int, str]]:
        """Log → (seq, hash) of the last batch applied."""
        ...

    def prepare(self, models: Sequence[Model]) -> None:
        """Create, adopt or widen tables and views; raises TableDiffers naming every differing column."""
        ...

    def retire(self, keep: Collection[str]) -> None:
        """Drop what was made of models that aren't in `keep`; tables in somebody's database stay."""
        ...

    def reset(self, model: Model) -> None:
        """Empty a model's tables and forget its marker; WarehouseError where they aren't ours to empty."""
        ...

    def apply(self, batches: Sequence[LoadBatch]) -> Loaded:
        """All of them in one transaction, each with its marker; one already applied is a no-op."""
        ...


@dataclass(frozen=True)
class Version:
    """What readers see: a number that grows, for every log the batch up to which it is loaded, and for every
    model the `shape` that its table has."""

    number: int
    cut: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Beside(Protocol):
    """A session that writes beside what readers have, which is `front` for as long as the session lasts."""

    @property
    def front(self) -> Version | None: ...


class Warehouse(Protocol):
    """Raises WarehouseBusy, TableDiffers, WarehouseError."""

    def load(self, cut: Mapping[str, tuple[int, str]]) -> AbstractContextManager[WarehouseSession]:
        """Publishes `cut` as a new version when the block ends without an exception."""
        ...

    def version(self) -> Version | None: ...
    def read(self) -> AbstractContextManager["Reading"]:
        """A consistent view of one version, for as long as the block lasts."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Extract:
    """Rows of one table and how they are shown.

    `sql` is a plain SELECT of `columns`, with `?` for each of `values`; `sort` its ORDER BY and `cut` its LIMIT and
    OFFSET (each may be empty): these the warehouse runs wherever it is. `shown` are expressions over the columns of
    `name`, in DuckDB's SQL.
    """

    sql: str
    values: Sequence[Any]
    columns: Sequence[Column]
    shown: str
    name: str
    sort: str = ""
    cut: str = ""


class Reading(Protocol):
    """`connection` is a DuckDB cursor in which the warehouse's tables have plain names; a warehouse that isn't
    DuckDB runs there what it can and refuses the rest (UseError)."""

    @property
    def version(self) -> Version: ...
    @property
    def connection(self) -> "duckdb.DuckDBPyConnection": ...
    def select(self, extract: Extract) -> "duckdb.DuckDBPyConnection":
        """A cursor over the shown rows."""
        ...


class Engine(Protocol):
    """What computes a model's SELECT."""

    def describe(self, sql: str, tables: Mapping[str, Sequence[Column]], macros: str = "") -> tuple[Column, ...]:
        """Output columns of a SELECT over empty tables (alias → columns); raises ProjectError with line and
        column of the SELECT when it can't be bound."""
        ...

    def connect(self, *, roomy: bool = False) -> "duckdb.DuckDBPyConnection":
        """A private connection with a memory limit and a folder to spill to; `roomy`: with as much memory as may be
        had, for what doesn't fit into little even with spilling."""
        ...


@dataclass(frozen=True)
class Piece:
    """One Parquet file of a relation. `place` is a local path, or a URL for an engine on other machines; `base` is
    the number of its first row (`_seq << 24 | row`), `columns` what it holds, `keyed` whether its table has a key;
    where it `revises`, rows with a `_rev` replace the version of that number."""

    place: str
    base: int
    columns: tuple[Column, ...]
    keyed: bool
    revises: bool = False


@dataclass(frozen=True)
class Relation:
    """What a SELECT reads as `alias`, with `columns` in this order. `rows` of the pieces: `versions` (all), `validity`
    (all, with `_valid_from _valid_to _is_current`), `current` (newest per key, deletes absent), `state` (newest per key
    of a model, removed ones absent), `latest` (of those, the newest per `entity` by `order`), or `view`: of `sql`.
    An empty `key` is that of a table without one."""

    alias: str
    columns: tuple[Column, ...]
    rows: str
    pieces: tuple[Piece, ...] = ()
    key: tuple[str, ...] = ()
    entity: tuple[str, ...] = ()
    order: str = ""
    sql: str = ""
    macros: str = ""
    exact: bool = False


@dataclass(frozen=True)
class Selection:
    """A SELECT in DuckDB's SQL over relations (views after what they read), and the columns that it must give."""

    sql: str
    relations: tuple[Relation, ...]
    columns: tuple[Column, ...]
    macros: str = ""


@runtime_checkable
class Distributed(Engine, Protocol):
    """An engine of other machines. `remote`: these don't see the files of this one, only URLs of the stores."""

    remote: bool

    def unfit(self, selection: Selection) -> str:
        """Why this engine wouldn't give what DuckDB gives from these files; empty when it does."""
        ...

    def select(self, selection: Selection, place: str) -> None:
        """Writes the rows as Parquet files in `<place>/rows/`, in types that DuckDB casts to the columns without a
        change, and the `_exact` of each relation that has `exact`, where it isn't NULL, in `<place>/exact-<alias
        number>/`. Raises ModelFailed."""
        ...


@dataclass(frozen=True)
class Rewrite:
    """One Parquet file to read, check and write anew: `columns` in this order, those that it lacks NULL, and then
    `_removed`; `identity` may not be NULL. `where` names it in errors."""

    source: str
    target: str
    columns: tuple[Column, ...]
    identity: tuple[str, ...]
    where: str


@runtime_checkable
class Preparing(Engine, Protocol):
    """An engine that prepares the files of batches, many at once, before a warehouse takes them."""

    def rewrite(self, files: Sequence[Rewrite]) -> None:
        """Raises WarehouseError for a file whose rows can't be those of its columns."""
        ...


class Secrets(Protocol):
    """Raises SecretMissing."""

    def read(self, name: str) -> str: ...


class Topic(Protocol):
    """A durable queue. `publish` returns when the messages are on disk."""

    def publish(self, messages: Iterable[bytes], ids: Iterable[str] | None = None) -> int: ...


@dataclass(frozen=True)
class Notice:
    """What is told to people: `event` is failure | recovery | stale | success."""

    event: str
    project: str
    environment: str
    step: str
    subject: str
    body: str
    run: str = ""


class Notifier(Protocol):
    """Raises AlertFailed."""

    def send(self, to: str, notice: Notice) -> None: ...


@dataclass(frozen=True)
class Measured:
    """What one wake of a step measured: `values` by name (rows_in, rows_out, quarantined, failures, seconds,
    successes), counts of this wake and seconds."""

    project: str
    environment: str
    step: str
    stage: str
    run: str
    values: Mapping[str, float]


class Metrics(Protocol):
    """Where measurements go in a cloud; never raises for a measurement that can't be stored."""

    def put(self, measured: Measured) -> None: ...


class Clock(Protocol):
    def now(self) -> datetime:
        """UTC, aware."""
        ...


@dataclass(frozen=True)
class Ports:
    """What one step gets; every member is a guard that holds the step's grants.

    `enough` says that the time a wake may last is nearly over: the stage stops at the batch it has committed, and
    its outcome has `more`. `prepared`: hash of a batch → the keys, in the processed zone, of its files as a Preparing
    engine has written them.
    """

    stores: Mapping[str, Store]
    engine: Engine
    clock: Clock
    source: Source | None = None
    warehouse: Warehouse | None = None
    secrets: Secrets | None = None
    enough: Callable[[], bool] = lambda: False
    prepared: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Operations(Protocol):
    """What the API may ask of the runtime; all answers are plain data."""

    def start_run(self, idempotency_key: str | None) -> dict[str, Any]: ...
    def runs(self, limit: int) -> list[dict[str, Any]]: ...
    def run(self, number: int) -> dict[str, Any] | None: ...
    def status(self) -> dict[str, Any]: ...
    def publish(self, topic: str, messages: Sequence[bytes]) -> int:
        """Raises KeyError for a topic that isn't declared."""
        ...

    def webhook(self, source: str, headers: Mapping[str, str], body: bytes) -> str:
        """The delivery's id once stored. Raises KeyError (no such source), PermissionError (bad signature)."""
        ...

    def metrics(self) -> str: ...
