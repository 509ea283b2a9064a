"""The files that manifests name: where they are, and whether they are the bytes that were committed; no row is read."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from catchwater.errors import Corrupt, LakeError, NotFound
from catchwater.lake.manifest import Checkpoint, File, Manifest, Rolled, TableBatch, committed_files, rolled_files
from catchwater.lake.span import Span, originals, rolled
from catchwater.ports import Store
from catchwater.project.tables import Column

_SMALL = 4 << 20
_SAMPLE = 16
_READERS = 16
_hashed: set[tuple[Path, str]] = set()


@dataclass(frozen=True)
class Piece:
    """One file of a table: its bytes, its columns, and the number of its first row; in a file of a checkpoint
    (`rolled`) each row has its own. `revises`: some rows have in `_rev` the number of the version that they replace."""

    path: Path
    base: int
    schema: tuple[Column, ...]
    keyed: bool
    revises: bool = False
    rolled: bool = False


def paths(store: Store, manifests: Sequence[Manifest], table: str) -> list[Path]:
    """Local paths of a table's files, in order. The size is checked always; the SHA-256 the first time that this
    process reads a file, of small files all and of others one in sixteen. Raises Corrupt naming the key."""
    return [piece.path for piece in batch_pieces(store, originals(manifests), table)]


def proven(store: Store, manifests: Sequence[Manifest], table: str) -> list[tuple[Path, int]]:
    """Local paths of a table's files in these batches, in order, and the rows of each; every byte is compared with what
    was committed, for whoever takes the bytes on without a look at what they mean. Raises Corrupt."""
    wanted = [(_where(manifest, file), file) for manifest, _, file in _wanted(manifests, table)]
    found = _each(lambda item: _check(store, *item, whole=True), wanted)
    return [(path, file.rows) for path, (_, file) in zip(found, wanted, strict=True)]


def locate(store: Store, manifests: Sequence[Manifest], table: str, remote: bool) -> list[tuple[str, int, TableBatch]]:
    """Where a table's files are, in order, with the number of each one's first row and its shape: local paths, or URLs
    for an engine on other machines (`store.url`; only the sizes are compared then). These are the files of the batches,
    never those of a checkpoint. Raises Corrupt."""
    wanted = _wanted(originals(manifests), table)
    bases = [(manifest.seq << 24) + file.row_start for manifest, _, file in wanted]
    if remote:
        places = [_there(store, manifest, file) for manifest, _, file in wanted]
    else:
        places = [str(path) for path in _fetched(store, [(_where(m, file), file) for m, _, file in wanted])]
    return [(place, base, batch) for place, base, (_, batch, _) in zip(places, bases, wanted, strict=True)]


def url_of(store: Store, key: str) -> str:
    """Where machines other than this one read and write an object; LakeError for a store that they don't see."""
    url = getattr(store, "url", None)
    if url is None:
        raise LakeError("only this machine sees this lake", next_step="put the lake on S3 or GCS")
    return str(url(key))


def verify(store: Store, manifest: Manifest) -> list[Corrupt]:
    """Every file of a batch whose bytes aren't those committed; empty when all are."""
    files = committed_files(manifest)
    aside = manifest.quarantine
    if aside and aside.sha256:
        files.append(File(aside.path, aside.sha256, aside.rows, aside.bytes))
    return _wrong(store, [(_where(manifest, file), file) for file in files])


def verify_rolled(store: Store, log: str, checkpoint: Checkpoint) -> list[Corrupt]:
    """Every file of a checkpoint whose bytes aren't those committed."""
    return _wrong(store, [(_where_rolled(log, checkpoint, file), file) for file in rolled_files(checkpoint)])


def batch_pieces(store: Store, manifests: Sequence[Manifest], table: str) -> list[Piece]:
    """The files of a table in these batches, checked, in order."""
    wanted = _wanted(manifests, table)
    found = _fetched(store, [(_where(manifest, file), file) for manifest, _, file in wanted])
    return [
        Piece(path, (manifest.seq << 24) + file.row_start, batch.schema, bool(batch.key), bool(batch.revised))
        for path, (manifest, batch, file) in zip(found, wanted, strict=True)
    ]


