"""Every log to its end: the chain of manifests, and every file that they name."""

from typing import Any

from catchwater.errors import LakeError
from catchwater.lake.log import Log
from catchwater.lake.read import verify as verify_files
from catchwater.plan.plan import Plan
from catchwater.wiring import Wiring


def verify(plan: Plan, wiring: Wiring) -> dict[str, Any]:
    """{logs: [{log, batches, files, bytes}], problems: [text]}; reads all bytes once."""
    names = [f"ingestion/{source.name}" for source in plan.sources]
    names += [f"processed/{model.name}" for model in plan.models if model.materialized != "view"]
    logs = []
    problems: list[str] = []
    for name in names:
        store = wiring.store(name.split("/")[0])
        counts = {"batches": 0, "files": 0, "bytes": 0}
        try:
            for manifest in Log(store, name).batches(None):
                files = [*manifest.raw, *(file for table in manifest.tables.values() for file in table.files)]
                counts["batches"] += 1
                counts["files"] += len(files)
                counts["bytes"] += sum(file.bytes for file in files)
                problems += [str(problem) for problem in verify_files(store, manifest)]
        except LakeError as error:
            problems.append(str(error))
        logs.append({"log": name, **counts})
    return {"logs": logs, "problems": problems}
