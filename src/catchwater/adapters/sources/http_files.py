"""Files behind a URL as a source: fetched only when changed, kept as they came, committed by difference."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catchwater.adapters.sources import csv_table
from catchwater.adapters.sources.csv_table import PROTECTED, ROWS
from catchwater.adapters.sources.http_fetch import Fetched, Fetcher, Known, Limits
from catchwater.adapters.sources.scratch import count, scratch, select_list, to_parquet
from catchwater.adapters.sources.unpack import to_utf8, unpack
from catchwater.errors import Problem, ProjectError, SourceRefused, UseError
from catchwater.lake.difference import difference
from catchwater.ports import Captured, Extraction, Held, Settings
from catchwater.project.declared_files import FileShape, file_shape
from catchwater.project.names import literal, quote
from catchwater.project.tables import TableSchema

if TYPE_CHECKING:
    import duckdb

    from catchwater.project import schema

HELD = "held_rows"
CHANGED = "changed"


class HttpFilesSource:
    """One CSV file behind a URL; the table has the source's name."""

    limits = Limits()

    def __init__(self, name: str, spec: "schema.HttpFilesSource", settings: Settings) -> None:
        self._name, self._spec, self._settings = name, spec, settings

    def describe(self) -> tuple[TableSchema, ...]:
        return (self._shape().table,)

    def _shape(self) -> FileShape:
        if self._spec.schema_file is None:
            right = f"schema: config/{self._name}.yml, with its columns"
            raise ProjectError([Problem("catchwater.yml", 0, 0, f"`{self._name}` declares no schema", right)])
        return file_shape(self._settings.folder, self._spec.schema_file, self._name)

    def capture(self, tables: Sequence[str], held: Held, work: Path) -> Extraction | None:
        """What changed in the file since the log's head; None when the server or its bytes say: nothing."""
        other = [table for table in tables if table != self._name]
        if other:
            raise SourceRefused(f"there is no table {other[0]}", where=self._name)
        shape = self._shape()
        url = self._settings.resolve(self._spec.url)
        identity = {"kind": "http_files", "address": _address(url), "schema": _digest(shape)}
        before = held.position or {}
        same = all(before.get(name) == value for name, value in identity.items())
        work.mkdir(parents=True, exist_ok=True)
        limits = Limits(**{**asdict(self.limits), "max_bytes": self._spec.max_bytes})
        known = Known(before.get("etag", ""), before.get("last_modified", "")) if same else None
        raw = work / f"file{_suffix(url)}"
        fetched = Fetcher(self._name, self._spec.private, limits).get(url, raw, known)
        shaped = before.get("kind") == "http_files" and before.get("schema") == identity["schema"]
        if fetched is None or (shaped and fetched.sha256 == before.get("sha256")):
            return None
        position = identity | {
            "url": fetched.url,
            "etag": fetched.etag,
            "last_modified": fetched.last_modified,
            "sha256": fetched.sha256,
            "bytes": fetched.bytes,
            "tables": {},
        }
        return self._extraction(fetched, shape, held, work, position)

    def rewound(self, tables: Sequence[str], held: Held, since: datetime | None) -> dict[str, Any]:
        """The position of one who knows the file's shape and nothing else of it: it is fetched and compared whole."""
        if since is not None:
            raise UseError(
                "a file is read whole: it has no moments",
                where=self._name,
                next_step=f"catchwater backfill {self._name}",
            )
        return {**(held.position or {}), "etag": "", "last_modified": "", "sha256": ""}

    def _extraction(
        self, fetched: Fetched, shape: FileShape, held: Held, work: Path, position: dict[str, Any]
    ) -> Extraction:
        file = Path(fetched.url.split("://", 1)[-1]).name or self._name
        plain = unpack(fetched.path, work / "plain", self._spec.max_bytes, file)
        plain = to_utf8(plain, work / "utf8", shape.encoding, file)
        with scratch(work) as con:
            loaded = csv_table.load(con, plain, shape, file)
            self._hold(con, shape.table, held)
            rows = count(con, f"SELECT count(*) FROM {ROWS}")
            if not rows and count(con, f"SELECT count(*) FROM {HELD}"):
                raise SourceRefused("the file has a header and no rows", where=file, next_step="the rows held stay")
            path = work / "rows.parquet"
            written, kept = self._write(con, shape, fetched, path)
        notes = (f"{kept} rows kept, whose lines can't be taken",) if kept else ()
        captured = Captured(shape.table, (path,) if written else (), written, rows + kept)
        return Extraction(
            position, {self._name: captured}, (fetched.path,), loaded.refused, loaded.records, False, notes
        )

    def _hold(self, con: "duckdb.DuckDBPyConnection", table: TableSchema, held: Held) -> None:
        """The view HELD over the rows now in the log, in the columns declared now."""
        extra = () if table.key else ("_version", "_occurrence")
        before = held.tables.get(self._name)
        if before is None:
            nothing = [f"NULL::{column.type} AS {quote(column.name)}" for column in table.columns]
            nothing += ["NULL::VARCHAR AS _version", "NULL::INTEGER AS _occurrence"][: len(extra)]
            con.execute(f"CREATE TEMP VIEW {HELD} AS SELECT {', '.join(nothing)} WHERE false")
            return
        if before.schema.key != table.key:
            raise SourceRefused(
                f"the key was {_words(before.schema.key)} and is now {_words(table.key)}",
                where=self._name,
                next_step="give the source a new name, or the file its old key",
            )
        there = set(before.schema.names)
        fields = [
            f"TRY_CAST({quote(c.name) if c.name in there else 'NULL'} AS {c.type}) AS {quote(c.name)}"
            for c in table.columns
        ]
        view = held.current(con, self._name)
        con.execute(f"CREATE TEMP VIEW {HELD} AS SELECT {', '.join([*fields, *extra])} FROM {view}")

    def _write(
        self, con: "duckdb.DuckDBPyConnection", shape: FileShape, fetched: Fetched, path: Path
    ) -> tuple[int, int]:
        """Write what changed; returns the rows written, and those kept although they are gone from the file."""
        table = shape.table
        difference(con, ROWS, HELD, table.names, table.key, CHANGED)
        kept = 0
        if table.key:
            match = ", ".join(quote(name) for name in table.key)
            gone = quote(f"{CHANGED}_removed")
            kept = count(con, f"SELECT count(*) FROM {gone} SEMI JOIN {PROTECTED} USING ({match})")
            con.execute(f"CREATE OR REPLACE TEMP TABLE {gone} AS FROM {gone} ANTI JOIN {PROTECTED} USING ({match})")
        version = literal(fetched.etag or f"sha256:{fetched.sha256[:32]}") if table.key else "_version"
        extra = "" if table.key else ", _occurrence"
        at = literal(_changed(fetched).isoformat())
        parts = [
            f"SELECT {select_list(table, at, version, op)}{extra} FROM {quote(f'{CHANGED}_{name}')}"
            for name, op in (("upserts", "upsert"), ("removed", "delete"))
        ]
        return to_parquet(con, " UNION ALL ".join(parts), path), kept


def _words(key: Sequence[str]) -> str:
    return ", ".join(key) or "none"


def _address(url: str) -> str:
    """What tells two URLs apart without telling them: no user, password or query can be read from it."""
    plain = re.sub(r"^(\s*[A-Za-z+]+://)[^/?#@]*@", r"\1", url)
    return hashlib.sha256(plain.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _digest(shape: FileShape) -> str:
    return hashlib.sha256(json.dumps(asdict(shape), sort_keys=True).encode()).hexdigest()[:16]


def _suffix(url: str) -> str:
    match = re.search(r"(\.[A-Za-z0-9]{1,8}){1,2}$", re.split(r"[?#]", url)[0].rsplit("/", 1)[-1])
    return match[0].lower() if match else ".csv"


def _changed(fetched: Fetched) -> datetime:
    """The server's word for when the file changed, else for now."""
    now = datetime.now(UTC)
    for text in (fetched.last_modified, fetched.date):
        try:
            found = parsedate_to_datetime(text)
        except (TypeError, ValueError, IndexError):
            continue
        return min(found if found.tzinfo else found.replace(tzinfo=UTC), now)
    return now
