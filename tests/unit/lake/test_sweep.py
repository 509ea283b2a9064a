"""The sweep removes what nobody names and is old by the store's time, and nothing that a batch names or will name."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from catchwater.errors import ChainBroken, LakeError
from catchwater.lake import sweep as sweeping
from catchwater.lake.log import Log
from catchwater.lake.manifest import Checkpoint, File, Quarantined, Rolled
from catchwater.lake.sweep import Swept, sweep
from catchwater.ports import Stored
from tests.support.lake import COLUMNS, FixedClock, MemoryStore, draft, table

NAME = "ingestion/s"
DAY = timedelta(days=1)


class Dated(MemoryStore):
    """Objects have the time of the store's own clock; `between` is called when a listing has ended."""

    def __init__(self, clock: FixedClock) -> None:
        super().__init__()
        self.clock, self.times = clock, dict[str, object]()
        self.between: Callable[[], object] = lambda: None

    def create(self, key: str, data: bytes) -> None:
        super().create(key, data)
        self.times[key] = self.clock.now()

    def list(self, prefix: str) -> Iterator[Stored]:
        for key in sorted(self.objects):
            if key.startswith(prefix):
                yield Stored(key, len(self.objects[key]), self.times[key])  # type: ignore[arg-type]
        self.between()

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)


class Writer:
    """Stages files of one byte and commits them."""

    def __init__(self, folder: Path) -> None:
        self.clock = FixedClock()
        self.store = Dated(self.clock)
        self.log = Log(self.store, NAME, self.clock)
        self.path = folder / "x.parquet"
        self.path.write_bytes(b"x")

    def stage(self, folder: str = "data") -> File:
        return self.log.stage(self.path, 1, folder=folder)

    def commit(self, *files: File, checkpoint: Checkpoint | None = None) -> None:
        batch = replace(draft(self.clock, {"t": table(*files)}), checkpoint=checkpoint)
        self.log.commit(batch, self.log.head())

    def rolled(self, *files: File) -> Checkpoint:
        head = self.log.head()
        assert head
        return Checkpoint(head.seq, head.hash, {"t": Rolled(COLUMNS, ("k",), len(files), files)})

    def swept(self, *, dry: bool = False) -> Swept:
        return sweep(self.store, [NAME], self.clock.now(), dry)


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path)


def test_only_what_no_batch_names_and_is_over_a_week_old_goes(writer: Writer) -> None:
    named = [writer.stage() for _ in range(2)]
    lost = [writer.stage(folder) for folder in sweeping.FOLDERS]
    aside, raw = writer.stage("quarantine"), writer.stage("raw")
    batch = replace(draft(writer.clock, {"t": table(named[0])}), raw=(raw,), quarantine=Quarantined(1, aside.path))
    writer.log.commit(batch, None)
    writer.commit(named[1])
    for other in ("s/_log/7/query_log.json", "_runs/1.json", "other/data/1.parquet", "_config/x"):
        writer.store.create(other, b"x")
    writer.clock.pass_by(timedelta(days=6))
    young = writer.stage()
    writer.commit(writer.stage())
    assert writer.swept() == Swept()
    writer.clock.pass_by(2 * DAY)
    writer.commit(writer.stage())
    before = set(writer.store.objects)
    assert writer.swept(dry=True) == Swept(len(lost), len(lost))
    assert set(writer.store.objects) == before
    assert writer.swept() == Swept(len(lost), len(lost))
    assert before - set(writer.store.objects) == {file.path for file in lost}
    assert young.path in writer.store.objects
    assert writer.swept() == Swept()


def test_a_checkpoint_is_kept_for_a_week_after_another_took_its_place(writer: Writer) -> None:
    writer.commit(writer.stage())
    first = writer.rolled(writer.stage("checkpoint"))
    writer.commit(writer.stage(), checkpoint=first)
    writer.clock.pass_by(8 * DAY)
    writer.commit()
    assert writer.swept() == Swept()
    second = writer.rolled(writer.stage("checkpoint"))
    writer.commit(checkpoint=second)
    writer.clock.pass_by(6 * DAY)
    writer.commit()
    assert writer.swept() == Swept()
    writer.clock.pass_by(8 * DAY)
    writer.commit()
    assert writer.swept() == Swept(1, 1)
    assert first.tables["t"].current[0].path not in writer.store.objects
    assert second.tables["t"].current[0].path in writer.store.objects
    old = writer.log.span(2)
    assert (old.checkpoint, len(old)) == (None, 2)
    assert writer.log.span().checkpoint == second


def test_a_wrong_clock_of_ours_sweeps_nothing_young(writer: Writer) -> None:
    writer.commit(writer.stage())
    lost = writer.stage()
    writer.clock.pass_by(DAY)
    writer.commit()
    assert sweep(writer.store, [NAME], writer.clock.now() + 365 * DAY) == Swept()
    assert lost.path in writer.store.objects


def test_a_broken_chain_sweeps_nothing(writer: Writer) -> None:
    for _ in range(3):
        writer.commit(writer.stage())
    writer.stage()
    writer.clock.pass_by(9 * DAY)
    writer.commit()
    del writer.store.objects[writer.log.key(2)]
    before = set(writer.store.objects)
    with pytest.raises(ChainBroken):
        sweep(writer.store, [NAME], writer.clock.now())
    writer.store.objects[writer.log.key(2)] = writer.store.objects[writer.log.key(3)]
    with pytest.raises(LakeError):
        sweep(writer.store, [NAME], writer.clock.now())
    assert before <= set(writer.store.objects)


def manifests_first(store: Dated, names: list[str], now: object, dry: bool = False) -> Swept:
    """Broken: reads the manifests, and lists what may go afterwards."""
    named = {path for name in names for m in Log(store, name).batches(None) for path in sweeping._named(m)}
    store.between()
    found = list(store.list("s/"))
    newest = max(one.modified for one in found)
    gone = [one for one in found if one.modified < newest - sweeping.AGE and "_log" not in one.key]
    for one in gone:
        if one.key not in named:
            store.delete(one.key)
    return Swept(len(gone))


@pytest.mark.parametrize("broken", [False, True])
def test_what_is_committed_while_a_sweep_runs_stays_unless_manifests_are_read_first(
    writer: Writer, broken: bool
) -> None:
    writer.commit(writer.stage())
    writer.clock.pass_by(9 * DAY)
    writer.commit()
    staged = writer.stage()

    def meanwhile() -> None:
        writer.store.between = lambda: None
        writer.clock.pass_by(timedelta(days=2.9))
        writer.commit(staged)
        writer.clock.pass_by(9 * DAY)
        writer.commit()

    writer.store.between = meanwhile
    run = manifests_first if broken else sweep
    run(writer.store, [NAME], writer.clock.now())
    assert (staged.path in writer.store.objects) is not broken


def test_many_batches_are_read_in_parts(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "_AT_ONCE", 3)
    lost = writer.stage()
    for _ in range(8):
        writer.commit(writer.stage())
    writer.clock.pass_by(8 * DAY)
    writer.commit()
    before = set(writer.store.objects)
    assert writer.swept() == Swept(1, 1)
    assert before - set(writer.store.objects) == {lost.path}


def test_a_log_that_is_not_there_has_nothing_to_sweep(writer: Writer) -> None:
    assert sweep(writer.store, ["ingestion/none"], writer.clock.now()) == Swept()
    lost = writer.stage()
    writer.clock.pass_by(8 * DAY)
    writer.stage()
    assert writer.swept() == Swept(1, 1)
    assert lost.path not in writer.store.objects
