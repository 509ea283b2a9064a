"""The Store port's contract, the same for a local folder, for ministack, SeaweedFS and Cloud Storage."""

import errno
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Barrier, Thread
from typing import cast
from uuid import uuid4

import pytest

from catchwater.adapters.stores.gcs import GcsStore
from catchwater.adapters.stores.local import LocalStore
from catchwater.adapters.stores.s3 import S3Store
from catchwater.errors import AlreadyExists, LakeError, NotFound, Uncertain
from catchwater.lake.log import Log
from catchwater.lake.sweep import Sweeping
from catchwater.ports import Store
from catchwater.stages.guard import GuardedStore
from tests.support.emulators import make_bucket, ministack, seaweedfs, variables
from tests.support.google import fake_gcs, make_gcs_bucket, storage_variables
from tests.support.lake import Faulty, FixedClock, MemoryStore, OverwritingStore, draft, script

__all__ = ["fake_gcs", "ministack", "seaweedfs"]
EMPTY_LIST = b"<ListBucketResult><Name>lake</Name><IsTruncated>false</IsTruncated></ListBucketResult>"
STORES = ["local", "ministack", "fake_gcs", pytest.param("seaweedfs", marks=pytest.mark.proof)]
ODD = [
    "a b/c d.txt",
    "ünï/日本/😀",
    'it\'s/"q"/`x`',
    "per%20cent/100%",
    "a+b&c=d/e?f#g",
    "[x]*{y}~^|<>",
    "e=1/f;g,h:@!$()",
]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return LocalStore(tmp_path / "lake")
    zone: Callable[[], Store] = request.getfixturevalue(request.param)
    return zone()


def race(store: Store, writers: int) -> tuple[list[int], bytes]:
    """Who was told that it created the object, and what the object is."""
    gate, key = Barrier(writers), f"r/{uuid4().hex}"

    def write(number: int) -> bool:
        gate.wait()
        try:
            store.create(key, str(number).encode() * 1000)
        except (AlreadyExists, Uncertain):
            return False
        return True

    with ThreadPoolExecutor(writers) as pool:
        won = list(pool.map(write, range(writers)))
    return [number for number, mine in enumerate(won) if mine], store.read(key)


def test_an_object_reads_as_created(store: Store) -> None:
    data = bytes(range(256)) * 5000
    assert store.head("a/b") is None
    store.create("a/b", data)
    assert (store.read("a/b"), store.head("a/b")) == (data, len(data))
    assert store.fetch("a/b").read_bytes() == data
    store.create("empty", b"")
    assert (store.head("empty"), store.read("empty")) == (0, b"")


def test_create_never_overwrites(store: Store) -> None:
    store.create("a/b", b"first")
    with pytest.raises(AlreadyExists):
        store.create("a/b", b"second")
    assert store.read("a/b") == b"first"


def test_one_of_twelve_racing_writers_wins(store: Store) -> None:
    for _ in range(3):
        winners, data = race(store, 12)
        assert len(winners) == 1
        assert data == str(winners[0]).encode() * 1000


def test_the_race_sees_a_store_that_overwrites() -> None:
    winners, _ = race(OverwritingStore(), 12)
    assert len(winners) == 12


def test_what_is_not_there_is_not_found(store: Store) -> None:
    for missing in ("none", "none/at/all"):
        with pytest.raises(NotFound):
            store.read(missing)
        with pytest.raises(NotFound):
            store.fetch(missing)
    store.create("a/b", b"x")
    assert store.head("a") is None
    assert store.head("a/b/c") is None
    assert list(store.list("nowhere/")) == []


