"""The Glue job: its arguments, its script, and what Glue is told at the end; the Spark step itself is a proof."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catchwater.errors import UseError
from catchwater.plan.plan import Step
from catchwater.runtimes import glue
from catchwater.runtimes.report import RunReport
from catchwater.stages.outcome import Outcome


class Opened:
    step = replace(Step("process:a", "process"), timeout=60.0)


def report(state: str, *, more: bool = False, moved: bool = True) -> RunReport:
    outcome = replace(Outcome("process:a", "process"), more=more)
    return RunReport(0, "r", "job", "2026-11-21T00:00:00+00:00", 0.1, state, 0, (outcome,), moved)


def run(monkeypatch: pytest.MonkeyPatch, *reports: RunReport) -> tuple[int, int]:
    """The exit code, and how often the step was woken."""
    waiting = list(reports)
    monkeypatch.setattr(glue, "answer", lambda *_: waiting.pop(0))
    opened: Any = Opened()
    code = glue.main(["--CATCHWATER_STEP", "process:a"], {}, lambda environ: opened)
    return code, len(reports) - len(waiting)


def test_arguments_become_variables_and_glues_own_stay_out() -> None:
    argv = ["--CATCHWATER_STEP", "process:a", "--AWS_REGION=eu-west-1", "--JOB_NAME", "j", "--TempDir", "s3://x",
            "--enable-metrics", "true", "--CATCHWATER_INGESTION", "s3://b--c"]  # fmt: skip
    assert glue.settings(argv) == {
        "CATCHWATER_STEP": "process:a", "AWS_REGION": "eu-west-1", "CATCHWATER_INGESTION": "s3://b--c",
    }  # fmt: skip


@pytest.mark.parametrize("argv", [["--CATCHWATER_STEP"], ["process:a"]])
def test_an_argument_that_cant_be_read_is_refused(argv: list[str]) -> None:
    with pytest.raises(UseError):
        glue.settings(argv)


def test_the_exit_code_says_whether_it_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, report("done")) == (0, 1)
    assert run(monkeypatch, report("failed")) == (1, 1)


def test_what_remains_is_done_in_the_same_job(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, report("done", more=True), report("done", more=True), report("done")) == (0, 3)


def test_no_progress_leaves_it_to_the_next_trigger(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, report("done", more=True, moved=False)) == (0, 1)
    assert "next trigger" in capsys.readouterr().out


def test_the_script_is_what_glue_runs(tmp_path: Path) -> None:
    compile(glue.script(), "step.py", "exec")
    assert "catchwater.runtimes.glue" in glue.script()
