"""An environment as it was applied: its parts and its plan, also of one that runs in a cloud; nothing is run here."""

import os
from collections.abc import Mapping
from pathlib import Path

from catchwater.errors import UseError
from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest
from catchwater.plan.plan import Plan
from catchwater.runtimes import planning
from catchwater.wiring import Places, Wiring

VARIABLES = ("CATCHWATER_INGESTION", "CATCHWATER_PROCESSED")


def open_applied(folder: Path, environment: str, environ: Mapping[str, str] | None = None) -> tuple[Wiring, Plan]:
    """The project's parts, and the plan last applied here, or last built for a cloud.

    The lake of an environment in a cloud is where CATCHWATER_INGESTION and CATCHWATER_PROCESSED say (as its functions
    are told), else at `lake.url`. Raises UseError when there is no plan, or when the lake's place isn't known."""
    wiring = planning.open_project(folder, environment, again=True)
    if not wiring.loaded.project.in_cloud:
        plan = planning.applied_plan(wiring.state)
        if plan is None:
            raise UseError("nothing has run here yet", next_step=f"catchwater run {folder}")
        return wiring, plan
    built, _ = planning.before(wiring)
    if built is None:
        raise UseError(
            f"nothing was built for {environment}", next_step=f"catchwater build --env {environment} {folder}"
        )
    locate(wiring, environ)
    return wiring, built


def locate(wiring: Wiring, environ: Mapping[str, str] | None = None) -> None:
    """Lead the parts of an environment in a cloud to its lake. Raises UseError when the lake's place isn't known."""
    if wiring.loaded.project.in_cloud and wiring.places is None:
        wiring.places = _places(wiring, os.environ if environ is None else environ)


def _places(wiring: Wiring, environ: Mapping[str, str]) -> Places | None:
    zones = [environ.get(name) for name in VARIABLES]
    if all(zones):
        state = wiring.loaded.folder / ".catchwater" / wiring.loaded.environment
        return Places({"ingestion": str(zones[0]), "processed": str(zones[1])}, "variables", state)
    if wiring.loaded.project.lake.url:
        return None
    environment = wiring.loaded.environment
    raise UseError(
        f"where the lake of {environment} is isn't known here",
        next_step=f"set {' and '.join(VARIABLES)} to its buckets, s3://… or gs://…",
    )


def complete(log: Log) -> Manifest | None:
    """The newest batch that completes its series; None when there is none yet."""
    head = log.head()
    while head is not None and not head.complete:
        head = log.read(head.seq - 1) if head.seq > 1 else None
    return head
