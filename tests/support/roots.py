"""The compiled roots of the examples, written once per session into a folder: what Terraform and the scanners look at."""

import re
from functools import cache
from pathlib import Path

from catchwater.infra.compile import build
from tests.support.examples import CLOUDS, EXAMPLES, plan_of

ROOT_FILE = re.compile(r"^(infra/(?!modules/)[^/]+/[a-z]+/.+)/terraform\.tf$")


@cache
def built(name: str, environment: str) -> dict[str, bytes]:
    """Every file of an example in one environment by its path under the project."""
    return build(plan_of(name, environment), EXAMPLES / name)


def written(name: str, environment: str, folder: Path) -> list[Path]:
    """The example's files under `folder`; gives its roots."""
    files = built(name, environment)
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return [folder / found[1] for path in files if (found := ROOT_FILE.match(path))]


def ids() -> list[str]:
    return [f"{name}-{environment}" for name, environment in CLOUDS]
