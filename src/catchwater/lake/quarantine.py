"""Rows that can't be handled, kept with the reason beside the log; writing them never stops the rest."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from catchwater.errors import Corrupt
from catchwater.lake.log import Log
from catchwater.lake.manifest import Quarantined
from catchwater.ports import Refused, Store

MAX_TEXT = 64 << 10


def write(log: Log, refused: Iterable[Refused]) -> Quarantined | None:
    """Store refused rows as one NDJSON object (`table where reason text`), texts cut at 64 KiB; None when there are
    none. Every row is kept: the count is theirs."""
    rows = 0
    with TemporaryDirectory(prefix="catchwater-") as folder:
        path = Path(folder, "refused.ndjson")
        with path.open("w", encoding="utf-8", newline="\n") as file:
            for row in refused:
                file.write(json.dumps({name: _cut(text) for name, text in asdict(row).items()}) + "\n")
                rows += 1
        if not rows:
            return None
        stored = log.stage(path, rows, folder="quarantine")
    return Quarantined(rows, stored.path, stored.sha256, stored.bytes)


def read(store: Store, quarantined: Quarantined) -> Iterator[Refused]:
    """The rows that `write` stored. Raises Corrupt, NotFound."""
    rows = 0
    with store.fetch(quarantined.path).open("rb") as file:
        for line in file:
            rows += 1
            try:
                yield Refused(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise Corrupt(f"line {rows} isn't a refused row", where=quarantined.path) from error
    if rows != quarantined.rows:
        raise Corrupt(f"{rows} rows, {quarantined.rows} were committed", where=quarantined.path)


def _cut(text: str) -> str:
    """At most MAX_TEXT bytes of UTF-8, cut between characters."""
    data = text.encode("utf-8", "backslashreplace")
    return text if len(data) <= MAX_TEXT else data[:MAX_TEXT].decode("utf-8", "ignore")
