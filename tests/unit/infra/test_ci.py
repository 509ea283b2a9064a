"""The workflows that are generated: what runs where, with which rights, told by their own linters to be right."""

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
    assert set(jobs) == {"plan-dev", "plan-prod", "apply-dev", "apply-prod"}
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
    }
    assert role["plan-dev"].startswith("arn:aws:iam::111122223333:role/")
    assert role["plan-dev"] != role["apply-dev"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in jobs["plan-dev"]["if"]
    assert jobs["apply-dev"]["if"] == "github.event_name == 'push' && github.ref == 'refs/heads/main'"
    text = made(plan_of("totesys", "dev"))[".github/workflows/catchwater.yml"]
    assert "AWS_SECRET_ACCESS_KEY" not in text


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
    assert {job["env"]["TF_VAR_image"] for name, job in jobs.items() if name != "lookml"} == {image}
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