def test_a_file_is_uploaded_whole_and_never_over_another(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "big.bin"
    path.write_bytes(bytes(range(256)) * (12 << 12))
    store.upload("d/big", path)
    assert store.head("d/big") == path.stat().st_size
    assert store.fetch("d/big").read_bytes() == path.read_bytes()
    path.write_bytes(b"other")
    with pytest.raises(AlreadyExists):
        store.upload("d/big", path)
    assert store.head("d/big") != 5


def test_a_file_of_ours_may_be_taken_and_what_is_written_there_later_is_another(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "made.bin"
    path.write_bytes(b"ours")
    store.upload("d/ours", path, ours=True)
    path.write_bytes(b"later")
    store.fetch("d/ours")
    assert store.read("d/ours") == b"ours"
    with pytest.raises(AlreadyExists):
        store.upload("d/ours", path, ours=True)
    assert path.read_bytes() == b"later"


def test_a_file_of_another_file_system_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link, store, path = os.link, LocalStore(tmp_path / "lake"), tmp_path / "made.bin"

    def elsewhere(made: Path, to: Path) -> None:
        if made == path:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        link(made, to)

    monkeypatch.setattr(os, "link", elsewhere)
    path.write_bytes(b"ours")
    store.upload("d/ours", path, ours=True)
    assert (store.read("d/ours"), path.read_bytes()) == (b"ours", b"ours")


def test_list_gives_what_begins_with_the_prefix_in_order(store: Store) -> None:
    before = datetime.now(UTC) - timedelta(minutes=5)
    for key in ("a/2", "a/10", "a/1/x", "ab/1", "b"):
        store.create(key, key.encode())
    assert [stored.key for stored in store.list("a/")] == ["a/1/x", "a/10", "a/2"]
    assert [stored.key for stored in store.list("a")] == ["a/1/x", "a/10", "a/2", "ab/1"]
    assert [stored.key for stored in store.list("a/1")] == ["a/1/x", "a/10"]
    stored = next(iter(store.list("a/10")))
    assert stored.size == 4
    assert before < stored.modified < datetime.now(UTC) + timedelta(minutes=5)


def test_a_sweep_deletes_one_object_and_finds_the_next_gone_no_error(store: Store) -> None:
    sweeping = cast("Sweeping", store)
    for key in ("s/data/1", "s/data/2", "s/data/1/x"):
        store.create(f"{key}.parquet", b"x")
    for _ in range(2):
        sweeping.delete("s/data/1.parquet")
    sweeping.delete("none/at/all")
    assert [stored.key for stored in store.list("")] == ["s/data/1/x.parquet", "s/data/2.parquet"]
    assert store.head("s/data/1.parquet") is None
    store.create("s/data/1.parquet", b"again")
    assert store.read("s/data/1.parquet") == b"again"
    for key in ("../a", "", "s/data/"):
        with pytest.raises(LakeError, match="not a key"):
            sweeping.delete(key)


def test_no_stage_can_delete() -> None:
    assert not hasattr(Store, "delete")
    assert not hasattr(GuardedStore, "delete")


@pytest.mark.parametrize("key", ODD)
def test_odd_keys_are_kept_apart_and_as_they_are(store: Store, key: str) -> None:
    store.create(key, b"odd")
    assert store.read(key) == b"odd"
    assert store.head(key) == 3
    assert [stored.key for stored in store.list("")] == [key]
    assert store.fetch(key).read_bytes() == b"odd"


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "../a", "a/../../b", "a/.", "a\0b", "a/.tmp-x", "a\\b", "x" * 300]
)
def test_a_key_that_leads_out_of_the_zone_is_refused(store: Store, key: str) -> None:
    for use in (store.head, store.read, store.fetch, lambda key: store.create(key, b"")):
        with pytest.raises(LakeError, match="not a key"):
            use(key)


@pytest.mark.parametrize("faults", [("after",), ("before",), ("before", "after"), ("before", "before", "before")])
def test_a_commit_whose_answer_is_lost_is_neither_lost_nor_doubled(store: Store, faults: tuple[str, ...]) -> None:
    clock = FixedClock()
    log = Log(Faulty(store, script(*faults)), "ingestion/s", clock, wait=lambda _: None)
    committed = log.commit(draft(clock), None)
    assert [m.write_id for m in Log(store, "ingestion/s").batches(None)] == [committed.write_id]


