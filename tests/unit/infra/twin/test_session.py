"""The command's folder, its lock, what it prints; and an environment that can't be made."""

import json
import signal
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from catchwater.errors import AlreadyRunning, MissingExtra, TwinFailed
from catchwater.infra.twin import environment
from catchwater.infra.twin.environment import home, lock_file, made, require
from catchwater.infra.twin.session import Session, session
from tests.support.commands import catchwater
from tests.support.twin import needs_terraform, write
from tests.unit.infra.twin.test_receipt import CLEAN


def test_one_run_at_a_time(tmp_path: Path) -> None:
    told: list[str] = []
    with session(tmp_path, "dev", told.append) as held:
        (held.work / "beside").mkdir()
        (held.work / "kept").touch()
        held.say("hello")
        with pytest.raises(AlreadyRunning), session(tmp_path, "dev", print):
            pass
    assert told[0].endswith("s  hello")
    assert [path.name for path in held.work.iterdir()] == ["kept"]
    with session(tmp_path, "dev", print) as again:
        assert not list(again.work.iterdir())


def test_being_ended_is_an_interrupt(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), session(tmp_path, "dev", print):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("clean", [True, False])
def test_the_command_prints_the_receipt_and_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean: bool
) -> None:
    needs_terraform()
    receipt = CLEAN if clean else CLEAN.__class__(**{**vars(CLEAN), "rows": ()})
    seen: dict[str, Any] = {}

    def run(self: Session, plan: Any, loaded: Any, beside: Any, *, cut: str) -> Any:
        seen.update(plan=plan, variables=beside.variables, cut=cut)
        return receipt

    @contextmanager
    def beside(project: Path, folder: Path) -> Iterator[Any]:
        class Held:
            variables = {"SHOP_URL": "postgresql://127.0.0.1/x"}  # noqa: RUF012

        yield Held()

    monkeypatch.setattr(Session, "run", run)
    monkeypatch.setattr("catchwater.runtimes.stand_ins.stand_ins", beside)
    monkeypatch.setattr("catchwater.runtimes.planning.plan_project", lambda wiring: type("P", (), {"plan": "the plan"}))
    project = write(tmp_path / "shop")
    said = catchwater("twin", "--env", "dev", "--break", "all", project)
    assert (said.exit, said.out) == (0 if clean else 1, receipt.text())
    assert seen == {"plan": "the plan", "variables": {"SHOP_URL": "postgresql://127.0.0.1/x"}, "cut": "all"}
    assert json.loads(catchwater("twin", "--env", "dev", "--json", project).out) == receipt.as_dict()


def test_the_environment_is_kept_where_one_says(tmp_path: Path) -> None:
    assert home({"CATCHWATER_EMULATORS": "/x"}) == Path("/x")
    assert home({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "catchwater" / "emulators"
    assert home({}) == Path.home() / ".cache" / "catchwater" / "emulators"
    assert "ministack==" in lock_file().read_text()


def test_it_is_made_once_per_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Path] = []
    monkeypatch.setattr(environment, "_install", lambda lock, folder, options: calls.append(folder))
    lock = tmp_path / "lock.txt"
    lock.write_text("a==1\n")
    folder = tmp_path / "made"
    assert made(lock, folder) == made(lock, folder) == folder / "venv" / "bin"
    assert len(calls) == 1
    lock.write_text("a==2\n")
    made(lock, folder)
    assert len(calls) == 2


def test_one_that_cant_be_made_says_by_which_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("no-such-package==1.0 --hash=sha256:" + "0" * 64 + "\n")

    def refuse(*_: object, **__: object) -> None:
        raise OSError("ensurepip is not available")

    monkeypatch.setattr(venv, "create", refuse)
    with pytest.raises(TwinFailed, match="ensurepip") as failed:
        made(lock, tmp_path / "made")
    assert "--require-hashes" in failed.value.next_step
    assert not (tmp_path / "made" / "made-from").exists()


def test_an_emulator_that_cant_be_installed_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def plain(folder: Path, **_: object) -> None:
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").write_text("#!/bin/sh\necho 'no such package' >&2; exit 1\n")
        (folder / "bin" / "python").chmod(0o755)

    monkeypatch.setattr(venv, "create", plain)
    with pytest.raises(TwinFailed, match="no such package"):
        made(lock_file(), tmp_path / "made")


def test_a_missing_part_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(environment, "find_spec", nowhere)
    with pytest.raises(MissingExtra, match=r"grpcio(.|\n)*catchwater\[twin\]"):
        require()
