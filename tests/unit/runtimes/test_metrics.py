"""The exposition is read back by Prometheus' own parser."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from catchwater.runtimes.metrics import exposition


def status(**more: Any) -> dict[str, Any]:
    return {
        "sources": [
            {"name": 'a"b\\c\nd', "freshness_seconds": 12.5, "position_age_seconds": 3.5, "seq": 3},
            {"name": "never", "freshness_seconds": None, "position_age_seconds": None, "seq": None},
        ],
        "models": [{"name": "fact", "rows": 10, "seq": 2}, {"name": "view", "rows": None, "seq": None}],
        "failures": [{}],
        "warehouse": {"version": 7},
        **more,
    }


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(s.labels.items())): s.value for family in families for s in family.samples}


def test_every_number_is_there() -> None:
    totals = {"ingest_rows_in": 48210.0, "load_rows_in": 1e9, "ingest_seconds": 1.25}
    assert samples(exposition(status(), totals)) == {
        ("catchwater_freshness_seconds", (("source", 'a"b\\c\nd'),)): 12.5,
        ("catchwater_position_age_seconds", (("source", 'a"b\\c\nd'),)): 3.5,
        ("catchwater_log_seq", (("log", 'ingestion/a"b\\c\nd'),)): 3,
        ("catchwater_log_seq", (("log", "processed/fact"),)): 2,
        ("catchwater_model_rows", (("model", "fact"),)): 10,
        ("catchwater_failing_steps", ()): 1,
        ("catchwater_warehouse_version", ()): 7,
        ("catchwater_stage_rows_in_total", (("stage", "ingest"),)): 48210,
        ("catchwater_stage_rows_in_total", (("stage", "load"),)): 1e9,
        ("catchwater_stage_seconds_total", (("stage", "ingest"),)): 1.25,
    }


def test_nothing_loaded_yet() -> None:
    found = samples(exposition(status(sources=[], models=[], failures=[], warehouse={"version": None}), {}))
    assert found == {("catchwater_failing_steps", ()): 0}
