"""What a function runs, as one archive: this package and what it needs, the same bytes each time it is made."""

import os
import platform
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path, PurePosixPath

from catchwater.errors import MissingExtra, UseError
from catchwater.plan.plan import Plan, Step

PYTHON = "3.11"
PLATFORM = "x86_64"
GLIBC = (2, 34)  # of Amazon Linux 2023
MOST = 250 << 20  # bytes, unzipped: what Lambda takes
FUNCTION = "artifacts/catchwater-function.zip"
LAMBDA = "artifacts/catchwater-lambda.zip"  # under infra/<environment>
HANDLER = "catchwater.runtimes.aws_lambda.handler"
LEVEL = 1  # of zlib: a higher one takes five times as long for a tenth less
_TIME = (1980, 1, 1, 0, 0, 0)
_DATA = frozenset({"lambda", "secretsmanager", "sns", "sqs", "sts"})  # services that a handler calls through boto3
_UNUSED = re.compile(
    r"(^|/)(__pycache__|tests?)(/|$)|\.(pyc|pyi|a|h|c|pyx|pxd)$|(^|/)(RECORD|INSTALLER|direct_url\.json"
    r"|REQUESTED)$|^\.\.|^bin/|\.pth$|^catchwater/(_examples|infra|serve|cli)/|^_duckdb-stubs/|^boto3/(data|examples)/"
)
_OWN = "catchwater"
_NEVER = frozenset(
    {"rich", "typer", "pygments", "markdown-it-py", "mdurl", "shellingham", "click"}
)  # of the command line


def extras_of_sources(plan: Plan, steps: Iterable[Step]) -> set[str]:
    """The extras that the sources of these steps need."""
    kinds = {"http_files": "http", "github": "http", "topic": "topic", "postgres": "postgres"}
    return {kinds[plan.source(step.source).kind] for step in steps if step.source}


def extras_of(plan: Plan) -> tuple[str, ...]:
    """The extras that the plan's steps on Lambda need."""
    steps = [step for step in plan.steps if step.place == "aws" and step.compute == "lambda"]
    found = {"aws"}
    found |= extras_of_sources(plan, steps)
    if any(step.stage == "load" for step in steps):
        found |= {{"postgres": "postgres", "bigquery": "google"}.get(str(plan.warehouse["kind"]), "aws")}
    return tuple(sorted(found))


def package(plan: Plan, folder: Path) -> tuple[Path, ...]:
    """Write the archives that the roots of a plan ask for, and the folder that its images are built from, under the
    project's `folder`; returns their paths."""
    from catchwater.infra import container
    from catchwater.infra.function_source import function_zip

    made = []
    if any(step.place == "aws" and step.compute == "lambda" for step in plan.steps):
        made.append(lambda_zip(folder / "infra" / plan.environment / LAMBDA, extras_of(plan)))
    if any(step.place == "google" and step.compute == "function" for step in plan.steps):
        made.append(function_zip(plan, folder / "infra" / plan.environment / FUNCTION))
    if container.needed(plan):
        made.append(container.write_image(plan, folder))
    return tuple(made)


def lambda_zip(out: Path, extras: Sequence[str] = ("aws", "postgres"), python: str = PYTHON) -> Path:
    """Write the archive of every Lambda step: handler `HANDLER`, Python `python`, Linux on x86_64.

    Its parts are this environment's own where they fit that platform, else the same versions are downloaded for it.
    Raises MissingExtra for a part that isn't installed here, UseError when it is over MOST bytes unzipped.
    """
    wanted = closure(extras)
    with tempfile.TemporaryDirectory(prefix="catchwater-package-") as work:
        files = dict(_own())
        away = [one for one in wanted if not _fits(one, python)]
        for one in wanted:
            if one not in away:
                files |= _installed(one)
        if away:
            files |= _downloaded(away, python, Path(work))
        _bounded(files)
        return _written(out, files)


def closure(extras: Iterable[str]) -> list[metadata.Distribution]:
    """Catchwater's requirements with these extras, and theirs, by name; without what only the command line needs."""
    try:
        from packaging.requirements import Requirement
    except ImportError as error:
        raise MissingExtra("packaging", "aws") from error
    found: dict[str, metadata.Distribution] = {}
    seen: set[tuple[str, str]] = set()
    todo = [(_OWN, extra) for extra in ("", *extras)]
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen or name in _NEVER:
            continue
        seen.add((name, extra))
        found[name] = _distribution(name, extra)
        for line in found[name].requires or ():
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({**_TARGET, "extra": extra}):
                todo += [(_plain(need.name), one) for one in ("", *need.extras)]
    return [found[name] for name in sorted(found) if name != _OWN]


