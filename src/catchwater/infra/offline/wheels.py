"""The public wheels that carry the providers' schemas, fetched once into a cache by hash; nothing is installed."""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from catchwater.errors import SchemaMissing


@dataclass(frozen=True)
class Wheel:
    """A package whose wheel holds bindings generated from the schemas of `source` at `provider`."""

    package: str
    version: str
    sha256: str
    source: str
    provider: str


WHEELS = {
    "aws": Wheel(
        package="cdktn-provider-aws",
        version="25.8.1",
        sha256="2ffa579cb88b063cb3a9937e43c519391e876845768f51638a848bdf2ce9f354",
        source="registry.terraform.io/hashicorp/aws",
        provider="6.69.1",
    ),
    "google": Wheel(
        package="cdktn-provider-google",
        version="21.1.0",
        sha256="157dead5025d5db5abe48e40cc49f0b6a4d8088fd0498eb17ad5a36bca811b2a",
        source="registry.terraform.io/hashicorp/google",
        provider="8.7.0",
    ),
}


def cache(environ: Mapping[str, str] = os.environ) -> Path:
    """`$XDG_CACHE_HOME/catchwater/terraform`, or the same under ~/.cache."""
    home = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "catchwater" / "terraform"


@contextmanager
def alone(folder: Path, name: str) -> Iterator[None]:
    """One process at a time holds `name` of this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield


def fetch(cloud: str, folder: Path) -> Path:
    """The wheel of a cloud's provider in `folder`, downloaded when it isn't there yet; its hash is always checked."""
    wheel = WHEELS[cloud]
    wanted = folder / f"{wheel.package.replace('-', '_')}-{wheel.version}-py3-none-any.whl"
    with alone(folder, f"wheel-{cloud}"):
        if not wanted.exists():
            _download(wheel, wanted)
        if hashlib.sha256(wanted.read_bytes()).hexdigest() != wheel.sha256:
            raise SchemaMissing("the wheel isn't the one that is expected", where=str(wanted), next_step=f"rm {wanted}")
    return wanted


def _download(wheel: Wheel, wanted: Path) -> None:
    """`pip download`, hash-pinned, into a folder beside the target, then renamed: a cut download is never taken."""
    with TemporaryDirectory(dir=wanted.parent) as made:
        pinned = Path(made) / "pinned.txt"
        pinned.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet"]
        command += ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-d", made, "-r", str(pinned)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = list(Path(made).glob("*.whl"))
        if done.returncode or not found:
            said = done.stderr.strip().splitlines()[-1:] or ["pip said nothing"]
            raise SchemaMissing(
                f"{wheel.package} {wheel.version} can't be downloaded: {said[0]}",
                next_step=f"pip download --no-deps {wheel.package}=={wheel.version}, then try again",
            )
        found[0].rename(wanted)
