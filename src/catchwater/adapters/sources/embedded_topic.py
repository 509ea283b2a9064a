"""The durable topic of one machine: a queue in SQLite; what was taken is decided by the log, never here."""

import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from catchwater.errors import SourceBusy, SourceError, UseError

MAX_BYTES = 1 << 20
MAX_ID = 1024
KEPT_SECONDS = 86_400.0
KEPT_IDS = 1_000_000
_WAIT = 30.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, message_id TEXT NOT NULL,
  given INTEGER NOT NULL, received REAL NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS messages_topic ON messages (topic, id);
CREATE TABLE IF NOT EXISTS ids (
  topic TEXT NOT NULL, message_id TEXT NOT NULL, row INTEGER NOT NULL, received REAL NOT NULL,
  PRIMARY KEY (topic, message_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ids_row ON ids (topic, row);
CREATE TABLE IF NOT EXISTS newest (topic TEXT PRIMARY KEY, id INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS identity (queue TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Message:
    """`number` grows with every publish; `given` tells that the publisher chose the id; `received` in seconds."""

    number: int
    message_id: str
    given: bool
    received: float
    body: bytes


class EmbeddedTopic:
    """One topic in `state/topics.sqlite`, shared by every process of the project (ports.Topic)."""

    def __init__(self, state: Path, topic: str, max_bytes: int = MAX_BYTES) -> None:
        self._path, self._topic, self._max_bytes = state / "topics.sqlite", topic, max_bytes
        self._made = False

    def publish(self, messages: Iterable[bytes], ids: Iterable[str] | None = None) -> int:
        """Store messages, all or none of them, and return how many were new once they are on disk.

        A message whose id (one for each message) is in the queue, or was taken within the last day, is dropped as
        a duplicate. Raises UseError for a message over the limit or ids that don't match, SourceBusy, SourceError.
        """
        bodies = [bytes(message) for message in messages]
        names = None if ids is None else list(ids)
        self._check(bodies, names)
        now = time.time()
        with self._transaction() as con:
            if names is None:
                rows = [(self._topic, str(uuid.uuid4()), 0, now, body) for body in bodies]
            else:
                fresh = self._fresh(con, names, now)
                rows = [
                    (self._topic, name, 1, now, body)
                    for name, body, new in zip(names, bodies, fresh, strict=True)
                    if new
                ]
            con.executemany(
                "INSERT INTO messages (topic, message_id, given, received, body) VALUES (?, ?, ?, ?, ?)", rows
            )
            if rows:
                self._note(con, numbered=names is not None)
        return len(rows)

    def take(self, after: int, limit: int, max_bytes: int) -> list[Message]:
        """The messages after a number, in order: at least one if there is any, then up to both limits."""
        found: list[Message] = []
        size = 0
        with self._connection() as con:
            rows = con.execute(
                "SELECT id, message_id, given, received, body FROM messages WHERE topic = ? AND id > ? "
                "ORDER BY id LIMIT ?",
                (self._topic, after, limit),
            )
            for number, name, given, received, body in rows:
                size += len(body)
                if found and size > max_bytes:
                    break
                found.append(Message(number, name, bool(given), received, body))
        return found

    def acknowledge(self, upto: int) -> None:
        """Forget messages up to this number, because a committed batch holds them, and ids older than a day."""
        with self._connection() as con:
            waiting = con.execute(
                "SELECT 1 FROM messages WHERE topic = ? AND id <= ? LIMIT 1", (self._topic, upto)
            ).fetchone()
        if not waiting:
            return
        with self._transaction() as con:
            con.execute("DELETE FROM messages WHERE topic = ? AND id <= ?", (self._topic, upto))
            con.execute(
                "DELETE FROM ids WHERE topic = ?1 AND row <= ?2 AND (received < ?3 OR row <= ?2 - ?4)",
                (self._topic, upto, time.time() - KEPT_SECONDS, KEPT_IDS),
            )

    def newest(self) -> int:
        """The highest number ever given to a message of this topic; 0 when there was none."""
        if not self._path.exists():
            return 0
        with self._connection() as con:
            row = con.execute("SELECT id FROM newest WHERE topic = ?", (self._topic,)).fetchone()
        return int(row[0]) if row else 0

    def identity(self) -> str:
        """The queue's own name: numbers of another queue (a lost or restored file) mean nothing here."""
        with self._connection() as con:
            return str(con.execute("SELECT queue FROM identity").fetchone()[0])

    def _check(self, bodies: list[bytes], names: list[str] | None) -> None:
        for index, body in enumerate(bodies):
            if len(body) > self._max_bytes:
                raise UseError(
                    f"message {index + 1} has {len(body)} bytes, {self._max_bytes} are the most",
                    where=f"topic {self._topic}",
                    next_step="publish what it refers to elsewhere, and its address here; nothing was stored",
                )
        if names is not None and len(names) != len(bodies):
            raise UseError(f"{len(bodies)} messages and {len(names)} ids", where=f"topic {self._topic}")
        if names is not None and not all(name and len(name) <= MAX_ID for name in names):
            raise UseError(f"an id has 1 to {MAX_ID} characters", where=f"topic {self._topic}")

    def _fresh(self, con: sqlite3.Connection, names: list[str], now: float) -> list[bool]:
        added = []
        for name in names:
            row = con.execute("INSERT INTO ids VALUES (?, ?, 0, ?) ON CONFLICT DO NOTHING", (self._topic, name, now))
            added.append(row.rowcount == 1)
        return added

    def _note(self, con: sqlite3.Connection, *, numbered: bool) -> None:
        newest = con.execute("SELECT max(id) FROM messages").fetchone()[0]
        con.execute("INSERT OR REPLACE INTO newest VALUES (?, ?)", (self._topic, newest))
        if numbered:
            con.execute("UPDATE ids SET row = ? WHERE topic = ? AND row = 0", (newest, self._topic))

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=_WAIT, isolation_level=None)) as con:
                if not self._made or not con.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
                    _make(con)
                    self._made = True
                con.execute("PRAGMA synchronous = FULL")
                yield con
        except sqlite3.Error as error:
            raise self._said(error) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connection() as con:
            con.execute("BEGIN IMMEDIATE")
            try:
                yield con
            except BaseException:
                con.execute("ROLLBACK")
                raise
            con.execute("COMMIT")

    def _said(self, error: sqlite3.Error) -> SourceError:
        where = f"topic {self._topic}: {self._path.name}"
        text = str(error)
        if "locked" in text or "busy" in text:
            return SourceBusy("another process writes to the queue", where=where, next_step="try again")
        return SourceError(
            f"the queue can't be used: {text}",
            where=where,
            next_step="see that the disk has room; if the file is damaged, move it away (batches keep what they took)",
        )


def _make(con: sqlite3.Connection) -> None:
    """The tables, whichever process comes first; the change to WAL doesn't wait for locks by itself."""
    deadline = time.monotonic() + _WAIT
    while True:
        try:
            con.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    con.execute("PRAGMA synchronous = FULL")
    con.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA.split(";"):
        con.execute(statement)
    if not con.execute("SELECT 1 FROM identity").fetchone():
        con.execute("INSERT INTO identity VALUES (?)", (str(uuid.uuid4()),))
    con.execute("COMMIT")
