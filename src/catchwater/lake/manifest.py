"""`query_log.json`: what one batch is. Pure data; its hash is the SHA-256 of its bytes."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from catchwater.project.tables import Column

FORMAT = 1


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
    """`rows` in this batch; `count` and `checksum` of the whole table as held after it (None: not known)."""

    schema: tuple[Column, ...]
    key: tuple[str, ...]
    rows: int
    files: tuple[File, ...]
    count: int | None = None
    checksum: str | None = None


@dataclass(frozen=True)
class Quarantined:
    rows: int
    path: str


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

    def to_bytes(self) -> bytes:
        data = asdict(self)
        data["format"] = FORMAT
        if self.previous:
            data["previous"] = {"seq": self.previous.seq, "hash": self.previous.hash}
        for table in data["tables"].values():
            table["schema"] = [
                {"name": c["name"], "type": c["type"], "nullable": c["nullable"]} for c in table["schema"]
            ]
        return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @property
    def ref(self) -> Ref:
        return Ref(self.log, self.seq, self.hash)

    def input(self, log: str) -> Ref | None:
        return next((ref for ref in self.inputs if ref.log == log), None)
