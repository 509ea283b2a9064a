"""Lineage as a drawing: sources, tables, models, what reads them, in ranks from left to right; pure geometry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catchwater.plan.plan import Plan

WIDTH, HEIGHT, GAP_X, GAP_Y, PAD = 176, 24, 78, 9, 8


@dataclass(frozen=True)
class Node:
    """`x`, `y` of the upper left corner in pixels; `href` is empty where there is nothing to open."""

    id: str
    label: str
    kind: str
    x: float = 0
    y: float = 0
    href: str = ""


@dataclass(frozen=True)
class Drawing:
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]
    width: float
    height: float

    @property
    def paths(self) -> list[tuple[str, str, str]]:
        """From, to, and an SVG path that leaves to the right and arrives from the left."""
        at = {node.id: node for node in self.nodes}
        found = []
        for one, two in self.edges:
            a, b = at[one], at[two]
            x1, y1, x2, y2 = a.x + WIDTH, a.y + HEIGHT / 2, b.x, b.y + HEIGHT / 2
            bend = max(GAP_X / 2, (x2 - x1) / 2)
            found.append((one, two, f"M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"))
        return found


def graph(plan: Plan, served: Sequence[str]) -> tuple[list[Node], list[tuple[str, str]]]:
    """Nodes and edges without places. Tables are those that a model reads, of each source's own."""
    nodes: dict[str, Node] = {}
    edges: dict[tuple[str, str], None] = {}
    for source in plan.sources:
        nodes[f"s:{source.name}"] = Node(f"s:{source.name}", source.name, "source", href=f"#source-{source.name}")
        for table in source.tables:
            nodes[f"t:{source.name}.{table.name}"] = Node(f"t:{source.name}.{table.name}", table.name, "table")
            edges[f"s:{source.name}", f"t:{source.name}.{table.name}"] = None
    house = f"warehouse {plan.warehouse.get('kind', '')}".strip()
    ends = [Node("w", house, "warehouse", href="#tables")]
    ends += [Node(f"e:{name}", name, "exposure", href=_OPENS.get(name, "")) for name in served]
    for model in plan.models:
        nodes[f"m:{model.name}"] = Node(f"m:{model.name}", model.name, "model", href=f"#table-{model.name}")
    for model in plan.models:
        for read in model.reads:
            zone, _, log = read.log.partition("/")
            origin = f"t:{log}.{read.table}" if zone == "ingestion" else f"m:{log}"
            if origin in nodes:
                edges[origin, f"m:{model.name}"] = None
        edges[f"m:{model.name}", "w"] = None
    for end in ends:
        nodes[end.id] = end
        if end.id != "w":
            edges["w", end.id] = None
    return list(nodes.values()), list(edges)


_OPENS = {"API": "/v1/tables", "console": "/"}


def draw(nodes: Sequence[Node], edges: Sequence[tuple[str, str]]) -> Drawing:
    """Rank = longest way from a source; within a rank, four sweeps put each node near the middle of its neighbours."""
    ranks = _ranks(nodes, edges)
    columns: dict[int, list[str]] = {}
    for node in nodes:
        columns.setdefault(ranks[node.id], []).append(node.id)
    place = {name: float(i) for column in columns.values() for i, name in enumerate(column)}
    for sweep in range(4):
        forth = sweep % 2 == 0
        for rank in sorted(columns, reverse=not forth):
            _settle(columns[rank], place, edges, forth)
    tallest = max((len(column) for column in columns.values()), default=1)
    height = tallest * (HEIGHT + GAP_Y) - GAP_Y
    found = []
    for node in nodes:
        column = columns[ranks[node.id]]
        top = (height - (len(column) * (HEIGHT + GAP_Y) - GAP_Y)) / 2
        x = PAD + ranks[node.id] * (WIDTH + GAP_X)
        y = PAD + top + column.index(node.id) * (HEIGHT + GAP_Y)
        found.append(Node(node.id, node.label, node.kind, x, y, node.href))
    width = (max(columns, default=0) + 1) * (WIDTH + GAP_X) - GAP_X
    return Drawing(tuple(found), tuple(edges), width + 2 * PAD, height + 2 * PAD)


_LEAST = {"source": 0, "table": 1, "model": 2, "warehouse": 3, "exposure": 4}


def _ranks(nodes: Sequence[Node], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    ranks = {node.id: _LEAST[node.kind] for node in nodes}
    for _ in nodes:  # a plan has no cycle; were there one, this would still end
        moved = False
        for one, two in edges:
            if ranks[two] <= ranks[one] < len(nodes) + 4:
                ranks[two], moved = ranks[one] + 1, True
        if not moved:
            break
    return ranks


def _settle(column: list[str], place: dict[str, float], edges: Sequence[tuple[str, str]], forth: bool) -> None:
    middles: dict[str, list[float]] = {name: [] for name in column}
    for one, two in edges:
        here, there = (two, one) if forth else (one, two)
        if here in middles:
            middles[here].append(place[there])
    weight = {name: sum(near) / len(near) if near else place[name] for name, near in middles.items()}
    column.sort(key=lambda name: (weight[name], place[name]))
    for number, name in enumerate(column):
        place[name] = float(number)


def as_data(nodes: Sequence[Node], edges: Sequence[tuple[str, str]]) -> Mapping[str, Any]:
    return {
        "nodes": [{"id": node.id, "name": node.label, "kind": node.kind} for node in nodes],
        "edges": [list(edge) for edge in edges],
    }
