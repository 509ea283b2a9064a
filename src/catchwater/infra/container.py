"""The image of Cloud Run, services and jobs alike: its Dockerfile and the folder that it is built from; no secret."""

from pathlib import Path

from catchwater.infra.function_source import image_files
from catchwater.plan.plan import Plan

BASE = "python:3.12-slim-bookworm"
USER = 65532
SERVICE = ("python", "-m", "catchwater.cli.service")
SDK = "apache/beam_python3.12_sdk:2.77.0"
LAUNCHER = "gcr.io/dataflow-templates-base/python312-template-launcher-base:latest"
PIPELINE = b"""import sys

from catchwater.runtimes.dataflow import main

sys.exit(main(sys.argv[1:]))
"""
JOB = ("python", "-m", "catchwater.runtimes.cloud_run")


def needed(plan: Plan) -> bool:
    """Whether any step runs in the image."""
    return bool(dockerfiles(plan))


def dockerfiles(plan: Plan) -> dict[str, str]:
    """The Dockerfiles of the images that the plan's steps run in, by their names."""
    computes = {step.compute for step in plan.steps if step.place == "google"}
    found = {"Dockerfile": dockerfile(plan)} if computes & {"service", "job"} else {}
    return found | ({"Dockerfile.dataflow": dataflow(plan)} if "dataflow" in computes else {})


def dataflow(plan: Plan) -> str:
    """The Dockerfile of a flex template: Beam's own image, Google's launcher, and the pipeline."""
    source = folder(plan)
    return f"""\
# Written by `catchwater build`. `catchwater package --env {plan.environment}` makes {source}/ first.
ARG SDK={SDK}
ARG LAUNCHER={LAUNCHER}
FROM ${{LAUNCHER}} AS launcher

FROM ${{SDK}}
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1 PYTHONPATH=/template
COPY {source}/requirements.txt /template/requirements.txt
RUN pip install --only-binary=:all: --requirement /template/requirements.txt
COPY {source}/catchwater /template/catchwater
COPY {source}/pipeline.py /template/pipeline.py
COPY --from=launcher /opt/google/dataflow/python_template_launcher /opt/google/dataflow/python_template_launcher
ENV FLEX_TEMPLATE_PYTHON_PY_FILE=/template/pipeline.py
USER {USER}:{USER}
ENTRYPOINT ["/opt/google/dataflow/python_template_launcher"]
"""


def folder(plan: Plan) -> str:
    """Where `catchwater package` puts what the image is built from, under the project."""
    return f"infra/{plan.environment}/image"


def dockerfile(plan: Plan) -> str:
    """The Dockerfile, built with the project's folder as context after `catchwater package`.

    Versions are pinned in requirements.txt; the base by its tag, since a digest is the registry's to give: pass one
    with `--build-arg BASE=python@sha256:…`. The command listens on PORT; a job is run with JOB as its command.
    """
    source, command = folder(plan), ", ".join(f'"{word}"' for word in SERVICE)
    return f"""\
# Written by `catchwater build`. `catchwater package --env {plan.environment}` makes {source}/ first.
ARG BASE={BASE}
FROM ${{BASE}} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY {source}/requirements.txt /requirements.txt
RUN python -m venv /venv && /venv/bin/pip install --only-binary=:all: --requirement /requirements.txt

FROM ${{BASE}}
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app PORT=8080 HOME=/tmp
COPY --from=build /venv /venv
COPY {source}/catchwater /app/catchwater
WORKDIR /app
USER {USER}:{USER}
CMD [{command}]
"""


def write_image(plan: Plan, project: Path) -> Path:
    """Write the folder that the image is built from; what was there and isn't any more is removed."""
    target = project / folder(plan)
    files = {**image_files(plan), "pipeline.py": PIPELINE}
    held = [path for path in target.rglob("*") if path.is_file()] if target.is_dir() else []
    for path in held:
        if path.relative_to(target).as_posix() not in files:
            path.unlink()
    for name, data in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(data)
    return target
