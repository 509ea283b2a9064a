"""What every test shares: golden files, and in CI a skip that isn't listed is a failure."""

import os
import signal
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A shell starts what runs in the background deaf to Ctrl-C, and whatever it starts inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# gRPC's hooks run in every process that is forked from one that has used it, and may keep it from becoming a server.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")


# Files that take long begin first, so that no worker is left alone with one at the end (with --no-loadscope-reorder).
LONG = (
    "test_simulation", "test_capture_large", "test_models_generated", "test_stage_kills", "test_capture_rewritten",
    "test_twin", "test_engine_spark", "test_roots", "test_events_google", "test_flights", "test_init_run", "test_lambda",
    "test_bigquery_kills", "test_warehouse_postgres", "test_writers",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files instead of comparing them")


def allowed_skips() -> tuple[str, ...]:
    """The parts of .ci/external, one a line before its colon, that a CI machine may lack."""
    lines = (ROOT / ".ci" / "external").read_text().splitlines()
    return tuple(line.split(":")[0].strip() for line in lines if line.strip() and not line.startswith("#"))


def refuse_unlisted(report: pytest.TestReport | pytest.CollectReport) -> None:
    """In CI a skip whose reason doesn't begin with a listed part becomes a failure."""
    if not (report.skipped and os.environ.get("CI")) or hasattr(report, "wasxfail"):
        return
    said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = said.removeprefix("Skipped: ")
    if not reason.startswith(allowed_skips()):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, and .ci/external doesn't list it: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    refuse_unlisted(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    refuse_unlisted(report)
    return report


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """`golden(path, text)` compares `text` with the file, or writes it under --update-golden."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.read_text() == text, f"{path.name} differs: look, then pytest --update-golden"

    return compare
