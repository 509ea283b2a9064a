"""Refused rows are kept whole up to the cap, counted, and read back as they were."""

from pathlib import Path

import pytest

from catchwater.adapters.stores.local import LocalStore
from catchwater.errors import Corrupt
from catchwater.lake import quarantine
from catchwater.lake.log import Log
from catchwater.lake.manifest import Quarantined
from catchwater.ports import Refused
from tests.support.lake import FixedClock

ODD = [
    Refused("t", "file.csv:7", "not a number: 'x'", 'a,"b\n;\u2028\r\n\0'),
    Refused("t", "message 8", "not UTF-8", "\udcff lone"),
    Refused("", "", "", ""),
]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(LocalStore(tmp_path), "ingestion/s", FixedClock())


def test_rows_are_read_back_as_they_were(log: Log) -> None:
    written = quarantine.write(log, iter(ODD))
    assert written
    assert written.rows == 3
    assert written.path.startswith("s/quarantine/")
    assert written.path.endswith(".ndjson")
    assert list(quarantine.read(log.store, written)) == ODD


def test_nothing_refused_is_no_object(log: Log) -> None:
    assert quarantine.write(log, []) is None
    assert list(log.store.list("")) == []


def test_long_text_is_cut_between_characters(log: Log) -> None:
    written = quarantine.write(log, [Refused("t", "1", "too long", "é" * 100_000), Refused("t", "2", "", "x" * 65_536)])
    assert written
    cut, whole = quarantine.read(log.store, written)
    assert cut.text == "é" * 32_768
    assert whole.text == "x" * 65_536


def test_a_damaged_object_is_named(log: Log) -> None:
    written = quarantine.write(log, ODD)
    assert written
    with pytest.raises(Corrupt, match="3 rows, 4 were committed"):
        list(quarantine.read(log.store, Quarantined(4, written.path)))
    log.store.create("s/quarantine/bad.ndjson", b'{"table": "t"}\n')
    with pytest.raises(Corrupt, match="line 1 isn't"):
        list(quarantine.read(log.store, Quarantined(1, "s/quarantine/bad.ndjson")))
    log.store.create("s/quarantine/worse.ndjson", b"\xff\n")
    with pytest.raises(Corrupt, match="line 1 isn't"):
        list(quarantine.read(log.store, Quarantined(1, "s/quarantine/worse.ndjson")))
