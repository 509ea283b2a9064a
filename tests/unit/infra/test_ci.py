"""The workflows that are generated: what runs where, with which rights, told by their own linters to be right."""

import base64
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from catchwater.infra.ci import workflows
from catchwater.infra.roots import Root, Variable
from catchwater.plan.plan import Plan
from tests.support.examples import plan_of

BIN = Path(sys.executable).parent


def roots(cloud: str) -> tuple[Root, ...]:
    asked = (
        Variable("warehouse_password", "The warehouse's password.", ephemeral=True),
        Variable("project_number", "The number of the project."),
        Variable("archive", "The archive.", default="x.zip", required=False),
    )
    return (
        Root(cloud, "bootstrap", (), local_state=True),
        Root(cloud, "storage", ()),
        Root(cloud, "workflow/lambda", (), variables=asked),
    )


def made(*plans: Plan) -> dict[str, str]:
    stages = [workflows.stage(plan, [r for cloud in plan.clouds for r in roots(cloud)]) for plan in plans]
    return {path: data.decode() for path, data in workflows.files(stages).items()}


def actions(*plans: Plan) -> Any:
    return YAML(typ="safe").load(made(*plans)[".github/workflows/catchwater.yml"])


def linted(folder: Path, files: dict[str, str]) -> None:
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in files:
        path = str(folder / name)
        if ".github" in name:
            commands = [["actionlint", "-shellcheck=", "-pyflakes=", path], ["zizmor", "--offline", "--quiet", path],
                        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", path]]  # fmt: skip
        else:
            commands = [["check-jsonschema", "--builtin-schema", "vendor.cloudbuild", path]]
        for program, *arguments in commands:
            done = subprocess.run([str(BIN / program), *arguments], capture_output=True, text=True, cwd=folder)
            assert done.returncode == 0, f"{program} {name}\n{done.stdout}{done.stderr}"


def test_the_workflow_passes_its_linters(tmp_path: Path) -> None:
    linted(tmp_path, made(plan_of("totesys", "dev"), plan_of("totesys", "prod")))


def test_the_workflow_of_two_clouds_passes_its_linters(tmp_path: Path) -> None:
    plan = plan_of("shop", "prod")
    linted(tmp_path / "oidc", made(plan))
    linted(tmp_path / "keys", made(replace(plan, credentials="keys")))


def test_the_builds_pass_their_schema(tmp_path: Path) -> None:
    linted(tmp_path, made(plan_of("open_data", "dev"), plan_of("open_data", "prod")))


def test_a_broken_workflow_is_caught(tmp_path: Path) -> None:
    files = {n: t.replace("contents: read", "contents: everything") for n, t in made(plan_of("totesys", "dev")).items()}
    with pytest.raises(AssertionError):
        linted(tmp_path, files)


def test_one_environment_after_the_other() -> None:
    jobs = actions(plan_of("totesys", "dev"), plan_of("totesys", "prod"))["jobs"]
    assert set(jobs) == {f"{what}-{env}" for what in ("plan", "diff", "comment", "apply") for env in ("dev", "prod")}
    assert "needs" not in jobs["apply-dev"]
    assert jobs["apply-prod"]["needs"] == "apply-dev"
    assert jobs["apply-prod"]["environment"] == "prod"
    assert "environment" not in jobs["plan-dev"]  # its claim is the pull request, and its role reads alone


def test_the_bytes_don_t_depend_on_which_environment_is_built() -> None:
    pair = [plan_of("totesys", "dev"), plan_of("totesys", "prod")]
    assert made(*pair) == made(*pair)


def test_a_plan_may_not_apply_and_has_no_key() -> None:
    jobs = actions(plan_of("totesys", "dev"))["jobs"]
    role = {
        name: next(s["with"]["role-to-assume"] for s in job["steps"] if "aws-" in s.get("uses", ""))
        for name, job in jobs.items()
        if name != "comment-dev"
    }
    assert role["plan-dev"].startswith("arn:aws:iam::111122223333:role/")
    assert role["plan-dev"] != role["apply-dev"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in jobs["plan-dev"]["if"]
    assert jobs["apply-dev"]["if"] == "github.event_name == 'push' && github.ref == 'refs/heads/main'"
    text = made(plan_of("totesys", "dev"))[".github/workflows/catchwater.yml"]
    assert "AWS_SECRET_ACCESS_KEY" not in text


def test_who_computes_a_diff_can_t_write_and_who_writes_it_can_read_nothing_else() -> None:
    jobs = actions(plan_of("totesys", "dev"))["jobs"]
    computes, writes = jobs["diff-dev"], jobs["comment-dev"]
    assert computes["permissions"] == {"contents": "read", "id-token": "write"}
    assert writes["permissions"] == {"pull-requests": "write"}
    assert computes["if"].endswith("head.repo.full_name == github.repository && vars.DEV_DIFF_AS != ''")
    assert [step["with"]["role-to-assume"] for step in computes["steps"] if "aws-" in step.get("uses", "")] == [
        "${{ vars.DEV_DIFF_AS }}"
    ]
    assert not any("uses" in step for step in writes["steps"])
    assert computes["env"]["CATCHWATER_INGESTION"].startswith("s3://totesys-dev-")
    shop = actions(replace(plan_of("shop", "prod"), credentials="keys"))["jobs"]
    assert "vars.PROD_DIFF_AS != ''" in shop["diff-prod"]["if"]


SAYS = """#!/bin/bash
echo "$@" >> "$RUNNER_TEMP/called"
if [ "${@: -1}" = models/deep/bad.sql ]; then echo 'secret value' >&2; exit 1; fi
echo "${@: -1} differs"
"""
GH = """#!/bin/bash
echo "$@" >> "$RUNNER_TEMP/called"
case "$*" in *--jq*) cat "$RUNNER_TEMP/ids" ;; esac
"""


def script(job: str, folder: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    """What the last step of a job runs, with a `catchwater` and a `gh` that only say what they were asked."""
    steps = actions(plan_of("totesys", "dev"))["jobs"][f"{job}-dev"]["steps"]
    for name, text in {"catchwater": SAYS, "gh": GH}.items():
        (folder / "bin").mkdir(exist_ok=True)
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    paths = {"RUNNER_TEMP": str(folder), "GITHUB_OUTPUT": str(folder / "output"), "REPOSITORY": "a/b", "NUMBER": "7"}
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", steps[-1]["run"]], cwd=folder / "repo", capture_output=True, text=True,
        env=os.environ | paths | {"PATH": path} | env,
    )  # fmt: skip


def pull_request(folder: Path, **models: str) -> None:
    """A merge of a branch that has these models (by name) into one that has `a` and `gone`."""
    repo = folder / "repo"
    (repo / "models" / "deep").mkdir(parents=True)

    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, "-C", str(repo), *words], check=True, capture_output=True)

    git("init", "-b", "main")
    for name in ("a", "gone"):
        (repo / "models" / f"{name}.sql").write_text("SELECT 1")
    git("add", "."), git("commit", "-m", "one"), git("checkout", "-b", "other")
    for name, text in models.items():
        (repo / "models" / "deep" / f"{name}.sql").write_text(text)
    if models:
        (repo / "models" / "gone.sql").unlink()
    (repo / "README").write_text("x")
    git("add", "-A"), git("commit", "-m", "two"), git("checkout", "main"), git("merge", "--no-ff", "other")


