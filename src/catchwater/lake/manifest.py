"""`query_log.json`: what one batch is. Pure data; its hash is the SHA-256 of its bytes."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache
from typing import Any

from catchwater.errors import Corrupt, LakeError
from catchwater.project import plain
from catchwater.project.names import FILE_COLUMNS, SYSTEM_COLUMNS
from catchwater.project.tables import Column

FORMAT = 1
SEAL = "~sha256"  # sorts after the names of all fields
MAX_ROWS = 1 << 24


@dataclass(frozen=True, order=True)
class Ref:
    """One batch, named so that another log at the same number can't pass for it."""

    log: str
    seq: int
    hash: str


@dataclass(frozen=True)
class File:
    """`path` is relative to the zone; `row_start` is the number of the file's first row within table and batch."""

    path: str
    sha256: str
    rows: int
    bytes: int
    row_start: int = 0


@dataclass(frozen=True)
class TableBatch:
    """`rows` in this batch; `count` and `checksum` of the whole table as held after it (None: not known). `revised` of
    the rows replace a version that an older batch has: then the files have `_rev BIGINT`, its `_id`, NULL elsewhere."""

    schema: tuple[Column, ...]
    key: tuple[str, ...]
    rows: int
    files: tuple[File, ...]
    count: int | None = None
    checksum: str | None = None
    revised: int = 0


@dataclass(frozen=True)
class Rolled:
    """One table up to a batch, in large files: `current` has the rows current then, `history` every version.

    The files have the table's columns as in `schema`, then `_id` and what readers show (those of models: the columns);
    without any file the originals are read. `older` has the versions of other schemas, as they were written."""

    schema: tuple[Column, ...]
    key: tuple[str, ...]
    rows: int
    current: tuple[File, ...] = ()
    history: tuple[File, ...] = ()
    older: tuple["Rolled", ...] = ()


@dataclass(frozen=True)
class Checkpoint:
    """What a log held at batch (`seq`, `hash`), rolled; every later manifest names the newest one."""

    seq: int
    hash: str
    tables: dict[str, Rolled]


@dataclass(frozen=True)
class Quarantined:
    """`sha256` and `bytes` of the file aren't known of batches that an older version wrote."""

    rows: int
    path: str
    sha256: str = ""
    bytes: int = 0


@dataclass(frozen=True)
class Draft:
    """A batch that is not committed: all of a manifest but its number, its predecessor, its write id and time."""

    stage: str
    version: str
    run: str
    started: str
    inputs: tuple[Ref, ...] = ()
    position: dict[str, Any] = field(default_factory=dict)
    part: int | None = None
    complete: bool = True
    tables: dict[str, TableBatch] = field(default_factory=dict)
    raw: tuple[File, ...] = ()
    quarantine: Quarantined | None = None
    timings: dict[str, float] = field(default_factory=dict)
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True)
class Manifest:
    """One committed batch; `log` is `ingestion/<source>` or `processed/<model>`, times are UTC RFC 3339."""

    log: str
    seq: int
    write_id: str
    previous: Ref | None
    stage: str
    version: str
    run: str
    started: str
    committed: str
    inputs: tuple[Ref, ...] = ()
    position: dict[str, Any] = field(default_factory=dict)
    part: int | None = None
    complete: bool = True
    tables: dict[str, TableBatch] = field(default_factory=dict)
    raw: tuple[File, ...] = ()
    quarantine: Quarantined | None = None
    timings: dict[str, float] = field(default_factory=dict)
    checkpoint: Checkpoint | None = None

    def to_bytes(self) -> bytes:
        """The one form of it; its last field is the SHA-256 of all before: no later batch vouches for the head."""
        text = self._text()
        return text[:-1] + b',"' + SEAL.encode() + b'":"' + hashlib.sha256(text).hexdigest().encode() + b'"}'

    def _text(self) -> bytes:
        data = {field.name: getattr(self, field.name) for field in fields(self)}
        data["format"] = FORMAT
        if self.checkpoint is None:
            del data["checkpoint"]
        if self.previous:
            data["previous"] = {"seq": self.previous.seq, "hash": self.previous.hash}
        text = json.dumps(
            data, default=_plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
        )
        return text.encode()

    @cached_property
    def hash(self) -> str:
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @property
    def ref(self) -> Ref:
        return Ref(self.log, self.seq, self.hash)

    def input(self, log: str) -> Ref | None:
        return next((ref for ref in self.inputs if ref.log == log), None)


def _plain(value: object) -> dict[str, Any]:
    """A part of a manifest as JSON has it: an order of magnitude faster than asdict, which copies all that it meets."""
    if isinstance(value, Column):
        return {"name": value.name, "type": value.type, "nullable": value.nullable}
    if isinstance(value, TableBatch) and not value.revised:
        return {name: part for name, part in vars(value).items() if name != "revised"}
    if isinstance(value, Quarantined) and not value.sha256:
        return {"rows": value.rows, "path": value.path}
    if isinstance(value, Ref | File | TableBatch | Quarantined | Checkpoint | Rolled):
        return vars(value)
    raise TypeError(f"{type(value).__name__} has no place in a manifest")