def test_memory_store_keeps_the_same_law() -> None:
    memory = MemoryStore()
    winners, _ = race(memory, 12)
    assert len(winners) == 1
    with pytest.raises(NotFound):
        memory.read("none")


def test_s3_names_what_is_wrong(ministack: Callable[[], S3Store], tmp_path: Path) -> None:
    answer = ministack.answer  # type: ignore[attr-defined]
    right = variables(answer)
    for use in (lambda s: s.head("a/b"), lambda s: s.create("a/b", b""), lambda s: list(s.list("a/"))):
        with pytest.raises(LakeError, match="there is no bucket nowhere") as raised:
            use(S3Store("s3://nowhere/x", right, tmp_path))
        assert not isinstance(raised.value, NotFound)
        with pytest.raises(LakeError, match="refuses us"):
            use(S3Store("s3://lake/x", right | {"AWS_ACCESS_KEY_ID": "AKIAWRONGWRONGWRONG0"}, tmp_path))
    for url in ("s3:///x", "gs://lake", "/lake"):
        with pytest.raises(LakeError, match="s3://bucket/prefix"):
            S3Store(url, right, tmp_path)


def test_s3_zones_of_one_cache_are_kept_apart(ministack: Callable[[], S3Store], tmp_path: Path) -> None:
    answer = ministack.answer  # type: ignore[attr-defined]
    make_bucket(answer, "another")
    for bucket in ("lake", "another"):
        S3Store(f"s3://{bucket}", variables(answer), tmp_path).create("same/key", bucket.encode())
    for bucket in ("lake", "another"):
        store = S3Store(f"s3://{bucket}", variables(answer), tmp_path)
        assert store.fetch("same/key").read_bytes() == bucket.encode()
        assert store.fetch("same/key").read_bytes() == bucket.encode()


@pytest.fixture
def answering() -> Iterator[tuple[str, list[int]]]:
    """A server that answers PUT with the statuses it is given (0: cuts the line), and holds nothing."""
    statuses: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.answer(statuses.pop(0) if len(statuses) > 1 else statuses[0])

        def do_GET(self) -> None:
            self.answer(200, EMPTY_LIST)

        def do_HEAD(self) -> None:
            self.answer(404)

        def answer(self, status: int, body: bytes = b"") -> None:
            if not status:
                self.connection.close()
                return
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", statuses
        server.shutdown()


@pytest.mark.parametrize(
    ("statuses", "error"),
    [
        ([409], Uncertain),
        ([503], Uncertain),
        ([0], Uncertain),
        ([500, 403], Uncertain),
        ([403], LakeError),
        ([400], LakeError),
        ([405], LakeError),
    ],
)
def test_s3_tells_no_answer_from_a_refusal(
    answering: tuple[str, list[int]], tmp_path: Path, statuses: list[int], error: type[LakeError]
) -> None:
    endpoint, answers = answering
    answers.extend(statuses)
    settings = {"endpoint": endpoint, "access_key": "a", "secret_key": "b"}
    with pytest.raises(LakeError) as raised:
        S3Store("s3://lake/x", variables(settings), tmp_path, patience=timedelta(seconds=0.5)).create("a/b", b"x")
    assert type(raised.value) is error
    assert "AWS4-HMAC" not in str(raised.value)


def test_a_full_disk_or_a_foreign_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file where the folder should be")
    store = LocalStore(tmp_path / "lake")
    with pytest.raises(LakeError, match="can't be used"):
        store.create("a/b", b"x")
    full = LocalStore(tmp_path / "full")
    with pytest.raises(LakeError, match="No space left"):
        full.upload("a/b", FullDisk(tmp_path))  # type: ignore[arg-type]
    assert list(full.list("")) == []
    assert [path for path in (tmp_path / "full").rglob("*") if path.is_file()] == []