_TARGET = {
    "sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": PLATFORM,
    "platform_python_implementation": "CPython", "implementation_name": "cpython",
    "python_version": PYTHON, "python_full_version": f"{PYTHON}.0",
}  # fmt: skip


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _distribution(name: str, extra: str) -> metadata.Distribution:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError as error:
        raise MissingExtra(name, extra or "aws") from error


def _fits(one: metadata.Distribution, python: str) -> bool:
    """Whether what is installed runs on Lambda: pure Python, or made for its platform, Python and glibc."""
    wheel = one.read_text("WHEEL") or ""
    tags = re.findall(r"^Tag: (.+)$", wheel, re.MULTILINE)
    if any(tag.endswith("-none-any") for tag in tags):
        return True
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    return here == python and _machine() == ("linux", PLATFORM) and any(_old_enough(tag) for tag in tags)


def _machine() -> tuple[str, str]:
    return sys.platform, platform.machine()


def _old_enough(tag: str) -> bool:
    needed = re.search(r"manylinux_(\d+)_(\d+)_x86_64", tag)
    return bool(re.search("manylinux(1|2010|2014)_x86_64", tag)) or (
        needed is not None and (int(needed[1]), int(needed[2])) <= GLIBC
    )


def _own() -> Iterator[tuple[str, Path]]:
    """This package as it lies here, installed or checked out, and its version."""
    home = Path(__file__).resolve().parents[1]
    for path in home.rglob("*"):
        name = f"{_OWN}/{path.relative_to(home).as_posix()}"
        if path.is_file() and not _UNUSED.search(name):
            yield name, path


def _installed(one: metadata.Distribution) -> dict[str, Path]:
    found = {}
    for file in one.files or ():
        name = PurePosixPath(file).as_posix()
        path = Path(str(one.locate_file(file)))
        if _kept(name) and path.is_file():
            found[name] = path
    return found


def _kept(name: str) -> bool:
    if _UNUSED.search(name):
        return False
    data = re.match(r"botocore/data/([^/]+)/", name)
    return data is None or data[1] in _DATA


def _downloaded(away: Sequence[metadata.Distribution], python: str, work: Path) -> dict[str, Path]:
    """The same versions, made for Lambda, by pip."""
    versions = sorted(f"{one.name}=={one.version}" for one in away)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}", f"--dest={work / 'wheels'}"]
    command += [f"--platform=manylinux_2_{minor}_{PLATFORM}" for minor in range(GLIBC[1], 16, -1)]
    command += [f"--platform=manylinux2014_{PLATFORM}", *versions]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise UseError(f"can't download for Python {python}: {said}", where=", ".join(versions), next_step=_STEP)
    for wheel in sorted((work / "wheels").glob("*.whl")):
        with zipfile.ZipFile(wheel) as held:
            held.extractall(work / "files")
    root = work / "files"
    names = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {name: path for name, path in names.items() if _kept(name)}


_STEP = f"run it with Python {PYTHON} on Linux, or where PyPI can be reached"


def _bounded(files: Mapping[str, Path]) -> None:
    sizes: dict[str, int] = {}
    for name, path in files.items():
        part = name.split("/")[0]
        sizes[part] = sizes.get(part, 0) + path.stat().st_size
    whole = sum(sizes.values())
    if whole <= MOST:
        return
    largest = sorted(sizes, key=lambda part: -sizes[part])[:5]
    said = ", ".join(f"{part} {sizes[part] / 1e6:.0f} MB" for part in largest)
    raise UseError(
        f"{whole / 1e6:.0f} MB unzipped, Lambda takes {MOST / 1e6:.0f}: {said}",
        where="catchwater-lambda.zip",
        next_step="let fewer kinds of sources and warehouses run on Lambda in this environment",
    )


def _written(out: Path, files: Mapping[str, Path]) -> Path:
    """In the order of names, all of the same time, the modes as a handler needs them."""
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f"{out.name}.{os.getpid()}")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr = (0o755 if ".so" in name.rsplit("/", 1)[-1] else 0o644) << 16
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
            archive.writestr(entry, files[name].read_bytes(), compresslevel=LEVEL)
    temporary.replace(out)
    return out