@lru_cache(maxsize=16)
def parse(data: bytes, log: str, seq: int) -> Manifest:
    """The manifest that `to_bytes` wrote as number `seq` of `log`; anything else, by a single byte, is Corrupt.

    The newest batch of a source of 300 tables is read by 300 steps: the last few stay parsed, by their bytes."""
    where = f"{log} batch {seq}"
    try:
        tree = json.loads(data)
        sealed = tree.pop(SEAL, None) is not None  # the first versions wrote none
        if tree.pop("format") != FORMAT:
            raise ValueError(f"written in another format than {FORMAT}")
        if tree["previous"]:
            tree["previous"]["log"] = tree["log"]
        manifest = plain.read(Manifest, tree)
        if (manifest.to_bytes() if sealed else manifest._text()) != data:
            raise ValueError("its bytes aren't those of a manifest")
        if (manifest.log, manifest.seq) != (log, seq):
            raise ValueError(f"it calls itself {manifest.log} batch {manifest.seq}")
        check(manifest)
        vars(manifest)["hash"] = hashlib.sha256(data).hexdigest()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, LakeError) as error:
        reason = error.message if isinstance(error, LakeError) else str(error) or type(error).__name__
        raise Corrupt(
            f"the manifest can't be trusted: {reason}",
            where=where,
            next_step="restore this query_log.json from a copy of the lake; nothing after it is read meanwhile",
        ) from error
    return manifest


def check(manifest: Manifest) -> None:
    """Raises LakeError where a manifest contradicts itself or what readers rely on."""
    seq, previous = manifest.seq, manifest.previous
    if seq < 1 or (previous.seq if previous else 0) != seq - 1:
        raise LakeError("its predecessor isn't the number before", where=manifest.log)
    for name, table in manifest.tables.items():
        where = f"{manifest.log} table {name}"
        _check_rows(where, table)
        if manifest.log.startswith("ingestion/"):
            reserved: tuple[str, ...] = (*SYSTEM_COLUMNS, *(("_rev",) if table.revised else ()))
        else:
            reserved = ("_removed",) if table.key else ("_removed", "_version", "_occurrence")
        check_columns(where, table.schema, reserved)
    _check_checkpoint(manifest)
    folder = manifest.log.partition("/")[2] + "/"
    quarantined = [manifest.quarantine.path] if manifest.quarantine else []
    files = [*committed_files(manifest), *rolled_files(manifest.checkpoint)]
    for path in [file.path for file in files] + quarantined:
        if not path.startswith(folder):
            raise LakeError(f"it names a file of another log: {path}", where=manifest.log)


def check_columns(where: str, columns: Sequence[Column], reserved: Sequence[str] = SYSTEM_COLUMNS) -> None:
    """Refuse, by name, columns that a reader couldn't tell apart or that bear a name of ours (LakeError)."""
    seen: dict[str, str] = {}
    for column in columns:
        folded = column.name.lower()
        if folded in (*reserved, *FILE_COLUMNS, *seen):
            why = f"is the same name as {seen[folded]}" if folded in seen else "is a name of Catchwater's own"
            raise LakeError(
                f"column {column.name} {why}", where=where, next_step="rename it, or read it through a view"
            )
        seen[folded] = column.name


def _check_rows(where: str, table: TableBatch) -> None:
    expected = 0
    for file in sorted(table.files, key=lambda file: file.row_start):
        if file.row_start != expected or file.rows < 0:
            raise LakeError(f"rows of {file.path} don't begin where the file before ends ({expected})", where=where)
        expected += file.rows
    if expected != table.rows:
        raise LakeError(f"{table.rows} rows are announced, its files have {expected}", where=where)
    if expected > MAX_ROWS:
        raise LakeError(
            f"{expected} rows in one batch, more than {MAX_ROWS}",
            where=where,
            next_step="commit them as several batches",
        )


def _check_checkpoint(manifest: Manifest) -> None:
    checkpoint = manifest.checkpoint
    if checkpoint is not None and not 0 <= checkpoint.seq < manifest.seq:
        raise LakeError(f"it names a checkpoint of batch {checkpoint.seq}", where=manifest.log)


def rolled_files(checkpoint: Checkpoint | None) -> list[File]:
    """The files of a checkpoint, each once."""
    tables = checkpoint.tables.values() if checkpoint else ()
    shapes = [shape for table in tables for shape in (table, *table.older)]
    return list(dict.fromkeys(file for shape in shapes for file in (*shape.current, *shape.history)))


def committed_files(manifest: Manifest) -> list[File]:
    """The files of a batch, those of its checkpoint apart."""
    return [*manifest.raw, *(file for table in manifest.tables.values() for file in table.files)]
