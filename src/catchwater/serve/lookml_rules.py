"""The rules that written LookML must keep, checked on its text as a reader parses it; no plan is looked at here."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

Parsed = dict[str, dict[str, Any]]
_REFERENCE = re.compile(r"\$\{([^}]*)\}")


def problems(files: Mapping[str, str]) -> list[str]:
    """Every broken rule, as `file: what`: one primary key per view (none only where nothing joins it), keys first
    and hidden, every visible field described, every name once, every `${}` resolved, every join to one row on its
    whole key, every field of a dashboard there."""
    views: Parsed = {}
    explores: dict[str, dict[str, str]] = {}
    found: list[str] = []
    models: list[tuple[str, dict[str, Any]]] = []
    for path, text in sorted(files.items()):
        if path.endswith(".lookml"):
            continue
        loaded = _load(path, text, found)
        for view in loaded.get("views", []):
            if view["name"] in views:
                found.append(f"{path}: view {view['name']} is there twice")
            views[view["name"]] = view
            found += [f"{path}: {message}" for message in _view(view)]
        models += [(path, explore) for explore in loaded.get("explores", [])]
    for path, explore in models:
        explores[explore["name"]] = {
            explore["name"]: explore["name"],
            **{join["name"]: join.get("from", join["name"]) for join in explore.get("joins", [])},
        }
        found += [f"{path}: {message}" for message in _explore(explore, explores[explore["name"]], views)]
    for path, text in sorted(files.items()):
        if path.endswith(".lookml"):
            found += [f"{path}: {message}" for message in _dashboards(text, explores, views)]
    return found


def _load(path: str, text: str, found: list[str]) -> dict[str, Any]:
    import lkml

    try:
        loaded: dict[str, Any] = lkml.load(text)
    except SyntaxError as error:
        found.append(f"{path}: isn't LookML: {str(error).splitlines()[0]}")
        return {}
    if not all(isinstance(one, dict) for kind in ("views", "explores") for one in loaded.get(kind, [])):
        found.append(f"{path}: isn't LookML: a view or explore without a block")
        return {}
    return loaded


def fields(view: Mapping[str, Any]) -> list[str]:
    """The names of all fields of a view; a group's are those of its timeframes."""
    plain = [one["name"] for kind in ("dimensions", "measures") for one in view.get(kind, [])]
    groups = view.get("dimension_groups", [])
    return plain + [f"{group['name']}_{frame}" for group in groups for frame in group.get("timeframes", [])]


def _view(view: dict[str, Any]) -> Iterable[str]:
    name, dimensions = view["name"], view.get("dimensions", [])
    keys = [one for one in dimensions if one.get("primary_key") == "yes"]
    if len(keys) > 1:
        yield f"view {name} has {len(keys)} primary keys"
    if any(key.get("hidden") != "yes" for key in keys):
        yield f"view {name}: its primary key is visible"
    if keys and dimensions[0] is not keys[0]:
        yield f"view {name}: its primary key isn't first"
    every = fields(view)
    for twice in sorted({field for field in every if every.count(field) > 1}):
        yield f"view {name}: {twice} is there twice"
    for kind in ("dimensions", "dimension_groups", "measures"):
        for one in view.get(kind, []):
            if one.get("hidden") != "yes" and not one.get("description"):
                yield f"view {name}: {one['name']} isn't described"
            for used in _REFERENCE.findall(one.get("sql", "")):
                if used != "TABLE" and used not in every:
                    yield f"view {name}: {one['name']} uses ${{{used}}}, which isn't a field"


def _explore(explore: dict[str, Any], aliases: Mapping[str, str], views: Parsed) -> Iterable[str]:
    name = explore["name"]
    for alias, view in aliases.items():
        if view not in views:
            yield f"explore {name}: {alias} is of view {view}, which isn't there"
    seen = {name}
    for join in explore.get("joins", []):
        alias = join["name"]
        if alias in seen:
            yield f"explore {name}: {alias} is joined twice"
        seen.add(alias)
        used = _REFERENCE.findall(join.get("sql_on", ""))
        if not used:
            yield f"explore {name}: {alias} is joined on no field"
        for spot in used:
            of, _, field = spot.partition(".")
            if of not in seen or aliases.get(of) not in views or field not in fields(views[aliases[of]]):
                yield f"explore {name}: {alias} uses ${{{spot}}}, which isn't a field joined before"
        if join.get("relationship") == "many_to_one":
            yield from _whole_key(name, alias, views.get(aliases[alias], {}), used)


def _whole_key(explore: str, alias: str, view: Mapping[str, Any], used: list[str]) -> Iterable[str]:
    """A join to one row names every column of that row's key."""
    dimensions = view.get("dimensions", [])
    by_sql = {one.get("sql"): one["name"] for one in reversed(dimensions)}
    key = next((one for one in dimensions if one.get("primary_key") == "yes"), {"sql": ""})
    columns = re.findall(r"\$\{TABLE\}\.(?:\w+|\"(?:[^\"]|\"\")*\"|`[^`]*`)", key["sql"])
    if not columns:
        yield f"explore {explore}: {alias} has no primary key to be joined on"
    for column in dict.fromkeys(columns):
        own = key["name"] if len(columns) == 1 else by_sql.get(column)
        if f"{alias}.{own}" not in used:
            yield f"explore {explore}: {alias} isn't joined on its whole key: {column} is missing"


def _dashboards(text: str, explores: Mapping[str, Mapping[str, str]], views: Parsed) -> Iterable[str]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        loaded = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        yield f"isn't YAML: {str(error).splitlines()[0]}"
        return
    for dashboard in loaded or []:
        for tile in dashboard.get("elements", []):
            aliases = explores.get(tile["explore"])
            if aliases is None:
                yield f"{tile['name']}: no explore {tile['explore']}"
                continue
            for used in tile["fields"]:
                of, _, field = used.partition(".")
                if of not in aliases or field not in fields(views.get(aliases[of], {})):
                    yield f"{tile['name']}: no field {used}"
