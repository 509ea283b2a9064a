"""`catchwater run` read without the command line's library: the same words mean the same, and errors end the same."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from catchwater import cli
from catchwater.cli import once
from catchwater.cli.commands import app
from catchwater.cli.once import Asked, asked, quick
from tests.support.pings import write
from tests.support.postgres import Database, db, postgres18

__all__ = ["db", "postgres18"]

PLAIN = [
    ["run"],
    ["run", "here"],
    ["run", "--json"],
    ["run", "--env", "dev"],
    ["run", "here", "--env", "dev", "--json"],
    ["run", "--json", "--env", "dev", "here"],
    ["run", "."],
]
OTHER = [
    [], ["plan"], ["run", "--help"], ["run", "-h"], ["run", "--env"], ["run", "--env", "--json"], ["run", "a", "b"],
    ["run", "--env=dev"], ["run", "--", "here"], ["run", "--nonsense"], ["--version"], ["run", "-"],
]  # fmt: skip


@pytest.mark.parametrize("words", PLAIN, ids=" ".join)
def test_plain_words_mean_what_the_library_makes_of_them(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Asked] = []
    monkeypatch.setattr(once, "once", lambda wanted: heard.append(wanted) or 0)
    assert app(words, standalone_mode=False) == 0
    assert heard == [asked(words)]


@pytest.mark.parametrize("words", OTHER, ids=lambda words: " ".join(words) or "nothing")
def test_everything_else_is_left_to_the_library(words: list[str]) -> None:
    assert asked(words) is None


@pytest.mark.parametrize("words", [["run", "--json"], ["--version"]], ids=" ".join)
def test_both_ways_are_taken(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    monkeypatch.setattr("sys.argv", ["catchwater", *words])
    monkeypatch.setattr(once, "quick", lambda wanted: taken.append("quick") or 7)
    monkeypatch.setattr("catchwater.cli.commands.main", lambda: taken.append("any") or None)
    if words[0] == "run":
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 7
    else:
        cli.main()
    assert taken == ["quick" if words[0] == "run" else "any"]


def test_a_mistake_ends_with_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert quick(Asked(tmp_path)) == 2
    assert "catchwater.yml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [(KeyboardInterrupt(), 130), (OSError(28, "No space left on device", "x"), 1), (ValueError("oops"), 1)],
    ids=["interrupt", "disk", "fault"],
)
def test_however_it_ends_there_is_a_code(error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(wanted: Asked) -> int:
        raise error

    monkeypatch.setattr(once, "once", fail)
    assert quick(Asked()) == code


@pytest.mark.parametrize("as_json", [False, True])
def test_a_run_is_told(tmp_path: Path, as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    project = write(tmp_path / "pings")
    assert quick(Asked(project, as_json=as_json)) == 0
    said: Any = capsys.readouterr().out
    assert '"state": "done"' in said if as_json else f'next: catchwater query "from pings limit 5" {project}' in said


HEAVY = ("typer", "rich", "sqlglot", "uvicorn", "pyarrow", "pydantic", "ruamel")
LOADED = f"""
import sys
from catchwater.cli import main
try:
    main()
except SystemExit as ended:
    print(ended.code, [name for name in {HEAVY} if name in sys.modules])
"""


def test_a_run_of_the_plan_of_last_time_loads_nothing_heavy(tmp_path: Path) -> None:
    project = write(tmp_path / "pings")
    for run in ("first", "second"):
        command = [sys.executable, "-c", LOADED, "run", str(project)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
        # a topic's schema is read with its lines, in case it is wrong
        assert said == ("0 ['sqlglot', 'pydantic', 'ruamel']" if run == "first" else "0 ['ruamel']")
    model = project / "models" / "pings.sql"
    model.write_text(model.read_text() + "\n-- edited")
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    assert said == "0 ['sqlglot', 'pydantic', 'ruamel']", "an edited model must be planned anew"


def test_a_database_without_news_is_asked_and_nothing_else_is_loaded(
    tmp_path: Path, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.run("CREATE TABLE orders (id int PRIMARY KEY)")
    db.run("INSERT INTO orders VALUES (1)")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "orders.sql").write_text("/*---\nkey: [id]\n---*/\nSELECT id FROM shop.orders")
    (tmp_path / "catchwater.yml").write_text('project: p\nsources: {shop: {kind: postgres, url: "${SHOP_URL}"}}\n')
    monkeypatch.setenv("SHOP_URL", db.url())
    command = [sys.executable, "-c", LOADED, "run", str(tmp_path)]
    for expected in ("0 ['sqlglot', 'pydantic', 'ruamel']", "0 []", "0 []"):
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1] == expected
    db.run("INSERT INTO orders VALUES (2)")
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[-1] == "0 []"
    assert any("1 row" in line for line in said)
    db.run("ALTER TABLE orders ADD COLUMN units int")
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1] != "0 []"


TEMPORARY = """
import sys
from catchwater.cli import once
from catchwater.adapters.sources.postgres.connection import connection
once.quick(once.asked(sys.argv[1:]))
print(connection().execute("SELECT current_setting('temp_directory')").fetchone()[0])
"""


def test_what_is_begun_early_spills_into_the_project(
    tmp_path: Path, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.run("CREATE TABLE orders (id int PRIMARY KEY)")
    (tmp_path / "models").mkdir()
    (tmp_path / "catchwater.yml").write_text('project: p\nsources: {shop: {kind: postgres, url: "${SHOP_URL}"}}\n')
    monkeypatch.setenv("SHOP_URL", db.url())
    monkeypatch.delenv("TMPDIR", raising=False)
    command = [sys.executable, "-c", TEMPORARY, "run", str(tmp_path)]
    for _ in range(2):
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
        assert Path(said).parent == tmp_path / ".catchwater" / "tmp"
