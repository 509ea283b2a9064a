"""A log as readers take it: what was rolled at a checkpoint, and the batches after it. No file is read."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import overload

from catchwater.lake.manifest import Checkpoint, Manifest, Rolled


class Span(Sequence[Manifest]):
    """The batches of a log after its `checkpoint`, or all of them when that is None; `originals` gives all in any case
    (it reads those before the checkpoint when first asked)."""

    def __init__(
        self,
        manifests: Iterable[Manifest],
        checkpoint: Checkpoint | None = None,
        before: Callable[[], Sequence[Manifest]] = tuple,
        log: str = "",
    ) -> None:
        self._manifests = tuple(manifests)
        self.log = log or (self._manifests[0].log if self._manifests else "")
        self.checkpoint = checkpoint
        self._before = before
        self._originals: tuple[Manifest, ...] | None = None

    def __len__(self) -> int:
        return len(self._manifests)

    def __iter__(self) -> Iterator[Manifest]:
        return iter(self._manifests)

    @overload
    def __getitem__(self, at: int) -> Manifest: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Manifest]: ...
    def __getitem__(self, at: int | slice) -> Manifest | Sequence[Manifest]:
        return self._manifests[at]

    @property
    def originals(self) -> Sequence[Manifest]:
        """Every batch from the first on."""
        if self._originals is None:
            before = self._before() if self.checkpoint else ()
            self._originals = (*before, *self._manifests)
        return self._originals


def originals(batches: Sequence[Manifest]) -> Sequence[Manifest]:
    """Every batch that these stand for, those before a checkpoint too."""
    return batches.originals if isinstance(batches, Span) else batches


def rolled(batches: Sequence[Manifest], table: str) -> Rolled | None:
    """What the checkpoint of these batches has of a table."""
    checkpoint = batches.checkpoint if isinstance(batches, Span) else None
    return checkpoint.tables.get(table) if checkpoint else None


def since_reset(batches: Sequence[Manifest]) -> Sequence[Manifest]:
    """The batches from the last one that began anew (a changed key makes what stands before it meaningless)."""
    starts = [at for at, batch in enumerate(batches) if batch.position.get("reset")]
    return Span(batches[starts[-1] :]) if starts else batches
