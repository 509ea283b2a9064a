"""Cloud Build: build and push the image, plan on a branch, apply on main; one folder of files per environment."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from catchwater import __version__
from catchwater.infra.names import name

if TYPE_CHECKING:
    from catchwater.infra.ci.workflows import Image, Stage

TERRAFORM = "hashicorp/terraform:1.11.4"
PYTHON = "python:3.12-slim-bookworm"
DOCKER = "gcr.io/cloud-builders/docker:24.0.9"


def files(stages: Sequence["Stage"]) -> dict[str, str]:
    found = {}
    for stage in stages:
        found[f"cloudbuild/{stage.environment}/plan.yaml"] = _build(stage, apply=False)
        found[f"cloudbuild/{stage.environment}/apply.yaml"] = _build(stage, apply=True)
    return found


def _build(stage: "Stage", apply: bool) -> str:
    what = "apply on main" if apply else "plan on a branch"
    text = f"# Written by `catchwater build`: {stage.environment}, {what}.\nsteps:\n"
    text += _package(stage)
    before = "package"
    for image in stage.images("$SHORT_SHA"):
        text, before = text + _image(image, before, push=apply), _last(image, apply)
    for stack in stage.stacks:
        text += _stack(stage, stack, apply, before)
        before = _id(stack)
    return text + _tail(stage, "apply" if apply else "plan")


def _tail(stage: "Stage", purpose: str) -> str:
    project = stage.plan.clouds["google"]["project"]
    text = f"serviceAccount: projects/{project}/serviceAccounts/{stage.account(purpose)}\n"
    text += "options:\n  logging: CLOUD_LOGGING_ONLY\ntimeout: 3600s\n"
    plain = [variable for variable in stage.told if not variable.ephemeral]
    if plain:
        text += "substitutions:\n" + "".join(f'  _{v.name.upper()}: ""\n' for v in plain)
    hidden = [variable for variable in stage.told if variable.ephemeral]
    if hidden:
        text += "availableSecrets:\n  secretManager:\n" + "".join(
            f"    - versionName: projects/{project}/secrets/{name(stage.plan, 'job', 'ci', v.name)}/versions/latest\n"
            f"      env: TF_VAR_{v.name}\n"
            for v in hidden
        )
    return text


def _package(stage: "Stage") -> str:
    install = f'python -m pip install --quiet "catchwater[postgres,http,topic,google]=={__version__}"'
    return (
        f"  - id: package\n    name: {PYTHON}\n    entrypoint: bash\n    args:\n      - -euc\n      - |\n"
        f"        {install}\n        catchwater package --env {stage.environment}\n"
    )


def _image(image: "Image", before: str, push: bool) -> str:
    built = _last(image, push=False)
    text = (
        f"  - id: {built}\n    name: {DOCKER}\n    waitFor: [{before}]\n"
        f"    args: [build, --tag, {image.address}, --file, {image.dockerfile}, .]\n"
    )
    if push:
        text += f"  - id: {_last(image, push)}\n    name: {DOCKER}\n    waitFor: [{built}]\n"
        text += f"    args: [push, {image.address}]\n"
    return text


def _last(image: "Image", push: bool) -> str:
    suffix = "" if image.variable == "image" else f"-{image.variable.removesuffix('_image')}"
    return f"{'push' if push else 'build'}{suffix}"


def _id(stack: str) -> str:
    return stack.replace("/", "-")


def _stack(stage: "Stage", stack: str, apply: bool, before: str) -> str:
    root = f"infra/{stage.environment}/{stack}"
    command = "apply -input=false -auto-approve" if apply else "plan -input=false -lock=false"
    told = {v.name: f"$_{v.name.upper()}" for v in stage.told if not v.ephemeral}
    told |= {image.variable: image.address for image in stage.images("$SHORT_SHA")}
    env = "".join(f"      - TF_VAR_{variable}={value}\n" for variable, value in told.items())
    secret = "".join(f"      - TF_VAR_{v.name}\n" for v in stage.variables if v.ephemeral)
    text = f"  - id: {_id(stack)}\n    name: {TERRAFORM}\n    waitFor: [{before}]\n    entrypoint: sh\n"
    text += "    args:\n      - -euc\n      - |\n"
    text += f"        terraform -chdir={root} init -input=false -no-color\n"
    text += f"        terraform -chdir={root} {command} -no-color\n"
    text += f"    env:\n{env}" if env else ""
    return text + (f"    secretEnv:\n{secret}" if secret else "")
