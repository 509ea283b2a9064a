"""Any interleaving of racing writers, lost answers and restored stores leaves one readable chain and no lie."""

import random

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from catchwater.errors import AlreadyExists, ChainBroken, LostRace, Uncertain
from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest, Ref
from tests.support.lake import Faulty, FixedClock, MemoryStore, OverwritingStore, chance, draft

NAME = "ingestion/s"
WRITERS = st.integers(0, 2)


class Races(RuleBasedStateMachine):
    """Three writers that each remember a head, perhaps an old one, and a reader with a marker."""

    log: type[Log] = Log
    kind: type[MemoryStore] = MemoryStore

    def __init__(self) -> None:
        super().__init__()
        self.store, self.random, self.rate = self.kind(), random.Random(0), 0.0
        faulty = Faulty(self.store, lambda method: chance(self.random, self.rate)(method))
        self.writers = [self.log(faulty, NAME, FixedClock(), wait=lambda _: None) for _ in range(3)]
        self.heads: list[Manifest | None] = [None, None, None]
        self.reader = Log(self.store, NAME)
        self.marker: Ref | None = None
        self.sure: dict[str, int] = {}
        self.never: set[str] = set()
        self.number = 0

    @rule(writer=WRITERS)
    def look(self, writer: int) -> None:
        self.rate = 0.0
        self.heads[writer] = self.writers[writer].head()

    @rule(writer=WRITERS, seed=st.integers(0, 1 << 16), rate=st.sampled_from([0.0, 0.3, 0.7, 0.95]))
    def commit(self, writer: int, seed: int, rate: float) -> None:
        self.random, self.rate, self.number = random.Random(seed), rate, self.number + 1
        note = f"{writer}/{self.number}"
        try:
            done = self.writers[writer].commit(draft(note=note), self.heads[writer])
        except (LostRace, ChainBroken):
            self.never.add(note)
        except Uncertain:
            return
        else:
            self.sure[note] = done.seq
            self.heads[writer] = done

    @rule()
    def follow(self) -> None:
        for manifest in self.reader.batches(self.marker):
            assert manifest.seq == (self.marker.seq if self.marker else 0) + 1
            self.marker = manifest.ref

    @rule(keep=st.floats(0, 1))
    def restore(self, keep: float) -> None:
        """The store is put back to an earlier state; whoever was further on must be told."""
        kept = int(len(self.store.objects) * keep)
        for key in sorted(self.store.objects)[kept:]:
            del self.store.objects[key]
        self.sure = {note: seq for note, seq in self.sure.items() if seq <= kept}
        if self.marker and self.marker.seq > kept:
            try:
                self.reader.batches(self.marker)
            except ChainBroken:
                self.marker = None
            else:
                raise AssertionError("a marker passed for a log that it isn't in")

    @invariant()
    def one_chain_and_no_lie(self) -> None:
        notes = [manifest.run for manifest in Log(self.store, NAME).batches(None)]
        assert len(notes) == len(set(notes)) == len(self.store.objects)
        assert {note: notes.index(note) + 1 for note in self.sure if note in notes} == self.sure
        assert not self.never & set(notes)


class GivesUp(Log):
    """Broken: takes no answer for no commit."""

    def _write(self, key: str, data: bytes) -> None:
        try:
            self.store.create(key, data)
        except (AlreadyExists, Uncertain) as error:
            raise LostRace("no answer") from error


class Trusting(Log):
    """Broken: commits after a batch that it doesn't look for."""

    def _check_predecessor(self, after: Manifest | None) -> None:
        return


class OnOverwriting(Races):
    kind = OverwritingStore


class OnGivesUp(Races):
    log = GivesUp


class OnTrusting(Races):
    log = Trusting


CHECKS = list(HealthCheck)
LIMITS = settings(max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=CHECKS, database=None)


def test_no_interleaving_loses_or_invents_a_batch() -> None:
    run_state_machine_as_test(Races, settings=LIMITS)


@pytest.mark.parametrize("broken", [OnOverwriting, OnGivesUp, OnTrusting])
def test_broken_logs_and_stores_are_caught(broken: type[Races]) -> None:
    found = settings(LIMITS, max_examples=1000, phases=[Phase.generate], print_blob=False, derandomize=True)
    with pytest.raises((AssertionError, ChainBroken)):
        run_state_machine_as_test(broken, settings=found)
