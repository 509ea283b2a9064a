"""A deployed project on one machine: zones whose URLs are folders, and the environment of one of its handlers."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from catchwater.adapters.stores.local import LocalStore
from catchwater.plan.grants import derive
from catchwater.plan.plan import Plan
from catchwater.project.schema import Project

STORE = "tests.support.zones:FolderStore"


class FolderStore(LocalStore):
    """Stands where a bucket's store stands: `s3://name` is the folder ZONES/name, which other processes see too."""

    def __init__(self, url: str, variables: Mapping[str, str], cache: Path) -> None:
        self._bucket = Path(variables["ZONES"]) / url.partition("://")[2]
        super().__init__(self._bucket)

    def url(self, key: str) -> str:
        return str(self._bucket / key)


def deploy(plan: Plan, folder: Path, step: str, engine: str, compute: str) -> dict[str, str]:
    """Write the plan, whose step runs there on that engine, into the ingestion zone; the handler's environment."""
    steps = tuple(
        replace(one, place="aws", engine=engine, compute=compute, timeout=600.0) if one.name == step else one
        for one in plan.steps
    )
    project = Project.model_validate(
        {"project": plan.project, "sources": {s.name: s.declared for s in plan.sources}, "warehouse": plan.warehouse},
        by_alias=True,
        by_name=False,
    )
    tables = {source.name: source.tables for source in plan.sources}
    made = replace(plan, steps=steps, grants=derive(project, steps, tables, plan.models))
    config = folder / "zones" / "ingestion" / "_config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "plan.json").write_bytes(made.to_bytes())
    return {
        "ZONES": str(folder / "zones"),
        "CATCHWATER_STEP": step,
        "CATCHWATER_INGESTION": "s3://ingestion",
        "CATCHWATER_PROCESSED": "s3://processed",
        "CATCHWATER_SECRETS": "variables",
    }
