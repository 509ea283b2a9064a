"""Writers that race for the numbers of one log, through stores of their own, and what they were told."""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Barrier

from catchwater.errors import LostRace, Uncertain
from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest
from catchwater.ports import Store
from tests.support.lake import FixedClock, draft, table

NAME = "ingestion/s"


@dataclass
class Told:
    """What writers heard: `won` note → number, `lost` the notes of batches that aren't to be in the log."""

    won: dict[str, int] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)


class Writer:
    """One process with a clock of its own, an hour off at most."""

    def __init__(self, store: Store, kind: type[Log], number: int, chosen: random.Random, folder: Path) -> None:
        self.clock = FixedClock()
        self.clock.pass_by(timedelta(minutes=chosen.uniform(-60, 60)))
        self.log = kind(store, NAME, self.clock, wait=lambda _: None)
        self.number, self.folder, self.count = number, folder, 0

    def commit(self, after: Manifest | None, told: Told) -> None:
        self.count += 1
        note = f"{self.number}/{self.count}"
        path = self.folder / f"{self.number}-{self.count}.parquet"
        path.write_bytes(b"x")
        file = self.log.stage(path, 1)
        told.files.add(file.path)
        try:
            done = self.log.commit(draft(self.clock, {"t": table(file)}, note), after)
        except LostRace:
            told.lost.add(note)
        except Uncertain:
            told.unsure.add(note)
        else:
            told.won[note] = done.seq


def race(stores: Sequence[Store], rounds: int, kind: type[Log], chosen: random.Random, folder: Path) -> Told:
    """`rounds` numbers, for each of which every writer commits a batch at once."""
    told = Told()
    writers = [Writer(store, kind, number, chosen, folder) for number, store in enumerate(stores)]
    gate = Barrier(len(writers))

    def run(writer: Writer) -> None:
        for _ in range(rounds):
            after = writer.log.head()
            gate.wait(60)
            writer.commit(after, told)
            gate.wait(60)

    with ThreadPoolExecutor(len(writers)) as pool:
        list(pool.map(run, writers))
    return told


def lies(store: Store, told: Told) -> str:
    """What writers were told that the log says otherwise; empty when it is all true."""
    notes = [manifest.run for manifest in Log(store, NAME).batches(None)]
    if len(notes) != len(set(notes)):
        return "a batch is there twice"
    if {note: notes.index(note) + 1 for note in told.won if note in notes} != told.won:
        return "a batch that was committed isn't there, or at another number"
    if told.lost & set(notes):
        return "a batch that is there was told to be lost"
    if set(notes) - told.won.keys() - told.unsure:
        return "a batch is there that nobody committed"
    there = {stored.key for stored in store.list("s/data/")}
    return "" if there == told.files else "a file was deleted"


Zone = Callable[[], Store]
