"""The law: one numbered, hash-chained log per source or model; nothing else decides what has happened."""

import hashlib
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

from catchwater.errors import AlreadyExists, ChainBroken, Corrupt, LakeError, LostRace, NotFound, Uncertain
from catchwater.lake.manifest import Checkpoint, Draft, File, Manifest, Ref, check, committed_files, parse, rolled_files
from catchwater.lake.span import Span
from catchwater.ports import Clock, Store

MAX_AGE = timedelta(days=3)  # half the age at which a sweep may remove a file that no manifest names
_ATTEMPTS = 6
_READERS = 16


class _Utc:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Log:
    """One log in its zone's store, `name` is `ingestion/<source>` or `processed/<model>`.

    Numbers begin at 1. An object is read once and remembered, so keep a Log for as long as one wake lasts; it may
    be used by one thread at a time.
    """

    def __init__(
        self, store: Store, name: str, clock: Clock | None = None, wait: Callable[[float], object] = time.sleep
    ) -> None:
        self.name, self.store = name, store
        self.folder = name.partition("/")[2]
        self._clock, self._wait = clock or _Utc(), wait
        self._held: dict[int, Manifest] = {}
        self._staged: dict[str, datetime] = {}
        if not self.folder or "/" in self.folder:
            raise LakeError(f"not the name of a log: {name!r}")

    def key(self, seq: int) -> str:
        return f"{self.folder}/_log/{seq:020d}/query_log.json"

    def head(self, hint: int = 0) -> Manifest | None:
        """The newest batch, found by HEAD requests only: two when `hint` (or what was seen last) is still the
        newest, about 2·log2(n) from nothing. Raises Corrupt."""
        newest = self._newest(max(hint, *self._held, 0))
        if not newest:
            self._held.clear()
            return None
        manifest = self._get(newest)
        known = self._held.get(newest), self._held.get(newest - 1)
        if (known[0] and known[0].hash != manifest.hash) or (known[1] and known[1].ref != manifest.previous):
            self._held.clear()  # another log stands where this one stood: nothing remembered holds
        self._held[newest] = manifest
        return manifest

    def read(self, seq: int) -> Manifest:
        """Raises NotFound, Corrupt."""
        if seq not in self._held:
            self._held[seq] = self._get(seq)
        return self._held[seq]

    def batches(self, after: Ref | None, upto: int | None = None) -> list[Manifest]:
        """The batches that follow `after` (None: all), up to number `upto` (None: the head), in order.

        Raises ChainBroken when `after` isn't in this log or a batch doesn't follow the one before, Corrupt."""
        head = self.head() if upto is None else None
        end = upto if upto is not None else head.seq if head else 0
        if after and after.log != self.name:
            raise ChainBroken(f"a marker of {after.log} was taken for one of this log", where=self.name)
        try:
            return self._chain(after, end, final=upto is None)
        except ChainBroken:
            self._held.clear()  # what was remembered may be the wrong half
            return self._chain(after, end, final=upto is None)

    def span(self, upto: int | None = None) -> Span:
        """The log up to a batch (None: the head) as readers take it: from the checkpoint that this batch names, where
        that is still the log's newest.

        Raises ChainBroken when the batch that the checkpoint was made of isn't the one in the log, Corrupt."""
        last = self.head() if upto is None else self.read(upto) if upto else None
        if last is None:
            return Span(())
        checkpoint = last.checkpoint
        if checkpoint is None or not checkpoint.seq or not self._newest_checkpoint(checkpoint, last):
            return Span(self.batches(None, last.seq))
        made_of = Ref(self.name, checkpoint.seq, checkpoint.hash)
        return Span(self.batches(made_of, last.seq), checkpoint, lambda: self.batches(None, made_of.seq))

    def _newest_checkpoint(self, checkpoint: Checkpoint, last: Manifest) -> bool:
        """Whether the log's head has this one too: the files of those before are swept away some day."""
        head = last if last.seq == max(self._held) else self.head(last.seq)
        return head is not None and head.checkpoint == checkpoint

    def stage(self, path: Path, rows: int, row_start: int = 0, folder: str = "data") -> File:
        """Upload a local file under a random name; it belongs to no batch until one is committed that names it. All but
        raw files, which are the source's, may be gone from where they were then."""
        key = f"{self.folder}/{folder}/{uuid4().hex}{path.suffix}"
        staged, size = self._clock.now(), path.stat().st_size
        with path.open("rb") as file, ThreadPoolExecutor(1) as pool:
            digest = pool.submit(hashlib.file_digest, file, "sha256")
            self.store.upload(key, path, ours=folder != "raw")
        self._staged[key] = staged
        return File(path=key, sha256=digest.result().hexdigest(), rows=rows, bytes=size, row_start=row_start)

    def commit(self, draft: Draft, after: Manifest | None) -> Manifest:
        """Write the batch that follows `after` (None: the first).

        Raises LostRace when another writer has the number, ChainBroken when `after` is no longer in the log,
        LakeError when the batch contradicts itself or its files are too old, and Uncertain when the store never
        answered: the batch may then be there, and the next `head()` shows it."""
        now = self._clock.now()
        manifest = Manifest(
            log=self.name,
            seq=after.seq + 1 if after else 1,
            write_id=uuid4().hex,
            previous=after.ref if after else None,
            committed=stamp(now),
            **{field.name: getattr(draft, field.name) for field in fields(draft)},
        )
        if after and draft.checkpoint is None:
            manifest = replace(manifest, checkpoint=after.checkpoint)
        check(manifest)
        self._check_age(manifest, now, rolled_files(after.checkpoint) if after else ())
        try:
            data = manifest.to_bytes()
        except (TypeError, ValueError) as error:
            raise LakeError(f"the batch can't be written as JSON: {error}", where=self.name) from error
        manifest = parse(data, self.name, manifest.seq)
        self._check_predecessor(after)
        self._write(self.key(manifest.seq), data)
        self._held[manifest.seq] = manifest
        return manifest

    def _write(self, key: str, data: bytes) -> None:
        """Until it is known whether these bytes or others are the object: no answer is not "no commit"."""
        lost: LakeError | None = None
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._wait(min(0.05 * 4**attempt, 5.0))
            try:
                self.store.create(key, data)
                return
            except (AlreadyExists, Uncertain) as error:
                lost = error
            try:
                if self.store.read(key) == data:
                    return
                raise LostRace("another writer committed this batch first", where=f"{self.name} {key}") from lost
            except (NotFound, Uncertain):
                continue
        raise Uncertain(
            "the store doesn't answer: the batch may or may not be committed",
            where=f"{self.name} {key}",
            next_step="run again: the log tells, and nothing is done twice",
        ) from lost

    def _check_predecessor(self, after: Manifest | None) -> None:
        """A store restored while the stage worked must not get a batch that follows nothing, and a page that was lost
        isn't filled by another: what follows it would break the chain for good."""
        seq = after.seq + 1 if after else 1
        if self._exists(seq + 1) and not self._exists(seq):
            raise ChainBroken(
                f"batch {seq} is missing, and later ones are there",
                where=self.name,
                next_step="restore it from a copy of the lake",
            )
        if not after:
            return
        try:
            found = self._get(after.seq).hash
        except NotFound as error:
            raise self._broken(after.ref, "no such batch") from error
        if found != after.hash:
            raise self._broken(after.ref, found)

    def _check_age(self, manifest: Manifest, now: datetime, named: Collection[File]) -> None:
        """Files that older batches have `named` are safe from a sweep; others are not, for ever."""
        started = datetime.fromisoformat(manifest.started)
        files = [*committed_files(manifest), *(f for f in rolled_files(manifest.checkpoint) if f not in named)]
        for path in [file.path for file in files] + ([manifest.quarantine.path] if manifest.quarantine else []):
            if now - self._staged.get(path, started) > MAX_AGE:
                raise LakeError(
                    f"{path} was staged more than three days ago and may be swept away",
                    where=self.name,
                    next_step="run the stage again",
                )

    def _newest(self, known: int) -> int:
        low = known if known and self._exists(known) else 0
        step = 1
        while self._exists(low + step):
            low, step = low + step, step * 2
        missing = low + step
        while missing - low > 1:
            middle = (low + missing) // 2
            low, missing = (middle, missing) if self._exists(middle) else (low, middle)
        return low

    def _exists(self, seq: int) -> bool:
        return self.store.head(self.key(seq)) is not None

    def _get(self, seq: int) -> Manifest:
        return parse(self.store.read(self.key(seq)), self.name, seq)

    def _chain(self, after: Ref | None, end: int, *, final: bool) -> list[Manifest]:
        if after and after.seq > end and final:
            raise self._broken(after, f"none: the log ends at {end}")
        first = after.seq if after else 1
        manifests = self._read_all(range(first, max(end, first if after else 0) + 1))
        if after and manifests[0].hash != after.hash:
            raise self._broken(after, manifests[0].hash)
        for before, manifest in pairwise(manifests):
            if manifest.previous != before.ref:
                raise self._broken(manifest.previous or before.ref, before.hash)
        return manifests[1:] if after else manifests

    def _read_all(self, numbers: Iterable[int]) -> list[Manifest]:
        wanted = list(numbers)
        missing = [seq for seq in wanted if seq not in self._held]
        try:
            with ThreadPoolExecutor(_READERS) as pool:
                self._held.update(zip(missing, pool.map(self._get, missing), strict=True))
        except NotFound as error:
            raise ChainBroken(
                f"a batch is missing between {wanted[0]} and {wanted[-1]}: {error.where}",
                where=self.name,
                next_step="restore it from a copy of the lake",
            ) from error
        return [self._held[seq] for seq in wanted]

    def _broken(self, marker: Ref, found: str) -> ChainBroken:
        return ChainBroken(
            f"batch {marker.seq} should have the hash {marker.hash}, the log has {found}",
            where=self.name,
            next_step="the lake was restored or replaced: restore the newer lake, or rebuild what was made from it",
        )


def stamp(moment: datetime) -> str:
    """A UTC moment as the manifests write it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def verify_chain(log: Log) -> list[Corrupt | ChainBroken]:
    """What is wrong with a log, read whole; empty when nothing is. A page that is gone is looked for by a listing: to
    whoever looks for the head alone the log may end before it. The last page, once gone, is missed by markers only."""
    numbers = [number for key in log.store.list(f"{log.folder}/_log/") if (number := key.key.split("/")[2]).isdigit()]
    try:
        batches = log.batches(None)
    except (Corrupt, ChainBroken) as error:
        return [error]
    last = max(map(int, numbers), default=0)
    if last > len(batches):
        return [
            ChainBroken(
                f"batch {len(batches) + 1} is missing, and later ones are there up to {last}",
                where=log.name,
                next_step="restore it from a copy of the lake; until then nothing after it is read",
            )
        ]
    return []
