"""Everything held against what it was made from: logs and files, sources, models, the warehouse. Nothing is changed."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from catchwater.errors import ChainBroken, Corrupt, LakeError, UseError
from catchwater.lake import quarantine
from catchwater.lake.checkpoint import verify_checkpoint
from catchwater.lake.log import Log, verify_chain
from catchwater.lake.manifest import Manifest
from catchwater.lake.read import verify as verify_files
from catchwater.plan.plan import Model, Plan, SourcePlan
from catchwater.ports import Store
from catchwater.runtimes.findings import Finding, Verdict
from catchwater.stages.again import without_checkpoint
from catchwater.wiring import SystemClock, Wiring

Tell = Callable[[str], object]
ZONES = ("ingestion", "processed")


@dataclass(frozen=True)
class Only:
    """What a proof is narrowed to: names of sources and models; neither means everything."""

    sources: tuple[str, ...] = ()
    models: tuple[str, ...] = ()

    def of(self, plan: Plan) -> tuple[list[SourcePlan], list[Model]]:
        """Raises UseError for a name that the plan doesn't have."""
        known = {"source": [s.name for s in plan.sources], "model": [m.name for m in plan.models]}
        for kind, names in (("source", self.sources), ("model", self.models)):
            for name in names:
                if name not in known[kind]:
                    raise UseError(f"there is no {kind} {name}", next_step=f"use one of: {', '.join(known[kind])}")
        if not self.sources and not self.models:
            return list(plan.sources), list(plan.models)
        return (
            [source for source in plan.sources if source.name in self.sources],
            [model for model in plan.models if model.name in self.models],
        )


def _names(sources: Sequence[SourcePlan], models: Sequence[Model]) -> list[str]:
    tables = [model for model in models if model.materialized != "view"]
    return [f"ingestion/{one.name}" for one in sources] + [f"processed/{one.name}" for one in tables]


def drop_checkpoints(plan: Plan, wiring: Wiring, only: Only) -> None:
    """Commit to these logs that no checkpoint holds: what was rolled is then read from the batches themselves."""
    for name in _names(*only.of(plan)):
        without_checkpoint(Log(wiring.store(name.partition("/")[0]), name), SystemClock())


def verify(plan: Plan, wiring: Wiring, only: Only | None = None, tell: Tell = lambda text: None) -> dict[str, Any]:
    """{logs, sources, models, warehouse: what was held against what; findings: [{area, where, message, next_step}];
    problems: the same as text}; `tell` hears what is being done. Raises UseError for names that aren't planned."""
    sources, models = (only or Only()).of(plan)
    verdict = Verdict()
    tables = [model for model in models if model.materialized != "view"]
    logs = _logs(wiring, _names(sources, models), verdict, tell)
    _models(plan, wiring, tables, verdict, tell)  # before what reaches the sources takes its memory, too
    _sources(plan, wiring, sources, verdict, tell)
    return {
        "logs": logs,
        "sources": verdict.as_dicts("source"),
        "models": verdict.as_dicts("model"),
        "warehouse": verdict.as_dicts("warehouse"),
        "findings": [asdict(found) for found in verdict.findings],
        "problems": [str(found) for found in verdict.findings],
    }


def _sources(plan: Plan, wiring: Wiring, sources: Sequence[SourcePlan], verdict: Verdict, tell: Tell) -> None:
    from catchwater.runtimes.verify_sources import verify_source

    for source in sources:
        tell(f"comparing {source.name} with its source")
        verify_source(plan, wiring, source.name, verdict)


def _models(plan: Plan, wiring: Wiring, models: Sequence[Model], verdict: Verdict, tell: Tell) -> None:
    from catchwater.runtimes.verify_models import verify_model
    from catchwater.runtimes.verify_warehouse import verify_warehouse

    for model in models:
        tell(f"computing {model.name} in full")
        verify_model(plan, wiring, model, verdict)
    if models:
        tell("comparing the warehouse with the logs")
        verify_warehouse(plan, wiring, models, verdict)


def _logs(wiring: Wiring, names: Sequence[str], verdict: Verdict, tell: Tell) -> list[dict[str, Any]]:
    """Reads all bytes of these logs once, never a copy."""
    wiring.state.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="verify-", dir=wiring.state) as made:
        copies = Path(made) / "copies"
        stores = {zone: wiring.uncached(zone, copies) for zone in ZONES}
        found = []
        for name in names:
            tell(f"reading {name}")
            log = Log(stores[name.partition("/")[0]], name)
            found.append(_log(log, copies, verdict))
            _checkpoint(log, wiring, verdict)
            shutil.rmtree(copies, ignore_errors=True)
    return found


def _checkpoint(log: Log, wiring: Wiring, verdict: Verdict) -> None:
    """Whether what was rolled is what the batches hold."""
    try:
        for problem in verify_checkpoint(log.store, log, wiring.engine().connect):
            _broken(verdict, log.name, problem)
    except LakeError as error:
        _broken(verdict, log.name, error)


def _log(log: Log, copies: Path, verdict: Verdict) -> dict[str, Any]:
    counts = {"batches": 0, "files": 0, "bytes": 0}
    broken: list[Corrupt | ChainBroken] = []
    try:
        broken = verify_chain(log)
        for chain in broken:
            _broken(verdict, log.name, chain)
        for manifest in log.batches(None):
            files = [*manifest.raw, *(file for table in manifest.tables.values() for file in table.files)]
            counts["batches"] += 1
            counts["files"] += len(files)
            counts["bytes"] += sum(file.bytes for file in files)
            for problem in [*verify_files(log.store, manifest), *_set_aside(log.store, manifest)]:
                _broken(verdict, log.name, problem)
            shutil.rmtree(copies, ignore_errors=True)  # one batch at a time has its copies here
    except LakeError as error:
        if not broken:
            _broken(verdict, log.name, error)
    return {"log": log.name, **counts}


def _broken(verdict: Verdict, log: str, error: LakeError) -> None:
    step = error.next_step or "restore it from a copy of the lake"
    found = Finding("lake", error.where or log, error.message, step)
    if found not in verdict.findings:
        verdict.findings.append(found)


def _set_aside(store: Store, manifest: Manifest) -> list[LakeError]:
    """What is wrong with the rows in quarantine, whose count alone was committed."""
    if manifest.quarantine is None:
        return []
    try:
        for _ in quarantine.read(store, manifest.quarantine):
            pass
    except LakeError as error:
        return [error]
    return []
