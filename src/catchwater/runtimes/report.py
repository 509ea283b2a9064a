"""What a run did, as plain data for records, the API and the terminal; nothing is run here."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from catchwater.errors import CatchwaterError
from catchwater.plan.plan import Step
from catchwater.stages.outcome import Failure, Outcome


@dataclass(frozen=True)
class RunReport:
    """What one run did; `state` is done | partly | failed."""

    number: int
    id: str
    trigger: str
    started: str
    seconds: float
    state: str
    quarantined: int
    outcomes: tuple[Outcome, ...]
    moved: bool

    @property
    def exit_code(self) -> int:
        return {"done": 0, "failed": 1, "partly": 3}[self.state]

    def as_dict(self) -> dict[str, Any]:
        steps = [as_dict(outcome) for outcome in self.outcomes]
        errors = [step["error"] for step in steps if step["error"]]
        return {
            "number": self.number,
            "id": self.id,
            "trigger": self.trigger,
            "started": self.started,
            "seconds": round(self.seconds, 3),
            "state": self.state,
            "quarantined": self.quarantined,
            "error": errors[0] if errors else None,
            "steps": steps,
        }


def as_dict(outcome: Outcome) -> dict[str, Any]:
    state = "failed" if outcome.failed else "partly" if outcome.quarantined else "done"
    return {
        "name": outcome.step,
        "stage": outcome.stage,
        "state": state if outcome.moved or outcome.failed else "nothing",
        "seconds": round(outcome.seconds, 3),
        "rows": outcome.rows_in,
        "written": outcome.rows_out,
        "added": outcome.added,
        "changed": outcome.changed,
        "removed": outcome.removed,
        "quarantined": outcome.quarantined,
        "batches": [f"{ref.log}/{ref.seq}" for ref in outcome.batches],
        "tables": {name: asdict(table) for name, table in outcome.tables.items()},
        "notes": list(outcome.notes),
        "error": outcome.failures[0].message if outcome.failures else None,
        "failures": [asdict(failure) for failure in outcome.failures],
    }


def failed(step: Step, error: Exception, seconds: float) -> Outcome:
    if isinstance(error, CatchwaterError):
        message = str(error)
    else:
        message = f"a fault in Catchwater itself: {type(error).__name__}: {error}"
    failure = Failure(step.source or step.name, type(error).__name__, message)
    return Outcome(step.name, step.stage, seconds=seconds, failures=(failure,))


def state_of(outcomes: Sequence[Outcome]) -> str:
    if any(outcome.failed for outcome in outcomes):
        return "failed"
    return "partly" if any(outcome.quarantined for outcome in outcomes) else "done"


def merge(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """One outcome per step, summed over the passes of a run."""
    merged: dict[str, Outcome] = {}
    for outcome in outcomes:
        held = merged.get(outcome.step)
        merged[outcome.step] = held.plus(outcome) if held else outcome
    return list(merged.values())
