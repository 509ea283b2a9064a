"""What happened on this machine: an SQLite index of runs, steps, alerts and log lines; it decides nothing."""

import json
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from catchwater.errors import CatchwaterError

_TABLES = """
CREATE TABLE IF NOT EXISTS runs (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, idempotency TEXT UNIQUE,
  trigger TEXT, state TEXT, started TEXT, seconds REAL, process TEXT, quarantined INTEGER DEFAULT 0, report TEXT);
CREATE TABLE IF NOT EXISTS steps (name TEXT PRIMARY KEY, last TEXT, last_ok TEXT, failing_since TEXT,
  failures INTEGER DEFAULT 0, message TEXT, next_step TEXT, run INTEGER);
CREATE TABLE IF NOT EXISTS alerts (id INTEGER PRIMARY KEY, at TEXT, event TEXT, step TEXT, subject TEXT, notify TEXT,
  error TEXT);
CREATE TABLE IF NOT EXISTS logs (id INTEGER PRIMARY KEY, run INTEGER, at TEXT, level TEXT, step TEXT, message TEXT,
  fields TEXT);
CREATE INDEX IF NOT EXISTS logs_by_run ON logs (run, id);
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, at TEXT);
CREATE TABLE IF NOT EXISTS totals (name TEXT PRIMARY KEY, value REAL);
"""
LOG_LINES_KEPT = 100_000


def utc() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _write_ahead(db: sqlite3.Connection) -> None:
    """SQLite doesn't wait for a lock when the mode changes: two that begin at once would meet here."""
    deadline = time.monotonic() + 30
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


