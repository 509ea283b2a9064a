"""What is said of a source that is compared, isn't, or can't be; the source is a stand-in that answers as told."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from catchwater.errors import SourceBusy, SourceRefused, SourceUnreachable
from catchwater.lake.log import stamp
from catchwater.lake.manifest import Draft
from catchwater.plan.plan import Plan
from catchwater.ports import Compared, Extraction, Held
from catchwater.project.tables import TableSchema
from catchwater.runtimes import verify_sources as module
from catchwater.runtimes.findings import Verdict
from catchwater.runtimes.opened import open_applied
from catchwater.stages.again import as_they_were
from catchwater.wiring import SystemClock, Wiring
from tests.support.commands import catchwater
from tests.support.pings import write
from tests.support.tampering import log_of


class Answering:
    """Gives or raises what it was told, one answer after the other."""

    def __init__(self, *answers: Compared | Exception) -> None:
        self.answers = list(answers)

    def describe(self) -> tuple[TableSchema, ...]:
        return ()

    def capture(self, tables: Sequence[str], held: Held, work: Path) -> Extraction | None:
        return None

    def compare(self, tables: Sequence[str], held: Held, work: Path) -> Mapping[str, Compared]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {tables[0]: answer}


@pytest.fixture
def opened(tmp_path: Path) -> tuple[Wiring, Plan]:
    folder = write(tmp_path / "pings")
    assert catchwater("publish", "pings", "-", folder, stdin='{"id": 1}').exit == 0
    assert catchwater("run", folder).exit == 0
    return open_applied(folder, "local")


def said(
    opened: tuple[Wiring, Plan], monkeypatch: pytest.MonkeyPatch, *answers: Compared | Exception
) -> tuple[str, str, Verdict]:
    wiring, plan = opened
    monkeypatch.setattr(module, "WAIT", 0.0)
    monkeypatch.setattr(wiring, "source", lambda name: Answering(*answers))
    verdict = Verdict()
    module.verify_source(plan, wiring, "pings", verdict)
    [one] = verdict.proven
    return one.state, one.said, verdict


@pytest.mark.parametrize(
    ("answer", "state", "text"),
    [
        (Compared(1), "equal", "1 row equal"),
        (Compared(1, 2, note="why"), "pending", "1 row equal; 2 changed there since the last run (why)"),
        (Compared(0, note="not compared: why"), "not compared", "not compared: why"),
        (Compared(0, lost=1), "wrong", "1 row in the source and not in the lake"),
        (Compared(0, ghosts=3, keys=("ghost: id = 1",)), "wrong", "3 rows in the lake and not in the source, where nothing was deleted since"),
        (SourceRefused("no right"), "wrong", "can't be compared: no right"),
        (SourceUnreachable("down"), "wrong", "can't be compared: down"),
    ],
)  # fmt: skip
def test_an_answer_in_words(
    opened: tuple[Wiring, Plan], monkeypatch: pytest.MonkeyPatch, answer: Compared | Exception, state: str, text: str
) -> None:
    found = said(opened, monkeypatch, answer)
    assert found[:2] == (state, text)
    assert bool(found[2].findings) == (state == "wrong")


def test_examples_and_how_many_more(opened: tuple[Wiring, Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, verdict = said(opened, monkeypatch, Compared(0, lost=1200, keys=("lost: id = 1",)))
    assert "\n    lost: id = 1\n    … and 1,199 more" in verdict.findings[0].message


def test_a_lock_is_asked_for_again(opened: tuple[Wiring, Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    busy = SourceBusy("locked")
    assert said(opened, monkeypatch, busy, busy, Compared(1))[0] == "equal"
    assert said(opened, monkeypatch, busy, busy, busy)[:2] == ("wrong", "can't be compared: locked")


def test_what_isnt_there_yet(opened: tuple[Wiring, Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    wiring, plan = opened
    other = replace(plan.sources[0], tables=(replace(plan.sources[0].tables[0], name="other"),))
    assert said((wiring, replace(plan, sources=(other,))), monkeypatch)[:2] == ("not compared", "not captured yet")
    log = log_of(wiring.loaded.folder, "ingestion/pings")
    head = log.head()
    assert head is not None
    now = stamp(SystemClock().now())
    log.commit(Draft("ingest", "1", "r", now, position=head.position, tables=as_they_were(head), complete=False), head)
    assert "isn't finished" in said(opened, monkeypatch)[1]
    empty = replace(other, name="nobody")
    verdict = Verdict()
    module.verify_source(replace(plan, sources=(empty,)), wiring, "nobody", verdict)
    assert verdict.proven[0].said == "nothing was captured yet"
