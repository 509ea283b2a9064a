"""plan and build of a project's clouds, as a user types them; the tables are those of the plan last applied here."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import catchwater
from tests.support.examples import EXAMPLES, plan_of


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "totesys"
    shutil.copytree(EXAMPLES / "totesys", folder, ignore=shutil.ignore_patterns(".catchwater"))
    (folder / ".catchwater").mkdir()
    (folder / ".catchwater/plan.json").write_bytes(plan_of("totesys").to_bytes())
    return folder


def written(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_build_writes_what_it_says_and_nothing_else(project: Path, tmp_path: Path) -> None:
    before = written(project)
    out = tmp_path / "out"
    done = catchwater("build", "--env", "dev", "--out", out, project, "--json")
    assert done.exit == 0, done.err
    files = written(out)
    assert sorted(files) == done.json["files"]
    assert {"infra/dev/README.md", "infra/dev/diagram.svg", "infra/dev/plan.json"} <= set(files)
    assert written(project) == before
    again = catchwater("build", "--env", "dev", "--out", out, project, "--json")
    assert again.json["changed"] == []
    assert written(out) == files


def test_check_says_what_is_stale(project: Path) -> None:
    assert catchwater("build", "--env", "dev", project).exit == 0
    assert catchwater("build", "--env", "dev", "--check", project).exit == 0
    (project / "infra/dev/README.md").write_text("mine")
    stale = catchwater("build", "--env", "dev", "--check", project)
    assert stale.exit == 2
    assert "stale: infra/dev/README.md" in stale.err
    assert (project / "infra/dev/README.md").read_text() == "mine"


def test_what_no_longer_belongs_is_removed(project: Path) -> None:
    assert catchwater("build", "--env", "dev", project).exit == 0
    left = project / "infra/dev/aws/gone/main.tf"
    left.parent.mkdir(parents=True)
    left.write_text("")
    kept = project / "infra/dev/aws/storage/mine.auto.tfvars"
    kept.write_text("")
    done = catchwater("build", "--env", "dev", project)
    assert "infra/dev/aws/gone/main.tf is no longer made: delete it" in done.err
    assert left.exists()
    assert "mine.auto.tfvars" not in done.err


def test_a_plan_of_a_cloud_says_all_of_it(project: Path) -> None:
    done = catchwater("plan", "--env", "dev", project)
    assert done.exit == 0, done.err
    for part in (
        "against: nothing built yet",
        "infra    + aws/",
        "grants   + ",
        "network  ",
        "fresh    12 m worst",
        "cost     ~$",
    ):
        assert part in done.out, done.out
    assert not (project / "infra").exists()


def test_after_a_build_only_what_changes_is_said(project: Path) -> None:
    catchwater("build", "--env", "dev", project)
    same = catchwater("plan", "--env", "dev", project)
    assert "nothing differs" in same.out
    text = (project / "catchwater.yml").read_text()
    (project / "catchwater.yml").write_text(text + "steps: {load: {memory: 2048}}\n")
    done = catchwater("plan", "--env", "dev", project)
    assert "steps    ~ load:postgres" in done.out
    assert "infra    ~ aws/workflow/lambda" in done.out
    assert "1024" in done.out
    assert "2048" in done.out
    assert "grants" not in done.out
    changed = catchwater("plan", "--env", "dev", project, "--json").json
    assert {change["area"] for change in changed["changes"]} == {"steps", "infra"}
    assert changed["freshness"]["seconds"] == 694


def test_a_plan_against_a_commit(project: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-C", str(project), "-c", "user.name=a", "-c", "user.email=a@b.c", *words], check=True)

    git("init", "--quiet", "--initial-branch=main")
    catchwater("build", "--env", "dev", project)
    git("add", "--all")
    git("commit", "--quiet", "--message=one")
    (project / "catchwater.yml").write_text(
        (project / "catchwater.yml").read_text().replace("10 minutes", "15 minutes")
    )
    catchwater("build", "--env", "dev", project)
    assert "nothing differs" in catchwater("plan", "--env", "dev", project).out
    against = catchwater("plan", "--env", "dev", "--against", "main", project)
    assert "wakes    ~ ingest:totesys" in against.out
    unknown = catchwater("plan", "--env", "dev", "--against", "nowhere", project)
    assert unknown.exit == 2
    assert "git knows no commit nowhere" in unknown.err
    assert catchwater("plan", "--env", "dev", "--against", "--output=x", project).exit == 2


def test_a_diagram_is_a_picture(project: Path) -> None:
    assert catchwater("plan", "--env", "dev", "--diagram", project).out.startswith("<svg ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["build"], "--env is missing"),
        (["build", "--env", "local"], "local is in no cloud"),
        (["build", "--env", "nope"], "no environment 'nope'"),
    ],
)
def test_misuse_is_told(project: Path, arguments: list[str], said: str) -> None:
    done = catchwater(*arguments, project)
    assert done.exit == 2
    assert said in done.err


def test_without_a_plan_it_says_what_to_do(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOTESYS_URL", raising=False)
    (project / ".catchwater/plan.json").unlink()
    shutil.rmtree(project / "tables")
    done = catchwater("build", "--env", "dev", project)
    assert done.exit == 2
    assert "the tables of totesys aren't known here" in done.err
    assert "catchwater check --save" in done.err


def test_saved_tables_win_over_what_this_machine_applied(project: Path) -> None:
    catchwater("build", "--env", "dev", project)
    built = (project / "infra/dev/plan.json").read_bytes()
    (project / ".catchwater/plan.json").unlink()
    assert catchwater("build", "--env", "dev", "--check", project).exit == 0
    assert (project / "infra/dev/plan.json").read_bytes() == built
    (project / "tables/totesys.json").write_text("[{}]")
    broken = catchwater("build", "--env", "dev", project)
    assert broken.exit == 2
    assert "tables/totesys.json: not the tables of a source" in broken.err


def test_a_built_plan_serves_where_no_database_is(project: Path) -> None:
    catchwater("build", "--env", "dev", project)
    (project / ".catchwater/plan.json").unlink()
    shutil.rmtree(project / "tables")
    assert catchwater("build", "--env", "dev", "--check", project).exit == 0
    lookml = catchwater("lookml", "--plan", project / "infra/dev/plan.json", project)
    assert lookml.exit == 0, lookml.err
    missing = catchwater("lookml", "--plan", project / "nowhere.json", project)
    assert missing.exit == 2


def test_a_refused_environment_compiles_to_nothing(project: Path) -> None:
    text = (project / "catchwater.yml").read_text()
    (project / "catchwater.yml").write_text(text.replace("freshness: 30 minutes", "freshness: 5 minutes"))
    done = catchwater("build", "--env", "dev", project, "--json")
    assert done.exit == 2
    problems = json.loads(done.out)["problems"]
    assert [problem["line"] for problem in problems] == [4]
    assert not (project / "infra").exists()
