"""Every log to its end: the chain of manifests, and every file that they name."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from catchwater.errors import LakeError
from catchwater.lake import quarantine
from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest
from catchwater.lake.read import verify as verify_files
from catchwater.plan.plan import Plan
from catchwater.ports import Store
from catchwater.wiring import Wiring


def verify(plan: Plan, wiring: Wiring) -> dict[str, Any]:
    """{logs: [{log, batches, files, bytes}], problems: [text]}; reads all bytes of the lake once, never a copy."""
    names = [f"ingestion/{source.name}" for source in plan.sources]
    names += [f"processed/{model.name}" for model in plan.models if model.materialized != "view"]
    wiring.state.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="verify-", dir=wiring.state) as made:
        copies = Path(made) / "copies"
        stores = {zone: wiring.uncached(zone, copies) for zone in ("ingestion", "processed")}
        found = [_log(stores[name.split("/")[0]], name, copies) for name in names]
    return {"logs": [log for log, _ in found], "problems": [text for _, problems in found for text in problems]}


def _log(store: Store, name: str, copies: Path) -> tuple[dict[str, Any], list[str]]:
    counts = {"batches": 0, "files": 0, "bytes": 0}
    problems: list[str] = []
    try:
        for manifest in Log(store, name).batches(None):
            files = [*manifest.raw, *(file for table in manifest.tables.values() for file in table.files)]
            counts["batches"] += 1
            counts["files"] += len(files)
            counts["bytes"] += sum(file.bytes for file in files)
            problems += [str(problem) for problem in verify_files(store, manifest)]
            problems += _set_aside(store, manifest)
            shutil.rmtree(copies, ignore_errors=True)  # one batch at a time has its copies here
    except LakeError as error:
        problems.append(str(error))
    return {"log": name, **counts}, problems


def _set_aside(store: Store, manifest: Manifest) -> list[str]:
    """What is wrong with the rows in quarantine, whose count alone was committed."""
    if manifest.quarantine is None:
        return []
    try:
        for _ in quarantine.read(store, manifest.quarantine):
            pass
    except LakeError as error:
        return [str(error)]
    return []
