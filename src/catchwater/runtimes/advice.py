"""What the sources of a project advise before anything runs; a source that can't be reached is silent here."""

from catchwater.errors import SourceError
from catchwater.plan.freshness import period
from catchwater.plan.plan import Plan
from catchwater.ports import Advising
from catchwater.wiring import Wiring


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