class FullDisk:
    """A file that ends in ENOSPC when read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, mode: str) -> "FullDisk":
        return self

    def __enter__(self) -> "FullDisk":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def read(self, size: int) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_gcs_names_what_is_wrong(fake_gcs: Callable[[], GcsStore], tmp_path: Path) -> None:
    right = storage_variables(fake_gcs.answer)  # type: ignore[attr-defined]
    for use in (
        lambda s: s.head("a/b"),
        lambda s: s.read("a/b"),
        lambda s: s.fetch("a/b"),
        lambda s: s.create("a/b", b""),
        lambda s: s.upload("a/b", Path(__file__)),
        lambda s: list(s.list("a/")),
    ):
        with pytest.raises(LakeError, match="there is no bucket nowhere") as raised:
            use(GcsStore("gs://nowhere/x", right, tmp_path))
        assert not isinstance(raised.value, NotFound)
    for url in ("gs:///x", "s3://lake", "/lake"):
        with pytest.raises(LakeError, match="gs://bucket/prefix"):
            GcsStore(url, right, tmp_path)


def test_gcs_without_a_login_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(LakeError, match=r"no login for Cloud Storage(.|\n)*GOOGLE_APPLICATION_CREDENTIALS"):
        GcsStore("gs://lake", {"GOOGLE_CLOUD_PROJECT": "p"}, tmp_path)


def test_gcs_zones_of_one_cache_are_kept_apart_and_read_once(fake_gcs: Callable[[], GcsStore], tmp_path: Path) -> None:
    answer = fake_gcs.answer  # type: ignore[attr-defined]
    for bucket in ("one", "another"):
        make_gcs_bucket(answer, bucket)
        GcsStore(f"gs://{bucket}", storage_variables(answer), tmp_path).create("same/key", bucket.encode())
    for bucket in ("one", "another"):
        store = GcsStore(f"gs://{bucket}", storage_variables(answer), tmp_path)
        assert store.fetch("same/key").read_bytes() == bucket.encode()
        assert store.fetch("same/key").read_bytes() == bucket.encode()


@pytest.fixture
def answering_gcs() -> Iterator[tuple[str, list[int], list[str]]]:
    """A server that answers uploads with the statuses it is given (0: cuts the line), and lists an empty bucket."""
    statuses: list[int] = []
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers["content-length"]))
            self.answer(statuses.pop(0) if len(statuses) > 1 else statuses[0])

        def do_GET(self) -> None:
            self.answer(200, b"{}" if "/o?" in self.path else b"abc", 9 if "download" in self.path else None)

        def answer(self, status: int, body: bytes = b"{}", length: int | None = None) -> None:
            if not status:
                self.connection.close()
                return
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(length or len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", statuses, asked
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (412, AlreadyExists),
        (409, Uncertain),
        (429, Uncertain),
        (408, Uncertain),
        (500, Uncertain),
        (503, Uncertain),
        (0, Uncertain),
        (403, LakeError),
        (400, LakeError),
    ],
)
def test_gcs_tells_no_answer_from_a_refusal_and_sends_a_create_once(
    answering_gcs: tuple[str, list[int], list[str]], tmp_path: Path, status: int, error: type[LakeError]
) -> None:
    """Were it sent again by the library, our own object would be taken for another's."""
    endpoint, statuses, asked = answering_gcs
    statuses.append(status)
    store = GcsStore("gs://lake/x", {"STORAGE_EMULATOR_HOST": endpoint}, tmp_path, patience=0.5)
    path = tmp_path / "data"
    path.write_bytes(b"x")
    for use in (lambda: store.create("a/b", b"x"), lambda: store.upload("a/b", path)):
        asked.clear()
        with pytest.raises(LakeError) as raised:
            use()
        assert type(raised.value) is error
        assert len(asked) == 1
        assert "ifGenerationMatch=0" in asked[0]


def test_gcs_takes_no_part_of_an_object_for_the_whole(
    answering_gcs: tuple[str, list[int], list[str]], tmp_path: Path
) -> None:
    store = GcsStore("gs://lake/x", {"STORAGE_EMULATOR_HOST": answering_gcs[0]}, tmp_path, patience=0.3)
    with pytest.raises(LakeError):
        store.fetch("a/b")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
