"""Which lake and which plan a proof is about: this machine's, or a cloud's."""

from pathlib import Path

import pytest

from catchwater.errors import UseError
from catchwater.runtimes.opened import VARIABLES, complete, open_applied
from catchwater.runtimes.planning import open_project, plan_project
from tests.support.commands import catchwater
from tests.support.pings import PROJECT, write
from tests.support.tampering import log_of

CLOUD = """environments:
  dev:
    google: {project: pings-dev, region: europe-west2}
    warehouse: {kind: bigquery, dataset: pings}
"""
BUCKETS = dict(zip(VARIABLES, ("gs://in", "gs://out"), strict=True))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = write(tmp_path / "pings", PROJECT.replace("serve:\n  api: {tables: all}\n", "") + CLOUD)
    built = folder / "infra" / "dev"
    built.mkdir(parents=True)
    (built / "plan.json").write_bytes(plan_project(open_project(folder, "dev")).plan.to_bytes())
    return folder


def test_a_machine_has_the_plan_that_was_applied(project: Path) -> None:
    with pytest.raises(UseError, match="nothing has run here yet"):
        open_applied(project, "local")
    assert catchwater("run", project).exit == 0
    wiring, plan = open_applied(project, "local")
    assert (plan.environment, wiring.places) == ("local", None)


def test_a_cloud_has_the_plan_that_was_built_and_the_buckets_that_are_said(project: Path) -> None:
    wiring, plan = open_applied(project, "dev", BUCKETS)
    assert plan.environment == "dev"
    assert wiring.places is not None
    assert wiring.places.zones == {"ingestion": "gs://in", "processed": "gs://out"}
    assert wiring.state == project / ".catchwater" / "dev"


def test_what_isnt_known_of_a_cloud_is_said(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLES[0], raising=False)
    done = catchwater("verify", project, "--env", "dev")
    assert (done.exit, "CATCHWATER_INGESTION" in done.err) == (2, True)
    with pytest.raises(UseError, match="isn't known here"):
        open_applied(project, "dev", {VARIABLES[0]: "gs://in"})
    (project / "infra" / "dev" / "plan.json").unlink()
    with pytest.raises(UseError, match="nothing was built for dev"):
        open_applied(project, "dev", BUCKETS)


def test_a_lake_with_an_address_needs_no_more(project: Path) -> None:
    file = project / "catchwater.yml"
    file.write_text(file.read_text() + 'lake: {url: "s3://lake/pings"}\n')
    wiring, _ = open_applied(project, "dev", {})
    assert wiring.places is None


def test_no_batch_is_complete_before_the_first(project: Path) -> None:
    assert complete(log_of(project, "ingestion/pings")) is None
