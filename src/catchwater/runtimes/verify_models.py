"""Each model's log against the model computed in full from the ingestion zone at the same offsets; nothing is kept."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from catchwater.errors import CatchwaterError
from catchwater.lake.log import Log
from catchwater.lake.manifest import Manifest, Ref
from catchwater.lake.read import create_state
from catchwater.plan.plan import Model, Plan
from catchwater.runtimes.compared import Differing, differing
from catchwater.runtimes.findings import Finding, Verdict, rows
from catchwater.runtimes.opened import complete
from catchwater.stages.compute import in_memory
from catchwater.stages.inputs import held_columns, since_reset, varies
from catchwater.stages.whole import create_whole, offsets
from catchwater.wiring import Wiring

if TYPE_CHECKING:
    import duckdb

AREA = "model"
HELD, WHOLE = "#verify#held", "#verify#whole"


def verify_model(plan: Plan, wiring: Wiring, model: Model, verdict: Verdict) -> None:
    """One model, into `verdict`; what isn't compared is said by name."""
    import duckdb

    try:
        log = Log(wiring.store("processed"), f"processed/{model.name}")
        head = complete(log)
        why = _not_compared(plan, model, head)
        if head is None or why:
            verdict.skipped(AREA, model.name, why or "not computed yet")
            return
        upto = offsets(head, {zone: wiring.store(zone) for zone in ("ingestion", "processed")})
        found = _compare(plan, wiring, (model, log, head), upto)
        behind = [name for name, ref in upto.items() if _behind(wiring, ref)]
    except CatchwaterError as error:
        verdict.failed(AREA, model.name, error)
    except duckdb.Error as error:
        said = str(error).strip().split("\n")[0]
        verdict.wrong(Finding(AREA, model.name, f"can't be computed: {said}", f"look at {model.file}"), model.name)
    else:
        _say(model, found, behind, verdict)


def _behind(wiring: Wiring, ref: Ref) -> bool:
    """Whether the ingestion zone has complete batches that weren't processed."""
    newest = complete(Log(wiring.store("ingestion"), ref.log))
    return newest is not None and newest.seq > ref.seq


def _not_compared(plan: Plan, model: Model, head: Manifest | None) -> str:
    if head is None:
        return "not computed yet"
    if head.position.get("digest") != model.digest:
        return "it was changed since it was computed: catchwater run"
    if any(varies(one) for one in _and_above(plan, model)):
        return "its SQL gives other values each time (now(), random(), …)"
    return ""


def _and_above(plan: Plan, model: Model) -> list[Model]:
    """The model and those that it reads, itself or through others."""
    found = {model.name: model}
    waiting = [model]
    while waiting:
        for read in waiting.pop().reads:
            name = read.log.partition("/")[2]
            if read.log.startswith("processed/") and name not in found:
                found[name] = plan.model(name)
                waiting.append(found[name])
    return list(found.values())


def _compare(plan: Plan, wiring: Wiring, what: tuple[Model, Log, Manifest], upto: dict[str, Ref]) -> Differing:
    model, log, head = what
    stores = {zone: wiring.store(zone) for zone in ("ingestion", "processed")}

    def compare(con: "duckdb.DuckDBPyConnection") -> Differing:
        create_whole(con, plan, stores, model, upto, WHOLE)
        columns = held_columns(model)
        batches = since_reset(log.span(head.seq))
        create_state(con, HELD, stores["processed"], batches, model.name, columns, model.key)
        types = {column.name: column.type for column in columns}
        return differing(con, (WHOLE, HELD), types, model.key)

    return in_memory(wiring.engine(), compare)


def _say(model: Model, found: Differing, behind: Sequence[str], verdict: Verdict) -> None:
    numbers = {"rows": found.rows, "missing": found.removed, "extra": found.added, "differing": found.changed}
    how = "its own log" if model.materialized == "full" else "incremental"
    if not found.total and behind:
        said = f"{rows(found.rows)}: {how} = computed in full, and new batches of {', '.join(behind)} wait"
        verdict.pending(AREA, model.name, said, **numbers)
        return
    if not found.total:
        verdict.equal(AREA, model.name, f"{rows(found.rows)}: {how} = computed in full", **numbers)
        return
    verdict.wrong(
        Finding(AREA, model.name, described(found, ("missing", "too many")), f"catchwater replay {model.name}"),
        model.name,
        **numbers,
    )


def described(found: Differing, words: tuple[str, str]) -> str:
    """A difference in a line, then a line per example; `words` for rows that are removed and added."""
    parts = [f"{rows(count)} {word}" for count, word in ((found.removed, words[0]), (found.added, words[1])) if count]
    if found.changed:
        parts.append(f"{rows(found.changed)} differ{'s' if found.changed == 1 else ''} in {', '.join(found.columns)}")
    text = "; ".join(parts)
    for one in found.examples:
        word = {"removed": words[0], "added": words[1]}.get(one.kind, "differs")
        changes = ", ".join(f"{name} {_cell(old)}, is {_cell(new)}" for name, (old, new) in one.values.items())
        text += f"\n    {one.key} {word}" + (f": {changes}" if changes else "")
    return text


def _cell(text: str | None) -> str:
    return "NULL" if text is None else text if len(text) <= 60 else f"{text[:59]}…"
