"""The emulator's own Python environment, made once per lock file and kept in the user's cache, never in the project."""

import fcntl
import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from catchwater.errors import MissingExtra, TwinFailed

NAME = "ministack"


PARTS = {"grpc": "grpcio", "msgpack": "msgpack", "tfplugin_proto": "tfplugin-proto-all", "boto3": "boto3",
         "google.protobuf": "protobuf"}  # fmt: skip


def require() -> None:
    """Raises MissingExtra for a part of the twin that isn't installed, TerraformMissing without Terraform."""
    for module, package in PARTS.items():
        try:
            there = find_spec(module) is not None
        except ModuleNotFoundError:
            there = False
        if not there:
            raise MissingExtra(package, "twin")
    from catchwater.infra.offline.terraform import binary

    binary()


def home(variables: dict[str, str] | None = None) -> Path:
    """CATCHWATER_EMULATORS, or a folder of the user's cache."""
    held = os.environ if variables is None else variables
    cache = Path(held.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(held.get("CATCHWATER_EMULATORS") or cache / "catchwater" / "emulators")


def lock_file(name: str = NAME) -> Path:
    """The hash-locked requirements: carried in the wheel, or beside `src` in a checkout."""
    package = Path(__file__).parents[2]
    shipped = package / "_requirements" / f"emulators-{name}.txt"
    return shipped if shipped.is_file() else package.parents[1] / "requirements" / f"emulators-{name}.txt"


def made(lock: Path, folder: Path, say: Callable[[str], None] = lambda _: None, options: Sequence[str] = ()) -> Path:
    """The programs of the environment in `folder`, made by one process at a time when the lock or Python changed;
    `options` are pip's.

    Raises TwinFailed with the line that makes it by hand.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    mark = folder / "made-from"
    with (folder / "lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not mark.exists() or mark.read_text() != wanted:
            say(f"making the emulator's environment in {folder} (once)")
            mark.unlink(missing_ok=True)
            _install(lock, folder, options)
            mark.write_text(wanted)
    return folder / "venv" / "bin"


def _install(lock: Path, folder: Path, options: Sequence[str]) -> None:
    line = [str(folder / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    line += [*options, "--require-hashes", "-r", str(lock)]
    by_hand = f"{sys.executable} -m venv --clear {folder / 'venv'} && {' '.join(line)}"
    try:
        venv.create(folder / "venv", with_pip=True, clear=True)
        done = subprocess.run(line, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise TwinFailed(f"the emulator's environment can't be made: {error}", next_step=by_hand) from error
    if done.returncode:
        raise TwinFailed(f"the emulator can't be installed: {done.stderr.strip()[-600:]}", next_step=by_hand)
