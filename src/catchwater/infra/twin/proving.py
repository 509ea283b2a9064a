"""From a trial to its receipt, in one run; and what the run fails by when grants are taken away."""

import time
from collections.abc import Callable

from catchwater.errors import CatchwaterError
from catchwater.infra.twin import rows
from catchwater.infra.twin.grants import Permission, judge
from catchwater.infra.twin.receipt import Receipt
from catchwater.infra.twin.trial import Trial


def proven(held: Trial, began: float) -> Receipt:
    """The whole run: rows, freshness, alarms, grants; what goes wrong is in the receipt, not raised."""
    say, standing, problems = held.job.say, held.standing, []
    say("waking the steps")
    first = held.flow()
    held.again = held.decisions()
    measured = held.flow() if first is not None and held.job.beside.change else first
    compared: list[rows.Compared] = []
    alarms: dict[str, bool] = {}
    if measured is None:
        problems.append("rows did not reach the warehouse: see " + str(held.job.work / "emulator" / "ministack.log"))
    else:
        say("comparing rows")
        try:
            compared = held.compare()
        except CatchwaterError as error:
            problems.append(f"rows could not be compared: {error}")
        say("failing, on purpose")
        alarms = held.alarms()
    problems += held.relay.problems
    ignored = {kind: tuple(sorted(names)) for kind, names in standing.provider.ignored.items()}
    return Receipt(
        held.plan.project, held.plan.environment, tuple(compared), held.judged(),
        held.fresh(measured) if measured is not None else None, alarms, tuple(standing.drift), standing.resources,
        ignored, tuple(problems), time.monotonic() - began,
        tuple(sorted({one.action for one in standing.emulator.decisions() if one.vague})),
    )  # fmt: skip


def broken(held: Trial, chosen: Callable[[Permission], bool] = lambda _: True) -> dict[str, str]:
    """Each chosen permission by name → the name that the run failed by without it, empty when it went on. Those that
    the emulator asks nobody about are left alone, and those that only the first rows needed; a secret is needed at
    every start, though a warm function remembers it for a minute."""
    found: dict[str, str] = {}
    permissions, emulator = held.standing.permissions(), held.standing.emulator
    needed = set(judge(permissions, emulator.decisions(held.again)).used)
    needed |= {name for name in judge(permissions, emulator.decisions()).used if " secretsmanager:" in name}
    for permission in permissions:
        if chosen(permission) and permission.asked and permission.name in needed:
            refused = [one.name for one in held.without(permission)]
            named = permission.name in refused
            found[permission.name] = permission.name if named else ", ".join(refused)
            held.job.say(
                f"without {permission.name}: {'refused by name' if named else found[permission.name] or 'it went on'}"
            )
    return found
