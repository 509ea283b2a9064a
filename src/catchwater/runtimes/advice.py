"""What the sources of a project advise before anything runs; a source that can't be reached is silent here."""

from collections.abc import Iterator

from catchwater.errors import Problem, ProjectError, SecretMissing, SourceError
from catchwater.plan.freshness import period
from catchwater.plan.plan import Plan
from catchwater.ports import Advising
from catchwater.project.variables import texts
from catchwater.wiring import Wiring


def told(wiring: Wiring) -> None:
    """Raises SecretMissing for a variable that a source refers to and that isn't set, ProjectError for several; what a
    cloud's environment refers to is set there."""
    missing = [] if wiring.loaded.project.in_cloud else list(_missing(wiring))
    if len(missing) > 1:
        raise ProjectError([_problem(one) for one in missing])
    for one in missing:
        raise one


def _missing(wiring: Wiring) -> Iterator[SecretMissing]:
    settings = wiring.settings()
    declared = wiring.loaded.project.model_dump(by_alias=True, exclude_unset=True)
    for _, text in texts(declared["sources"]):
        try:
            settings.resolve(text)
        except SecretMissing as error:
            yield error


def _problem(error: SecretMissing) -> Problem:
    file, _, line = error.where.partition(":")
    return Problem(file, int(line or 0), 0, error.message, error.next_step)


def advice(wiring: Wiring, plan: Plan) -> list[str]:
    """A line per thing worth knowing, with its source; a cloud's environment is planned without a connection."""
    if wiring.loaded.project.in_cloud:
        return []
    found: list[str] = []
    for one in plan.sources:
        source = wiring.source(one.name)
        if not isinstance(source, Advising):
            continue
        periods = [period(t.detail) for t in plan.triggers if t.step == f"ingest:{one.name}" and t.kind == "schedule"]
        try:
            found += [f"{one.name}: {said}" for said in source.advice(max(periods) if periods else None)]
        except SourceError:
            continue
    return found
