"""The log: numbers, heads, chains and commits, over stores that lose answers, forget and contradict."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from catchwater.errors import ChainBroken, Corrupt, LakeError, LostRace, NotFound, Uncertain
from catchwater.lake.log import Log, verify_chain
from catchwater.lake.manifest import File, Manifest, Ref
from tests.support.lake import Faulty, FixedClock, MemoryStore, OverwritingStore, draft, script, table

NAME = "ingestion/s"


def filled(store: MemoryStore, count: int) -> list[Manifest]:
    log, done = Log(store, NAME, FixedClock()), []
    for number in range(count):
        done.append(log.commit(draft(note=str(number)), done[-1] if done else None))
    return done


def key(seq: int) -> str:
    return Log(MemoryStore(), NAME).key(seq)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 31, 32, 33])
def test_head_is_the_newest_batch(count: int) -> None:
    store = MemoryStore()
    done = filled(store, count)
    head = Log(store, NAME).head()
    assert head == (done[-1] if done else None)
    assert [m.run for m in Log(store, NAME).batches(None)] == [str(number) for number in range(count)]


def test_head_of_ten_thousand_batches_takes_thirty_requests() -> None:
    store = MemoryStore()
    last = filled(store, 1)[0]
    for seq in range(2, 10_001):
        store.objects[key(seq)] = b""
    store.objects[key(10_000)] = replace(last, seq=10_000, previous=Ref(NAME, 9_999, "0" * 64)).to_bytes()
    log = Log(store, NAME)
    head = log.head()
    assert head
    assert head.seq == 10_000
    assert store.heads <= 30
    store.heads = 0
    assert log.head() == head
    assert store.heads == 2
    store.heads = 0
    assert Log(store, NAME).head(hint=9_990) == head
    assert store.heads <= 10


def test_a_hint_that_is_not_there_is_not_trusted() -> None:
    store = MemoryStore()
    done = filled(store, 5)
    assert Log(store, NAME).head(hint=77) == done[-1]


def test_a_log_restored_under_a_reader_breaks_its_marker() -> None:
    store = MemoryStore()
    log, writer = Log(store, NAME), Log(store, NAME, FixedClock())
    done = filled(store, 5)
    assert log.head() == done[-1]
    for seq in (4, 5):
        del store.objects[key(seq)]
    assert log.head() == done[2]
    with pytest.raises(ChainBroken, match=f"batch 5 .*{done[4].hash}.*ends at 3"):
        log.batches(done[4].ref)
    with pytest.raises(ChainBroken, match="batch 5 should have the hash"):
        Log(store, NAME, FixedClock()).commit(draft(), done[4])
    for note in ("other 4", "other 5"):
        writer.commit(draft(note=note), writer.head())
    assert [m.run for m in log.batches(done[2].ref)] == ["other 4", "other 5"]
    with pytest.raises(ChainBroken, match=rf"{NAME}: batch 5 .*{done[4].hash}, the log has \w{{64}}"):
        log.batches(done[4].ref)
    with pytest.raises(ChainBroken):
        Log(store, NAME, FixedClock()).commit(draft(), done[4])


def test_a_marker_of_another_log_is_refused() -> None:
    store = MemoryStore()
    filled(store, 1)
    with pytest.raises(ChainBroken, match="ingestion/other"):
        Log(store, NAME).batches(Ref("ingestion/other", 1, "0"))


def test_batches_stop_at_the_number_given_and_read_each_once() -> None:
    store = MemoryStore()
    done = filled(store, 6)
    log = Log(store, NAME)
    assert log.batches(done[1].ref, upto=4) == done[2:4]
    assert log.batches(done[5].ref, upto=4) == []
    assert log.batches(done[5].ref) == []
    reads = store.reads
    assert log.batches(done[1].ref, upto=4) == done[2:4]
    assert log.read(3) == done[2]
    assert store.reads == reads
    with pytest.raises(NotFound):
        log.read(7)


def test_a_lost_page_is_named() -> None:
    store = MemoryStore()
    filled(store, 6)
    del store.objects[key(5)]
    log = Log(store, NAME)
    with pytest.raises(ChainBroken, match=f"missing between 1 and 6: {key(5)}"):
        log.batches(None, upto=6)


def test_a_page_of_another_history_is_named() -> None:
    store, other = MemoryStore(), MemoryStore()
    filled(store, 4)
    filled(other, 4)
    store.objects[key(2)] = other.objects[key(2)]
    with pytest.raises(ChainBroken, match="batch 1 should have the hash"):
        Log(store, NAME).batches(None)
    assert [type(error) for error in verify_chain(Log(store, NAME))] == [ChainBroken]
    assert verify_chain(Log(other, NAME)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"seq":2', b'"seq":3'),
        (b'"seq":2', b'"seq":"2"'),
        (b'"format":1', b'"format":2'),
        (b'"log":"ingestion/s"', b'"log":"ingestion/t"'),
        (b'"stage":"ingest"', b'"stage":"ingest" '),
        (b'"stage":"ingest"', b'"stage":null'),
        (b'"stage":"ingest"', b'"stage":"ingest","more":1'),
        (b"{", b"["),
        (b'"complete":true,', b""),
        (b'"previous":{', b'"previous":{"log":"x",'),
        (b'"run":"1"', b'"run":"\xff"'),
        (b'"run":"1"', b'"run":"\\ud800"'),
    ],
)
def test_a_manifest_changed_by_a_byte_is_corrupt(old: bytes, new: bytes) -> None:
    store = MemoryStore()
    filled(store, 3)
    assert old in store.objects[key(2)]
    store.objects[key(2)] = store.objects[key(2)].replace(old, new, 1)
    with pytest.raises(Corrupt, match="ingestion/s batch 2: the manifest can't be trusted"):
        Log(store, NAME).batches(None)


@pytest.mark.parametrize("data", [b"", b"null", b"7", b"[]", b"{}", b'"x"', b"[" * 100_000, b"\0" * 500])
def test_what_is_no_manifest_is_corrupt(data: bytes) -> None:
    store = MemoryStore()
    store.objects[key(1)] = data
    with pytest.raises(Corrupt):
        Log(store, NAME).head()
    with pytest.raises(Corrupt):
        Log(store, NAME).read(1)


def test_the_second_of_two_writers_loses_and_can_go_on() -> None:
    store = MemoryStore()
    first, second = (Log(store, NAME, FixedClock()) for _ in range(2))
    after = first.commit(draft(note="1"), None)
    second.head()
    first.commit(draft(note="first"), after)
    with pytest.raises(LostRace, match="another writer"):
        second.commit(draft(note="second"), after)
    second.commit(draft(note="second"), second.head())
    assert [m.run for m in Log(store, NAME).batches(None)] == ["1", "first", "second"]


class GivesUp(Log):
    """Broken: takes no answer for no commit."""

    def _write(self, key: str, data: bytes) -> None:
        try:
            self.store.create(key, data)
        except Uncertain as error:
            raise LakeError("the commit failed") from error


class TakesAny(Log):
    """Broken: takes an object that exists for its own."""

    def _write(self, key: str, data: bytes) -> None:
        try:
            self.store.create(key, data)
        except LakeError:
            self.store.read(key)


def told_truly(kind: type[Log], store: MemoryStore, *faults: str) -> bool:
    """Whether two writers of one number are told what the log then says."""
    one, two = (kind(Faulty(store, script(*faults)), NAME, FixedClock(), wait=lambda _: None) for _ in range(2))
    told = []
    for log in (one, two):
        try:
            told.append(log.commit(draft(), None).write_id)
        except Uncertain:
            return True
        except LakeError:
            told.append("")
    written = Log(store, NAME).read(1).write_id
    return [write_id for write_id in told if write_id] == [written]


@pytest.mark.parametrize("faults", [(), ("after",), ("before",), ("before", "after"), ("before",) * 20])
def test_a_writer_is_told_what_the_log_says(faults: tuple[str, ...]) -> None:
    assert told_truly(Log, MemoryStore(), *faults)


def test_broken_commits_and_stores_are_seen() -> None:
    assert not told_truly(GivesUp, MemoryStore(), "after")
    assert not told_truly(TakesAny, MemoryStore())
    assert not told_truly(Log, OverwritingStore())


def test_no_answer_at_all_is_uncertain_and_waits_longer_each_time() -> None:
    waits: list[float] = []
    log = Log(Faulty(MemoryStore(), lambda _: "before"), NAME, FixedClock(), wait=waits.append)
    with pytest.raises(Uncertain, match="may or may not"):
        log.commit(draft(), None)
    assert waits == sorted(waits)
    assert 3 <= len(waits) <= 10


def test_a_staged_file_is_named_with_hash_and_size_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(b"four")
    store = MemoryStore()
    log = Log(store, NAME, FixedClock())
    file = log.stage(path, rows=3)
    assert file.path.startswith("s/data/")
    assert file.path.endswith(".parquet")
    assert (file.rows, file.bytes, file.row_start) == (3, 4, 0)
    assert file.sha256 == "04efaf080f5a3e74e1c29d1ca6a48569382cbbcd324e8d59d2b83ef21c039f00"
    assert log.stage(path, rows=3).path != file.path
    assert store.read(file.path) == b"four"
    assert log.commit(draft(tables={"t": table(file)}), None).tables["t"].files == (file,)


def test_files_older_than_three_days_are_not_committed(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(b"x")
    clock = FixedClock()
    log = Log(MemoryStore(), NAME, clock)
    file = log.stage(path, rows=1)
    old = draft(clock, tables={"t": table(file)})
    clock.pass_by(timedelta(days=2.9))
    fresh = log.stage(path, rows=1)
    clock.pass_by(timedelta(days=0.2))
    with pytest.raises(LakeError, match=f"{file.path} was staged more than three days ago"):
        log.commit(old, None)
    assert log.commit(replace(old, tables={"t": table(fresh)}), None).seq == 1


def a_file(rows: int, row_start: int = 0, path: str = "s/data/a.parquet") -> File:
    return File(path=path, sha256="0" * 64, rows=rows, bytes=1, row_start=row_start)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([a_file((1 << 24) + 1)], "16777217 rows in one batch"),
        ([a_file(5), a_file(5, 4)], "don't begin where"),
        ([a_file(5), a_file(5, 6)], "don't begin where"),
        ([a_file(5, path="other/data/a.parquet")], "a file of another log"),
    ],
)
def test_a_batch_that_readers_could_not_number_is_refused(files: list[File], message: str) -> None:
    store = MemoryStore()
    with pytest.raises(LakeError, match=message):
        Log(store, NAME, FixedClock()).commit(draft(tables={"t": table(*files)}), None)
    assert not store.objects


def test_a_batch_of_exactly_the_most_rows_is_taken() -> None:
    Log(MemoryStore(), NAME, FixedClock()).commit(draft(tables={"t": table(a_file(1 << 24))}), None)


@pytest.mark.parametrize("position", [{"x": object()}, {"x": float("nan")}, {"x": {1, 2}}, {"x": "\ud800"}])
def test_a_position_that_json_can_not_hold_is_refused(position: dict[str, object]) -> None:
    store = MemoryStore()
    with pytest.raises(LakeError, match="can't be written as JSON"):
        Log(store, NAME, FixedClock()).commit(replace(draft(), position=position), None)
    assert not store.objects


def test_the_name_of_a_log_has_a_zone_and_one_more_part() -> None:
    for name in ("s", "ingestion/", "ingestion/a/b", ""):
        with pytest.raises(LakeError, match="not the name of a log"):
            Log(MemoryStore(), name)


def test_the_newest_batch_vouches_for_itself_and_older_forms_are_read() -> None:
    store = MemoryStore()
    done = filled(store, 3)
    newest = store.objects[key(3)]
    store.objects[key(3)] = newest.replace(b'"run":"2"', b'"run":"7"')
    with pytest.raises(Corrupt, match="ingestion/s batch 3: the manifest can't be trusted: its bytes aren't"):
        Log(store, NAME).head()
    plain = newest[: newest.index(b',"~sha256"')] + b"}"
    store.objects[key(3)] = plain
    head = Log(store, NAME).head()
    assert head
    assert (head.run, head.previous) == ("2", done[1].ref)
    assert head.hash == hashlib.sha256(plain).hexdigest()
    assert Log(store, NAME, FixedClock()).commit(draft(), head).previous == head.ref
    assert len(Log(store, NAME).batches(None)) == 4


@pytest.mark.parametrize("lost", [1, 2, 3, 4, 5, 6, 7])
def test_a_lost_page_is_found_by_a_listing_and_is_not_filled(lost: int) -> None:
    store = MemoryStore()
    done = filled(store, 8)
    del store.objects[key(lost)]
    (problem,) = verify_chain(Log(store, NAME))
    assert isinstance(problem, ChainBroken)
    assert "missing" in str(problem)
    with pytest.raises(ChainBroken, match=f"batch {lost} is missing, and later ones are there"):
        Log(store, NAME, FixedClock()).commit(draft(), done[lost - 2] if lost > 1 else None)
    assert key(lost) not in store.objects


def test_a_writer_that_is_two_batches_behind_has_lost_a_race() -> None:
    store = MemoryStore()
    done = filled(store, 3)
    with pytest.raises(LostRace):
        Log(store, NAME, FixedClock()).commit(draft(note="late"), done[0])
