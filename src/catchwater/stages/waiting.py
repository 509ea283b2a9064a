"""What the next load would take: asked by a runtime that has other machines prepare it; nothing is loaded here."""

from dataclasses import dataclass

from catchwater.errors import ChainBroken
from catchwater.lake.manifest import Manifest, Ref
from catchwater.plan.plan import Plan, Step
from catchwater.ports import Ports
from catchwater.stages.cut import Logs, groups_of


@dataclass(frozen=True)
class Waiting:
    """One batch that isn't in the warehouse yet: its model's name, number, hash, and how many files it has."""

    model: str
    seq: int
    hash: str
    files: int


def waiting(ports: Ports, plan: Plan, step: Step) -> tuple[Waiting, ...]:
    """The batches with files between what readers have and the cut of each group, in order."""
    warehouse = ports.warehouse
    assert warehouse is not None  # noqa: S101 (a load step is opened with its warehouse)
    front = warehouse.version()
    held = front.cut if front else {}
    logs = Logs(ports.stores["processed"], plan.models)
    groups, _ = groups_of(logs, [plan.model(name) for name in step.models], front)
    found = []
    for group in groups:
        for name, (seq, _) in group.cut.items():
            model = name.partition("/")[2]
            for manifest in _after(logs, name, held.get(name), seq):
                files = sum(1 for file in manifest.tables[model].files if file.rows)
                if files:
                    found.append(Waiting(model, manifest.seq, manifest.hash, files))
    return tuple(found)


def _after(logs: Logs, name: str, marker: tuple[int, str] | None, upto: int) -> list[Manifest]:
    log = logs.log(name)
    try:
        manifests = log.batches(Ref(name, *marker) if marker else None, upto)
    except ChainBroken:
        manifests = log.batches(None, upto)
    anew = [manifest.seq for manifest in manifests if manifest.position.get("reset")]
    return [manifest for manifest in manifests if not anew or manifest.seq >= anew[-1]]
