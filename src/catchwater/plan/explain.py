"""A plan in words, and what differs between two; text and plain data, nothing is printed here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from catchwater.plan.cost import cost
from catchwater.plan.cost import spoken as dollars
from catchwater.plan.freshness import spoken, worst
from catchwater.plan.network import routes
from catchwater.plan.plan import Model, Plan, Step

Rows = Mapping[str, tuple[str, str]]  # model → its table, and how the rows of that differ
_NOTHING: Rows = {}


@dataclass(frozen=True)
class Change:
    """`sign` is + (new), - (gone) or ~ (different)."""

    area: str
    sign: str
    what: str
    detail: str = ""


def _compare(area: str, old: dict[str, str], new: dict[str, str]) -> Iterable[Change]:
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield Change(area, "-", name)
        elif name not in old:
            yield Change(area, "+", name, new[name])
        elif old[name] != new[name]:
            yield Change(area, "~", name, f"{old[name]} → {new[name]}")


def _columns(model: Model) -> dict[str, str]:
    return {f"{model.name}.{column.name}": column.type for column in model.columns}


def _keys(model: Model) -> dict[str, str]:
    found = {"key": ", ".join(model.key) or "none", "entity": ", ".join(model.entity)}
    return {f"{model.name} {what}": names for what, names in found.items() if names}


def _checks(model: Model) -> dict[str, str]:
    return {f"{model.name} check {check.name}": check.severity for check in model.checks}


def _data(old: Plan | None, new: Plan, rows: Rows) -> Iterable[Change]:
    before = {model.name: model for model in old.models} if old else {}
    after = {model.name: model for model in new.models}
    yield from _compare(
        "data",
        {name: model.materialized for name, model in before.items()},
        {name: model.materialized for name, model in after.items()},
    )
    for name in sorted(before.keys() & after.keys()):
        for change in _compare("data", _columns(before[name]), _columns(after[name])):
            yield replace(change, detail=readers(new, change.what)) if change.sign == "-" else change
        yield from _compare("data", _keys(before[name]), _keys(after[name]))
        yield from _compare("data", _checks(before[name]), _checks(after[name]))
        if name in rows:
            yield Change("data", "~", *rows[name])
        elif before[name].digest != after[name].digest and before[name].columns == after[name].columns:
            yield Change("data", "~", name, "its rows are computed again, and the difference is committed")


def _tables(plan: Plan | None) -> dict[str, str]:
    if plan is None:
        return {}
    return {
        f"{source.name}.{table.name}": ", ".join(table.key) or "no key"
        for source in plan.sources
        for table in source.tables
    }


def _triggers(plan: Plan | None) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for trigger in plan.triggers if plan else ():
        found.setdefault(trigger.step, []).append(f"{trigger.kind} {trigger.detail}".strip())
    return {step: ", ".join(sorted(details)) for step, details in found.items()}


def _steps(plan: Plan | None) -> dict[str, str]:
    return {step.name: _runs(step) for step in plan.steps} if plan else {}


def _runs(step: Step) -> str:
    if step.place == "local":
        return step.engine
    if not step.place:
        return f"nowhere: {step.unplaced}"
    return f"{step.engine}, {step.compute} on {step.place}, {step.memory} MB, {step.timeout:.0f} s"


def readers(plan: Plan, dropped: str) -> str:
    """Who reads a column `model.column` that goes away, beside the models (whose SQL would no longer bind)."""
    model, _, column = dropped.partition(".")
    api = plan.serve.get("api")
    tables = api["tables"] if isinstance(api, dict) else ()
    found = [f"GET /v1/tables/{model}/rows"] if tables == "all" or model in tables else []
    if plan.serve.get("looker"):
        found.append(f"looker {model}.{column}")
    return f"read by: {', '.join(found)}" if found else ""


def bounds(plan: Plan) -> list[str]:
    """What the plan promises and costs, a line each: ways out of the network, freshness, money."""
    text = [f"{'network':<9}{route.step} → {route.service}  {route.way}: {route.because}" for route in routes(plan)]
    case = worst(plan)
    if case is not None:
        promised = plan.promise.get("freshness")
        text.append(
            f"{'fresh':<9}{spoken(case.seconds)} worst ({'promise ' + str(promised) if promised else 'no promise'})"
        )
        text += [f"{'':<9}  {leg.what}: {spoken(leg.seconds)}" for leg in case.legs if leg.seconds >= case.seconds / 10]
    items = cost(plan)
    if items:
        dear = sorted(items, key=lambda item: -item.usd)[:3]
        said = ", ".join(f"{item.what} ${item.usd:,.2f}" for item in dear)
        verified = "" if all(item.price.source for item in items) else ", unverified"
        text.append(f"{'cost':<9}{dollars(items)}  ({said}; prices of {dear[0].price.as_of}{verified})")
    return text


def _grants(plan: Plan | None) -> dict[str, str]:
    found = plan.grants if plan else ()
    return {f"{grant.step}  {grant.action}  {grant.resource}": f"because {grant.because}" for grant in found}


def diff(old: Plan | None, new: Plan, rows: Rows = _NOTHING) -> list[Change]:
    """Everything that differs, by area: sources, data, steps, grants; `rows` says how the rows of models do."""
    reasons = dict.fromkeys(_grants(old), "")
    grants = [
        Change("grants", "+" if key in _grants(new) else "-", key, _grants(new).get(key, ""))
        for key in sorted(_grants(new).keys() ^ reasons.keys())
    ]
    return [
        *_compare("sources", _tables(old), _tables(new)),
        *_data(old, new, rows),
        *_compare("steps", _steps(old), _steps(new)),
        *_compare("wakes", _triggers(old), _triggers(new)),
        *grants,
    ]


def lines(old: Plan | None, new: Plan, infra: Sequence[Change] = (), rows: Rows = _NOTHING) -> list[str]:
    """The diff as it is printed: one line a change, the area named once; `infra` is what the compiler found."""
    changes = [*diff(old, new, rows), *infra]
    if not changes:
        return ["nothing differs from the plan that was applied last"]
    text, area = [], ""
    for change in changes:
        lead = change.area if change.area != area else ""
        area = change.area
        text.append(f"{lead:<9}{change.sign} {change.what}" + (f"  {change.detail}" if change.detail else ""))
    return text


def summary(plan: Plan) -> list[str]:
    """What the plan is, a line each for sources, models and steps."""
    text = []
    wakes = _triggers(plan)
    for source in plan.sources:
        woken = wakes.get(f"ingest:{source.name}", "")
        text.append(f"{'source':<9}{source.name}  {source.kind}, {len(source.tables)} tables, wakes on {woken}")
    wide = max((len(model.name) for model in plan.models), default=0)
    for model in plan.models:
        text.append(f"{'model':<9}{model.name:<{wide}}  {model.materialized:<12} {model.reason}")
    text.append(f"{'load':<9}{plan.warehouse['kind']}  wakes on {_kinds(plan)}")
    return text


def _kinds(plan: Plan) -> str:
    load = next(step.name for step in plan.steps if step.stage == "load")
    found = {f"schedule {t.detail}" if t.kind == "schedule" else t.kind for t in plan.triggers if t.step == load}
    return ", ".join(sorted(found))


def as_dict(old: Plan | None, new: Plan, infra: Sequence[Change] = (), rows: Rows = _NOTHING) -> dict[str, Any]:
    case, items = worst(new), cost(new)
    return {
        "project": new.project,
        "environment": new.environment,
        "digest": new.digest,
        "against": old.digest if old else None,
        "changes": [asdict(change) for change in [*diff(old, new, rows), *infra]],
        "network": [asdict(route) for route in routes(new)],
        "freshness": {"seconds": case.seconds, "legs": [asdict(leg) for leg in case.legs]} if case else None,
        "cost": {
            "usd_a_month": round(sum(item.usd for item in items), 2),
            "items": [
                {"what": i.what, "quantity": i.quantity, "usd": round(i.usd, 4)} | asdict(i.price) for i in items
            ],
        },
    }


def defaults(declared: dict[str, Any], prefix: Sequence[str] = ()) -> list[str]:
    """Every setting with its value in this environment, as `a.b.c = value`."""
    text = []
    for key, value in declared.items():
        if isinstance(value, dict) and value:
            text += defaults(value, [*prefix, str(key)])
        else:
            text.append(f"{'.'.join([*prefix, str(key)])} = {value}")
    return text