def rolled_pieces(store: Store, span: Span, table: str, kind: str) -> list[Piece] | None:
    """The files of a table in the span's checkpoint, `current` or `history`; None where it wasn't rolled."""
    held, checkpoint = rolled(span, table), span.checkpoint
    if held is None or checkpoint is None:
        return None
    wanted = [(shape, file) for shape in (held, *held.older) for file in files_of(shape, kind)]
    if not wanted:
        return None
    wanted = [(shape, file) for shape, file in wanted if file.rows]
    found = _fetched(store, [(_where_rolled(span.log, checkpoint, file), file) for _, file in wanted])
    return [
        Piece(path, 0, shape.schema, bool(shape.key), rolled=True)
        for path, (shape, _) in zip(found, wanted, strict=True)
    ]


def files_of(shape: Rolled, kind: str) -> tuple[File, ...]:
    return shape.current if kind == "current" else shape.history


def forget() -> None:
    """Read every file's hash anew, as a new process would."""
    _hashed.clear()


def _wanted(manifests: Sequence[Manifest], table: str) -> list[tuple[Manifest, TableBatch, File]]:
    return [
        (manifest, manifest.tables[table], file)
        for manifest in manifests
        if table in manifest.tables
        for file in sorted(manifest.tables[table].files, key=lambda file: file.row_start)
        if file.rows
    ]


def _where(manifest: Manifest, file: File) -> tuple[str, str]:
    """What an error says of a file: where it stands, and what to do."""
    return (
        f"{manifest.log} batch {manifest.seq}: {file.path}",
        "restore the file from a copy of the lake, or replay the source",
    )


def _where_rolled(log: str, checkpoint: Checkpoint, file: File) -> tuple[str, str]:
    return (
        f"{log} checkpoint of batch {checkpoint.seq}: {file.path}",
        "restore the file from a copy of the lake, or run catchwater verify --drop-checkpoints: the original batches, "
        "which have the same rows, are then read in its place",
    )


def _there(store: Store, manifest: Manifest, file: File) -> str:
    """The URL of a file that has the size that was committed."""
    size = store.head(file.path)
    if size != file.bytes:
        where, _ = _where(manifest, file)
        said = "is gone" if size is None else f"has {size} bytes, {file.bytes} were committed"
        raise Corrupt(f"the file {said}", where=where, next_step="restore the file from a copy of the lake")
    return url_of(store, file.path)


def _fetched(store: Store, wanted: Sequence[tuple[tuple[str, str], File]]) -> list[Path]:
    def check(item: tuple[tuple[str, str], File]) -> Path:
        return _check(store, *item)

    return _each(check, wanted)


def _each(
    check: Callable[[tuple[tuple[str, str], File]], Path], wanted: Sequence[tuple[tuple[str, str], File]]
) -> list[Path]:
    if len(wanted) < 2:
        return [check(item) for item in wanted]
    with ThreadPoolExecutor(min(_READERS, len(wanted))) as pool:
        return list(pool.map(check, wanted))


def _wrong(store: Store, files: Sequence[tuple[tuple[str, str], File]]) -> list[Corrupt]:
    problems = []
    for where, file in files:
        try:
            _check(store, where, file, whole=True)
        except Corrupt as error:
            problems.append(error)
    return problems


def _check(store: Store, told: tuple[str, str], file: File, *, whole: bool = False) -> Path:
    where, step = told
    try:
        path = store.fetch(file.path)
    except NotFound as error:
        raise Corrupt("the file is gone", where=where, next_step=step) from error
    size = path.stat().st_size
    if size != file.bytes:
        raise Corrupt(f"the file has {size} bytes, {file.bytes} were committed", where=where, next_step=step)
    known = (path, file.sha256)
    if whole or (known not in _hashed and (size <= _SMALL or secrets.randbelow(_SAMPLE) == 0)):
        with path.open("rb") as data:
            digest = hashlib.file_digest(data, "sha256").hexdigest()
        if digest != file.sha256:
            raise Corrupt("the file isn't the one committed: its SHA-256 differs", where=where, next_step=step)
        _hashed.add(known)
    return path