def output(folder: Path) -> dict[str, str]:
    lines = dict(line.split("=", 1) for line in (folder / "output").read_text().splitlines())
    return lines | {"comment": base64.b64decode(lines["comment"]).decode()}


def test_the_changed_models_are_compared_by_name(tmp_path: Path) -> None:
    pull_request(tmp_path, b="SELECT 2", **{"it's; $(x)": "SELECT 3", "_macros": "x"})
    done = script("diff", tmp_path)
    assert done.returncode == 0, done.stderr
    said = output(tmp_path)
    assert said["changed"] == "yes"
    assert said["comment"].startswith("<!-- catchwater diff dev -->\n### catchwater diff: dev\n")
    assert all(f"models/{file}.sql differs" in said["comment"] for file in ("deep/b", "deep/it's; $(x)", "gone"))
    assert "models/a.sql" not in said["comment"]
    assert "`models/deep/_macros.sql` is changed too" in said["comment"]
    assert all("--examples 0 -- " in line for line in (tmp_path / "called").read_text().splitlines())


def test_a_model_that_can_t_be_compared_fails_the_job_and_shows_no_value(tmp_path: Path) -> None:
    pull_request(tmp_path, b="SELECT 2", bad="SELECT 3")
    assert script("diff", tmp_path).returncode == 1
    comment = output(tmp_path)["comment"]
    assert "b.sql differs" in comment
    assert "`models/deep/bad.sql` could not be compared" in comment
    assert "secret value" not in comment


@pytest.mark.parametrize(
    ("ids", "changed", "called"),
    [("", "yes", "POST repos/a/b/issues/7/comments"), ("12\n13\n", "no", "PATCH repos/a/b/issues/comments/12"), ("", "no", "")],
)  # fmt: skip
def test_one_comment_is_made_or_changed(tmp_path: Path, ids: str, changed: str, called: str) -> None:
    pull_request(tmp_path)
    assert script("diff", tmp_path).returncode == 0
    assert output(tmp_path)["changed"] == "no"
    (tmp_path / "ids").write_text(ids)
    comment = base64.b64encode(b"text").decode()
    done = script("comment", tmp_path, CHANGED=changed, COMMENT=comment)
    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "called").read_text().splitlines()
    assert [called in line for line in asked[1:]] == ([True] if called else [])
    assert (tmp_path / "comment.md").read_text() == "text"


