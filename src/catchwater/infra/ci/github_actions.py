"""GitHub Actions: a plan as a comment on each pull request, apply on merge, one environment after the other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from catchwater import __version__
from catchwater.infra.ci import github_diff, github_steps
from catchwater.infra.ci.github_steps import CHECKOUT, OWN, SETUP
from catchwater.infra.package import PYTHON as RUNS_ON

if TYPE_CHECKING:
    from catchwater.infra.ci.workflows import Stage

PATH = ".github/workflows/catchwater.yml"
TERRAFORM = "1.11.4"

_HEAD = """\
# Written by `catchwater build`: change catchwater.yml and build again.
name: catchwater

on:
  pull_request:
    paths:
      - catchwater.yml
      - infra/**
      - models/**
      - .github/workflows/catchwater.yml
  push:
    branches: [main]
    paths:
      - catchwater.yml
      - infra/**
      - models/**
      - .github/workflows/catchwater.yml

permissions: {}

concurrency:
  group: catchwater-${{ github.event.pull_request.number || github.ref }}
  cancel-in-progress: false

jobs:
"""
_LOOKML = f"""\
  lookml:
    name: looker/ is what the models say
    runs-on: ubuntu-24.04
    timeout-minutes: 10
    permissions:
      contents: read
    steps:
      - uses: {CHECKOUT}
        with:
          persist-credentials: false
{github_steps.python(f"catchwater[looker]=={__version__}")}\
      - run: catchwater lookml --check --plan "infra/ENVIRONMENT/plan.json"
"""
_PLAN = """\
      - name: Plan
        run: |
          set -euo pipefail
          changes=0
          for stack in STACKS; do
            root="infra/ENVIRONMENT/$stack"
            terraform -chdir="$root" init -input=false -no-color
            code=0
            terraform -chdir="$root" plan -input=false -no-color -lock=false -detailed-exitcode \\
              > "$RUNNER_TEMP/plan" || code=$?
            if [ "$code" -eq 1 ]; then cat "$RUNNER_TEMP/plan"; exit 1; fi
            if [ "$code" -eq 2 ]; then
              changes=$((changes + 1))
              {
                echo "<details><summary>ENVIRONMENT: $stack</summary>"
                echo
                echo '```'
                tail -c 12000 "$RUNNER_TEMP/plan"
                echo '```'
                echo '</details>'
              } >> "$RUNNER_TEMP/changes"
            fi
          done
          {
            echo "### catchwater plan: ENVIRONMENT, $changes stacks change"
            if [ -f "$RUNNER_TEMP/changes" ]; then head -c 60000 "$RUNNER_TEMP/changes"; fi
          } > "$RUNNER_TEMP/comment.md"
      - name: Comment
        env:
          GH_TOKEN: ${{ github.token }}
          NUMBER: ${{ github.event.pull_request.number }}
        run: gh pr comment "$NUMBER" --body-file "$RUNNER_TEMP/comment.md"
"""
_APPLY = """\
      - name: Apply
        run: |
          set -euo pipefail
          for stack in STACKS; do
            root="infra/ENVIRONMENT/$stack"
            terraform -chdir="$root" init -input=false -no-color
            terraform -chdir="$root" apply -input=false -no-color -auto-approve
          done
"""


def files(stages: Sequence["Stage"]) -> dict[str, str]:
    text = _HEAD
    if stages[0].plan.serve.get("looker"):
        text += _LOOKML.replace("ENVIRONMENT", stages[0].environment)
    text += "".join(_plan(stage) + github_diff.jobs(stage) for stage in stages)
    for number, stage in enumerate(stages):
        text += _apply(stage, stages[number - 1] if number else None)
    return {PATH: text}


def _plan(stage: "Stage") -> str:
    return (
        f"  plan-{stage.environment}:\n"
        f"    if: github.event_name == 'pull_request' && {OWN}\n"
        f"    name: plan {stage.environment}\n"
        + _job("pull-requests: write # the plan is a comment")
        + _environment(stage)
        + _steps(stage, "plan")
        + _filled(_PLAN, stage)
    )


def _apply(stage: "Stage", before: "Stage | None") -> str:
    needs = f"    needs: apply-{before.environment}\n" if before else ""
    return (
        f"  apply-{stage.environment}:\n"
        f"    if: github.event_name == 'push' && github.ref == 'refs/heads/main'\n{needs}"
        f"    name: apply {stage.environment}\n    environment: {stage.environment}\n"
        + _job()
        + _environment(stage)
        + _steps(stage, "apply")
        + _images(stage)
        + _filled(_APPLY, stage)
    )


def _job(more: str = "") -> str:
    extra = f"      {more}\n" if more else ""
    return (
        "    runs-on: ubuntu-24.04\n    timeout-minutes: 60\n    permissions:\n"
        f"      contents: read\n      id-token: write # a role instead of a key\n{extra}"
    )


def _environment(stage: "Stage") -> str:
    """What the roots must be told: repository variables, and secrets for what no state may hold."""
    lines = [
        f"      TF_VAR_{v.name}: ${{{{ {'secrets' if v.ephemeral else 'vars'}.{_asked(stage, v.name)} }}}}\n"
        for v in stage.told
    ]
    lines += [f"      TF_VAR_{one.variable}: {one.address}\n" for one in stage.images("${{ github.sha }}")]
    if stage.plan.credentials == "keys" and "google" in stage.plan.clouds:
        lines.append("      GOOGLE_CLOUD_PROJECT: ${{ secrets.GCLOUD_PROJECT }}\n")
    return "    env:\n" + "".join(lines) if lines else ""


def _asked(stage: "Stage", name: str) -> str:
    """Plans of pull requests see the repository's variables alone, so that the environment must be in the name."""
    return f"{stage.environment}_{name}".upper().replace("-", "_")


def _filled(text: str, stage: "Stage") -> str:
    return text.replace("STACKS", " ".join(stage.stacks)).replace("ENVIRONMENT", stage.environment)


def _steps(stage: "Stage", purpose: str) -> str:
    text = f"    steps:\n      - uses: {CHECKOUT}\n        with:\n          persist-credentials: false\n"
    if any(step.compute in ("lambda", "function") for step in stage.plan.steps):
        extras = "aws,google" if "google" in stage.plan.clouds else "aws"
        text += github_steps.python(f"catchwater[postgres,http,topic,{extras}]=={__version__}", RUNS_ON)
        text += f"      - run: catchwater package --env {stage.environment}\n"
    text += f"      - uses: {SETUP}\n        with:\n          terraform_version: {TERRAFORM}\n"
    text += "          terraform_wrapper: false\n"
    if "aws" in stage.plan.clouds:
        text += github_steps.aws(stage, purpose, stage.role(purpose))
    if "google" in stage.plan.clouds:
        text += github_steps.google(stage, stage.account(purpose))
    return text


def _images(stage: "Stage") -> str:
    images = stage.images("")
    if not images:
        return ""
    host = images[0].address.partition("/")[0]
    built = "".join(
        f'          docker build --tag "$TF_VAR_{image.variable}" --file {image.dockerfile} .\n'
        f'          docker push "$TF_VAR_{image.variable}"\n'
        for image in images
    )
    return (
        "      - name: Images\n        run: |\n          set -euo pipefail\n"
        f"          gcloud auth configure-docker {host} --quiet\n{built}"
    )
