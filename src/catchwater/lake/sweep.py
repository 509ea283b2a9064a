"""Sweep: files that no batch names, left by killed writers and lost races, go after a week; no batch ever does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest, Ref, committed_files, rolled_files
from catchwater.ports import Store, Stored

AGE = timedelta(days=7)  # more than twice the age at which a commit refuses a file
FOLDERS = ("data", "raw", "quarantine", "checkpoint", "_work", "_staged")
_AT_ONCE = 512


class Sweeping(Store, Protocol):
    """A store that can delete. No stage is given one: it is outside the port that they see."""

    def delete(self, key: str) -> None:
        """Remove an object; one that isn't there is no error. Raises Uncertain, LakeError."""
        ...


@dataclass(frozen=True)
class Swept:
    """What was removed, or would be."""

    files: int = 0
    bytes: int = 0

    def __add__(self, other: "Swept") -> "Swept":
        return Swept(self.files + other.files, self.bytes + other.bytes)


def sweep(store: Sweeping, names: Sequence[str], now: datetime, dry: bool = False) -> Swept:
    """Remove what no manifest of these logs (`ingestion/<source>`, `processed/<model>`) names and is over a week old.

    A week is told by the store's own times: its newest object is at most now, whatever our clock says. The files are
    listed first and the manifests read afterwards, to the head: what is committed meanwhile is younger than anything
    listed, for a batch isn't committed with files of over three days. Logs that aren't named are left alone.
    `dry`: only count. Raises Corrupt and ChainBroken before anything of that log is removed."""
    return sum((_sweep(store, name, now, dry) for name in names), Swept())


def _sweep(store: Sweeping, name: str, now: datetime, dry: bool) -> Swept:
    log = Log(store, name)
    found, newest = _listed(store, log.folder)
    before = min(now, newest) - AGE if newest else now - AGE
    candidates = {one.key: one.size for one in found if one.modified < before}
    if not candidates:
        return Swept()
    last: Manifest | None = None
    for manifest in _manifests(store, name):
        for key in _named(manifest):
            candidates.pop(key, None)
        if manifest.checkpoint and datetime.fromisoformat(manifest.committed) >= before:
            _keep(candidates, manifest)
        last = manifest
    if last:
        _keep(candidates, last)
    if not dry:
        for key in candidates:
            store.delete(key)
    return Swept(len(candidates), sum(candidates.values()))


def _listed(store: Store, folder: str) -> tuple[list[Stored], datetime | None]:
    """The files of a log that may go, and when its newest object was written."""
    found, newest = [], None
    for one in store.list(f"{folder}/"):
        newest = max(newest, one.modified) if newest else one.modified
        if one.key.split("/")[1] in FOLDERS:
            found.append(one)
    return found, newest


def _manifests(store: Store, name: str) -> Iterator[Manifest]:
    """Every batch of a log, some hundred at a time in memory."""
    after: Ref | None = None
    head = Log(store, name).head()
    while head and (after.seq if after else 0) < head.seq:
        upto = min(head.seq, (after.seq if after else 0) + _AT_ONCE)
        for manifest in Log(store, name).batches(after, upto):
            yield manifest
            after = manifest.ref


def _named(manifest: Manifest) -> list[str]:
    """The keys that a batch names for good; those of its checkpoint only until another takes its place."""
    return [file.path for file in committed_files(manifest)] + (
        [manifest.quarantine.path] if manifest.quarantine else []
    )


def _keep(candidates: dict[str, int], manifest: Manifest) -> None:
    for file in rolled_files(manifest.checkpoint):
        candidates.pop(file.path, None)
