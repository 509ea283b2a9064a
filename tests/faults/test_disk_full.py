"""A disk that is full at random moments: a named error, the last good version readable, and in the end all rows once."""

import os
import random
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.test_run_kills import HISTORY, assert_equal, change, rows
from tests.support import broken, proof
from tests.support.commands import catchwater
from tests.support.postgres import Database, db, postgres18

__all__ = ["db", "postgres18"]

SIZE = 64 << 20
ROOM = 3 << 20  # bytes, at most, that a run finds free


def mounted(folder: Path) -> bool:
    """A small disk of its own there, where this machine lets us have one."""
    folder.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    return os.geteuid() == 0 and subprocess.run(line, capture_output=True).returncode == 0


@pytest.fixture(params=["disk", "limit"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, bool]]:
    """A folder, and whether it is a disk that can be filled; where none can be mounted, files may not grow instead."""
    folder = tmp_path / "disk"
    small = mounted(folder) if request.param == "disk" else False
    folder.mkdir(exist_ok=True)
    print(
        "a small disk" if small else "no disk can be mounted here: files are limited" if request.param == "disk" else ""
    )
    try:
        yield folder, small
    finally:
        if small:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def run(project: Path, small: bool, chance: random.Random) -> int:
    """One run with little room, which it may overcome; its exit code."""
    home = project.parent
    room, ballast = chance.randrange(ROOM), home / "ballast"
    limits = {}
    if small:
        free = os.statvfs(home)
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - room))
    else:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        limits = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))}
    temporary = home / "tmp" if chance.random() < 0.5 else home.parent
    temporary.mkdir(exist_ok=True)
    line = [sys.executable, "-m", "catchwater", "run", str(project)]
    done = subprocess.run(
        line, capture_output=True, text=True, env=os.environ | {"TMPDIR": str(temporary)}, check=False, **limits
    )
    seen = catchwater("query", "SELECT count(*) FROM orders", project)
    ballast.unlink(missing_ok=True)
    assert seen.exit == 0, seen.err
    assert done.returncode in (0, 1), (done.returncode, done.stdout, done.stderr)
    said = done.stdout + done.stderr
    assert "Traceback" not in said, (room, said)
    assert "a fault in" not in said, (room, said)
    return done.returncode


@pytest.mark.proof
@pytest.mark.timeout(1200)
def test_on_a_full_disk_nothing_is_lost(disk: tuple[Path, bool], db: Database) -> None:
    home, small = disk
    chance = random.Random(proof.seed())
    project = begun(home, db)
    failed, wanted, tries = 0, 25 if proof.KILLS > 100 else 4, 0
    while failed < wanted:
        change(db, chance)
        failed += run(project, small, chance)
        tries += 1
        assert tries < wanted * 6 + 10, "there was always room"
    nothing_lost(project, db)


def begun(home: Path, db: Database) -> Path:
    db.run("CREATE TABLE orders (id int PRIMARY KEY, customer text, total numeric(12, 2))")
    db.run("CREATE TABLE notes (text text)")
    project = home / "shop"
    assert catchwater("init", "shop", project, "--url", db.url()).exit == 0
    (project / "models" / "order_versions.sql").write_text(HISTORY)
    assert catchwater("run", project).exit == 0
    return project


def nothing_lost(project: Path, db: Database) -> None:
    done = catchwater("run", project)
    assert done.exit == 0, done.out + done.err
    assert_equal(project, db)
    assert rows(project, "SELECT count(*) AS n FROM orders")
    assert catchwater("verify", project).exit == 0


@pytest.mark.proof
def test_a_store_that_keeps_silent_about_a_full_disk_is_found(tmp_path: Path, db: Database) -> None:
    project = begun(tmp_path, db)
    change(db, random.Random(proof.seed()))
    line = [*broken.line("swallows", tmp_path), "run", str(project)]
    subprocess.run(line, cwd=broken.ROOT, capture_output=True)
    assert (tmp_path / "full").exists()
    with pytest.raises(AssertionError):
        nothing_lost(project, db)
