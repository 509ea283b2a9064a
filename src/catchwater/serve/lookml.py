"""LookML of a whole plan, from its models' keys, references and measures; pure: the same plan gives the same bytes."""

import io
from collections.abc import Mapping
from typing import Any

from catchwater.errors import MissingExtra
from catchwater.plan.plan import Plan
from catchwater.serve.lookml_explores import Explore, explores_of
from catchwater.serve.lookml_fields import Fields, Table, fields_of, quoted, sentence, words
from catchwater.serve.lookml_measures import Measures

NOTE = "# Written by `catchwater lookml` from models/: change the models, not this file.\n\n"
TILE_WIDTH, PAGE_WIDTH = 6, 24


def lookml(plan: Plan) -> dict[str, str]:
    """Relative path → text: manifest, model with its explores, a view per table, one dashboard.

    Raises MissingExtra without lkml, ProjectError for what LookML has no way to say.
    """
    try:
        import lkml
    except ImportError as error:
        raise MissingExtra("lkml", "looker") from error
    tables = tables_of(plan)
    views = {name: _view(table) for name, table in sorted(tables.items())}
    explores = explores_of(tables, views)
    files = {
        "manifest.lkml": lkml.dump({"project_name": plan.project}),
        f"models/{plan.project}.model.lkml": lkml.dump(_model(plan, explores)),
        **{f"views/{name}.view.lkml": lkml.dump({"views": [view]}) for name, view in views.items()},
    }
    dashboard = _dashboard(plan, explores, views)
    if dashboard:
        files[f"dashboards/{plan.project}.dashboard.lookml"] = _yaml([dashboard])
    return {path: f"{NOTE}{(text or '').strip()}\n" for path, text in sorted(files.items())}


def tables_of(plan: Plan) -> dict[str, Table]:
    """Every model's table; of a history the current rows, and all versions where a measure is `over: history`."""
    dialect = str(plan.warehouse.get("kind", "duckdb"))
    found = {}
    for model in plan.models:
        sides = [False]
        if model.history and any(measure.over == "history" for measure in model.measures):
            sides.append(True)
        for side in sides:
            table = Table(model, side, dialect)
            found[table.name] = table
    return found


def _view(table: Table) -> dict[str, Any]:
    model = table.model
    linked = [column for reference in model.references for column in reference.columns]
    fields: Fields = fields_of(table, linked)
    over = "history" if table.history else "current"
    wanted = tuple(m for m in model.measures if m.over == over or not model.history)
    measures = Measures(fields).add(wanted)
    view: dict[str, Any] = {
        "name": table.name,
        "label": sentence(table.label),
        "sql_table_name": quoted(table.name, table.dialect, reserved=True),
        "dimensions": fields.dimensions,
    }
    if fields.groups:
        view["dimension_groups"] = fields.groups
    return {**view, "measures": measures}


def _model(plan: Plan, explores: list[Explore]) -> dict[str, Any]:
    looker = plan.serve.get("looker")
    declared = looker.get("connection") if isinstance(looker, Mapping) else None
    return {
        "connection": str(declared or plan.project),
        "label": words(plan.project),
        "includes": ["/views/*.view.lkml", "/dashboards/*.dashboard.lookml"],
        "explores": [explore.written for explore in explores],
    }


def _dashboard(plan: Plan, explores: list[Explore], views: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Tiles on the explore that weighs most: its numbers, the first over time, the first by a joined table."""
    if not explores:
        return None
    main = max(explores, key=lambda one: _weight(one, views[one.name]))
    numbers = [f"{main.name}.{name}" for name in _measures(views[main.name])]
    tiles: list[dict[str, Any]] = [
        _tile(field, "single_value", [field], (0, TILE_WIDTH * at)) for at, field in enumerate(numbers[:4])
    ]
    line, bar = _over_time(main, views), _by_words(main, views)
    for at, (kind, axis) in enumerate([("looker_line", line), ("looker_bar", bar)]):
        if axis:
            fields = [axis, numbers[0]]
            tiles.append(_tile(axis, kind, fields, (4, at * PAGE_WIDTH // 2)))
    for tile in tiles:
        tile.update(model=plan.project, explore=main.name)
    return {"dashboard": plan.project, "title": words(plan.project), "layout": "newspaper", "elements": tiles}


def _weight(explore: Explore, view: dict[str, Any]) -> tuple[bool, bool, int, int, str]:
    """The current rows before their history, what has a time before what has none, then the most connected."""
    dated = bool(view.get("dimension_groups"))
    return (not explore.history, dated, len(explore.joins), len(_measures(view)), explore.name)


def _measures(view: dict[str, Any]) -> list[str]:
    return [one["name"] for one in view["measures"] if one.get("hidden") != "yes"]


def _over_time(main: Explore, views: dict[str, dict[str, Any]]) -> str:
    groups = views[main.name].get("dimension_groups", [])
    return f"{main.name}.{groups[0]['name']}_month" if groups else ""


def _by_words(main: Explore, views: dict[str, dict[str, Any]]) -> str:
    """The first text that a person can read: of a joined table that isn't a calendar, else of the table itself."""
    for alias, name in [*main.joins.items(), (main.name, main.name)]:
        dimensions = views[name]["dimensions"]
        calendar = any(one.get("primary_key") == "yes" and one["type"] == "date_raw" for one in dimensions)
        for one in [] if calendar else dimensions:
            if one["type"] == "string" and one.get("hidden") != "yes":
                return f"{alias}.{one['name']}"
    return ""


def _tile(name: str, kind: str, fields: list[str], at: tuple[int, int]) -> dict[str, Any]:
    small = kind == "single_value"
    title = " by ".join(words(field.rpartition(".")[2]) for field in reversed(fields))
    tile: dict[str, Any] = {"name": name, "title": title, "type": kind, "fields": fields}
    if not small:
        tile["sorts"] = [fields[0] if kind == "looker_line" else f"{fields[1]} desc"]
        tile["limit"] = 500 if kind == "looker_line" else 15
    size = {"width": TILE_WIDTH, "height": 4} if small else {"width": PAGE_WIDTH // 2, "height": 8}
    return {**tile, "row": at[0], "col": at[1], **size}


def _yaml(data: Any) -> str:
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    out = io.StringIO()
    yaml.dump(data, out)
    return out.getvalue()
