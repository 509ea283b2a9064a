"""Numbers of a project in Prometheus' text form, made from what status and the totals say."""

from collections.abc import Mapping
from typing import Any

_HELP = {
    "catchwater_freshness_seconds": "Age of a source's rows in the warehouse, worst path.",
    "catchwater_position_age_seconds": "Since when a database's position stands, held back or not read.",
    "catchwater_failing_steps": "Steps whose last wake failed.",
    "catchwater_model_rows": "Rows of a model as of its last batch.",
    "catchwater_log_seq": "Newest batch of a log.",
    "catchwater_warehouse_version": "Version that readers see.",
}


def _label(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def _gauges(status: Mapping[str, Any]) -> dict[str, list[tuple[str, float]]]:
    found: dict[str, list[tuple[str, float]]] = {name: [] for name in _HELP}
    for source in status["sources"]:
        if source["freshness_seconds"] is not None:
            label = f"{{source={_label(source['name'])}}}"
            found["catchwater_freshness_seconds"].append((label, source["freshness_seconds"]))
        if source["position_age_seconds"] is not None:
            label = f"{{source={_label(source['name'])}}}"
            found["catchwater_position_age_seconds"].append((label, source["position_age_seconds"]))
        if source["seq"] is not None:
            label = f"{{log={_label('ingestion/' + source['name'])}}}"
            found["catchwater_log_seq"].append((label, source["seq"]))
    for model in status["models"]:
        if model["rows"] is not None:
            found["catchwater_model_rows"].append((f"{{model={_label(model['name'])}}}", model["rows"]))
        if model["seq"] is not None:
            label = f"{{log={_label('processed/' + model['name'])}}}"
            found["catchwater_log_seq"].append((label, model["seq"]))
    found["catchwater_failing_steps"].append(("", len(status["failures"])))
    if status["warehouse"]["version"] is not None:
        found["catchwater_warehouse_version"].append(("", status["warehouse"]["version"]))
    return found


def exposition(status: Mapping[str, Any], totals: Mapping[str, float]) -> str:
    """Gauges from `status`, counters from `totals` (`<stage>_<what>`)."""
    lines = []
    for name, samples in _gauges(status).items():
        lines += [f"# HELP {name} {_HELP[name]}", f"# TYPE {name} gauge"]
        lines += [f"{name}{label} {value:g}" for label, value in samples]
    whats = sorted({name.split("_", 1)[1] for name in totals})
    for what in whats:
        metric = f"catchwater_stage_{what}_total"
        lines += [f"# HELP {metric} Sum of {what} by stage.", f"# TYPE {metric} counter"]
        for name, value in totals.items():
            stage, of = name.split("_", 1)
            if of == what:
                lines.append(f"{metric}{{stage={_label(stage)}}} {value:.15g}")
    return "\n".join(lines) + "\n"
