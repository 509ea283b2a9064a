"""What Cloud Functions and Cloud Run are built from: this package, its requirements, and who calls it; no secret."""

import io
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from catchwater.infra.package import closure, extras_of_sources
from catchwater.plan.plan import Plan

RUNTIME = "python312"
ENTRY_POINT = "on_event"
FUNCTION_LEAVES_OUT = ("_examples", "infra", "serve", "cli")
IMAGE_LEAVES_OUT = ("_examples", "infra")
COMMAND_LINE = ("click", "markdown-it-py", "mdurl", "pygments", "rich", "shellingham", "typer")
_TIME = (1980, 1, 1, 0, 0, 0)
_MAIN = '''"""What Cloud Functions calls; which step it is stands in the environment."""

import functions_framework

from catchwater.runtimes import cloud_function

on_event = functions_framework.http(cloud_function.on_event)
'''


def extras_of(plan: Plan, computes: tuple[str, ...]) -> tuple[str, ...]:
    """The extras of Catchwater that the plan's steps on these computes of Google Cloud need."""
    steps = [step for step in plan.steps if step.place == "google" and step.compute in computes]
    found = {"google"} | ({"s3"} if "aws" in plan.clouds else set())  # a zone may be on the other cloud
    found |= extras_of_sources(plan, steps)
    if any(step.stage == "load" for step in steps) and plan.warehouse["kind"] == "postgres":
        found.add("postgres")
    return tuple(sorted(found | ({"api"} if "service" in computes else set())))


def requirements(extras: tuple[str, ...]) -> bytes:
    """One `name==version` a line: what is installed where this runs, so that what was tested is what is deployed."""
    pinned = sorted(f"{one.name.lower()}=={one.version}" for one in closure(extras))
    return "".join(f"{line}\n" for line in pinned).encode()


def command_line() -> bytes:
    """What the rooms that an image has and a function hasn't need besides: `catchwater.cli` is made of it."""
    pinned = []
    for name in COMMAND_LINE:
        with suppress(metadata.PackageNotFoundError):
            pinned.append(f"{name}=={metadata.version(name)}\n")
    return "".join(pinned).encode()


def package(leave_out: tuple[str, ...]) -> dict[str, bytes]:
    """The files of this package by their path, as it lies here, without these rooms."""
    home = Path(__file__).resolve().parents[1]
    found = {}
    for path in sorted(home.rglob("*")):
        parts = path.relative_to(home).parts
        if path.is_file() and parts[0] not in leave_out and "__pycache__" not in parts:
            found["/".join((home.name, *parts))] = path.read_bytes()
    return found


def function_files(plan: Plan) -> dict[str, bytes]:
    """The source of every function of the plan: entry point ENTRY_POINT of main.py."""
    needed = requirements(extras_of(plan, ("function",)))
    return {"main.py": _MAIN.encode(), "requirements.txt": needed, **package(FUNCTION_LEAVES_OUT)}


def function_zip(plan: Plan, out: Path) -> Path:
    """Write the source archive that `google_cloudfunctions2_function` builds from; the same bytes each time."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(archive(function_files(plan)))
    return out


def image_files(plan: Plan) -> dict[str, bytes]:
    """What the image is built from besides its Dockerfile, in one folder."""
    needed = requirements(extras_of(plan, ("service", "job"))) + command_line()
    return {"requirements.txt": needed, **package(IMAGE_LEAVES_OUT)}


def archive(files: Mapping[str, bytes]) -> bytes:
    """A zip in the order of names, all of one time and mode."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as zipped:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr, entry.create_system = 0o644 << 16, 3
            entry.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(entry, files[name], compresslevel=9)
    return held.getvalue()
