"""The plan as a picture: sources, steps, zones, warehouse and readers in columns, an arrow for each way of the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from catchwater.plan.plan import Plan, Step

WIDE, HIGH, GAP_X, GAP_Y, MARGIN, HEAD = 190, 58, 70, 18, 24, 46
FILL = {"": "#e5e7eb", "local": "#e0f2fe", "aws": "#ffedd5", "google": "#dcfce7", "data": "#f8fafc"}


@dataclass(frozen=True)
class Box:
    """One thing drawn: `rank` is its column, `place` colours it."""

    id: str
    rank: int
    title: str
    lines: tuple[str, ...] = ()
    place: str = "data"


def boxes(plan: Plan) -> tuple[Box, ...]:
    found = [Box(f"source/{s.name}", 0, s.name, (f"{s.kind}, {len(s.tables)} tables",)) for s in plan.sources]
    ranks = {"ingest": 1, "process": 3, "load": 5, "serve": 7}
    found += [_step(plan, step, ranks[step.stage]) for step in plan.steps if step.place]
    found.append(Box("ingestion", 2, str(plan.lake["ingestion"]), (f"{len(plan.sources)} logs",)))
    logs = sum(model.materialized != "view" for model in plan.models)
    found.append(Box("processed", 4, str(plan.lake["processed"]), (f"{logs} logs",)))
    if any(step.stage == "load" and step.place for step in plan.steps):
        found.append(Box("warehouse", 6, str(plan.warehouse["kind"]), (f"{len(plan.models)} tables",)))
    if plan.serve.get("looker"):
        found.append(Box("looker", 7, "Looker", ("reads the warehouse",)))
    return tuple(found)


def _step(plan: Plan, step: Step, rank: int) -> Box:
    wakes = sorted({f"{t.kind} {t.detail}".strip() if t.kind == "schedule" else t.kind
                    for t in plan.triggers if t.step == step.name})  # fmt: skip
    compute = step.compute if step.place == "local" else f"{step.compute} on {step.place}"
    return Box(step.name, rank, step.name, tuple(x for x in (compute, ", ".join(wakes)) if x), step.place)


def arrows(plan: Plan, drawn: Sequence[Box]) -> tuple[tuple[str, str], ...]:
    there = {box.id for box in drawn}
    found: list[tuple[str, str]] = []
    for step in plan.steps:
        if step.stage == "ingest":
            found += [(f"source/{step.source}", step.name), (step.name, "ingestion")]
        elif step.stage == "process":
            found += [("ingestion", step.name), (step.name, "processed")]
        elif step.stage == "load":
            found += [("processed", step.name), (step.name, "warehouse")]
        elif step.compute != "lambda":
            found.append(("warehouse", step.name))
    found.append(("warehouse", "looker"))
    return tuple(one for one in dict.fromkeys(found) if set(one) <= there)


def svg(plan: Plan) -> str:
    """A picture without scripts or fonts of its own; the same plan gives the same bytes."""
    drawn = boxes(plan)
    ranks = sorted({box.rank for box in drawn})
    columns = [[box for box in drawn if box.rank == rank] for rank in ranks]
    tallest = max(len(column) for column in columns)
    width = MARGIN * 2 + len(columns) * WIDE + (len(columns) - 1) * GAP_X
    height = HEAD + MARGIN + tallest * (HIGH + GAP_Y)
    at = {}
    for number, column in enumerate(columns):
        top = HEAD + (tallest - len(column)) * (HIGH + GAP_Y) // 2
        for row, box in enumerate(column):
            at[box.id] = (MARGIN + number * (WIDE + GAP_X), top + row * (HIGH + GAP_Y))
    body = [_arrow(at[a], at[b]) for a, b in arrows(plan, drawn)]
    body += [_box(box, *at[box.id]) for box in drawn]
    title = f"{plan.project} in {plan.environment}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="12">\n'
        '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#64748b"/></marker></defs>\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n'
        f'<text x="{MARGIN}" y="28" font-size="16" font-weight="600" fill="#0f172a">{escape(title)}</text>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1, x2, y2 = start[0] + WIDE, start[1] + HIGH // 2, end[0] - 2, end[1] + HIGH // 2
    middle = (x1 + x2) // 2
    path = f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"
    return f'<path d="{path}" fill="none" stroke="#64748b" stroke-width="1.4" marker-end="url(#end)"/>'


def _box(box: Box, x: int, y: int) -> str:
    lines = [_text(x, y + 20, box.title, 'font-weight="600" fill="#0f172a"', 26)]
    lines += [_text(x, y + 34 + 13 * n, line, 'font-size="10" fill="#475569"', 34) for n, line in enumerate(box.lines)]
    return (
        f'<rect x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" rx="6" fill="{FILL[box.place]}" stroke="#94a3b8"/>\n'
        + "\n".join(lines)
    )


def _text(x: int, y: int, text: str, style: str, longest: int) -> str:
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return f'<text x="{x + 10}" y="{y}" {style}>{escape(cut)}</text>'