def test_keys_are_read_under_the_names_that_teams_use() -> None:
    text = made(replace(plan_of("shop", "prod"), credentials="keys"))[".github/workflows/catchwater.yml"]
    for name in ("GCLOUD_KEY", "GCLOUD_PROJECT", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert f"secrets.{name}" in text
    assert "role-to-assume" not in text
    assert "workload_identity_provider" not in text


def test_every_action_is_pinned_by_its_commit() -> None:
    text = made(plan_of("shop", "prod"))[".github/workflows/catchwater.yml"]
    used = [line.split("uses: ")[1] for line in text.splitlines() if "uses: " in line]
    assert used
    assert all(len(one.split("@")[1].split(" ")[0]) == 40 and " # v" in one for one in used)


def test_what_must_be_told_comes_from_variables_and_what_is_secret_from_secrets() -> None:
    env = actions(plan_of("totesys", "dev"))["jobs"]["apply-dev"]["env"]
    assert env == {
        "TF_VAR_project_number": "${{ vars.DEV_PROJECT_NUMBER }}",
        "TF_VAR_warehouse_password": "${{ secrets.DEV_WAREHOUSE_PASSWORD }}",
    }


def test_looker_is_checked_where_it_is_declared() -> None:
    assert "lookml" in actions(plan_of("shop", "prod"))["jobs"]
    assert "lookml" not in actions(plan_of("totesys", "dev"))["jobs"]


def test_cloud_build_applies_on_main_and_plans_on_a_branch() -> None:
    files = made(plan_of("open_data", "dev"), plan_of("open_data", "prod"))
    assert set(files) == {f"cloudbuild/{env}/{what}.yaml" for env in ("dev", "prod") for what in ("plan", "apply")}
    plan, apply = (YAML(typ="safe").load(files[f"cloudbuild/dev/{what}.yaml"]) for what in ("plan", "apply"))
    assert [step["id"] for step in apply["steps"]] == ["package", "google-storage", "google-workflow-lambda"]
    assert "terraform -chdir=infra/dev/google/storage apply" in apply["steps"][1]["args"][1]
    assert "terraform -chdir=infra/dev/google/storage plan" in plan["steps"][1]["args"][1]
    assert plan["serviceAccount"] != apply["serviceAccount"]


def test_images_are_built_of_the_commit_and_only_where_one_runs(tmp_path: Path) -> None:
    asked = (*roots("google"), Root("google", "serve", (), variables=(Variable("image", "The image."),)))
    stage = workflows.stage(plan_of("shop", "prod"), asked)
    files = {path: data.decode() for path, data in workflows.files([stage]).items()}
    linted(tmp_path, files)
    jobs = YAML(typ="safe").load(files[".github/workflows/catchwater.yml"])["jobs"]
    image = "europe-west2-docker.pkg.dev/shop-prod/shop-prod/catchwater:${{ github.sha }}"
    assert {job["env"]["TF_VAR_image"] for name, job in jobs.items() if name[:4] in ("plan", "appl")} == {image}
    names = {name: [step.get("name") for step in job["steps"]] for name, job in jobs.items()}
    assert names["apply-prod"][-2:] == ["Images", "Apply"]
    assert "Images" not in names["plan-prod"]
    assert "Dockerfile.dataflow" not in files[".github/workflows/catchwater.yml"]


def test_a_pipeline_has_an_image_of_its_own(tmp_path: Path) -> None:
    both = (Variable("image", "One."), Variable("dataflow_image", "Another."))
    stage = workflows.stage(
        plan_of("open_data", "dev"), (*roots("google"), Root("google", "serve", (), variables=both))
    )
    files = {path: data.decode() for path, data in workflows.files([stage]).items()}
    linted(tmp_path, files)
    apply = YAML(typ="safe").load(files["cloudbuild/dev/apply.yaml"])
    assert [step["id"] for step in apply["steps"]][:5] == [
        "package",
        "build",
        "push",
        "build-dataflow",
        "push-dataflow",
    ]
    address = "europe-west2-docker.pkg.dev/od-dev/open-data-dev/catchwater-dataflow:$SHORT_SHA"
    assert f"TF_VAR_dataflow_image={address}" in apply["steps"][-1]["env"]
    assert apply["steps"][3]["args"] == ["build", "--tag", address, "--file", "infra/dev/Dockerfile.dataflow", "."]
