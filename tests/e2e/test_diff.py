"""`diff` and `plan --rows`: what a changed model changes, told before it runs."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import Result, catchwater
from tests.support.pings import MODEL, PROJECT, write

HISTORY = """/*---
description: Every version of every ping.
key: [version]
entity: [id]
measures:
  total: {sql: sum(units), format: gbp}
  versions: {sql: count(*), format: integer, over: history}
  share: {sql: count(*) FILTER (units > 1) / count(*), format: percent}
---*/
SELECT _id AS version, id, len(note) AS units FROM pings__history
"""


def git(folder: Path, *arguments: str) -> None:
    names = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def project(repository: Path, tmp_path: Path) -> Path:
    """In a folder of a repository, run once."""
    return Path(shutil.copytree(repository, tmp_path / "repository")) / "pings"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write(tmp_path_factory.mktemp("diff") / "repository" / "pings", PROJECT + "  looker: {connection: c}\n")
    (folder / ".gitignore").write_text(".catchwater\n")
    (folder / "models" / "history.sql").write_text(HISTORY)
    (folder / "models" / "_macros.sql").write_text("CREATE MACRO loud(t) AS upper(t);\n")
    git(folder.parent, "init", "-q", "-b", "main")
    git(folder.parent, "add", "-A")
    git(folder.parent, "commit", "-qm", "first")
    lines = "\n".join(f'{{"id": {i}, "note": "{"x" * i}"}}' for i in range(1, 5))
    assert catchwater("publish", "pings", "-", folder, stdin=lines).exit == 0
    assert catchwater("run", folder).exit == 0
    return folder.parent


def diff(*arguments: object) -> Result:
    done = catchwater("diff", *arguments)
    assert done.exit == 0, done.err
    return done


def test_nothing_changed(project: Path) -> None:
    text = diff("pings", project).out
    assert "pings  +0 ~0 -0 of 4" in text
    assert "pings to batch 1" in text
    assert all(table["differing"]["changed"] == 0 for table in diff("history", project, "--json").json["tables"])


def test_rows_by_key_columns_and_readers(project: Path) -> None:
    (project / "models" / "pings.sql").write_text(
        MODEL.replace(
            "id, note FROM pings",
            "id, CASE id WHEN 2 THEN 'other' ELSE note END AS note, 1 AS one FROM pings WHERE id < 4",
        )
    )
    found = diff("pings", project, "--json").json
    [table] = found["tables"]
    assert (table["differing"]["changed"], table["differing"]["removed"], table["differing"]["added"]) == (1, 1, 0)
    assert table["differing"]["examples"][0] == {
        "kind": "changed",
        "key": "id = 2",
        "values": {"note": ["xx", "other"]},
    }
    assert found["columns"]["added"] == {"one": "INTEGER"}
    assert found["offsets"] == {"ingestion/pings": 1}
    text = diff("pings", project, "--examples", 1).out
    assert "~ id = 2  note xx → other" in text
    assert "+ one  INTEGER" in text
    (project / "models" / "pings.sql").write_text(MODEL.replace("id, note", "id"))
    text = diff("pings", project).out
    assert "- note  VARCHAR  read by: GET /v1/tables/pings/rows, looker pings.note" in text


def test_a_history_its_current_rows_and_its_measures(project: Path) -> None:
    (project / "models" / "history.sql").write_text(HISTORY.replace("len(note) AS units", "len(note) * 10 AS units"))
    found = diff("history", project, "--json").json
    assert [(table["name"], table["differing"]["changed"]) for table in found["tables"]] == [
        ("history", 4),
        ("history_current", 4),
    ]
    measures = {one["name"]: one for one in found["measures"]}
    assert (measures["total"]["old"], measures["total"]["new"]) == ("£10.00", "£100.00")
    assert measures["total"]["change"] == "+£90.00, +900.00%"
    assert (measures["versions"]["old"], measures["versions"]["change"]) == ("4", "")
    assert measures["share"]["new"] == "100.00%"
    markdown = diff("history", project, "--format", "markdown").out
    assert "| total | £10.00 | £100.00 | +£90.00, +900.00% |" in markdown
    assert "| `history_current` | 4 | 0 | 4 | 0 | `units` 4 |" in markdown


@pytest.mark.proof
def test_the_old_one_has_its_own_macros_and_files(project: Path, tmp_path: Path) -> None:
    (project / "models" / "pings.sql").write_text(MODEL.replace("id, note", "id, loud(note) AS note"))
    git(project, "commit", "-qam", "loud")
    git(project, "tag", "then")
    (project / "models" / "_macros.sql").write_text("CREATE MACRO loud(t) AS lower(t);\n")
    assert diff("pings", project, "--against", "then", "--json").json["tables"][0]["differing"]["changed"] == 4
    assert diff("pings", project, "--against", "HEAD~1", "--json").json["tables"][0]["differing"]["changed"] == 0
    old = tmp_path / "old.sql"
    old.write_text(MODEL.replace("note FROM", "NULL::VARCHAR AS note FROM"))
    found = diff("pings", project, "--against-file", old, "--json").json
    assert (found["against"], found["tables"][0]["differing"]["changed"]) == (str(old), 4)


@pytest.mark.proof
def test_another_key_another_type_new_and_gone(project: Path) -> None:
    pings = project / "models" / "pings.sql"
    pings.write_text(MODEL.replace("key: [id]", "key: [name]").replace("id, note", "id::VARCHAR AS id, note AS name"))
    found = diff("pings", project, "--json").json
    assert found["tables"][0]["key"] == []
    assert found["columns"]["retyped"] == {"id": ["BIGINT", "VARCHAR"]}
    assert found["tables"][0]["differing"]["added"] == 0
    assert "compared by all their columns" in found["notes"][0]
    pings.write_text(MODEL.replace("id, note", "id // 2 AS id, note"))
    assert "isn't unique" in diff("pings", project).out
    pings.rename(pings.with_name("fresh.sql"))
    assert "fresh is new" in diff("fresh", project).out
    assert "pings is gone" in diff("pings", project).out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "there is no model nothing"),
        (["pings", "--against", "nowhere"], "git knows no commit nowhere"),
        (["pings", "--against", "-x"], "not a commit"),
        (["pings", "--against-file", "nowhere.sql"], "there is no file nowhere.sql"),
        (["pings", "--format", "xml"], "--format xml isn't known"),
    ],
)
def test_misuse(project: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str) -> None:
    monkeypatch.chdir(project)
    done = catchwater("diff", *arguments)
    assert (done.exit, said in done.err) == (2, True), done.err
    assert "next: " in done.err or "--against" in arguments


def test_a_folder_outside_of_git(tmp_path: Path) -> None:
    folder = write(tmp_path / "pings")
    assert "nothing has run here yet" in catchwater("diff", "pings", folder).err
    assert catchwater("run", folder).exit == 0
    done = catchwater("diff", "pings", folder)
    assert (done.exit, "--against-file" in done.err) == (2, True)
    done = catchwater("diff", "pings", folder, "--against-file", folder / "models" / "pings.sql")
    assert (done.exit, "the lake has no rows yet" in done.err) == (2, True)


def test_a_model_that_cant_be_read_is_told_by_line(project: Path) -> None:
    (project / "models" / "pings.sql").write_text(MODEL.replace("note", "nota"))
    done = catchwater("diff", "pings", project)
    assert (done.exit, "models/pings.sql:5" in done.err) == (2, True)


def test_plan_says_how_many_rows_differ(project: Path) -> None:
    (project / "models" / "history.sql").write_text(HISTORY.replace("len(note)", "len(note) + (id = 1)::INTEGER"))
    assert "~ history_current  1 of 4 rows differ (units)" in catchwater("plan", project, "--rows").out
    changes = catchwater("plan", project, "--rows", "--json").json["changes"]
    assert {"area": "data", "sign": "~", "what": "history_current", "detail": "1 of 4 rows differ (units)"} in changes
    assert "computed again" in catchwater("plan", project).out
    (project / "models" / "history.sql").write_text(HISTORY.replace("len(note)", "len(note) + 0"))
    assert "none of 4 rows differs" in catchwater("plan", project, "--rows").out
