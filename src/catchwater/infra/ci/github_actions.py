"""GitHub Actions: a plan as a comment on each pull request, apply on merge, one environment after the other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from catchwater import __version__
from catchwater.infra.package import PYTHON as RUNS_ON

if TYPE_CHECKING:
    from catchwater.infra.ci.workflows import Stage

PATH = ".github/workflows/catchwater.yml"
TERRAFORM = "1.11.4"
# Pinned by commit; the comment says the release that the commit is.
CHECKOUT = "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0"
PYTHON = "actions/setup-python@a26af69be951a213d495a4c3e4e4022e16d87065 # v5.6.0"
SETUP = "hashicorp/setup-terraform@b9cd54a3c349d3f38e8881555d616ced269862dd # v3.1.2"
AWS = "aws-actions/configure-aws-credentials@ececac1a45f3b08a01d2dd070d28d111c5fe6722 # v4.1.0"
GOOGLE = "google-github-actions/auth@7c6bc770dae815cd3e89ee6cdf493a5fab2cc093 # v3.0.0"

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
      - uses: {PYTHON}
        with:
          python-version: "3.12"
      - run: python -m pip install "catchwater[looker]=={__version__}"
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
    text += "".join(_plan(stage) for stage in stages)
    for number, stage in enumerate(stages):
        text += _apply(stage, stages[number - 1] if number else None)
    return {PATH: text}


def _plan(stage: "Stage") -> str:
    own = "github.event.pull_request.head.repo.full_name == github.repository"
    return (
        f"  plan-{stage.environment}:\n"
        f"    if: github.event_name == 'pull_request' && {own}\n"
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
        text += f'      - uses: {PYTHON}\n        with:\n          python-version: "{RUNS_ON}"\n'
        text += f'      - run: python -m pip install "catchwater[postgres,http,topic,{extras}]=={__version__}"\n'
        text += f"      - run: catchwater package --env {stage.environment}\n"
    text += f"      - uses: {SETUP}\n        with:\n          terraform_version: {TERRAFORM}\n"
    text += "          terraform_wrapper: false\n"
    if "aws" in stage.plan.clouds:
        text += _aws(stage, purpose)
    if "google" in stage.plan.clouds:
        text += _google(stage, purpose)
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


def _aws(stage: "Stage", purpose: str) -> str:
    region = stage.plan.clouds["aws"]["region"]
    text = f"      - uses: {AWS}\n        with:\n          aws-region: {region}\n"
    if stage.plan.credentials == "keys":
        text += "          aws-access-key-id: ${{ secrets.AWS_ACCESS_KEY_ID }}\n"
        return text + "          aws-secret-access-key: ${{ secrets.AWS_SECRET_ACCESS_KEY }}\n"
    return (
        text + f"          role-to-assume: {stage.role(purpose)}\n          role-session-name: catchwater-{purpose}\n"
    )


def _google(stage: "Stage", purpose: str) -> str:
    text = f"      - uses: {GOOGLE}\n        with:\n"
    if stage.plan.credentials == "keys":
        return text + "          credentials_json: ${{ secrets.GCLOUD_KEY }}\n"
    text += "          workload_identity_provider: ${{ vars.GOOGLE_WORKLOAD_IDENTITY_PROVIDER }}\n"
    return text + f"          service_account: {stage.account(purpose)}\n"
