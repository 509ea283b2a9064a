"""What a new user does wrong: told in words, all at once, with what to do, and nothing is done by halves."""

import shutil
import sys
from pathlib import Path

import pytest

from catchwater import cli
from tests.support.commands import catchwater
from tests.support.pings import MODEL, write
from tests.support.postgres import Database, db, postgres18

__all__ = ["db", "postgres18"]

PAIR = """project: shop
sources:
  a: {kind: postgres, url: "${A_URL}"}
  b: {kind: postgres, url: "${B_URL}"}
"""
ORDERS = "/*---\nkey: [id]\n---*/\nSELECT id FROM a.orders\n"


@pytest.fixture
def pair(tmp_path: Path, db: Database) -> Path:
    """Two sources, both captured."""
    db.run("CREATE TABLE orders (id int PRIMARY KEY)", "CREATE TABLE notes (id int PRIMARY KEY)")
    (tmp_path / "shop" / "models").mkdir(parents=True)
    (tmp_path / "shop" / "catchwater.yml").write_text(PAIR)
    (tmp_path / "shop" / "models" / "orders.sql").write_text(ORDERS)
    (tmp_path / "shop" / ".env").write_text(f"A_URL={db.url()}\nB_URL={db.url()}\n")
    assert catchwater("run", tmp_path / "shop").exit == 0
    return tmp_path / "shop"


def pages(folder: Path, source: str) -> int:
    return len(list((folder / ".catchwater" / "lake" / "ingestion" / source / "_log").glob("*")))


def test_every_wrong_name_of_a_backfill_is_told(pair: Path) -> None:
    done = catchwater("backfill", "a.orders", "a.nope", "c", "b.", pair)
    assert done.exit == 2
    assert all(said in done.err for said in ("a has no table nope", "there is no source c", "b has no table b."))
    assert "next: of a: notes, orders; use one of: a, b; of b: notes, orders" in done.err
    assert pages(pair, "a") == 1


def test_a_backfill_leads_back_all_or_none(pair: Path) -> None:
    shutil.rmtree(pair / ".catchwater" / "lake" / "ingestion" / "b")
    done = catchwater("backfill", pair)
    assert (done.exit, "b: nothing was captured yet" in done.err) == (2, True)
    assert pages(pair, "a") == 1


def test_a_backfill_that_couldn_t_read_doesn_t_say_that_it_did(pair: Path) -> None:
    (pair / ".env").write_text("A_URL=postgresql://nobody@127.0.0.1:1/x\nB_URL=postgresql://nobody@127.0.0.1:1/x\n")
    done = catchwater("backfill", "a", pair)
    assert done.exit == 1
    assert "a: 2 tables are to be read again (from batch 2 on)" in done.out


def test_variables_that_aren_t_set_are_told_at_once_by_check(pair: Path) -> None:
    (pair / ".env").unlink()
    done = catchwater("check", pair)
    assert done.exit == 2
    assert "catchwater.yml:3: the variable A_URL isn't set; export A_URL=" in done.err
    assert "catchwater.yml:4: the variable B_URL isn't set; export B_URL=" in done.err


def test_check_knows_the_variable_of_a_source_that_it_doesn_t_reach(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(Path(__file__).parents[2] / "examples" / "open_data", tmp_path / "open_data"))
    done = catchwater("check", folder)
    assert (done.exit, "the variable STATIONS_URL isn't set" in done.err) == (2, True)


def test_files_that_are_none_are_told_with_all_else(tmp_path: Path) -> None:
    folder = write(tmp_path / "pings")
    (folder / "models" / "x.sql").mkdir()
    (folder / "models" / "y.sql").symlink_to(folder / "nowhere.sql")
    (folder / "models" / "z.sql").write_text("SELECT 1")
    for command in ("check", "plan", "run"):
        done = catchwater(command, folder)
        assert done.exit == 2
        assert "3 problems" in done.err
        assert "models/x.sql: can't be read: Is a directory" in done.err
        assert "models/y.sql: can't be read: No such file or directory" in done.err
    shutil.rmtree(folder / "models")
    (folder / "models").write_text("SELECT 1")
    done = catchwater("check", folder)
    assert (done.exit, "models: it isn't a folder" in done.err) == (2, True)


def test_a_folder_without_a_project_is_named(tmp_path: Path) -> None:
    done = catchwater("verify", tmp_path / "nowhere")
    assert (done.exit, f"there is no such file in {tmp_path}/nowhere" in done.err) == (2, True)


def test_a_wrong_old_select_isn_t_taken_for_the_new_one(tmp_path: Path) -> None:
    folder, old = write(tmp_path / "pings"), tmp_path / "old.sql"
    assert catchwater("publish", "pings", "-", folder, "-m", '{"id": 1}').exit == 0
    assert catchwater("run", folder).exit == 0
    (folder / "models" / "nested").symlink_to(folder / "models")
    old.write_text(MODEL.replace("key: [id]", "key: [nope]"))
    done = catchwater("diff", "models/pings.sql", folder, "--against-file", old)
    assert (done.exit, f"{old}: models/pings.sql:3:1: key: no column nope" in done.err) == (2, True)
    old.write_text(MODEL.replace("note", "upper(note) AS note"))
    for name in ("pings", "models/pings.sql"):
        done = catchwater("diff", name, folder, "--against-file", old, "--json")
        assert (done.exit, done.json["model"]) == (0, "pings"), done.err


def test_stopped_before_a_command_is_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_run", interrupted)
    monkeypatch.setattr(sys, "argv", ["catchwater", "verify"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (ended.value.code, capsys.readouterr().err) == (130, "stopped\n")