class Records:
    """Safe from several threads and processes; every write is one short transaction."""

    def __init__(self, state: Path) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self._path = state / "runs.sqlite"
        self._local = threading.local()
        try:
            with self._write() as db:
                for statement in _TABLES.split(";"):
                    db.execute(statement)
                if "process" not in {row["name"] for row in db.execute("PRAGMA table_info(runs)")}:
                    db.execute("ALTER TABLE runs ADD COLUMN process TEXT")
        except CatchwaterError:
            self.close()
            raise

    def _db(self) -> sqlite3.Connection:
        if not hasattr(self._local, "db"):
            db = sqlite3.connect(self._path, timeout=30, isolation_level=None)
            db.row_factory = sqlite3.Row
            _write_ahead(db)
            db.execute("PRAGMA synchronous=NORMAL")
            self._local.db = db
        return self._local.db  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close this thread's connection."""
        if hasattr(self._local, "db"):
            self._local.db.close()
            del self._local.db

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """Raises CatchwaterError where the file can't be written: a disk may be full at any moment."""
        try:
            with self._transaction() as db:
                yield db
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorname == "SQLITE_ERROR":  # the statement, not the file
                raise
            raise CatchwaterError(
                f"the records of runs can't be used: {error}",
                where=str(self._path),
                next_step="see that the disk has room; a damaged file may be moved away, it holds history alone",
            ) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        db = self._db()
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            if db.in_transaction:
                db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:  # a full disk ends it by itself
                db.execute("ROLLBACK")
            raise

    def begin(self, trigger: str, idempotency: str | None = None) -> tuple[int, str, bool]:
        """(number, id, new): a run with a key seen before is returned again, not begun."""
        with self._write() as db:
            if idempotency is not None:
                row = db.execute("SELECT number, id FROM runs WHERE idempotency = ?", [idempotency]).fetchone()
                if row:
                    return row["number"], row["id"], False
            run = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
            cursor = db.execute(
                "INSERT INTO runs (id, idempotency, trigger, state, started, process) "
                "VALUES (?, ?, ?, 'running', ?, ?)",
                [run, idempotency, trigger, utc(), _process(os.getpid())],
            )
            return int(cursor.lastrowid or 0), run, True

    def end(self, number: int, report: Mapping[str, Any]) -> None:
        with self._write() as db:
            db.execute(
                "UPDATE runs SET state = ?, seconds = ?, quarantined = ?, report = ? WHERE number = ?",
                [report["state"], report["seconds"], report["quarantined"], json.dumps(report), number],
            )
            db.execute("DELETE FROM logs WHERE id < (SELECT max(id) FROM logs) - ?", [LOG_LINES_KEPT])

    def forget(self, number: int) -> None:
        """Drop a run that found nothing to do."""
        with self._write() as db:
            db.execute("DELETE FROM runs WHERE number = ?", [number])

    def runs(self, limit: int) -> list[dict[str, Any]]:
        """Newest first; one whose process is gone without an end is `interrupted`."""
        rows = self._db().execute("SELECT * FROM runs ORDER BY number DESC LIMIT ?", [limit])
        return [_run(row) for row in rows]

    def run(self, number: int) -> dict[str, Any] | None:
        row = self._db().execute("SELECT * FROM runs WHERE number = ?", [number]).fetchone()
        return _run(row) if row else None

    def log(self, run: int, level: str, step: str, message: str, fields: Mapping[str, Any]) -> None:
        with self._write() as db:
            db.execute(
                "INSERT INTO logs (run, at, level, step, message, fields) VALUES (?, ?, ?, ?, ?, ?)",
                [run, utc(), level, step, message, json.dumps(fields, default=str)],
            )

    def logs(self, run: int | None, limit: int) -> list[dict[str, Any]]:
        """The newest `limit` lines in order, of one run or of all."""
        sql = "SELECT * FROM logs WHERE ?1 IS NULL OR run = ?1 ORDER BY id DESC LIMIT ?2"
        return [_line(row) for row in reversed(self._db().execute(sql, [run, limit]).fetchall())]

    def logs_after(self, run: int | None, after: int) -> list[dict[str, Any]]:
        """Every line with an id above `after`, in order."""
        sql = "SELECT * FROM logs WHERE id > ?2 AND (?1 IS NULL OR run = ?1) ORDER BY id"
        return [_line(row) for row in self._db().execute(sql, [run, after])]

    def succeeded(self, step: str) -> dict[str, Any] | None:
        """Note a success; the step's open failure, when this ends one."""
        with self._write() as db:
            row = db.execute("SELECT * FROM steps WHERE name = ? AND failures > 0", [step]).fetchone()
            db.execute(
                "INSERT INTO steps (name, last, last_ok) VALUES (?1, ?2, ?2) ON CONFLICT (name) DO UPDATE SET "
                "last = ?2, last_ok = ?2, failing_since = NULL, failures = 0, message = NULL, next_step = NULL",
                [step, utc()],
            )
            return dict(row) if row else None

    def failed(self, step: str, message: str, next_step: str, run: int) -> int:
        """Note a failure; how many there have been in a row."""
        with self._write() as db:
            row = db.execute(
                "INSERT INTO steps (name, last, failing_since, failures, message, next_step, run) "
                "VALUES (?1, ?2, ?2, 1, ?3, ?4, ?5) ON CONFLICT (name) DO UPDATE SET last = ?2, message = ?3, "
                "next_step = ?4, run = ?5, failures = failures + 1, "
                "failing_since = coalesce(failing_since, ?2) RETURNING failures",
                [step, utc(), message, next_step, run],
            ).fetchone()
            return int(row["failures"])

    def steps(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: dict(row) for row in self._db().execute("SELECT * FROM steps")}

    def alerted(self, event: str, step: str, subject: str, notify: str, error: str | None) -> None:
        with self._write() as db:
            db.execute(
                "INSERT INTO alerts (at, event, step, subject, notify, error) VALUES (?, ?, ?, ?, ?, ?)",
                [utc(), event, step, subject, notify, error],
            )

    def alerts(self, limit: int = 50) -> list[dict[str, Any]]:
        rows = self._db().execute("SELECT * FROM alerts ORDER BY id DESC LIMIT ?", [limit])
        return [dict(row) for row in rows]

    def mark(self, name: str, at: str | None) -> bool:
        """Set or clear a mark; True when that changed something."""
        with self._write() as db:
            if at is None:
                return db.execute("DELETE FROM marks WHERE name = ?", [name]).rowcount > 0
            return db.execute("INSERT OR IGNORE INTO marks VALUES (?, ?)", [name, at]).rowcount > 0

    def add(self, name: str, value: float) -> None:
        """Add to a counter that lives as long as the project."""
        with self._write() as db:
            db.execute(
                "INSERT INTO totals VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = value + ?2",
                [name, value],
            )

    def totals(self) -> dict[str, float]:
        return {row["name"]: row["value"] for row in self._db().execute("SELECT * FROM totals ORDER BY name")}


def _line(row: sqlite3.Row) -> dict[str, Any]:
    return dict(row) | {"fields": json.loads(row["fields"])}


def _run(row: sqlite3.Row) -> dict[str, Any]:
    report = json.loads(row["report"]) if row["report"] else {}
    state = row["state"]
    if state == "running" and not _alive(row["process"]):
        state = "interrupted"
    return {
        "number": row["number"],
        "id": row["id"],
        "state": state,
        "trigger": row["trigger"],
        "started": row["started"],
        "seconds": row["seconds"],
        "quarantined": row["quarantined"],
        "error": report.get("error"),
        "steps": report.get("steps", []),
    }


def _alive(process: str | None) -> bool:
    return bool(process) and _process(int(str(process).split("/")[0])) == process


def _process(pid: int) -> str:
    """A process by its number and, where the system tells it, its start: numbers are given again."""
    try:
        with suppress(PermissionError):  # somebody else's process is one too
            os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(pid)
    return f"{pid}/{fields[19]}/{boot}"
