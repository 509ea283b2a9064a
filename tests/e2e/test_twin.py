"""The twin, whole: Terraform's plan made in the emulator, rows that flow, grants that are cut, mails that arrive."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from catchwater.infra.aws.policies import Statement, statements
from catchwater.infra.twin.proving import broken, proven
from catchwater.infra.twin.receipt import Receipt
from catchwater.infra.twin.trial import Trial
from tests.support.commands import catchwater
from tests.support.proof import KILLS
from tests.support.twin import ROOT, needs_terraform, standing, write


@pytest.fixture(scope="module", autouse=True)
def emulators() -> Iterator[None]:
    """The environment that `tools/emulators` makes serves the twin as well."""
    needs_terraform()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CATCHWATER_EMULATORS", str(ROOT / ".emulators"))
        yield


@pytest.fixture(scope="module")
def twin(emulators: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    with standing(tmp_path_factory.mktemp("twin")) as held:
        yield held


@pytest.fixture(scope="module")
def receipt(twin: Trial) -> Receipt:
    return proven(twin, time.monotonic())


def test_the_receipt_is_clean(receipt: Receipt) -> None:
    assert receipt.clean, receipt.text()
    assert {one.table for one in receipt.rows} == {"orders"}
    assert len(receipt.rows) == 2  # the source against the lake, the warehouse against the models
    assert receipt.alarms == {"failure": True, "recovery": True, "stale": True}
    assert receipt.drift == ()
    assert receipt.resources > 50
    assert "NOT PROVEN HERE  rds-db:connect" in receipt.text()


def test_every_grant_was_needed_but_the_one_for_too_little_time(receipt: Receipt) -> None:
    assert {name.split(" ")[1] for name in receipt.grants.unused} == {"lambda:InvokeFunction"}
    assert len(receipt.grants.used) > 15


def test_mails_reach_the_addresses_of_the_plan(twin: Trial, receipt: Receipt) -> None:
    assert {mail.to for mail in twin.relay.sent} == {("data@example.org",)}
    assert all("To: data@example.org" in text for text in twin.job.beside.mails())


@pytest.mark.parametrize(
    "name",
    [
        "ingest:shop secretsmanager:GetSecretValue secret/SHOP_URL",
        "process:orders s3:GetObject ingestion/shop/*",
        "load:postgres s3:ListBucket processed/orders/*",
    ],
)
def test_a_grant_that_is_cut_fails_by_its_name(twin: Trial, receipt: Receipt, name: str) -> None:
    found = broken(twin, lambda permission: permission.name.startswith(name))
    assert list(found) == list(found.values())
    assert len(found) == 1


def test_what_was_cut_is_there_again(twin: Trial, receipt: Receipt) -> None:
    assert twin.flow() is not None


def test_a_grant_that_nothing_needs_is_listed_as_unused(twin: Trial, receipt: Receipt) -> None:
    arn = "arn:aws:secretsmanager:eu-west-2:111122223333:secret:old-??????"
    extra = Statement("Extra", ("secretsmanager:GetSecretValue",), (arn,), because="forgotten")
    with twin.with_more("load:postgres", extra):
        assert "load:postgres secretsmanager:GetSecretValue secretsmanager:secret:old-??????" in twin.judged().unused
    assert not any("old" in name for name in twin.judged().unused)


def test_a_change_behind_terraforms_back_is_drift(twin: Trial, receipt: Receipt) -> None:
    s3 = twin.standing.emulator.client("s3")
    bucket = "shop-dev-processed-111122223333"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    try:
        assert any("versioning" in change for change in twin.standing.changes("storage"))
    finally:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert twin.standing.changes("storage") == []


def test_rows_that_differ_are_seen(twin: Trial, receipt: Receipt) -> None:
    """The source moves, nobody wakes the steps: the comparison says so. A table that lost a row in the warehouse too."""
    twin.change()
    source, warehouse = twin.compare()
    assert not source.equal
    assert "≠" in source.text
    assert warehouse.equal


def test_no_state_or_log_holds_a_password(twin: Trial, receipt: Receipt) -> None:
    password = twin.source_url("shop").split(":")[2].split("@")[0]
    held = [
        path for path in twin.job.work.rglob("*") if path.is_file() and path.suffix in (".tfstate", ".log", ".jsonl")
    ]
    assert held
    assert not [path for path in held if password.encode() in path.read_bytes()]


def test_what_the_twin_cant_stand_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = write(tmp_path / "shop")
    said = catchwater("twin", "--env", "away", project)
    assert said.exit == 2, said.err
    assert "stands for AWS alone" in said.err
    monkeypatch.setenv("TERRAFORM", "/nowhere/terraform")
    said = catchwater("twin", "--env", "dev", project)
    assert said.exit == 1
    assert "erraform" in said.err


@pytest.mark.proof
def test_the_command_ends_with_its_receipt_and_leaves_nothing_running(tmp_path: Path) -> None:
    project = write(tmp_path / "shop")
    said = catchwater("twin", "--env", "dev", "--json", project)
    assert said.exit == 0, said.out + said.err
    assert said.json["clean"] is True
    work = project / ".catchwater" / "twin" / "dev"
    assert json.loads((work / "receipt.json").read_text()) == said.json
    assert not (work / "beside").exists()
    assert not running(str(project))


@pytest.mark.full
@pytest.mark.proof
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_nothing_outlives_a_killed_twin(tmp_path: Path, how: signal.Signals) -> None:
    project = write(tmp_path / "shop")
    line = [sys.executable, "-m", "catchwater", "twin", "--env", "dev", str(project)]
    with subprocess.Popen(line, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as killed:
        assert killed.stderr
        while "apply bootstrap" not in killed.stderr.readline():
            assert killed.poll() is None
        assert running(str(project))
        killed.send_signal(how)
        killed.stderr.read()
    deadline = time.monotonic() + 20
    while running(str(project)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not running(str(project))


def running(text: str) -> list[str]:
    """The commands of processes that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int(process.name) != os.getpid() and (process / "cwd").readlink().is_relative_to(text):
                found.append((process / "cmdline").read_text())
        except (OSError, ValueError):
            continue
    return found


@pytest.mark.full
@pytest.mark.proof
def test_totesys_is_clean_and_grants_are_needed_by_name(tmp_path: Path) -> None:
    """The example, and its grants taken away in turn: all of them, in CI those to read secrets."""
    project = shutil.copytree(ROOT / "examples" / "totesys", tmp_path / "totesys")
    which = "all" if KILLS > 100 else "secretsmanager"
    said = catchwater("twin", "--env", "dev", "--break", which, "--json", project)
    assert said.exit == 0, said.out + said.err
    receipt = said.json
    assert receipt["grants"]["missing"] == []
    wanted = {name for name in receipt["grants"]["used"] if which in ("all", name.split(" ")[1].split(":")[0])}
    cut = receipt["cut"]
    assert cut == {name: name for name in cut}
    once = {"process:fact_payment s3:PutObject processed/iso_4217/*"}  # constants: only the first run writes them
    assert wanted - cut.keys() <= once


def test_the_statements_of_a_step_are_what_the_emulator_holds(twin: Trial, receipt: Receipt) -> None:
    plan = twin.plan
    held = twin.standing.emulator.client("iam").get_role_policy(RoleName="shop-dev-load-postgres", PolicyName="grants")
    document = held["PolicyDocument"]
    text = document if isinstance(document, str) else json.dumps(document)
    actions = {action for one in json.loads(text)["Statement"] for action in one["Action"]}
    assert actions == {action for one in statements(plan, plan.step("load:postgres")) for action in one.actions}
